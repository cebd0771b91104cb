//! The mailbox as Lua sees it: every message belongs to the listener of its topic or to the inbox, events to `events()`.

use super::channel::{Channel, Source, Stamped};
use super::scheduler::{ChannelId, Event, Scheduler};
use crate::runtime::envelope::{Envelope, Signal};
use crate::runtime::failure::Failure;
use std::collections::VecDeque;

impl Scheduler {
    /// Gives a message to the view it belongs to now.
    pub fn route_message(&mut self, envelope: Envelope) {
        self.arrivals += 1;
        let stamped = Stamped { arrival: self.arrivals, envelope };
        let id = self.view_of(stamped.envelope.topic());
        self.recent = id;
        let Some(channel) = self.channels.get_mut(id) else { return };
        if let Source::Inbox(queue) | Source::Listener { queue, .. } = &mut channel.source {
            queue.push_back(stamped);
        }
        if !channel.receivers.is_empty() {
            self.rebalance(id);
        }
    }

    /// The view that a message of this topic belongs to now.
    fn view_of(&self, topic: &[u8]) -> ChannelId {
        if self.listeners.is_empty() {
            return self.inbox;
        }
        match self.channels.get(self.recent).map(|channel| &channel.source) {
            Some(Source::Listener { topic: own, open: true, .. }) if **own == *topic => self.recent,
            _ => self.listeners.get(topic).copied().unwrap_or(self.inbox),
        }
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

    /// A channel for the one event that a call of the library itself waits for.
    pub fn open_private(&mut self) -> ChannelId {
        self.channels.insert(Channel::new(Source::Events(VecDeque::new())))
    }

    /// Gives an event to the call that waits for it.
    pub fn route_private(&mut self, id: ChannelId, event: Envelope) {
        if let Some(Source::Events(queue)) = self.channels.get_mut(id).map(|channel| &mut channel.source) {
            queue.push_back(event);
        }
        self.rebalance(id);
    }

    /// Undoes [`Scheduler::open_private`].
    pub fn close_private(&mut self, id: ChannelId) {
        self.channels.remove(id);
    }

    /// Everything that waits in the mailbox, messages in the order of arrival, then events; nothing is left of it. An event that
    /// a call of the library waits for is no mail.
    pub fn take_mail(&mut self) -> Vec<Envelope> {
        let mut messages = Vec::new();
        let mut events = Vec::new();
        for (id, channel) in &mut self.channels {
            match &mut channel.source {
                Source::Inbox(queue) | Source::Listener { queue, .. } => messages.extend(queue.drain(..)),
                Source::Events(queue) if id == self.events => events.extend(queue.drain(..)),
                Source::Events(_) | Source::Plain(_) => {}
            }
        }
        messages.sort_by_key(|message| message.arrival);
        messages.into_iter().map(|message| message.envelope).chain(events).collect()
    }

    /// Takes back the waiting events of a relation that was removed.
    pub fn retract(&mut self, event: Event, pid: &[u8]) -> VecDeque<Envelope> {
        let Some(Source::Events(queue)) =
            self.channels.get_mut(self.events).map(|channel| &mut channel.source)
        else {
            return VecDeque::new();
        };
        let (kept, retracted) =
            std::mem::take(queue).into_iter().partition(|envelope| match (event, envelope.as_signal()) {
                (Event::Exit, Some(Signal::Exit(record)))
                | (Event::LinkDown, Some(Signal::LinkDown(record))) => record.from.as_bytes() != pid,
                _ => true,
            });
        *queue = kept;
        retracted
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
        if !back.is_empty()
            && let Some(Source::Inbox(inbox)) =
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
}
