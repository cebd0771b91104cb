//! The coroutines of a spawned state of Lua 5.4. Each has a hook of its own, and nothing tells which one runs if a C module has
//! resumed it. So the hook that ends a process may have to be set on all of them.
//!
//! The allocator learns of new coroutines, since Lua says what a new block is for. A coroutine counts once Lua has completed it.
//! That shows in a word of its block, which is zero before. The main thread tells which word it is.

use super::api::*;
use rustc_hash::FxHashSet;
use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr;

/// All coroutines of one state.
#[derive(Default)]
pub struct Census {
    /// The block of the main thread.
    first: Cell<usize>,
    /// Bytes of the block of any other, once there was one.
    size: Cell<usize>,
    /// From the block to the `lua_State` in it.
    state: Cell<usize>,
    /// From the block to the word that is not zero in a complete one; 0 if it is not known.
    complete: Cell<usize>,
    blocks: RefCell<FxHashSet<usize>>,
}

/// Words of a `lua_State` that there are in every version.
const WORDS: usize = 20;

/// Bytes that a `lua_State` has at most, with what stands before it.
const LARGEST: usize = 512;

impl Census {
    /// The main thread is there.
    ///
    /// Stack: 0
    /// Raises: never
    ///
    /// # Safety
    /// Own state.
    pub unsafe fn begin(&self, l: *mut lua_State) {
        let state = l as usize - self.first.get();
        let inside = l as usize + 1..l as usize + WORDS * size_of::<usize>();
        // The main thread notes its present call, which is its base, a part of itself.
        // SAFETY: a `lua_State` has so many words in every version.
        let word_at = |word| unsafe { l.cast::<usize>().add(word).read() };
        let mut found = (0..WORDS).filter(|&word| inside.contains(&word_at(word)));
        if let (Some(word), None) = (found.next(), found.next()) {
            self.state.set(state);
            self.complete.set(state + word * size_of::<usize>());
        }
    }

    /// The block of the main thread, in a state that was not made by its own allocator.
    pub fn begin_with(&self, block: usize) {
        self.first.set(block);
    }

    /// The allocator has given a block for a coroutine.
    ///
    /// # Safety
    /// The block has so many bytes, and nobody else uses it.
    pub unsafe fn add(&self, block: *mut c_void, size: usize) {
        // Not every word is set by Lua: what is left of an earlier state must not be taken for a sign.
        // SAFETY: the caller's block.
        unsafe { ptr::write_bytes(block.cast::<u8>(), 0, size.min(LARGEST)) };
        if self.first.get() == 0 {
            self.first.set(block as usize);
        } else if self.complete.get() != 0 {
            self.size.set(size);
            let mut blocks = self.blocks.borrow_mut();
            if blocks.try_reserve(1).is_ok() {
                blocks.insert(block as usize);
            }
        }
    }

    /// Whether a block of so many bytes may be a coroutine.
    #[inline(always)]
    pub fn may_hold(&self, size: usize) -> bool {
        size == self.size.get()
    }

    /// A block is to be freed.
    pub fn remove(&self, block: *mut c_void) {
        self.blocks.borrow_mut().remove(&(block as usize));
    }

    /// Calls `act` with every coroutine but the main thread. For the signal handler: nothing if that has interrupted a change.
    ///
    /// Stack: 0
    /// Raises: never
    ///
    /// # Safety
    /// On the thread that runs the state, or in its signal handler.
    pub unsafe fn each(&self, act: impl Fn(*mut lua_State)) {
        let Ok(blocks) = self.blocks.try_borrow() else { return };
        for &block in blocks.iter() {
            // SAFETY: a block of a coroutine that is not freed yet; the word is inside.
            if unsafe { ((block + self.complete.get()) as *const usize).read() } != 0 {
                act((block + self.state.get()) as *mut lua_State);
            }
        }
    }
}
