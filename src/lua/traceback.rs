//! `process.traceback` (I-3): asks a process where it is, and waits for the answer as for a message.

use super::arguments::string;
use super::permissions::allowed;
use super::time;
use crate::executor::wait::{self, Done, second_half};
use crate::runtime::clock::instant_after;
use crate::runtime::failure::Failure;
use crate::runtime::process::Process;
use crate::runtime::questions::Question;
use crate::runtime::signal::{Signal, Told};
use crate::runtime::vitals::{Call, Subject, Waiting};
use crate::runtime::{inspect, reaper};
use crate::scheduling::Case;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::error::return_failure;
use crate::vm::{destinations, headroom, inquiry};
use std::ffi::c_int;
use std::sync::Arc;

/// How long an answer may take, in nanoseconds, if the caller does not say.
const USUAL: i64 = 1_000_000_000;

fn gone(process: &Process) -> Failure {
    Failure::ProcessNotFound(process.pid.as_bytes().to_vec())
}

/// `process.traceback(dest [, timeout])`, first half.
///
/// Stack: +1 or +2
/// Raises: any: waits
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn traceback(l: *mut lua_State) -> c_int {
    if lua_gettop(l) < 1 {
        let missing = "destination is";
        return return_failure(l, Failure::MissingArguments { function: "traceback", missing });
    }
    let destination = string(l, 1, "traceback");
    let context = Context::with_memory(l);
    let span = match lua_type(l, 2) {
        LUA_TNONE | LUA_TNIL => Ok(USUAL),
        _ => time::positive_wait_at(l, 2, "process.traceback"),
    };
    let asked = span.and_then(|span| {
        allowed(context, "traceback")?;
        Ok((span, destinations::resolve(destination)?))
    });
    let (span, process) = match asked {
        Ok(asked) => asked,
        Err(failure) => return return_failure(l, failure),
    };
    if Arc::ptr_eq(&process, context.process()) {
        drop(process);
        headroom::push_owned(l, inquiry::text(context));
        return 1;
    }
    // From here on the context keeps the process.
    let channel = context.scheduler().open_private();
    context.watched().inquire(channel, process);
    wait::enter(l, context);
    wait::check(l, context);
    let deadline = instant_after(span);
    let Some(process) = context.watched().inquired(channel) else { return 0 };
    let (asker, number) = (Arc::clone(context.process()), context.scheduler_ref().number_of(channel));
    let question = Question::new(deadline, move |text| {
        asker.signal(Signal::Told(Box::new(Told { number, text })));
    });
    process.ask(question);
    if let Some(until) = deadline {
        reaper::insist(&process, until);
    }
    let waiting = Waiting::new(Call::Traceback, Subject::Process(process.id.number()));
    drop(process);
    wait::wait(l, context, waiting, [Case::Receive(channel)].into(), deadline, traceback_again, told)
}

second_half!(traceback_again, told);

/// The second half of `traceback`.
///
/// Stack: +1 or +2, n the result
/// Raises: any
///
/// # Safety
/// As a second half: see `wait::SecondHalf`.
unsafe fn told(l: *mut lua_State, context: &Context, _: usize, done: Done) -> c_int {
    let mut process = None;
    if let Some(Case::Receive(channel)) = context.waits().finished().first() {
        process = context.watched().take_inquired(*channel);
        context.scheduler().close_private(*channel);
    }
    let failure = process.map(|process| match done {
        Done::Elapsed => match inspect::info(&process) {
            Some(known) => Failure::NoTraceback { pid: process.pid.to_string(), known },
            None => gone(&process),
        },
        _ => gone(&process),
    });
    if let Done::Event(place) = done {
        let text = match context.kept_signal(place) {
            Some(Signal::Told(told)) => told.text.as_deref(),
            _ => None,
        };
        if let Some(text) = text {
            drop(failure);
            push_bytes(l, text);
            context.take_kept(place);
            return 1;
        }
        context.take_kept(place);
    } else if !matches!(done, Done::Elapsed) {
        drop(failure);
        wait::raise_failure(l, context);
    }
    match failure {
        Some(failure) => return_failure(l, failure),
        None => {
            lua_pushnil(l);
            1
        }
    }
}
