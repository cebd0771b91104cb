//! The functions that may wait, by name. On Lua 5.4 each is a C function with a continuation. LuaJIT has no continuations: there
//! each is put together from two halves by `blocking.lua`, once for each state.

use super::{
    call, exec, on, registry, select, send_receive, send_wait, shutdown, spawn_builder, time, traceback,
};
use crate::vm::api::*;
#[cfg(feature = "luajit")]
use crate::vm::{headroom, lua_parts};
use std::ffi::CStr;
#[cfg(feature = "luajit")]
use std::ffi::c_int;

/// A function that may wait: on Lua 5.4 it is the C function itself.
#[cfg(feature = "lua54")]
pub fn blocking_function(name: &CStr) -> Function {
    match name.to_bytes() {
        b"receive" => send_receive::receive,
        b"send" => send_receive::send,
        b"select" => select::select,
        b"call" => call::call,
        b"exec" => exec::exec,
        b"exec_as" => spawn_builder::exec_as,
        b"wait" => exec::wait_for_children,
        b"await" => exec::await_end,
        b"await_name" => registry::await_name,
        b"send_wait" => send_wait::send_wait,
        b"next" => send_receive::next,
        b"traceback" => traceback::traceback,
        b"shutdown" => shutdown::shutdown,
        b"take" => on::take,
        _ => time::sleep,
    }
}

/// Pushes a function that may wait.
///
/// Stack: +1
/// Raises: memory
///
/// # Safety
/// Own state.
#[cfg(feature = "lua54")]
pub unsafe fn push_blocking(l: *mut lua_State, name: &CStr) {
    lua_pushcclosure(l, blocking_function(name), 0);
}

/// Where a state has those that were made.
#[cfg(feature = "luajit")]
static MADE: u8 = 0;

/// Pushes a function that may wait: on LuaJIT it is put together from two halves by `blocking.lua`, once for each state.
///
/// Stack: +1, room for 4
/// Raises: memory
///
/// # Safety
/// Own state.
#[cfg(feature = "luajit")]
pub unsafe fn push_blocking(l: *mut lua_State, name: &CStr) {
    if lua_rawgetp(l, LUA_REGISTRYINDEX, (&raw const MADE).cast()) != LUA_TTABLE {
        lua_pop(l, 1);
        luaL_checkstack(l, 32, c"no room for the library".as_ptr());
        headroom::unlimited(l, || {
            let (hook, mask, count) = (lua_gethook(l), lua_gethookmask(l), lua_gethookcount(l));
            lua_sethook(l, None, 0, 0);
            make_blocking(l);
            lua_sethook(l, hook, mask, count);
        });
        // A finalizer may have been faster: what was made first stays.
        if lua_rawgetp(l, LUA_REGISTRYINDEX, (&raw const MADE).cast()) == LUA_TTABLE {
            lua_remove(l, -2);
        } else {
            lua_pop(l, 1);
            lua_pushvalue(l, -1);
            lua_rawsetp(l, LUA_REGISTRYINDEX, (&raw const MADE).cast());
        }
    }
    let place = BLOCKING.iter().position(|known| *known == name).unwrap_or_default();
    lua_rawgeti(l, -1, place as lua_Integer + 1);
    lua_remove(l, -2);
}

/// Which of them is at an index, if any. Allocates nothing in the state.
///
/// Stack: 0, room for 2
/// Raises: never
///
/// # Safety
/// Own state.
#[cfg(feature = "luajit")]
pub unsafe fn blocking_at(l: *mut lua_State, index: c_int) -> Option<&'static CStr> {
    let index = lua_absindex(l, index);
    let made = lua_rawgetp(l, LUA_REGISTRYINDEX, (&raw const MADE).cast()) == LUA_TTABLE;
    let found = BLOCKING.iter().zip(1..).find(|(_, position)| {
        made && {
            lua_rawgeti(l, -1, *position);
            let same = lua_rawequal(l, -1, index) != 0;
            lua_pop(l, 1);
            same
        }
    });
    lua_pop(l, 1);
    found.map(|(name, _)| *name)
}

#[cfg(feature = "luajit")]
const BLOCKING: [&CStr; 15] = [
    c"receive",
    c"send",
    c"select",
    c"sleep",
    c"exec",
    c"exec_as",
    c"wait",
    c"await",
    c"await_name",
    c"send_wait",
    c"next",
    c"call",
    c"traceback",
    c"shutdown",
    c"take",
];

/// Pushes a table of the functions that may wait.
///
/// Stack: +1, room for 32
/// Raises: any
///
/// # Safety
/// Own state.
#[cfg(feature = "luajit")]
unsafe fn make_blocking(l: *mut lua_State) {
    lua_createtable(l, BLOCKING.len() as c_int, 0);
    let table = lua_gettop(l);
    lua_parts::BLOCKING.push(l);
    lua_pushlightuserdata(l, again_mark());
    lua_createtable(l, 0, 2 * BLOCKING.len() as c_int);
    set_functions(
        l,
        &[
            (c"receive", send_receive::receive),
            (c"receive_again", send_receive::receive_again),
            (c"send", send_receive::send),
            (c"send_again", send_receive::send_again),
            (c"select", select::select),
            (c"select_again", select::select_again),
            (c"sleep", time::sleep),
            (c"sleep_again", time::sleep_again),
            (c"exec", exec::exec),
            (c"exec_as", spawn_builder::exec_as),
            (c"exec_again", exec::exec_again),
            (c"wait", exec::wait_for_children),
            (c"wait_again", exec::wait_again),
            (c"await", exec::await_end),
            (c"await_again", exec::await_again),
            (c"await_name", registry::await_name),
            (c"await_name_again", registry::await_name_again),
            (c"send_wait", send_wait::send_wait),
            (c"send_wait_again", send_wait::send_wait_again),
            (c"next", send_receive::next),
            (c"next_again", send_receive::next_again),
            (c"call", call::call),
            (c"call_again", call::call_again),
            (c"traceback", traceback::traceback),
            (c"traceback_again", traceback::traceback_again),
            (c"shutdown", shutdown::shutdown),
            (c"shutdown_again", shutdown::shutdown_again),
            (c"take", on::take),
            (c"take_again", on::take_again),
        ],
    );
    lua_call(l, 2, BLOCKING.len() as c_int);
    for position in (1..=BLOCKING.len()).rev() {
        lua_rawseti(l, table, position as lua_Integer);
    }
}
