//! Envelopes that are being decoded. Decoding may raise, so that the Rust stack cannot own them. They form a stack: a finalizer
//! that runs meanwhile may receive as well.

use crate::runtime::envelope::Envelope;
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

    /// The envelope at this place.
    ///
    /// # Safety
    /// The reference ends before [`Decoding::take`] is called with this place or a lower one.
    pub unsafe fn get<'a>(&self, place: usize) -> Option<&'a Envelope> {
        // The envelope itself does not move when the list grows.
        let envelope = self.0.borrow().get(place).and_then(Option::as_ref).map(ptr::from_ref);
        envelope.map(|envelope| &*envelope)
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
