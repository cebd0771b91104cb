//! Classes of small blocks by their size: free blocks of one class are interchangeable, and stand in one list.

/// Classes that have a list: 0, 8, 16, ... 264 bytes.
pub const CLASSES: usize = 34;

/// A free block. **Invariant:** it leads to the next one of its class, and nobody else uses it.
pub struct Free {
    /// The next one, or null.
    pub next: *mut Free,
}

/// The class of blocks that have room for `size` bytes, and how many bytes these have.
#[inline(always)]
pub fn class_of(size: usize) -> (usize, usize) {
    let class = (size + 7) >> 3;
    (class, class << 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_room_and_wastes_less_than_a_word() {
        for size in 1..600 {
            let (class, bytes) = class_of(size);
            assert!(bytes >= size && bytes < size + 8 && bytes % 8 == 0);
            assert_eq!(class_of(bytes), (class, bytes));
        }
        assert_eq!(class_of(264).0, CLASSES - 1);
    }
}
