//! The ballast: address space into which large tables grow when the system has no more.

use super::super::address_space;
use std::ffi::c_void;
use std::ptr;

/// Pieces of ballast that there may be at a time: those that tables have grown into stay until these are gone.
const PIECES: usize = 8;

/// Tables that may have grown into one piece.
const GIVEN: usize = 16;

/// Ballast in one piece.
#[derive(Clone, Copy)]
struct Piece {
    start: *mut u8,
    size: usize,
    /// It is a block of the C library's: where that has all the address space, but does not need it any more.
    borrowed: *mut c_void,
    /// What tables have grown into: first byte and number of bytes, in this order, none of them empty.
    given: [(usize, usize); GIVEN],
    /// How many of these there are.
    count: usize,
}

impl Piece {
    const NONE: Piece = Piece {
        start: ptr::null_mut(),
        size: 0,
        borrowed: ptr::null_mut(),
        given: [(0, 0); GIVEN],
        count: 0,
    };

    /// A piece of `size` bytes, `None` if the system has not so many.
    fn map(size: usize) -> Option<Piece> {
        if let Some(start) = address_space::reserve(size) {
            return Some(Piece { start, size, ..Piece::NONE });
        }
        let page = address_space::whole_pages(1);
        // SAFETY: has no preconditions.
        let borrowed = unsafe { libc::malloc(size.checked_add(page)?) };
        let start = borrowed.cast::<u8>().wrapping_add(borrowed.cast::<u8>().align_offset(page));
        (!borrowed.is_null()).then_some(Piece { start, size, borrowed, ..Piece::NONE })
    }

    /// Gives the address space back; nothing of it may be used.
    fn unmap(self) {
        // SAFETY: it came from `map`, and nothing in it is used.
        unsafe {
            if !self.borrowed.is_null() {
                libc::free(self.borrowed);
            } else if self.size > 0 {
                address_space::give_back(self.start, self.size);
            }
        }
    }

    /// Whether the block lies in the piece.
    fn holds(&self, block: *mut u8) -> bool {
        (block as usize).wrapping_sub(self.start as usize) < self.size
    }

    /// So many bytes, in whole pages, that nobody has; null if there are none in a row.
    fn give(&mut self, size: usize) -> *mut u8 {
        if self.count == GIVEN {
            return ptr::null_mut();
        }
        let mut start = 0;
        let mut place = 0;
        for &(next, bytes) in &self.given[..self.count] {
            if start + size <= next {
                break;
            }
            start = next + bytes;
            place += 1;
        }
        if start + size > self.size {
            return ptr::null_mut();
        }
        // SAFETY: the bytes are within the piece, and given to nobody.
        let block = unsafe { self.start.add(start) };
        // SAFETY: as above.
        if self.borrowed.is_null() && !unsafe { address_space::open(block, size) } {
            return ptr::null_mut();
        }
        self.given.copy_within(place..self.count, place + 1);
        self.given[place] = (start, size);
        self.count += 1;
        block
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// The block came from `give`, and is not used any more.
    unsafe fn take_back(&mut self, block: *mut u8) {
        let start = block as usize - self.start as usize;
        let given = self.given[..self.count].iter().position(|&(own, _)| own == start);
        if let Some(place) = given {
            if self.borrowed.is_null() {
                // SAFETY: pages of the piece, which nobody uses any more.
                unsafe { address_space::close(block, self.given[place].1) };
            }
            self.given.copy_within(place + 1..self.count, place);
            self.count -= 1;
        }
    }
}

/// All pieces.
pub(super) struct Ballast {
    pieces: [Piece; PIECES],
}

impl Ballast {
    pub(super) const EMPTY: Ballast = Ballast { pieces: [Piece::NONE; PIECES] };

    /// Sees to it that there is an unused piece of at least `size` bytes, and none that is far too large. `false` if the system
    /// has not so much.
    pub(super) fn restore(&mut self, size: usize) -> bool {
        let fits = |piece: &Piece| piece.size >= size && piece.size / 8 <= size;
        let mut unused = self.pieces.iter_mut().filter(|piece| piece.count == 0);
        let Some(place) = unused.next() else { return false };
        if fits(place) || unused.any(|piece| fits(piece)) {
            return true;
        }
        // One that does not fit makes way for it.
        let before = std::mem::replace(place, Piece::NONE);
        if before.size >= size {
            before.unmap();
        }
        let fitting = Piece::map(size);
        *place = fitting.unwrap_or(if before.size < size { before } else { Piece::NONE });
        if fitting.is_some() && before.size < size {
            before.unmap();
        }
        fitting.is_some()
    }

    /// A block of the ballast; null if there is none so large.
    pub(super) fn give(&mut self, size: usize) -> *mut u8 {
        let size = address_space::whole_pages(size);
        let given = self.pieces.iter_mut().map(|piece| piece.give(size)).find(|block| !block.is_null());
        given.unwrap_or(ptr::null_mut())
    }

    /// Whether the block is one of the ballast.
    pub(super) fn holds(&mut self, block: *mut u8) -> bool {
        self.piece_of(block).is_some()
    }

    fn piece_of(&mut self, block: *mut u8) -> Option<&mut Piece> {
        self.pieces.iter_mut().find(|piece| piece.holds(block))
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// The block came from `give`, and is not used any more.
    pub(super) unsafe fn take_back(&mut self, block: *mut u8) {
        if let Some(piece) = self.piece_of(block) {
            // SAFETY: as the caller says; it is the piece that gave the block.
            unsafe { piece.take_back(block) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: usize = 1 << 20;

    #[test]
    fn a_piece_gives_what_lies_side_by_side_and_takes_it_back() {
        let page = address_space::whole_pages(1);
        let mut piece = Piece::map(8 * page).unwrap();
        let (first, second, third) = (piece.give(2 * page), piece.give(page), piece.give(4 * page));
        assert_eq!((second.addr() - first.addr(), third.addr() - second.addr()), (2 * page, page));
        assert!(piece.give(2 * page).is_null());
        // SAFETY: the blocks are this test's.
        unsafe {
            first.write_bytes(1, 2 * page);
            third.write_bytes(3, 4 * page);
            piece.take_back(second);
            assert_eq!(piece.give(page), second);
            assert_eq!(second.read(), 0);
            for block in [first, second, third] {
                piece.take_back(block);
            }
        }
        assert_eq!(piece.count, 0);
        piece.unmap();
    }

    #[test]
    fn there_is_always_as_much_ballast_as_was_asked_for() {
        let mut ballast = Ballast::EMPTY;
        assert!(ballast.restore(LEAST));
        let table = ballast.give(LEAST / 2);
        assert!(ballast.give(LEAST).is_null() && ballast.restore(LEAST));
        let other = ballast.give(LEAST);
        assert!(!other.is_null() && ballast.restore(4 * LEAST));
        assert!(!ballast.restore(usize::MAX / 4));
        // SAFETY: the blocks are this test's.
        unsafe {
            ballast.take_back(table);
            ballast.take_back(other);
        }
        assert!(ballast.restore(LEAST));
        ballast.pieces.into_iter().for_each(Piece::unmap);
    }
}
