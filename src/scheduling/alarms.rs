//! What happens at a certain time: waits with a deadline end, timers and tickers fire into their channels.
//!
//! A timer belongs to its channel and needs nothing but it: when the channel is gone, its alarm means nothing.

use super::channel::{Arming, Channel, Plain, Slot, Source};
use super::ids::ChannelId;
use super::scheduler::{Alarm, Finish, Scheduler};
use crate::runtime::clock::Timestamp;
use crate::runtime::trace::{self, Kind};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

impl Scheduler {
    /// A channel that yields the time once, at `at`; never, if the clock cannot express that.
    pub fn start_timer(&mut self, at: Option<Instant>) -> ChannelId {
        let id = self.open_channel(1);
        self.arm(id, at, None);
        id
    }

    /// A channel that yields the time once per `interval` nanoseconds after `start`.
    pub fn start_ticker(&mut self, start: Instant, interval: NonZeroU64) -> ChannelId {
        let id = self.open_channel(1);
        self.arm(id, start.checked_add(Duration::from_nanos(interval.get())), Some(interval));
        id
    }

    /// Stops the timer or ticker of a channel. No value of it can be received afterwards, not even by a coroutine that is
    /// marked for one: it finds nothing and waits on.
    pub fn stop_timer(&mut self, id: ChannelId) -> Stopped {
        let Some(plain) = self.plain(id) else {
            return Stopped::default();
        };
        let stopped = Stopped { pending: plain.arming.pending, unreceived: plain.has_fired() };
        plain.arming.pending = false;
        if stopped.unreceived {
            plain.queue.retain(|slot| !matches!(slot, Slot::Fired(_)));
        }
        self.pending -= u32::from(stopped.pending);
        if stopped.unreceived {
            self.admit_senders(id);
        }
        stopped
    }

    /// Arms the timer of a channel again, to fire at `at`. True if that took the place of a value nobody had received.
    pub fn reset_timer(&mut self, id: ChannelId, at: Option<Instant>) -> bool {
        let stopped = self.stop_timer(id);
        self.arm(id, at, None);
        stopped.prevented()
    }

    fn arm(&mut self, id: ChannelId, at: Option<Instant>, interval: Option<NonZeroU64>) {
        let Some(plain) = self.plain(id).filter(|plain| !plain.closed) else {
            return;
        };
        let number = plain.arming.number.wrapping_add(1);
        let was_pending = plain.arming.pending;
        plain.arming = Arming { number, pending: true, interval, fired: None };
        self.pending += u32::from(!was_pending);
        if let Some(at) = at {
            self.start_alarm(at, Alarm::Timer(id, number));
        }
    }

    pub(super) fn start_alarm(&mut self, at: Instant, alarm: Alarm) {
        self.ready.tell_of(at);
        let (waiters, channels) = (&self.waiters, &self.channels);
        self.timers.start(at, alarm, |alarm| alarm.is_wanted(waiters, channels));
    }

    /// Fires what is due.
    pub fn fire_timers(&mut self) {
        if self.next_deadline().is_some() {
            self.fire_due(Instant::now());
        }
    }

    pub(super) fn fire_due(&mut self, now: Instant) {
        while let Some((at, alarm)) = self.timers.next_due(now) {
            if !alarm.is_wanted(&self.waiters, &self.channels) {
                continue;
            }
            trace::note(Kind::Timer, 0, 0, b"");
            match alarm {
                Alarm::Waiter(waiter) => self.expire(waiter),
                Alarm::Timer(id, _) => self.fire(id, at),
            }
        }
    }

    /// Puts the time into the channel. A ticker rests from then on, until that is taken: nobody could notice another tick.
    fn fire(&mut self, id: ChannelId, due: Instant) {
        let Some(plain) = self.plain(id) else { return };
        plain.arming.pending = plain.arming.interval.is_some();
        plain.arming.fired = Some(due);
        let fired_last = !plain.arming.pending;
        plain.queue.push_back(Slot::Fired(Timestamp::now()));
        self.pending -= u32::from(fired_last);
        self.rebalance(id);
    }

    /// A tick was taken: the ticker goes on, at the pace that it had.
    pub(super) fn resume_ticker(&mut self, id: ChannelId, now: Instant) {
        let Some(Arming { number, pending: true, interval: Some(interval), fired: Some(due) }) =
            self.plain(id).map(|plain| plain.arming)
        else {
            return;
        };
        if let Some(next) = next_tick(due, interval, now) {
            self.start_alarm(next, Alarm::Timer(id, number));
        }
    }

    /// True if a timer runs that somebody can still notice, or a ticker, resting or not.
    pub fn has_timers(&mut self) -> bool {
        let ticks =
            |channel: &Channel| matches!(&channel.source, Source::Plain(plain) if plain.arming.is_ticking());
        self.next_deadline().is_some() || self.channels.values().any(ticks)
    }

    /// When the next timer fires that somebody can still notice.
    pub fn next_deadline(&mut self) -> Option<Instant> {
        let (waiters, channels) = (&self.waiters, &self.channels);
        self.timers.next_wanted(|alarm| alarm.is_wanted(waiters, channels))
    }

    fn plain(&mut self, id: ChannelId) -> Option<&mut Plain> {
        match &mut self.channels.get_mut(id)?.source {
            Source::Plain(plain) => Some(plain),
            _ => None,
        }
    }

    /// Users may send into the channel of a timer: whoever waits to do so moves into the room that a stop has made.
    fn admit_senders(&mut self, id: ChannelId) {
        while self.channels.get(id).is_some_and(Channel::has_room)
            && let Some(plain) = self.plain(id)
            && let Some(sender) = plain.take_sender(None)
        {
            plain.queue.push_back(Slot::Stored(sender.ticket));
            self.settle(sender.waiter, sender.case, Finish::Sent);
        }
        self.rebalance(id);
    }
}

/// What a timer was doing when it was stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stopped {
    /// It was going to fire.
    pub pending: bool,
    /// It had fired, and nobody had received that.
    pub unreceived: bool,
}

impl Stopped {
    /// True if a value that nobody had received will never come.
    pub fn prevented(self) -> bool {
        self.pending || self.unreceived
    }
}

/// The first tick after `now` of a ticker that was due at `due`: a whole number of intervals later, so that the pace does
/// not drift and ticks that were missed are not made up for.
fn next_tick(due: Instant, interval: NonZeroU64, now: Instant) -> Option<Instant> {
    let interval = u128::from(interval.get());
    let steps = now.saturating_duration_since(due).as_nanos() / interval + 1;
    let later = u64::try_from(steps * interval).ok()?;
    due.checked_add(Duration::from_nanos(later))
}

#[cfg(test)]
mod tests;
