//! The coroutines of one process and what they wait for.

use super::channel::{Channel, Received, Source, Ticket};
use super::ids::{ChannelId, TaskId, WaiterId};
use super::mail::{Mail, Stamped};
use super::ready::Ready;
use crate::runtime::failure::Failure;
use crate::runtime::timers::Timers;
use rustc_hash::FxHashMap;
use slotmap::SlotMap;
use smallvec::SmallVec;

/// The kinds of event that another relation can remove again.
#[derive(Clone, Copy, PartialEq)]
pub enum Event {
    /// EXIT of a monitored process.
    Exit,
    /// LINK_DOWN of a linked process.
    LinkDown,
}

/// One way in which a wait can end.
#[derive(Clone, Copy, PartialEq)]
pub enum Case {
    /// A value comes out of this channel.
    Receive(ChannelId),
    /// The value at this ticket goes into this channel.
    Send(ChannelId, Ticket),
}

/// The ways in which a wait can end: most have one.
pub type Cases = SmallVec<[Case; 1]>;

/// Who waits.
#[derive(Clone, Copy, PartialEq)]
pub enum Owner {
    /// A managed coroutine, suspended.
    Task(TaskId),
    /// A call that runs the other coroutines from inside. Only the innermost can return; the others are held up by it.
    Frame,
}

/// How a wait ended.
pub enum Finish {
    /// A value, or the end of the channel.
    Received(Received),
    /// The value was sent.
    Sent,
    /// The channel to send into was closed.
    SendOnClosed,
    /// The time is over.
    Elapsed,
    /// The others had their turn.
    HadTurn,
    /// The wait is to raise this.
    Failed(Failure),
}

/// A wait that is over: by which of its cases (0 if there were none), how, and all of its cases.
pub struct Completion {
    /// Position in `cases`.
    pub case: usize,
    /// How.
    pub finish: Finish,
    /// What the wait began with. The tickets of sends that were not taken are free again.
    pub cases: Cases,
}

pub(super) struct Waiter {
    pub(super) owner: Owner,
    pub(super) cases: Cases,
    /// Set when the end of the wait is settled; the cases do not count any more then.
    pub(super) settled: Option<(usize, Finish)>,
    /// The channel on which the waiter holds a claim.
    pub(super) claim: Option<ChannelId>,
    pub(super) marked: bool,
    /// Whether time alone can end it.
    pub(super) timed: bool,
    /// Its time is over: it takes what is there when it runs, and waits no longer.
    pub(super) overdue: bool,
}

/// A wait of the only coroutine for one view (see [`super::lone`]).
pub(super) struct Lone {
    pub(super) task: TaskId,
    pub(super) view: ChannelId,
    /// The message that ends the wait; the coroutine is ready then.
    pub(super) handed: Option<Stamped>,
}

pub(super) enum Alarm {
    Waiter(WaiterId),
    /// This arming of the timer of a channel.
    Timer(ChannelId, u32),
}

impl Alarm {
    /// False if it cannot change anything any more.
    pub(super) fn is_wanted(
        &self,
        waiters: &SlotMap<WaiterId, Waiter>,
        channels: &SlotMap<ChannelId, Channel>,
    ) -> bool {
        match self {
            Alarm::Waiter(waiter) => waiters.contains_key(*waiter),
            Alarm::Timer(id, arming) => match channels.get(*id).map(|channel| &channel.source) {
                Some(Source::Plain(plain)) => plain.arming.pending && plain.arming.number == *arming,
                _ => false,
            },
        }
    }
}

/// The coroutines, channels, timers and waits of one process.
pub struct Scheduler {
    pub(super) tasks: SlotMap<TaskId, Option<WaiterId>>,
    pub(super) ready: Ready,
    pub(super) current: Option<TaskId>,
    pub(super) channels: SlotMap<ChannelId, Channel>,
    pub(super) waiters: SlotMap<WaiterId, Waiter>,
    /// The waits that hold the OS thread, the innermost last.
    pub(super) frames: Vec<WaiterId>,
    pub(super) timers: Timers<Alarm>,
    /// Waits with a deadline, and timers and tickers that are to fire.
    pub(super) pending: u32,
    pub(super) listeners: FxHashMap<Box<[u8]>, ChannelId>,
    /// The view that the last message went to; the next one often does.
    pub(super) recent: ChannelId,
    pub(super) inbox: ChannelId,
    pub(super) events: ChannelId,
    pub(super) arrivals: u64,
    /// How many topics were opened so far.
    pub(super) opened: u64,
    pub(super) selects: u64,
    /// The wait of the only coroutine, if it is a simple one.
    pub(super) lone: Option<Lone>,
    /// Open channels of descriptors.
    pub(super) watches: usize,
}

impl Default for Scheduler {
    /// Without coroutines; the inbox and the events exist from the beginning.
    fn default() -> Self {
        let mut channels = SlotMap::with_key();
        let inbox = channels.insert(Channel::new(Source::Inbox(Mail::default())));
        let events = channels.insert(Channel::new(Source::Events(Mail::default())));
        Scheduler {
            tasks: SlotMap::with_key(),
            ready: Ready::default(),
            current: None,
            channels,
            waiters: SlotMap::with_key(),
            frames: Vec::new(),
            timers: Timers::default(),
            pending: 0,
            listeners: FxHashMap::default(),
            recent: inbox,
            inbox,
            events,
            arrivals: 0,
            opened: 0,
            selects: 0,
            lone: None,
            watches: 0,
        }
    }
}

impl Scheduler {
    // ---- coroutines

    /// A new coroutine, ready to run.
    pub fn start_task(&mut self) -> TaskId {
        self.unfold();
        let task = self.tasks.insert(None);
        self.ready.push_back(task);
        task
    }

    /// The next coroutine to resume; it is the current one then.
    pub fn next_task(&mut self) -> Option<TaskId> {
        while let Some(task) = self.ready.pop_front() {
            if self.tasks.contains_key(task) {
                self.current = Some(task);
                return Some(task);
            }
        }
        None
    }

    /// True if a coroutine can go on.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// How many coroutines can go on.
    pub fn ready_count(&self) -> usize {
        self.ready.len()
    }

    /// True if there are coroutines besides the one that runs.
    #[cfg(feature = "luajit")]
    pub fn has_others(&self) -> bool {
        self.tasks.len() > usize::from(self.current.is_some())
    }

    /// How many coroutines there are.
    #[inline]
    pub fn task_count(&self) -> usize {
        self.tasks.len()
    }

    /// How many timers are pending, deadlines of waits included.
    #[inline]
    pub fn timer_count(&self) -> u32 {
        self.pending
    }

    /// The coroutine that runs, `None` for the main script.
    pub fn current(&self) -> Option<TaskId> {
        self.current
    }

    /// Says again who runs, after others ran in between.
    pub fn set_current(&mut self, task: Option<TaskId>) {
        self.current = task;
    }

    /// Puts a coroutine behind those that are ready.
    pub fn requeue(&mut self, task: TaskId) {
        self.ready.push_back(task);
    }

    /// Puts a coroutine before those that are ready.
    pub fn requeue_first(&mut self, task: TaskId) {
        self.ready.push_front(task);
    }

    /// A coroutine is over; if it waited, it waits no more. Returns what it waited for.
    pub fn end_task(&mut self, task: TaskId) -> Cases {
        self.unfold();
        match self.tasks.remove(task) {
            Some(Some(waiter)) => self.forget(waiter),
            _ => Cases::new(),
        }
    }

    /// The wait of a suspended coroutine; null for a lone wait.
    pub fn wait_of(&self, task: TaskId) -> Option<WaiterId> {
        self.tasks.get(task).copied().flatten()
    }

    // ---- deadlocks

    /// True if the innermost wait can only be ended by a coroutine that it holds up itself: nothing runs, no timer is
    /// pending, nobody waits for the mailbox, and a wait further out could go on.
    pub fn is_held_up(&mut self) -> bool {
        if self.frames.len() < 2 || self.has_ready() || self.has_timers() {
            return false;
        }
        let Some((&innermost, outer)) = self.frames.split_last() else {
            return false;
        };
        let listens = |waiter: &Waiter| {
            waiter.timed
                || waiter.cases.iter().any(|case| matches!(case, Case::Receive(id) if self.is_mailbox(*id)))
        };
        let may_be_woken = self.waiters.iter().any(|(id, waiter)| {
            (id == innermost || matches!(waiter.owner, Owner::Task(_))) && listens(waiter)
        });
        !may_be_woken && outer.iter().any(|&frame| self.can_complete(frame))
    }
}

#[cfg(test)]
mod tests;
