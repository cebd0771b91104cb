//! Every live process by its number. A process that is gone may still be found for a moment; its stage tells.

use super::host::Host;
use super::pid::{self, ProcessId};
use super::process::Process;
use super::process::Processes;
use super::vitals::Traffic;
use once_cell::sync::Lazy;
use parking_lot::RwLock;
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

const SHARDS: usize = 16;

/// Some of the processes, and what those have sent that were removed.
#[derive(Default)]
struct Part {
    live: Processes,
    /// The numbers of the same processes by the addresses of their hosts, which live as long as they do; main ones under 0.
    on_host: FxHashMap<usize, FxHashSet<ProcessId>>,
    departed: Traffic,
}

/// Where a process stands in `on_host`.
fn place_of(process: &Process) -> usize {
    if process.is_main() { 0 } else { Arc::as_ptr(&process.host).addr() }
}

type Shard = RwLock<Part>;

static PROCESSES: Lazy<[Shard; SHARDS]> = Lazy::new(Default::default);

fn shard(id: ProcessId) -> &'static Shard {
    &PROCESSES[id.number() as usize % SHARDS]
}

/// Makes a process known.
pub fn insert(process: &Arc<Process>) {
    let mut part = shard(process.id).write();
    part.live.insert(process.id, Arc::clone(process));
    part.on_host.entry(place_of(process)).or_default().insert(process.id);
}

/// Forgets a process that is gone.
pub fn remove(id: ProcessId) {
    let mut part = shard(id).write();
    let forgotten = part.live.remove(&id);
    if let Some(process) = &forgotten {
        part.departed += process.vitals.traffic();
        // The set stays: a host has few, and its next process needs it again.
        if let Some(others) = part.on_host.get_mut(&place_of(process)) {
            others.remove(&id);
        }
    }
    drop(part);
    drop(forgotten);
}

/// The live process with exactly this PID text.
pub fn find(pid: &[u8]) -> Option<Arc<Process>> {
    pid::resolve(pid, get)
}

/// The live process with this number.
pub fn get(id: ProcessId) -> Option<Arc<Process>> {
    shard(id).read().live.get(&id).cloned()
}

/// The live process whose id has this number.
pub fn by_number(number: u64) -> Option<Arc<Process>> {
    get(ProcessId::of_number(number))
}

/// How many live processes there are.
pub fn count() -> usize {
    PROCESSES.iter().map(|shard| shard.read().live.len()).sum()
}

/// The live processes for which `wanted` holds.
pub fn select(wanted: impl Fn(&Process) -> bool) -> Vec<Arc<Process>> {
    let mut found = Vec::new();
    for shard in PROCESSES.iter() {
        found.extend(shard.read().live.values().filter(|process| wanted(process)).cloned());
    }
    found
}

/// The live processes of a host, of all main ones if there is none. Others are not looked at.
pub fn of_host(host: Option<&Arc<Host>>) -> Vec<Arc<Process>> {
    let place = host.map_or(0, |host| Arc::as_ptr(host).addr());
    let mut found = Vec::new();
    for shard in PROCESSES.iter() {
        let part = shard.read();
        let numbers = part.on_host.get(&place).into_iter().flatten();
        found.extend(numbers.filter_map(|number| part.live.get(number)).cloned());
    }
    found
}

/// Who is there, and what was sent since the program began.
pub struct Census {
    /// Sent by live processes and by those that are gone.
    pub traffic: Traffic,
    /// All live processes.
    pub live: Vec<Arc<Process>>,
}

/// Counts. A process is seen either alive or gone, never both or neither: each part is read under its lock.
pub fn census() -> Census {
    let mut census = Census { traffic: Traffic::default(), live: Vec::new() };
    for shard in PROCESSES.iter() {
        let part = shard.read();
        census.traffic += part.departed;
        for process in part.live.values() {
            census.traffic += process.vitals.traffic();
            census.live.push(Arc::clone(process));
        }
    }
    census
}
