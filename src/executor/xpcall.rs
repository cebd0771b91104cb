//! Managed coroutines of spawned processes on LuaJIT run under the stock `xpcall`, whose handler notes the stack of an error
//! ([`crate::vm::traceback`]): when LuaJIT has unwound a coroutine, most of it cannot be told any more. A wait passes through
//! `xpcall`.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::traceback;
use std::ffi::c_int;

/// Where the stock `xpcall` is kept.
static XPCALL: u8 = 0;

/// Keeps the stock `xpcall` of a new state, before any code of the process can exchange it.
///
/// Stack: 0, room for 3
/// Raises: memory
///
/// # Safety
/// Own state, which no code of the user's has seen.
pub unsafe fn keep_xpcall(l: *mut lua_State) {
    lua_pushvalue(l, LUA_GLOBALSINDEX);
    raw_field(l, -1, c"xpcall");
    lua_rawsetp(l, LUA_REGISTRYINDEX, (&raw const XPCALL).cast());
    lua_pop(l, 1);
}

/// Pushes the stock `xpcall`; `false` and nothing if the host does not grant the library it is of.
///
/// Stack: +1 or 0
/// Raises: never
///
/// # Safety
/// Own state.
unsafe fn push_xpcall(l: *mut lua_State) -> bool {
    let granted = lua_rawgetp(l, LUA_REGISTRYINDEX, (&raw const XPCALL).cast()) == LUA_TFUNCTION;
    if !granted {
        lua_pop(l, 1);
    }
    granted
}

/// Puts `xpcall` around the function and its arguments that stand on a new coroutine.
///
/// Stack: 0, +2 on `co`
/// Raises: memory
///
/// # Safety
/// Own state; the function and its arguments are all that `co` has, and it has room for two more.
pub unsafe fn put_around(l: *mut lua_State, context: &Context, co: *mut lua_State) {
    if context.process().is_main() || !push_xpcall(l) {
        return;
    }
    lua_pushcclosure(l, traceback::note_failure, 0);
    lua_xmove(l, co, 2);
    lua_insert(co, 2);
    lua_insert(co, 1);
}

/// How a coroutine that has ended without an error really ended: takes away what `xpcall` puts before the results.
///
/// Stack: 0, -1 on `co`
/// Raises: never
///
/// # Safety
/// Own state; `co` has ended.
pub unsafe fn status_inside(l: *mut lua_State, context: &Context, co: *mut lua_State) -> c_int {
    if context.process().is_main() || !push_xpcall(l) {
        return LUA_OK;
    }
    lua_pop(l, 1);
    let done = lua_toboolean(co, 1) != 0;
    lua_remove(co, 1);
    match done {
        true => LUA_OK,
        // The handler is not called for it.
        false if to_bytes(co, -1) == Some(b"not enough memory") => LUA_ERRMEM,
        false => LUA_ERRRUN,
    }
}
