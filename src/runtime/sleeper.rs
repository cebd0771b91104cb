//! How a waiting process is woken. A process with its own thread has that thread unparked, a process of a pool is queued, and a
//! main process sleeps in `poll` on a descriptor, so that an OS signal to the interpreter ends its sleep too.

use super::pool::Scheduled;
use crate::platform::Waker;
use once_cell::sync::OnceCell;
use std::sync::Arc;
use std::thread::Thread;
use std::time::{Duration, Instant};

/// The sleeping place of one process.
pub enum Sleeper {
    /// A process on a thread host: its own thread, known once it runs.
    Thread(OnceCell<Thread>),
    /// A process on a pool host.
    Pooled(Arc<Scheduled>),
    /// A main process.
    Main(Waker),
}

impl Sleeper {
    /// Whether the owner may look out for something before it sleeps: it keeps nobody else from running meanwhile.
    pub fn may_look_out(&self) -> bool {
        !matches!(self, Sleeper::Pooled(_))
    }

    /// Wakes the owner from its present or next sleep. May be called at any time, from any thread.
    pub(super) fn wake(&self) {
        match self {
            Sleeper::Pooled(scheduled) => scheduled.wake(),
            Sleeper::Thread(thread) => {
                if let Some(thread) = thread.get() {
                    thread.unpark();
                }
            }
            Sleeper::Main(waker) => waker.wake(),
        }
    }

    /// Makes the calling thread the one to wake. A no-op for a main process, whose thread is whoever calls it.
    pub fn adopt_thread(&self) {
        if let Sleeper::Thread(thread) = self {
            let _ = thread.set(std::thread::current());
        }
    }

    /// True for a main process that the calling thread has made, or that has slept on it last.
    pub(super) fn is_of_this_thread(&self) -> bool {
        matches!(self, Sleeper::Main(waker) if waker.is_of_this_thread())
    }

    /// In the child of a fork, for a main process: what it sleeps at is no longer shared with the parent.
    ///
    /// # Errors
    /// Those of the operating system.
    pub(super) fn part_from_parent(&self) -> std::io::Result<()> {
        match self {
            Sleeper::Main(waker) => waker.renew(),
            _ => Ok(()),
        }
    }

    /// Sleeps until `wake`, until `deadline`, or for no reason at all. A main process also wakes when a signal handler has run
    /// on its thread, and does not sleep if `signalled` says that one has run before.
    pub fn sleep(&self, deadline: Option<Instant>, signalled: impl Fn() -> bool) {
        let limit = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if limit == Some(Duration::ZERO) {
            return;
        }
        match (self, limit) {
            (Sleeper::Pooled(scheduled), _) => scheduled.sleep(deadline),
            (Sleeper::Thread(_), Some(limit)) => std::thread::park_timeout(limit),
            (Sleeper::Thread(_), None) => std::thread::park(),
            (Sleeper::Main(waker), limit) => waker.wait(limit, signalled),
        }
    }
}
