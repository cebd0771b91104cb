//! Ending, watching and linking other processes (P-50 to P-54, P-58).

use super::arguments::{optional_string, string};
use super::permissions::allowed_on;
use super::time;
use crate::executor::frames;
use crate::runtime::clock::Timestamp;
use crate::runtime::duration;
use crate::runtime::exit::doom;
use crate::runtime::failure::{Failure, shown};
use crate::runtime::process::Process;
use crate::runtime::reaper;
use crate::runtime::relations;
use crate::runtime::signal::{CancelRequest, Signal};
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::destinations;
use crate::vm::error::{return_done, return_failure};
use crate::vm::raise::{raise_no_memory, raise_text};
use std::ffi::c_int;
use std::time::{Duration, Instant};

/// About what a request takes besides its reason, in bytes.
const COST: usize = size_of::<CancelRequest>() + 100;

fn not_found(process: &Process) -> Failure {
    Failure::ProcessNotFound(process.pid.as_bytes().to_vec())
}

/// Reads the destination, the only argument that all functions here need, and acts on it.
///
/// Stack: +1 or +2, n the result
/// Raises: any
///
/// # Safety
/// Own state; the result is returned to Lua. `act` calls nothing of Lua.
unsafe fn on_destination(
    l: *mut lua_State,
    function: &'static str,
    act: impl FnOnce(&Context, &[u8]) -> Result<(), Failure>,
) -> c_int {
    if lua_gettop(l) < 1 {
        return return_failure(l, Failure::MissingArguments { function, missing: "destination is" });
    }
    let destination = string(l, 1, function);
    let result = act(Context::of(l), destination);
    raise_no_memory(l, &result);
    return_done(l, result)
}

/// `process.terminate(dest)` (P-50, P-51). Of oneself it does not return.
///
/// Stack: +1 or +2
/// Raises: any, or leaves by a jump
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn terminate(l: *mut lua_State) -> c_int {
    let results = on_destination(l, "terminate", |context, destination| {
        let process = destinations::resolve(destination)?;
        allowed_on(context, &process, "terminate")?;
        if process.is_main() {
            Err(Failure::MainProcess)
        } else if doom(&process, Failure::Terminated) {
            Ok(())
        } else {
            Err(not_found(&process))
        }
    });
    frames::leave_if_over(l, Context::of(l));
    results
}

/// `process.cancel(dest [, reason [, deadline]])` (P-52 to P-54, P-59).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn cancel(l: *mut lua_State) -> c_int {
    if lua_gettop(l) >= 1 {
        string(l, 1, "cancel");
    }
    Context::with_memory(l);
    let reason = optional_string(l, 2, "cancel");
    if lua_type(l, 3) <= LUA_TNIL
        && let Some(text) = reason
        && duration::parse(text).is_some()
    {
        let text = format!("cancel: \"{}\" is the reason; the deadline is the third argument", shown(text));
        raise_text(l, 1, text);
    }
    let span = match lua_type(l, 3) {
        LUA_TNONE | LUA_TNIL => Ok(None),
        _ => match time::wait_at(l, 3, "process.cancel") {
            Ok(span) if span <= 0 => Err(Failure::NotPositive { function: "process.cancel" }),
            span => span.map(Some),
        },
    };
    on_destination(l, "cancel", |context, destination| {
        let process = destinations::resolve(destination)?;
        allowed_on(context, &process, "cancel")?;
        let span = span?.map(|span| Duration::from_nanos(span.unsigned_abs()));
        if span.is_some() && process.is_main() {
            return Err(Failure::MainProcess);
        }
        // A request waits until the process reads it. A restricted caller pays for that; others are trusted with the number.
        let charge = context.process().charge_elsewhere(COST + reason.map_or(0, <[u8]>::len))?;
        let at = Timestamp::now();
        let request = CancelRequest {
            from: context.process().pid.clone(),
            reason: reason.map(<[u8]>::to_vec),
            deadline: span.map(|span| at.plus(span)),
            at,
            charge,
        };
        if !process.signal(Signal::Cancel(Box::new(request))) {
            return Err(not_found(&process));
        }
        context.weigh_charges();
        if let Some(end) = span.and_then(|span| Instant::now().checked_add(span)) {
            reaper::doom_at(&process, end, Failure::DeadlinePassed);
        }
        Ok(())
    })
}

/// `process.monitor(dest)` (L-20 to L-26).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn monitor(l: *mut lua_State) -> c_int {
    Context::with_memory(l);
    on_destination(l, "monitor", |context, destination| {
        let process = destinations::resolve(destination)?;
        allowed_on(context, &process, "monitor")?;
        if process == *context.process() {
            return Err(Failure::MonitorSelf);
        }
        if !relations::monitor(context.process(), &process) {
            return Err(not_found(&process));
        }
        relations::note_monitored(context.process(), &process);
        Ok(())
    })
}

/// `process.unmonitor(dest)` (L-24).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn unmonitor(l: *mut lua_State) -> c_int {
    on_destination(l, "unmonitor", |context, destination| {
        context.sort_mail();
        let forget = |pid: &[u8]| context.forget_monitored(pid);
        undo_relation(context, destination, relations::unmonitor, forget)
    })
}

/// `process.link(dest)` (L-40 to L-46).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn link(l: *mut lua_State) -> c_int {
    Context::with_memory(l);
    on_destination(l, "link", |context, destination| {
        let process = destinations::resolve(destination)?;
        allowed_on(context, &process, "link")?;
        if relations::link(context.process(), &process) { Ok(()) } else { Err(not_found(&process)) }
    })
}

/// `process.unlink(dest)` (L-47).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn unlink(l: *mut lua_State) -> c_int {
    on_destination(l, "unlink", |context, destination| {
        context.sort_mail();
        let forget = |pid: &[u8]| context.forget_linked(pid);
        undo_relation(context, destination, relations::unlink, forget)
    })
}

/// Undoes a relation to a process on both sides. One that is gone may be known on our side still; a PID that nobody has stands
/// for no relation. Only a name that nobody has is an error.
fn undo_relation(
    context: &Context,
    destination: &[u8],
    undo: impl FnOnce(&Process, &Process),
    forget: impl FnOnce(&[u8]),
) -> Result<(), Failure> {
    match destinations::resolve(destination) {
        Ok(process) => {
            undo(context.process(), &process);
            forget(process.pid.as_bytes());
        }
        Err(Failure::ProcessNotFound(_)) => forget(destination),
        Err(failure) => return Err(failure),
    }
    Ok(())
}
