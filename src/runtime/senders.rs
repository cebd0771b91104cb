//! Senders that wait until a full mailbox has room for their message (W-3).
//!
//! A waiting message stands in the queue of its receiver, encoded. Whoever makes room puts the first one into the mailbox, on
//! behalf of its sender, and answers the call ([`super::errand`]). So they are served in order, a room is never given to one that
//! does not come for it, and one that is given up leaves nothing behind but its place, which it takes along.
//!
//! **No room is overlooked.** The count of waiting messages and the mark [`WAITED_FOR`] are one atomic word. A sender sets the mark
//! first and looks for room then, both under the lock of the queue. Whoever takes a message out lowers the count and learns of the
//! mark in the same step. So either the sender's look comes later and finds the room, or the mark comes earlier and is found; then
//! the queue is served, under its lock. The mark goes when the queue is empty, under the lock too. Where memory is counted, it is
//! given back before anybody looks at the mark, and taken by a step that both sides see in the same order.
//!
//! **Waiting senders do not use a receiver's memory up.** Where memory is counted, they leave half of it to the receiver, unless its
//! mailbox is empty: whoever takes a message out needs memory for it, and would find that the next sender has taken that.
//!
//! While nobody waits, a receiver pays nothing for this: it looks at what its own step has returned.

use super::account::Charge;
use super::envelope::Envelope;
use super::errand::Asleep;
use super::failure::FullBy;
use super::mailbox::Owner;
use super::process::{Errand, Process, Undelivered, WAITED_FOR, Waiting};
use super::signal::News;
use std::collections::VecDeque;
use std::sync::atomic::Ordering;

/// Why a message was not delivered at once.
pub enum NotYet {
    /// It never will be.
    Never(Undelivered),
    /// The mailbox is full, or others wait already: the message, to wait behind them.
    Wait(Envelope),
}

impl Process {
    /// As [`Process::deliver`], but behind those that wait.
    ///
    /// # Errors
    /// [`NotYet`]; nothing was delivered then.
    pub fn deliver_in_turn(&self, message: Envelope) -> Result<(), NotYet> {
        let cost = self.cost(&message);
        if cost > self.limits.memory {
            return Err(NotYet::Never(Undelivered::Full(FullBy::Memory(self.limits.memory))));
        }
        if self.is_waited_for() {
            return Err(NotYet::Wait(message));
        }
        match self.take_room(1, cost, self.most_in_turn()) {
            Ok(()) => self.push(message).map_err(|_| NotYet::Never(Undelivered::Gone)),
            Err(Undelivered::Full(_)) => Err(NotYet::Wait(message)),
            Err(gone) => Err(NotYet::Never(gone)),
        }
    }

    /// How many bytes others may keep for the process together with a message that has waited.
    fn most_in_turn(&self) -> usize {
        let is_empty = self.waiting.load(Ordering::Acquire) & !WAITED_FOR == 0;
        if is_empty { self.limits.memory } else { self.limits.memory / 2 }
    }

    /// Has a message wait until there is room for it. The answer comes in any case, [`News::Delivered`] or [`News::Gone`], unless
    /// the wait is given up before.
    pub fn wait_for_room(&self, message: Envelope, errand: Errand, charge: Option<Charge>) {
        let mut queue = self.senders.lock();
        queue.push_back(Waiting { message, errand, _charge: charge });
        self.waiting.fetch_or(WAITED_FOR, Ordering::AcqRel);
        let asleep = self.serve(&mut queue);
        drop(queue);
        asleep.wake();
    }

    /// Gives a wait for room up, and lets the next one have the turn. `false` if it has its answer already.
    pub fn give_up_room(&self, waiter: &Process, number: u64) -> bool {
        let mut queue = self.senders.lock();
        let is_it = |waiting: &Waiting| waiting.errand.number == number && *waiting.errand.process == *waiter;
        let place = queue.iter().position(is_it);
        let given_up = place.and_then(|place| queue.remove(place));
        // A smaller message may fit where this one did not.
        let asleep = self.serve(&mut queue);
        drop(queue);
        asleep.wake();
        given_up.is_some()
    }

    /// True if somebody waits for room.
    pub fn is_waited_for(&self) -> bool {
        self.waiting.load(Ordering::Acquire) & WAITED_FOR != 0
    }

    /// Room was made, or the mailbox was closed: serves those that wait.
    #[cold]
    #[inline(never)]
    pub fn serve_senders(&self) {
        let mut queue = self.senders.lock();
        let asleep = self.serve(&mut queue);
        drop(queue);
        asleep.wake();
    }

    /// Puts waiting messages into the mailbox as long as there is room.
    fn serve(&self, queue: &mut VecDeque<Waiting>) -> Asleep {
        let mut asleep = Asleep::default();
        while let Some(first) = queue.front() {
            let over = first.errand.is_over();
            let room = over
                || match self.take_room(1, self.cost(&first.message), self.most_in_turn()) {
                    Ok(()) => true,
                    Err(undelivered) => undelivered == Undelivered::Gone || self.mailbox.is_closed(),
                };
            if !room {
                break;
            }
            let Some(Waiting { message, errand, _charge }) = queue.pop_front() else { break };
            if over {
                continue;
            }
            match self.mailbox.push(message) {
                Ok(owner) => {
                    if owner == Owner::Parked {
                        self.wake();
                    }
                    errand.answer(News::Delivered, &mut asleep);
                }
                Err(_) => errand.answer(News::Gone, &mut asleep),
            }
        }
        if queue.is_empty() {
            self.waiting.fetch_and(!WAITED_FOR, Ordering::AcqRel);
        }
        asleep
    }
}

#[cfg(test)]
mod tests;
