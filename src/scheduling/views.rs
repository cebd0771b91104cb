//! The mailbox as Lua sees it: every message belongs to the listener of its topic or to the inbox, events to `events()`.

use super::channel::{Channel, Source};
use super::ids::ChannelId;
use super::mail::{Mail, Stamped};
use super::scheduler::{Event, Scheduler};
use crate::runtime::envelope::Envelope;
use crate::runtime::failure::Failure;
use crate::runtime::signal::Signal;
use crate::runtime::vitals::Subject;

/// An open topic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Listening {
    /// Its channel.
    pub id: ChannelId,
    /// Where the caller keeps the channel: numbers from 1, each given once.
    pub place: u64,
    /// It was not open before.
    pub new: bool,
}

impl Scheduler {
    /// Numbers a piece of mail: it has just arrived.
    #[inline(always)]
    pub fn stamp(&mut self, envelope: Envelope) -> Stamped {
        self.arrivals += 1;
        Stamped { arrival: self.arrivals, envelope }
    }

    /// Gives a message to the view it belongs to now.
    pub fn route_message(&mut self, envelope: Envelope) {
        let stamped = self.stamp(envelope);
        let id = self.view_of(stamped.envelope.topic());
        self.recent = id;
        let Err(stamped) = self.hand_over(id, stamped) else { return };
        let Some(channel) = self.channels.get_mut(id) else { return };
        match &mut channel.source {
            Source::Inbox(mail) => mail.push(stamped),
            Source::Listener { queue, .. } => queue.push_back(stamped),
            Source::Events(_) | Source::Plain(_) | Source::Notices { .. } | Source::Descriptor(_) => {}
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
        self.route_private(self.events, event);
    }

    /// A channel for the one event that a call of the library itself waits for.
    pub fn open_private(&mut self) -> ChannelId {
        self.channels.insert(Channel::new(Source::Events(Mail::default())))
    }

    /// Gives an event to the call that waits for it.
    pub fn route_private(&mut self, id: ChannelId, event: Envelope) {
        let stamped = self.stamp(event);
        if let Some(mail) = self.mail(id) {
            mail.push(stamped);
        }
        self.rebalance(id);
    }

    /// What a channel is for those who look from outside.
    #[inline]
    pub fn subject_of(&self, id: ChannelId) -> Subject {
        match self.channels.get(id).map(|channel| &channel.source) {
            Some(Source::Listener { place, .. }) => Subject::Listener(*place),
            Some(Source::Inbox(_)) => Subject::Inbox,
            Some(Source::Events(_)) => Subject::Events,
            Some(Source::Plain(_) | Source::Notices { .. } | Source::Descriptor(_)) => Subject::Channel,
            None => Subject::None,
        }
    }

    /// Undoes [`Scheduler::open_private`]. The event that nobody has taken.
    pub fn close_private(&mut self, id: ChannelId) -> Option<Envelope> {
        match self.channels.remove(id)?.source {
            Source::Events(mut mail) => mail.pop().map(|stamped| stamped.envelope),
            _ => None,
        }
    }

    fn mail(&mut self, id: ChannelId) -> Option<&mut Mail> {
        match &mut self.channels.get_mut(id)?.source {
            Source::Inbox(mail) | Source::Events(mail) => Some(mail),
            _ => None,
        }
    }

    /// Everything that waits in the mailbox, messages in the order of arrival, then events; nothing is left of it. An event that
    /// a call of the library waits for is no mail.
    pub fn take_mail(&mut self) -> Vec<Envelope> {
        self.unfold();
        let mut messages = Vec::new();
        let mut events = Vec::new();
        for (id, channel) in &mut self.channels {
            match &mut channel.source {
                Source::Inbox(mail) => mail.move_all(&mut messages),
                Source::Listener { queue, .. } => messages.extend(queue.drain(..)),
                Source::Events(mail) if id == self.events => mail.move_all(&mut events),
                Source::Events(_) | Source::Plain(_) | Source::Notices { .. } | Source::Descriptor(_) => {}
            }
        }
        messages.sort_unstable_by_key(|message| message.arrival);
        events.sort_unstable_by_key(|event| event.arrival);
        messages.into_iter().chain(events).map(|stamped| stamped.envelope).collect()
    }

    /// Bytes that keeping mail by subject takes, about.
    pub fn mail_weight(&self) -> usize {
        let views = [self.inbox, self.events];
        let weights = views.map(|id| match self.channels.get(id).map(|channel| &channel.source) {
            Some(Source::Inbox(mail) | Source::Events(mail)) => mail.weight(),
            _ => 0,
        });
        weights.iter().sum()
    }

    /// Takes back the waiting event of a relation that was removed.
    pub fn retract(&mut self, event: Event, pid: &[u8]) -> Option<Envelope> {
        let mail = self.mail(self.events)?;
        let mut of_pid = mail.take(pid);
        let place = of_pid.iter().position(|stamped| {
            matches!(
                (event, stamped.envelope.as_signal()),
                (Event::Exit, Some(Signal::Exit(_))) | (Event::LinkDown, Some(Signal::LinkDown(_)))
            )
        });
        let retracted = place.and_then(|place| of_pid.remove(place));
        mail.put_back(pid, of_pid);
        retracted.map(|stamped| stamped.envelope)
    }

    /// The place that the next topic to be opened gets.
    pub fn next_place(&self) -> u64 {
        self.opened + 1
    }

    /// A topic that is open already, in the same mode.
    ///
    /// # Errors
    /// It is open in the other mode.
    pub fn listening(&self, topic: &[u8], message: bool) -> Result<Option<Listening>, Failure> {
        let Some(&id) = self.listeners.get(topic) else { return Ok(None) };
        match self.channels.get(id).map(|channel| &channel.source) {
            Some(Source::Listener { message: mode, .. }) if *mode != message => {
                Err(Failure::OtherMode { topic: topic.to_vec(), message: *mode })
            }
            Some(Source::Listener { place, .. }) => Ok(Some(Listening { id, place: *place, new: false })),
            _ => Ok(None),
        }
    }

    /// Opens a topic, or finds it open in the same mode.
    ///
    /// # Errors
    /// It is open in the other mode.
    pub fn listen(&mut self, topic: &[u8], message: bool) -> Result<Listening, Failure> {
        if let Some(listening) = self.listening(topic, message)? {
            return Ok(listening);
        }
        // What came before belongs to the listener from now on.
        let queue = self.mail(self.inbox).map(|inbox| inbox.take(topic)).unwrap_or_default();
        self.opened += 1;
        let place = self.opened;
        let source = Source::Listener { topic: topic.into(), message, open: true, queue, place };
        let id = self.channels.insert(Channel::new(source));
        self.listeners.insert(topic.into(), id);
        Ok(Listening { id, place, new: true })
    }

    /// Closes a topic; what it has not yielded goes back to the inbox, in the order of arrival. The place that it had.
    ///
    /// # Errors
    /// The channel is no open listener.
    pub fn unlisten(&mut self, id: ChannelId) -> Result<u64, Failure> {
        self.unfold();
        let Some(Source::Listener { topic, open, queue, place, .. }) =
            self.channels.get_mut(id).map(|channel| &mut channel.source)
        else {
            return Err(Failure::NotAListener);
        };
        if !std::mem::replace(open, false) {
            return Err(Failure::NotAListener);
        }
        let (topic, back, place) = (std::mem::take(topic), std::mem::take(queue), *place);
        self.listeners.remove(&topic);
        if let Some(inbox) = self.mail(self.inbox) {
            inbox.put_back(&topic, back);
        }
        self.rebalance(id);
        self.rebalance(self.inbox);
        Ok(place)
    }
}

#[cfg(test)]
mod tests;
