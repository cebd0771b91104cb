//! A worker: takes a process, runs a step of it, puts it where it belongs.

use super::worker_slot::Seat;
use super::{Entry, Pool};
use crate::platform;
use crate::runtime::spin::Patience;
use crate::runtime::staff;
use crate::runtime::step::Step;
use crossbeam::deque::{Steal, Worker as Queue};
use std::cell::Cell;
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

/// See the top of the page.
pub struct Worker {
    pool: &'static Pool,
    seat: &'static Seat,
    queue: Queue<Entry>,
    taken: Cell<u32>,
    streak: Cell<u32>,
    /// How long it looks out for work before it sleeps.
    patience: Patience,
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
    unsafe { WORKER.with(Cell::get).as_ref() }.is_some_and(|worker| worker.seat.is_asked())
}

/// Runs `act`, which sleeps inside a step: what lies with this worker goes to others, who get help if they need it.
pub fn away(pool: &'static Pool, act: impl FnOnce()) {
    let seat = of_this_thread(pool, |worker| {
        worker.hand_over();
        worker.seat
    });
    let Some(seat) = seat else { return act() };
    pool.crew.go_away(seat);
    pool.relieve();
    act();
    pool.crew.come_back(seat);
    // The time asleep is not time that it has computed.
    seat.renew_step();
    pool.watch();
}

/// The body of a worker's thread, which is counted as active and searching.
pub fn work(pool: &'static Pool, seat: &'static Seat) {
    platform::name_thread(&pool.name);
    let queue = seat.take();
    let worker = Worker {
        pool,
        seat,
        queue,
        taken: Cell::new(0),
        streak: Cell::new(0),
        patience: Patience::default(),
    };
    WORKER.with(|own| own.set(&worker));
    pool.watch();
    let mut next = worker.search();
    while let Some(entry) = next {
        worker.run(entry);
        next = match worker.is_wanted() {
            true => worker.next().or_else(|| {
                pool.crew.begin_search();
                worker.search()
            }),
            false => worker.wait_as_spare(),
        };
    }
    WORKER.with(|own| own.set(ptr::null()));
    seat.leave(worker.queue);
    pool.crew.free(seat);
}

impl Worker {
    /// Has the process stepped next; the one that would have been lies in the queue then, for anybody. Nobody looks into the
    /// slot of a worker that is stuck.
    pub fn put_in_slot(&self, entry: Entry) {
        if self.seat.away.load(Ordering::Relaxed) {
            return self.put_in_common_queue(entry);
        }
        if let Some(before) = self.seat.fill_slot(entry) {
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
        if let Some(entry) = self.seat.empty_slot() {
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
        let own = self.seat.empty_slot();
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
        let seats = self.pool.crew.seats();
        let own = seats.iter().position(|seat| ptr::eq(*seat, self.seat)).unwrap_or(0);
        for place in 1..=seats.len() {
            let seat = seats[(own + place) % seats.len()];
            loop {
                match seat.stealer().steal_batch_and_pop(&self.queue) {
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
                if self.pool.crew.end_search() && self.pool.has_work() {
                    self.pool.notify();
                }
                return found;
            }
        }
        self.pool.crew.quit(self.seat);
        None
    }

    /// Sleeps until somebody calls, unless there is something already. The worker is counted as searching before and after.
    fn sleep(&self) {
        self.pool.crew.lie_down(self.seat);
        if (self.pool.has_work() || staff::is_dismissed()) && self.pool.crew.stand_up(self.seat) {
            return;
        }
        while !self.seat.called.swap(false, Ordering::AcqRel) {
            std::thread::park();
        }
        self.pool.watch();
    }

    // ---- coming and going

    /// After each step: whether the worker goes on.
    fn is_wanted(&self) -> bool {
        if self.seat.away.load(Ordering::Relaxed) {
            self.pool.crew.come_back(self.seat);
            self.pool.watch();
        }
        if !self.pool.crew.is_overstaffed(self.pool.size) {
            return true;
        }
        // What lies here must not stay behind.
        self.hand_over();
        while let Some(entry) = self.queue.pop() {
            self.pool.queue.push(entry);
        }
        let retired = self.pool.crew.retire(self.seat, self.pool.size);
        self.pool.notify();
        !retired
    }

    /// Waits to be called again; `None` if nobody has called for a while.
    fn wait_as_spare(&self) -> Option<Entry> {
        if !staff::is_dismissed() {
            std::thread::park_timeout(SPARE);
        }
        while !self.seat.called.swap(false, Ordering::AcqRel) {
            if self.pool.crew.dismiss(self.seat) {
                return None;
            }
            std::thread::park_timeout(SPARE);
        }
        self.pool.watch();
        self.search()
    }

    // ---- stepping

    fn run(&self, entry: Entry) {
        // SAFETY: what was in a queue is not over, and the pool has a reference to it until then.
        let process = unsafe { &*entry.0 };
        let Some(member) = process.member() else { return };
        self.seat.begin_step();
        member.sit_down(self.seat);
        let mut repeats = REPEATS;
        loop {
            process.mailbox.unpark();
            // SAFETY: the process is `RUNNING` here.
            let body = unsafe { member.body() };
            let Some(running) = body else { return };
            match running.step(TURNS) {
                Step::Over => {
                    if let Some(body) = body.take() {
                        body.end();
                    }
                    member.turn.finish();
                    let realm = Arc::clone(&process.realm);
                    // SAFETY: the reference that `start` has made; the process is in no queue and never will be.
                    drop(unsafe { Arc::from_raw(entry.0) });
                    realm.thread_ended();
                    break;
                }
                Step::Waiting(deadline) if repeats > 0 => {
                    if let Some(deadline) = deadline {
                        // SAFETY: as above.
                        unsafe { self.pool.set_alarm(entry, member, deadline) };
                    }
                    if process.mailbox.park() && member.turn.rest() {
                        break;
                    }
                    repeats -= 1;
                }
                Step::Ready | Step::Waiting(_) => {
                    member.turn.give_way();
                    self.give_way(entry);
                    break;
                }
            }
        }
        self.seat.end_step();
    }

    /// Puts a process that could go on behind all others.
    fn give_way(&self, entry: Entry) {
        if self.queue.is_empty() && self.pool.queue.is_empty() {
            self.put_in_slot(entry);
        } else {
            self.pool.queue.push(entry);
            self.pool.notify();
        }
    }
}
