//! A *realm*: a main process with everything spawned from it, as far as its end needs to know of it.

use super::pid::ProcessId;
use parking_lot::{Condvar, Mutex, RwLock, RwLockReadGuard};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

/// Threads that run processes, and processes that wait for a worker of their pool.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// Set when the OS process exits by `exit`.
static EXITING: AtomicBool = AtomicBool::new(false);

/// Who wants the reports of a realm.
#[derive(Clone, Copy, Debug)]
pub struct Reporter {
    /// The main process.
    pub main: ProcessId,
    /// The channel on which it expects them.
    pub channel: u64,
}

/// A main process and everything spawned from it.
#[derive(Default)]
pub struct Realm {
    /// Who wants its reports; nobody: they go to standard error.
    pub reporter: Mutex<Option<Reporter>>,
    closing: AtomicBool,
    /// How many shutdowns are under way; nothing is spawned meanwhile.
    shutdowns: RwLock<usize>,
    /// Processes that were spawned in it and are not gone.
    population: AtomicUsize,
    threads: Mutex<usize>,
    thread_ended: Condvar,
}

impl Realm {
    /// True from the moment its main process closes, or the OS process exits.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire) || EXITING.load(Ordering::Acquire)
    }

    /// Its main process closes: nothing can be started in it any more. `false` if it was closing already.
    pub fn close(&self) -> bool {
        !self.closing.swap(true, Ordering::AcqRel)
    }

    /// Leave to spawn in it as long as the result is held, `None` while it shuts down.
    pub fn may_spawn(&self) -> Option<RwLockReadGuard<'_, usize>> {
        Some(self.shutdowns.read()).filter(|shutdowns| **shutdowns == 0)
    }

    /// Nothing is spawned in it from now on until [`Realm::end_shutdown`]. Whoever was spawning has done so.
    pub fn begin_shutdown(&self) {
        *self.shutdowns.write() += 1;
    }

    /// Undoes one [`Realm::begin_shutdown`].
    pub fn end_shutdown(&self) {
        *self.shutdowns.write() -= 1;
    }

    /// Counts a spawned process in.
    pub fn one_more(&self) {
        self.population.fetch_add(1, Ordering::AcqRel);
    }

    /// Counts a spawned process out: whether it was the last one.
    pub fn one_less(&self) -> bool {
        self.population.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// True if no spawned process is left.
    pub fn is_empty(&self) -> bool {
        self.population.load(Ordering::Acquire) == 0
    }

    /// Counts a thread in.
    pub fn thread_started(&self) {
        THREADS.fetch_add(1, Ordering::AcqRel);
        *self.threads.lock() += 1;
    }

    /// Counts a thread out: it touches nothing of the library any more.
    pub fn thread_ended(&self) {
        THREADS.fetch_sub(1, Ordering::AcqRel);
        *self.threads.lock() -= 1;
        self.thread_ended.notify_all();
    }

    /// Waits until no thread is left, or until `deadline`.
    pub fn wait_for_threads(&self, deadline: Instant) {
        let mut threads = self.threads.lock();
        while *threads > 0 && !self.thread_ended.wait_until(&mut threads, deadline).timed_out() {}
    }
}

/// Stops new work because the OS process exits; never waits.
pub extern "C" fn stop_new_work() {
    EXITING.store(true, Ordering::Release);
}

/// True while a thread of ours may run code of the user's.
pub fn has_threads() -> bool {
    THREADS.load(Ordering::Acquire) > 0
}
