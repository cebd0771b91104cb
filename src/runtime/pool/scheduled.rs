//! A process as its pool knows it: its run state, its task, its alarm.

use super::run_state::{Rest, RunState, Wake};
use super::task::Task;
use super::worker_thread::WorkerThread;
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The pool of a process, as far as the process needs it.
pub trait Scheduler: Sync {
    /// Puts a process that has just become `SCHEDULED` where a worker finds it.
    fn schedule(&'static self, entry: Entry);

    /// Runs `sleep`, which sleeps inside a step of the calling worker: others take over what lies with it.
    fn away(&'static self, sleep: &mut dyn FnMut());
}

/// A process in a queue: `SCHEDULED`, hence alive (see the top of [`super`]).
#[derive(Clone, Copy, PartialEq)]
pub struct Entry(pub(super) *const Scheduled);

// SAFETY: a scheduled process may be used by any thread.
unsafe impl Send for Entry {}

/// One process of a pool.
pub struct Scheduled {
    pool: &'static dyn Scheduler,
    pub(super) state: RunState,
    /// The thread that runs it, or ran it last. Worker slots stay for ever.
    thread: AtomicPtr<WorkerThread>,
    /// When it is to be woken at the latest, in nanoseconds of [`super::alarms`]; 0 for no alarm.
    pub(super) alarm: AtomicU64,
    /// Nanoseconds of processor time of steps that are over.
    used: AtomicU64,
    task: UnsafeCell<Option<Box<dyn Task>>>,
}

// SAFETY: the task is touched by the worker alone that runs the process (invariant of `RUNNING`, see `super`), and before the
// process is queued for the first time.
unsafe impl Sync for Scheduled {}

// SAFETY: a task is `Send`, and the worker's thread stays where it is for ever.
unsafe impl Send for Scheduled {}

impl Scheduled {
    /// For a process that is going to be started on this pool.
    pub fn new(pool: &'static dyn Scheduler) -> Self {
        Scheduled {
            pool,
            state: RunState::default(),
            thread: AtomicPtr::new(ptr::null_mut()),
            alarm: AtomicU64::new(0),
            used: AtomicU64::new(0),
            task: UnsafeCell::new(None),
        }
    }

    /// Takes the task, before the process is queued for the first time.
    pub(super) fn begin(&self, task: Box<dyn Task>) {
        // SAFETY: nobody else knows the task before the process is queued.
        unsafe { *self.task.get() = Some(task) };
    }

    /// The calling worker runs the process from now on.
    pub(super) fn run_on(&self, thread: &'static WorkerThread) {
        self.thread.store(ptr::from_ref(thread).cast_mut(), Ordering::Release);
        self.state.begin();
    }

    /// The task.
    ///
    /// # Safety
    /// The process is `RUNNING` on the calling worker.
    #[allow(clippy::mut_from_ref)]
    pub(super) unsafe fn task(&self) -> &mut Option<Box<dyn Task>> {
        // SAFETY: nobody but the worker that runs the process touches its task.
        unsafe { &mut *self.task.get() }
    }

    /// Where the process is.
    pub fn rest(&self) -> Rest {
        self.state.rest_now()
    }

    /// The processor time that its steps have used, as far as the overseer has seen ([`super::overseer`]).
    pub fn processor_time(&self) -> Duration {
        let in_step = self.thread().filter(|_| self.state.is_running());
        let uncounted = in_step.map_or(0, WorkerThread::seen);
        Duration::from_nanos(self.used.load(Ordering::Relaxed) + uncounted)
    }

    /// For the worker whose step of the process is over, or goes on: what was seen of it counts.
    #[inline]
    pub(super) fn use_time(&self, thread: &WorkerThread) {
        let seen = thread.take_seen();
        if seen != 0 {
            self.used.fetch_add(seen, Ordering::Relaxed);
        }
    }

    fn thread(&self) -> Option<&'static WorkerThread> {
        // SAFETY: only `run_on` sets it, to the thread of a slot, which stays for ever.
        unsafe { self.thread.load(Ordering::Acquire).as_ref() }
    }

    /// Has the process look at its mailbox, its end, its timers.
    #[inline]
    pub fn wake(&self) {
        match self.state.wake() {
            Wake::Nothing => {}
            Wake::Queue => self.pool.schedule(Entry(self)),
            Wake::Unpark => {
                if let Some(thread) = self.thread() {
                    thread.unpark();
                }
            }
        }
    }

    /// Interrupts the thread that runs the process right now. If the step ends meanwhile the signal meets another one, which
    /// it does not concern.
    pub fn interrupt(&self) {
        if self.state.is_running()
            && let Some(thread) = self.thread()
        {
            thread.interrupt();
        }
    }

    /// For the process itself: keeps the worker asleep, until it is woken or until `deadline`.
    pub fn sleep(&self, deadline: Option<Instant>) {
        if !self.state.block() {
            return;
        }
        self.pool.away(&mut || {
            while self.state.is_blocked() {
                match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                    None => std::thread::park(),
                    Some(left) if left.is_zero() => break,
                    Some(left) => std::thread::park_timeout(left),
                }
            }
        });
        self.state.unblock();
    }
}
