//! The state of the VM's collector: holding it, and whether one of its finalizers runs.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::api::*;
use std::ffi::c_int;

/// Whether the collector may run, for a state that has just been made: to let it go on has it begin a step at once, so that
/// nobody else stops it (see [`super::headroom::unlimited`] and the way that [`crate::codec`] goes).
pub struct CollectorHeld(bool);

impl CollectorHeld {
    /// Stops the collector.
    ///
    /// Stack: 0
    /// Raises: never
    ///
    /// # Safety
    /// Own state.
    pub unsafe fn hold(l: *mut lua_State) -> Self {
        let was_running = collector_runs(l) == 1;
        if was_running {
            lua_gc(l, LUA_GCSTOP, 0);
        }
        CollectorHeld(was_running)
    }

    /// Lets it go on if it ran before.
    ///
    /// Stack: 0
    /// Raises: never
    ///
    /// # Safety
    /// Own state, the one that was held.
    pub unsafe fn release(self, l: *mut lua_State) {
        if self.0 {
            lua_gc(l, LUA_GCRESTART, 0);
        }
    }
}

/// What a new state has is no garbage: on Lua 5.4 the first collection, which looks at all of it, is due when as much was
/// allocated as it takes.
///
/// Stack: 0
/// Raises: memory
///
/// # Safety
/// Own state, which is new.
pub unsafe fn grant_first_bytes(l: *mut lua_State) {
    #[cfg(feature = "lua54")]
    if collector_runs(l) == 1 {
        lua_gc(l, LUA_GCSTEP, -lua_gc(l, LUA_GCCOUNT, 0));
    }
    #[cfg(feature = "luajit")]
    let _ = l;
}

const GC_IS_RUNNING: c_int = 9;

/// 1 if the collector runs, 0 if it is stopped, -1 if it answers nothing because a finalizer runs (5.4.4 and later).
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state.
pub unsafe fn collector_runs(l: *mut lua_State) -> c_int {
    lua_gc(l, GC_IS_RUNNING, 0)
}

/// Whether a finalizer runs. A stopped collector is the sign; who stopped it is found out by a hook, since none is called
/// inside finalizers.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state; `l` runs.
pub unsafe fn in_finalizer(l: *mut lua_State) -> bool {
    match collector_runs(l) {
        1 => false,
        0 => !hooks_are_called(l),
        _ => true,
    }
}

/// A hook that takes itself away: hooks are called.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Called by Lua, as a hook.
unsafe extern "C-unwind" fn note_call(l: *mut lua_State, _: *mut lua_Debug) {
    lua_sethook(l, None, 0, 0);
}

/// Whether debug hooks are called now: not while one runs, nor in a finalizer.
///
/// Stack: 0, room for 2
/// Raises: never
///
/// # Safety
/// Own state; `l` runs.
pub unsafe fn hooks_are_called(l: *mut lua_State) -> bool {
    let (hook, mask, count) = (lua_gethook(l), lua_gethookmask(l), lua_gethookcount(l));
    lua_sethook(l, Some(note_call), LUA_MASKCOUNT, 1);
    if luaL_loadstring(l, c"return".as_ptr()) == LUA_OK {
        lua_pcall(l, 0, 0, 0);
    } else {
        lua_pop(l, 1);
    }
    let called = lua_gethook(l).is_none();
    lua_sethook(l, hook, mask, count);
    called
}
