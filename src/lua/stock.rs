//! The stock functions that spawned processes have in a form of ours.

use super::{commands, coroutine};
use crate::executor::frames;
use crate::platform;
use crate::vm::api::push_library;
use crate::vm::api::*;
use crate::vm::context::Context;
use std::ffi::c_int;
use std::ptr;

/// Puts them in the place of the interpreter's, as far as the host grants their libraries.
///
/// Stack: 0, room for 12
/// Raises: any
///
/// # Safety
/// Own state, which is new.
pub unsafe fn replace(l: *mut lua_State) {
    push_globals(l);
    set_function(l, c"print", print);
    raw_field(l, -1, c"collectgarbage");
    lua_pushcclosure(l, collectgarbage, 1);
    set_raw_field(l, -2, c"collectgarbage");
    lua_pop(l, 1);
    push_library(l, c"coroutine");
    if lua_type(l, -1) == LUA_TTABLE {
        set_function(l, c"spawn", coroutine::spawn);
        replace_coroutine_functions(l);
    }
    lua_pop(l, 1);
    push_library(l, c"os");
    if lua_type(l, -1) == LUA_TTABLE {
        set_function(l, c"exit", exit);
        set_function(l, c"execute", commands::execute);
    }
    lua_pop(l, 1);
    push_library(l, c"io");
    if lua_type(l, -1) == LUA_TTABLE {
        commands::replace_functions(l);
    }
    lua_pop(l, 1);
}

/// Puts `resume`, `wrap` and `close` into the table `coroutine`.
///
/// Stack: 0, room for 4
/// Raises: memory
///
/// # Safety
/// Own state, which is new; the table `coroutine` is on top.
#[cfg(feature = "lua54")]
unsafe fn replace_coroutine_functions(l: *mut lua_State) {
    crate::executor::resume_lua54::replace_functions(l);
}

/// Puts `resume` and `wrap` into the table `coroutine`.
///
/// Stack: 0, room for 12
/// Raises: any
///
/// # Safety
/// Own state, which is new; the table `coroutine` is on top.
#[cfg(feature = "luajit")]
unsafe fn replace_coroutine_functions(l: *mut lua_State) {
    use crate::executor::resume_luajit;
    crate::vm::lua_parts::COROUTINE.push(l);
    lua_pushlightuserdata(l, waiting_mark());
    lua_pushinteger(l, resume_luajit::WAITS);
    lua_pushinteger(l, resume_luajit::FAILED);
    lua_pushcclosure(l, resume_luajit::resume_coroutine, 0);
    lua_pushcclosure(l, resume_luajit::resume_again, 0);
    lua_pushcclosure(l, resume_luajit::all_results, 0);
    lua_pushcclosure(l, coroutine::passes, 0);
    lua_pushcclosure(l, coroutine::hold, 0);
    lua_pushcclosure(l, resume_luajit::raise_passed, 0);
    lua_call(l, 9, 2);
    set_raw_field(l, -3, c"wrap");
    set_raw_field(l, -2, c"resume");
}

/// Seeds `math.random` (H-56): the VMs start each state alike, or nearly so.
///
/// Stack: 0, room for 4
/// Raises: any
///
/// # Safety
/// Own state, in which no code of the user's has run.
pub unsafe fn seed_random(l: *mut lua_State) {
    let top = lua_gettop(l);
    push_library(l, c"math");
    if lua_type(l, -1) == LUA_TTABLE && raw_field(l, -1, c"randomseed") == LUA_TFUNCTION {
        // Exact as a double.
        push_whole(l, (platform::random_word() >> 11) as i64);
        lua_call(l, 1, 0);
    }
    lua_settop(l, top);
}

/// `collectgarbage` of spawned processes: the stock one, with a look at whether the process is to end. A loop of collections
/// spends all its time in C, where nothing can interrupt it.
///
/// Stack: +n, what the stock function returns
/// Raises: any
///
/// # Safety
/// Called by Lua; the captured value is the stock function.
unsafe extern "C-unwind" fn collectgarbage(l: *mut lua_State) -> c_int {
    let context = Context::of_state(l);
    if context.leaving().is_open() {
        frames::leave_if_over(l, context);
    }
    match to_bytes(l, 1) {
        Some(b"stop") => context.set_collector_stopped(true),
        Some(b"restart") => context.set_collector_stopped(false),
        _ => {}
    }
    let count = lua_gettop(l);
    lua_pushvalue(l, lua_upvalueindex(1));
    lua_insert(l, 1);
    lua_call(l, count, LUA_MULTRET);
    lua_gettop(l)
}

/// `print` of spawned processes: the whole line in one piece (H-52).
///
/// Stack: +0
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn print(l: *mut lua_State) -> c_int {
    let count = lua_gettop(l);
    luaL_checkstack(l, 3 * count + 4, c"too many arguments to print".as_ptr());
    for index in 1..=count {
        if index > 1 {
            push_bytes(l, b"\t");
        }
        luaL_tolstring(l, index, ptr::null_mut());
    }
    push_bytes(l, b"\n");
    lua_concat(l, lua_gettop(l) - count);
    if let Some(line) = to_bytes(l, -1) {
        platform::print_line(line);
    }
    0
}

/// `os.exit` of spawned processes (H-53): ends the program with this code.
///
/// Stack: never returns
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn exit(l: *mut lua_State) -> c_int {
    let code = match lua_type(l, 1) {
        LUA_TNONE | LUA_TNIL => 0,
        LUA_TBOOLEAN => c_int::from(lua_toboolean(l, 1) == 0),
        LUA_TNUMBER => to_whole(l, 1).unwrap_or(0) as c_int,
        _ => super::arguments::wrong_type(l, 1, 1, "exit", "number"),
    };
    platform::exit(code)
}
