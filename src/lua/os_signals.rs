//! `process.signals` (M-30).

use super::arguments::{bad_argument, wrong_type};
use super::channel;
use crate::platform::caught::Caught;
use crate::runtime::failure::Failure;
use crate::runtime::lookout;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::error::return_failure;
use crate::vm::raise::copyable;
use std::ffi::c_int;

/// `process.signals(names)`.
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn signals(l: *mut lua_State) -> c_int {
    let context = Context::with_memory(l);
    if lua_type(l, 1) != LUA_TTABLE {
        wrong_type(l, 1, 1, "signals", "table");
    }
    let names = check_names(l);
    if !context.process().is_main() {
        return return_failure(l, Failure::OnlyInMain { function: "signals" });
    }
    if names == 0 {
        return return_failure(l, Failure::NoSignals);
    }
    let found = find(l, names);
    crate::vm::raise::raise_no_memory(l, &found);
    let signals = match found {
        Ok(signals) => signals,
        Err(failure) => return return_failure(l, failure),
    };
    let object = channel::push_unopened(l, context, 0);
    channel::keep_open(l);
    // Nothing raises until all is told of the channel.
    let id = context.scheduler().open_notices(true);
    (*object).id = id;
    let chosen = Caught::all().filter(|signal| signals & signal.bit() != 0).collect::<Vec<_>>();
    let heard = lookout::listen(context.process(), id.number(), &chosen);
    drop(chosen);
    if let Err(reason) = heard {
        context.scheduler().close_notices(id);
        channel::release(l, -1);
        return return_failure(l, Failure::CannotCatch(reason));
    }
    1
}

/// Raises unless the table at 1 is an array of strings: how many it has.
///
/// Stack: 0, room for 1
/// Raises: any
///
/// # Safety
/// Own state. Nothing to drop.
unsafe fn check_names(l: *mut lua_State) -> lua_Integer {
    let mut count = 0;
    loop {
        lua_rawgeti(l, 1, count + 1);
        let kind = lua_type(l, -1);
        lua_pop(l, 1);
        match kind {
            LUA_TNIL => return count,
            LUA_TSTRING => count += 1,
            _ => bad_argument(l, 1, 1, "signals", "array of strings expected"),
        }
    }
}

/// The signals that the table at 1 names, a bit for each.
///
/// Stack: 0, room for 1
/// Raises: memory
///
/// # Safety
/// Own state; the table has so many strings.
unsafe fn find(l: *mut lua_State, names: lua_Integer) -> Result<u32, Failure> {
    let mut signals = 0;
    for place in 1..=names {
        lua_rawgeti(l, 1, place);
        let name = to_bytes(l, -1).unwrap_or_default();
        let found = match Caught::named(name) {
            Some(signal) if signal.is_own() => Err(Failure::OwnSignal(signal.name())),
            Some(signal) => Ok(signal.bit()),
            None => Err(Failure::UnknownSignal(copyable(l, name).to_vec())),
        };
        lua_pop(l, 1);
        signals |= found?;
    }
    Ok(signals)
}
