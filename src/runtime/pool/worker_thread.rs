//! The thread of a worker slot, as others may need it: to wake it, or to interrupt it.

use crate::platform::os_signal::{self, Target};
use parking_lot::Mutex;
use std::thread::Thread;

/// The thread that works in a slot at present; none while the slot is free.
#[derive(Default)]
pub struct WorkerThread(Mutex<Option<(Thread, Target)>>);

impl WorkerThread {
    /// It is the calling thread.
    pub fn set(&self) {
        *self.0.lock() = Some((std::thread::current(), os_signal::current()));
    }

    /// It is about to end.
    pub fn clear(&self) {
        *self.0.lock() = None;
    }

    /// Unparks it.
    pub fn unpark(&self) {
        if let Some((thread, _)) = &*self.0.lock() {
            thread.unpark();
        }
    }

    /// Sends it the library's signal.
    pub fn interrupt(&self) {
        let thread = self.0.lock();
        if let Some((_, target)) = &*thread {
            // SAFETY: the thread takes itself away under the same lock before it ends.
            unsafe { os_signal::interrupt(*target) };
        }
    }
}
