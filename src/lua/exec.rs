//! `process.exec`, `process.await` and `process.wait` (P-55, W-1, P-19): waiting for the end of processes.

use super::arguments::waiting_string;
use super::permissions::allowed_on;
use super::plan::Plan;
use super::spawn::{self, Way};
use super::time::{self, limit_at};
use crate::codec::decode;
use crate::codec::function::check_taken;
use crate::executor::wait::second_half;
use crate::executor::wait::{self, Done};
use crate::runtime::clock::instant_after;
use crate::runtime::failure::Failure;
use crate::runtime::pid::ProcessId;
use crate::runtime::signal::Signal;
use crate::runtime::vitals::{self, Call, Waiting};
use crate::runtime::{directory, exit};
use crate::scheduling::{Case, ChannelId, Event};
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::destinations;
use crate::vm::errands::{Awaited, Subject};
use crate::vm::error::push as push_error;
use crate::vm::error::return_failure;
use std::ffi::c_int;
use std::sync::Arc;

const EXEC: Way = Way { function: "exec", monitored: false, linked: false, executed: true };

/// `process.exec(entry, host, ...)` (P-55), first half.
///
/// Stack: +n, what `process.exec` returns
/// Raises: any: waits
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn exec(l: *mut lua_State) -> c_int {
    exec_with(l, 0, &Plan::EMPTY)
}

/// Spawns from the arguments behind the `receiver` values of a method call, and waits for the end.
///
/// Stack: +n, n the result
/// Raises: any: waits
///
/// # Safety
/// Own state; the result is returned to Lua. Values stay: `plan` is that of an object on the stack.
pub unsafe fn exec_with(l: *mut lua_State, receiver: c_int, plan: &Plan) -> c_int {
    let context = Context::of(l);
    wait::enter(l, context);
    // What would keep the call from waiting is told before anything is started.
    wait::check(l, context, Call::Exec);
    let spawned = match spawn::begin(l, EXEC, receiver, plan) {
        Ok(spawned) => spawned,
        Err(failure) => return return_failure(l, failure),
    };
    let Some(channel) = spawned.executed_on else {
        // The owner of the name: nothing was started.
        spawn::push_pid(l, &spawned.process);
        return 1;
    };
    let waiting = Waiting::new(Call::Exec, vitals::Subject::Process(spawned.process.id.number()));
    drop(spawned);
    let deadline = plan.timeout.and_then(instant_after);
    wait::wait(l, context, waiting, [Case::Receive(channel)].into(), deadline, exec_again, executed)
}

second_half!(exec_again, executed);

/// The second half of `exec`: returns what the process returned. When the time is over the process is terminated (W-2).
///
/// Stack: +n, n the result
/// Raises: any
///
/// # Safety
/// As a second half: see `wait::SecondHalf`.
unsafe fn executed(l: *mut lua_State, context: &Context, _: usize, done: Done) -> c_int {
    return_end(l, context, done, |id| {
        if let Some(process) = directory::get(id) {
            exit::doom(&process, Failure::Terminated);
        }
    })
}

/// Returns what came of the wait for an end that is over: the result, the exit error, or that the time is over, in which case
/// `act` deals with the process.
///
/// Stack: +1 or +2, n the result
/// Raises: any
///
/// # Safety
/// As a second half: see `wait::SecondHalf`. `act` calls nothing of Lua.
unsafe fn return_end(l: *mut lua_State, context: &Context, done: Done, act: fn(ProcessId)) -> c_int {
    let channel = wait::waited_on(context);
    let ended = context.finish_errand(channel, matches!(done, Done::Event(_)));
    match done {
        Done::Event(place) => {
            drop(ended);
            return_outcome(l, context, place)
        }
        Done::Elapsed => match ended {
            Some(Awaited { subject: Subject::End { id, pid, .. }, within, .. }) => {
                act(id);
                return_failure(l, Failure::NotEnded { pid: pid.into(), within: within.unwrap_or_default() })
            }
            _ => 0,
        },
        _ => {
            drop(ended);
            wait::raise_failure(l, context)
        }
    }
}

/// Returns what a process returned, or its exit error, from the EXIT that the context keeps at `place`.
///
/// Stack: +1 or +2, n the result
/// Raises: any
///
/// # Safety
/// Own state; the result is returned to Lua.
unsafe fn return_outcome(l: *mut lua_State, context: &Context, place: usize) -> c_int {
    let results = match context.kept_signal(place) {
        Some(Signal::Exit(record)) => match &record.outcome {
            Ok(result) => match check_taken(context, result, "result") {
                Err(refusal) => return_failure(l, refusal),
                Ok(()) if result.is_empty() => 0,
                Ok(()) => decode::push(l, result),
            },
            Err(data) => {
                lua_pushnil(l);
                push_error(l, Arc::clone(data));
                2
            }
        },
        _ => 0,
    };
    context.take_kept(place);
    if results == 0 {
        lua_pushnil(l);
        return 1;
    }
    results
}

/// `process.await(dest [, timeout])` (W-1), first half.
///
/// Stack: +n, what `process.await` returns
/// Raises: any: waits
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn await_end(l: *mut lua_State) -> c_int {
    let context = Context::with_memory(l);
    let destination = waiting_string(l, 1, "await");
    wait::enter(l, context);
    wait::check(l, context, Call::Await);
    let within = match time::optional_time_out(l, 2, "process.await") {
        Ok(within) => within,
        Err(failure) => return return_failure(l, failure),
    };
    match begin_await(context, destination, within) {
        Ok(Begun::Waits(channel)) => {
            let deadline = within.and_then(instant_after);
            let waiting = Waiting::new(Call::Await, context.errand_shown(channel));
            wait::wait(l, context, waiting, [Case::Receive(channel)].into(), deadline, await_again, awaited)
        }
        Ok(Begun::Told(place)) => return_outcome(l, context, place),
        Err(failure) => return_failure(l, failure),
    }
}

second_half!(await_again, awaited);

/// The second half of `await`.
///
/// Stack: +n, n the result
/// Raises: any
///
/// # Safety
/// As a second half: see `wait::SecondHalf`.
unsafe fn awaited(l: *mut lua_State, context: &Context, _: usize, done: Done) -> c_int {
    return_end(l, context, done, |_| ())
}

/// How the wait for an end begins.
enum Begun {
    /// It will be told on this channel.
    Waits(ChannelId),
    /// The EXIT had come already; the context keeps it here.
    Told(usize),
}

/// Begins to wait for the end of a process, or takes the EXIT of one that is gone.
///
/// # Errors
/// Those of `process.await`.
fn begin_await(context: &Context, destination: &[u8], within: Option<i64>) -> Result<Begun, Failure> {
    let gone = match destinations::resolve(destination) {
        Ok(process) => {
            allowed_on(context, &process, "await")?;
            if process == *context.process() {
                return Err(Failure::MonitorSelf);
            }
            if let Some(channel) = context.await_end(&process, true, within) {
                return Ok(Begun::Waits(channel));
            }
            process.pid.as_bytes().to_vec()
        }
        Err(Failure::ProcessNotFound(pid)) => pid,
        Err(failure) => return Err(failure),
    };
    // Its EXIT was in the mailbox before anybody could find it gone.
    context.sort_mail();
    let exit = context.scheduler().retract(Event::Exit, &gone);
    exit.map(|exit| Begun::Told(context.keep(exit))).ok_or(Failure::ProcessNotFound(gone))
}

/// `process.wait([duration])` (P-19), first half.
///
/// Stack: +1
/// Raises: any: waits
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn wait_for_children(l: *mut lua_State) -> c_int {
    let context = Context::of(l);
    let span = limit_at(l, 1, "process.wait");
    wait::enter(l, context);
    let looks_only = span.is_some_and(|span| span <= 0);
    let alone = context.process().with_relations(|relations| {
        relations.awaits_children |= relations.children > 0 && !looks_only;
        relations.children == 0
    });
    if alone || looks_only {
        lua_pushboolean(l, c_int::from(alone));
        return 1;
    }
    let channel = context.childless_channel();
    let deadline = span.and_then(instant_after);
    let waiting = Waiting::new(Call::Wait, vitals::Subject::None);
    wait::wait(l, context, waiting, [Case::Receive(channel)].into(), deadline, wait_again, waited)
}

second_half!(wait_again, waited);

/// The second half of `wait`.
///
/// Stack: +1, n the result
/// Raises: any
///
/// # Safety
/// As a second half: see `wait::SecondHalf`.
unsafe fn waited(l: *mut lua_State, context: &Context, _: usize, done: Done) -> c_int {
    match done {
        Done::Failed => wait::raise_failure(l, context),
        done => lua_pushboolean(l, c_int::from(matches!(done, Done::Closed))),
    }
    1
}
