//! A worker: takes a process, runs a step of it, puts it where it belongs.

use super::scheduled::{Entry, Scheduler};
use super::shared::Pool;
use super::task::Step;
use super::worker_slot::WorkerSlot;
use crate::platform;
use crate::runtime::spin::AdaptiveSpin;
use crate::runtime::staff;
use crossbeam::deque::{Steal, Worker as Queue};
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How often the coroutines of a process are resumed in one step.
const TURNS: usize = 256;

/// How often a process that has got something new at the end of its step is stepped again at once.
const REPEATS: usize = 4;

/// How many steps in a row come from the slot while others wait. After them, the common queue comes first.
const STREAK: u32 = 16;

/// It also comes first once in so many steps that do not come from the slot.
const COMMON_FIRST: u32 = 61;

/// How long a spare waits to be called before its thread ends.
const SPARE: Duration = Duration::from_secs(1);

thread_local! {
    /// The worker that this thread is. Constant and without destructor, so that the signal handler may read it.
    static WORKER: Cell<*const Worker> = const { Cell::new(ptr::null()) };
}

/// One worker on its own thread.
pub struct Worker {
    pool: &'static Pool,
    slot: &'static WorkerSlot,
    queue: Queue<Entry>,
    taken: Cell<u32>,
    streak: Cell<u32>,
    /// How long it looks out for work before it sleeps.
    patience: AdaptiveSpin,
}

/// Calls `act` with the worker that the calling thread is, if it is one of this pool.
pub fn of_this_thread<T>(pool: &'static Pool, act: impl FnOnce(&Worker) -> T) -> Option<T> {
    // SAFETY: the thread itself has set it, and takes it away before the worker goes.
    let worker = unsafe { WORKER.with(Cell::get).as_ref() };
    worker.filter(|worker| ptr::eq(worker.pool, pool)).map(act)
}

/// True if the step that this thread runs was asked to give way. Async-signal-safe.
pub fn is_asked_to_give_way() -> bool {
    // SAFETY: as in `of_this_thread`.
    unsafe { WORKER.with(Cell::get).as_ref() }.is_some_and(|worker| worker.slot.is_asked())
}

impl Scheduler for Pool {
    #[inline]
    fn schedule(&'static self, entry: Entry) {
        let left = of_this_thread(self, |worker| worker.put_next(entry));
        if left.is_none() {
            self.queue.push(entry);
            self.notify();
        }
    }

    fn away(&'static self, sleep: &mut dyn FnMut()) {
        let slot = of_this_thread(self, |worker| {
            worker.hand_over();
            worker.slot
        });
        let Some(slot) = slot else { return sleep() };
        self.workers.go_away(slot);
        self.relieve();
        sleep();
        self.workers.come_back(slot);
        // The time asleep is not time that it has computed.
        slot.renew_step();
        self.alarms.watch();
    }
}

/// The body of a worker's thread, which is counted as active and searching.
pub fn work(pool: &'static Pool, slot: &'static WorkerSlot) {
    platform::name_thread(&pool.name);
    let queue = slot.take();
    let worker = Worker {
        pool,
        slot,
        queue,
        taken: Cell::new(0),
        streak: Cell::new(0),
        patience: AdaptiveSpin::default(),
    };
    WORKER.with(|own| own.set(&worker));
    pool.alarms.watch();
    let mut next = worker.search();
    while let Some(entry) = next {
        worker.run(entry);
        next = match worker.is_wanted() {
            true => worker.next().or_else(|| {
                pool.workers.begin_search();
                worker.search()
            }),
            false => worker.wait_as_spare(),
        };
    }
    WORKER.with(|own| own.set(ptr::null()));
    slot.leave(worker.queue);
    pool.workers.free(slot);
}

impl Worker {
    /// Has the process stepped next; the one that would have been lies in the queue then, for anybody. Nobody looks into the
    /// slot of a worker that is stuck.
    pub fn put_next(&self, entry: Entry) {
        if self.slot.away.load(Ordering::Relaxed) {
            return self.put_in_common_queue(entry);
        }
        if let Some(before) = self.slot.put_next(entry) {
            self.queue.push(before);
            self.pool.notify();
        }
    }

    #[cold]
    fn put_in_common_queue(&self, entry: Entry) {
        self.pool.queue.push(entry);
        self.pool.notify();
    }

    /// Moves what lies in the slot to where others find it.
    fn hand_over(&self) {
        if let Some(entry) = self.slot.take_next() {
            self.queue.push(entry);
        }
        if !self.queue.is_empty() {
            self.pool.notify();
        }
    }

    // ---- taking

    /// What this worker steps next, if there is anything in easy reach: what lies in the slot, so that an answer does not wait
    /// for others to compute, but not for ever.
    fn next(&self) -> Option<Entry> {
        let own = self.slot.take_next();
        let alone = || self.queue.is_empty() && self.pool.queue.is_empty();
        if own.is_some() && (self.streak.get() < STREAK || alone()) {
            self.streak.set(self.streak.get().saturating_add(1));
            return own;
        }
        self.streak.set(0);
        self.taken.set(self.taken.get().wrapping_add(1));
        let common_first = own.is_some() || self.taken.get().is_multiple_of(COMMON_FIRST);
        if let Some(own) = own {
            self.queue.push(own);
        }
        if common_first && let Steal::Success(entry) = self.pool.queue.steal() {
            return Some(entry);
        }
        self.queue.pop().or_else(|| self.take_common())
    }

    fn take_common(&self) -> Option<Entry> {
        loop {
            match self.pool.queue.steal_batch_and_pop(&self.queue) {
                Steal::Success(entry) => return Some(entry),
                Steal::Empty => return None,
                Steal::Retry => {}
            }
        }
    }

    fn steal(&self) -> Option<Entry> {
        let slots = self.pool.workers.slots();
        let own = slots.iter().position(|slot| ptr::eq(*slot, self.slot)).unwrap_or(0);
        for place in 1..=slots.len() {
            let slot = slots[(own + place) % slots.len()];
            loop {
                match slot.stealer().steal_batch_and_pop(&self.queue) {
                    Steal::Success(entry) => return Some(entry),
                    Steal::Empty => break,
                    Steal::Retry => {}
                }
            }
        }
        None
    }

    /// Looks everywhere, looks out for a moment, sleeps, until there is something. The worker is counted as searching; if it is
    /// dismissed, it does not count any more.
    fn search(&self) -> Option<Entry> {
        while !staff::is_dismissed() {
            let mut found = None;
            let look = || {
                found = self.next().or_else(|| self.steal());
                found.is_some()
            };
            self.patience.wait(None, look, || self.sleep());
            if found.is_some() {
                if self.pool.workers.end_search() && self.pool.has_work() {
                    self.pool.notify();
                }
                return found;
            }
        }
        self.pool.workers.quit(self.slot);
        None
    }

    /// Sleeps until somebody calls, unless there is something already. The worker is counted as searching before and after.
    fn sleep(&self) {
        self.pool.workers.park(self.slot);
        if (self.pool.has_work() || staff::is_dismissed()) && self.pool.workers.unpark(self.slot) {
            return;
        }
        while !self.slot.called.swap(false, Ordering::AcqRel) {
            std::thread::park();
        }
        self.pool.alarms.watch();
    }

    // ---- coming and going

    /// After each step: whether the worker goes on.
    fn is_wanted(&self) -> bool {
        if self.slot.away.load(Ordering::Relaxed) {
            self.pool.workers.come_back(self.slot);
            self.pool.alarms.watch();
        }
        if !self.pool.workers.is_overstaffed(self.pool.size) {
            return true;
        }
        // What lies here must not stay behind.
        self.hand_over();
        while let Some(entry) = self.queue.pop() {
            self.pool.queue.push(entry);
        }
        let retired = self.pool.workers.retire(self.slot, self.pool.size);
        self.pool.notify();
        !retired
    }

    /// Waits to be called again; `None` if nobody has called for a while.
    fn wait_as_spare(&self) -> Option<Entry> {
        if !staff::is_dismissed() {
            std::thread::park_timeout(SPARE);
        }
        while !self.slot.called.swap(false, Ordering::AcqRel) {
            if self.pool.workers.dismiss(self.slot) {
                return None;
            }
            std::thread::park_timeout(SPARE);
        }
        self.pool.alarms.watch();
        self.search()
    }

    // ---- stepping

    fn run(&self, entry: Entry) {
        // SAFETY: `start` has made the reference that the pool has until the process is over; what was in a queue is not over.
        let process = ManuallyDrop::new(unsafe { Arc::from_raw(entry.0) });
        self.slot.begin_step();
        process.run_on(&self.slot.thread);
        let mut repeats = REPEATS;
        loop {
            // SAFETY: the process is `RUNNING` here.
            let task = unsafe { process.task() };
            let Some(running) = task else { return };
            let step = running.step(TURNS);
            process.use_time(&self.slot.thread);
            match step {
                Step::Over => {
                    if let Some(task) = task.take() {
                        task.end();
                    }
                    process.state.finish();
                    // The process is in no queue and never will be.
                    drop(ManuallyDrop::into_inner(process));
                    break;
                }
                Step::Waiting(deadline) if repeats > 0 => {
                    if let Some(deadline) = deadline {
                        self.pool.alarms.set(&process, deadline);
                    }
                    if running.park() && process.state.rest() {
                        break;
                    }
                    repeats -= 1;
                }
                Step::Ready | Step::Waiting(_) => {
                    process.state.give_way();
                    self.give_way(entry);
                    break;
                }
            }
        }
        self.slot.end_step();
    }

    /// Puts a process that could go on behind all others.
    fn give_way(&self, entry: Entry) {
        if self.queue.is_empty() && self.pool.queue.is_empty() {
            self.put_next(entry);
        } else {
            self.pool.queue.push(entry);
            self.pool.notify();
        }
    }
}
