//! What a process has to do with its pool: its turn, its body, its alarm.

use super::run_state::{Turn, Wake};
use super::worker_slot::Seat;
use super::{Body, Entry, Pool, worker};
use crate::runtime::process::Process;
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::time::Instant;

/// See the top of the page.
pub struct Member {
    pub(super) pool: &'static Pool,
    pub(super) turn: Turn,
    /// Where it runs, or ran last. Seats stay for ever.
    seat: AtomicPtr<Seat>,
    /// When it is to be woken at the latest, in nanoseconds of [`super::alarms`]; 0 for no alarm.
    pub(super) alarm: AtomicU64,
    body: UnsafeCell<Option<Box<dyn Body>>>,
}

// SAFETY: the body is touched by the worker alone that runs the process (invariant of `RUNNING`, see `super`), and before the
// process is queued for the first time.
unsafe impl Sync for Member {}

impl Member {
    /// For a process that is going to be started on this pool.
    pub fn new(pool: &'static Pool) -> Self {
        Member {
            pool,
            turn: Turn::default(),
            seat: AtomicPtr::new(ptr::null_mut()),
            alarm: AtomicU64::new(0),
            body: UnsafeCell::new(None),
        }
    }

    /// Takes the body, before the process is queued for the first time.
    pub(super) fn begin(&self, body: Box<dyn Body>) {
        // SAFETY: nobody else knows the body before the process is queued.
        unsafe { *self.body.get() = Some(body) };
    }

    /// The calling worker runs the process from now on.
    pub(super) fn sit_down(&self, seat: &'static Seat) {
        self.seat.store(ptr::from_ref(seat).cast_mut(), Ordering::Release);
        self.turn.begin();
    }

    /// The body.
    ///
    /// # Safety
    /// The process is `RUNNING` on the calling worker.
    #[allow(clippy::mut_from_ref)]
    pub(super) unsafe fn body(&self) -> &mut Option<Box<dyn Body>> {
        &mut *self.body.get()
    }

    fn seat(&self) -> Option<&'static Seat> {
        // SAFETY: only `sit_down` sets it, to a seat, which stays for ever.
        unsafe { self.seat.load(Ordering::Acquire).as_ref() }
    }

    /// Has the process look at its mailbox, its end, its timers.
    pub fn wake(&self, process: &Process) {
        match self.turn.wake() {
            Wake::Nothing => {}
            Wake::Queue => self.pool.schedule(Entry(process)),
            Wake::Unpark => {
                if let Some(seat) = self.seat() {
                    seat.unpark();
                }
            }
        }
    }

    /// Interrupts the thread that runs the process right now. If the step ends meanwhile the signal meets another one, which
    /// it does not concern.
    pub fn interrupt(&self) {
        if self.turn.is_running()
            && let Some(seat) = self.seat()
        {
            seat.interrupt();
        }
    }

    /// For the process itself: keeps the worker asleep, until it is woken or until `deadline`.
    pub fn sleep(&self, deadline: Option<Instant>) {
        if !self.turn.block() {
            return;
        }
        worker::away(self.pool, || {
            while self.turn.is_blocked() {
                match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                    None => std::thread::park(),
                    Some(left) if left.is_zero() => break,
                    Some(left) => std::thread::park_timeout(left),
                }
            }
        });
        self.turn.unblock();
    }
}
