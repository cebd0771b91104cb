//! The alarms of a pool: when each process has to look at its timers. The overseer keeps one heap for all.
//!
//! A process has at most one alarm that counts, in [`Scheduled::alarm`]. Its other alarms in the heap are ignored when they are
//! due. An alarm that rings too early does no harm: the process looks, and sets the next one. So a process that waits again and
//! again with later and later deadlines leaves its alarm where it is.

use super::scheduled::Scheduled;
use crate::runtime::timers::Timers;
use once_cell::sync::Lazy;
use parking_lot::{Condvar, Mutex};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

/// What the alarms are counted from.
static START: Lazy<Instant> = Lazy::new(Instant::now);

/// The alarms of one pool.
#[derive(Default)]
pub struct Alarms {
    pub(super) book: Mutex<Book>,
    /// Rung when the overseer has to look earlier than it thought.
    pub(super) earlier: Condvar,
    /// The overseer looks at the workers.
    pub(super) watching: AtomicBool,
}

/// What the lock guards.
#[derive(Default)]
pub struct Book {
    pub(super) timers: Timers<Alarm>,
    /// Until when the overseer sleeps, `None` for as long as nobody rings.
    pub(super) asleep_until: Option<Instant>,
}

/// An entry of the heap.
pub struct Alarm {
    process: Weak<Scheduled>,
    at: u64,
}

impl Alarm {
    fn is_wanted(&self) -> bool {
        self.process.upgrade().is_some_and(|process| process.alarm.load(Ordering::Relaxed) == self.at)
    }

    /// Wakes the process, if this is the alarm that counts.
    pub fn ring(self) {
        let Some(process) = self.process.upgrade() else { return };
        let counts = process.alarm.compare_exchange(self.at, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if counts {
            process.wake();
        }
    }
}

impl Alarms {
    /// Has the process, which is `RUNNING` on the calling worker, woken at `deadline`, or before.
    pub(super) fn set(&self, process: &Arc<Scheduled>, deadline: Instant) {
        let at =
            u64::try_from(deadline.saturating_duration_since(*START).as_nanos()).unwrap_or(u64::MAX).max(1);
        let present = process.alarm.load(Ordering::Acquire);
        if present != 0 && present <= at {
            return;
        }
        process.alarm.store(at, Ordering::Release);
        let alarm = Alarm { process: Arc::downgrade(process), at };
        let mut book = self.book.lock();
        book.timers.start(deadline, alarm, Alarm::is_wanted);
        if book.asleep_until.is_none_or(|until| deadline < until) {
            book.asleep_until = Some(deadline);
            self.earlier.notify_one();
        }
    }

    /// A worker has got up: from now on the overseer looks at what they do.
    pub(super) fn watch(&self) {
        if !self.watching.load(Ordering::SeqCst) && !self.watching.swap(true, Ordering::SeqCst) {
            let _book = self.book.lock();
            self.earlier.notify_one();
        }
    }
}
