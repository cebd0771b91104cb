//! A Lua state as bytes: the blocks of a state at rest that stand in one piece ([`Mould`]), and which of its words point into that
//! piece. A copy at another address is a state of its own when these words are moved along.
//!
//! This needs an address to be a word of its own, in its place, or to have nothing but a tag beside it. So it is with Lua 5.4 on
//! 64 bits, and with LuaJIT if it has pointers of 64 bits ("GC64"): these have 17 bits of tag above 47 of address.
//!
//! **Invariant:** the original and its copies stand at multiples of [`ALIGNED`]. Lua 5.4 has the tag of a value in the first byte
//! of a word, and leaves in the others what a C compiler happens to copy. So such a word may look like an address. It keeps its tag
//! when it is moved along, since the first byte of an address never changes.

use super::arena::{ALIGNED, HOLES, Holes};
use super::mould::Mould;
use super::size_class::{CLASSES, Free};

/// Where a copy is.
pub struct Copy {
    /// Its first block.
    pub start: *mut u8,
    /// The address that leads to the state.
    pub entry: usize,
}

/// Whether addresses stand in memory as this page expects it.
pub const KNOWN_LAYOUT: bool = cfg!(target_pointer_width = "64");

/// The part of a word that is an address.
const ADDRESS: u64 = if cfg!(feature = "luajit") { (1 << 47) - 1 } else { u64::MAX };

/// The bytes of a state at rest.
pub struct Image {
    words: Vec<u64>,
    /// Where the first word stood.
    base: u64,
    /// The address that leads to the state.
    entry: usize,
    /// Words that point into the image.
    pointers: Vec<u32>,
    /// Bytes that its state uses.
    used: usize,
    /// The first free block of each class, as an address; 0 for none.
    free: [usize; CLASSES],
    /// The largest pieces that are free besides.
    holes: Holes,
}

impl Image {
    /// The image of what stands in a mould, whose state is at rest; `entry` leads to the state. `None` if there is no memory.
    pub fn of(mould: &Mould, entry: usize) -> Option<Self> {
        let words = mould.words();
        let base = mould.start() as u64;
        // An address right behind the last block may be the end of something.
        let all = base..=base + 8 * words.len() as u64;
        let mut copy = Vec::new();
        let mut pointers = Vec::new();
        copy.try_reserve_exact(words.len()).ok()?;
        let count = words.iter().filter(|&&word| all.contains(&(word & ADDRESS))).count();
        pointers.try_reserve_exact(count).ok()?;
        copy.extend_from_slice(words);
        let mut holes = mould.holes();
        holes.sort_unstable_by_key(|hole| std::cmp::Reverse(hole.1));
        holes.resize(HOLES, (0, 0));
        let holes = std::array::from_fn(|place| holes[place]);
        pointers.extend(
            (0..).zip(words).filter(|(_, word)| all.contains(&(**word & ADDRESS))).map(|(place, _)| place),
        );
        Some(Image {
            words: copy,
            base,
            entry,
            pointers,
            used: mould.used(),
            free: mould.free_blocks(),
            holes,
        })
    }

    /// Bytes in all.
    pub fn size(&self) -> usize {
        8 * self.words.len()
    }

    /// The largest pieces of it that are free.
    pub(super) fn holes(&self) -> Holes {
        self.holes
    }

    /// Bytes that its state uses.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Whether no word is an address of `size` bytes from `start` on.
    pub fn knows_nothing_of(&self, start: usize, size: usize) -> bool {
        let there = start as u64..(start + size) as u64;
        !self.words.iter().any(|word| there.contains(&(word & ADDRESS)))
    }

    /// The address that leads to the copy at `start`.
    pub(super) fn entry_at(&self, start: *const u8) -> usize {
        self.entry.wrapping_sub(self.base as usize).wrapping_add(start as usize)
    }

    /// Copies the state to `start`, and gives the first free block of each class there.
    ///
    /// # Safety
    /// There is room for [`Image::size`] bytes, at a multiple of [`ALIGNED`], that nobody uses.
    pub(super) unsafe fn copy_to(&self, start: *mut u8) -> [*mut Free; CLASSES] {
        debug_assert!((start as usize).is_multiple_of(ALIGNED));
        let copy = start.cast::<u64>();
        let moved = (start as u64).wrapping_sub(self.base);
        // SAFETY: the caller's room; every place is one of a word of the image.
        unsafe {
            copy.copy_from_nonoverlapping(self.words.as_ptr(), self.words.len());
            for &place in &self.pointers {
                let word = copy.add(place as usize);
                // Addresses stay below the tag, so nothing is carried into it.
                *word = (*word).wrapping_add(moved);
            }
        }
        self.free.map(|block| match block {
            0 => std::ptr::null_mut(),
            block => (block as u64).wrapping_add(moved) as *mut Free,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr;

    #[test]
    fn a_copy_points_into_itself_and_has_everything_else_as_it_was() {
        let mould = Mould::new().unwrap();
        // SAFETY: new blocks of so many bytes; each is freed once.
        let (first, second) = unsafe {
            let first = mould.reallocate(ptr::null_mut(), 0, 16).cast::<u64>();
            let second = mould.reallocate(ptr::null_mut(), 0, 24).cast::<u64>();
            let freed = mould.reallocate(ptr::null_mut(), 0, 40);
            mould.reallocate(freed, 40, 0);
            first.write(second as u64);
            first.add(1).write(77);
            second.write(first as u64 + 8);
            second.add(1).write(second as u64 | (!ADDRESS & 5 << 47));
            (first as usize, second as usize)
        };
        let image = Image::of(&mould, second).unwrap();
        assert_eq!((image.size(), image.used(), image.pointers.len()), (80, 40, 3));
        assert!(image.knows_nothing_of(second + 8, 8) && !image.knows_nothing_of(first, 16));
        #[repr(align(256))]
        struct Room([u64; 10]);
        let mut room = Room([0; 10]);
        let start = room.0.as_mut_ptr();
        // SAFETY: the room has ten words.
        let free = unsafe { image.copy_to(start.cast()) };
        let at = |word: usize| start as u64 + 8 * word as u64;
        assert_eq!(room.0[..5], [at(2), 77, at(1), at(2) | (!ADDRESS & 5 << 47), 0]);
        assert_eq!((free[5] as u64, free[4] as u64), (at(5), 0));
        assert_eq!(image.entry_at(start.cast()) as u64, at(2));
    }
}
