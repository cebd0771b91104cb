//! What others see of a worker. A slot is never freed; when its thread ends, the next new thread takes it.

use super::scheduled::{Entry, Scheduled};
use super::worker_thread::WorkerThread;
use crossbeam::deque::{Stealer, Worker as Queue};
use parking_lot::Mutex;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

/// One worker as others see it. It has a cache line to itself: its worker writes it in every step.
#[repr(align(128))]
pub struct WorkerSlot {
    /// The process that the present step has woken, to be stepped next.
    next: AtomicPtr<Scheduled>,
    /// Odd inside a step; never the same again.
    steps: AtomicU64,
    /// The step that was asked to give way.
    asked: AtomicU64,
    /// The worker is not counted as active: it sleeps or is stuck inside a step.
    pub away: AtomicBool,
    /// The worker is to get up: it may be unparked for other reasons.
    pub called: AtomicBool,
    stealer: Stealer<Entry>,
    /// The queue itself, while no thread works here.
    queue: Mutex<Option<Queue<Entry>>>,
    /// The thread that works here.
    pub thread: WorkerThread,
}

impl WorkerSlot {
    /// A new worker slot.
    pub fn new() -> &'static WorkerSlot {
        let queue = Queue::new_fifo();
        Box::leak(Box::new(WorkerSlot {
            next: AtomicPtr::new(ptr::null_mut()),
            steps: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            away: AtomicBool::new(false),
            called: AtomicBool::new(false),
            stealer: queue.stealer(),
            queue: Mutex::new(Some(queue)),
            thread: WorkerThread::default(),
        }))
    }

    /// The calling thread takes the slot, with its queue.
    pub fn take(&self) -> Queue<Entry> {
        self.thread.set();
        let queue = self.queue.lock().take();
        queue.unwrap_or_else(Queue::new_fifo)
    }

    /// The calling thread leaves the slot.
    pub fn leave(&self, queue: Queue<Entry>) {
        self.thread.clear();
        *self.queue.lock() = Some(queue);
    }

    /// Has the worker get up.
    pub fn call(&self) {
        self.called.store(true, Ordering::Release);
        self.thread.unpark();
    }

    // ---- what comes next

    /// Has this process stepped next: the one that would have been.
    pub fn put_next(&self, entry: Entry) -> Option<Entry> {
        let before = self.next.swap(entry.0.cast_mut(), Ordering::AcqRel);
        (!before.is_null()).then_some(Entry(before))
    }

    /// Takes what is to be stepped next.
    pub fn take_next(&self) -> Option<Entry> {
        if self.next.load(Ordering::Relaxed).is_null() {
            return None;
        }
        let before = self.next.swap(ptr::null_mut(), Ordering::AcqRel);
        (!before.is_null()).then_some(Entry(before))
    }

    // ---- the queue

    /// The side from which others take.
    pub fn stealer(&self) -> &Stealer<Entry> {
        &self.stealer
    }

    /// True if others could take something.
    pub fn has_queued(&self) -> bool {
        !self.stealer.is_empty()
    }

    /// How many processes wait here.
    pub fn waiting(&self) -> usize {
        self.stealer.len() + usize::from(!self.next.load(Ordering::Relaxed).is_null())
    }

    // ---- steps

    /// A step begins.
    pub fn begin_step(&self) {
        self.steps.store(self.steps.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// The step is over.
    pub fn end_step(&self) {
        self.begin_step();
    }

    /// What goes on in this step counts as a new one.
    pub fn renew_step(&self) {
        self.steps.store(self.steps.load(Ordering::Relaxed) + 2, Ordering::Release);
    }

    /// The present step, `None` between two.
    pub fn step(&self) -> Option<u64> {
        let step = self.steps.load(Ordering::Acquire);
        (step % 2 == 1).then_some(step)
    }

    /// How many steps have begun and ended.
    pub fn step_count(&self) -> u64 {
        self.steps.load(Ordering::Acquire)
    }

    /// Asks the code that runs in this step to give way, once.
    pub fn ask(&self, step: u64) {
        if self.asked.swap(step, Ordering::AcqRel) != step {
            self.thread.interrupt();
        }
    }

    /// True if the present step was asked to give way. Async-signal-safe.
    pub fn is_asked(&self) -> bool {
        self.step() == Some(self.asked.load(Ordering::Acquire))
    }
}
