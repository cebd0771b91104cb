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
mod tests;
