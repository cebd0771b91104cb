//! `process.exec` and `process.wait` (P-55, P-19): waiting for the end of children.

use super::plan::Plan;
use super::spawn::{self, Way};
use super::time::limit_at;
use crate::codec::decode;
use crate::codec::function::check_taken;
use crate::executor::wait::second_half;
use crate::executor::wait::{self, Done};
use crate::runtime::clock::instant_after;
use crate::runtime::signal::Signal;
use crate::runtime::vitals::{Call, Subject, Waiting};
use crate::scheduling::Case;
use crate::vm::api::*;
use crate::vm::context::Context;
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
    wait::check(l, context);
    let spawned = match spawn::begin(l, EXEC, receiver, plan) {
        Ok(spawned) => spawned,
        Err(failure) => return return_failure(l, failure),
    };
    let Some(channel) = spawned.executed_on else {
        // The owner of the name: nothing was started.
        spawn::push_pid(l, &spawned.process);
        return 1;
    };
    let waiting = Waiting::new(Call::Exec, Subject::Process(spawned.process.id.number()));
    drop(spawned);
    wait::wait(l, context, waiting, [Case::Receive(channel)].into(), None, exec_again, executed)
}

second_half!(exec_again, executed);

/// The second half of `exec`: returns what the process returned.
///
/// Stack: +n, n the result
/// Raises: any
///
/// # Safety
/// As a second half: see `wait::SecondHalf`.
unsafe fn executed(l: *mut lua_State, context: &Context, _: usize, done: Done) -> c_int {
    if let Some(Case::Receive(channel)) = context.waits().finished().first() {
        context.scheduler().close_private(*channel);
    }
    let Done::Event(place) = done else {
        wait::raise_failure(l, context);
    };
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
    let waiting = Waiting::new(Call::Wait, Subject::None);
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
