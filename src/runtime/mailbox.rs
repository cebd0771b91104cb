//! The way into a process: a list that any number of senders push on without a lock and that its owner takes whole.
//!
//! One word, `head`, is all the state there is, so that a push learns in the same atomic step whether the receiver still
//! takes messages and whether it has to be woken:
//!
//! | `head`   | meaning                                                                    |
//! |----------|----------------------------------------------------------------------------|
//! | `EMPTY`  | nothing waits, the owner is awake                                          |
//! | `PARKED` | nothing waits, the owner sleeps or is about to; a push that replaces it must wake it |
//! | a node   | the newest envelope; each links to the one before it                       |
//! | `CLOSED` | nothing is taken any more; final                                           |
//!
//! Only the owner changes `EMPTY` to `PARKED` and takes the list; anybody may push and close. Taking reverses the list, so
//! the envelopes of one sender come out in the order they went in. (A Treiber stack emptied by one swap has no ABA problem:
//! a push links to whatever is on top at the moment its exchange succeeds.)
//!
//! **Count.** Those who look from outside want to know how much waits, and a counter of its own would cost every push a second
//! atomic step. So the pointer to a node carries the lowest bits of the number of nodes, in bits that no address of a program has:
//! the systems give none above the 48th unless they are asked to, and what tags memory uses higher ones. Only a push that finds
//! these bits used up counts elsewhere, in `carried`.

use super::envelope::{Envelope, Header};
use std::ptr;
use std::sync::atomic::{AtomicIsize, AtomicPtr, Ordering};

const EMPTY: *mut Header = ptr::null_mut();
const PARKED: *mut Header = ptr::without_provenance_mut(8);
const CLOSED: *mut Header = ptr::without_provenance_mut(16);

/// How many bits of a pointer count, and where they begin. Without room for them every push counts in `carried`.
const BITS: u32 = if cfg!(target_pointer_width = "64") { 8 } else { 0 };
const SHIFT: u32 = if cfg!(target_pointer_width = "64") { 48 } else { 0 };
const PERIOD: usize = 1 << BITS;

/// The list of one process. Senders write it all the time, so it has a line of the processor's cache for itself: whatever stood
/// beside it would have to be fetched again and again.
#[repr(align(64))]
pub struct Mailbox {
    head: AtomicPtr<Header>,
    /// Nodes that the bits in `head` do not count, a multiple of [`PERIOD`]. For a moment it may be less, or more, than it
    /// should: it is changed right behind `head`.
    carried: AtomicIsize,
}

/// Whether whoever changed the mailbox has to wake its owner.
#[derive(Debug, PartialEq)]
#[must_use]
pub enum Owner {
    /// The owner will look by itself.
    Awake,
    /// The owner sleeps.
    Parked,
}

impl Default for Mailbox {
    /// An empty mailbox whose owner is awake.
    fn default() -> Self {
        Mailbox { head: AtomicPtr::new(EMPTY), carried: AtomicIsize::new(0) }
    }
}

impl Mailbox {
    /// Puts an envelope in.
    ///
    /// # Errors
    /// Gives the envelope back if the mailbox is closed.
    pub fn push(&self, envelope: Envelope) -> Result<Owner, Envelope> {
        let node = envelope.into_raw();
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            if head == CLOSED {
                // SAFETY: the exchange below did not happen, so the node is still ours alone.
                return Err(unsafe { Envelope::from_raw(node) });
            }
            let below = if head == PARKED { EMPTY } else { node_of(head) };
            let count = (count_in(head) + 1) % PERIOD;
            // SAFETY: the node is ours alone until the exchange succeeds.
            unsafe { (*node).next = below };
            match self.head.compare_exchange_weak(
                head,
                node.map_addr(|address| address | count << SHIFT),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(before) => {
                    if count == 0 {
                        self.carried.fetch_add(PERIOD as isize, Ordering::Relaxed);
                    }
                    return Ok(if before == PARKED { Owner::Parked } else { Owner::Awake });
                }
                Err(now) => head = now,
            }
        }
    }

    /// Takes everything that waits, in the order of arrival. For the owner only.
    pub fn take(&self) -> Batch {
        let mut head = self.head.load(Ordering::Acquire);
        while is_node(head) {
            match self.head.compare_exchange_weak(head, EMPTY, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    let (next, count) = reversed(node_of(head));
                    if count >= PERIOD {
                        self.carried.fetch_sub((count - count % PERIOD) as isize, Ordering::Relaxed);
                    }
                    return Batch { next, count };
                }
                Err(now) => head = now,
            }
        }
        Batch { next: EMPTY, count: 0 }
    }

    /// How many envelopes wait, for any thread. It may have changed since.
    pub fn count(&self) -> usize {
        match self.head.load(Ordering::Relaxed) {
            CLOSED => 0,
            head => (self.carried.load(Ordering::Relaxed) + count_in(head) as isize).max(0) as usize,
        }
    }

    /// True if there may be something to take; one load.
    pub fn has_mail(&self) -> bool {
        is_node(self.head.load(Ordering::Acquire))
    }

    /// Announces that the owner is going to sleep. `false`: it must not, something came or the mailbox was closed.
    pub fn park(&self) -> bool {
        self.head.compare_exchange(EMPTY, PARKED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// As [`Mailbox::park`], for an owner that may have announced it before.
    pub fn stay_parked(&self) -> bool {
        self.head.load(Ordering::Acquire) == PARKED || self.park()
    }

    /// Takes the announcement back, if nobody has answered it.
    pub fn unpark(&self) {
        if self.head.load(Ordering::Relaxed) != PARKED {
            return;
        }
        let _ = self.head.compare_exchange(PARKED, EMPTY, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Refuses everything from now on and drops what waits. Any thread may call it, more than once.
    pub fn close(&self) -> Owner {
        match self.head.swap(CLOSED, Ordering::AcqRel) {
            PARKED => Owner::Parked,
            head => {
                if is_node(head) {
                    drop(Batch { next: node_of(head), count: 0 });
                }
                Owner::Awake
            }
        }
    }

    /// True after `close`.
    pub fn is_closed(&self) -> bool {
        self.head.load(Ordering::Acquire) == CLOSED
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let _ = self.close();
    }
}

fn is_node(head: *mut Header) -> bool {
    head != EMPTY && head != PARKED && head != CLOSED
}

/// The pointer without the bits that count.
#[inline(always)]
fn node_of(head: *mut Header) -> *mut Header {
    head.map_addr(|address| address & !((PERIOD - 1) << SHIFT))
}

/// What the bits of the pointer count: 0 for what is no node.
#[inline(always)]
fn count_in(head: *mut Header) -> usize {
    head.addr() >> SHIFT & (PERIOD - 1)
}

/// The list the other way round, and how many nodes it has.
fn reversed(mut node: *mut Header) -> (*mut Header, usize) {
    let mut previous = EMPTY;
    let mut count = 0;
    while node != EMPTY {
        // SAFETY: the list was taken off the mailbox by the caller, who alone can reach its nodes.
        unsafe {
            let next = (*node).next;
            (*node).next = previous;
            previous = node;
            node = next;
        }
        count += 1;
    }
    (previous, count)
}

/// Envelopes taken from a mailbox, an iterator over them.
pub struct Batch {
    next: *mut Header,
    count: usize,
}

impl Batch {
    /// How many there were.
    pub fn count_taken(&self) -> usize {
        self.count
    }
}

impl Iterator for Batch {
    type Item = Envelope;

    fn next(&mut self) -> Option<Envelope> {
        if self.next == EMPTY {
            return None;
        }
        // SAFETY: the batch owns its list; each node leaves it once.
        unsafe {
            let node = self.next;
            self.next = (*node).next;
            Some(Envelope::from_raw(node))
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        for envelope in self.by_ref() {
            drop(envelope);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    fn message(text: &str) -> Envelope {
        Envelope::message("{main|1}", b"t", text.as_bytes()).unwrap()
    }

    #[test]
    fn comes_out_in_the_order_of_arrival() {
        let mailbox = Mailbox::default();
        for text in ["a", "b", "c"] {
            assert_eq!(mailbox.push(message(text)).ok(), Some(Owner::Awake));
        }
        let taken: Vec<_> = mailbox.take().map(|envelope| envelope.payload().to_vec()).collect();
        assert_eq!(taken, [b"a", b"b", b"c"]);
        assert!(!mailbox.has_mail());
    }

    #[test]
    fn the_first_push_to_a_parked_owner_has_to_wake_it() {
        let mailbox = Mailbox::default();
        assert!(mailbox.park());
        assert_eq!(mailbox.push(message("a")).ok(), Some(Owner::Parked));
        assert_eq!(mailbox.push(message("b")).ok(), Some(Owner::Awake));
        assert!(!mailbox.park(), "an owner with mail must not sleep");
        assert_eq!(mailbox.take().count(), 2);
        assert!(mailbox.park());
        mailbox.unpark();
        assert_eq!(mailbox.push(message("c")).ok(), Some(Owner::Awake));
    }

    #[test]
    fn a_closed_mailbox_gives_the_envelope_back() {
        let mailbox = Mailbox::default();
        assert!(mailbox.push(message("a")).is_ok());
        assert_eq!(mailbox.close(), Owner::Awake);
        assert_eq!(mailbox.push(message("b")).err().unwrap().payload(), b"b");
        assert!(mailbox.is_closed() && !mailbox.park() && mailbox.take().next().is_none());
        let parked = Mailbox::default();
        assert!(parked.park());
        assert_eq!(parked.close(), Owner::Parked);
    }

    #[test]
    fn is_counted_beyond_what_a_pointer_has_room_for() {
        let mailbox = Mailbox::default();
        let many = 2 * PERIOD + 3;
        for round in [1, PERIOD - 1, PERIOD, PERIOD + 1, many] {
            assert!(mailbox.park() && mailbox.count() == 0);
            for count in 1..=round {
                assert!(mailbox.push(message("a")).is_ok());
                assert_eq!(mailbox.count(), count);
            }
            let batch = mailbox.take();
            assert_eq!((batch.count_taken(), batch.count(), mailbox.count()), (round, round, 0));
        }
        assert!(mailbox.push(message("a")).is_ok());
        let _ = mailbox.close();
        assert_eq!(mailbox.count(), 0);
    }

    #[test]
    fn keeps_the_order_of_every_sender_under_contention() {
        let mailbox = Arc::new(Mailbox::default());
        let count: u32 = if cfg!(miri) { 50 } else { 20_000 };
        let senders: Vec<_> = (0..4u8)
            .map(|sender| {
                let mailbox = Arc::clone(&mailbox);
                thread::spawn(move || {
                    for number in 0..count {
                        let envelope = Envelope::message("", &[sender], &number.to_le_bytes()[..]).unwrap();
                        assert!(mailbox.push(envelope).is_ok());
                    }
                })
            })
            .collect();
        let mut next = [0u32; 4];
        while next.iter().any(|&n| n < count) {
            for envelope in mailbox.take() {
                let sender = envelope.topic()[0] as usize;
                assert_eq!(envelope.payload(), next[sender].to_le_bytes());
                next[sender] += 1;
            }
            thread::yield_now();
        }
        for sender in senders {
            sender.join().unwrap();
        }
    }
}
