//! The C half of `coroutine.resume` and `wrap` of spawned processes on LuaJIT; the half that passes a wait outwards is in
//! `coroutine.lua`.
//!
//! LuaJIT limits neither how deep coroutines resume each other nor the C stack; it only limits each coroutine's own stack, and
//! what one coroutine can use up of the C stack by that fits into [`FOR_ONE_COROUTINE`]. So a resume is refused when less is
//! left, and the thread cannot run out of stack.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::managed::{FOR_ONE_COROUTINE, NESTED_COROUTINES, is_waiting, passes_wait};
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::traceback;
use std::ffi::{CStr, c_int};

/// The fourth result of `resume` and `again` if the coroutine waits in the library or is paused.
pub const WAITS: lua_Integer = -1;

/// The fourth result of `resume` and `again` if the first one is an error.
pub const FAILED: lua_Integer = -2;

/// So many results are given as they are; instead of more, the coroutine on which all of them stand.
const PLAIN_RESULTS: c_int = 3;

/// `resume(co, ...)`: resumes as the stock one does. Gives `a` if the coroutine has one result; else `a, b, c, kind`, where
/// `kind` is the number of results, or [`WAITS`], or [`FAILED`].
///
/// Stack: +4: three results and `kind`
/// Raises: any
///
/// # Safety
/// Called by Lua, from `blocking.lua`.
pub unsafe extern "C-unwind" fn resume_coroutine(l: *mut lua_State) -> c_int {
    let co = lua_tothread(l, 1);
    let given = lua_gettop(l) - 1;
    if !has_yielded(co)
        && let Some(text) = refusal(l, co)
    {
        return refused(l, text);
    }
    if given > 0 {
        if lua_checkstack(co, given + 1) == 0 {
            return refused(l, c"too many arguments to resume");
        }
        lua_xmove(l, co, given);
    }
    go(l, co, given)
}

/// `again(co)`: resumes a coroutine that waited in the library, so that it looks whether its wait is over, or that was paused.
/// The results are those of `resume`.
///
/// Stack: +4: three results and `kind`
/// Raises: any
///
/// # Safety
/// Called by Lua, from `blocking.lua`.
pub unsafe extern "C-unwind" fn resume_again(l: *mut lua_State) -> c_int {
    let co = lua_tothread(l, 1);
    if co.is_null() {
        return refused(l, c"cannot resume non-suspended coroutine");
    }
    let mut args = 0;
    if !Context::of_state(l).pause().goes_on(co) {
        if !is_waiting(co) {
            return refused(l, c"cannot resume non-suspended coroutine");
        }
        lua_pop(co, 1);
        lua_pushlightuserdata(co, again_mark());
        args = 1;
    }
    go(l, co, args)
}

/// `all(from, count)`: the results that stand on a coroutine, which was the first one that `resume` gave.
///
/// Stack: +n, n the count
/// Raises: any
///
/// # Safety
/// Called by Lua, from `blocking.lua`.
pub unsafe extern "C-unwind" fn all_results(l: *mut lua_State) -> c_int {
    let from = lua_tothread(l, 1);
    let count = lua_tointeger(l, 2);
    if from.is_null() || is_running(l, from) || lua_Integer::from(lua_gettop(from)) != count {
        return 0;
    }
    let count = count as c_int;
    if lua_checkstack(l, count) == 0 {
        luaL_error(l, c"too many results to resume".as_ptr());
    }
    lua_xmove(from, l, count);
    count
}

/// `raise(error)`: as the stock `wrap` does with the error of its coroutine, which stands before it if it is a text.
///
/// Stack: never returns
/// Raises: any
///
/// # Safety
/// Called by Lua, from `blocking.lua`.
pub unsafe extern "C-unwind" fn raise_passed(l: *mut lua_State) -> c_int {
    lua_settop(l, 1);
    if lua_type(l, 1) == LUA_TSTRING {
        luaL_where(l, 1);
        lua_insert(l, 1);
        lua_concat(l, 2);
    }
    lua_error(l)
}

/// Whether it is a coroutine that has yielded, other than by waiting: what it yielded was taken off, while the mark stays.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// `co` is null, or a coroutine of the own state.
unsafe fn has_yielded(co: *mut lua_State) -> bool {
    !co.is_null() && lua_status(co) == LUA_YIELD && lua_gettop(co) == 0
}

/// Why `co`, the first argument, cannot be resumed, `None` if it can. Raises if it is no coroutine.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state; `co` is its first argument.
#[cold]
unsafe fn refusal(l: *mut lua_State, co: *mut lua_State) -> Option<&'static CStr> {
    luaL_checktype(l, 1, LUA_TTHREAD);
    match lua_status(co) {
        LUA_YIELD if is_waiting(co) => Some(c"cannot resume non-suspended coroutine"),
        LUA_YIELD => None,
        LUA_OK if is_running(l, co) => Some(c"cannot resume non-suspended coroutine"),
        LUA_OK => (lua_gettop(co) == 0).then_some(c"cannot resume dead coroutine"),
        _ => Some(c"cannot resume dead coroutine"),
    }
}

/// Whether it is the coroutine that runs or one of those that have resumed it.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// `co` is a coroutine of the own state.
unsafe fn is_running(l: *mut lua_State, co: *mut lua_State) -> bool {
    co == l || (lua_status(co) == LUA_OK && lua_getstack(co, 0, &mut std::mem::zeroed()) != 0)
}

/// Resumes with the `args` values on top of `co`. A generator spends its time here.
///
/// Stack: +n, n the result, room for 4
/// Raises: memory
///
/// # Safety
/// Own state; `args` values are on top of `co`, which can be resumed.
#[inline(always)]
unsafe fn go(l: *mut lua_State, co: *mut lua_State, args: c_int) -> c_int {
    let context = Context::of_state(l);
    let depth = context.chain().depth();
    if depth >= NESTED_COROUTINES || context.chain().stack_left() < FOR_ONE_COROUTINE {
        lua_settop(co, -args - 1);
        return refused(l, c"C stack overflow");
    }
    let link = context.chain().link(l, co);
    context.chain().set_depth(depth + 1);
    context.chain().enter(&link);
    let (status, results) = resume(co, l, args);
    context.chain().back(&link);
    context.chain().set_depth(depth);
    match status {
        LUA_YIELD if context.pause().is_passing() || passes_wait(context, co, results) => tell(l, WAITS),
        LUA_OK | LUA_YIELD if results == 1 => {
            lua_xmove(co, l, 1);
            1
        }
        LUA_OK | LUA_YIELD => hand_back(l, co, results),
        _ => {
            traceback::keep_failed(l, context, co);
            lua_xmove(co, l, 1);
            tell(l, FAILED)
        }
    }
}

/// Gives so many results, not one, which are on top of `co`. More than a few stay there, if it is not over and no hook can
/// resume it before `all` takes them; else they come onto a coroutine of their own.
///
/// Stack: +n, n the result, room for 5
/// Raises: memory
///
/// # Safety
/// Own state; `results` values are on top of `co`.
unsafe fn hand_back(l: *mut lua_State, co: *mut lua_State, results: c_int) -> c_int {
    // The results and what holds them, above the coroutine; `all` needs no more places.
    if lua_checkstack(l, results + 2) == 0 {
        lua_settop(co, -results - 1);
        return refused(l, c"too many results to resume");
    }
    let first = lua_gettop(l) + 1;
    if results > PLAIN_RESULTS && lua_status(co) == LUA_YIELD && lua_gethook(l).is_none() {
        lua_pushvalue(l, 1);
    } else {
        lua_xmove(co, l, results);
        if results > PLAIN_RESULTS {
            let holder = lua_newthread(l);
            lua_insert(l, first);
            if lua_checkstack(holder, results) == 0 {
                return refused(l, c"too many results to resume");
            }
            lua_xmove(l, holder, results);
        }
    }
    lua_settop(l, first + PLAIN_RESULTS - 1);
    lua_pushinteger(l, results.into());
    PLAIN_RESULTS + 1
}

/// Gives `kind`, which is none of results; what is on top comes first.
///
/// Stack: +3, n the result
/// Raises: never
///
/// # Safety
/// Own state; a value is on top.
#[cold]
unsafe fn tell(l: *mut lua_State, kind: lua_Integer) -> c_int {
    lua_pushnil(l);
    lua_pushnil(l);
    lua_pushinteger(l, kind);
    PLAIN_RESULTS + 1
}

/// Says why there is nothing to resume.
///
/// Stack: +4, n the result
/// Raises: memory
///
/// # Safety
/// Own state.
#[cold]
unsafe fn refused(l: *mut lua_State, text: &CStr) -> c_int {
    traceback::keep_none(Context::of_state(l));
    lua_pushstring(l, text.as_ptr());
    tell(l, FAILED)
}
