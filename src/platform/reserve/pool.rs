//! The pool: small blocks among the zeroed data of the library.

use std::alloc::Layout;
use std::cell::UnsafeCell;
use std::ptr;

/// From this size on, in bytes, a block is large, and not one of the pool's.
pub const LARGE: usize = 64 << 10;

/// Bytes of the pool.
pub(super) const POOL: usize = 4 << 20;

/// Bytes of its smallest blocks.
const SMALLEST: usize = 32;

/// Sizes of its blocks: 32 bytes to 64 KiB.
const CLASSES: usize = 12;

static BYTES: Bytes = Bytes(UnsafeCell::new([0; POOL]));

#[repr(C, align(65536))]
struct Bytes(UnsafeCell<[u8; POOL]>);

// SAFETY: only the pool gives the bytes away, each once at a time.
unsafe impl Sync for Bytes {}

/// A block of the pool that is not in use.
struct Free {
    next: *mut Free,
}

/// Which bytes of the pool are in use. **Invariant:** a block in a list of `free` is used by nobody and begins with the way to
/// the next.
pub(super) struct Pool {
    /// Bytes from the start on that were in use at some time.
    reached: usize,
    free: [*mut Free; CLASSES],
}

/// Whether the block is one of the pool.
#[inline(always)]
pub fn holds(block: *mut u8) -> bool {
    (block as usize).wrapping_sub(BYTES.0.get() as usize) < POOL
}

/// The class of a block in the pool.
fn class_of(layout: Layout) -> usize {
    let bytes = layout.size().max(layout.align()).max(SMALLEST).next_power_of_two();
    (bytes.trailing_zeros() - SMALLEST.trailing_zeros()) as usize
}

/// Bytes that a block takes in the pool.
pub(super) fn bytes_of(layout: Layout) -> usize {
    SMALLEST << class_of(layout)
}

impl Pool {
    pub(super) const EMPTY: Pool = Pool { reached: 0, free: [ptr::null_mut(); CLASSES] };

    /// A block, or null if none is left.
    pub(super) fn take(&mut self, layout: Layout) -> *mut u8 {
        let class = class_of(layout);
        let Some(first) = self.free.get_mut(class) else { return ptr::null_mut() };
        // SAFETY: a block that is not in use begins with the way to the next.
        if let Some(&Free { next }) = unsafe { first.as_ref() } {
            return std::mem::replace(first, next).cast();
        }
        let bytes = bytes_of(layout);
        // Blocks are aligned to their size.
        let start = self.reached.next_multiple_of(bytes);
        if start + bytes > POOL {
            return ptr::null_mut();
        }
        self.reached = start + bytes;
        // SAFETY: within the pool.
        unsafe { BYTES.0.get().cast::<u8>().add(start) }
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// The block came from `take` with the same layout, and is not used any more.
    pub(super) unsafe fn put(&mut self, block: *mut u8, layout: Layout) {
        if let Some(first) = self.free.get_mut(class_of(layout)) {
            let block = block.cast::<Free>();
            // SAFETY: a block of at least a word, which nobody uses.
            unsafe { block.write(Free { next: *first }) };
            *first = block;
        }
    }
}
