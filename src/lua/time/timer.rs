//! Timer and Ticker objects (T-25 to T-29). Each has its channel as a companion and nothing else: the scheduler knows the
//! timer by its channel, and that goes on alone when the object is collected.

use super::super::arguments::receiver;
use super::super::channel::{self, ChannelObject};
use super::duration::positive_wait_at;
use crate::lua::guarded::or_failure;
use crate::runtime::clock::instant_after;
use crate::scheduling::{ChannelId, Scheduler};
use crate::vm::api::*;
use crate::vm::api::{Functions, fill_metatable};
use crate::vm::class::{Class, Crossing};
use crate::vm::context::Context;
use crate::vm::error::return_failure;
use crate::vm::object::{self, Object};
use std::ffi::c_int;
use std::num::NonZeroU64;
use std::time::Instant;

/// Fires once.
pub struct TimerObject(ChannelId);

/// Its class.
pub static TIMER: Class =
    Class { name: "timer", type_name: c"time.Timer", fill: fill_timer, crossing: Crossing::Never };

impl Object for TimerObject {
    const CLASS: &'static Class = &TIMER;
}

/// Fires again and again.
pub struct TickerObject(ChannelId);

/// Its class.
pub static TICKER: Class =
    Class { name: "ticker", type_name: c"time.Ticker", fill: fill_ticker, crossing: Crossing::Never };

impl Object for TickerObject {
    const CLASS: &'static Class = &TICKER;
}

/// The methods of timers.
pub const TIMER_METHODS: Functions = &[
    (c"channel", timer_channel),
    (c"response", timer_channel),
    (c"stop", timer_stop),
    (c"reset", or_failure!(timer_reset)),
];

/// Fills the metatable of timers.
///
/// Stack: 0, room for 4
/// Raises: memory
///
/// # Safety
/// Own state; the metatable is on top.
unsafe fn fill_timer(l: *mut lua_State) {
    fill_metatable(l, TIMER_METHODS, &[]);
}

/// The methods of tickers.
pub const TICKER_METHODS: Functions =
    &[(c"channel", ticker_channel), (c"response", ticker_channel), (c"stop", ticker_stop)];

/// Fills the metatable of tickers.
///
/// Stack: 0, room for 4
/// Raises: memory
///
/// # Safety
/// Own state; the metatable is on top.
unsafe fn fill_ticker(l: *mut lua_State) {
    fill_metatable(l, TICKER_METHODS, &[]);
}

/// Pushes the object for the channel that `open` gives, with a channel object.
///
/// Stack: +1, room for 8
/// Raises: memory
///
/// # Safety
/// Own state; `context` is its context.
unsafe fn push<T: Object>(
    l: *mut lua_State,
    context: &Context,
    object: fn(ChannelId) -> T,
    open: impl FnOnce(&mut Scheduler) -> ChannelId,
) {
    lua_createtable(l, 1, 0);
    channel::push(l, context, 0, open);
    let id = object::get::<ChannelObject>(l, -1).map(|channel| channel.id).unwrap_or_default();
    lua_rawseti(l, -2, 1);
    object::push(l, object(id));
    lua_insert(l, -2);
    set_companion(l, -2);
}

/// Pushes the channel of the object that a method was called on.
///
/// Stack: +2, n the result
/// Raises: never
///
/// # Safety
/// Called by a method.
unsafe fn push_channel(l: *mut lua_State) -> c_int {
    push_companion(l, 1);
    lua_rawgeti(l, -1, 1);
    1
}

/// `time.timer(duration)` (T-25).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn timer(l: *mut lua_State) -> c_int {
    let context = Context::with_memory(l);
    let length = match positive_wait_at(l, 1, "time.timer") {
        Ok(length) => length,
        Err(failure) => return return_failure(l, failure),
    };
    push(l, context, TimerObject, |scheduler| scheduler.start_timer(instant_after(length)));
    1
}

/// `t:channel()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn timer_channel(l: *mut lua_State) -> c_int {
    receiver::<TimerObject>(l, 1, "channel");
    push_channel(l)
}

/// `t:stop()` (T-26).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn timer_stop(l: *mut lua_State) -> c_int {
    let id = receiver::<TimerObject>(l, 1, "stop").0;
    let stopped = Context::of(l).scheduler().stop_timer(id);
    lua_pushboolean(l, c_int::from(stopped.prevented()));
    1
}

/// `t:reset(duration)` (T-26).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn timer_reset(l: *mut lua_State) -> c_int {
    let id = receiver::<TimerObject>(l, 1, "reset").0;
    let length = match positive_wait_at(l, 2, "timer:reset") {
        Ok(length) => length,
        Err(failure) => return return_failure(l, failure),
    };
    let prevented = Context::with_memory(l).scheduler().reset_timer(id, instant_after(length));
    lua_pushboolean(l, c_int::from(prevented));
    1
}

/// `time.ticker(duration)` (T-27).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn ticker(l: *mut lua_State) -> c_int {
    let context = Context::with_memory(l);
    let length = match positive_wait_at(l, 1, "time.ticker") {
        Ok(length) => length,
        Err(failure) => return return_failure(l, failure),
    };
    let interval = NonZeroU64::new(length.unsigned_abs()).unwrap_or(NonZeroU64::MAX);
    push(l, context, TickerObject, |scheduler| scheduler.start_ticker(Instant::now(), interval));
    1
}

/// `t:channel()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn ticker_channel(l: *mut lua_State) -> c_int {
    receiver::<TickerObject>(l, 1, "channel");
    push_channel(l)
}

/// `t:stop()` (T-28).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn ticker_stop(l: *mut lua_State) -> c_int {
    let id = receiver::<TickerObject>(l, 1, "stop").0;
    let stopped = Context::of(l).scheduler().stop_timer(id);
    lua_pushboolean(l, c_int::from(stopped.pending));
    1
}
