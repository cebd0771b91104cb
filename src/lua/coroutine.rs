//! `coroutine.spawn` (C-30 to C-35).

use super::arguments::wrong_type;
use crate::executor::managed;
use crate::vm::api::*;
use crate::vm::context::Context;
use std::ffi::c_int;

/// `coroutine.spawn(fn, ...)`: a managed coroutine. The thread that is returned is dead: it is only a handle.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn spawn(l: *mut lua_State) -> c_int {
    let context = Context::with_memory(l);
    if lua_type(l, 1) != LUA_TFUNCTION {
        wrong_type(l, 1, 1, "spawn", "function");
    }
    let count = lua_gettop(l);
    managed::spawn(l, context, count);
    lua_newthread(l);
    1
}

/// `passes()` of `coroutine.lua`: whether a wait can be passed on to what has resumed the running coroutine.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua, from `coroutine.lua`.
#[cfg(feature = "luajit")]
pub unsafe extern "C-unwind" fn passes(l: *mut lua_State) -> c_int {
    let passes = can_yield(l) && Context::of(l).chain().running() == l;
    lua_pushboolean(l, c_int::from(passes));
    1
}

/// `hold()` of `coroutine.lua`: keeps the thread until the wait of the running coroutine is over.
///
/// Stack: +0
/// Raises: any: waits
///
/// # Safety
/// Called by Lua, from `coroutine.lua`.
#[cfg(feature = "luajit")]
pub unsafe extern "C-unwind" fn hold(l: *mut lua_State) -> c_int {
    crate::executor::wait::hold(l, Context::of(l));
    0
}
