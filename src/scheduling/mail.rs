//! Mail in the order of arrival, of which all that concerns one subject can be taken out, and put back, as a whole.
//!
//! The subject of a message is its topic, that of an event the PID it tells of. What arrives lies in `fresh`, unsorted. Only when
//! somebody asks for a subject is it *filed*, each piece once, into a queue of its subject. So the price of asking does not
//! depend on what waits (P-28), and mail that nobody asks for by subject is never filed. Always true:
//!
//! - `queues[n]` holds pieces of one subject in the order of arrival, at least one, and `n` is the arrival of its first;
//! - `first[subject]` is that number, for exactly the subjects that have a queue;
//! - of one subject, what is filed has arrived before what is fresh.
//!
//! So the oldest piece is the first of the first queue or the first fresh one, and a subject comes and goes by its queue alone.

use crate::runtime::envelope::Envelope;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// A piece of mail with its place in the order of arrival.
pub struct Stamped {
    /// Its number; no other piece of the process has it.
    pub arrival: u64,
    /// The piece itself.
    pub envelope: Envelope,
}

/// Mail in the order of arrival.
pub type Queue = VecDeque<Stamped>;

/// So many fresh pieces are looked through rather than filed.
const FEW: usize = 8;

/// Room that `fresh` keeps when it is empty, in pieces.
const KEPT: usize = 64;

/// Bytes that a queue takes besides its pieces, about: its places in both tables, its subject, its block.
const QUEUE: usize = 192;

/// See the top of the page.
#[derive(Default)]
pub struct Mail {
    fresh: Queue,
    filed: Option<Box<Filed>>,
}

#[derive(Default)]
struct Filed {
    queues: BTreeMap<u64, Queue>,
    /// Hashed with keys that nobody knows: who could choose subjects of one hash would slow down their receiver.
    first: HashMap<Box<[u8]>, u64>,
    count: usize,
    weight: usize,
}

impl Mail {
    /// Adds a piece, newer than all others.
    #[inline(always)]
    pub fn push(&mut self, piece: Stamped) {
        self.fresh.push_back(piece);
    }

    /// The oldest piece.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<Stamped> {
        if self.filed.is_some() { self.pop_oldest() } else { next_of(&mut self.fresh) }
    }

    #[cold]
    fn pop_oldest(&mut self) -> Option<Stamped> {
        let fresh = self.fresh.front().map(|piece| piece.arrival);
        let filed = self.filed.as_mut()?;
        let oldest = *filed.queues.first_key_value()?.0;
        if fresh.is_some_and(|fresh| fresh < oldest) {
            return next_of(&mut self.fresh);
        }
        let piece = filed.pop();
        self.tidy();
        piece
    }

    /// How many pieces there are.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.fresh.len() + self.filed.as_ref().map_or(0, |filed| filed.count)
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes out all that concerns `subject`.
    pub fn take(&mut self, subject: &[u8]) -> Queue {
        if self.fresh.len() > FEW {
            let filed = self.filed.get_or_insert_default();
            while let Some(piece) = next_of(&mut self.fresh) {
                filed.push(piece);
            }
            self.fresh.shrink_to(KEPT);
        }
        let mut taken = self.filed.as_mut().and_then(|filed| filed.take(subject)).unwrap_or_default();
        self.tidy();
        for _ in 0..self.fresh.len() {
            match self.fresh.pop_front() {
                Some(piece) if piece.envelope.subject() == subject => taken.push_back(piece),
                Some(piece) => self.fresh.push_back(piece),
                None => {}
            }
        }
        taken
    }

    /// Puts back what [`Mail::take`] has taken out for `subject`, or what is left of it and has come after it. Nothing that concerns
    /// it may have been pushed in between.
    pub fn put_back(&mut self, subject: &[u8], queue: Queue) {
        if !queue.is_empty() {
            self.filed.get_or_insert_default().put(subject, queue);
        }
    }

    /// Moves everything to the end of `all`, in any order.
    pub fn move_all(&mut self, all: &mut Vec<Stamped>) {
        all.extend(std::mem::take(&mut self.fresh));
        if let Some(filed) = self.filed.take() {
            all.extend(filed.queues.into_values().flatten());
        }
    }

    /// Bytes that filing takes, about; the pieces themselves are not counted.
    pub fn weight(&self) -> usize {
        self.filed.as_ref().map_or(0, |filed| filed.weight)
    }

    /// Gives the memory back that was for more subjects.
    fn tidy(&mut self) {
        let Some(filed) = &mut self.filed else { return };
        if filed.count == 0 {
            self.filed = None;
        } else if filed.first.capacity() > KEPT && filed.first.len() < filed.first.capacity() / 8 {
            filed.first.shrink_to_fit();
        }
    }
}

impl Filed {
    fn push(&mut self, piece: Stamped) {
        let first = self.first.get(piece.envelope.subject());
        if let Some(queue) = first.and_then(|first| self.queues.get_mut(first)) {
            queue.push_back(piece);
            self.count += 1;
            return;
        }
        let subject: Box<[u8]> = piece.envelope.subject().into();
        let mut queue = Queue::with_capacity(1);
        queue.push_back(piece);
        self.put(subject, queue);
    }

    /// A queue for a subject that has none.
    fn put(&mut self, subject: impl Into<Box<[u8]>>, queue: Queue) {
        let Some(first) = queue.front().map(|piece| piece.arrival) else { return };
        let subject = subject.into();
        self.count += queue.len();
        self.weight += QUEUE + subject.len();
        let former = self.first.insert(subject, first);
        debug_assert!(former.is_none(), "the subject has a queue");
        self.queues.insert(first, queue);
    }

    fn take(&mut self, subject: &[u8]) -> Option<Queue> {
        let first = self.first.remove(subject)?;
        let queue = self.queues.remove(&first)?;
        self.count -= queue.len();
        self.weight -= QUEUE + subject.len();
        Some(queue)
    }

    /// The first piece of the first queue.
    fn pop(&mut self) -> Option<Stamped> {
        let (_, mut queue) = self.queues.pop_first()?;
        let piece = next_of(&mut queue)?;
        self.count -= 1;
        let subject = piece.envelope.subject();
        if let Some(next) = queue.front().map(|next| next.arrival) {
            if let Some(first) = self.first.get_mut(subject) {
                *first = next;
            }
            self.queues.insert(next, queue);
        } else {
            self.first.remove(subject);
            self.weight -= QUEUE + subject.len();
        }
        Some(piece)
    }
}

/// The first piece of a queue. The next but one is called into the processor's cache: most lie where another processor has
/// written them, and a long time ago if many wait.
#[inline(always)]
pub fn next_of(queue: &mut Queue) -> Option<Stamped> {
    let next = queue.pop_front();
    if let Some(later) = queue.get(1) {
        later.envelope.prefetch();
    }
    next
}

#[cfg(test)]
#[path = "mail_tests.rs"]
mod tests;
