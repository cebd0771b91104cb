//! What a process lets others see that does not fit into a plain counter ([`super::vitals`]). It changes seldom, and stands behind a
//! lock that its owner never holds for more than a few instructions.

use crate::platform::ThreadClock;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Behind the lock.
#[derive(Default)]
pub struct Shown {
    /// The topics that the process listens to, by the numbers of their listeners.
    topics: Vec<(u64, Box<[u8]>)>,
    /// Where the bytes of its Lua state are counted, as long as there is one.
    memory: Option<NonNull<AtomicUsize>>,
    /// The clock of its own thread, and what that said at first.
    clock: Option<(ThreadClock, Duration)>,
    /// Processor time of threads that it has left.
    used: Duration,
    /// Since when its code runs, or when it ran last, in nanoseconds as [`super::trace`] counts.
    pub run_since: u64,
}

// SAFETY: the pointer is used under the lock only, and its owner takes it away under the lock before it dangles.
unsafe impl Send for Shown {}

impl Shown {
    /// The process listens to a topic.
    pub fn listen(&mut self, number: u64, topic: &[u8]) {
        self.topics.push((number, topic.into()));
    }

    /// It does not listen there any more.
    pub fn unlisten(&mut self, number: u64) {
        self.topics.retain(|(other, _)| *other != number);
    }

    /// It listens to nothing.
    pub fn unlisten_all(&mut self) {
        self.topics.clear();
    }

    /// The topic of a listener.
    pub fn topic(&self, number: u64) -> Option<&[u8]> {
        self.topics.iter().find(|(other, _)| *other == number).map(|(_, topic)| &**topic)
    }

    /// The bytes of its Lua state are counted here, until [`Shown::hide_memory`].
    ///
    /// # Safety
    /// The counter stays where it is until then.
    pub unsafe fn show_memory(&mut self, counter: &AtomicUsize) {
        self.memory = Some(NonNull::from(counter));
    }

    /// The counter goes away.
    pub fn hide_memory(&mut self) {
        self.memory = None;
    }

    /// Bytes of its Lua state, if they are counted.
    pub fn memory(&self) -> Option<usize> {
        // SAFETY: the counter is there as long as it is noted here, and the lock is held.
        self.memory.map(|counter| unsafe { counter.as_ref() }.load(Ordering::Relaxed))
    }

    /// The calling thread runs the process from now on.
    pub fn start_clock(&mut self) {
        let clock = ThreadClock::current();
        self.clock = clock.read().map(|now| (clock, now));
    }

    /// It does so no more.
    pub fn stop_clock(&mut self) {
        self.used = self.processor_time();
        self.clock = None;
    }

    /// The processor time that its own threads have used.
    pub fn processor_time(&self) -> Duration {
        let running = self.clock.and_then(|(clock, first)| clock.read()?.checked_sub(first));
        self.used + running.unwrap_or_default()
    }
}
