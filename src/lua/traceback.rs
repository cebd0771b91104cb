//! `process.traceback` (I-3): asks a process where it is, and waits for the answer as for a message.

use super::arguments::string;
use super::permissions::allowed;
use super::time;
use crate::executor::wait::{self, Done, second_half};
use crate::runtime::clock::instant_after;
use crate::runtime::errand::Asleep;
use crate::runtime::failure::Failure;
use crate::runtime::process::Process;
use crate::runtime::questions::Question;
use crate::runtime::signal::{News, Signal};
use crate::runtime::vitals::{Call, Waiting};
use crate::runtime::{inspect, reaper};
use crate::scheduling::Case;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::errands::{Awaited, Subject as Errand};
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
    // A raise does not drop the process.
    drop(process);
    wait::enter(l, context);
    wait::check(l, context, Call::Traceback);
    let Ok(process) = destinations::resolve(destination) else {
        return return_failure(l, Failure::ProcessNotFound(destination.to_vec()));
    };
    let deadline = instant_after(span);
    let channel = context.begin_errand(Errand::Place(Arc::clone(&process)), Some(span));
    let errand = context.errand_on(channel);
    process.ask(Question::new(deadline, move |text| {
        let mut asleep = Asleep::default();
        errand.answer(News::Place(text), &mut asleep);
        asleep.wake();
    }));
    if let Some(until) = deadline {
        reaper::insist(&process, until);
    }
    drop(process);
    let waiting = Waiting::new(Call::Traceback, context.errand_shown(channel));
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
    let asked = context.finish_errand(wait::waited_on(context), matches!(done, Done::Event(_)));
    let Some(Awaited { subject: Errand::Place(process), .. }) = asked else { return 0 };
    let failure = match done {
        Done::Elapsed => match inspect::info(&process) {
            Some(known) => Failure::NoTraceback { pid: process.pid.to_string(), known },
            None => gone(&process),
        },
        Done::Event(_) => gone(&process),
        _ => {
            drop(process);
            wait::raise_failure(l, context)
        }
    };
    drop(process);
    let Done::Event(place) = done else { return return_failure(l, failure) };
    if let Some(Signal::Answer(answer)) = context.kept_signal(place)
        && let News::Place(Some(text)) = &answer.news
    {
        drop(failure);
        push_bytes(l, text);
        context.take_kept(place);
        return 1;
    }
    context.take_kept(place);
    return_failure(l, failure)
}
