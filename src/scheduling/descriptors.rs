//! Channels that show when a descriptor is ready (M-20). They store nothing: whoever receives asks the system.
//!
//! What the scheduler knows is a *hint*, and only as good as the moment when it was taken. So each way to a value looks at the
//! system first, and a wait that was marked and finds nothing waits on. **Invariant:** while a wait on such a channel is not
//! marked, the channel is armed: the owner is told when the descriptor is ready ([`crate::runtime::lookout`]).

use super::channel::{Channel, Source};
use super::descriptor::Descriptor;
use super::ids::{ChannelId, WaiterId};
use super::scheduler::{Case, Scheduler};
use crate::platform::poller::{Directions, Look};
use crate::runtime::lookout::Watch;

impl Scheduler {
    /// A channel that shows when the descriptor of this watch is ready.
    pub fn open_watch(&mut self, watch: Watch) -> ChannelId {
        self.watches += 1;
        self.channels.insert(Channel::new(Source::Descriptor(Descriptor::new(watch))))
    }

    /// True for the channel of a descriptor, open or not.
    pub fn is_watch(&self, id: ChannelId) -> bool {
        matches!(self.channels.get(id).map(|channel| &channel.source), Some(Source::Descriptor(_)))
    }

    /// True if the channel of a descriptor is open.
    pub fn has_watches(&self) -> bool {
        self.watches > 0
    }

    /// Ends the watch of such a channel: whoever waits gets its end.
    pub fn close_watch(&mut self, id: ChannelId) {
        if let Some(descriptor) = self.descriptor(id)
            && descriptor.watch.take().is_some()
        {
            descriptor.hint = None;
            self.watches -= 1;
            self.rebalance(id);
        }
    }

    /// Asks the system how the descriptor of a channel is, if the channel has one.
    #[inline(always)]
    pub(super) fn look_at(&mut self, id: ChannelId) {
        if self.watches > 0 {
            self.look_now(id);
        }
    }

    #[cold]
    #[inline(never)]
    fn look_now(&mut self, id: ChannelId) {
        let Some(descriptor) = self.descriptor(id) else { return };
        let Some(watch) = &descriptor.watch else { return };
        descriptor.hint = match watch.look() {
            Look::Ready(directions) => Some(directions),
            Look::NotReady => None,
            Look::Closed => return self.close_watch(id),
        };
    }

    /// As [`Scheduler::look_at`], for all cases.
    #[cold]
    pub(super) fn look_at_all(&mut self, cases: &[Case]) {
        for case in cases {
            if let Case::Receive(id) = case {
                self.look_now(*id);
            }
        }
    }

    /// A wait begins, or goes on: arms what it waits for.
    #[cold]
    #[inline(never)]
    pub(super) fn arm_all(&mut self, id: WaiterId) {
        let cases = self.waiters.get(id).map(|waiter| waiter.cases.clone()).unwrap_or_default();
        for case in cases {
            if let Case::Receive(channel) = case
                && let Some(descriptor) = self.descriptor(channel)
                && !descriptor.armed
                && let Some(watch) = &descriptor.watch
            {
                descriptor.armed = watch.arm(channel.number());
                if !descriptor.armed {
                    self.close_watch(channel);
                }
            }
        }
    }

    /// The owner was told that the descriptor of this channel may be ready.
    pub fn note_ready(&mut self, id: ChannelId) {
        if let Some(descriptor) = self.descriptor(id) {
            descriptor.armed = false;
            descriptor.hint = descriptor.is_open().then_some(Directions { read: true, write: true });
            self.rebalance(id);
        }
    }

    fn descriptor(&mut self, id: ChannelId) -> Option<&mut Descriptor> {
        match &mut self.channels.get_mut(id)?.source {
            Source::Descriptor(descriptor) => Some(descriptor),
            _ => None,
        }
    }
}
