//! Every live process by its number. A process that is gone may still be found for a moment; its stage tells.

use super::pid::{self, ProcessId};
use super::process::Process;
use super::process::Processes;
use once_cell::sync::Lazy;
use parking_lot::RwLock;
use std::sync::Arc;

const SHARDS: usize = 16;

type Shard = RwLock<Processes>;

static PROCESSES: Lazy<[Shard; SHARDS]> = Lazy::new(Default::default);

fn shard(id: ProcessId) -> &'static Shard {
    &PROCESSES[id.number() as usize % SHARDS]
}

/// Makes a process known.
pub fn insert(process: &Arc<Process>) {
    shard(process.id).write().insert(process.id, Arc::clone(process));
}

/// Forgets a process that is gone.
pub fn remove(id: ProcessId) {
    let forgotten = shard(id).write().remove(&id);
    drop(forgotten);
}

/// The live process with exactly this PID text.
pub fn find(pid: &[u8]) -> Option<Arc<Process>> {
    pid::resolve(pid, get)
}

/// The live process with this number.
pub fn get(id: ProcessId) -> Option<Arc<Process>> {
    shard(id).read().get(&id).cloned()
}

/// How many live processes there are.
pub fn count() -> usize {
    PROCESSES.iter().map(|shard| shard.read().len()).sum()
}

/// The live processes for which `wanted` holds.
pub fn select(wanted: impl Fn(&Process) -> bool) -> Vec<Arc<Process>> {
    let mut found = Vec::new();
    for shard in PROCESSES.iter() {
        found.extend(shard.read().values().filter(|process| wanted(process)).cloned());
    }
    found
}
