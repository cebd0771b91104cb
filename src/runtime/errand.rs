//! What a blocking call of one process waits for at the hands of others, without an event that anybody sees: that a name is
//! registered (`registry`), that a mailbox has room (`senders`). Whoever brings it about sends an *answer*, a signal that carries
//! the number of the call; the process gives it to that call, or drops it if the call is over.
//!
//! Whoever keeps errands keeps them behind a lock, and puts the answer while it holds it. So a call that finds its errand there no
//! more has its answer in the mailbox.

use super::mailbox::Owner;
use super::process::{Errand, Process};
use super::signal::{Answer, News, Signal};
use smallvec::SmallVec;
use std::sync::Arc;

/// Processes to be woken when no lock is held.
#[derive(Default)]
pub struct Asleep(SmallVec<[Arc<Process>; 4]>);

impl Errand {
    /// True if nobody waits for the answer any more.
    pub fn is_over(&self) -> bool {
        self.process.is_doomed() || self.process.mailbox.is_closed()
    }

    /// Answers. The process is woken by `asleep`.
    pub fn answer(self, news: News, asleep: &mut Asleep) {
        let answer = Answer { call: self.number, news };
        if self.process.put_signal(Signal::Answer(Box::new(answer))) == Some(Owner::Parked) {
            asleep.0.push(self.process);
        }
    }
}

impl Asleep {
    /// Adds one.
    pub fn add(&mut self, process: &Arc<Process>) {
        self.0.push(Arc::clone(process));
    }

    /// Wakes them.
    pub fn wake(self) {
        for process in self.0 {
            process.wake();
        }
    }
}
