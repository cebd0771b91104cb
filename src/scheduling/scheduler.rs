//! The coroutines of one process and what they wait for.

use super::channel::{Channel, Plain, Received, Sending, Slot, Source, Stamped, Ticket, WaitingSend};
use super::timers::Timers;
use crate::runtime::clock::Timestamp;
use crate::runtime::envelope::{Envelope, Signal};
use crate::runtime::failure::Failure;
use rustc_hash::FxHashMap;
use slotmap::{SlotMap, new_key_type};
use std::collections::VecDeque;
use std::time::Instant;

new_key_type! {
    /// A managed coroutine.
    pub struct TaskId;
    /// A channel.
    pub struct ChannelId;
    /// A wait that goes on.
    pub struct WaiterId;
}

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
    /// The time is over, or the others had their turn.
    Elapsed,
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
    pub cases: Vec<Case>,
}

struct Waiter {
    owner: Owner,
    cases: Vec<Case>,
    /// Set when the end of the wait is settled; the cases do not count any more then.
    settled: Option<(usize, Finish)>,
    /// The channel on which the waiter holds a claim.
    claim: Option<ChannelId>,
    marked: bool,
    /// Whether time alone can end it.
    timed: bool,
}

enum Alarm {
    Waiter(WaiterId),
    Channel(ChannelId),
}

impl Alarm {
    fn is_wanted(&self, waiters: &SlotMap<WaiterId, Waiter>, channels: &SlotMap<ChannelId, Channel>) -> bool {
        match self {
            Alarm::Waiter(waiter) => waiters.contains_key(*waiter),
            Alarm::Channel(id) => channels.contains_key(*id),
        }
    }
}

/// See the top of the page.
pub struct Scheduler {
    tasks: SlotMap<TaskId, Option<WaiterId>>,
    ready: VecDeque<TaskId>,
    current: Option<TaskId>,
    channels: SlotMap<ChannelId, Channel>,
    waiters: SlotMap<WaiterId, Waiter>,
    /// The waits that hold the OS thread, the innermost last.
    frames: Vec<WaiterId>,
    timers: Timers<Alarm>,
    listeners: FxHashMap<Box<[u8]>, ChannelId>,
    inbox: ChannelId,
    events: ChannelId,
    arrivals: u64,
    selects: u64,
}

impl Default for Scheduler {
    /// Without coroutines; the inbox and the events exist from the beginning.
    fn default() -> Self {
        let mut channels = SlotMap::with_key();
        let inbox = channels.insert(Channel::new(Source::Inbox(VecDeque::new())));
        let events = channels.insert(Channel::new(Source::Events(VecDeque::new())));
        Scheduler {
            tasks: SlotMap::with_key(),
            ready: VecDeque::new(),
            current: None,
            channels,
            waiters: SlotMap::with_key(),
            frames: Vec::new(),
            timers: Timers::default(),
            listeners: FxHashMap::default(),
            inbox,
            events,
            arrivals: 0,
            selects: 0,
        }
    }
}

impl Scheduler {
    // ---- coroutines

    /// A new coroutine, ready to run.
    pub fn start_task(&mut self) -> TaskId {
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

    /// A coroutine is over; if it waited, it waits no more.
    pub fn end_task(&mut self, task: TaskId) {
        if let Some(Some(waiter)) = self.tasks.remove(task) {
            self.forget(waiter);
        }
    }

    /// The wait of a suspended coroutine.
    pub fn wait_of(&self, task: TaskId) -> Option<WaiterId> {
        self.tasks.get(task).copied().flatten()
    }

    // ---- channels

    /// A plain channel.
    pub fn open_channel(&mut self, capacity: usize) -> ChannelId {
        self.channels.insert(Channel::new(Source::Plain(Plain::new(capacity))))
    }

    /// A channel of which nothing is left in Lua.
    pub fn drop_channel(&mut self, id: ChannelId) {
        let droppable = self.channels.get(id).is_some_and(|channel| match &channel.source {
            Source::Plain(_) => true,
            Source::Listener { open, .. } => !open,
            Source::Inbox(_) | Source::Events(_) => false,
        });
        if droppable {
            self.channels.remove(id);
        }
    }

    /// The channel of messages without a listener.
    pub fn inbox(&self) -> ChannelId {
        self.inbox
    }

    /// The channel of events.
    pub fn events(&self) -> ChannelId {
        self.events
    }

    /// True for the views of the mailbox.
    pub fn is_mailbox(&self, id: ChannelId) -> bool {
        self.channels.get(id).is_none_or(Channel::is_mailbox)
    }

    /// A place for a value that is about to be sent into a plain channel.
    pub fn reserve(&mut self, id: ChannelId) -> Ticket {
        match self.channels.get_mut(id).map(|channel| &mut channel.source) {
            Some(Source::Plain(plain)) => plain.reserve(),
            _ => 0,
        }
    }

    /// Gives a ticket back.
    pub fn release(&mut self, id: ChannelId, ticket: Ticket) {
        if let Some(Source::Plain(plain)) = self.channels.get_mut(id).map(|channel| &mut channel.source) {
            plain.release(ticket);
        }
    }

    /// Takes a value if that needs no wait.
    pub fn try_receive(&mut self, id: ChannelId) -> Option<Received> {
        match self.channels.get(id) {
            Some(channel) if !channel.can_receive(None, 0) => None,
            _ => Some(self.take(id, None)),
        }
    }

    /// Sends the value at `ticket` if that needs no wait.
    pub fn try_send(&mut self, id: ChannelId, ticket: Ticket) -> Sending {
        self.send_as(id, ticket, None)
    }

    /// As [`Scheduler::try_send`], for the wait `own`, which never meets itself.
    fn send_as(&mut self, id: ChannelId, ticket: Ticket, own: Option<WaiterId>) -> Sending {
        let receiver = self.free_receiver(id, own);
        let Some(channel) = self.channels.get_mut(id) else {
            return Sending::Closed;
        };
        let room = channel.has_room();
        let Source::Plain(plain) = &mut channel.source else {
            return Sending::Closed;
        };
        if plain.closed {
            return Sending::Closed;
        }
        if receiver.is_none() && !room {
            return Sending::MustWait;
        }
        plain.queue.push_back(Slot::Stored(ticket));
        if let Some(receiver) = receiver {
            self.claim(receiver, id);
        }
        Sending::Done
    }

    /// Ends a plain channel: who waits to send fails, who waits to receive gets what is left, then the end.
    pub fn close_channel(&mut self, id: ChannelId) {
        let Some(Source::Plain(plain)) = self.channels.get_mut(id).map(|channel| &mut channel.source) else {
            return;
        };
        plain.closed = true;
        for send in std::mem::take(&mut plain.senders) {
            self.settle(send.waiter, send.case, Finish::SendOnClosed);
        }
        self.rebalance(id);
    }

    /// Takes a value that is there, or the end of the channel; not from the wait `own` itself.
    fn take(&mut self, id: ChannelId, own: Option<WaiterId>) -> Received {
        let Some(channel) = self.channels.get_mut(id) else {
            return Received::Closed;
        };
        match &mut channel.source {
            Source::Inbox(queue) => {
                queue.pop_front().map_or(Received::Closed, |next| Received::Message(next.envelope))
            }
            Source::Events(queue) => queue.pop_front().map_or(Received::Closed, Received::Event),
            Source::Listener { queue, message, .. } => match (queue.pop_front(), *message) {
                (None, _) => Received::Closed,
                (Some(next), true) => Received::Message(next.envelope),
                (Some(next), false) => Received::Payload(next.envelope),
            },
            Source::Plain(plain) => {
                let slot = plain.queue.pop_front();
                let room = plain.queue.len() < plain.capacity;
                // The longest waiting send moves into the room, or straight to us.
                let sender = if slot.is_none() || room { plain.take_sender(own) } else { None };
                if let (Some(sender), true) = (sender, slot.is_some()) {
                    plain.queue.push_back(Slot::Stored(sender.ticket));
                }
                if let Some(sender) = sender {
                    self.settle(sender.waiter, sender.case, Finish::Sent);
                }
                match (slot, sender) {
                    (Some(Slot::Stored(ticket)), _) => Received::Stored(ticket),
                    (Some(Slot::Fired(at)), _) => Received::Fired(at),
                    (None, Some(sender)) => Received::Stored(sender.ticket),
                    (None, None) => Received::Closed,
                }
            }
        }
    }

    // ---- the mailbox and its views

    /// Gives a message to the view it belongs to now.
    pub fn route_message(&mut self, envelope: Envelope) {
        self.arrivals += 1;
        let stamped = Stamped { arrival: self.arrivals, envelope };
        let id = match self.listeners.is_empty() {
            true => self.inbox,
            false => self.listeners.get(stamped.envelope.topic()).copied().unwrap_or(self.inbox),
        };
        if let Some(Source::Inbox(queue) | Source::Listener { queue, .. }) =
            self.channels.get_mut(id).map(|channel| &mut channel.source)
        {
            queue.push_back(stamped);
        }
        self.rebalance(id);
    }

    /// Gives an event to those who wait for one.
    pub fn route_event(&mut self, event: Envelope) {
        if let Some(Source::Events(queue)) =
            self.channels.get_mut(self.events).map(|channel| &mut channel.source)
        {
            queue.push_back(event);
        }
        self.rebalance(self.events);
    }

    /// Removes a waiting event of a relation that was removed.
    pub fn retract(&mut self, event: Event, pid: &[u8]) {
        if let Some(Source::Events(queue)) =
            self.channels.get_mut(self.events).map(|channel| &mut channel.source)
        {
            queue.retain(|envelope| match (event, envelope.as_signal()) {
                (Event::Exit, Some(Signal::Exit(record)))
                | (Event::LinkDown, Some(Signal::LinkDown(record))) => record.from.as_bytes() != pid,
                _ => true,
            });
        }
    }

    /// Opens a topic, or finds it open in the same mode: its channel, and whether that is new.
    ///
    /// # Errors
    /// It is open in the other mode.
    pub fn listen(&mut self, topic: &[u8], message: bool) -> Result<(ChannelId, bool), Failure> {
        if let Some(&id) = self.listeners.get(topic) {
            return match self.channels.get(id).map(|channel| &channel.source) {
                Some(Source::Listener { message: mode, .. }) if *mode != message => {
                    Err(Failure::OtherMode { topic: topic.to_vec(), message: *mode })
                }
                _ => Ok((id, false)),
            };
        }
        let mut queue = VecDeque::new();
        if let Some(Source::Inbox(inbox)) =
            self.channels.get_mut(self.inbox).map(|channel| &mut channel.source)
        {
            // What came before belongs to the listener from now on.
            let (ours, rest): (VecDeque<_>, VecDeque<_>) =
                std::mem::take(inbox).into_iter().partition(|next| next.envelope.topic() == topic);
            *inbox = rest;
            queue = ours;
        }
        let topic: Box<[u8]> = topic.into();
        let source = Source::Listener { topic: topic.clone(), message, open: true, queue };
        let id = self.channels.insert(Channel::new(source));
        self.listeners.insert(topic, id);
        Ok((id, true))
    }

    /// Closes a topic; what it has not yielded goes back to the inbox, in the order of arrival.
    ///
    /// # Errors
    /// The channel is no open listener.
    pub fn unlisten(&mut self, id: ChannelId) -> Result<(), Failure> {
        let Some(Source::Listener { topic, open, queue, .. }) =
            self.channels.get_mut(id).map(|channel| &mut channel.source)
        else {
            return Err(Failure::NotAListener);
        };
        if !std::mem::replace(open, false) {
            return Err(Failure::NotAListener);
        }
        self.listeners.remove(topic);
        let mut back = std::mem::take(queue);
        if let Some(Source::Inbox(inbox)) =
            self.channels.get_mut(self.inbox).map(|channel| &mut channel.source)
        {
            back.append(inbox);
            back.make_contiguous().sort_by_key(|next| next.arrival);
            *inbox = back;
        }
        self.rebalance(id);
        self.rebalance(self.inbox);
        Ok(())
    }

    // ---- timers

    /// A channel that yields the time once, at `at`.
    pub fn start_timer(&mut self, at: Instant) -> ChannelId {
        let id = self.open_channel(1);
        self.start_alarm(at, Alarm::Channel(id));
        id
    }

    fn start_alarm(&mut self, at: Instant, alarm: Alarm) {
        let (waiters, channels) = (&self.waiters, &self.channels);
        self.timers.start(at, alarm, |alarm| alarm.is_wanted(waiters, channels));
    }

    /// Fires what is due.
    pub fn fire_timers(&mut self) {
        if self.next_deadline().is_none() {
            return;
        }
        let now = Instant::now();
        while let Some(alarm) = self.timers.next_due(now) {
            match alarm {
                Alarm::Waiter(waiter) => self.settle(waiter, 0, Finish::Elapsed),
                Alarm::Channel(id) => {
                    if let Some(Source::Plain(plain)) =
                        self.channels.get_mut(id).map(|channel| &mut channel.source)
                    {
                        plain.queue.push_back(Slot::Fired(Timestamp::now()));
                        self.rebalance(id);
                    }
                }
            }
        }
    }

    /// When the next timer fires that somebody can still notice.
    pub fn next_deadline(&mut self) -> Option<Instant> {
        let (waiters, channels) = (&self.waiters, &self.channels);
        self.timers.next_wanted(|alarm| alarm.is_wanted(waiters, channels))
    }

    // ---- waiting

    /// Performs one of the cases if that needs no wait: the one whose channel a select has served least recently.
    pub fn poll(&mut self, cases: &[Case]) -> Option<(usize, Finish)> {
        self.poll_as(cases, None, None)
    }

    /// As [`Scheduler::poll`], for the wait `own`, which holds a claim on this channel.
    fn poll_as(
        &mut self,
        cases: &[Case],
        own: Option<WaiterId>,
        claim: Option<ChannelId>,
    ) -> Option<(usize, Finish)> {
        let mut best: Option<(u64, usize)> = None;
        let mut ties = 0;
        for (position, case) in cases.iter().enumerate() {
            let Some(served) = self.served_if_ready(*case, own, claim) else {
                continue;
            };
            match best {
                Some((oldest, _)) if served > oldest => {}
                Some((oldest, _)) if served == oldest => {
                    // Cases of the same channel tie for ever: they take turns by the count of selects.
                    ties += 1;
                    if self.selects % (ties + 1) == ties {
                        best = Some((served, position));
                    }
                }
                _ => {
                    ties = 0;
                    best = Some((served, position));
                }
            }
        }
        let (_, position) = best?;
        self.selects += 1;
        let case = cases[position];
        let (Case::Receive(id) | Case::Send(id, _)) = case;
        let selects = self.selects;
        if let Some(channel) = self.channels.get_mut(id) {
            channel.served[usize::from(matches!(case, Case::Send(..)))] = selects;
        }
        let finish = match case {
            Case::Receive(id) => Finish::Received(self.take(id, own)),
            Case::Send(id, ticket) => match self.send_as(id, ticket, own) {
                Sending::Done => Finish::Sent,
                _ => Finish::SendOnClosed,
            },
        };
        Some((position, finish))
    }

    /// When the channel of a case was last served, if the case can go on.
    fn served_if_ready(&self, case: Case, own: Option<WaiterId>, claim: Option<ChannelId>) -> Option<u64> {
        match case {
            Case::Receive(id) => {
                let claimed = usize::from(claim == Some(id));
                match self.channels.get(id) {
                    Some(channel) => channel.can_receive(own, claimed).then_some(channel.served[0]),
                    None => Some(0),
                }
            }
            Case::Send(id, _) => {
                let Some(channel) = self.channels.get(id) else {
                    return Some(0);
                };
                let closed = matches!(&channel.source, Source::Plain(plain) if plain.closed);
                (closed || channel.has_room() || self.free_receiver(id, own).is_some())
                    .then_some(channel.served[1])
            }
        }
    }

    /// Begins to wait for one of the cases, and for `deadline` if there is one. A frame becomes the innermost one.
    pub fn wait(&mut self, owner: Owner, cases: Vec<Case>, deadline: Option<Instant>) -> WaiterId {
        let timed = deadline.is_some();
        let waiter = Waiter { owner, cases: cases.clone(), settled: None, claim: None, marked: false, timed };
        let id = self.waiters.insert(waiter);
        for (position, case) in cases.into_iter().enumerate() {
            match case {
                Case::Receive(channel) => {
                    if let Some(channel) = self.channels.get_mut(channel) {
                        channel.receivers.push_back(id);
                    }
                }
                Case::Send(channel, ticket) => {
                    if let Some(Source::Plain(plain)) =
                        self.channels.get_mut(channel).map(|channel| &mut channel.source)
                    {
                        plain.senders.push_back(WaitingSend { waiter: id, case: position, ticket });
                    }
                }
            }
        }
        if let Some(at) = deadline {
            self.start_alarm(at, Alarm::Waiter(id));
        }
        match owner {
            Owner::Task(task) => {
                if let Some(wait) = self.tasks.get_mut(task) {
                    *wait = Some(id);
                }
                // Whatever has come since the caller looked.
                if self.can_complete(id) {
                    self.mark(id);
                }
            }
            Owner::Frame => self.enter_frame(id),
        }
        id
    }

    /// The wait of a suspended coroutine holds the OS thread from now on: nothing above it can yield.
    pub fn hold_thread(&mut self, id: WaiterId) {
        let Some(waiter) = self.waiters.get_mut(id) else {
            return;
        };
        if let Owner::Task(task) = std::mem::replace(&mut waiter.owner, Owner::Frame) {
            self.ready.retain(|ready| *ready != task);
        }
        self.enter_frame(id);
    }

    fn enter_frame(&mut self, id: WaiterId) {
        let held_up = self.frames.last().copied();
        self.frames.push(id);
        // A wait that is held up gives its claim back: it could not use it before we are done.
        if let Some(held_up) = held_up {
            self.drop_claim(held_up);
        }
    }

    /// The wait that holds the OS thread now.
    pub fn innermost_frame(&self) -> WaiterId {
        self.frames.last().copied().unwrap_or_default()
    }

    /// How many waits hold the OS thread.
    pub fn frame_count(&self) -> usize {
        self.frames.len()
    }

    /// Ends a wait if it can end. If not, it goes on waiting in its old place.
    pub fn complete(&mut self, id: WaiterId) -> Option<Completion> {
        let waiter = self.waiters.get_mut(id)?;
        let claim = waiter.claim;
        let cases = std::mem::take(&mut waiter.cases);
        let settled = match waiter.settled.take() {
            Some(settled) => Some(settled),
            None => self.poll_as(&cases, Some(id), claim),
        };
        let Some((case, finish)) = settled else {
            if let Some(waiter) = self.waiters.get_mut(id) {
                waiter.cases = cases;
            }
            self.unmark(id);
            return None;
        };
        self.leave(id, &cases, Some(case));
        Some(Completion { case, finish, cases })
    }

    /// A wait that is given up takes nothing.
    pub fn forget(&mut self, id: WaiterId) {
        if let Some(waiter) = self.waiters.get_mut(id) {
            let cases = std::mem::take(&mut waiter.cases);
            self.leave(id, &cases, None);
        }
    }

    /// True if `complete` would end the wait.
    pub fn can_complete(&self, id: WaiterId) -> bool {
        self.waiters.get(id).is_none_or(|waiter| {
            waiter.settled.is_some()
                || waiter
                    .cases
                    .iter()
                    .any(|case| self.served_if_ready(*case, Some(id), waiter.claim).is_some())
        })
    }

    /// A coroutine was marked but nothing is left for it: it goes on waiting in its old place.
    pub fn unmark(&mut self, id: WaiterId) {
        if let Some(waiter) = self.waiters.get_mut(id) {
            waiter.marked = false;
        }
        self.drop_claim(id);
    }

    /// Ends a wait when the other coroutines that are ready have had their turn.
    pub fn elapse(&mut self, id: WaiterId) {
        self.settle(id, 0, Finish::Elapsed);
    }

    /// Has the wait raise `failure` when it is looked at next.
    pub fn fail(&mut self, id: WaiterId, failure: Failure) {
        self.settle(id, 0, Finish::Failed(failure));
    }

    /// Ends a wait: it stands in no list any more, and the tickets of sends that were not taken are free again.
    fn leave(&mut self, id: WaiterId, cases: &[Case], taken: Option<usize>) {
        self.withdraw(id, cases);
        let Some(waiter) = self.waiters.remove(id) else {
            return;
        };
        match waiter.owner {
            Owner::Task(task) => {
                if let Some(wait) = self.tasks.get_mut(task) {
                    *wait = None;
                }
            }
            Owner::Frame => self.frames.retain(|frame| *frame != id),
        }
        for (position, case) in cases.iter().enumerate() {
            match *case {
                Case::Send(channel, ticket) if taken != Some(position) => self.release(channel, ticket),
                Case::Receive(channel) => self.rebalance(channel),
                Case::Send(..) => {}
            }
        }
    }

    /// Takes a wait out of the lists of all its channels, and its claim back. A wait that is settled stands in none.
    fn withdraw(&mut self, id: WaiterId, cases: &[Case]) {
        let mut claim = self.waiters.get_mut(id).and_then(|waiter| waiter.claim.take());
        if let Some(channel) = claim.and_then(|id| self.channels.get_mut(id)) {
            channel.claims -= 1;
        }
        for case in cases {
            match *case {
                // The first case on the claimed channel left its row when it was claimed.
                Case::Receive(channel) if claim.take_if(|claimed| *claimed == channel).is_some() => {}
                Case::Receive(channel) => {
                    if let Some(channel) = self.channels.get_mut(channel)
                        && let Some(place) = channel.receivers.iter().position(|other| *other == id)
                    {
                        channel.receivers.remove(place);
                    }
                }
                Case::Send(channel, _) => {
                    if let Some(Source::Plain(plain)) =
                        self.channels.get_mut(channel).map(|channel| &mut channel.source)
                    {
                        plain.senders.retain(|send| send.waiter != id);
                    }
                }
            }
        }
    }

    /// Decides how a wait ends, unless that is decided; nobody else can meet it any more.
    fn settle(&mut self, id: WaiterId, case: usize, finish: Finish) {
        let Some(waiter) = self.waiters.get_mut(id) else {
            return;
        };
        if waiter.settled.is_some() {
            return;
        }
        waiter.settled = Some((case, finish));
        let cases = waiter.cases.clone();
        self.withdraw(id, &cases);
        for case in cases {
            if let Case::Receive(channel) = case {
                self.rebalance(channel);
            }
        }
        self.mark(id);
    }

    fn mark(&mut self, id: WaiterId) {
        if let Some(waiter) = self.waiters.get_mut(id)
            && !std::mem::replace(&mut waiter.marked, true)
            && let Owner::Task(task) = waiter.owner
        {
            self.ready.push_back(task);
        }
    }

    fn claim(&mut self, id: WaiterId, channel: ChannelId) {
        if let (Some(waiter), Some(channel_state)) =
            (self.waiters.get_mut(id), self.channels.get_mut(channel))
        {
            waiter.claim = Some(channel);
            channel_state.claims += 1;
            // Who holds a claim does not stand in the row any more, so that finding the next stays cheap.
            if let Some(place) = channel_state.receivers.iter().position(|other| *other == id) {
                channel_state.receivers.remove(place);
            }
        }
        self.mark(id);
    }

    /// Gives a claim back and steps into the row again, at its head: nobody there has waited longer.
    fn drop_claim(&mut self, id: WaiterId) {
        let Some(channel) = self.waiters.get_mut(id).and_then(|waiter| waiter.claim.take()) else {
            return;
        };
        if let Some(state) = self.channels.get_mut(channel) {
            state.claims -= 1;
            state.receivers.push_front(id);
        }
        self.rebalance(channel);
    }

    /// The longest waiting receiver, other than `own`, that nothing has come for yet and that could go on.
    fn free_receiver(&self, id: ChannelId, own: Option<WaiterId>) -> Option<WaiterId> {
        let channel = self.channels.get(id)?;
        channel.receivers.iter().copied().find(|&receiver| {
            own != Some(receiver)
                && self.waiters.get(receiver).is_some_and(|waiter| {
                    let held_up = waiter.owner == Owner::Frame && self.frames.last() != Some(&receiver);
                    waiter.claim.is_none() && waiter.settled.is_none() && !held_up
                })
        })
    }

    /// Marks as many receivers as there are values that nobody has claimed; all of them at the end of the channel.
    fn rebalance(&mut self, id: ChannelId) {
        while let Some(channel) = self.channels.get(id) {
            if channel.receivers.is_empty() {
                return;
            }
            if channel.is_finished() {
                for receiver in channel.receivers.clone() {
                    self.mark(receiver);
                }
                return;
            }
            let Some(receiver) = self.free_receiver(id, None) else {
                return;
            };
            if channel.available_to(Some(receiver)) <= channel.claims {
                return;
            }
            self.claim(receiver, id);
        }
    }

    // ---- deadlocks

    /// True if the innermost wait can only be ended by a coroutine that it holds up itself: nothing runs, no timer is
    /// pending, nobody waits for the mailbox, and a wait further out could go on.
    pub fn is_held_up(&mut self) -> bool {
        if self.frames.len() < 2 || self.has_ready() || self.next_deadline().is_some() {
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
#[path = "scheduler_tests.rs"]
mod tests;
