//! The end of a process, in the order that others can rely on:
//!
//! 1. [`begin`]: no more messages are taken; the cause is settled.
//! 2. The result was copied, the Lua state is closed, finalizers run (`vm`).
//! 3. [`finish`]: the process is gone: its names, its place on the host and its PID are free.
//! 4. Watchers get EXIT, then linked processes get LINK_DOWN or end themselves. All of these are the last things that the
//!    process puts into any mailbox, so whatever it had sent to them lies before.

use super::clock::Timestamp;
use super::envelope::Signal;
use super::error::ErrorData;
use super::failure::Failure;
use super::process::Process;
use super::relations::{Bonds, Stage, doom};
use super::{directory, program, registry};
use std::sync::Arc;

/// What `main` left behind: the encoded result, or the error that makes the exit abnormal.
pub type Outcome = Result<Vec<u8>, Arc<ErrorData>>;

/// An end as told to others. Shared by all events of it, the result encoded once.
#[derive(Debug)]
pub struct ExitRecord {
    /// PID of the process that ended.
    pub from: Box<str>,
    /// Its number.
    pub id: super::pid::ProcessId,
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub outcome: Outcome,
    /// Where a chain of failing links began: PID and error text.
    origin: (String, Vec<u8>),
}

/// First step: the process takes no more messages. Returns how it ends: as somebody else decided before, else as `outcome`
/// says. For the process's own thread.
pub fn begin(process: &Process, outcome: Outcome) -> Outcome {
    let doom = process.with_bonds(|bonds| {
        bonds.stage = Stage::Ending;
        bonds.doom.clone()
    });
    process.close_mailbox();
    match doom {
        Some(reason) => Err(Arc::new(reason.into())),
        None => outcome,
    }
}

/// Last steps: the process is gone, and everybody concerned is told.
pub fn finish(process: &Arc<Process>, outcome: Outcome) {
    // No name can be added any more: the process is ending.
    let names = process.with_bonds(|bonds| std::mem::take(&mut bonds.names));
    registry::release(process, names);
    process.host.leave();
    let Bonds { links, watchers, doom: cause, .. } = process
        .with_bonds(|bonds| std::mem::replace(bonds, Bonds { stage: Stage::Gone, ..Bonds::default() }));
    directory::remove(process.id);
    let origin = match (cause, &outcome) {
        (Some(Failure::LinkedProcessFailed { origin, reason, .. }), _) => (origin, reason),
        (_, Err(error)) => (process.pid.to_string(), error.text()),
        _ => (process.pid.to_string(), Vec::new()),
    };
    let record = Arc::new(ExitRecord {
        from: process.pid.clone(),
        id: process.id,
        at: Timestamp::now(),
        outcome,
        origin,
    });
    // Watchers first: who watches a whole group sees the cause before its consequences.
    for watcher in watchers.into_values() {
        watcher.signal(Signal::Exit(Arc::clone(&record)));
    }
    for linked in links.into_values() {
        break_link(&linked, &record);
    }
    program::one_less();
}

/// Tells `other` that the process it was linked to has ended.
fn break_link(other: &Process, record: &Arc<ExitRecord>) {
    let failed = record.outcome.is_err();
    let main = other.is_main();
    let trapped = other.with_bonds(|bonds| {
        if !bonds.links.contains_key(&record.id) {
            return None;
        }
        // A main process and one that traps take the link away themselves, when they take the signal.
        if !failed || !(main || bonds.trap_links) {
            bonds.links.remove(&record.id);
        }
        Some(bonds.trap_links)
    });
    match trapped {
        Some(trapped) if failed => {
            if trapped {
                other.signal(Signal::LinkDown(Arc::clone(record)));
            } else if main {
                other.signal(Signal::LinkFailed(Arc::clone(record)));
            } else {
                doom(other, link_failure(record));
            }
        }
        _ => {}
    }
}

/// Why a process ends whose partner ended as `record` says.
pub fn link_failure(record: &ExitRecord) -> Failure {
    let (origin, reason) = record.origin.clone();
    Failure::LinkedProcessFailed { from: record.from.to_string(), origin, reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::error::Kind;
    use crate::runtime::relations::{link, monitor, unlink};
    use crate::runtime::{host, wake::Sleeper};
    use once_cell::sync::OnceCell;

    fn spawned() -> Arc<Process> {
        let host = host::find("app:processes").unwrap();
        host.enter().unwrap();
        program::one_more();
        let process = Process::new("t:t", host, Arc::default(), Sleeper::Thread(OnceCell::new()));
        let process = Arc::new(process);
        directory::insert(&process);
        process
    }

    fn fail(process: &Arc<Process>) {
        let error = Arc::new(ErrorData::new(Kind::Internal, "broken"));
        let outcome = begin(process, Err(error));
        finish(process, outcome);
    }

    fn signals(process: &Process) -> Vec<&'static str> {
        process
            .mailbox
            .take()
            .map(|envelope| match envelope.as_signal() {
                Some(Signal::Exit(_)) => "exit",
                Some(Signal::LinkDown(_)) => "down",
                _ => "other",
            })
            .collect()
    }

    #[test]
    fn a_watcher_that_is_linked_gets_exit_before_link_down() {
        let (a, b) = (spawned(), spawned());
        b.with_bonds(|bonds| bonds.trap_links = true);
        assert!(monitor(&b, &a) && link(&b, &a));
        fail(&a);
        assert_eq!(signals(&b), ["exit", "down"]);
        assert!(!monitor(&b, &a) && !link(&b, &a), "gone is gone");
        finish(&b, Ok(Vec::new()));
    }

    #[test]
    fn a_chain_names_the_neighbour_and_the_first_failure() {
        let (a, b, c) = (spawned(), spawned(), spawned());
        assert!(link(&a, &b) && link(&b, &c));
        fail(&a);
        assert!(b.is_doomed() && !c.is_doomed());
        let outcome = begin(&b, Ok(Vec::new()));
        let text = String::from_utf8(outcome.as_ref().unwrap_err().text()).unwrap();
        assert_eq!(text, format!("linked process failed: {}: broken", a.pid));
        finish(&b, outcome);
        let outcome = begin(&c, Ok(Vec::new()));
        let text = String::from_utf8(outcome.as_ref().unwrap_err().text()).unwrap();
        assert_eq!(text, format!("linked process failed: {}: broken", b.pid));
        finish(&c, outcome);
    }

    #[test]
    fn a_removed_link_does_nothing() {
        let (a, b) = (spawned(), spawned());
        assert!(link(&a, &b));
        unlink(&b, &a);
        fail(&a);
        assert!(!b.is_doomed());
        finish(&b, Ok(Vec::new()));
    }
}
