//! The image that the states of one host are copied from: when it is made, and when it is made anew.

use crate::platform::Image;
use parking_lot::RwLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The birth that makes the image: a host that starts one process needs none.
const FIRST: usize = 2;

/// After so many births the image is made anew, so that nobody can learn for ever how the strings of a host are hashed.
const AGAIN: usize = 8192;

/// The image of one host.
#[derive(Default)]
pub struct Nursery {
    image: RwLock<Option<Image>>,
    births: AtomicUsize,
    /// There will be no image.
    refused: AtomicBool,
}

impl Nursery {
    /// Counts a birth: whether it is to make a new image.
    pub fn count_birth(&self) -> bool {
        let births = self.births.fetch_add(1, Ordering::Relaxed) + 1;
        births % AGAIN == FIRST && !self.is_refused()
    }

    /// Uses the image; `None` if there is none.
    #[inline]
    pub fn with<R>(&self, body: impl FnOnce(&Image) -> R) -> Option<R> {
        self.image.read().as_ref().map(body)
    }

    /// From now on this is the image.
    pub fn set(&self, image: Image) {
        *self.image.write() = Some(image);
    }

    /// There will be no image: what it was made of cannot be copied.
    pub fn refuse(&self) {
        self.refused.store(true, Ordering::Relaxed);
        *self.image.write() = None;
    }

    /// Whether there will be no image.
    pub fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Mould;

    #[test]
    fn the_second_birth_makes_the_image_and_one_of_thousands_makes_it_anew() {
        let nursery = Nursery::default();
        let making: Vec<usize> = (1..=2 * AGAIN).filter(|_| nursery.count_birth()).collect();
        assert_eq!(making, [FIRST, FIRST + AGAIN]);
        assert_eq!(nursery.with(Image::size), None);
    }

    #[test]
    fn a_refusal_is_for_good() {
        let nursery = Nursery::default();
        nursery.set(Image::of(&Mould::new().unwrap(), 0).unwrap());
        assert_eq!(nursery.with(Image::size), Some(0));
        nursery.refuse();
        assert_eq!(nursery.with(Image::size), None);
        assert!(!(0..AGAIN).any(|_| nursery.count_birth()));
    }
}
