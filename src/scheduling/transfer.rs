//! Values through channels, without waiting: opening, sending, taking, closing.

use super::channel::{Channel, Plain, Received, Sending, Slot, Source, Ticket};
use super::ids::{ChannelId, WaiterId};
use super::mail::{Queue, next_of};
use super::scheduler::{Finish, Scheduler};
use std::time::Instant;

impl Scheduler {
    /// A plain channel.
    pub fn open_channel(&mut self, capacity: usize) -> ChannelId {
        self.channels.insert(Channel::new(Source::Plain(Plain::new(capacity))))
    }

    /// A channel of which nothing is left in Lua. What nobody can take any more.
    pub fn drop_channel(&mut self, id: ChannelId) -> Queue {
        self.unfold();
        // One whose object was never finished: the topic is not open after all.
        let _ = self.unlisten(id);
        let droppable = self.channels.get(id).is_some_and(|channel| match &channel.source {
            Source::Plain(_) => true,
            Source::Listener { open, .. } | Source::Notices { open, .. } => !open,
            Source::Descriptor(_) => true,
            Source::Inbox(_) | Source::Events(_) => false,
        });
        if !droppable {
            return Queue::new();
        }
        match self.channels.remove(id).map(|channel| channel.source) {
            Some(Source::Plain(plain)) => {
                self.pending -= u32::from(plain.arming.pending);
                Queue::new()
            }
            Some(Source::Notices { queue, .. }) => queue,
            Some(Source::Descriptor(descriptor)) => {
                self.watches -= usize::from(descriptor.is_open());
                Queue::new()
            }
            _ => Queue::new(),
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
        self.unfold();
        self.look_at(id);
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
    pub(super) fn send_as(&mut self, id: ChannelId, ticket: Ticket, own: Option<WaiterId>) -> Sending {
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

    /// Ends a plain channel: waiting sends fail, waiting receives get what is left, then the end.
    pub fn close_channel(&mut self, id: ChannelId) {
        let Some(Source::Plain(plain)) = self.channels.get_mut(id).map(|channel| &mut channel.source) else {
            return;
        };
        plain.closed = true;
        self.pending -= u32::from(std::mem::take(&mut plain.arming.pending));
        for send in std::mem::take(&mut plain.senders) {
            self.settle(send.waiter, send.case, Finish::SendOnClosed);
        }
        self.rebalance(id);
    }

    /// Takes a value that is there, or the end of the channel; not from the wait `own` itself.
    pub(super) fn take(&mut self, id: ChannelId, own: Option<WaiterId>) -> Received {
        let Some(channel) = self.channels.get_mut(id) else {
            return Received::Closed;
        };
        match &mut channel.source {
            Source::Inbox(mail) => {
                mail.pop().map_or(Received::Closed, |next| Received::Message(next.envelope))
            }
            Source::Events(mail) => {
                mail.pop().map_or(Received::Closed, |next| Received::Event(next.envelope))
            }
            Source::Notices { queue, .. } => {
                next_of(queue).map_or(Received::Closed, |next| Received::Event(next.envelope))
            }
            Source::Listener { queue, message, .. } => match (next_of(queue), *message) {
                (None, _) => Received::Closed,
                (Some(next), true) => Received::Message(next.envelope),
                (Some(next), false) => Received::Payload(next.envelope),
            },
            Source::Descriptor(descriptor) => descriptor.take().map_or(Received::Closed, Received::Ready),
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
                if matches!(slot, Some(Slot::Fired(_))) {
                    self.resume_ticker(id, Instant::now());
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
}
