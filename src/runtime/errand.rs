//! What a blocking call of one process waits for at the hands of others, without an event that anybody sees: that a name is
//! registered (`registry`), that a mailbox has room (`senders`). Whoever brings it about sends an *answer*, a signal that carries
//! the number of the call; the process gives it to that call, or drops it if the call is over.
//!
//! Whoever keeps errands keeps them behind a lock, and puts the answer while it holds it. So a call that finds its errand there no
//! more has its answer in the mailbox.

use super::mailbox::Owner;
use super::process::Process;
use super::signal::Signal;
use smallvec::SmallVec;
use std::sync::Arc;

/// A call that waits.
#[derive(Debug)]
pub struct Errand {
    /// Whose call it is.
    pub process: Arc<Process>,
    /// Its number; no other call of the process has it at the same time.
    pub number: u64,
}

/// What has become of it.
#[derive(Debug)]
pub enum News {
    /// The process with this PID has the name now.
    Registered(Box<str>),
    /// The message is in the mailbox.
    Delivered,
    /// The receiver takes nothing any more.
    Gone,
}

/// What a process is told of a call of its own.
#[derive(Debug)]
pub struct Answer {
    /// The number of the call.
    pub call: u64,
    /// What has become of it.
    pub news: News,
}

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
    /// Wakes them.
    pub fn wake(self) {
        for process in self.0 {
            process.wake();
        }
    }
}
