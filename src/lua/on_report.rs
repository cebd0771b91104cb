//! `process.on_report` (I-6): a function of the main process in the place of standard error.

use super::arguments::wrong_type;
use super::channel;
use super::coroutine;
use super::mail::{forget_view, place_of_listener, push_views};
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
    let realm = &context.process().realm;
    let wants = lua_type(l, 1) == LUA_TFUNCTION;
    let mut opened = None;
    if wants {
        let channel = channel::push_unopened(l, context, 0);
        let own = lua_gettop(l);
        push_views(l);
        let place = place_of_listener(context.scheduler_ref().next_place());
        lua_pushvalue(l, own);
        lua_rawseti(l, -2, place);
        lua_pop(l, 1);
        let (id, _) = context.scheduler().open_changes();
        (*channel).id = id;
        REPORTS.push(l);
        lua_pushvalue(l, own);
        lua_pushvalue(l, 1);
        lua_pushcclosure(l, coroutine::spawn, 0);
        push_globals(l);
        raw_field(l, -1, c"pcall");
        raw_field(l, -2, c"error");
        lua_remove(l, -3);
        lua_call(l, 5, 0);
        opened = Some(id);
    }
    let reporter = opened.map(|id| Reporter { main: context.process().id, channel: id.number() });
    let before = std::mem::replace(&mut *realm.reporter.lock(), reporter);
    if let Some(before) = before {
        // What was told until now belongs into its channel.
        context.sort_mail();
        let place = context.scheduler().close_changes(ChannelId::of_number(before.channel));
        if let Some(place) = place {
            push_views(l);
            forget_view(l, place_of_listener(place));
        }
    }
    lua_pushboolean(l, 1);
    1
}
