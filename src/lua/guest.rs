//! Being served from an event loop that is not the library's: `process.pollfd`, `process.step` (M-1 to M-6).

use super::arguments::{bad_argument, whole};
use crate::executor::step;
use crate::platform::{self, Pollfd};
use crate::runtime::failure::Failure;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::error::return_failure;
use std::ffi::c_int;
use std::sync::Arc;
use std::time::Instant;

/// How many resumptions one step makes if nothing is said.
const USUAL_BUDGET: usize = 64;

/// Seconds that are added to what is left, so that rounding never makes it less.
const FINE: f64 = 1e-6;

/// `process.pollfd()`.
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn pollfd(l: *mut lua_State) -> c_int {
    let context = Context::of(l);
    if context.process().scheduled().is_some() {
        return return_failure(l, Failure::OnPoolHost { function: "pollfd" });
    }
    let known = context.guest().pollfd().and_then(|pollfd| pollfd.number());
    let number = match known {
        Some(number) => Ok(number),
        None => open(context),
    };
    match number {
        Ok(number) => {
            push_whole(l, i64::from(number));
            1
        }
        Err(reason) => return_failure(l, Failure::NoPollfd(reason)),
    }
}

/// Makes the descriptor. It is readable at once if anything has come before.
fn open(context: &Context) -> Result<c_int, String> {
    let pollfd = Arc::new(Pollfd::new().map_err(|error| platform::reason(&error))?);
    context.guest().watch(context.process(), Arc::clone(&pollfd));
    context.sort_mail();
    let waits = context.scheduler_ref().has_untaken_mail()
        || context.waits().has_errors()
        || context.watched().has_link_failures();
    if waits {
        pollfd.ring();
    }
    context.scheduler().attend(Arc::clone(&pollfd));
    Ok(pollfd.number().unwrap_or(-1))
}

/// `process.step([budget])`.
///
/// Stack: +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn step(l: *mut lua_State) -> c_int {
    let context = Context::of(l);
    let mut budget = USUAL_BUDGET;
    if lua_type(l, 1) > LUA_TNIL {
        budget = match usize::try_from(whole(l, 1, 1, "step")) {
            Ok(budget) if budget > 0 => budget,
            _ => bad_argument(l, 1, 1, "step", "whole number of at least 1 expected"),
        };
    }
    if context.process().scheduled().is_some() {
        return return_failure(l, Failure::OnPoolHost { function: "step" });
    }
    luaL_checkstack(l, 10, std::ptr::null());
    let stepped = step::step(l, context, budget);
    lua_pushboolean(l, c_int::from(stepped.more));
    match stepped.deadline {
        _ if stepped.more => lua_pushnumber(l, 0.0),
        Some(at) => lua_pushnumber(l, at.saturating_duration_since(Instant::now()).as_secs_f64() + FINE),
        None => lua_pushnil(l),
    }
    2
}
