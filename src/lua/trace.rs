//! `process.trace` (I-5), and the trace that the environment asks for.

use super::arguments::{bad_argument, only_field, string, wrong_type};
use super::permissions::allowed;
use crate::platform::{bytes_to_path, reason};
use crate::runtime::failure::Failure;
use crate::runtime::trace::{Problem, USUAL};
use crate::runtime::tracing;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::error::return_done;
use std::ffi::c_int;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

fn failure(problem: Problem) -> Failure {
    match problem {
        Problem::AlreadyOn => Failure::AlreadyTracing,
        Problem::NotOn => Failure::NotTracing,
        Problem::NoMemory => Failure::OutOfMemory,
        Problem::File(file, error) => Failure::TraceFile { file, reason: reason(&error) },
    }
}

/// `process.trace(path [, options])`, `process.trace(nil)`.
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn trace(l: *mut lua_State) -> c_int {
    let stops = lua_type(l, 1) == LUA_TNIL;
    let path = if stops { &[][..] } else { string(l, 1, "trace") };
    let events = match lua_type(l, 2) {
        LUA_TNONE | LUA_TNIL => USUAL,
        LUA_TTABLE => events_option(l),
        _ => wrong_type(l, 2, 2, "trace", "table"),
    };
    let context = Context::with_memory(l);
    let result = allowed(context, "trace").and_then(|()| {
        let done = match stops {
            true => tracing::stop(),
            false => tracing::start(&bytes_to_path(path), events, context.process()),
        };
        done.map_err(failure)
    });
    return_done(l, result)
}

/// The option `events` of the table at 2.
///
/// Stack: 0, room for 6
/// Raises: any
///
/// # Safety
/// Own state. Nothing to drop.
unsafe fn events_option(l: *mut lua_State) -> usize {
    only_field(l, 1, 2, "trace", c"events");
    raw_field(l, 2, c"events");
    let count = match lua_type(l, -1) {
        LUA_TNIL => Some(USUAL),
        LUA_TNUMBER => to_whole(l, -1).filter(|count| (1..=MOST).contains(count)).map(|count| count as usize),
        _ => None,
    };
    lua_pop(l, 1);
    match count {
        Some(count) => count,
        None => {
            bad_argument(l, 1, 2, "trace", format!("field 'events': whole number from 1 to {MOST} expected"))
        }
    }
}

/// More events than any machine has memory for.
const MOST: i64 = 1 << 32;

/// Begins the trace that the environment asks for, once for the program.
///
/// # Errors
/// The file cannot be opened.
pub fn start_if_wanted(context: &Context) -> Result<(), Failure> {
    static DONE: AtomicBool = AtomicBool::new(false);
    if DONE.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    let Some(path) = tracing::wanted() else { return Ok(()) };
    tracing::start(Path::new(&path), USUAL, context.process()).map_err(failure)
}
