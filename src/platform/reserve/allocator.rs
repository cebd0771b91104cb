//! Rust's allocator in this library: the system's, and the reserve behind it.

use super::pool::LARGE;
use super::store::RESERVE;
use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;

/// The allocator. It has no state of its own.
pub struct Allocator;

// SAFETY: every block is the system's or the reserve's, which is told by its address; both give what the layout asks for.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout);
        let mut block = System.alloc(layout);
        if block.is_null() {
            block = RESERVE.take(layout);
        }
        if block.is_null() {
            forget(layout);
        }
        block
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let block = System.alloc_zeroed(layout);
        if block.is_null() {
            let block = self.alloc(layout);
            if !block.is_null() {
                block.write_bytes(0, layout.size());
            }
            return block;
        }
        note(layout);
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        forget(layout);
        if RESERVE.has(block, layout) { RESERVE.put(block, layout) } else { System.dealloc(block, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !RESERVE.has(block, layout) {
            let changed = Layout::from_size_align_unchecked(size, layout.align());
            note(changed);
            let grown = System.realloc(block, layout, size);
            if !grown.is_null() {
                forget(layout);
                return grown;
            }
            forget(changed);
        }
        self.move_to_another(block, layout, size)
    }
}

impl Allocator {
    #[cold]
    unsafe fn move_to_another(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let grown = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
        if !grown.is_null() {
            ptr::copy_nonoverlapping(block, grown, layout.size().min(size));
            self.dealloc(block, layout);
        }
        grown
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
