//! What sleeping processes may keep for themselves, all of the program together.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that all may keep together.
const ALL: usize = 16 << 20;

/// Bytes that are kept now.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// One process's part of it.
#[derive(Default)]
pub struct Allowance {
    taken: Cell<usize>,
}

impl Allowance {
    /// Takes `bytes`, if that is not too much. Nothing may be taken already.
    pub fn take(&self, bytes: usize) -> bool {
        debug_assert_eq!(self.taken.get(), 0);
        if TAKEN.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > ALL {
            TAKEN.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        self.taken.set(bytes);
        true
    }

    /// Gives back what was taken, if anything was.
    pub fn give_back(&self) {
        let taken = self.taken.take();
        if taken > 0 {
            TAKEN.fetch_sub(taken, Ordering::Relaxed);
        }
    }
}

impl Drop for Allowance {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use parking_lot::Mutex;

    /// Held by tests that use up the allowance, or need some of it.
    pub static ALONE: Mutex<()> = Mutex::new(());

    #[test]
    fn all_together_get_no_more_than_there_is() {
        let _alone = ALONE.lock();
        let (first, second, third) = (Allowance::default(), Allowance::default(), Allowance::default());
        assert!(!first.take(ALL + 1));
        assert!(first.take(ALL / 2));
        assert!(!second.take(ALL));
        assert!(second.take(ALL / 4));
        assert!(!third.take(ALL / 2));
        drop(first);
        assert!(third.take(ALL / 2));
        third.give_back();
        third.give_back();
        assert!(third.take(ALL / 2));
    }
}
