//! Envelopes that are being decoded. Decoding may raise, so that the Rust stack cannot own them. They form a stack: a finalizer
//! that runs meanwhile may receive as well.

use crate::runtime::envelope::Envelope;
use crate::runtime::signal::Signal;
use std::cell::RefCell;
use std::ptr;

/// The envelopes of one state that are being decoded. A place among them is a number, which a raise may pass over.
#[derive(Default)]
pub struct Decoding(RefCell<Vec<Option<Envelope>>>);

impl Decoding {
    /// True if nothing is being decoded, nor was left behind by a raise.
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Keeps an envelope: its place.
    pub fn push(&self, envelope: Envelope) -> usize {
        let mut kept = self.0.borrow_mut();
        kept.push(Some(envelope));
        kept.len() - 1
    }

    /// The payload of the envelope at this place. It does not move when the list grows, nor does the signal: both are in the
    /// envelope's own block.
    ///
    /// # Safety
    /// The reference ends before [`Decoding::take`] is called with this place or a lower one.
    pub unsafe fn payload<'a>(&self, place: usize) -> Option<&'a [u8]> {
        let payload = self.at(place, |envelope| Some(ptr::from_ref(envelope.payload())))?;
        // SAFETY: the block lives until `take`.
        Some(unsafe { &*payload })
    }

    /// The signal in the envelope at this place, `None` if it is a message.
    ///
    /// # Safety
    /// As for [`Decoding::payload`].
    pub unsafe fn signal<'a>(&self, place: usize) -> Option<&'a Signal> {
        let signal = self.at(place, |envelope| envelope.as_signal().map(ptr::from_ref))?;
        // SAFETY: the block lives until `take`.
        Some(unsafe { &*signal })
    }

    /// What `look` finds in the envelope at this place.
    fn at<T>(&self, place: usize, look: impl FnOnce(&Envelope) -> Option<T>) -> Option<T> {
        self.0.borrow().get(place).and_then(Option::as_ref).and_then(look)
    }

    /// Takes the envelope from this place, and drops those that a raise has left above it.
    pub fn take(&self, place: usize) -> Option<Envelope> {
        let mut kept = self.0.borrow_mut();
        let envelope = kept.get_mut(place).and_then(Option::take);
        kept.truncate(place);
        envelope
    }

    /// Bytes of the envelopes from this place on.
    pub fn size_from(&self, place: usize) -> usize {
        self.0.borrow().iter().skip(place).flatten().map(Envelope::size).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(topic: &str) -> Envelope {
        Envelope::message("{test|1}", topic.as_bytes(), b"payload".as_slice()).expect("memory")
    }

    #[test]
    fn what_a_raise_has_left_behind_goes_with_the_next_below_it() {
        let decoding = Decoding::default();
        let places = ["one", "two", "three"].map(|topic| decoding.push(envelope(topic)));
        assert_eq!(places, [0, 1, 2]);
        assert!(decoding.size_from(1) < decoding.size_from(0));
        let taken = decoding.take(1).expect("is there");
        assert_eq!(taken.topic(), b"two");
        assert!(decoding.take(2).is_none() && decoding.take(1).is_none());
        assert_eq!(decoding.at(0, |envelope| Some(envelope.topic() == b"one")), Some(true));
        drop(decoding.take(0));
        assert!(decoding.is_empty() && decoding.size_from(0) == 0);
    }

    #[test]
    fn a_payload_stays_where_it_is_when_others_come() {
        let decoding = Decoding::default();
        decoding.push(envelope("first"));
        // SAFETY: nothing is taken meanwhile.
        let payload = unsafe { decoding.payload(0) }.expect("is there");
        for number in 0..100 {
            decoding.push(envelope(&number.to_string()));
        }
        assert_eq!(payload, b"payload");
        // SAFETY: as above.
        assert!(unsafe { decoding.signal(0) }.is_none());
    }
}
