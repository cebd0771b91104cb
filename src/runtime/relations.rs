//! Which processes watch each other, which are linked, and whether a process still exists: all behind one lock for each process.
//!
//! An event is delivered only if the relation still stands when the receiver *takes* the event. The receiver keeps its side until
//! then (its entries in `monitored` and `links`), and `unmonitor` and `unlink` remove it. PIDs are never used again,
//! so presence alone decides, and a late event of a removed relation finds nothing.
//!
//! Locks: one process at a time, or two in the order of their numbers: for linking and unlinking, and at the end of a process
//! for its parent and itself. Nothing else is locked meanwhile. Signals may be put into mailboxes, but nobody is woken.

use super::lifecycle::Stage;
use super::pid::ProcessId;
use super::process::{Process, Relations};
use parking_lot::MutexGuard;
use std::sync::Arc;

/// Has `watcher` told of the end of `target`. `false` if it is gone.
pub fn monitor(watcher: &Arc<Process>, target: &Process) -> bool {
    target.with_relations(|relations| {
        let there = relations.life.stage() != Stage::Gone;
        if there {
            relations.watchers.insert(watcher.id, Arc::clone(watcher));
        }
        there
    })
}

/// From now on an EXIT of `target` counts for `watcher`, which was to be told of it by [`monitor`].
pub fn note_monitored(watcher: &Process, target: &Process) {
    watcher.with_relations(|relations| relations.monitored.insert(target.id, target.pid.clone()));
}

/// No EXIT of this process counts any more. `true` if one did.
pub fn forget_monitored(watcher: &Process, id: ProcessId) -> bool {
    watcher.with_relations(|relations| relations.monitored.remove(&id)).is_some()
}

/// Undoes [`monitor`].
pub fn unmonitor(watcher: &Process, target: &Process) {
    target.with_relations(|relations| relations.watchers.remove(&watcher.id));
}

/// Has `waiter`, of which a call waits for the end of `target`, told of it once. `false` if it is gone. Nobody sees this as a
/// monitor.
pub fn await_end(waiter: &Arc<Process>, target: &Process) -> bool {
    target.with_relations(|relations| {
        let there = relations.life.stage() != Stage::Gone;
        if there {
            relations.awaiters.insert(waiter.id, Arc::clone(waiter));
        }
        there
    })
}

/// Undoes [`await_end`].
pub fn give_up_end(waiter: &Process, target: &Process) {
    target.with_relations(|relations| relations.awaiters.remove(&waiter.id));
}

/// Ties two processes together. `false` if `other` is ending or gone.
pub fn link(own: &Arc<Process>, other: &Arc<Process>) -> bool {
    if own.id == other.id {
        return true;
    }
    let (mut ours, mut theirs) = lock_both(own, other);
    let there = theirs.life.stage() == Stage::Alive && ours.life.stage() != Stage::Gone;
    if there {
        ours.links.insert(other.id, Arc::clone(other));
        theirs.links.insert(own.id, Arc::clone(own));
    }
    there
}

/// Undoes [`link`], from either side.
pub fn unlink(own: &Process, other: &Process) {
    if own.id != other.id {
        let (mut ours, mut theirs) = lock_both(own, other);
        ours.links.remove(&other.id);
        theirs.links.remove(&own.id);
    }
}

fn lock_both<'a>(
    own: &'a Process,
    other: &'a Process,
) -> (MutexGuard<'a, Relations>, MutexGuard<'a, Relations>) {
    if own.id < other.id {
        let ours = own.relations.lock();
        (ours, other.relations.lock())
    } else {
        let theirs = other.relations.lock();
        (own.relations.lock(), theirs)
    }
}
