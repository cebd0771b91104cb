//! Telling processes that their code was redefined (W-7), if they want to know. What waits untaken grows instead of being followed by
//! another event.

use super::clock::Timestamp;
use super::directory;
use super::mailbox::Owner;
use super::process::{Process, Versions};
use super::signal::{Outdated, Signal};
use parking_lot::Mutex;
use std::sync::Arc;

/// These entries were redefined by this process.
pub fn tell(by: &Process, entries: &[String]) {
    let at = Timestamp::now();
    for process in directory::select(|process| process.with_relations(|relations| relations.is_upgradable()))
    {
        let asleep = process.with_relations(|relations| {
            let Some(versions) = &mut relations.versions else { return false };
            let concerned = |entry: &&String| {
                *process.entry() == ***entry || versions.imports.iter().any(|import| **import == ***entry)
            };
            let sources: Vec<Box<str>> =
                entries.iter().filter(concerned).map(|entry| entry.as_str().into()).collect();
            !sources.is_empty() && note(&process, versions, sources, by, at)
        });
        if asleep {
            process.wake();
        }
    }
}

/// Puts the event into the mailbox, or adds to that which waits there: whether the process has to be woken. Its lock is held, so
/// whoever takes the event meanwhile comes before or after.
fn note(
    process: &Process,
    versions: &mut Versions,
    sources: Vec<Box<str>>,
    by: &Process,
    at: Timestamp,
) -> bool {
    if let Some(waiting) = &versions.outdated {
        let mut known = waiting.sources.lock();
        for source in sources {
            if !known.contains(&source) {
                known.push(source);
            }
        }
        return false;
    }
    let outdated = Arc::new(Outdated { sources: Mutex::new(sources), from: by.pid.clone(), at });
    versions.outdated = Some(Arc::clone(&outdated));
    process.put_signal(Signal::Outdated(outdated)) == Some(Owner::Parked)
}

/// The event is taken: its sources in the order in which they were redefined.
pub fn take(process: &Process, outdated: &Outdated) -> Vec<Box<str>> {
    process.with_relations(|relations| {
        if let Some(versions) = &mut relations.versions {
            versions.outdated = None;
        }
    });
    std::mem::take(&mut *outdated.sources.lock())
}
