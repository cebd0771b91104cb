//! The channels of subscriptions: each shows the changes of what it is subscribed to. They are views of the mailbox, as listeners
//! are, but what a closed one has not yielded stays there.

use super::channel::{Channel, Source};
use super::ids::ChannelId;
use super::mail::Queue;
use super::scheduler::Scheduler;
use crate::runtime::envelope::Envelope;

impl Scheduler {
    /// Opens one: the channel, and where the caller keeps it.
    pub fn open_changes(&mut self) -> (ChannelId, u64) {
        self.opened += 1;
        let place = self.opened;
        let source = Source::Changes { queue: Queue::new(), open: true, place };
        (self.channels.insert(Channel::new(source)), place)
    }

    /// Gives a change to the channel that it is meant for; back if that is not open.
    pub fn route_change(&mut self, id: ChannelId, change: Envelope) -> Option<Envelope> {
        let stamped = self.stamp(change);
        match self.channels.get_mut(id).map(|channel| &mut channel.source) {
            Some(Source::Changes { queue, open: true, .. }) => queue.push_back(stamped),
            _ => return Some(stamped.envelope),
        }
        self.rebalance(id);
        None
    }

    /// Closes one: the place that it had, `None` if it was not open.
    pub fn close_changes(&mut self, id: ChannelId) -> Option<u64> {
        let Some(Source::Changes { open, place, .. }) =
            self.channels.get_mut(id).map(|channel| &mut channel.source)
        else {
            return None;
        };
        let place = std::mem::replace(open, false).then_some(*place);
        self.rebalance(id);
        place
    }

    /// What waits in one is to be forgotten.
    pub fn flush_changes(&mut self, id: ChannelId) -> Queue {
        let flushed = match self.channels.get_mut(id).map(|channel| &mut channel.source) {
            Some(Source::Changes { queue, .. }) => std::mem::take(queue),
            _ => Queue::new(),
        };
        self.rebalance(id);
        flushed
    }

    /// What waits in all of them is to be forgotten.
    pub fn flush_all_changes(&mut self) -> Queue {
        let mut flushed = Queue::new();
        for channel in self.channels.values_mut() {
            if let Source::Changes { queue, .. } = &mut channel.source {
                flushed.append(queue);
            }
        }
        flushed
    }
}
