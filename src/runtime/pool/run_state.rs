//! The one word that says where a process of a pool is; the table is at the top of [`super`].

use std::sync::atomic::{AtomicU8, Ordering};

const IDLE: u8 = 0;
const SCHEDULED: u8 = 1;
const RUNNING: u8 = 2;
const NOTIFIED: u8 = 3;
const BLOCKED: u8 = 4;
const OVER: u8 = 5;

/// The run state of one process.
pub struct RunState(AtomicU8);

/// Where a process is, for those who look from outside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rest {
    /// It waits, in a step or between two.
    Waiting,
    /// It waits for a worker.
    Queued,
    /// It is in a step, or over.
    Busy,
}

/// What whoever has woken a process has to do.
#[derive(Debug, PartialEq)]
#[must_use]
pub enum Wake {
    /// Nothing: it will look by itself.
    Nothing,
    /// Put it into a queue.
    Queue,
    /// Unpark the worker that it keeps.
    Unpark,
}

impl Default for RunState {
    /// Of a process that is about to be queued for the first time.
    fn default() -> Self {
        RunState(AtomicU8::new(SCHEDULED))
    }
}

impl RunState {
    /// Somebody has something for the process. Any thread, at any time.
    pub fn wake(&self) -> Wake {
        let mut state = self.0.load(Ordering::Acquire);
        loop {
            let (next, wake) = match state {
                IDLE => (SCHEDULED, Wake::Queue),
                RUNNING => (NOTIFIED, Wake::Nothing),
                BLOCKED => (NOTIFIED, Wake::Unpark),
                _ => return Wake::Nothing,
            };
            match self.0.compare_exchange_weak(state, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return wake,
                Err(now) => state = now,
            }
        }
    }

    /// The worker that has taken it out of a queue begins a step.
    pub fn begin(&self) {
        self.0.store(RUNNING, Ordering::Release);
    }

    /// The step is over and the process waits. `false`: it was woken meanwhile, and is `RUNNING` still.
    pub fn rest(&self) -> bool {
        let rested = self.0.compare_exchange(RUNNING, IDLE, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if !rested {
            self.begin();
        }
        rested
    }

    /// The step is over and the process can go on: the worker is about to queue it.
    pub fn give_way(&self) {
        self.0.store(SCHEDULED, Ordering::Release);
    }

    /// The worker is about to sleep inside the step. `false`: the process was woken meanwhile.
    pub fn block(&self) -> bool {
        let blocked = self.0.compare_exchange(RUNNING, BLOCKED, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if !blocked {
            self.begin();
        }
        blocked
    }

    /// True as long as nobody has woken the process since [`RunState::block`].
    pub fn is_blocked(&self) -> bool {
        self.0.load(Ordering::Acquire) == BLOCKED
    }

    /// The worker goes on with the step.
    pub fn unblock(&self) {
        self.0.swap(RUNNING, Ordering::AcqRel);
    }

    /// Where the process is.
    pub fn rest_now(&self) -> Rest {
        match self.0.load(Ordering::Acquire) {
            IDLE | BLOCKED => Rest::Waiting,
            SCHEDULED => Rest::Queued,
            _ => Rest::Busy,
        }
    }

    /// True while a step is computing.
    pub fn is_running(&self) -> bool {
        matches!(self.0.load(Ordering::Acquire), RUNNING | NOTIFIED)
    }

    /// The process is never stepped again.
    pub fn finish(&self) {
        self.0.store(OVER, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_queued_by_the_first_who_wakes_it_only() {
        let state = RunState::default();
        assert_eq!(state.wake(), Wake::Nothing, "queued already");
        state.begin();
        assert!(state.rest());
        assert_eq!(state.wake(), Wake::Queue);
        assert_eq!(state.wake(), Wake::Nothing);
    }

    #[test]
    fn one_that_is_woken_in_its_step_does_not_rest() {
        let state = RunState::default();
        state.begin();
        assert_eq!(state.wake(), Wake::Nothing);
        assert!(!state.rest(), "it has to look again");
        assert!(state.rest());
    }

    #[test]
    fn one_that_sleeps_in_its_step_has_its_worker_unparked() {
        let state = RunState::default();
        state.begin();
        assert!(state.block() && state.is_blocked());
        assert_eq!(state.wake(), Wake::Unpark);
        assert!(!state.is_blocked());
        state.unblock();
        assert_eq!(state.wake(), Wake::Nothing);
        assert!(!state.block(), "woken before it slept");
    }

    #[test]
    fn nobody_wakes_one_that_is_over() {
        let state = RunState::default();
        state.begin();
        state.finish();
        assert_eq!(state.wake(), Wake::Nothing);
        assert!(!state.is_running());
    }
}
