//! The end of a process, in the order that others can rely on:
//!
//! 1. [`begin`]: no more messages are taken; the cause is settled.
//! 2. The result was copied, the Lua state is closed, finalizers run (`vm`).
//! 3. [`finish`], or [`give_up`] if that takes too long: the process is gone: its names, its place on the host and its PID are free.
//! 4. Watchers get EXIT, then linked processes get LINK_DOWN or end themselves. All of these are the last things that the
//!    process puts into any mailbox, so whatever it had sent to them lies before.

use super::caretaker;
use super::clock::Timestamp;
use super::envelope::Signal;
use super::error::ErrorData;
use super::failure::Failure;
use super::process::Process;
use super::relations::{Bonds, Stage, doom};
use super::{directory, program, registry};
use crate::platform::reserve;
use std::sync::Arc;
use std::time::Instant;

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

impl ExitRecord {
    /// Bytes of memory it takes, with the process that a receiver remembers until it has read of its end.
    pub fn size(&self) -> usize {
        let outcome = match &self.outcome {
            Ok(result) => result.len(),
            Err(error) => error.size(),
        };
        size_of::<ExitRecord>() + size_of::<Process>() + self.from.len() + outcome + self.origin.1.len()
    }
}

/// First step: the process takes no more messages. It ends as somebody else decided before, else as `outcome` says. For the
/// process's own thread, before it closes the state.
pub fn begin(process: &Process, outcome: Outcome) {
    let given_up = process.with_bonds(|bonds| {
        if bonds.told {
            return true;
        }
        bonds.stage = Stage::Ending;
        bonds.closing_since = Some(Instant::now());
        bonds.outcome = Some(match bonds.doom.clone() {
            Some(reason) => Err(Arc::new(reason.into())),
            None => outcome,
        });
        false
    });
    process.close_mailbox();
    if !given_up {
        caretaker::closing();
    }
}

/// Last steps, when the state is closed: the process is gone, and everybody concerned is told.
pub fn finish(process: &Arc<Process>) {
    let outcome = process.with_bonds(|bonds| {
        if bonds.closing_since.take().is_some() {
            caretaker::closed();
        }
        let first = !std::mem::replace(&mut bonds.told, true);
        first.then(|| bonds.outcome.take()).flatten()
    });
    match outcome {
        Some(outcome) => tell(process, outcome),
        // It was given up meanwhile, and everybody was told.
        None => process.host.came_back(),
    }
}

/// Does without the process's own thread, which does not come back: tells everybody as if it had ended now.
pub fn give_up(process: &Arc<Process>) {
    let outcome = process.with_bonds(|bonds| {
        if std::mem::replace(&mut bonds.told, true) {
            return None;
        }
        if bonds.closing_since.take().is_some() {
            caretaker::closed();
        }
        bonds.stage = Stage::Ending;
        let own = bonds.outcome.take();
        Some(match (bonds.doom.clone(), own) {
            (Some(reason), _) => Err(Arc::new(ErrorData::from(reason).of_abandoned())),
            (None, Some(Err(error))) => Err(Arc::new((*error).clone().of_abandoned())),
            (None, Some(Ok(result))) => Ok(result),
            (None, None) => Err(Arc::new(ErrorData::from(Failure::Terminated).of_abandoned())),
        })
    });
    if let Some(outcome) = outcome {
        process.close_mailbox();
        process.set_abandoned();
        process.host.gave_up();
        tell(process, outcome);
    }
}

/// Takes back a process whose thread could not be started: nobody is told but those who found it meanwhile.
pub fn never_started(process: &Arc<Process>) {
    process.with_bonds(|bonds| bonds.told = true);
    process.close_mailbox();
    tell(process, Err(Arc::new(Failure::Terminated.into())));
}

/// Frees what the process had, and sends the events of its end.
fn tell(process: &Arc<Process>, outcome: Outcome) {
    // No name can be added any more: the process is ending.
    let names = process.with_bonds(|bonds| std::mem::take(&mut bonds.names));
    registry::release(process, names);
    process.host.leave();
    let Bonds { links, watchers, doom: cause, .. } = process.with_bonds(|bonds| {
        std::mem::replace(bonds, Bonds { stage: Stage::Gone, told: true, ..Bonds::default() })
    });
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
    if let Some(parent) = process.parent.upgrade() {
        lose_child(&parent);
    }
    program::one_less();
}

/// A process that `parent` has spawned is gone.
fn lose_child(parent: &Process) {
    let childless = parent.with_bonds(|bonds| {
        bonds.children = bonds.children.saturating_sub(1);
        bonds.children == 0 && std::mem::take(&mut bonds.awaits_children)
    });
    if childless {
        parent.signal(Signal::Childless);
    }
}

/// Tells `other` that the process it was linked to has ended.
fn break_link(other: &Arc<Process>, record: &Arc<ExitRecord>) {
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
    /// Of the reason: here, in the text, in the details.
    const COPIES: usize = 6;
    let (origin, reason) = &record.origin;
    let fits = reserve::has_room_for(COPIES * reason.len());
    let reason = if fits { reason.clone() } else { b"not enough memory".to_vec() };
    let origin = origin.clone();
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
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let name = format!("test:h{}", COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        host::define(name.as_bytes(), host::Settings::default()).unwrap();
        let host = host::find(&name).unwrap();
        host.enter().unwrap();
        program::one_more();
        let process = Process::new("t:t", host, Arc::default(), Sleeper::Thread(OnceCell::new()));
        let process = Arc::new(process);
        directory::insert(&process);
        process
    }

    fn fail(process: &Arc<Process>) {
        let error = Arc::new(ErrorData::new(Kind::Internal, "broken"));
        begin(process, Err(error));
        finish(process);
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
        end(&b);
    }

    fn end(process: &Arc<Process>) -> String {
        begin(process, Ok(Vec::new()));
        let outcome = process.with_bonds(|bonds| bonds.outcome.clone());
        finish(process);
        outcome
            .and_then(Result::err)
            .map(|error| String::from_utf8(error.text()).unwrap())
            .unwrap_or_default()
    }

    #[test]
    fn a_chain_names_the_neighbour_and_the_first_failure() {
        let (a, b, c) = (spawned(), spawned(), spawned());
        assert!(link(&a, &b) && link(&b, &c));
        fail(&a);
        assert!(b.is_doomed() && !c.is_doomed());
        assert_eq!(end(&b), format!("linked process failed: {}: broken", a.pid));
        assert_eq!(end(&c), format!("linked process failed: {}: broken", b.pid));
    }

    #[test]
    fn a_removed_link_does_nothing() {
        let (a, b) = (spawned(), spawned());
        assert!(link(&a, &b));
        unlink(&b, &a);
        fail(&a);
        assert!(!b.is_doomed());
        assert_eq!(end(&b), "");
    }

    #[test]
    fn one_that_does_not_come_back_is_given_up_once() {
        let (a, b) = (spawned(), spawned());
        assert!(monitor(&b, &a) && doom(&a, Failure::Terminated));
        give_up(&a);
        give_up(&a);
        assert_eq!(signals(&b), ["exit"]);
        assert!(a.is_abandoned());
        let (live, abandoned) = (a.host.processes(), a.host.abandoned());
        begin(&a, Ok(Vec::new()));
        finish(&a);
        assert_eq!((a.host.processes(), a.host.abandoned()), (live, abandoned - 1));
        assert_eq!(a.stage(), Stage::Gone);
        assert_eq!(signals(&b), [""; 0]);
        end(&b);
    }
}
