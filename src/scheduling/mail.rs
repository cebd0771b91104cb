//! Mail in the order of arrival, of which all that concerns one subject can be taken out, and put back, as a whole.
//!
//! The subject of a message is its topic, that of an event the PID it tells of. What arrives lies in `fresh`, unsorted. Only when
//! somebody asks for a subject is it *filed*, each piece once, into a queue of its subject. So the price of asking does not
//! depend on what waits (P-28), and mail that nobody asks for by subject is never filed. Always true:
//!
//! - a queue holds pieces of one subject in the order of arrival, at least one, and is found by its `subjects`;
//! - `oldest` has exactly the queues, by the arrival of their first pieces;
//! - of one subject, what is filed has arrived before what is fresh.
//!
//! So the oldest piece is the first of the first queue or the first fresh one, and a subject comes and goes by its queue alone.

use crate::runtime::envelope::Envelope;
use slotmap::{SlotMap, new_key_type};
use std::collections::{BTreeMap, HashMap, VecDeque};

new_key_type! {
    struct QueueId;
}

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

/// How far ahead of the piece that is filed another one is called into the processor's cache.
const AHEAD: usize = 6;

/// Room that `fresh` keeps when it is empty, in pieces.
const KEPT: usize = 64;

/// Bytes that a queue takes besides its pieces, about: its places in both tables, its subject, its block.
const QUEUE: usize = 192;

/// The waiting mail of one view.
#[derive(Default)]
pub struct Mail {
    fresh: Queue,
    filed: Option<Box<Filed>>,
}

#[derive(Default)]
struct Filed {
    queues: SlotMap<QueueId, Queue>,
    /// Hashed with keys that nobody knows: a sender that could choose subjects of one hash would slow down the receiver.
    subjects: HashMap<Box<[u8]>, QueueId>,
    oldest: BTreeMap<u64, QueueId>,
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
        let oldest = *filed.oldest.first_key_value()?.0;
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
            while let Some(piece) = self.fresh.pop_front() {
                if let Some(later) = self.fresh.get(AHEAD) {
                    later.envelope.prefetch();
                }
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

    /// Puts back what [`Mail::take`] has taken out for `subject`, or what is left of it and has come after it. Nothing that
    /// concerns it may have been pushed in between.
    pub fn put_back(&mut self, subject: &[u8], queue: Queue) {
        if !queue.is_empty() {
            self.filed.get_or_insert_default().put(subject, queue);
        }
    }

    /// Moves everything to the end of `all`, in any order.
    pub fn move_all(&mut self, all: &mut Vec<Stamped>) {
        all.extend(std::mem::take(&mut self.fresh));
        if let Some(filed) = self.filed.take() {
            all.extend(filed.queues.into_iter().flat_map(|(_, queue)| queue));
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
        } else if filed.subjects.capacity() > KEPT && filed.subjects.len() < filed.subjects.capacity() / 8 {
            let mut sparse = std::mem::take(filed);
            for (subject, id) in sparse.subjects {
                filed.put(subject, sparse.queues.remove(id).unwrap_or_default());
            }
        }
    }
}

impl Filed {
    fn push(&mut self, piece: Stamped) {
        let known = self.subjects.get(piece.envelope.subject());
        if let Some(queue) = known.and_then(|id| self.queues.get_mut(*id)) {
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
        let id = self.queues.insert(queue);
        self.oldest.insert(first, id);
        let former = self.subjects.insert(subject, id);
        debug_assert!(former.is_none(), "the subject has a queue");
    }

    fn take(&mut self, subject: &[u8]) -> Option<Queue> {
        let queue = self.queues.remove(self.subjects.remove(subject)?)?;
        self.oldest.remove(&queue.front()?.arrival);
        self.count -= queue.len();
        self.weight -= QUEUE + subject.len();
        Some(queue)
    }

    /// The first piece of the first queue.
    fn pop(&mut self) -> Option<Stamped> {
        let (_, id) = self.oldest.pop_first()?;
        let queue = self.queues.get_mut(id)?;
        let piece = next_of(queue)?;
        self.count -= 1;
        if let Some(next) = queue.front() {
            self.oldest.insert(next.arrival, id);
        } else {
            let subject = piece.envelope.subject();
            self.queues.remove(id);
            self.subjects.remove(subject);
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
mod tests;
