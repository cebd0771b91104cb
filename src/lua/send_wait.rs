//! `process.send_wait` (W-3): sending that waits for room.

use super::arguments::waiting_string;
use super::mail::check_topic;
use super::time::optional_time_out;
use crate::codec::sequence::Origin;
use crate::executor::wait::second_half;
use crate::executor::wait::{self, Done};
use crate::runtime::clock::instant_after;
use crate::runtime::envelope::Envelope;
use crate::runtime::failure::Failure;
use crate::runtime::needs::{Needs, Taker};
use crate::runtime::process::Undelivered;
use crate::runtime::senders::NotYet;
use crate::runtime::signal::{News, Signal};
use crate::runtime::vitals::{Call, Waiting};
use crate::scheduling::{Case, ChannelId};
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::destinations;
use crate::vm::errands::{Awaited, Subject};
use crate::vm::error::return_failure;
use crate::vm::raise::raise_no_memory;
use std::ffi::c_int;
use std::sync::Arc;

/// How a send begins.
enum Begun {
    /// The message is in the mailbox.
    Delivered,
    /// The receiver does not take it.
    Refused(Taker),
    /// It will be told on this channel when there was room.
    Waits(ChannelId),
}

/// `process.send_wait(dest, topic, value [, timeout])`, first half.
///
/// Stack: +n, what `process.send_wait` returns
/// Raises: any: waits
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn send_wait(l: *mut lua_State) -> c_int {
    let count = lua_gettop(l);
    if count < 2 {
        let missing = if count == 0 { "destination and topic are" } else { "topic is" };
        return return_failure(l, Failure::MissingArguments { function: "send_wait", missing });
    }
    let destination = waiting_string(l, 1, "send_wait");
    let topic = waiting_string(l, 2, "send_wait");
    let context = Context::with_memory(l);
    wait::enter(l, context);
    wait::check(l, context, Call::Send);
    let within = match optional_time_out(l, 4, "process.send_wait") {
        Ok(within) => within,
        Err(failure) => return return_failure(l, failure),
    };
    let values = (count - 2).min(1);
    let begun = begin(l, context, destination, topic, values, within);
    raise_no_memory(l, &begun);
    match begun {
        Ok(Begun::Delivered) => {
            lua_pushboolean(l, 1);
            1
        }
        Ok(Begun::Waits(channel)) => {
            let deadline = within.and_then(instant_after);
            let waiting = Waiting::new(Call::Send, context.errand_shown(channel));
            wait::wait(l, context, waiting, [Case::Receive(channel)].into(), deadline, send_wait_again, sent)
        }
        Ok(Begun::Refused(taker)) => {
            let refusal = context.encoder().refusal_by(l, 3, values, Origin::Argument(3), taker);
            return_failure(l, refusal)
        }
        Err(failure) => return_failure(l, failure),
    }
}

/// Delivers the message, or has it wait for room. It is encoded once, before it waits.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state; the values of the message begin at 3.
unsafe fn begin(
    l: *mut lua_State,
    context: &Context,
    destination: &[u8],
    topic: &[u8],
    values: c_int,
    within: Option<i64>,
) -> Result<Begun, Failure> {
    check_topic(topic)?;
    // Encoding may raise; nothing is borrowed meanwhile.
    let payload = context.encoder().encode(l, 3, values, Origin::Argument(3))?;
    let needs = Needs::of(&payload);
    let receiver = destinations::resolve(destination)?;
    if !receiver.taker().takes(needs) {
        return Ok(Begun::Refused(receiver.taker().clone()));
    }
    let message =
        Envelope::message(&context.process().pid, topic, payload).map_err(|_| Failure::OutOfMemory)?;
    let bytes = message.payload().len();
    let message = match receiver.deliver_in_turn(message) {
        Ok(()) => {
            context.process().vitals.sent(bytes);
            return Ok(Begun::Delivered);
        }
        Err(NotYet::Never(undelivered)) => return Err(receiver.failure(undelivered)),
        Err(NotYet::Wait(message)) => message,
    };
    let charge = context.process().charge_elsewhere(message.size())?;
    let channel = context.begin_errand(Subject::Room(Arc::clone(&receiver)), within);
    receiver.wait_for_room(message, context.errand_on(channel), charge);
    // It counts from now on; it is sent unless the call is given up.
    context.process().vitals.sent(bytes);
    Ok(Begun::Waits(channel))
}

second_half!(send_wait_again, sent);

/// The second half of `send_wait`.
///
/// Stack: +n, n the result
/// Raises: any
///
/// # Safety
/// As a second half: see `wait::SecondHalf`.
unsafe fn sent(l: *mut lua_State, context: &Context, _: usize, done: Done) -> c_int {
    let channel = wait::waited_on(context);
    let mut answer = match done {
        Done::Event(place) => Some(take_news(context, place)),
        _ => None,
    };
    if let Done::Elapsed = done {
        // Who has no place in the queue any more has an answer.
        let waits = context.gives_up_room(channel);
        if !waits {
            context.sort_mail();
            let received = context.scheduler().try_receive(channel);
            if let Some(received) = received
                && let Done::Event(place) =
                    wait::settle(context, crate::scheduling::Finish::Received(received))
            {
                answer = Some(take_news(context, place));
            }
        }
    }
    let ended = context.finish_errand(channel, true);
    let Some(Awaited { subject: Subject::Room(receiver), .. }) = ended else { return 0 };
    let failure = match (answer, done) {
        (Some(true), _) => {
            drop(receiver);
            lua_pushboolean(l, 1);
            return 1;
        }
        (Some(false), _) => receiver.failure(Undelivered::Gone),
        (None, Done::Elapsed) => receiver.failure(Undelivered::Full(receiver.full_by())),
        (None, _) => {
            receiver.give_up_room(context.process(), channel.number());
            drop(receiver);
            wait::raise_failure(l, context)
        }
    };
    drop(receiver);
    return_failure(l, failure)
}

/// Takes the answer that the context keeps at `place`: whether the message was delivered.
fn take_news(context: &Context, place: usize) -> bool {
    // SAFETY: the reference ends before the envelope is taken.
    let delivered = match unsafe { context.kept_signal(place) } {
        Some(Signal::Answer(answer)) => matches!(answer.news, News::Delivered),
        _ => false,
    };
    context.take_kept(place);
    delivered
}
