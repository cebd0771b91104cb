//! Rust's allocator in this library: the system's, and the reserve behind it.

use super::pool::LARGE;
use super::store::RESERVE;
use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;

/// The allocator. It has no state of its own.
pub struct Allocator;

// SAFETY: every block is the system's or the reserve's, which is told by its address; both give what the layout asks for. Inside,
// each call passes on what the caller of the allocator has promised.
unsafe impl GlobalAlloc for Allocator {
    /// A block; null if neither the system nor the reserve has one.
    ///
    /// # Safety
    /// As [`GlobalAlloc`] says; so for the other functions.
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout);
        // SAFETY: the caller's layout.
        let mut block = unsafe { System.alloc(layout) };
        if block.is_null() {
            block = RESERVE.take(layout);
        }
        if block.is_null() {
            forget(layout);
        }
        block
    }

    /// A block of zeros.
    ///
    /// # Safety
    /// As [`GlobalAlloc`] says.
    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout.
        let block = unsafe { System.alloc_zeroed(layout) };
        if block.is_null() {
            // SAFETY: the caller's layout; a block that is given has its size.
            unsafe {
                let block = self.alloc(layout);
                if !block.is_null() {
                    block.write_bytes(0, layout.size());
                }
                return block;
            }
        }
        note(layout);
        block
    }

    /// Frees a block.
    ///
    /// # Safety
    /// As [`GlobalAlloc`] says.
    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        forget(layout);
        // SAFETY: the block goes to where it came from, with its layout.
        unsafe {
            if RESERVE.has(block, layout) {
                RESERVE.put(block, layout)
            } else {
                System.dealloc(block, layout)
            }
        }
    }

    /// Resizes a block, or copies it.
    ///
    /// # Safety
    /// As [`GlobalAlloc`] says.
    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !RESERVE.has(block, layout) {
            // SAFETY: the caller has seen that the size is one that a layout can have; the block is the system's.
            let (changed, grown) = unsafe {
                let changed = Layout::from_size_align_unchecked(size, layout.align());
                note(changed);
                (changed, System.realloc(block, layout, size))
            };
            if !grown.is_null() {
                forget(layout);
                return grown;
            }
            forget(changed);
        }
        // SAFETY: the caller's block.
        unsafe { self.move_to_another(block, layout, size) }
    }
}

impl Allocator {
    /// Copies a block into a new one of `size` bytes and frees it. Null if there is none; then the old one stays.
    ///
    /// # Safety
    /// As for `realloc`.
    #[cold]
    unsafe fn move_to_another(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the size is one that a layout can have; both blocks have the bytes that are copied.
        unsafe {
            let grown = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !grown.is_null() {
                ptr::copy_nonoverlapping(block, grown, layout.size().min(size));
                self.dealloc(block, layout);
            }
            grown
        }
    }
}

/// A table, or what may be one, comes into being: what is aligned is not a string.
#[inline(always)]
fn note(layout: Layout) {
    if layout.size() >= LARGE && layout.align() > 1 {
        RESERVE.note_table(layout.size());
    }
}

/// It is gone, or has not come into being.
#[inline(always)]
fn forget(layout: Layout) {
    if layout.size() >= LARGE && layout.align() > 1 {
        RESERVE.forget_table(layout.size());
    }
}

#[cfg(test)]
mod tests {
    use super::super::pool::holds;
    use super::*;

    #[test]
    fn what_allocates_moves_into_the_reserve_and_out_of_it() {
        let layout = |size| Layout::from_size_align(size, 8).unwrap();
        let before = layout(100);
        // SAFETY: the block has the layout that is said.
        unsafe {
            let pooled = RESERVE.take(before);
            pooled.write_bytes(7, 100);
            let grown = Allocator.realloc(pooled, before, 200_000);
            assert!(!holds(grown));
            assert!(std::slice::from_raw_parts(grown, 100).iter().all(|&byte| byte == 7));
            Allocator.dealloc(grown, layout(200_000));
        }
    }
}
