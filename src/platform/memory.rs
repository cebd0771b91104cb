//! Memory of one Lua state: where its blocks come from, and those it has just freed. What it may use is its [`Budget`]. One
//! thread at a time runs the state and calls this page, so nothing here is shared.
//!
//! The first blocks, those of the libraries, stand in an [`Arena`], other small ones in [`Slabs`], and large ones are the C
//! library's. Sizes are rounded up to words. A small block that Lua frees is kept for the next one of its class. When so many are
//! kept that it is worth while, slabs that are free as a whole are given back ([`Memory::sweep`]). What processes keep while they
//! sleep has its limit (see [`super::allowance`]).

use super::allowance::Allowance;
use super::arena::Arena;
use super::budget::Budget;
use super::image::{Copy, Image};
use super::reserve;
use super::size_class::{CLASSES, Free, class_of};
use super::slabs::Slabs;
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

/// Larger blocks do not come into the arena: many of them grow soon and leave a hole.
const IN_ARENA: usize = 1 << 10;

/// So many bytes may come to be kept before it is worth while to look for slabs that are free: most of what a collection of a small
/// process frees at once.
const CACHE: usize = 128 << 10;

/// Bytes that a process may keep in any case while it sleeps.
const CACHE_ASLEEP: usize = 4 << 10;

/// What is called with the memory itself, from within the allocator.
pub type Ask = unsafe fn(*const c_void);

/// What is called with the memory itself when a block is going to be refused. `true`: it has to be given all the same.
pub type Refusing = unsafe fn(*const c_void) -> bool;

/// The blocks of one state.
pub struct Memory {
    budget: Budget,
    /// Called when all garbage should be collected.
    ask: Cell<Option<Ask>>,
    /// Called before something is refused.
    refusing: Cell<Option<Refusing>>,
    slabs: Slabs,
    /// Bytes that are kept and do not stand in the arena.
    keeps: Cell<usize>,
    /// The same after the last sweep: what could not be given back.
    stuck: Cell<usize>,
    /// When more than this is kept, it is worth while to sweep.
    sweep_at: Cell<usize>,
    /// For what is kept while the process sleeps.
    asleep: Allowance,
    kept: [Cell<*mut Free>; CLASSES],
    arena: Arena,
    /// Bytes that the arena has given, or would have if it were larger.
    wanted: Cell<usize>,
    /// Nothing is kept any more.
    closed: Cell<bool>,
    /// What the system refuses comes from the reserve.
    insists: Cell<bool>,
}

impl Default for Memory {
    fn default() -> Self {
        Memory {
            budget: Budget::default(),
            ask: Cell::new(None),
            refusing: Cell::new(None),
            slabs: Slabs::default(),
            keeps: Cell::new(0),
            stuck: Cell::new(0),
            sweep_at: Cell::new(CACHE),
            asleep: Allowance::default(),
            kept: [const { Cell::new(ptr::null_mut()) }; CLASSES],
            arena: Arena::default(),
            wanted: Cell::new(0),
            closed: Cell::new(false),
            insists: Cell::new(false),
        }
    }
}

/// Gives a block of so many bytes back to where it came from. Null, which is what `lua_Alloc` gives then.
///
/// # Safety
/// The block is the reserve's or the C library's, of so many bytes, and nobody uses it any more.
#[inline(never)]
unsafe fn give_back(block: *mut c_void, bytes: usize) -> *mut c_void {
    // SAFETY: as the caller says.
    unsafe {
        if !reserve::free(block.cast(), bytes) {
            libc::free(block);
        }
    }
    ptr::null_mut()
}

impl Memory {
    /// What the state uses and may use.
    #[inline(always)]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Before the first block: makes room for so many bytes in one piece.
    pub fn make_room(&self, bytes: usize) {
        self.arena.make_room(bytes);
    }

    /// Before the first block: takes the blocks of an image over, in one piece that has room for `more` bytes, its holes counted.
    /// `None` if there is no memory.
    pub fn adopt(&self, image: &Image, more: usize) -> Option<Copy> {
        let holes = image.holes();
        let free: usize = holes.iter().map(|(_, size)| size).sum();
        self.arena.make_room(image.size() + more.saturating_sub(free));
        let start = self.arena.take(image.size());
        if start.is_null() {
            return None;
        }
        // SAFETY: room of so many bytes at the start of an arena, which nobody uses.
        let free = unsafe { image.copy_to(start) };
        for (kept, first) in self.kept.iter().zip(free) {
            kept.set(first);
        }
        self.arena.set_holes(holes);
        self.budget.set_used(self.budget.used() + image.used());
        self.wanted.set(image.size());
        Some(Copy { start, entry: image.entry_at(start) })
    }

    /// How many bytes in one piece the blocks up to now could have used.
    pub fn wanted(&self) -> usize {
        self.wanted.get()
    }

    /// From now on, or no longer, small blocks that the system refuses come from the reserve: for code of the VM that does not
    /// survive a refusal.
    #[cfg(any(test, feature = "luajit"))]
    pub fn insist(&self, on: bool) {
        self.insists.set(on);
    }

    /// Has `refusing` called when an allocation is going to be refused.
    pub fn refuse_by(&self, refusing: Refusing) {
        self.refusing.set(Some(refusing));
    }

    /// Has `ask` called when all garbage should be collected.
    pub fn ask_by(&self, ask: Ask) {
        self.ask.set(Some(ask));
    }

    /// What is used passes the mark. `false`: it may not.
    #[cold]
    fn pass_mark(&self, used: usize) -> bool {
        let granted = self.budget.pass_mark(used);
        if granted && let Some(ask) = self.ask.get() {
            // SAFETY: the memory is part of its context, which knows what it has asked for.
            unsafe { ask(ptr::from_ref(self).cast()) };
        }
        granted
    }

    /// What `lua_Alloc` does: makes, resizes or frees a block.
    ///
    /// # Safety
    /// `block` is null, or came from here and has `old` bytes and is not used any more.
    #[inline(always)]
    pub unsafe fn reallocate(&self, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
        // SAFETY: as the caller says; `resize` runs only if there is a block.
        unsafe { self.reallocate_by(block, old, new, || self.resize(block, old, new)) }
    }

    /// As [`Memory::reallocate`], with `resize` for a block that is there and stays, which is to call [`Memory::resize`].
    ///
    /// # Safety
    /// As for `reallocate`.
    #[inline(always)]
    pub unsafe fn reallocate_by(
        &self,
        block: *mut c_void,
        old: usize,
        new: usize,
        resize: impl FnOnce() -> *mut c_void,
    ) -> *mut c_void {
        if new == 0 {
            if !block.is_null() {
                self.budget.set_used(self.budget.used() - old);
                // SAFETY: as the caller says.
                return unsafe { self.free(block, old) };
            }
            return ptr::null_mut();
        }
        // Without a block `old` is no size.
        if block.is_null() { self.allocate(new) } else { resize() }
    }

    /// A new block; null if it is refused.
    #[inline(always)]
    fn allocate(&self, size: usize) -> *mut c_void {
        let used = self.budget.used() + size;
        if self.budget.is_beyond_mark(used) {
            return self.allocate_beyond_mark(size, used);
        }
        self.allocate_within(size, used)
    }

    /// As [`Memory::allocate`], when `used` bytes, with the block, are beyond the mark.
    #[cold]
    #[inline(never)]
    fn allocate_beyond_mark(&self, size: usize, used: usize) -> *mut c_void {
        if self.pass_mark(used) || self.must_be_given() {
            self.allocate_within(size, used)
        } else {
            ptr::null_mut()
        }
    }

    /// As [`Memory::allocate`], when the budget grants `used` bytes, with the block.
    #[inline(always)]
    fn allocate_within(&self, size: usize, used: usize) -> *mut c_void {
        let (class, bytes) = class_of(size);
        if let Some(kept) = self.kept.get(class)
            // SAFETY: what is kept begins with the way to the next.
            && let Some(&Free { next }) = unsafe { kept.get().as_ref() }
        {
            let block = kept.replace(next);
            if !self.arena.holds(block.cast()) {
                self.keeps.set(self.keeps.get() - bytes);
            }
            self.budget.set_used(used);
            return block.cast();
        }
        self.allocate_new(class, bytes, used)
    }

    /// A block of `bytes`, none of which is kept: from the arena, from a slab if it has a class, or else from the system.
    #[cold]
    #[inline(never)]
    fn allocate_new(&self, class: usize, bytes: usize, used: usize) -> *mut c_void {
        if bytes <= IN_ARENA {
            self.wanted.set(self.wanted.get() + bytes);
            let mut block = self.arena.take_from_hole(bytes);
            if block.is_null() {
                block = self.arena.take(bytes);
            }
            if !block.is_null() {
                self.budget.set_used(used);
                return block.cast();
            }
        }
        if class >= CLASSES {
            return self.allocate_by_system(bytes, used, || {
                // SAFETY: has no preconditions.
                unsafe { libc::malloc(bytes) }
            });
        }
        let block = self.slabs.cut(bytes);
        if block.is_null() {
            let cut = || if self.slabs.add() { self.slabs.cut(bytes).cast() } else { ptr::null_mut() };
            return self.allocate_by_system(bytes, used, cut);
        }
        self.budget.set_used(used);
        block.cast()
    }

    /// A block of `bytes`, for which `ask` asks the system.
    #[inline(never)]
    fn allocate_by_system(
        &self,
        bytes: usize,
        used: usize,
        ask: impl FnOnce() -> *mut c_void,
    ) -> *mut c_void {
        super::thread::let_threads_start();
        let mut block = ask();
        if block.is_null() && (self.insists.get() || self.must_be_given()) {
            block = reserve::allocate(bytes).cast();
        }
        if !block.is_null() {
            self.budget.set_used(used);
        }
        block
    }

    /// A block is going to be refused: whether it has to be given all the same.
    #[cold]
    #[inline(never)]
    fn must_be_given(&self) -> bool {
        // SAFETY: as in `pass_mark`.
        self.refusing.get().is_some_and(|refusing| unsafe { refusing(ptr::from_ref(self).cast()) })
    }

    /// Keeps a block, or gives it back. Null.
    ///
    /// # Safety
    /// It came from here, has `size` bytes, and nobody uses it any more.
    #[inline(always)]
    unsafe fn free(&self, block: *mut c_void, size: usize) -> *mut c_void {
        let (class, bytes) = class_of(size);
        let in_arena = self.arena.holds(block.cast());
        let Some(kept) = self.kept.get(class) else {
            // SAFETY: as the caller says; a large block that is not the arena's is the reserve's or the C library's.
            return if in_arena { ptr::null_mut() } else { unsafe { give_back(block, bytes) } };
        };
        if in_arena {
            if self.closed.get() {
                return ptr::null_mut();
            }
        } else {
            if reserve::holds(block.cast()) {
                // SAFETY: as the caller says.
                return unsafe { give_back(block, bytes) };
            }
            self.keeps.set(self.keeps.get() + bytes);
        }
        // SAFETY: the block is at least a word, and nobody else uses it.
        unsafe { block.cast::<Free>().write(Free { next: kept.get() }) };
        kept.set(block.cast());
        if self.keeps.get() > self.sweep_at.get() && !self.closed.get() {
            self.sweep();
        }
        ptr::null_mut()
    }

    /// Makes a block larger or smaller.
    ///
    /// # Safety
    /// As for `reallocate`; there is a block, and `new` is not 0.
    #[inline(never)]
    pub unsafe fn resize(&self, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
        let used = self.budget.used() - old + new;
        if new > old && self.budget.is_beyond_mark(used) && !self.pass_mark(used) && !self.must_be_given() {
            return ptr::null_mut();
        }
        let ((old_class, _), (class, bytes)) = (class_of(old), class_of(new));
        if class == old_class || (class < old_class && self.arena.holds(block.cast())) {
            self.budget.set_used(used);
            return block;
        }
        if old_class < CLASSES || class < CLASSES || self.arena.holds(block.cast()) {
            // SAFETY: as the caller says.
            return unsafe { self.move_to_another(block, old, new) };
        }
        super::thread::let_threads_start();
        let grown = if reserve::holds(block.cast()) {
            ptr::null_mut()
        } else {
            // SAFETY: neither the arena's nor the reserve's, so the C library's.
            unsafe { libc::realloc(block, bytes) }
        };
        if grown.is_null() && (reserve::holds(block.cast()) || self.insists.get() || self.must_be_given()) {
            // SAFETY: as the caller says.
            return unsafe { self.move_to_another(block, old, new) };
        }
        if !grown.is_null() {
            self.budget.set_used(used);
        }
        grown
    }

    /// Copies a block into a new one and frees it. Null if that is refused, and it grows; then the old one stays. The VMs do not
    /// expect that a block which shrinks is refused: a small one then stays where it is, and a large one goes to the reserve.
    ///
    /// # Safety
    /// As for [`Memory::resize`].
    unsafe fn move_to_another(&self, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
        let shrinks = new <= old;
        let others = self.budget.used() - old;
        self.budget.set_used(others);
        let mut moved = if shrinks { self.allocate_within(new, others + new) } else { self.allocate(new) };
        if moved.is_null() && shrinks {
            let (old_class, _) = class_of(old);
            self.budget.set_used(others + new);
            if old_class < CLASSES || self.arena.holds(block.cast()) {
                return block;
            }
            moved = reserve::allocate(class_of(new).1).cast();
        }
        if moved.is_null() {
            self.budget.set_used(others + old);
        } else {
            // SAFETY: two blocks, of `old` and of `new` bytes; the old one is not used any more.
            unsafe {
                ptr::copy_nonoverlapping(block.cast::<u8>(), moved.cast::<u8>(), old.min(new));
                self.free(block, old);
            }
        }
        moved
    }

    /// The process goes to sleep: gives back what it can of what is kept, if that is much and others keep enough already.
    #[inline]
    pub fn sleep(&self) {
        let kept = self.keeps.get();
        if kept > self.stuck.get() + CACHE_ASLEEP && !self.asleep.take(kept) {
            self.sweep();
        }
    }

    /// The process runs again.
    #[inline]
    pub fn wake(&self) {
        self.asleep.give_back();
    }

    /// The state is going to close: blocks of the arena are not kept any more, since it goes as a whole, and slabs are not given
    /// back one by one.
    pub fn close(&self) {
        self.closed.set(true);
    }

    /// Gives back the slabs of which nothing is used. It looks at every slab and at all that is kept. So the next one is worth its
    /// time when twice as much is kept as could not be given back now, and a good part of all slabs.
    #[cold]
    #[inline(never)]
    fn sweep(&self) {
        // SAFETY: what is kept belongs to nobody else, and is the arena's or a slab's, in the list of its class.
        let left = unsafe { self.slabs.sweep(&self.kept, |block| self.arena.holds(block)) };
        self.keeps.set(left);
        self.stuck.set(left);
        self.sweep_at.set(left + left.max(CACHE).max(self.slabs.bytes() / 8));
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
    fn a_freed_block_serves_the_next_of_its_class_alone() {
        let memory = Memory::default();
        let (first, second) = (block(&memory, 40, 1), block(&memory, 40, 2));
        free(&memory, first, 40);
        free(&memory, second, 40);
        let other = block(&memory, 41, 3);
        assert_eq!(block(&memory, 33, 4), second);
        assert_eq!(block(&memory, 40, 5), first);
        assert_eq!(memory.budget.used(), 41 + 33 + 40);
        assert_eq!(memory.keeps.get(), 0);
        for (block, size) in [(other, 41), (second, 33), (first, 40)] {
            free(&memory, block, size);
        }
        assert_eq!(memory.budget.used(), 0);
    }

    #[test]
    fn what_a_block_holds_survives_every_change_of_its_size() {
        survives(&Memory::default());
        for room in [8, 64, 300, 2000] {
            let memory = Memory::default();
            memory.make_room(room);
            survives(&memory);
        }
    }

    fn survives(memory: &Memory) {
        let (mut grown, mut size) = (block(memory, 1, 7), 1);
        for new in [8, 9, 24, 25, 264, 265, 5000, 100_000, 300, 264, 20, 3] {
            // SAFETY: the block has `size` bytes before and `new` after.
            unsafe {
                grown = memory.reallocate(grown, size, new);
                let bytes = std::slice::from_raw_parts_mut(grown.cast::<u8>(), new);
                assert!(bytes[..size.min(new)].iter().all(|&byte| byte == 7), "{size} to {new}");
                bytes.fill(7);
            }
            size = new;
            assert_eq!(memory.budget.used(), size);
        }
        free(memory, grown, size);
    }

    #[test]
    fn the_limit_refuses_new_blocks_and_growth_but_nothing_else() {
        let memory = Memory::default();
        let held = block(&memory, 1000, 1);
        assert_eq!(memory.budget.set_limit(1500), 0);
        // SAFETY: a refused block stays as it was.
        unsafe {
            assert!(memory.reallocate(NONE, 0, 501).is_null());
            assert!(memory.reallocate(held, 1000, 1501).is_null());
            assert_eq!(memory.budget.used(), 1000);
            assert!(
                memory.budget.is_limited() && memory.budget.has_room(500) && !memory.budget.has_room(501)
            );
            assert_eq!(memory.budget.set_limit(10), 1500);
            memory.budget.raise_limit(50);
            assert!(memory.budget.has_room(50) && !memory.budget.has_room(51));
            let held = memory.reallocate(held, 1000, 900);
            assert!(!held.is_null());
            free(&memory, held, 900);
        }
    }

    /// A memory that keeps so many blocks of 200 bytes, and what of them is in use.
    fn keeping(count: usize, used_of: usize) -> (Memory, Vec<*mut c_void>) {
        let memory = Memory::default();
        let blocks: Vec<_> = (0..count).map(|_| block(&memory, 200, 1)).collect();
        let mut used = Vec::new();
        for (number, block) in blocks.into_iter().enumerate() {
            if number % used_of == 0 { used.push(block) } else { free(&memory, block, 200) }
        }
        (memory, used)
    }

    #[test]
    fn slabs_that_are_free_go_when_much_is_kept_and_others_stay() {
        let (memory, used) = keeping(100_000, 10_000);
        // What was kept beyond the cache was swept: all but the slabs of those in use.
        assert!(memory.keeps.get() < 2 * CACHE);
        assert_eq!(memory.budget.used(), 200 * used.len());
        for block in used {
            free(&memory, block, 200);
        }
        // One block of four in use holds all slabs; a sweep that gives back nothing is not repeated soon.
        let (memory, _) = keeping(100_000, 4);
        let (keeps, stuck) = (memory.keeps.get(), memory.stuck.get());
        assert_eq!(keeps, 200 * 75_000);
        assert!(stuck >= CACHE && keeps <= 2 * stuck, "{keeps} {stuck}");
    }

    #[test]
    fn sweeps_are_rare_where_there_is_much_to_look_at() {
        let (memory, used) = keeping(100_000, 2);
        assert!(memory.sweep_at.get() >= memory.slabs.bytes() / 8);
        // None while the state closes: all slabs go together.
        memory.close();
        let slabs = memory.slabs.bytes();
        for block in used {
            free(&memory, block, 200);
        }
        assert_eq!((memory.keeps.get(), memory.slabs.bytes()), (200 * 100_000, slabs));
    }

    #[test]
    fn little_is_kept_in_sleep() {
        let _alone = super::super::allowance::tests::ALONE.lock();
        let full = || keeping(600, 600).0;
        let mut sleepers = Vec::new();
        let memory = loop {
            let memory = full();
            assert!(memory.keeps.get() > 100_000);
            memory.sleep();
            if memory.keeps.get() < CACHE_ASLEEP {
                break memory;
            }
            assert!(sleepers.len() < 1000);
            sleepers.push(memory);
        };
        let (woken, other) = (&sleepers[0], full());
        woken.wake();
        other.sleep();
        assert!(other.keeps.get() > 100_000);
        let little = block(&memory, 200, 1);
        free(&memory, little, 200);
        memory.sleep();
        assert_eq!(block(&memory, 200, 2), little);
    }

    #[test]
    fn what_stands_in_the_arena_serves_again_but_is_never_given_back() {
        let memory = Memory::default();
        memory.make_room(400);
        let (first, second) = (block(&memory, 40, 1), block(&memory, 200, 2));
        let outside = block(&memory, 200, 3);
        assert_eq!((memory.wanted(), memory.arena.holds(outside.cast())), (440, false));
        for (block, size) in [(first, 40), (outside, 200), (second, 200)] {
            free(&memory, block, size);
        }
        assert_eq!(memory.keeps.get(), 200);
        memory.sweep();
        assert_eq!(memory.keeps.get(), 0);
        assert_eq!((block(&memory, 40, 4), block(&memory, 200, 5)), (first, second));
        assert_eq!((memory.keeps.get(), memory.wanted()), (0, 440));
        memory.close();
        free(&memory, first, 40);
        free(&memory, second, 200);
        assert!(memory.kept.iter().all(|kept| kept.get().is_null()));
        assert_eq!(memory.budget.used(), 0);
    }

    #[test]
    fn a_block_that_shrinks_is_never_refused() {
        let memory = Memory::default();
        let (large, small) = (block(&memory, 5000, 1), block(&memory, 200, 2));
        memory.budget.set_limit(100);
        // SAFETY: each block has the size that is given.
        unsafe {
            assert!(memory.reallocate(small, 200, 250).is_null());
            let (large, small) = (memory.reallocate(large, 5000, 64), memory.reallocate(small, 200, 24));
            assert!(!large.is_null() && !small.is_null());
            assert_eq!((*large.cast::<u8>(), *small.cast::<u8>(), memory.budget.used()), (1, 2, 88));
            free(&memory, large, 64);
            free(&memory, small, 24);
        }
        assert_eq!(memory.budget.used(), 0);
    }

    #[test]
    fn a_block_of_the_arena_grows_within_the_limit() {
        let memory = Memory::default();
        memory.make_room(1000);
        let held = block(&memory, 400, 1);
        memory.budget.set_limit(600);
        // SAFETY: a refused block stays as it was.
        unsafe {
            assert!(memory.reallocate(held, 400, 601).is_null());
            let grown = memory.reallocate(held, 400, 600);
            assert!(!grown.is_null() && grown != held);
            assert_eq!(memory.budget.used(), 600);
            assert_eq!(memory.reallocate(grown, 600, 300), grown);
            free(&memory, grown, 300);
        }
    }
}
