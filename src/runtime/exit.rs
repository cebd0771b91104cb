//! The end of a process, in an order that others can rely on:
//!
//! 1. [`begin`]: the process takes no more messages; the cause is settled.
//! 2. The result is copied, the Lua state is closed, finalizers run (`vm`).
//! 3. [`finish`], or [`give_up`] if that takes too long. First everything that the process held becomes free: its names and groups,
//!    its place on the host.
//! 4. Then the process is gone and others are told. Its parent has one child less, and nobody can end, watch or link it any more.
//!    Watchers get EXIT, callers hear that no reply will come, and linked processes get LINK_DOWN or end themselves. Everything that the parent can see of this happens
//!    under its lock, so all at once. Code that has heard of the end in any way finds that `wait` no longer counts the process.
//!    When `wait` says that no child is left, the events have arrived. Events are the last things that the process puts into a
//!    mailbox, so everything that it sent to those processes comes before them.
//! 5. What nobody can ask for: its thread ends or turns to others. Until everybody is told, the process counts as alive for those
//!    that wait for something that cannot come (C-37), since something is still to come.
//!
//! So whatever others can count, name or ask for belongs into step 3, or into step 4 under the lock, never behind it.

use super::clock::Timestamp;
use super::failure::Failure;
use super::lifecycle::{Ended, Stage};
use super::mailbox::Owner;
use super::process::{Process, Relations};
use super::signal::{ExitRecord, Outcome, Signal};
use super::trace::Kind;
use super::{call, directory, emptiness, groups, live, reaper, registry, trace};
use crate::platform::reserve;
use smallvec::SmallVec;
use std::io;
use std::sync::Arc;

/// What the reaper does by this page.
const ACTIONS: reaper::Actions = reaper::Actions { doom, give_up };

/// Starts the reaper, if it does not run yet: before the first process does, so that there is memory for it.
///
/// # Errors
/// Those of the operating system.
pub fn open_reaper() -> io::Result<()> {
    reaper::open(ACTIONS)
}

/// Ends a spawned process from outside, for the reason that its exit will show. `false` if it is gone; an end that is
/// under way keeps its reason.
pub fn doom(target: &Arc<Process>, reason: Failure) -> bool {
    let stage = target.with_relations(|relations| begin_doom(target, relations, reason));
    if stage == Stage::Alive {
        complete_doom(target);
    }
    stage != Stage::Gone
}

/// The first half of [`doom`], under the lock of `target`: the stage it was in. Only one that was alive has to be told, by
/// [`complete_doom`].
fn begin_doom(target: &Process, relations: &mut Relations, reason: Failure) -> Stage {
    let stage = relations.life.doom(reason);
    if stage == Stage::Alive {
        target.set_doomed();
    }
    stage
}

/// The second half of [`doom`], when the lock is free.
fn complete_doom(target: &Arc<Process>) {
    target.close_mailbox();
    reaper::watch(target);
}

/// First step: the process takes no more messages. It ends as somebody else decided before, else as `outcome` says. For the
/// process's own thread, before it closes the state.
pub fn begin(process: &Process, outcome: Outcome) {
    begin_at(process, outcome, Vec::new());
}

/// As [`begin`]; `place` is where the process was if somebody else has ended it, a traceback.
pub fn begin_at(process: &Process, outcome: Outcome, place: Vec<u8>) {
    let begun = process.with_relations(|relations| relations.life.close(outcome, (&process.pid, place)));
    process.close_mailbox();
    if begun {
        reaper::closing();
    }
}

/// Last steps, when the state is closed: the process is gone, and everybody concerned is told.
pub fn finish(process: &Arc<Process>) {
    match process.with_relations(|relations| relations.life.finish()) {
        Some(ended) => tell(process, ended, !process.is_main()),
        // It was given up meanwhile, and everybody was told.
        None => process.host.came_back(),
    }
}

/// Does without the process's own thread, which does not come back: tells everybody as if it had ended now.
pub fn give_up(process: &Arc<Process>) {
    if let Some(ended) = process.with_relations(|relations| relations.life.give_up()) {
        process.close_mailbox();
        process.set_abandoned();
        process.host.gave_up();
        tell(process, ended, true);
    }
}

/// Takes back a process whose thread could not be started: nobody is told but those who found it meanwhile.
pub fn never_started(process: &Arc<Process>) {
    let ended = process.with_relations(|relations| relations.life.never_started());
    process.close_mailbox();
    process.host.uncount_spawned();
    tell(process, ended, false);
}

/// Steps 3 and 4: frees what the process had, and tells everybody of its end. One that was not spawned, or never started, is no end
/// that is counted.
fn tell(process: &Arc<Process>, Ended { outcome, was_closing }: Ended, was_started: bool) {
    if was_closing {
        reaper::closed();
    }
    // No name can be added any more: the process is ending.
    let (names, belonging, cause) = process.with_relations(|relations| {
        let names = std::mem::take(&mut relations.names);
        (names, relations.belonging.take(), relations.life.cause().cloned())
    });
    registry::release(process, names);
    if let Some(belonging) = belonging {
        groups::release(process, *belonging);
    }
    process.host.leave();
    if was_started {
        process.host.count_ended(outcome.is_err());
    }
    let origin = match (cause, &outcome) {
        (Some(Failure::LinkedProcessFailed { origin, reason, .. }), _) => (origin, reason),
        (_, Err(error)) => (process.pid.to_string(), error.text()),
        _ => (process.pid.to_string(), Vec::new()),
    };
    let how = outcome.as_ref().map_or_else(|error| &*error.kind, |_| b"ok");
    trace::note_of(process.id.number(), Kind::Exit, 0, 0, how);
    let record = Arc::new(ExitRecord {
        from: process.pid.clone(),
        id: process.id,
        at: Timestamp::now(),
        outcome,
        origin,
    });
    let parent = process.parent.upgrade();
    let Told { relations, asleep, broken } = match &parent {
        Some(parent) => parent.with_relations(|relations| leave_parent(process, &record, parent, relations)),
        None => leave(process, &record),
    };
    directory::remove(process.id);
    process.close_questions();
    for watcher in asleep {
        watcher.wake();
    }
    if let Some(parent) = &parent {
        broken.act(parent);
    }
    for linked in relations.links.values() {
        if parent.as_ref().is_none_or(|parent| parent.id != linked.id) {
            let broken = linked.with_relations(|relations| break_link(linked, relations, &record));
            broken.act(linked);
        }
    }
    if !process.is_main() {
        emptiness::count_out(&process.realm);
    }
    live::one_less();
}

/// What is left to do when no lock is held.
struct Told {
    /// Those of the process that is gone.
    relations: Relations,
    /// Watchers and callers that have to be woken.
    asleep: SmallVec<[Arc<Process>; 4]>,
    /// For the parent.
    broken: Broken,
}

/// The process is gone, and watchers get EXIT. Before links break: a watcher of a whole group sees the cause before its
/// consequences.
fn leave(process: &Process, record: &Arc<ExitRecord>) -> Told {
    let relations = process.with_relations(|relations| {
        let mut before = std::mem::take(relations);
        std::mem::swap(&mut before.life, &mut relations.life);
        relations.life.leave();
        before
    });
    let mut asleep = SmallVec::new();
    let awaiters = relations.awaiters.values().filter(|waiter| !relations.watchers.contains_key(&waiter.id));
    for watcher in relations.watchers.values().chain(awaiters) {
        if watcher.put_signal(Signal::Exit(Arc::clone(record))) == Some(Owner::Parked) {
            asleep.push(Arc::clone(watcher));
        }
    }
    call::end_all(&relations.callers, record, |caller| asleep.push(Arc::clone(caller)));
    Told { relations, asleep, broken: Broken::default() }
}

/// As [`leave`], under the lock of the parent, for which the process counts no more.
fn leave_parent(
    process: &Process,
    record: &Arc<ExitRecord>,
    parent: &Process,
    parents: &mut Relations,
) -> Told {
    parents.children = parents.children.saturating_sub(1);
    let mut told = leave(process, record);
    told.broken = break_link(parent, parents, record);
    // Behind everything that is to be there when its `wait` returns.
    if parents.children == 0 && std::mem::take(&mut parents.awaits_children) {
        told.broken.asleep |= parent.put_signal(Signal::Childless) == Some(Owner::Parked);
    }
    told
}

/// What a broken link leaves to be done for the partner when its lock is free.
#[derive(Default)]
struct Broken {
    /// It has to be woken.
    asleep: bool,
    /// It was doomed.
    doomed: bool,
}

impl Broken {
    fn act(self, partner: &Arc<Process>) {
        if self.asleep {
            partner.wake();
        }
        if self.doomed {
            complete_doom(partner);
        }
    }
}

/// The process that `partner`, whose lock is held, was linked to has ended, if it was.
fn break_link(partner: &Process, relations: &mut Relations, record: &Arc<ExitRecord>) -> Broken {
    let mut broken = Broken::default();
    if !relations.links.contains_key(&record.id) {
        return broken;
    }
    let failed = record.outcome.is_err();
    // A main process and one that traps take the link away themselves, when they take the signal.
    if !failed || !(partner.is_main() || relations.trap_links) {
        relations.links.remove(&record.id);
    }
    if failed {
        let signal = match (relations.trap_links, partner.is_main()) {
            (true, _) => Some(Signal::LinkDown(Arc::clone(record))),
            (false, true) => Some(Signal::LinkFailed(Arc::clone(record))),
            (false, false) => None,
        };
        match signal {
            Some(signal) => broken.asleep = partner.put_signal(signal) == Some(Owner::Parked),
            None => broken.doomed = begin_doom(partner, relations, link_failure(record)) == Stage::Alive,
        }
    }
    broken
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
    use super::doom;
    use super::*;
    use crate::runtime::error::{ErrorData, Kind};
    use crate::runtime::host;
    use crate::runtime::realm::Realm;
    use crate::runtime::relations::{link, monitor, unlink};
    use crate::runtime::sleeper::Sleeper;
    use once_cell::sync::OnceCell;

    fn spawned() -> Arc<Process> {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let name = format!("test:h{}", COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        host::define(name.as_bytes(), host::Settings::default()).unwrap();
        let host = host::find(&name).unwrap();
        host.enter().unwrap();
        live::one_more();
        let realm: Arc<Realm> = Arc::default();
        realm.one_more();
        let process = Process::new("t:t", host, realm, Sleeper::Thread(OnceCell::new()));
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
        b.with_relations(|relations| relations.trap_links = true);
        assert!(monitor(&b, &a) && link(&b, &a));
        fail(&a);
        assert_eq!(signals(&b), ["exit", "down"]);
        assert!(!monitor(&b, &a) && !link(&b, &a), "gone is gone");
        end(&b);
    }

    fn end(process: &Arc<Process>) -> String {
        begin(process, Ok(Vec::new()));
        let outcome = process.with_relations(|relations| relations.life.outcome().cloned());
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
