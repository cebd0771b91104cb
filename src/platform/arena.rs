//! Memory in one piece for the blocks that a Lua state is born with, some hundreds of them that live until its end. They stand
//! close together, without what the C library puts between its blocks, and all go at once.

use super::regions::{Piece, Regions};
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// Where pieces stand: at multiples of so many bytes (see [`super::image`]).
pub(super) const ALIGNED: usize = 256;

/// How many holes an arena knows.
pub(super) const HOLES: usize = 6;

/// Free pieces inside of what is given away: where each begins, in bytes from the start, and its size, 0 for none.
pub(super) type Holes = [(usize, usize); HOLES];

/// Where arenas come from.
static REGIONS: Regions = Regions::new(ALIGNED, 1 << 20, 4);

/// The piece of one state.
pub struct Arena {
    start: Cell<*mut u8>,
    /// See [`Piece::from_raw`].
    origin: Cell<*mut ()>,
    /// Bytes in all.
    size: Cell<usize>,
    /// Bytes that are given away, from the start on.
    taken: Cell<usize>,
    /// They are used up first.
    holes: Cell<Holes>,
}

impl Default for Arena {
    /// One without any room.
    fn default() -> Self {
        Arena {
            start: Cell::new(ptr::null_mut()),
            origin: Cell::new(ptr::null_mut()),
            size: Cell::new(0),
            taken: Cell::new(0),
            holes: Cell::default(),
        }
    }
}

impl Arena {
    /// Gives an arena without room `size` bytes, if the system has them.
    pub fn make_room(&self, size: usize) {
        if size > 0
            && let Some(piece) = REGIONS.take(size)
        {
            let (start, origin) = piece.into_raw();
            self.start.set(start.as_ptr());
            self.origin.set(origin);
            self.size.set(size);
        }
    }

    /// What is given away has these holes.
    pub fn set_holes(&self, holes: Holes) {
        self.holes.set(holes);
    }

    /// A block of `bytes` from a hole, a multiple of eight; null if none has room for it.
    pub fn take_from_hole(&self, bytes: usize) -> *mut u8 {
        let mut holes = self.holes.get();
        let Some((at, size)) = holes.iter_mut().find(|(_, size)| *size >= bytes) else {
            return ptr::null_mut();
        };
        let block = self.start.get().wrapping_add(*at);
        (*at, *size) = (*at + bytes, *size - bytes);
        self.holes.set(holes);
        block
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
        // SAFETY: the values that `make_room` was given; the blocks in it are not used any more.
        drop(unsafe { Piece::from_raw(start, self.origin.get()) });
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
    fn holes_are_used_up_piece_by_piece() {
        let arena = Arena::default();
        assert!(arena.take_from_hole(8).is_null());
        arena.make_room(1000);
        let start = arena.take(1000) as usize;
        let mut holes = Holes::default();
        (holes[0], holes[1]) = ((800, 100), (80, 40));
        arena.set_holes(holes);
        let taken = [96, 40, 8].map(|bytes| arena.take_from_hole(bytes));
        assert_eq!((taken[0] as usize, taken[1] as usize), (start + 800, start + 80));
        assert!(taken[2].is_null());
    }
}
