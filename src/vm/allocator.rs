//! Which allocator a spawned state has. LuaJIT builds for 64 bits whose pointers to collectable memory have 32 (those of
//! Tarantool, for one) make states with their own allocator only. There the context is found through the registry, as in a main
//! state, and `memory_limit` is a matter of looking (H-27): when the process waits, and after each cycle of the collector.
//!
//! `PROCESS_ALLOCATOR=vm` in the environment has every LuaJIT do so, for diagnosis and for the tests.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::api::*;
use super::collector::collector_runs;
use super::context::Context;
use super::context_field;
use super::raise::raise_failure;
use crate::runtime::failure::Failure;
use once_cell::sync::OnceCell;
use std::ffi::{c_int, c_void};
use std::ptr;

/// Whether the VM makes states with an allocator of others.
pub fn can_be_given() -> bool {
    static KNOWN: OnceCell<bool> = OnceCell::new();
    *KNOWN.get_or_init(|| {
        let wanted = std::env::var_os("PROCESS_ALLOCATOR").is_none_or(|value| value != "vm");
        // SAFETY: has no preconditions.
        wanted && unsafe { ask_vm() }
    })
}

/// Asks a state of its own kind: to try would have the VM write on standard error.
///
/// # Safety
/// None: the state that it asks is its own.
unsafe fn ask_vm() -> bool {
    let l = luaL_newstate();
    if l.is_null() {
        return true;
    }
    /// Asks the VM itself.
    ///
    /// Stack: 0
    /// Raises: any
    ///
    /// # Safety
    /// Called by Lua, with the place for the answer, a `bool`, as light userdata.
    unsafe extern "C-unwind" fn ask(l: *mut lua_State) -> c_int {
        luaL_openlibs(l);
        let question = c"local ffi = require 'ffi' return ffi.abi('gc64') or ffi.abi('32bit')";
        let told = luaL_loadstring(l, question.as_ptr()) == LUA_OK && lua_pcall(l, 0, 1, 0) == LUA_OK;
        let answer = lua_touserdata(l, 1).cast::<bool>();
        // SAFETY: the caller's, who waits.
        *answer = !told || lua_toboolean(l, -1) != 0;
        0
    }
    let mut answer = true;
    lua_cpcall(l, ask, ptr::from_mut(&mut answer).cast());
    lua_close(l);
    answer
}

/// A state with the VM's own allocator that leads to the context; null if there is no memory.
///
/// Stack: 0: a new state
/// Raises: never
///
/// # Safety
/// The context stays where it is until the state is closed.
pub unsafe fn open_state(context: &Context) -> *mut lua_State {
    /// Leads from the state to its context.
    ///
    /// Stack: 0
    /// Raises: memory
    ///
    /// # Safety
    /// Called by Lua, with the context as light userdata.
    unsafe extern "C-unwind" fn lead(l: *mut lua_State) -> c_int {
        context_field::set_context(l, lua_touserdata(l, 1).cast::<Context>());
        0
    }
    let l = luaL_newstate();
    if l.is_null() {
        return l;
    }
    context.let_vm_allocate();
    let data = ptr::from_ref(context).cast_mut().cast::<c_void>();
    if lua_cpcall(l, lead, data) != LUA_OK {
        lua_close(l);
        return ptr::null_mut();
    }
    l
}

/// Has the limit of the process looked at in each cycle of the collector.
///
/// Stack: 0, room for 4
/// Raises: memory
///
/// # Safety
/// Own state; `context` is its context.
pub unsafe fn watch(l: *mut lua_State, context: &Context) {
    if context.vm_allocates() && context.process().limits.memory != 0 {
        push_guard(l, cycle_ends);
        lua_pop(l, 1);
    }
}

/// A cycle of the collector: looks, and sees to it that the next one does.
///
/// Stack: 0
/// Raises: memory
///
/// # Safety
/// Called by Lua, as a finalizer.
unsafe extern "C-unwind" fn cycle_ends(l: *mut lua_State) -> c_int {
    let Some(context) = Context::find(l) else { return 0 };
    if context.is_closing() {
        return 0;
    }
    watch(l, context);
    count(l, context);
    // Not raised here: the cycle may end where compiled code is left, and LuaJIT does not survive an error there.
    if !context.budget().has_room(0) && context.leaving().is_open() && lua_gethook(l).is_none() {
        lua_sethook(l, Some(raise_if_over), LUA_MASKCOUNT, 1);
    }
    0
}

/// The hook: raises if the process still uses more than it may.
///
/// Stack: 0
/// Raises: memory
///
/// # Safety
/// Called by Lua, as a hook.
unsafe extern "C-unwind" fn raise_if_over(l: *mut lua_State, _: *mut lua_Debug) {
    lua_sethook(l, None, 0, 0);
    let Some(context) = Context::find(l) else { return };
    let over = is_over_limit(l, context);
    // The collections may have asked for this once more.
    lua_sethook(l, None, 0, 0);
    if over {
        raise_failure(l, 1, Failure::OutOfMemory);
    }
}

/// The process waits: whether it has more memory than it may, garbage apart.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state; `context` is its context. No borrow: finalizers run.
pub unsafe fn is_over_limit(l: *mut lua_State, context: &Context) -> bool {
    if !context.vm_allocates() || context.process().limits.memory == 0 {
        return false;
    }
    /// Collects twice, so that what finalizers held goes too.
    ///
    /// Stack: 0
    /// Raises: memory
    ///
    /// # Safety
    /// Called by Lua.
    unsafe extern "C-unwind" fn collect(l: *mut lua_State) -> c_int {
        // What has a finalizer is gone after the second.
        lua_gc(l, LUA_GCCOLLECT, 0);
        lua_gc(l, LUA_GCCOLLECT, 0);
        0
    }
    count(l, context);
    if !context.budget().has_room(0) && collector_runs(l) == 1 {
        // LuaJIT passes on what finalizers raise, that of this page too.
        if protected(l, collect) != LUA_OK {
            lua_pop(l, 1);
        }
        count(l, context);
    }
    !context.budget().has_room(0)
}

/// Tells the budget how much the VM has allocated.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state; `context` is its context.
unsafe fn count(l: *mut lua_State, context: &Context) {
    let used = (lua_gc(l, LUA_GCCOUNT, 0) as usize) << 10 | lua_gc(l, LUA_GCCOUNTB, 0) as usize;
    context.budget().set_counted(used);
}
