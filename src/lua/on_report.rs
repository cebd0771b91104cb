//! `process.on_report` (I-6): a function of the main process in the place of standard error.

use super::arguments::wrong_type;
use super::coroutine;
use super::mail::{close_notices, push_notices};
use crate::runtime::failure::Failure;
use crate::runtime::realm::Reporter;
use crate::scheduling::ChannelId;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::lua_parts::REPORTS;
use crate::vm::raise::raise_failure;
use std::ffi::c_int;

/// `process.on_report(fn | nil)`. What a function before has not had yet it still gets.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn on_report(l: *mut lua_State) -> c_int {
    let context = Context::with_memory(l);
    if !matches!(lua_type(l, 1), LUA_TNIL | LUA_TFUNCTION) {
        wrong_type(l, 1, 1, "on_report", "function or nil");
    }
    if !context.process().is_main() {
        raise_failure(l, 1, Failure::OnlyInMain { function: "on_report" });
    }
    luaL_checkstack(l, 16, std::ptr::null());
    let reporter = if lua_type(l, 1) == LUA_TNIL { None } else { Some(serve(l, context)) };
    let before = std::mem::replace(&mut *context.process().realm.reporter.lock(), reporter);
    if let Some(before) = before {
        close_notices(l, context, ChannelId::of_number(before.channel));
    }
    lua_pushboolean(l, 1);
    1
}

/// Has the function at 1 called with what comes on a new channel.
///
/// Stack: 0, room for 12
/// Raises: any
///
/// # Safety
/// Own state, of a main process.
unsafe fn serve(l: *mut lua_State, context: &Context) -> Reporter {
    REPORTS.push(l);
    let id = push_notices(l, context);
    lua_pushvalue(l, 1);
    lua_pushcclosure(l, coroutine::spawn, 0);
    push_globals(l);
    raw_field(l, -1, c"pcall");
    raw_field(l, -2, c"error");
    lua_remove(l, -3);
    lua_call(l, 5, 0);
    Reporter { main: context.process().id, channel: id.number() }
}
