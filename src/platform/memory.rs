//! Memory of one Lua state: what it uses, what it may use, and the blocks it has just freed. One thread at a time runs the
//! state and calls this page, so nothing here is shared.
//!
//! Every block is one of the C library's, whose size is rounded up to what that hands out anyway: 16 k + 8 bytes. A small
//! block that Lua frees is kept for the next one of its class, up to [`CACHE`] bytes in all, so that a collector that frees
//! in bursts and a program that allocates in between seldom reach the C library, which has to reckon with other threads. A
//! process that sleeps keeps next to nothing.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

/// Classes of blocks that are kept: 8, 24, ... 264 bytes.
const CLASSES: usize = 17;

/// Bytes that are kept at most: most of what a collection of a small process frees at once.
const CACHE: usize = 128 << 10;

/// Bytes that a process may keep while it sleeps.
const CACHE_ASLEEP: usize = 4 << 10;

/// A block that is kept.
struct Kept {
    next: *mut Kept,
}

/// See the top of the page.
pub struct Memory {
    used: Cell<usize>,
    /// Of it, what others keep for the process.
    charged: Cell<usize>,
    /// Of what is used, how much makes it worth while to collect garbage because of what values keep outside the state: the
    /// VM's collector does not know of that. 0 until it was collected for that reason.
    collect_at: Cell<usize>,
    /// `usize::MAX` for none. Set only while failures are caught: what has to be done in any case must not fail.
    limit: Cell<usize>,
    /// Bytes that may still be kept.
    room: Cell<usize>,
    kept: [Cell<*mut Kept>; CLASSES],
}

impl Default for Memory {
    fn default() -> Self {
        Memory {
            used: Cell::new(0),
            charged: Cell::new(0),
            collect_at: Cell::new(0),
            limit: Cell::new(usize::MAX),
            room: Cell::new(CACHE),
            kept: [const { Cell::new(ptr::null_mut()) }; CLASSES],
        }
    }
}

/// The class of blocks that have room for `size` bytes, and how many bytes these have.
#[inline(always)]
fn class_of(size: usize) -> (usize, usize) {
    let class = (size + 7) >> 4;
    (class, class << 4 | 8)
}

impl Memory {
    /// From now on the state gets no more than `limit` bytes, 0 for any number. Gives the limit before.
    pub fn set_limit(&self, limit: usize) -> usize {
        let before = self.limit.replace(if limit == 0 { usize::MAX } else { limit });
        if before == usize::MAX { 0 } else { before }
    }

    /// Whether there is a limit at present.
    pub fn is_limited(&self) -> bool {
        self.limit.get() != usize::MAX
    }

    /// Whether `bytes` more would be within the limit.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.used.get().saturating_add(bytes) <= self.limit.get()
    }

    /// From now on the state gets `bytes` more than it has or may have, if there is a limit.
    pub fn raise_limit(&self, bytes: usize) {
        if self.is_limited() {
            self.limit.set(self.limit.get().max(self.used.get()).saturating_add(bytes));
        }
    }

    /// What values of the state keep outside it has changed by this: whether garbage should be collected for it.
    pub fn reweigh(&self, old: usize, new: usize) -> bool {
        let used = self.used.get().saturating_sub(old).saturating_add(new);
        self.used.set(used);
        let collect_at = match self.collect_at.get() {
            0 => self.limit.get() / 2,
            collect_at => collect_at.min(self.limit.get()),
        };
        new > old && used > collect_at
    }

    /// Garbage was collected: next when half of what is left is used up.
    pub fn collected(&self) {
        let (used, limit) = (self.used.get(), self.limit.get());
        self.collect_at.set(used + limit.saturating_sub(used) / 2);
    }

    /// What others keep for the process, all in all: counts as used from now on.
    pub fn set_charged(&self, charged: usize) {
        let before = self.charged.replace(charged);
        self.reweigh(before, charged);
    }

    /// What `lua_Alloc` does: makes, resizes or frees a block.
    ///
    /// # Safety
    /// `block` is null, or came from here and has `old` bytes and is not used any more.
    #[inline(always)]
    pub unsafe fn reallocate(&self, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
        if new == 0 {
            if !block.is_null() {
                self.used.set(self.used.get() - old);
                self.free(block, old);
            }
            return ptr::null_mut();
        }
        // Without a block `old` is no size.
        if block.is_null() { self.allocate(new) } else { self.resize(block, old, new) }
    }

    #[inline(always)]
    unsafe fn allocate(&self, size: usize) -> *mut c_void {
        let used = self.used.get() + size;
        if used > self.limit.get() {
            return ptr::null_mut();
        }
        let (class, bytes) = class_of(size);
        if let Some(kept) = self.kept.get(class)
            && let Some(&Kept { next }) = kept.get().as_ref()
        {
            let block = kept.replace(next);
            self.room.set(self.room.get() + bytes);
            self.used.set(used);
            return block.cast();
        }
        self.allocate_new(bytes, used)
    }

    #[cold]
    unsafe fn allocate_new(&self, bytes: usize, used: usize) -> *mut c_void {
        let block = libc::malloc(bytes);
        if !block.is_null() {
            self.used.set(used);
        }
        block
    }

    #[inline(always)]
    unsafe fn free(&self, block: *mut c_void, size: usize) {
        let (class, bytes) = class_of(size);
        if let Some(kept) = self.kept.get(class)
            && bytes <= self.room.get()
        {
            self.room.set(self.room.get() - bytes);
            block.cast::<Kept>().write(Kept { next: kept.get() });
            kept.set(block.cast());
            return;
        }
        libc::free(block);
    }

    unsafe fn resize(&self, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
        let used = self.used.get() - old + new;
        if new > old && used > self.limit.get() {
            return ptr::null_mut();
        }
        let ((old_class, _), (class, bytes)) = (class_of(old), class_of(new));
        let grown = if class == old_class { block } else { libc::realloc(block, bytes) };
        if !grown.is_null() {
            self.used.set(used);
        }
        grown
    }

    /// The process goes to sleep: gives back what is kept, if it is much.
    pub fn sleep(&self) {
        if self.room.get() < CACHE - CACHE_ASLEEP {
            self.give_back(CACHE);
        }
    }

    /// The state is going to close: nothing is kept any more.
    pub fn close(&self) {
        self.give_back(0);
    }

    fn give_back(&self, room: usize) {
        self.room.set(room);
        for kept in &self.kept {
            let mut next = kept.replace(ptr::null_mut());
            // SAFETY: what is kept belongs to nobody else, came from `malloc`, and begins with the way to the next.
            unsafe {
                while let Some(&Kept { next: after }) = next.as_ref() {
                    libc::free(next.cast());
                    next = after;
                }
            }
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: *mut c_void = ptr::null_mut();

    /// A block of `size` bytes, each of which is `byte`.
    fn block(memory: &Memory, size: usize, byte: u8) -> *mut c_void {
        // SAFETY: a new block of that size.
        unsafe {
            let block = memory.reallocate(NONE, 5, size);
            assert!(!block.is_null());
            block.cast::<u8>().write_bytes(byte, size);
            block
        }
    }

    fn free(memory: &Memory, block: *mut c_void, size: usize) {
        // SAFETY: every test frees a block of that size once.
        assert!(unsafe { memory.reallocate(block, size, 0) }.is_null());
    }

    #[test]
    fn every_size_has_room_and_wastes_less_than_a_word() {
        for size in 1..600 {
            let (class, bytes) = class_of(size);
            assert!(bytes >= size && bytes < size + 16 && bytes % 16 == 8);
            assert_eq!(class_of(bytes), (class, bytes));
        }
        assert_eq!(class_of(264).0, CLASSES - 1);
    }

    #[test]
    fn a_freed_block_serves_the_next_of_its_class_alone() {
        let memory = Memory::default();
        let (first, second) = (block(&memory, 40, 1), block(&memory, 40, 2));
        free(&memory, first, 40);
        free(&memory, second, 40);
        let other = block(&memory, 41, 3);
        assert_eq!(block(&memory, 25, 4), second);
        assert_eq!(block(&memory, 40, 5), first);
        assert_eq!(memory.used.get(), 41 + 25 + 40);
        assert_eq!(memory.room.get(), CACHE);
        for (block, size) in [(other, 41), (second, 25), (first, 40)] {
            free(&memory, block, size);
        }
        assert_eq!(memory.used.get(), 0);
    }

    #[test]
    fn what_a_block_holds_survives_every_change_of_its_size() {
        let memory = Memory::default();
        let (mut grown, mut size) = (block(&memory, 1, 7), 1);
        for new in [8, 9, 24, 25, 264, 265, 5000, 100_000, 300, 264, 20, 3] {
            // SAFETY: the block has `size` bytes before and `new` after.
            unsafe {
                grown = memory.reallocate(grown, size, new);
                let bytes = std::slice::from_raw_parts_mut(grown.cast::<u8>(), new);
                assert!(bytes[..size.min(new)].iter().all(|&byte| byte == 7), "{size} to {new}");
                bytes.fill(7);
            }
            size = new;
            assert_eq!(memory.used.get(), size);
        }
        free(&memory, grown, size);
    }

    #[test]
    fn the_limit_refuses_new_blocks_and_growth_but_nothing_else() {
        let memory = Memory::default();
        let held = block(&memory, 1000, 1);
        assert_eq!(memory.set_limit(1500), 0);
        // SAFETY: a refused block stays as it was.
        unsafe {
            assert!(memory.reallocate(NONE, 0, 501).is_null());
            assert!(memory.reallocate(held, 1000, 1501).is_null());
            assert_eq!(memory.used.get(), 1000);
            assert!(memory.is_limited() && memory.has_room(500) && !memory.has_room(501));
            assert_eq!(memory.set_limit(10), 1500);
            memory.raise_limit(50);
            assert!(memory.has_room(50) && !memory.has_room(51));
            let held = memory.reallocate(held, 1000, 900);
            assert!(!held.is_null());
            free(&memory, held, 900);
        }
    }

    #[test]
    fn not_more_is_kept_than_the_cache_holds_and_little_in_sleep() {
        let memory = Memory::default();
        let blocks: Vec<_> = (0..1000).map(|_| block(&memory, 200, 1)).collect();
        for block in blocks {
            free(&memory, block, 200);
        }
        assert!(memory.room.get() < 200);
        memory.sleep();
        assert_eq!(memory.room.get(), CACHE);
        let little = block(&memory, 200, 1);
        free(&memory, little, 200);
        memory.sleep();
        assert_eq!(block(&memory, 200, 2), little);
        memory.close();
        free(&memory, little, 200);
        assert!(memory.kept.iter().all(|kept| kept.get().is_null()));
    }
}
