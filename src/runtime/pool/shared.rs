//! A pool: its queue, its workers, its alarms, and how threads come and go.

use super::alarms::Alarms;
use super::idle::IdleWorkers;
use super::scheduled::Entry;
use super::worker_slot::WorkerSlot;
use crate::runtime::staff;
use crossbeam::deque::Injector;
use parking_lot::Mutex;
use std::io;
use std::sync::atomic::{Ordering, fence};

/// Bytes of C stack for the overseer.
const OVERSEER_STACK: usize = 256 << 10;

/// The threads of one host.
pub struct Pool {
    /// How many processes may run at a time.
    pub(super) size: usize,
    /// Bytes of C stack for each worker.
    pub(super) stack_size: usize,
    /// What the workers are called.
    pub(super) name: Box<str>,
    /// What a worker's thread does.
    pub(super) work: fn(&'static Pool, &'static WorkerSlot),
    /// What the overseer's thread does.
    pub(super) oversee: fn(&'static Pool),
    /// Processes that belong to no worker yet.
    pub(super) queue: Injector<Entry>,
    pub(super) workers: IdleWorkers,
    pub(super) alarms: Alarms,
    /// The system grants no thread.
    #[cfg(test)]
    pub(super) refuses_threads: std::sync::atomic::AtomicBool,
}

/// How much a pool has to do.
pub struct Load {
    /// Workers that it has places for.
    pub workers: usize,
    /// Those that are in a step; without the ones that sleep or are stuck there while others take their place.
    pub busy: usize,
    /// Processes that wait for a worker.
    pub queue: usize,
}

impl Pool {
    /// True if something lies in a queue that an idle worker could take.
    pub(super) fn has_work(&self) -> bool {
        !self.queue.is_empty() || self.workers.slots().iter().any(|slot| slot.has_queued())
    }

    /// How much it has to do.
    pub fn load(&self) -> Load {
        let slots = self.workers.slots();
        let busy =
            slots.iter().filter(|slot| slot.step().is_some() && !slot.away.load(Ordering::Relaxed)).count();
        let queued: usize = slots.iter().map(|slot| slot.waiting()).sum();
        Load { workers: self.size, busy, queue: self.queue.len() + queued }
    }

    /// True if every active worker is parked, and nothing waits for one.
    pub(super) fn is_asleep(&self) -> bool {
        self.workers.is_asleep() && !self.has_work()
    }

    /// Starts the threads, once.
    ///
    /// # Errors
    /// Those of the operating system, if there is not a single worker.
    pub(super) fn open(&'static self) -> io::Result<()> {
        if self.workers.opened.load(Ordering::Acquire) {
            return Ok(());
        }
        static OPENING: Mutex<()> = Mutex::new(());
        let _one_at_a_time = OPENING.lock();
        if self.workers.opened.load(Ordering::Acquire) {
            return Ok(());
        }
        // After a failure the next process tries to start what is still missing.
        loop {
            match self.add_worker(false) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) if self.workers.active.load(Ordering::Acquire) == 0 => return Err(error),
                Err(_) => break,
            }
        }
        if !self.workers.overseen.load(Ordering::Acquire) {
            staff::start(OVERSEER_STACK, move || (self.oversee)(self))?;
            self.workers.overseen.store(true, Ordering::Release);
        }
        self.workers.opened.store(true, Ordering::Release);
        Ok(())
    }

    /// Has one more worker look for something to do, if there is a place for one: a spare, or a new thread.
    fn add_worker(&'static self, relief: bool) -> io::Result<bool> {
        match self.workers.admit(self.size, relief) {
            None => return Ok(false),
            Some(Some(spare)) => spare.call(),
            #[cfg(test)]
            Some(None) if self.refuses_threads.load(Ordering::Relaxed) => {
                self.workers.take_back();
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Some(None) => self.start_worker().inspect_err(|_| self.workers.take_back())?,
        }
        Ok(true)
    }

    /// Starts the thread of a worker that is counted already ([`IdleWorkers::admit`]).
    fn start_worker(&'static self) -> io::Result<()> {
        let slot = self.workers.lists.lock().free.pop().unwrap_or_else(WorkerSlot::new);
        self.workers.slots.write().push(slot);
        let started = staff::start(self.stack_size, move || (self.work)(self, slot));
        if started.is_err() {
            self.workers.slots.write().retain(|other| !std::ptr::eq(*other, slot));
            self.workers.free(slot);
        }
        started
    }

    /// Wakes all workers that are parked, and the overseer.
    pub(super) fn rouse(&'static self) {
        let mut lists = self.workers.lists.lock();
        let (idle, spares) = (std::mem::take(&mut lists.idle), std::mem::take(&mut lists.spares));
        self.workers.idle.store(0, Ordering::SeqCst);
        self.workers.active.fetch_add(spares.len(), Ordering::AcqRel);
        self.workers.searching.fetch_add(idle.len() + spares.len(), Ordering::SeqCst);
        drop(lists);
        for slot in idle.into_iter().chain(spares) {
            slot.call();
        }
        let _book = self.alarms.book.lock();
        self.alarms.earlier.notify_one();
    }

    /// Something was put into a queue: calls one idle worker, or relief for one that is away, unless one is searching.
    pub(super) fn notify(&'static self) {
        fence(Ordering::SeqCst);
        if self.workers.searching.load(Ordering::SeqCst) > 0 {
            return;
        }
        if self.workers.idle.load(Ordering::SeqCst) == 0 {
            // Those at work look when their step is over; for those that are away somebody else has to come.
            if self.workers.active.load(Ordering::SeqCst) < self.size {
                self.relieve();
            }
            return;
        }
        let mut lists = self.workers.lists.lock();
        let Some(slot) = lists.idle.pop() else { return };
        self.workers.idle.store(lists.idle.len(), Ordering::SeqCst);
        self.workers.searching.fetch_add(1, Ordering::SeqCst);
        drop(lists);
        slot.call();
    }

    /// While workers are away and something waits that nobody takes, puts another in the place of one: a spare, or a new
    /// thread. That none can be started is no error: the overseer tries again at every look, as long as something waits.
    ///
    /// Nothing is left lying: a thread that has put something into a queue comes here afterwards, and so does a worker that goes
    /// away. Each has changed its own before it looks at that of the other.
    pub(super) fn relieve(&'static self) {
        fence(Ordering::SeqCst);
        if self.workers.active.load(Ordering::SeqCst) >= self.size
            || self.workers.has_hands()
            || !self.has_work()
        {
            return;
        }
        if self.add_worker(true).is_err() {
            self.alarms.watch();
        }
    }
}
