//! `process.on` (M-7): a function that is called with each value of a channel.

use super::arguments::wrong_type;
use super::channel::{CHANNEL, ChannelObject, own};
use super::coroutine;
use super::send_receive::push_received;
use crate::executor::wait::{self, Done, second_half};
use crate::runtime::vitals::{Call, Waiting};
use crate::scheduling::{Case, Finish};
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::faces;
use crate::vm::lua_parts::ON;
use crate::vm::object;
use std::ffi::c_int;

/// `process.on(channel, fn)`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn on(l: *mut lua_State) -> c_int {
    Context::with_memory(l);
    if object::get::<ChannelObject>(l, 1).is_none() {
        wrong_type(l, 1, 1, "on", CHANNEL.name);
    }
    if lua_type(l, 2) != LUA_TFUNCTION {
        wrong_type(l, 2, 2, "on", "function");
    }
    luaL_checkstack(l, 40, std::ptr::null());
    ON.push(l);
    lua_pushvalue(l, 1);
    lua_pushvalue(l, 2);
    lua_pushcclosure(l, coroutine::spawn, 0);
    (faces::get().push_blocking)(l, c"take");
    lua_pushcclosure(l, this, 0);
    lua_pushcclosure(l, give_up, 0);
    push_globals(l);
    raw_field(l, -1, c"pcall");
    raw_field(l, -2, c"error");
    lua_remove(l, -3);
    lua_call(l, 8, 1);
    1
}

/// What serves a channel takes the next value by this: in a turn of its own, or at once if the second argument is true and there is
/// one. First half.
///
/// Stack: +2
/// Raises: any: waits
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn take(l: *mut lua_State) -> c_int {
    let context = Context::of(l);
    let id = own(l, BLOCKING_LEVEL, "receive").id;
    wait::enter(l, context);
    context.sort_mail();
    if lua_toboolean(l, 2) != 0 {
        let received = context.scheduler().try_receive(id);
        if let Some(received) = received {
            let done = wait::settle(context, Finish::Received(received));
            return taken(l, context, 0, done);
        }
    }
    let waiting = Waiting::new(Call::Receive, context.scheduler_ref().subject_of(id));
    wait::wait(l, context, waiting, [Case::Receive(id)].into(), None, take_again, taken)
}

second_half!(take_again, taken);

/// The second half of `take`.
///
/// Stack: +2, n the result
/// Raises: any
///
/// # Safety
/// As a second half: see `wait::SecondHalf`.
unsafe fn taken(l: *mut lua_State, context: &Context, _: usize, done: Done) -> c_int {
    match done {
        Done::Failed => wait::raise_failure(l, context),
        Done::Elapsed => lua_settop(l, lua_gettop(l) + 2),
        _ => {
            let ok = push_received(l, context, 1, done);
            lua_pushboolean(l, c_int::from(ok));
        }
    }
    2
}

/// The running coroutine.
///
/// Stack: +1
/// Raises: never
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn this(l: *mut lua_State) -> c_int {
    lua_pushthread(l);
    1
}

/// The wait of the coroutine at 1 ends without a value.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn give_up(l: *mut lua_State) -> c_int {
    let context = Context::of(l);
    let co = lua_tothread(l, 1);
    let coroutines = context.all_coroutines();
    let task = coroutines.iter().find(|(_, thread)| *thread == co).map(|(task, _)| *task);
    drop(coroutines);
    if let Some(task) = task {
        context.scheduler().give_up_wait(task);
    }
    0
}
