//! The thread of a worker slot, as others may need it: to wake it, or to interrupt it.

use crate::platform::ThreadClock;
use crate::platform::os_signal::{self, Target};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Thread;
use std::time::Duration;

/// The thread that works in a slot at present; none while the slot is free.
#[derive(Default)]
pub struct WorkerThread {
    present: Mutex<Option<(Thread, Target, ThreadClock)>>,
    /// Nanoseconds of processor time of the present step, as far as the overseer has seen.
    seen: AtomicU64,
}

impl WorkerThread {
    /// It is the calling thread.
    pub fn set(&self) {
        *self.present.lock() = Some((std::thread::current(), os_signal::current(), ThreadClock::current()));
    }

    /// It is about to end.
    pub fn clear(&self) {
        *self.present.lock() = None;
    }

    /// Unparks it.
    pub fn unpark(&self) {
        if let Some((thread, ..)) = &*self.present.lock() {
            thread.unpark();
        }
    }

    /// The processor time that it has used.
    pub fn processor_time(&self) -> Option<Duration> {
        let clock = self.present.lock().as_ref().map(|(_, _, clock)| *clock);
        clock.and_then(ThreadClock::read)
    }

    /// So many nanoseconds more were seen of the present step.
    pub fn see(&self, nanoseconds: u64) {
        self.seen.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// What was seen and not counted yet.
    pub fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    /// Takes what was seen, which is nothing nearly always: steps are short.
    #[inline]
    pub fn take_seen(&self) -> u64 {
        if self.seen() == 0 { 0 } else { self.seen.swap(0, Ordering::Relaxed) }
    }

    /// Sends it the library's signal.
    pub fn interrupt(&self) {
        let thread = self.present.lock();
        if let Some((_, target, _)) = &*thread {
            // SAFETY: the thread takes itself away under the same lock before it ends.
            unsafe { os_signal::interrupt(*target) };
        }
    }
}
