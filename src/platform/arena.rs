//! Memory in one piece for the blocks that a Lua state is born with, some hundreds of them that live until its end. They stand
//! close together, without what the C library puts between its blocks, and all go at once.

use parking_lot::Mutex;
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// How many empty ones are kept for the next states, so that these find memory that was touched before.
const SPARE: usize = 4;

/// Where pieces stand: at multiples of so many bytes (see [`super::image`]).
pub(super) const ALIGNED: usize = 256;

/// How many holes an arena knows.
pub(super) const HOLES: usize = 6;

/// Free pieces inside of what is given away: where each begins, in bytes from the start, and its size, 0 for none.
pub(super) type Holes = [(usize, usize); HOLES];

/// A piece of so many bytes, to be freed with `free`; null if there is no memory.
pub(super) fn allocate(bytes: usize) -> *mut u8 {
    let mut start = ptr::null_mut();
    // SAFETY: the alignment is a power of two, and a multiple of the size of a pointer.
    let failed = unsafe { libc::posix_memalign(&mut start, ALIGNED, bytes) } != 0;
    if failed { ptr::null_mut() } else { start.cast() }
}

/// A piece that nobody uses.
struct Spare {
    start: NonNull<u8>,
    size: usize,
}

// SAFETY: nobody else knows the piece.
unsafe impl Send for Spare {}

/// Pieces that nobody uses.
struct Spares(Mutex<Vec<Spare>>);

static SPARES: Spares = Spares(Mutex::new(Vec::new()));

impl Spares {
    /// Takes a piece of just this size, the one that was used last.
    fn take(&self, size: usize) -> Option<NonNull<u8>> {
        let mut spares = self.0.lock();
        let place = spares.iter().rposition(|spare| spare.size == size)?;
        Some(spares.swap_remove(place).start)
    }

    /// Keeps a piece. `false` if there are enough.
    fn keep(&self, start: NonNull<u8>, size: usize) -> bool {
        let mut spares = self.0.lock();
        let keeps = spares.len() < SPARE;
        if keeps {
            spares.push(Spare { start, size });
        }
        keeps
    }
}

/// The piece of one state.
pub struct Arena {
    start: Cell<*mut u8>,
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
            size: Cell::new(0),
            taken: Cell::new(0),
            holes: Cell::default(),
        }
    }
}

impl Arena {
    /// Gives an arena without room `size` bytes, if the system has them.
    pub fn make_room(&self, size: usize) {
        let start = match SPARES.take(size) {
            Some(start) => start.as_ptr(),
            None if size > 0 => allocate(size),
            None => ptr::null_mut(),
        };
        if !start.is_null() {
            self.start.set(start);
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
        if SPARES.keep(start, self.size.get()) {
            return;
        }
        // SAFETY: it came from `allocate`, and the blocks in it are not used any more.
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

    #[test]
    fn a_piece_serves_the_next_of_its_size_and_few_are_kept() {
        let spares = Spares(Mutex::new(Vec::new()));
        let mut bytes = [0u8; SPARE + 1];
        let pieces: Vec<NonNull<u8>> = bytes.iter_mut().map(NonNull::from).collect();
        assert!((0..SPARE).all(|place| spares.keep(pieces[place], 100 + place / 2)));
        assert!(!spares.keep(pieces[SPARE], 100));
        assert_eq!(
            (spares.take(100), spares.take(100), spares.take(100)),
            (Some(pieces[1]), Some(pieces[0]), None)
        );
        assert_eq!((spares.take(99), spares.take(101)), (None, Some(pieces[3])));
    }
}
