//! `process.call`: a message, and the wait for its reply.

use super::arguments::{only_field, waiting_string, wrong_type_at};
use super::mail::check_topic;
use super::time;
use crate::codec::decode;
use crate::codec::function::check_taken;
use crate::codec::sequence::Origin;
use crate::executor::wait::second_half;
use crate::executor::wait::{self, Done};
use crate::platform::reserve;
use crate::runtime::call;
use crate::runtime::clock::instant_after;
use crate::runtime::failure::Failure;
use crate::runtime::needs::Needs;
use crate::runtime::process::Process;
use crate::runtime::signal::{CallEnd, ExitRecord, Signal};
use crate::runtime::trace::{self, Kind};
use crate::runtime::vitals::{Call, Waiting};
use crate::scheduling::{Case, ChannelId};
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::errands::Subject;
use crate::vm::error::push as push_error;
use crate::vm::error::return_failure;
use crate::vm::raise::raise_no_memory;
use std::ffi::c_int;
use std::ptr;
use std::sync::Arc;

/// How long a call waits unless it says otherwise, in nanoseconds.
const TIMEOUT: i64 = 5_000_000_000;

/// `process.call(dest, topic [, payload [, options]])`, first half.
///
/// Stack: +n, what `process.call` returns
/// Raises: any: waits
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn call(l: *mut lua_State) -> c_int {
    let given = lua_gettop(l);
    if given < 2 {
        let missing = if given == 0 { "destination and topic are" } else { "topic is" };
        return return_failure(l, Failure::MissingArguments { function: "call", missing });
    }
    lua_settop(l, 4);
    let (destination, topic) = (waiting_string(l, 1, "call"), waiting_string(l, 2, "call"));
    let span = timeout_option(l);
    let context = Context::with_memory(l);
    wait::enter(l, context);
    // What would keep the call from waiting is told before anything is sent.
    wait::check(l, context, Call::Call);
    let result = check_topic(topic)
        .and(span)
        .and_then(|span| send_request(l, context, destination, topic, c_int::from(given > 2), span));
    raise_no_memory(l, &result);
    let (channel, span) = match result {
        Ok(sent) => sent,
        Err(failure) => return return_failure(l, failure),
    };
    let deadline = span.and_then(instant_after);
    let waiting = Waiting::new(Call::Call, context.errand_shown(channel));
    wait::wait(l, context, waiting, [Case::Receive(channel)].into(), deadline, call_again, answered)
}

second_half!(call_again, answered);

/// Puts the request into the mailbox of the destination: the channel on which its answer comes, and how long to wait.
///
/// # Errors
/// Nothing was sent.
///
/// Stack: 0
/// Raises: memory
///
/// # Safety
/// Own state; the `count` values to send are from 3 on.
unsafe fn send_request(
    l: *mut lua_State,
    context: &Context,
    destination: &[u8],
    topic: &[u8],
    count: c_int,
    span: Option<i64>,
) -> Result<(ChannelId, Option<i64>), Failure> {
    // Encoding may raise; nothing is borrowed meanwhile.
    let payload = context.encoder().encode(l, 3, count, Origin::Argument(3))?;
    let needs = Needs::of(&payload);
    let mut begun = None;
    let sent = context.destinations().with(destination, |callee| {
        if !callee.taker().takes(needs) {
            return Ok(Some(callee.taker().clone()));
        }
        let own = context.process();
        let channel = context.begin_errand(Subject::Reply(Arc::clone(callee)), span);
        begun = Some(channel);
        trace::note(Kind::Call, callee.id.number(), channel.number(), topic);
        let request = call::open(own, callee, channel.number())
            .ok_or_else(|| Failure::ProcessNotFound(callee.pid.as_bytes().to_vec()))?;
        let message = call::ask(request, &own.pid, topic, payload).map_err(|_| Failure::OutOfMemory)?;
        let bytes = message.payload().len();
        callee.deliver(message).map_err(|undelivered| callee.failure(undelivered))?;
        own.vitals.sent(bytes);
        Ok(None)
    });
    let refusal = match sent {
        Ok(None) => return Ok((begun.unwrap_or_default(), span)),
        Ok(Some(taker)) => context.encoder().refusal_by(l, 3, count, Origin::Argument(3), taker),
        Err(failure) => failure,
    };
    if let Some(channel) = begun {
        trace::note(Kind::CallEnd, 0, channel.number(), b"");
        context.finish_errand(channel, false);
    }
    Err(refusal)
}

/// The option `timeout` of the table at 4: `None` for `false`.
///
/// # Errors
/// It is no duration, or not greater than zero.
///
/// Stack: 0, room for 4
/// Raises: any
///
/// # Safety
/// Own state. Nothing to drop.
unsafe fn timeout_option(l: *mut lua_State) -> Result<Option<i64>, Failure> {
    match lua_type(l, 4) {
        LUA_TNIL => return Ok(Some(TIMEOUT)),
        LUA_TTABLE => {}
        _ => wrong_type_at(l, BLOCKING_LEVEL, 4, 4, "call", "table"),
    }
    only_field(l, BLOCKING_LEVEL, 4, "call", c"timeout");
    raw_field(l, 4, c"timeout");
    let index = lua_gettop(l);
    let span = match lua_type(l, index) {
        LUA_TNIL => Ok(Some(TIMEOUT)),
        LUA_TBOOLEAN if lua_toboolean(l, index) == 0 => Ok(None),
        _ => time::positive_wait_at(l, index, "process.call").map(Some),
    };
    lua_pop(l, 1);
    span
}

/// The second half of `call`: returns what was replied, or why nothing was.
///
/// Stack: +n, n the result
/// Raises: any
///
/// # Safety
/// As a second half: see `wait::SecondHalf`.
unsafe fn answered(l: *mut lua_State, context: &Context, _: usize, done: Done) -> c_int {
    let channel = wait::waited_on(context);
    trace::note(Kind::CallEnd, 0, channel.number(), b"");
    let call = context.finish_errand(channel, matches!(done, Done::Event(_)));
    let place = match done {
        Done::Event(place) => place,
        Done::Elapsed => {
            let within = call.and_then(|call| call.within).unwrap_or_default();
            let (destination, topic) = (bytes_at(l, 1).to_vec(), bytes_at(l, 2).to_vec());
            return return_failure(l, Failure::NoReply { within, destination, topic });
        }
        _ => {
            drop(call);
            wait::raise_failure(l, context);
        }
    };
    let topic = || bytes_at(l, 2).to_vec();
    let failure = match context.kept_signal(place) {
        Some(Signal::CallEnd(CallEnd::Reply(_) | CallEnd::LargeReply(_))) => {
            drop(call);
            return reply(l, context, place);
        }
        Some(Signal::CallEnd(CallEnd::Failed(error))) => {
            drop(call);
            let error = Arc::clone(error);
            return refuse(l, context, place, error);
        }
        Some(Signal::CallEnd(CallEnd::Dropped(_))) => Failure::RequestDropped(topic()),
        Some(Signal::CallEnd(CallEnd::TakenAsPayload(_))) => Failure::PayloadsOnly(topic()),
        Some(Signal::CallEnd(CallEnd::Ended(record))) => match call.as_ref().map(|call| &call.subject) {
            Some(Subject::Reply(callee)) => ended(context.process(), callee, record),
            _ => Failure::Terminated,
        },
        _ => Failure::Terminated,
    };
    drop(call);
    refuse(l, context, place, Arc::new(failure.into()))
}

/// The string argument at `index`.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state. Values stay.
unsafe fn bytes_at<'a>(l: *mut lua_State, index: c_int) -> &'a [u8] {
    to_bytes(l, index).unwrap_or_default()
}

/// Returns the value that came as an answer.
///
/// Stack: +1 or +2, n the result
/// Raises: any: the value is decoded
///
/// # Safety
/// Own state; the context keeps the answer at `place`. Nothing to drop.
unsafe fn reply(l: *mut lua_State, context: &Context, place: usize) -> c_int {
    let payload = context.kept_payload(place).unwrap_or_default();
    let results = match check_taken(context, payload, "reply") {
        Err(refusal) => return_failure(l, refusal),
        Ok(()) => decode::push(l, payload),
    };
    context.take_kept(place);
    results
}

/// Returns `nil` and the error, when the answer was read.
///
/// Stack: +2, n the result
/// Raises: memory
///
/// # Safety
/// Own state; the context keeps the answer at `place`.
unsafe fn refuse(
    l: *mut lua_State,
    context: &Context,
    place: usize,
    error: Arc<crate::runtime::error::ErrorData>,
) -> c_int {
    context.take_kept(place);
    lua_pushnil(l);
    push_error(l, error);
    2
}

/// Why nothing was replied: the callee has ended, as `record` says. Restricted callers hear how only of what they have spawned.
fn ended(caller: &Process, callee: &Process, record: &ExitRecord) -> Failure {
    /// Of the reason: here, in the text, in the details.
    const COPIES: usize = 4;
    let told = !caller.host.settings.restricted || ptr::eq(callee.parent.as_ptr(), caller);
    let (reason, normal) = match &record.outcome {
        _ if !told => (b"ended".to_vec(), false),
        Ok(_) => (b"ended normally".to_vec(), true),
        Err(error) if reserve::has_room_for(COPIES * error.size()) => (error.text(), false),
        Err(_) => (b"not enough memory".to_vec(), false),
    };
    Failure::CalleeEnded { from: record.from.to_string(), reason, normal }
}
