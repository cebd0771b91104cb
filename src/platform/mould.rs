//! The memory of a state that an [`Image`](super::image::Image) is taken of: one piece that holds every block.
//!
//! **Invariant:** every byte of the piece that belongs to no block is zero, but for the first word of a free block, which leads to
//! the next. Stale bytes could look like pointers, and an image would change them.

use super::arena::ALIGNED;
use super::regions;
use super::size_class::{CLASSES, Free, class_of};
use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr::{self, NonNull};

/// Bytes in all: several times what all libraries take.
const SIZE: usize = 256 << 10;

/// A free block that is too large for a class.
#[derive(Clone, Copy)]
struct Hole {
    start: *mut u8,
    bytes: usize,
}

/// The memory of one state.
pub struct Mould {
    start: NonNull<u8>,
    /// Bytes that were given away once, from the start on.
    taken: Cell<usize>,
    /// Bytes that the state uses.
    used: Cell<usize>,
    /// Free blocks of each class.
    free: [Cell<*mut Free>; CLASSES],
    holes: RefCell<Vec<Hole>>,
}

impl Mould {
    /// An empty one, `None` if there is no memory.
    pub fn new() -> Option<Self> {
        let start = NonNull::new(regions::allocate(ALIGNED, SIZE))?;
        // SAFETY: a new piece of so many bytes.
        unsafe { start.write_bytes(0, SIZE) };
        Some(Mould {
            start,
            taken: Cell::new(0),
            used: Cell::new(0),
            free: [const { Cell::new(ptr::null_mut()) }; CLASSES],
            holes: RefCell::default(),
        })
    }

    /// Its start.
    pub fn start(&self) -> *const u8 {
        self.start.as_ptr()
    }

    /// Where its blocks stand.
    pub fn extent(&self) -> std::ops::Range<usize> {
        let start = self.start.as_ptr() as usize;
        start..start + SIZE
    }

    /// Its words, up to the last that was ever used.
    pub fn words(&self) -> &[u64] {
        // SAFETY: the piece is aligned for words, and zeroed where nobody has written; `taken` is a multiple of eight. Nobody
        // writes while the caller reads: one thread uses the state.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.taken.get() / 8) }
    }

    /// Bytes that the state uses.
    pub fn used(&self) -> usize {
        self.used.get()
    }

    /// Pieces of it that are free and too large for a class: where they begin, in bytes from the start, and how many bytes each has.
    pub fn holes(&self) -> Vec<(usize, usize)> {
        let holes = self.holes.borrow();
        holes.iter().map(|hole| (hole.start.addr() - self.start.addr().get(), hole.bytes)).collect()
    }

    /// The first free block of each class, as an address; 0 for none.
    pub fn free_blocks(&self) -> [usize; CLASSES] {
        std::array::from_fn(|class| self.free[class].get() as usize)
    }

    /// What `lua_Alloc` does: makes, resizes or frees a block. Null if there is no room.
    ///
    /// # Safety
    /// `block` is null, or came from here and has `old` bytes and is not used any more.
    pub unsafe fn reallocate(&self, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
        let old = if block.is_null() { 0 } else { old };
        let ((old_class, _), (new_class, _)) = (class_of(old), class_of(new));
        if !block.is_null() && old_class == new_class {
            // SAFETY: the caller's block.
            unsafe { clear(block.cast(), new, old) };
            self.used.set(self.used.get() - old + new);
            return block;
        }
        let moved = if new == 0 { ptr::null_mut() } else { self.allocate(new) };
        if new != 0 && moved.is_null() {
            return ptr::null_mut();
        }
        if !block.is_null() {
            // SAFETY: two blocks, of `old` and of `new` bytes; the old one is not used any more.
            unsafe {
                if !moved.is_null() {
                    ptr::copy_nonoverlapping(block.cast::<u8>(), moved, old.min(new));
                }
                self.free(block.cast(), old);
            }
        }
        self.used.set(self.used.get() - old + new);
        moved.cast()
    }

    /// A block of zeros.
    fn allocate(&self, size: usize) -> *mut u8 {
        let (class, bytes) = class_of(size);
        if let Some(free) = self.free.get(class)
            // SAFETY: a free block leads to the next.
            && let Some(first) = unsafe { free.get().as_mut() }
        {
            free.set(first.next);
            first.next = ptr::null_mut();
            return ptr::from_mut(first).cast();
        }
        let mut holes = self.holes.borrow_mut();
        if let Some(hole) = holes.iter_mut().find(|hole| hole.bytes >= bytes) {
            let block = hole.start;
            hole.bytes -= bytes;
            hole.start = block.wrapping_add(bytes);
            return block;
        }
        let taken = self.taken.get();
        if bytes > SIZE - taken {
            return ptr::null_mut();
        }
        self.taken.set(taken + bytes);
        // SAFETY: within the piece, as was just seen.
        unsafe { self.start.as_ptr().add(taken) }
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// It came from here, has `size` bytes, and nobody uses it any more.
    unsafe fn free(&self, block: *mut u8, size: usize) {
        let (class, bytes) = class_of(size);
        // SAFETY: as the caller says.
        unsafe { clear(block, 0, bytes) };
        match self.free.get(class) {
            Some(free) => {
                // SAFETY: the block is at least a word, and nobody else uses it.
                unsafe { block.cast::<Free>().write(Free { next: free.get() }) };
                free.set(block.cast());
            }
            None => self.holes.borrow_mut().push(Hole { start: block, bytes }),
        }
    }
}

/// The allocator of a state whose memory is a mould, which is `data`.
///
/// # Safety
/// Called by the state, as its allocator.
pub unsafe extern "C" fn allocate(
    data: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: as the caller says.
    unsafe { (*data.cast::<Mould>()).reallocate(block, old, new) }
}

/// Clears the bytes of a block from `from` up to `to`; nothing if there are none between.
///
/// # Safety
/// The block has `to` bytes, and what is cleared is not used.
unsafe fn clear(block: *mut u8, from: usize, to: usize) {
    if from < to {
        // SAFETY: as the caller says.
        unsafe { block.add(from).write_bytes(0, to - from) };
    }
}

impl Drop for Mould {
    fn drop(&mut self) {
        // SAFETY: it came from `allocate`, and its state is not used any more.
        unsafe { libc::free(self.start.as_ptr().cast()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block of `size` bytes, each of which is `byte`.
    fn block(mould: &Mould, size: usize, byte: u8) -> *mut c_void {
        // SAFETY: a new block of `size` bytes.
        unsafe {
            let block = mould.reallocate(ptr::null_mut(), 0, size);
            assert!(std::slice::from_raw_parts(block.cast::<u8>(), size).iter().all(|&byte| byte == 0));
            block.write_bytes(byte, size);
            block
        }
    }

    #[test]
    fn every_block_is_zero_at_first_wherever_it_comes_from() {
        let mould = Mould::new().unwrap();
        for size in [40, 300, 5000, 40, 300, 200] {
            let (first, second) = (block(&mould, size, 255), block(&mould, size, 255));
            // SAFETY: each block has the size that is given, and is freed once.
            unsafe {
                let shrunk = mould.reallocate(first, size, size / 2);
                let grown = mould.reallocate(shrunk, size / 2, size);
                let bytes = std::slice::from_raw_parts(grown.cast::<u8>(), size);
                assert!(bytes[..size / 2].iter().all(|&byte| byte == 255));
                assert!(bytes[size / 2..].iter().all(|&byte| byte == 0));
                mould.reallocate(grown, size, 0);
                mould.reallocate(second, size, 0);
            }
        }
        assert_eq!(mould.used(), 0);
        let free = mould.free_blocks();
        let base = mould.start() as u64;
        let stale =
            mould.words().iter().filter(|&&word| word != 0 && !(base..base + SIZE as u64).contains(&word));
        assert_eq!((stale.count(), free[5] != 0, free[6]), (0, true, 0));
    }

    #[test]
    fn what_does_not_fit_is_refused_and_the_block_stays() {
        let mould = Mould::new().unwrap();
        let held = block(&mould, 100, 7);
        // SAFETY: a refused block stays as it was.
        unsafe {
            assert!(mould.reallocate(held, 100, SIZE).is_null());
            assert_eq!((mould.used(), *held.cast::<u8>()), (100, 7));
        }
    }
}
