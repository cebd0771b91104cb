//! The channels of notices: each shows the signals that were sent to it by number, as those of a subscription. They are views of the
//! mailbox, as listeners are, but what a closed one has not yielded stays there.

use super::channel::{Channel, Source};
use super::ids::ChannelId;
use super::mail::Queue;
use super::scheduler::Scheduler;
use crate::runtime::envelope::Envelope;

impl Scheduler {
    /// Opens one. The caller keeps it at [`Scheduler::next_place`].
    pub fn open_notices(&mut self, closable: bool) -> ChannelId {
        self.opened += 1;
        let place = self.opened;
        let source = Source::Notices { queue: Queue::new(), open: true, closable, place };
        self.channels.insert(Channel::new(source))
    }

    /// Gives a notice to the channel that it is meant for; back if that is not open.
    pub fn route_notice(&mut self, id: ChannelId, notice: Envelope) -> Option<Envelope> {
        let stamped = self.stamp(notice);
        match self.channels.get_mut(id).map(|channel| &mut channel.source) {
            Some(Source::Notices { queue, open: true, .. }) => queue.push_back(stamped),
            _ => return Some(stamped.envelope),
        }
        self.rebalance(id);
        None
    }

    /// Closes one: the place that it had, `None` if it was not open.
    pub fn close_notices(&mut self, id: ChannelId) -> Option<u64> {
        let Some(Source::Notices { open, place, .. }) =
            self.channels.get_mut(id).map(|channel| &mut channel.source)
        else {
            return None;
        };
        let place = std::mem::replace(open, false).then_some(*place);
        self.rebalance(id);
        place
    }

    /// True for one that whoever has it may close.
    pub fn may_be_closed(&self, id: ChannelId) -> bool {
        let source = self.channels.get(id).map(|channel| &channel.source);
        matches!(source, Some(Source::Notices { closable: true, .. }))
    }

    /// What waits in one is to be forgotten.
    pub fn flush_notices(&mut self, id: ChannelId) -> Queue {
        let flushed = match self.channels.get_mut(id).map(|channel| &mut channel.source) {
            Some(Source::Notices { queue, .. }) => std::mem::take(queue),
            _ => Queue::new(),
        };
        self.rebalance(id);
        flushed
    }

    /// What waits in all of them is to be forgotten.
    pub fn flush_all_notices(&mut self) -> Queue {
        let mut flushed = Queue::new();
        for channel in self.channels.values_mut() {
            if let Source::Notices { queue, .. } = &mut channel.source {
                flushed.append(queue);
            }
        }
        flushed
    }
}
