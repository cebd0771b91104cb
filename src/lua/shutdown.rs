//! `process.shutdown` (M-31, M-32): ends everything that was spawned, while the main process lives on.

use super::time::wait_at;
use crate::executor::wait::{self, Done, second_half};
use crate::runtime::failure::Failure;
use crate::runtime::vitals::{self, Call, Waiting};
use crate::runtime::{emptiness, program};
use crate::scheduling::{Case, ChannelId};
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::errands::Subject;
use crate::vm::error::return_failure;
use std::ffi::c_int;
use std::sync::Arc;
use std::time::Duration;

/// `process.shutdown([grace])`, first half.
///
/// Stack: +1 or +2
/// Raises: any: waits
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn shutdown(l: *mut lua_State) -> c_int {
    let context = Context::of(l);
    let grace = match grace_at(l) {
        Ok(grace) => grace,
        Err(failure) => return return_failure(l, failure),
    };
    if !context.process().is_main() {
        return return_failure(l, Failure::OnlyInMain { function: "shutdown" });
    }
    wait::enter(l, context);
    wait::check(l, context, Call::Shutdown);
    match begin(context, grace) {
        Some(channel) => {
            let waiting = Waiting::new(Call::Shutdown, vitals::Subject::None);
            wait::wait(l, context, waiting, [Case::Receive(channel)].into(), None, shutdown_again, all_gone)
        }
        None => {
            lua_pushboolean(l, 1);
            1
        }
    }
}

/// The grace at 1, `None` for nil.
///
/// Stack: 0, room for 2
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn grace_at(l: *mut lua_State) -> Result<Option<Duration>, Failure> {
    if lua_type(l, 1) <= LUA_TNIL {
        return Ok(None);
    }
    match wait_at(l, 1, "process.shutdown")? {
        grace if grace < 0 => Err(Failure::Negative { function: "process.shutdown" }),
        grace => Ok(Some(Duration::from_nanos(grace.unsigned_abs()))),
    }
}

/// Begins the end of all others: the channel on which the call is told that it is over, `None` if it is.
fn begin(context: &Context, grace: Option<Duration>) -> Option<ChannelId> {
    let main = context.process();
    let channel = context.begin_errand(Subject::Emptiness(Arc::clone(main)), None);
    program::begin_shutdown(main, grace);
    if emptiness::wait(context.errand_on(channel)) {
        return Some(channel);
    }
    context.finish_errand(channel, true);
    None
}

second_half!(shutdown_again, all_gone);

/// The second half of `shutdown`.
///
/// Stack: +1, n the result
/// Raises: any
///
/// # Safety
/// As a second half: see `wait::SecondHalf`.
unsafe fn all_gone(l: *mut lua_State, context: &Context, _: usize, done: Done) -> c_int {
    drop(context.finish_errand(wait::waited_on(context), true));
    match done {
        Done::Event(place) => {
            context.take_kept(place);
        }
        _ => wait::raise_failure(l, context),
    }
    lua_pushboolean(l, 1);
    1
}
