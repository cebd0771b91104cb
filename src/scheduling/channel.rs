//! The state of one channel.
//!
//! A coroutine that waits to receive stands in `receivers`. When a value comes, the coroutine that has waited longest is marked
//! and holds a *claim* until it runs again; others take only what is not claimed. So `available_to() - claims` values can be
//! taken right now.

use super::descriptor::Descriptor;
use super::ids::WaiterId;
use super::mail::{Mail, Queue};
use crate::platform::poller::Directions;
use crate::runtime::clock::Timestamp;
use crate::runtime::envelope::Envelope;
use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::time::Instant;

/// Where `vm` keeps a value that a plain channel holds: a position in the channel's own table.
pub type Ticket = u32;

/// What a receive takes.
pub enum Received {
    /// The value at this ticket, which is free again afterwards.
    Stored(Ticket),
    /// A timer fired then.
    Fired(Timestamp),
    /// A message, to be shown as its payload.
    Payload(Envelope),
    /// A message, to be shown as a message object.
    Message(Envelope),
    /// A signal, to be shown as an event table.
    Event(Envelope),
    /// A descriptor is ready for these.
    Ready(Directions),
    /// The channel is closed and empty.
    Closed,
}

/// What became of a send.
#[derive(Debug, PartialEq)]
pub enum Sending {
    /// The value is stored or has found a receiver.
    Done,
    /// The channel is closed.
    Closed,
    /// Nobody receives and there is no room.
    MustWait,
}

/// A waiting send: who, which of its cases, and where the value is.
#[derive(Clone, Copy)]
pub struct WaitingSend {
    pub waiter: WaiterId,
    pub case: usize,
    pub ticket: Ticket,
}

/// A channel made by `channel.new` or a timer.
pub struct Plain {
    pub capacity: usize,
    pub closed: bool,
    /// Buffered values, and those handed to receivers that were marked for them.
    pub queue: VecDeque<Slot>,
    pub senders: VecDeque<WaitingSend>,
    /// Whether a timer is to fire into the channel.
    pub arming: Arming,
    free: Vec<Ticket>,
    tickets: Ticket,
}

/// A count of how often the timer of a channel was armed. An alarm of any other arming than the last one means nothing, so
/// that stopping a timer need not look for its alarm.
#[derive(Clone, Copy, Default)]
pub struct Arming {
    /// The last arming, 0 if there was none.
    pub number: u32,
    /// It has neither fired nor been stopped. A ticker fires without end.
    pub pending: bool,
    /// Nanoseconds from tick to tick, `None` for a timer that fires once.
    pub interval: Option<NonZeroU64>,
    /// When it was due the last time it fired.
    pub fired: Option<Instant>,
}

impl Arming {
    /// True for a ticker that was not stopped.
    pub fn is_ticking(&self) -> bool {
        self.pending && self.interval.is_some()
    }
}

/// A value in the queue of a plain channel.
#[derive(Clone, Copy)]
pub enum Slot {
    Stored(Ticket),
    Fired(Timestamp),
}

impl Plain {
    pub fn new(capacity: usize) -> Self {
        Plain {
            capacity,
            closed: false,
            queue: VecDeque::new(),
            senders: VecDeque::new(),
            arming: Arming::default(),
            free: Vec::new(),
            tickets: 0,
        }
    }

    /// A ticket that no value has. Low ones first, so that the table of values stays dense.
    pub fn reserve(&mut self) -> Ticket {
        self.free.pop().unwrap_or_else(|| {
            self.tickets += 1;
            self.tickets
        })
    }

    pub fn release(&mut self, ticket: Ticket) {
        self.free.push(ticket);
    }

    /// True if a timer has fired and nobody has taken that yet.
    pub fn has_fired(&self) -> bool {
        self.queue.iter().any(|slot| matches!(slot, Slot::Fired(_)))
    }

    /// The longest waiting send that is not a case of the wait `own`.
    pub fn take_sender(&mut self, own: Option<WaiterId>) -> Option<WaitingSend> {
        let place = self.senders.iter().position(|send| Some(send.waiter) != own)?;
        self.senders.remove(place)
    }
}

/// What a channel shows.
pub enum Source {
    Plain(Plain),
    /// Messages without a listener.
    Inbox(Mail),
    /// Signals that are events.
    Events(Mail),
    /// Messages of one topic.
    Listener {
        topic: Box<[u8]>,
        message: bool,
        open: bool,
        queue: Queue,
        /// Where `lua` keeps the channel.
        place: u64,
    },
    /// Notices. Once it is closed, what waits can still be received.
    Notices {
        queue: Queue,
        open: bool,
        /// Whoever has it may close it.
        closable: bool,
        place: u64,
    },
    /// The readiness of a descriptor.
    Descriptor(Descriptor),
}

/// One channel.
pub struct Channel {
    pub source: Source,
    pub receivers: VecDeque<WaiterId>,
    pub claims: usize,
    /// When a select last took a value from it, and when one last sent into it; a count of selects.
    pub served: [u64; 2],
}

impl Channel {
    pub fn new(source: Source) -> Self {
        Channel { source, receivers: VecDeque::new(), claims: 0, served: [0; 2] }
    }

    /// Values that the wait `own` could take, claimed ones included; a wait never takes what it sends itself.
    pub fn available_to(&self, own: Option<WaiterId>) -> usize {
        match &self.source {
            Source::Plain(plain) if own.is_none() => plain.queue.len() + plain.senders.len(),
            Source::Plain(plain) => {
                plain.queue.len() + plain.senders.iter().filter(|send| Some(send.waiter) != own).count()
            }
            Source::Inbox(mail) | Source::Events(mail) => mail.len(),
            Source::Listener { queue, .. } | Source::Notices { queue, .. } => queue.len(),
            Source::Descriptor(descriptor) => descriptor.available(),
        }
    }

    /// True if nothing will ever come any more.
    pub fn is_finished(&self) -> bool {
        match &self.source {
            Source::Plain(plain) => plain.closed && plain.queue.is_empty(),
            Source::Listener { open, .. } => !open,
            Source::Notices { queue, open, .. } => !open && queue.is_empty(),
            Source::Descriptor(descriptor) => !descriptor.is_open(),
            Source::Inbox(_) | Source::Events(_) => false,
        }
    }

    /// True if a receive of the wait `own`, which holds `claimed` claims (0 or 1) here, would not have to wait.
    pub fn can_receive(&self, own: Option<WaiterId>, claimed: usize) -> bool {
        self.available_to(own) > self.claims - claimed || self.is_finished()
    }

    /// True for the views of the mailbox, and others that can only be received from.
    pub fn is_mailbox(&self) -> bool {
        !matches!(self.source, Source::Plain(_))
    }

    /// True if a plain channel has room for a value that no receiver waits for.
    pub fn has_room(&self) -> bool {
        match &self.source {
            Source::Plain(plain) => plain.queue.len() < plain.capacity.saturating_add(self.claims),
            _ => false,
        }
    }
}
