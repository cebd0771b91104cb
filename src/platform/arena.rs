//! Memory in one piece for the blocks that a Lua state is born with, some hundreds of them that live until its end. They stand
//! close together, without what the C library puts between its blocks, and all go at once.

use parking_lot::Mutex;
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// How many empty ones are kept for the next states, so that these find memory that was touched before.
const SPARE: usize = 4;

/// A piece that nobody uses.
struct Spare {
    start: NonNull<u8>,
    size: usize,
}

// SAFETY: nobody else knows the piece.
unsafe impl Send for Spare {}

static SPARES: Mutex<Vec<Spare>> = Mutex::new(Vec::new());

/// The piece of one state.
pub struct Arena {
    start: Cell<*mut u8>,
    /// Bytes in all.
    size: Cell<usize>,
    /// Bytes that are given away, from the start on.
    taken: Cell<usize>,
}

impl Default for Arena {
    /// One without any room.
    fn default() -> Self {
        Arena { start: Cell::new(ptr::null_mut()), size: Cell::new(0), taken: Cell::new(0) }
    }
}

impl Arena {
    /// Gives an arena without room `size` bytes, if the system has them.
    pub fn make_room(&self, size: usize) {
        let spare = {
            let mut spares = SPARES.lock();
            spares.iter().rposition(|spare| spare.size == size).map(|place| spares.swap_remove(place))
        };
        let start = match spare {
            Some(Spare { start, .. }) => start.as_ptr(),
            // SAFETY: has no preconditions.
            None if size > 0 => unsafe { libc::malloc(size) }.cast(),
            None => ptr::null_mut(),
        };
        if !start.is_null() {
            self.start.set(start);
            self.size.set(size);
        }
    }

    /// A block of `bytes`, a multiple of eight; null if there is no room for it.
    #[inline(always)]
    pub fn take(&self, bytes: usize) -> *mut u8 {
        let taken = self.taken.get();
        if bytes > self.size.get() - taken {
            return ptr::null_mut();
        }
        self.taken.set(taken + bytes);
        // SAFETY: within the piece, as was just seen.
        unsafe { self.start.get().add(taken) }
    }

    /// Whether a block is one of these.
    #[inline(always)]
    pub fn holds(&self, block: *const u8) -> bool {
        (block as usize).wrapping_sub(self.start.get() as usize) < self.size.get()
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let Some(start) = NonNull::new(self.start.get()) else { return };
        let mut spares = SPARES.lock();
        if spares.len() < SPARE {
            spares.push(Spare { start, size: self.size.get() });
            return;
        }
        drop(spares);
        // SAFETY: it came from `malloc`, and the blocks in it are not used any more.
        unsafe { libc::free(start.as_ptr().cast()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_stand_side_by_side_until_the_room_is_used_up() {
        let arena = Arena::default();
        assert!(arena.take(8).is_null() && !arena.holds(ptr::null()));
        arena.make_room(1000);
        let (first, second) = (arena.take(40), arena.take(952));
        assert_eq!(first as usize + 40, second as usize);
        assert!(arena.take(16).is_null());
        let last = arena.take(8);
        assert_eq!(second as usize + 952, last as usize);
        assert!(arena.take(8).is_null());
        assert!(arena.holds(first) && arena.holds(last));
        let outside = first.wrapping_add(1000);
        assert!(!arena.holds(outside) && !arena.holds(first.wrapping_sub(1)));
    }

    #[test]
    fn one_of_the_same_size_gets_the_same_memory() {
        const SIZE: usize = 12_344;
        // The places for spare pieces are those of the whole program: other tests may have taken them.
        let found = (0..1000).any(|_| {
            let arena = Arena::default();
            arena.make_room(SIZE);
            let first = arena.take(8);
            drop(arena);
            let (larger, same) = (Arena::default(), Arena::default());
            larger.make_room(SIZE + 8);
            same.make_room(SIZE);
            assert!(!larger.holds(first));
            same.take(8) == first
        });
        assert!(found);
    }
}
