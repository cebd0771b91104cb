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
    /// At the last look at its clock: the step of each worker, and the processor time of its thread.
    clocks: FxHashMap<*const WorkerSlot, (u64, Duration)>,
    looks: u32,
}

impl Rounds {
    fn look(&mut self, pool: &'static Pool) {
        let slots = pool.workers.slots().clone();
        std::mem::swap(&mut self.seen, &mut self.before);
        self.seen.clear();
        let now = Instant::now();
        self.looks = self.looks.wrapping_add(1);
        for slot in slots {
            self.read_clock(slot);
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

/// How often the clock of a worker is looked at that is away: most of these sleep, and there can be very many.
const SELDOM: u32 = 64;

impl Rounds {
    /// What the thread has used since the last look counts for the process whose step it is in now. So no step pays for a look at
    /// the clock, and a process that runs often in short steps gets its share in the mean.
    fn read_clock(&mut self, slot: &'static WorkerSlot) {
        let step = slot.step_count();
        let before = self.clocks.get(&ptr::from_ref(slot)).copied();
        // Between the same two steps as at the last look its thread has slept.
        let slept = step.is_multiple_of(2) && before.is_some_and(|(last, _)| last == step);
        if slept || (slot.away.load(Ordering::Relaxed) && !self.looks.is_multiple_of(SELDOM)) {
            return;
        }
        let Some(time) = slot.thread.processor_time() else {
            self.clocks.remove(&ptr::from_ref(slot));
            return;
        };
        self.clocks.insert(slot, (step, time));
        if step % 2 == 1 {
            let since = before.and_then(|(_, last)| time.checked_sub(last)).unwrap_or_default();
            slot.thread.see(u64::try_from(since.as_nanos()).unwrap_or(0));
        }
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
