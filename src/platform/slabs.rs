//! Small blocks of one state beyond its arena: they are cut from *slabs*, side by side, in the order in which they are asked for.
//! Blocks of the C library's would lie wherever something was free, each with a header of its own, and code that goes through many
//! of them would wait for memory.
//!
//! Freed blocks stay in the lists of their classes ([`super::size_class`]). Nothing is counted when a block is taken or freed: only
//! [`Slabs::sweep`] finds out which slabs are free as a whole, by adding up what the lists hold of each.
//!
//! **Invariant:** a slab stands at a multiple of its size, so the address of a block leads to its slab. What was cut from a slab is
//! in use, or stands in one of the lists.

use super::regions::{Piece, Regions};
use super::size_class::{CLASSES, Free};
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// Where slabs stand: at multiples of so many bytes. Larger ones would be half empty in processes that do little.
const SIZE: usize = 2 << 10;

/// Where slabs come from.
static REGIONS: Regions = Regions::new(SIZE, 256 << 10, 4);

/// The beginning of a slab.
struct Slab {
    /// The one that was made before.
    older: *mut Slab,
    /// See [`Piece::from_raw`].
    origin: *mut (),
    /// Bytes from the start on that were cut, these included.
    cut: usize,
    /// While sweeping: bytes of it that stand in the lists.
    free: usize,
}

/// The slabs of one state.
pub struct Slabs {
    /// Blocks are cut from this one only.
    newest: Cell<*mut Slab>,
    /// How many there are.
    count: Cell<usize>,
}

impl Default for Slabs {
    /// None.
    fn default() -> Self {
        Slabs { newest: Cell::new(ptr::null_mut()), count: Cell::new(0) }
    }
}

/// The slab of a block.
fn slab_of(block: *const Free) -> *mut Slab {
    block.map_addr(|address| address & !(SIZE - 1)).cast_mut().cast()
}

/// Gives a slab back to where it came from.
///
/// # Safety
/// It came from [`Slabs::add`], and nothing in it is used any more.
unsafe fn give_back(slab: *mut Slab) {
    // SAFETY: the values that `add` was given.
    unsafe {
        if let Some(start) = NonNull::new(slab.cast()) {
            drop(Piece::from_raw(start, (*slab).origin));
        }
    }
}

impl Slabs {
    /// A block of so many bytes, a multiple of eight and at most a class's; null if a new slab is needed.
    #[inline]
    pub fn cut(&self, bytes: usize) -> *mut u8 {
        // SAFETY: a slab of ours, if there is one.
        let Some(slab) = (unsafe { self.newest.get().as_mut() }) else { return ptr::null_mut() };
        if bytes > SIZE - slab.cut {
            return ptr::null_mut();
        }
        let block = ptr::from_mut(slab).cast::<u8>().wrapping_add(slab.cut);
        slab.cut += bytes;
        block
    }

    /// Makes a new slab. `false` if there is no memory.
    pub fn add(&self) -> bool {
        let Some(piece) = REGIONS.take(SIZE) else { return false };
        let (start, origin) = piece.into_raw();
        let slab = start.as_ptr().cast::<Slab>();
        // SAFETY: a new piece, larger than its beginning.
        unsafe { slab.write(Slab { older: self.newest.get(), origin, cut: size_of::<Slab>(), free: 0 }) };
        self.newest.set(slab);
        self.count.set(self.count.get() + 1);
        true
    }

    /// Gives back the slabs of which every block stands in the lists, and takes these blocks out of them. How many bytes of others
    /// are left in the lists. `is_other` tells blocks that stand in no slab.
    ///
    /// # Safety
    /// All blocks in the lists are free. Each is of the class of its list, and of a slab of ours unless `is_other`.
    pub unsafe fn sweep(
        &self,
        lists: &[Cell<*mut Free>; CLASSES],
        is_other: impl Fn(*const u8) -> bool,
    ) -> usize {
        // SAFETY: as the caller says; slabs are ours until they are freed.
        unsafe {
            self.each(|slab| (*slab).free = 0);
            let mut left = 0;
            for (class, list) in lists.iter().enumerate() {
                let mut block = list.get();
                while let Some(&Free { next }) = block.as_ref() {
                    if !is_other(block.cast()) {
                        (*slab_of(block)).free += class << 3;
                        left += class << 3;
                    }
                    block = next;
                }
            }
            let is_free = |slab: *mut Slab| (*slab).free + size_of::<Slab>() == (*slab).cut;
            for list in lists {
                // Where the way to the next block that stays is noted.
                let mut from: *mut *mut Free = list.as_ptr();
                while let Some(&Free { next }) = (*from).as_ref() {
                    if !is_other((*from).cast()) && is_free(slab_of(*from)) {
                        *from = next;
                    } else {
                        from = &raw mut (**from).next;
                    }
                }
            }
            let mut from: *mut *mut Slab = self.newest.as_ptr();
            while !(*from).is_null() {
                let slab = *from;
                if is_free(slab) {
                    left -= (*slab).free;
                    *from = (*slab).older;
                    give_back(slab);
                    self.count.set(self.count.get() - 1);
                } else {
                    from = &raw mut (*slab).older;
                }
            }
            left
        }
    }

    /// Calls `act` with each slab, which may free it.
    fn each(&self, act: impl Fn(*mut Slab)) {
        let mut slab = self.newest.get();
        while !slab.is_null() {
            // SAFETY: a slab of ours, until `act` is called.
            let older = unsafe { (*slab).older };
            act(slab);
            slab = older;
        }
    }

    /// Bytes of all slabs.
    pub fn bytes(&self) -> usize {
        self.count.get() * SIZE
    }
}

impl Drop for Slabs {
    fn drop(&mut self) {
        // SAFETY: from `add`, and nothing in it is used any more.
        self.each(|slab| unsafe { give_back(slab) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::size_class::class_of;

    fn block(slabs: &Slabs, size: usize) -> *mut u8 {
        let bytes = class_of(size).1;
        let block = slabs.cut(bytes);
        if block.is_null() && slabs.add() { slabs.cut(bytes) } else { block }
    }

    /// Puts a block into the list of its class.
    fn free(lists: &[Cell<*mut Free>; CLASSES], block: *mut u8, size: usize) {
        let list = &lists[class_of(size).0];
        // SAFETY: the block is the test's, and at least a word.
        unsafe { block.cast::<Free>().write(Free { next: list.get() }) };
        list.set(block.cast());
    }

    fn length(list: &Cell<*mut Free>) -> usize {
        // SAFETY: a list of free blocks.
        std::iter::successors(unsafe { list.get().as_ref() }, |free| unsafe { free.next.as_ref() }).count()
    }

    #[test]
    fn blocks_stand_side_by_side() {
        let slabs = Slabs::default();
        let blocks: Vec<usize> = (0..40).map(|_| block(&slabs, 40) as usize).collect();
        let gaps = blocks.windows(2).filter(|pair| pair[0] + 40 != pair[1]).count();
        assert_eq!((gaps, slabs.count.get()), (0, 1));
        assert!(block(&slabs, 264) as usize > blocks[39]);
        assert!((0..2000).all(|_| !block(&slabs, 264).is_null()) && slabs.count.get() > 100);
    }

    #[test]
    fn only_slabs_that_are_free_as_a_whole_go() {
        let slabs = Slabs::default();
        let lists = [const { Cell::new(ptr::null_mut()) }; CLASSES];
        let sizes = [16, 264, 40, 8, 100];
        let blocks: Vec<(*mut u8, usize)> =
            (0..5000).map(|number| (block(&slabs, sizes[number % 5]), sizes[number % 5])).collect();
        let all = slabs.count.get();
        let other = Free { next: ptr::null_mut() };
        let place = ptr::from_ref(&other).cast_mut().cast::<u8>();
        let is_other = |block: *const u8| ptr::eq(block, place);
        free(&lists, place, 40);
        // One of the first slab stays in use, and all in the second half.
        for &(block, size) in &blocks[1..2500] {
            free(&lists, block, size);
        }
        // SAFETY: the lists hold blocks that were freed just now.
        let left = unsafe { slabs.sweep(&lists, is_other) };
        assert!(slabs.count.get() < all / 2 + 3 && slabs.count.get() > all / 2 - 3);
        let listed: usize = lists.iter().enumerate().map(|(class, list)| length(list) * (class << 3)).sum();
        assert_eq!(left + 40, listed);
        assert!(left < 3 * SIZE);
        for &(block, size) in blocks[2500..].iter().chain(&blocks[..1]) {
            free(&lists, block, size);
        }
        // SAFETY: as before.
        assert_eq!(unsafe { slabs.sweep(&lists, is_other) }, 0);
        assert_eq!((slabs.count.get(), length(&lists[5])), (0, 1));
        assert!(!block(&slabs, 40).is_null());
    }
}
