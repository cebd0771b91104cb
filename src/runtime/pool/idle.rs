//! Which workers there are, which of them are idle, and who gets up when there is something to do.
//!
//! Every worker is *at work* (in a step or about to look for one), *searching*, *idle* (parked, in `idle`), *away* (inside a
//! step that sleeps or does not end), or *spare* (parked, in `spares`, not needed). `active` counts all but the last two.

use super::worker_slot::Seat;
use super::{Pool, overseer, worker};
use crate::runtime::staff;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

/// See the top of the page.
#[derive(Default)]
pub struct Crew {
    /// Those that a thread sits on.
    seats: RwLock<Vec<&'static Seat>>,
    lists: Mutex<Lists>,
    /// The length of `idle`, as far as the lock knows.
    idle: AtomicUsize,
    /// Workers that look for something to do, or were called to. While there is one nobody else is called.
    searching: AtomicUsize,
    /// See the top of the page; changed under the lock.
    active: AtomicUsize,
    /// There is an overseer.
    overseen: AtomicBool,
    /// All threads were started, and none was dismissed since.
    opened: AtomicBool,
}

#[derive(Default)]
struct Lists {
    idle: Vec<&'static Seat>,
    spares: Vec<&'static Seat>,
    /// Seats without a thread.
    free: Vec<&'static Seat>,
}

impl Crew {
    /// The seats with a thread.
    pub fn seats(&self) -> RwLockReadGuard<'_, Vec<&'static Seat>> {
        self.seats.read()
    }

    /// True if a worker is idle or searching: what lies in a queue is going to be taken.
    pub fn has_hands(&self) -> bool {
        self.searching.load(Ordering::SeqCst) > 0 || self.idle.load(Ordering::SeqCst) > 0
    }

    /// True if every active worker is parked. Nobody gets up while this is found out.
    pub fn is_asleep(&self) -> bool {
        let lists = self.lists.lock();
        lists.idle.len() >= self.active.load(Ordering::Relaxed) && self.searching.load(Ordering::SeqCst) == 0
    }

    /// A worker begins to search.
    pub fn begin_search(&self) {
        self.searching.fetch_add(1, Ordering::SeqCst);
    }

    /// A searching worker has found something: true if nobody searches any more.
    pub fn end_search(&self) -> bool {
        self.searching.fetch_sub(1, Ordering::SeqCst) == 1
    }

    /// A searching worker has found nothing and is idle from now on. It has to look once more before it parks.
    pub fn lie_down(&self, seat: &'static Seat) {
        let mut lists = self.lists.lock();
        seat.called.store(false, Ordering::Relaxed);
        lists.idle.push(seat);
        self.idle.store(lists.idle.len(), Ordering::SeqCst);
        self.searching.fetch_sub(1, Ordering::SeqCst);
        drop(lists);
        fence(Ordering::SeqCst);
    }

    /// An idle worker has seen something to do before it has parked: it searches again. `false`: it was called anyhow.
    pub fn stand_up(&self, seat: &'static Seat) -> bool {
        let mut lists = self.lists.lock();
        let Some(place) = lists.idle.iter().position(|other| std::ptr::eq(*other, seat)) else {
            return false;
        };
        lists.idle.remove(place);
        self.idle.store(lists.idle.len(), Ordering::SeqCst);
        self.searching.fetch_add(1, Ordering::SeqCst);
        true
    }

    /// The worker does not count as active from now on; nothing happens if it does not already.
    pub fn go_away(&self, seat: &Seat) {
        let _lists = self.lists.lock();
        if !seat.away.swap(true, Ordering::AcqRel) {
            self.active.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// The worker is active again.
    pub fn come_back(&self, seat: &Seat) {
        let _lists = self.lists.lock();
        if seat.away.swap(false, Ordering::AcqRel) {
            self.active.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Counts one more worker as active and searching, if there is a place: a spare that has to be called, or none, and then a
    /// thread has to be started. As relief only if nobody else searches.
    fn admit(&self, size: usize, relief: bool) -> Option<Option<&'static Seat>> {
        let mut lists = self.lists.lock();
        let full = self.active.load(Ordering::Acquire) >= size;
        if full || (relief && self.searching.load(Ordering::SeqCst) > 0) {
            return None;
        }
        self.active.fetch_add(1, Ordering::AcqRel);
        self.searching.fetch_add(1, Ordering::SeqCst);
        Some(lists.spares.pop())
    }

    /// Undoes [`Crew::admit`]: no thread could be started.
    fn take_back(&self) {
        let _lists = self.lists.lock();
        self.active.fetch_sub(1, Ordering::AcqRel);
        self.searching.fetch_sub(1, Ordering::SeqCst);
    }

    /// More workers are in steps than the pool has places: some have come back while their relief was at work.
    pub fn is_crowded(&self, size: usize) -> bool {
        let lists = self.lists.lock();
        let looking = lists.idle.len() + self.searching.load(Ordering::SeqCst);
        self.active.load(Ordering::Relaxed) > size + looking
    }

    /// More workers are active than the pool has places.
    pub fn is_overstaffed(&self, size: usize) -> bool {
        self.active.load(Ordering::Relaxed) > size
    }

    /// Makes a spare of the worker if there are too many.
    pub fn retire(&self, seat: &'static Seat, size: usize) -> bool {
        let mut lists = self.lists.lock();
        let retired = self.active.load(Ordering::Relaxed) > size;
        if retired {
            self.active.fetch_sub(1, Ordering::AcqRel);
            seat.called.store(false, Ordering::Relaxed);
            lists.spares.push(seat);
        }
        retired
    }

    /// A spare has waited for long enough: true if its thread ends. `false`: it was called just now.
    pub fn dismiss(&self, seat: &'static Seat) -> bool {
        let mut lists = self.lists.lock();
        let Some(place) = lists.spares.iter().position(|other| std::ptr::eq(*other, seat)) else {
            return false;
        };
        lists.spares.remove(place);
        drop(lists);
        self.seats.write().retain(|other| !std::ptr::eq(*other, seat));
        true
    }

    /// A searching worker was dismissed, and its thread ends.
    pub fn quit(&self, seat: &'static Seat) {
        self.seats.write().retain(|other| !std::ptr::eq(*other, seat));
        self.active.fetch_sub(1, Ordering::AcqRel);
        self.searching.fetch_sub(1, Ordering::SeqCst);
        self.opened.store(false, Ordering::Release);
    }

    /// The overseer was dismissed, and its thread ends.
    pub fn overseer_quits(&self) {
        self.overseen.store(false, Ordering::Release);
        self.opened.store(false, Ordering::Release);
    }

    /// The thread of a seat is gone.
    pub fn free(&self, seat: &'static Seat) {
        self.lists.lock().free.push(seat);
    }
}

impl Pool {
    /// Starts the threads, once.
    ///
    /// # Errors
    /// Those of the operating system, if there is not a single worker.
    pub(super) fn open(&'static self) -> io::Result<()> {
        if self.crew.opened.load(Ordering::Acquire) {
            return Ok(());
        }
        static OPENING: Mutex<()> = Mutex::new(());
        let _one_at_a_time = OPENING.lock();
        if self.crew.opened.load(Ordering::Acquire) {
            return Ok(());
        }
        // After a failure the next process tries to start what is still missing.
        loop {
            match self.add_worker(false) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) if self.crew.active.load(Ordering::Acquire) == 0 => return Err(error),
                Err(_) => break,
            }
        }
        if !self.crew.overseen.load(Ordering::Acquire) {
            overseer::start(self)?;
            self.crew.overseen.store(true, Ordering::Release);
        }
        self.crew.opened.store(true, Ordering::Release);
        Ok(())
    }

    /// Has one more worker look for something to do, if there is a place for one: a spare, or a new thread.
    fn add_worker(&'static self, relief: bool) -> io::Result<bool> {
        match self.crew.admit(self.size, relief) {
            None => return Ok(false),
            Some(Some(spare)) => spare.call(),
            #[cfg(test)]
            Some(None) if self.refuses_threads.load(Ordering::Relaxed) => {
                self.crew.take_back();
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Some(None) => self.hire().inspect_err(|_| self.crew.take_back())?,
        }
        Ok(true)
    }

    /// Starts the thread of a worker that is counted already ([`Crew::admit`]).
    fn hire(&'static self) -> io::Result<()> {
        let seat = self.crew.lists.lock().free.pop().unwrap_or_else(Seat::new);
        self.crew.seats.write().push(seat);
        let started = staff::start(self.stack_size, move || worker::work(self, seat));
        if started.is_err() {
            self.crew.seats.write().retain(|other| !std::ptr::eq(*other, seat));
            self.crew.free(seat);
        }
        started
    }

    /// Wakes all workers that are parked, and the overseer.
    pub(super) fn rouse(&'static self) {
        let mut lists = self.crew.lists.lock();
        let (idle, spares) = (std::mem::take(&mut lists.idle), std::mem::take(&mut lists.spares));
        self.crew.idle.store(0, Ordering::SeqCst);
        self.crew.active.fetch_add(spares.len(), Ordering::AcqRel);
        self.crew.searching.fetch_add(idle.len() + spares.len(), Ordering::SeqCst);
        drop(lists);
        for seat in idle.into_iter().chain(spares) {
            seat.call();
        }
        let _book = self.alarms.book.lock();
        self.alarms.earlier.notify_one();
    }

    /// Something was put into a queue: calls one idle worker, or relief for one that is away, unless one is searching.
    pub(super) fn notify(&'static self) {
        fence(Ordering::SeqCst);
        if self.crew.searching.load(Ordering::SeqCst) > 0 {
            return;
        }
        if self.crew.idle.load(Ordering::SeqCst) == 0 {
            // Those at work look when their step is over; for those that are away somebody else has to come.
            if self.crew.active.load(Ordering::SeqCst) < self.size {
                self.relieve();
            }
            return;
        }
        let mut lists = self.crew.lists.lock();
        let Some(seat) = lists.idle.pop() else { return };
        self.crew.idle.store(lists.idle.len(), Ordering::SeqCst);
        self.crew.searching.fetch_add(1, Ordering::SeqCst);
        drop(lists);
        seat.call();
    }

    /// While workers are away and something waits that nobody takes, puts another in the place of one: a spare, or a new
    /// thread. That none can be started is no error: the overseer tries again at every look, as long as something waits.
    ///
    /// Nothing is left lying: who puts something into a queue comes here afterwards, and so does who goes away. Each has
    /// changed its own before it looks at that of the other.
    pub(super) fn relieve(&'static self) {
        fence(Ordering::SeqCst);
        if self.crew.active.load(Ordering::SeqCst) >= self.size || self.crew.has_hands() || !self.has_work() {
            return;
        }
        if self.add_worker(true).is_err() {
            self.watch();
        }
    }
}
