//! Who watches whom, who is linked to whom, and whether a process is still there: all of it behind one lock for each process.
//!
//! A relation is delivered only if it still stands when the receiver *takes* the event: the receiver keeps its side (the
//! set of what it monitors, its entry in `links`) until then, and `unmonitor` and `unlink` remove it. PIDs are never used
//! again, so presence alone decides, and a late event of a removed relation finds nothing.
//!
//! Locks: one process at a time, or two in the order of their numbers: for linking and unlinking, and at the end of a process
//! its parent's and its own. Nothing else is locked meanwhile; signals may be put into mailboxes, but nobody is woken.

use super::exit::Outcome;
use super::failure::Failure;
use super::pid::Processes;
use super::process::Process;
use super::reaper;
use parking_lot::MutexGuard;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

/// How far a process has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Starting or running.
    #[default]
    Alive,
    /// `main` is over, or somebody ended it; it cleans up.
    Ending,
    /// Nothing of it is left but the events it caused.
    Gone,
}

/// What the lock of a process guards.
#[derive(Default)]
pub struct Bonds {
    /// How far the process has come.
    pub stage: Stage,
    /// Why somebody else ended it; set once, together with `Stage::Ending`.
    pub doom: Option<Failure>,
    /// Everybody was told of its end; set once, and for ever.
    pub told: bool,
    /// How it ends, once its code is over.
    pub outcome: Option<Outcome>,
    /// When it began to close its state.
    pub closing_since: Option<Instant>,
    /// Whether a broken link is an event (or ends the process).
    pub trap_links: bool,
    /// Whether it has asked for its events: the end of the program gives it time then.
    pub reads_events: bool,
    /// Linked processes, on both sides.
    pub links: Processes,
    /// Processes that want an EXIT.
    pub watchers: Processes,
    /// Names it owns.
    pub names: HashSet<Vec<u8>>,
    /// Live processes that it has spawned.
    pub children: usize,
    /// It wants to hear when it has no children left.
    pub awaits_children: bool,
}

impl Process {
    /// Changes what the lock guards; `change` must not lock anything.
    pub fn with_bonds<T>(&self, change: impl FnOnce(&mut Bonds) -> T) -> T {
        change(&mut self.bonds.lock())
    }

    /// How far the process has come.
    pub fn stage(&self) -> Stage {
        self.bonds.lock().stage
    }
}

/// Has `watcher` told of the end of `target`. `false` if it is gone.
pub fn monitor(watcher: &Arc<Process>, target: &Process) -> bool {
    target.with_bonds(|bonds| {
        let there = bonds.stage != Stage::Gone;
        if there {
            bonds.watchers.insert(watcher.id, Arc::clone(watcher));
        }
        there
    })
}

/// Undoes [`monitor`].
pub fn unmonitor(watcher: &Process, target: &Process) {
    target.with_bonds(|bonds| bonds.watchers.remove(&watcher.id));
}

/// Ties two processes together. `false` if `other` is ending or gone.
pub fn link(own: &Arc<Process>, other: &Arc<Process>) -> bool {
    if own.id == other.id {
        return true;
    }
    let (mut ours, mut theirs) = lock_both(own, other);
    let there = theirs.stage == Stage::Alive && ours.stage != Stage::Gone;
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

fn lock_both<'a>(own: &'a Process, other: &'a Process) -> (MutexGuard<'a, Bonds>, MutexGuard<'a, Bonds>) {
    if own.id < other.id {
        let ours = own.bonds.lock();
        (ours, other.bonds.lock())
    } else {
        let theirs = other.bonds.lock();
        (own.bonds.lock(), theirs)
    }
}

/// Ends a spawned process from outside, for the reason that its exit will show. `false` if it is gone; an end that is
/// under way keeps its reason.
pub fn doom(target: &Arc<Process>, reason: Failure) -> bool {
    let stage = target.with_bonds(|bonds| begin_doom(target, bonds, reason));
    if stage == Stage::Alive {
        complete_doom(target);
    }
    stage != Stage::Gone
}

/// The first half of [`doom`], under the lock of `target`: the stage it was in. Only one that was alive has to be told, by
/// [`complete_doom`].
pub(super) fn begin_doom(target: &Process, bonds: &mut Bonds, reason: Failure) -> Stage {
    let stage = bonds.stage;
    if stage == Stage::Alive {
        bonds.stage = Stage::Ending;
        bonds.doom = Some(reason);
        target.set_doomed();
    }
    stage
}

/// The second half of [`doom`], when the lock is free.
pub(super) fn complete_doom(target: &Arc<Process>) {
    target.close_mailbox();
    reaper::watch(target);
}
