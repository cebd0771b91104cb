//! Lua states of spawned processes: their allocator, which counts memory and leads to the context, and their birth.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::api::*;
use super::collector::collector_runs;
use super::context::Context;
use super::finalizer;
#[cfg(feature = "luajit")]
use super::traceback;
use std::ffi::c_void;
use std::ptr;

/// The allocator of spawned states; `data` is the context.
///
/// # Safety
/// Called by Lua, as the allocator.
unsafe extern "C" fn allocate(data: *mut c_void, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
    // SAFETY: a state is closed before its context is dropped, and only one thread at a time runs it.
    let context = &*data.cast::<Context>();
    resize(context, block, old, new)
}

/// As [`allocate`]. The block may be a coroutine, as Lua 5.4 says of new ones.
///
/// # Safety
/// As for [`allocate`].
#[cfg(feature = "lua54")]
#[inline(always)]
unsafe fn resize(context: &Context, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
    let may_be_coroutine = match block.is_null() {
        true => old == LUA_TTHREAD as usize,
        false => new == 0 && context.census().may_hold(old),
    };
    if may_be_coroutine {
        return reallocate_coroutine(context, block, old, new);
    }
    context.memory().reallocate(block, old, new)
}

/// As [`allocate`]. The block may be a stack that overflows.
///
/// # Safety
/// As for [`allocate`].
#[cfg(feature = "luajit")]
#[inline(always)]
unsafe fn resize(context: &Context, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
    context.memory().reallocate_by(block, old, new, || match new > traceback::LARGEST_STACK {
        true => resize_stack(context, block, old, new),
        false => context.memory().resize(block, old, new),
    })
}

/// The block is, or may be, a coroutine. Apart as a whole, so that the way of all others stays short.
///
/// # Safety
/// As for [`allocate`].
#[cfg(feature = "lua54")]
#[cold]
#[inline(never)]
unsafe fn reallocate_coroutine(context: &Context, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
    if !block.is_null() {
        context.census().remove(block);
    }
    let given = context.memory().reallocate(block, old, new);
    if !given.is_null() {
        context.census().add(given, new);
    }
    given
}

/// The block may be a stack that overflows.
///
/// # Safety
/// As for [`allocate`].
#[cfg(feature = "luajit")]
#[cold]
#[inline(never)]
unsafe fn resize_stack(context: &Context, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
    traceback::note_growth(context, block as usize, old);
    context.memory().resize(block, old, new)
}

/// What the memory of a context calls with itself when it is going to refuse something. Two things are given beyond the limit:
///
/// - What the VM needs to call a finalizer of the library. It calls a finalizer once, so the value would be lost.
/// - What the collector itself needs in a full collection that makes room. Lua 5.4.7 and later put finalizers off without it.
///
/// # Safety
/// It is the memory of a context, on the thread that runs its state.
unsafe fn on_refusal(memory: *const c_void) -> bool {
    let context = Context::of_memory(memory);
    #[cfg(feature = "luajit")]
    super::refusal::tell(context);
    let running = context.chain().running();
    let collects = || context.budget().is_collecting() && collector_runs(running) == 1;
    !running.is_null() && (collects() || finalizer::is_about_to_run(running))
}

/// The context of a spawned state, `None` for any other state.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state.
#[inline]
pub unsafe fn context_behind_allocator<'a>(l: *mut lua_State) -> Option<&'a Context> {
    let mut data = ptr::null_mut();
    let allocator = lua_getallocf(l, &mut data);
    if allocator as usize == allocate as *const () as usize { Some(&*data.cast::<Context>()) } else { None }
}

/// Bytes that a process gets beyond its limit to tell why it ends, and to put away what it has.
pub const FOR_THE_END: usize = 64 << 10;

/// Makes an empty state for `context`, `None` if there is no memory. Its first small blocks, so many bytes in all, will stand in
/// one piece.
///
/// Stack: 0: a new state
/// Raises: never
///
/// # Safety
/// The context stays where it is until [`close`].
pub unsafe fn open(context: &Context, room: usize) -> Option<*mut lua_State> {
    let data = ptr::from_ref(context).cast_mut().cast::<c_void>();
    if room > 0 {
        context.memory().make_room(room);
    }
    context.memory().refuse_by(on_refusal);
    #[cfg(feature = "lua54")]
    let l = lua_newstate(allocate, data);
    #[cfg(feature = "luajit")]
    let l = if super::allocator::can_be_given() {
        super::refusal::prepare();
        // LuaJIT crashes when it is refused memory in the middle of that.
        context.memory().insist(true);
        let l = lua_newstate(allocate, data);
        context.memory().insist(false);
        l
    } else {
        super::allocator::open_state(context)
    };
    if l.is_null() {
        return None;
    }
    #[cfg(feature = "lua54")]
    context.census().begin(l);
    context.chain().begin(l);
    Some(l)
}

/// The memory of `context` holds a copy of a state, whose first block this is: the state is that of `context` from now on.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// As for [`open`]. The copy was made by [`Memory::adopt`](crate::platform::Memory::adopt), and is at rest.
pub unsafe fn begin_copy(context: &Context, l: *mut lua_State, first: *mut u8) {
    context.memory().refuse_by(on_refusal);
    lua_setallocf(l, allocate, ptr::from_ref(context).cast_mut().cast());
    #[cfg(feature = "lua54")]
    {
        context.census().begin_with(first as usize);
        context.census().begin(l);
    }
    #[cfg(feature = "luajit")]
    let _ = first;
    context.chain().begin(l);
}

/// Closes the state; finalizers run.
///
/// # Safety
/// Nothing of the state is used afterwards, and none of its code is running.
pub unsafe fn close(context: &Context) {
    let l = context.chain().end();
    context.close();
    // Finalizers run, under the limit that the process has had; an error in one of them hurts nobody.
    context.budget().set_limit(context.process().limits.memory);
    context.budget().raise_limit(FOR_THE_END);
    context.memory().close();
    lua_settop(l, 0);
    lua_close(l);
}
