//! A refused allocation in code that LuaJIT has compiled. There the VM does not keep the base of the running frame up to date
//! (`lua_State::base`); it has it in its global state (`jit_base`). Builds before the end of 2022 do not look there before they
//! raise the error, and crash if the old base shows something else by now. So it is put right here, before the refusal is told.
//!
//! Where the VM has that pointer depends on the build. It is found out once, in a state of its own that runs compiled code: it is
//! the one word of the global state that is the base of the frame then, and null otherwise.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::api::*;
use super::context::Context;
use once_cell::sync::OnceCell;
use std::alloc::{self, Layout};
use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr;

/// Offsets in `lua_State` of builds with pointers of 64 bits.
const GLOBAL: usize = 0x10;
const BASE: usize = 0x20;
const END_OF_STACK: usize = 0x30;
const STACK: usize = 0x38;

/// How much of the global state is looked through, in bytes.
const REACH: usize = 0x800;

/// The offset of `jit_base` in the global state; `None` if it was not found.
static JIT_BASE: OnceCell<Option<usize>> = OnceCell::new();

/// Finds out, at the first call, what [`tell`] needs.
pub fn prepare() {
    // SAFETY: the state is made, used and closed there.
    JIT_BASE.get_or_init(|| unsafe { find_jit_base() });
}

/// An allocation of a state of this context is going to be refused.
///
/// # Safety
/// For the allocator of the state, on its thread.
#[cold]
pub unsafe fn tell(context: &Context) {
    let l = context.chain().running();
    if let Some(&Some(offset)) = JIT_BASE.get()
        && !l.is_null()
    {
        let base = read(read(l as usize, GLOBAL), offset);
        if (read(l as usize, STACK)..read(l as usize, END_OF_STACK)).contains(&base) {
            // SAFETY: compiled code runs on this coroutine, and this is its frame.
            ((l as usize + BASE) as *mut usize).write(base);
        }
    }
}

/// The word at this place.
///
/// # Safety
/// The word can be read.
unsafe fn read(start: usize, offset: usize) -> usize {
    // SAFETY: the caller's.
    ((start + offset) as *const usize).read()
}

/// What the words of a global state have been.
struct Seen {
    /// The first block: the state, the global state, and what belongs to them.
    block: Cell<(usize, usize)>,
    words: RefCell<Vec<Word>>,
}

#[derive(Clone, Copy, Default)]
struct Word {
    null: bool,
    base: bool,
    other: bool,
}

/// Rust's allocator, whose reserve helps out: LuaJIT crashes when it is refused memory while it makes a state.
///
/// # Safety
/// Called by Lua, as an allocator; `data` is a `Seen`.
unsafe extern "C" fn allocate(data: *mut c_void, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
    let seen = &*data.cast::<Seen>();
    let layout = |size| Layout::from_size_align_unchecked(size, 16);
    let given = match (block.is_null(), new) {
        (true, 0) => return ptr::null_mut(),
        (true, new) => alloc::alloc(layout(new)).cast::<c_void>(),
        (false, 0) => {
            alloc::dealloc(block.cast(), layout(old));
            return ptr::null_mut();
        }
        (false, new) => alloc::realloc(block.cast(), layout(old), new).cast(),
    };
    if seen.block.get().0 == 0 {
        seen.block.set((given as usize, new));
    } else {
        look(seen);
    }
    given
}

/// Notes which words behind the global state equal the base of the stack.
///
/// # Safety
/// The first block of the state is known, and the state alive.
unsafe fn look(seen: &Seen) {
    let (start, size) = seen.block.get();
    let global = read(start, GLOBAL);
    let (base, stack, end) = (read(start, BASE), read(start, STACK), read(start, END_OF_STACK));
    // Not set up yet.
    if !(start..start + size).contains(&global) || !(stack..end).contains(&base) {
        return;
    }
    let reach = REACH.min(start + size - global);
    let mut words = seen.words.borrow_mut();
    for (place, word) in words.iter_mut().enumerate().take(reach / size_of::<usize>()) {
        match read(global, place * size_of::<usize>()) {
            0 => word.null = true,
            value if value == base => word.base = true,
            _ => word.other = true,
        }
    }
}

/// Where LuaJIT keeps the base of compiled code, from its global state on.
///
/// # Safety
/// None: the state that it looks at is its own.
unsafe fn find_jit_base() -> Option<usize> {
    let words = vec![Word::default(); REACH / size_of::<usize>()];
    let seen = Box::new(Seen { block: Cell::new((0, 0)), words: RefCell::new(words) });
    let l = lua_newstate(allocate, ptr::from_ref(&*seen).cast_mut().cast());
    if l.is_null() {
        return None;
    }
    if l as usize == seen.block.get().0 {
        /// Runs code that LuaJIT compiles.
        ///
        /// Stack: 0
        /// Raises: any
        ///
        /// # Safety
        /// Called by Lua.
        unsafe extern "C-unwind" fn run(l: *mut lua_State) -> std::ffi::c_int {
            luaL_openlibs(l);
            // Allocates in a compiled loop.
            if luaL_loadstring(l, c"local s for i = 1, 400 do s = 'a string ' .. i end".as_ptr()) == LUA_OK {
                lua_pcall(l, 0, 0, 0);
            }
            0
        }
        lua_cpcall(l, run, ptr::null_mut());
    }
    lua_close(l);
    let words = seen.words.borrow();
    let mut found = words.iter().enumerate().filter(|(_, word)| word.null && word.base && !word.other);
    match (found.next(), found.next()) {
        (Some((place, _)), None) => Some(place * size_of::<usize>()),
        _ => None,
    }
}
