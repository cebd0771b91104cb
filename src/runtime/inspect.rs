//! What can be seen of processes from outside: who is there (I-1), what one does (I-2), and totals (I-4). Nobody is asked and nobody
//! waits: what is read here was counted by the processes themselves ([`super::vitals`], [`super::shown`]), or stands behind locks
//! that are held for a few instructions. Each value is of a moment of its own.

use super::directory::{self, Census};
use super::failure::Failure;
use super::host::{self, Host};
use super::lifecycle::Stage;
use super::pool::Rest;
use super::process::Process;
use super::registry;
use super::vitals::{Phase, Subject};
use crate::wire::plain::Plain;
use std::sync::Arc;
use std::time::Duration;

/// How a process is shown while it lives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum State {
    /// Its code does not run yet.
    Starting,
    /// Its code runs.
    Running,
    /// It waits for a worker of its pool.
    Ready,
    /// Everything in it waits.
    Waiting,
    /// It is over, or was ended, and cleans up.
    Ending,
}

impl State {
    /// The state of a process that is not gone.
    pub fn of(process: &Process) -> State {
        if process.stage() != Stage::Alive {
            return State::Ending;
        }
        match (process.vitals.phase(), process.scheduled().map(|scheduled| scheduled.rest())) {
            (Phase::Starting, _) => State::Starting,
            (_, Some(Rest::Waiting)) | (Phase::Asleep, None) => State::Waiting,
            (_, Some(Rest::Queued)) => State::Ready,
            _ => State::Running,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Running => "running",
            State::Ready => "ready",
            State::Waiting => "waiting",
            State::Ending => "ending",
        }
    }
}

/// The PIDs of live processes, the oldest first: all of them, those of a host, or the main ones.
///
/// # Errors
/// There is no such host, or the reference is ill-formed.
pub fn list(of_host: Option<&[u8]>) -> Result<Plain, Failure> {
    let found = match of_host {
        None => directory::select(|_| true),
        Some(b"main") => directory::of_host(None),
        Some(reference) => directory::of_host(Some(&host::lookup(reference)?)),
    };
    Ok(pids(found))
}

/// The PIDs of these processes, the oldest first.
fn pids(mut processes: Vec<Arc<Process>>) -> Plain {
    processes.sort_unstable_by_key(|process| process.id);
    Plain::List(
        processes
            .iter()
            .filter(|process| process.stage() != Stage::Gone)
            .map(|process| pid(process))
            .collect(),
    )
}

fn pid(process: &Process) -> Plain {
    text(&process.pid)
}

fn text(text: &str) -> Plain {
    Plain::Text(text.as_bytes().to_vec())
}

fn whole(number: usize) -> Plain {
    Plain::Whole(i64::try_from(number).unwrap_or(i64::MAX))
}

fn count(number: u64) -> Plain {
    Plain::Whole(i64::try_from(number).unwrap_or(i64::MAX))
}

fn length(length: Duration) -> Plain {
    Plain::Duration(i64::try_from(length.as_nanos()).unwrap_or(i64::MAX))
}

/// Bytes of the Lua state of a process.
pub fn memory_of(process: &Process) -> usize {
    process.with_shown(|shown| shown.memory()).unwrap_or_else(|| process.vitals.memory())
}

/// The time that code of a process has run.
pub fn processor_time_of(process: &Process) -> Duration {
    match process.scheduled() {
        Some(scheduled) => scheduled.processor_time(),
        None => process.with_shown(|shown| shown.processor_time()),
    }
}

/// Messages and events of a process that no code has taken yet.
pub fn mailbox_of(process: &Process) -> usize {
    process.mailbox.count() + process.vitals.mail()
}

/// What a wait on this is called.
fn name_of(process: &Process, subject: Subject) -> Option<Vec<u8>> {
    match subject {
        Subject::None => None,
        Subject::Inbox => Some(b"inbox".to_vec()),
        Subject::Events => Some(b"events".to_vec()),
        Subject::Channel => Some(b"channel".to_vec()),
        Subject::Listener(number) => process.with_shown(|shown| shown.topic(number).map(<[u8]>::to_vec)),
        Subject::Process(number) => directory::by_number(number).map(|target| target.pid.as_bytes().to_vec()),
    }
}

/// What `main` of a waiting process waits in, and on what.
pub fn wait_of(process: &Process) -> (&'static str, Option<Vec<u8>>) {
    let waiting = process.vitals.waiting();
    (waiting.call().name(), name_of(process, waiting.subject()))
}

/// What is known of a process (I-2); `None` if it is gone.
pub fn info(process: &Arc<Process>) -> Option<Vec<(&'static str, Plain)>> {
    let state = State::of(process);
    let (names, monitored, watchers, links, trap_links, gone) = process.with_relations(|relations| {
        let names: Vec<_> = relations.names.iter().cloned().collect();
        let mut monitored: Vec<_> = relations.monitored.iter().map(|(id, pid)| (*id, pid.clone())).collect();
        monitored.sort_unstable_by_key(|(id, _)| *id);
        let watchers: Vec<_> = relations.watchers.values().cloned().collect();
        let links: Vec<_> = relations.links.values().cloned().collect();
        (names, monitored, watchers, links, relations.trap_links, relations.life.stage() == Stage::Gone)
    });
    if gone {
        return None;
    }
    // What a call of the library needs for itself is not in the watcher's own record.
    let counts = |watcher: &Arc<Process>| {
        watcher.with_relations(|relations| relations.monitored.contains_key(&process.id))
    };
    let mut names: Vec<_> = names.into_iter().map(Plain::Text).collect();
    names.sort_unstable_by(|a, b| match (a, b) {
        (Plain::Text(a), Plain::Text(b)) => a.cmp(b),
        _ => std::cmp::Ordering::Equal,
    });
    // On a pool what was sampled last may count for more than there was of it.
    let age = process.born.elapsed();
    let used = processor_time_of(process).min(age);
    let mut fields = vec![
        ("pid", pid(process)),
        ("entry", text(&process.entry())),
        ("host", text(&process.host.name)),
        ("names", Plain::List(names)),
        ("state", text(state.name())),
        ("mailbox", whole(mailbox_of(process))),
        ("memory", whole(memory_of(process))),
        ("memory_limit", whole(process.limits.memory)),
        ("age", length(age)),
        ("processor_time", length(used)),
        ("resumed", count(process.vitals.resumed())),
        ("monitors", Plain::List(monitored.iter().map(|(_, pid)| text(pid)).collect())),
        ("monitored_by", pids(watchers.into_iter().filter(counts).collect())),
        ("links", pids(links)),
        ("trap_links", if trap_links { Plain::True } else { Plain::False }),
        (
            "coroutines",
            whole((process.vitals.coroutines() as usize).saturating_sub(usize::from(!process.is_main()))),
        ),
        ("timers", count(process.vitals.timers().into())),
    ];
    if let Some(parent) = &process.parent_pid {
        fields.push(("parent", text(parent)));
    }
    if state == State::Waiting {
        let (call, on) = wait_of(process);
        fields.push(("waits_for", text(call)));
        if let Some(name) = on {
            fields.push(("waiting_on", Plain::Text(name)));
        }
    }
    Some(fields)
}

/// Totals of the program (I-4).
pub fn stats() -> Plain {
    let Census { traffic, live } = directory::census();
    let mut hosts = host::all();
    hosts.extend(
        live.iter().filter(|process| process.is_main()).map(|process| Arc::clone(&process.host)).take(1),
    );
    let memory_on = |host: &Host| {
        live.iter().filter(|process| *process.host.name == *host.name).map(|process| memory_of(process)).sum()
    };
    let mut of_hosts = Vec::new();
    let mut totals = host::Lives::default();
    let (mut processes, mut abandoned, mut memory) = (0, 0, 0);
    for host in hosts {
        let (present, lives, bytes) = (host.processes(), host.lives(), memory_on(&host));
        processes += present;
        abandoned += host.abandoned();
        memory += bytes;
        totals += lives;
        let mut fields = vec![
            ("processes", whole(present)),
            ("spawned", count(lives.spawned)),
            ("ended", count(lives.ended)),
            ("failed", count(lives.failed)),
            ("memory", whole(bytes)),
        ];
        if let Some(pool) = host.pool() {
            let load = pool.load();
            fields.push(("workers", whole(load.workers)));
            fields.push(("busy", whole(load.busy)));
            fields.push(("queue", whole(load.queue)));
        }
        of_hosts.push((host.name.as_bytes().to_vec(), Plain::Record(fields)));
    }
    Plain::Record(vec![
        ("spawned", count(totals.spawned)),
        ("ended", count(totals.ended)),
        ("failed", count(totals.failed)),
        ("messages", count(traffic.messages)),
        ("bytes", count(traffic.bytes)),
        ("processes", whole(processes)),
        ("names", whole(registry::count())),
        ("abandoned", whole(abandoned)),
        ("memory", whole(memory)),
        ("hosts", Plain::Map(of_hosts)),
    ])
}
