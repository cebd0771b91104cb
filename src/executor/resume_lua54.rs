//! `coroutine.resume`, `wrap` and `close` of spawned processes on Lua 5.4: in C, with continuations, after those of `lcorolib.c`.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::managed::{NESTED_COROUTINES, holds_mark, is_waiting, passes_wait};
use super::{frames, wait};
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::traceback;
use std::ffi::c_int;

/// Puts the library's functions into the table `coroutine`, which is on top, of a spawned process.
///
/// Stack: 0, room for 4
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn replace_functions(l: *mut lua_State) {
    set_function(l, c"resume", resume_coroutine);
    set_function(l, c"wrap", wrap_coroutine);
    raw_field(l, -1, c"close");
    lua_pushcclosure(l, close_coroutine, 1);
    set_raw_field(l, -2, c"close");
}

/// How a coroutine came back.
enum Back {
    /// So many results stand on top of the resumer.
    Results(c_int),
    /// The error value stands on top of the resumer.
    Error,
    /// It waits or is paused, and so has its resumer to.
    Waits,
}

/// Moves the arguments over: how many `co` is to be resumed with. `None`, with a message on `l`, if it cannot be resumed.
///
/// Stack: -given, or +1 the refusal
/// Raises: memory
///
/// # Safety
/// Own state; `given` values are on top.
unsafe fn hand_over(l: *mut lua_State, co: *mut lua_State, given: c_int) -> Option<c_int> {
    let status = lua_status(co);
    let refusal = match status {
        LUA_YIELD if holds_mark(co, lua_gettop(co)) => Some(c"cannot resume non-suspended coroutine"),
        LUA_YIELD => None,
        LUA_OK => {
            let mut debug = std::mem::zeroed::<lua_Debug>();
            if co == l || lua_getstack(co, 0, &mut debug) != 0 {
                Some(c"cannot resume non-suspended coroutine")
            } else if lua_gettop(co) == 0 {
                Some(c"cannot resume dead coroutine")
            } else {
                None
            }
        }
        _ => Some(c"cannot resume dead coroutine"),
    };
    let refusal =
        refusal.or_else(|| (lua_checkstack(co, given) == 0).then_some(c"too many arguments to resume"));
    if let Some(text) = refusal {
        lua_pushstring(l, text.as_ptr());
        return None;
    }
    lua_xmove(l, co, given);
    Some(if status == LUA_YIELD { given } else { lua_gettop(co) - 1 })
}

/// Resumes until the coroutine yields to its caller, ends, or waits in a way that can be passed outwards.
///
/// Stack: +n, n as the result says
/// Raises: any: waits, and leaves the process
///
/// # Safety
/// Own state; `args` values are on top of `co`, which can be resumed.
unsafe fn go(l: *mut lua_State, co: *mut lua_State, args: c_int) -> Back {
    let context = Context::of_state(l);
    let mut args = args;
    let depth = context.chain().depth();
    if depth >= NESTED_COROUTINES {
        lua_settop(co, -args - 1);
        lua_pushstring(l, c"C stack overflow".as_ptr());
        return Back::Error;
    }
    loop {
        let link = context.chain().link(l, co);
        context.chain().enter(&link);
        context.chain().set_depth(depth + 1);
        let (status, results) = resume(co, l, args);
        context.chain().set_depth(depth);
        context.chain().back(&link);
        context.pause().left(co);
        frames::leave_if_over(l, context);
        let passes_outwards = can_yield(l) && context.chain().running() == l;
        match status {
            LUA_YIELD if context.pause().is_passing() => {
                if passes_outwards {
                    return Back::Waits;
                }
                context.pause().arrive();
                prepare(context, co);
                args = 0;
            }
            LUA_YIELD if passes_wait(context, co, results) => {
                if passes_outwards {
                    return Back::Waits;
                }
                wait::hold(l, context);
                lua_pop(co, 1);
                args = 0;
            }
            LUA_OK | LUA_YIELD => {
                if lua_checkstack(l, results + 1) == 0 {
                    lua_settop(co, -results - 1);
                    lua_pushstring(l, c"too many results to resume".as_ptr());
                    return Back::Error;
                }
                lua_xmove(co, l, results);
                return Back::Results(results);
            }
            _ => {
                lua_xmove(co, l, 1);
                return Back::Error;
            }
        }
    }
}

/// Before a coroutine that waited, or was paused, goes on: takes the mark off it.
///
/// Stack: 0, -1 or 0 on `co`
/// Raises: never
///
/// # Safety
/// `co` is a coroutine of the own state that waited, or was paused.
unsafe fn prepare(context: &Context, co: *mut lua_State) {
    if !context.pause().goes_on(co) {
        lua_pop(co, 1);
    }
}

/// Passes a wait outwards; when it is over, `next` runs.
///
/// Stack: +1
/// Raises: any: yields
///
/// # Safety
/// Own state; the result is returned to Lua.
unsafe fn pass_outwards(l: *mut lua_State, next: lua_KFunction) -> c_int {
    lua_pushlightuserdata(l, waiting_mark());
    yield_with(l, 1, 0, next)
}

/// `coroutine.resume`.
///
/// Stack: +n, what `coroutine.resume` returns
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn resume_coroutine(l: *mut lua_State) -> c_int {
    let Some(co) = thread_at(l, 1) else {
        luaL_checktype(l, 1, LUA_TTHREAD);
        return 0;
    };
    let given = lua_gettop(l) - 1;
    match hand_over(l, co, given) {
        Some(args) => resumed(l, co, args),
        None => failed(l),
    }
}

/// Resumes, and returns what `coroutine.resume` does.
///
/// Stack: +n, n the result
/// Raises: any
///
/// # Safety
/// Own state; the result is returned to Lua.
unsafe fn resumed(l: *mut lua_State, co: *mut lua_State, args: c_int) -> c_int {
    match go(l, co, args) {
        Back::Results(count) => {
            lua_pushboolean(l, 1);
            lua_insert(l, -count - 1);
            count + 1
        }
        Back::Error => failed(l),
        Back::Waits => pass_outwards(l, resume_again),
    }
}

/// Returns `false` and the error.
///
/// Stack: +1, n the result
/// Raises: never
///
/// # Safety
/// Own state; the error is on top.
unsafe fn failed(l: *mut lua_State) -> c_int {
    lua_pushboolean(l, 0);
    lua_insert(l, -2);
    2
}

/// `coroutine.resume` goes on when the wait is over.
///
/// Stack: +n, what `coroutine.resume` returns
/// Raises: any
///
/// # Safety
/// Called by Lua, as a continuation.
unsafe extern "C-unwind" fn resume_again(l: *mut lua_State, _: c_int, _: lua_KContext) -> c_int {
    let co = lua_tothread(l, 1);
    prepare(Context::of_state(l), co);
    resumed(l, co, 0)
}

/// `coroutine.wrap`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn wrap_coroutine(l: *mut lua_State) -> c_int {
    luaL_checktype(l, 1, LUA_TFUNCTION);
    let co = lua_newthread(l);
    lua_pushvalue(l, 1);
    lua_xmove(l, co, 1);
    lua_pushcclosure(l, call_wrapped, 1);
    1
}

/// What `coroutine.wrap` gives.
///
/// Stack: +n, what the coroutine yields or returns
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn call_wrapped(l: *mut lua_State) -> c_int {
    let co = lua_tothread(l, lua_upvalueindex(1));
    match hand_over(l, co, lua_gettop(l)) {
        Some(args) => called(l, co, args),
        None => raise_wrapped(l, co),
    }
}

/// Resumes, and returns what a wrapped coroutine does.
///
/// Stack: +n, n the result
/// Raises: any
///
/// # Safety
/// Own state; the result is returned to Lua.
unsafe fn called(l: *mut lua_State, co: *mut lua_State, args: c_int) -> c_int {
    match go(l, co, args) {
        Back::Results(count) => count,
        Back::Error => raise_wrapped(l, co),
        Back::Waits => pass_outwards(l, call_again),
    }
}

/// The wrapped coroutine goes on when the wait is over.
///
/// Stack: +n, what the coroutine yields or returns
/// Raises: any
///
/// # Safety
/// Called by Lua, as a continuation.
unsafe extern "C-unwind" fn call_again(l: *mut lua_State, _: c_int, _: lua_KContext) -> c_int {
    let co = lua_tothread(l, lua_upvalueindex(1));
    prepare(Context::of_state(l), co);
    called(l, co, 0)
}

/// Raises the error of a wrapped coroutine, as the stock `wrap` does.
///
/// Stack: never returns
/// Raises: any
///
/// # Safety
/// Own state; the error is on top of `l`, or of `co` if it has failed.
unsafe fn raise_wrapped(l: *mut lua_State, co: *mut lua_State) -> c_int {
    let status = lua_status(co);
    let context = Context::of_state(l);
    if status == LUA_OK || status == LUA_YIELD {
        traceback::keep_none(context);
    } else {
        traceback::keep_failed(l, context, co);
        // Closes what the coroutine left open, by its own code; a new error takes the place of the old one.
        let link = context.chain().link(l, co);
        context.chain().enter(&link);
        lua_resetthread(co);
        context.chain().back(&link);
        context.pause().left(co);
        lua_xmove(co, l, 1);
    }
    if status != LUA_ERRMEM && lua_type(l, -1) == LUA_TSTRING {
        luaL_where(l, 1);
        lua_insert(l, -2);
        lua_concat(l, 2);
    }
    lua_error(l)
}

/// The stock `close` for everything but a coroutine that waits in the library: that one is not suspended for others.
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn close_coroutine(l: *mut lua_State) -> c_int {
    let context = Context::of_state(l);
    let given = lua_gettop(l);
    let closed = thread_at(l, 1);
    if closed.is_some_and(|co| is_waiting(co)) {
        luaL_error(l, c"cannot close a running coroutine".as_ptr());
    }
    lua_pushvalue(l, lua_upvalueindex(1));
    lua_insert(l, 1);
    // What a coroutine left open is closed by its own code.
    let link = context.chain().link(l, closed.unwrap_or(l));
    context.chain().enter(&link);
    let status = lua_pcall(l, given, LUA_MULTRET, 0);
    context.chain().back(&link);
    if let Some(closed) = closed
        && closed != l
    {
        context.pause().left(closed);
    }
    if status != LUA_OK {
        lua_error(l);
    }
    lua_gettop(l)
}

/// The coroutine at `index`, `None` if it is something else.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state.
unsafe fn thread_at(l: *mut lua_State, index: c_int) -> Option<*mut lua_State> {
    (lua_type(l, index) == LUA_TTHREAD).then(|| lua_tothread(l, index))
}
