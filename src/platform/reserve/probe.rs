//! Finds out how much memory the system has, by asking for it.

use std::ptr;

/// Bytes that the system must have before memory is not short any more, besides the ballast.
pub(super) const SLACK: usize = 256 << 10;

/// Size of the blocks, in bytes, in which memory can be used that was freed here and there.
const SCATTERED: usize = 8 << 10;

/// Whether so many bytes can be had in one piece, and [`SLACK`] besides.
pub(super) fn can_be_had(bytes: usize) -> bool {
    // SAFETY: a block that nobody uses, freed at once. The compiler must not leave out both.
    unsafe {
        let block = std::hint::black_box(libc::malloc(bytes.saturating_add(SLACK)));
        libc::free(block);
        !block.is_null()
    }
}

/// Whether so many bytes can be had in small blocks, wherever they lie. What was freed may do for many of these, and for no
/// large one.
#[cold]
pub(super) fn can_be_had_scattered(bytes: usize) -> bool {
    struct Block {
        next: *mut Block,
    }
    let mut last: *mut Block = ptr::null_mut();
    let mut count = 0;
    // SAFETY: each block is written to once it is there, and freed once.
    unsafe {
        while count < bytes.div_ceil(SCATTERED) {
            let block = libc::malloc(SCATTERED).cast::<Block>();
            if block.is_null() {
                break;
            }
            block.write(Block { next: last });
            last = block;
            count += 1;
        }
        while let Some(&Block { next }) = last.as_ref() {
            libc::free(last.cast());
            last = next;
        }
    }
    count == bytes.div_ceil(SCATTERED)
}
