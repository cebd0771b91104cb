//! The C half of `coroutine.resume` and `wrap` of spawned processes on LuaJIT; the half that passes a wait outwards is in
//! `coroutine.lua`.
//!
//! LuaJIT limits neither how deep coroutines resume each other nor the C stack; it only limits each coroutine's own stack, and
//! what one coroutine can use up of the C stack by that fits into [`FOR_ONE_COROUTINE`]. So a resume is refused when less is
//! left, and the thread cannot run out of stack.

use super::api::*;
use super::context::Context;
use super::coroutine::{NESTED_COROUTINES, holds_mark, is_waiting};
use super::traceback;
use crate::platform;
use std::ffi::{CStr, c_int};

/// The deepest recursion through C functions that one coroutine can reach needs less than this (measured: callbacks of
/// `string.gsub`, 5,982 levels in 48 to 49 MiB).
const FOR_ONE_COROUTINE: usize = 52 << 20;

/// `resume(co, ...)`: as the stock one, but a coroutine that waits in the library gives `true` and the waiting mark.
pub unsafe extern "C-unwind" fn resume_coroutine(l: *mut lua_State) -> c_int {
    luaL_checktype(l, 1, LUA_TTHREAD);
    let co = lua_tothread(l, 1);
    let given = lua_gettop(l) - 1;
    match refusal(l, co, given) {
        Some(text) => refused(l, text),
        None => {
            lua_xmove(l, co, given);
            go(l, co, given)
        }
    }
}

/// `again(co)`: resumes a coroutine that waited in the library, so that it looks whether its wait is over, or that was paused.
pub unsafe extern "C-unwind" fn resume_again(l: *mut lua_State) -> c_int {
    let co = lua_tothread(l, 1);
    if !co.is_null() && Context::of_state(l).pause.goes_on(co) {
        return go(l, co, 0);
    }
    if co.is_null() || !is_waiting(co) {
        return refused(l, c"cannot resume non-suspended coroutine");
    }
    lua_pop(co, 1);
    lua_pushlightuserdata(co, again_mark());
    go(l, co, 1)
}

/// `raise(error)`: as the stock `wrap` does with the error of its coroutine, which stands before it if it is a text.
pub unsafe extern "C-unwind" fn raise_passed(l: *mut lua_State) -> c_int {
    lua_settop(l, 1);
    if lua_type(l, 1) == LUA_TSTRING {
        luaL_where(l, 1);
        lua_insert(l, 1);
        lua_concat(l, 2);
    }
    lua_error(l)
}

/// Whether a coroutine resumed here could use up the C stack.
pub fn stack_is_short() -> bool {
    platform::remaining_stack() < FOR_ONE_COROUTINE
}

/// Why `co` cannot be resumed with so many arguments, `None` if it can.
unsafe fn refusal(l: *mut lua_State, co: *mut lua_State, given: c_int) -> Option<&'static CStr> {
    match lua_status(co) {
        LUA_YIELD if holds_mark(co, lua_gettop(co)) => return Some(c"cannot resume non-suspended coroutine"),
        LUA_YIELD => {}
        LUA_OK => {
            let mut debug = std::mem::zeroed::<lua_Debug>();
            if co == l || lua_getstack(co, 0, &mut debug) != 0 {
                return Some(c"cannot resume non-suspended coroutine");
            }
            if lua_gettop(co) == 0 {
                return Some(c"cannot resume dead coroutine");
            }
        }
        _ => return Some(c"cannot resume dead coroutine"),
    }
    (lua_checkstack(co, given + 1) == 0).then_some(c"too many arguments to resume")
}

unsafe fn go(l: *mut lua_State, co: *mut lua_State, args: c_int) -> c_int {
    let context = Context::of_state(l);
    let depth = context.nested_coroutines.get();
    if depth >= NESTED_COROUTINES || stack_is_short() {
        lua_settop(co, -args - 1);
        return refused(l, c"C stack overflow");
    }
    context.nested_coroutines.set(depth + 1);
    context.running.set(co);
    let (status, results) = resume(co, l, args);
    context.running.set(l);
    context.nested_coroutines.set(depth);
    match status {
        LUA_YIELD if context.pause.is_passing() || holds_mark(co, results) => {
            lua_pushboolean(l, 1);
            lua_pushlightuserdata(l, waiting_mark());
            2
        }
        LUA_OK | LUA_YIELD => {
            if lua_checkstack(l, results + 1) == 0 {
                lua_settop(co, -results - 1);
                return refused(l, c"too many results to resume");
            }
            lua_pushboolean(l, 1);
            lua_xmove(co, l, results);
            results + 1
        }
        _ => {
            traceback::keep_failed(l, context, co);
            lua_pushboolean(l, 0);
            lua_xmove(co, l, 1);
            2
        }
    }
}

unsafe fn refused(l: *mut lua_State, text: &CStr) -> c_int {
    traceback::keep_none(Context::of_state(l));
    lua_pushboolean(l, 0);
    lua_pushstring(l, text.as_ptr());
    2
}
