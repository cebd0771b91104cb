//! The overseer of a pool rings alarms, and makes sure that no process keeps the others from running.

use super::alarms::Book;
use super::shared::Pool;
use super::worker_slot::WorkerSlot;
use crate::platform;
use crate::runtime::staff;
use parking_lot::MutexGuard;
use rustc_hash::FxHashMap;
use std::ptr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often busy workers are looked at.
const TICK: Duration = Duration::from_millis(1);

/// How long a step may take while others are ready, before its code is asked to give way.
const SLICE: Duration = Duration::from_millis(10);

/// How long code that was asked may go on before another worker takes its place.
const PATIENCE: Duration = Duration::from_millis(5);

/// How many looks in a row find all workers parked before the overseer sleeps too.
const QUIET: u32 = 3;

/// What the overseer's thread does.
pub fn oversee(pool: &'static Pool) {
    platform::name_thread("overseer");
    let mut rounds = Rounds::default();
    let mut quiet = 0;
    let mut book = pool.alarms.book.lock();
    loop {
        // Alarms set from here on are earlier than the end of a sleep that is still to be found out.
        book.asleep_until = Some(Instant::now());
        ring_due(&mut book);
        let mut pause = None;
        if pool.alarms.watching.load(Ordering::SeqCst) {
            quiet = MutexGuard::unlocked(&mut book, || {
                rounds.look(pool);
                if pool.is_asleep() { quiet + 1 } else { 0 }
            });
            pause = Some(TICK);
            if quiet >= QUIET {
                pool.alarms.watching.store(false, Ordering::SeqCst);
                // Whoever gets up after this look finds that nobody watches.
                match MutexGuard::unlocked(&mut book, || pool.is_asleep()) {
                    true => pause = None,
                    false => pool.alarms.watching.store(true, Ordering::SeqCst),
                }
                quiet = 0;
            }
        }
        let now = Instant::now();
        let tick = pause.map(|pause| now + pause);
        let alarm = book.timers.next_wanted(|_| true);
        book.asleep_until = tick.into_iter().chain(alarm).min();
        if pause.is_none() && pool.alarms.watching.load(Ordering::SeqCst) {
            continue;
        }
        if staff::is_dismissed() {
            pool.alarms.watching.store(false, Ordering::SeqCst);
            return pool.workers.overseer_quits();
        }
        match book.asleep_until {
            Some(until) if until <= now => {}
            Some(until) => {
                pool.alarms.earlier.wait_until(&mut book, until);
            }
            None => pool.alarms.earlier.wait(&mut book),
        }
    }
}

/// Rings what is due, without the lock.
fn ring_due(book: &mut MutexGuard<'_, Book>) {
    let now = Instant::now();
    while let Some((_, alarm)) = book.timers.next_due(now) {
        MutexGuard::unlocked(book, || alarm.ring());
    }
}

/// What was seen at the last looks: the step each worker was in, and since when.
#[derive(Default)]
struct Rounds {
    seen: FxHashMap<*const WorkerSlot, (u64, Instant)>,
    before: FxHashMap<*const WorkerSlot, (u64, Instant)>,
}

impl Rounds {
    fn look(&mut self, pool: &'static Pool) {
        let slots = pool.workers.slots().clone();
        std::mem::swap(&mut self.seen, &mut self.before);
        self.seen.clear();
        let now = Instant::now();
        for slot in slots {
            if slot.away.load(Ordering::Relaxed) {
                release_next(pool, slot);
                continue;
            }
            let Some(step) = slot.step() else { continue };
            let before = self.before.get(&ptr::from_ref(slot)).filter(|before| before.0 == step);
            let since = before.map_or(now, |before| before.1);
            self.seen.insert(slot, (step, since));
            if before.is_some() {
                step_goes_on(pool, slot, step, now - since);
            }
        }
        pool.relieve();
    }
}

/// Puts what would be stepped next where others find it.
fn release_next(pool: &'static Pool, slot: &'static WorkerSlot) {
    if let Some(entry) = slot.take_next() {
        pool.queue.push(entry);
        pool.notify();
    }
}

/// The worker has been in the same step for this long.
fn step_goes_on(pool: &'static Pool, slot: &'static WorkerSlot, step: u64, age: Duration) {
    if age >= TICK {
        release_next(pool, slot);
    }
    let waited_for = || pool.has_work() && !pool.workers.has_hands();
    if age < SLICE || !(waited_for() || pool.workers.is_crowded(pool.size)) {
        return;
    }
    slot.ask(step);
    if age >= SLICE + PATIENCE && slot.step() == Some(step) {
        pool.workers.go_away(slot);
    }
}
