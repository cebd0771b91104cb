//! A process with one coroutine that waits for the next message of one topic: what servers do nearly all the time. Its message is
//! handed over without a waiter, a row, a claim or a queue.
//!
//! **Invariant:** while there is a [`Lone`] wait, the process has one coroutine, which waits for this view alone, without a
//! deadline; no wait keeps the thread; nobody else stands in the row of the view. The view is empty when the wait begins, and what
//! comes after the message that was handed over stands in its queue. The wait is called by the null [`WaiterId`].
//!
//! Whatever else can happen to a wait first *unfolds* it: it becomes a wait like any other, as if it had been one from the
//! beginning, and its message stands first in the queue again. So nothing outside this page knows of it, but that every way
//! into the scheduler that looks at waits, rows or queues begins by unfolding.

use super::channel::{Received, Source};
use super::ids::{ChannelId, TaskId, WaiterId};
use super::mail::Stamped;
use super::scheduler::{Case, Completion, Finish, Lone, Owner, Scheduler, Waiter};
use slotmap::Key;

impl Scheduler {
    /// Begins a lone wait of the coroutine that runs. `false` if it cannot be one, and nothing has changed.
    #[inline(always)]
    pub fn wait_alone(&mut self, task: TaskId, view: ChannelId) -> bool {
        if self.lone.is_some() || self.tasks.len() != 1 || !self.frames.is_empty() {
            return false;
        }
        let Some(channel) = self.channels.get(view) else { return false };
        let Source::Listener { open: true, queue, .. } = &channel.source else { return false };
        if !queue.is_empty() || !channel.receivers.is_empty() {
            return false;
        }
        let Some(wait) = self.tasks.get_mut(task) else { return false };
        *wait = Some(WaiterId::null());
        self.lone = Some(Lone { task, view, handed: None });
        true
    }

    /// Hands a message of this view to the coroutine that waits for it alone; gives it back if there is none.
    #[inline(always)]
    pub(super) fn hand_over(&mut self, view: ChannelId, message: Stamped) -> Result<(), Stamped> {
        match &mut self.lone {
            Some(lone) if lone.view == view && lone.handed.is_none() => {
                lone.handed = Some(message);
                self.ready.push_back(lone.task);
                Ok(())
            }
            _ => Err(message),
        }
    }

    /// Ends the lone wait, if its message is there.
    #[inline(always)]
    pub(super) fn complete_lone(&mut self) -> Option<Completion> {
        let Lone { task, view, handed } = self.lone.take_if(|lone| lone.handed.is_some())?;
        let envelope = handed?.envelope;
        if let Some(wait) = self.tasks.get_mut(task) {
            *wait = None;
        }
        self.selects += 1;
        let channel = self.channels.get_mut(view)?;
        channel.served[0] = self.selects;
        let received = match channel.source {
            Source::Listener { message: true, .. } => Received::Message(envelope),
            _ => Received::Payload(envelope),
        };
        Some(Completion { case: 0, finish: Finish::Received(received), cases: [Case::Receive(view)].into() })
    }

    /// Makes the lone wait one like any other.
    #[inline(always)]
    pub fn unfold(&mut self) {
        if self.lone.is_some() {
            self.unfold_now();
        }
    }

    #[cold]
    #[inline(never)]
    fn unfold_now(&mut self) {
        let Some(Lone { task, view, handed }) = self.lone.take() else { return };
        let id = self.waiters.insert(Waiter {
            owner: Owner::Task(task),
            cases: [Case::Receive(view)].into(),
            settled: None,
            claim: None,
            // If its message has come, it is ready already.
            marked: handed.is_some(),
            timed: false,
            overdue: false,
        });
        if let Some(wait) = self.tasks.get_mut(task) {
            *wait = Some(id);
        }
        if let Some(channel) = self.channels.get_mut(view) {
            channel.receivers.push_back(id);
            if let (Source::Listener { queue, .. }, Some(message)) = (&mut channel.source, handed) {
                queue.push_front(message);
            }
        }
        self.rebalance(view);
    }
}

#[cfg(test)]
mod tests;
