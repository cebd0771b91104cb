//! `ch:send` and `ch:receive` (C-4 to C-7), and what a receive gives.

use super::arguments::{bad_argument, wrong_type_at};
use super::channel::{ChannelObject, forget, own, push_stored, refuse_mailbox, store};
use super::{event, message, time};
use crate::codec::decode;
use crate::executor::wait::{self, Done, second_half};
use crate::runtime::clock::instant_after;
use crate::runtime::vitals::{Call, Subject, Waiting};
use crate::scheduling::{Case, ChannelId, Finish, Sending, Ticket};
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::object;
use std::ffi::c_int;

/// Pushes what a receive from the channel at `index` took; `false` if the channel is closed and nil was pushed.
///
/// Stack: +1, room for 8
/// Raises: any: a message is decoded
///
/// # Safety
/// Own state; a channel is at `index`.
pub unsafe fn push_received(l: *mut lua_State, context: &Context, index: c_int, done: Done) -> bool {
    match done {
        Done::Stored(ticket) => {
            push_stored(l, index, ticket);
            if let Some(channel) = object::get::<ChannelObject>(l, index) {
                context.scheduler().release(channel.id, ticket);
            }
        }
        Done::Fired(at) => time::push(l, at),
        Done::Message(place) => message::push(l, context, place),
        Done::Payload(place) => {
            match context.kept_payload(place) {
                Some(payload) => decode::push_packed(l, payload),
                None => lua_pushnil(l),
            }
            context.take_kept(place);
        }
        Done::Event(place) => event::push(l, context, place),
        Done::Ready(directions) => push_bytes(l, directions.name().as_bytes()),
        _ => {
            lua_pushnil(l);
            return false;
        }
    }
    true
}

/// `ch:receive([timeout])` (C-6, C-7, C-41), first half.
///
/// Stack: +2
/// Raises: any: waits
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn receive(l: *mut lua_State) -> c_int {
    let context = Context::of(l);
    let channel = own(l, BLOCKING_LEVEL, "receive").id;
    let span = time::time_out_at(l, lua_gettop(l), 2, "channel:receive");
    wait::enter(l, context);
    match wait::give_turn(l, context, receive_again, received_one) {
        Some(results) => results,
        None => receive_now(l, context, channel, span),
    }
}

/// Takes a value, or waits for one.
///
/// Stack: +2, n the result
/// Raises: any: waits
///
/// # Safety
/// Own state; the result is returned to Lua.
#[inline(always)]
unsafe fn receive_now(l: *mut lua_State, context: &Context, channel: ChannelId, span: Option<i64>) -> c_int {
    let mut received = context.scheduler().try_receive(channel);
    if received.is_none() && context.process().mailbox.has_mail() {
        context.sort_mail();
        received = context.scheduler().try_receive(channel);
    }
    match received {
        Some(received) => {
            let done = wait::settle(context, Finish::Received(received));
            received_one(l, context, 0, done)
        }
        None => receive_later(l, context, channel, span),
    }
}

/// Waits for a value, apart from the way that most calls take.
///
/// Stack: +2, n the result
/// Raises: any: waits
///
/// # Safety
/// Own state; the result is returned to Lua.
#[inline(never)]
unsafe fn receive_later(l: *mut lua_State, context: &Context, id: ChannelId, span: Option<i64>) -> c_int {
    if span == Some(0) {
        return received_one(l, context, 0, Done::Elapsed);
    }
    let deadline = span.and_then(instant_after);
    let waiting = Waiting::new(Call::Receive, context.scheduler_ref().subject_of(id));
    wait::wait(l, context, waiting, [Case::Receive(id)].into(), deadline, receive_again, received_one)
}

second_half!(receive_again, received_one);

/// The second half of `receive`.
///
/// Stack: +2, n the result
/// Raises: any
///
/// # Safety
/// As a second half: see `wait::SecondHalf`.
unsafe fn received_one(l: *mut lua_State, context: &Context, _: usize, done: Done) -> c_int {
    if matches!(done, Done::Failed | Done::Elapsed | Done::HadTurn) {
        return not_received(l, context, done);
    }
    let ok = push_received(l, context, 1, done);
    lua_pushboolean(l, c_int::from(ok));
    2
}

/// The second half of `receive` if there is no value.
///
/// Stack: +2, n the result
/// Raises: any: waits
///
/// # Safety
/// As a second half: see `wait::SecondHalf`.
#[cold]
#[inline(never)]
unsafe fn not_received(l: *mut lua_State, context: &Context, done: Done) -> c_int {
    match done {
        Done::Elapsed => lua_settop(l, lua_gettop(l) + 2),
        Done::HadTurn => {
            let channel = own(l, BLOCKING_LEVEL, "receive").id;
            let span = time::time_out_at(l, lua_gettop(l), 2, "channel:receive");
            return receive_now(l, context, channel, span);
        }
        _ => wait::raise_failure(l, context),
    }
    2
}

/// What `ch:iter()` has a loop call: takes the next value, with its number behind that of the last one. First half.
///
/// Stack: +1 or +2
/// Raises: any: waits
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn next(l: *mut lua_State) -> c_int {
    let context = Context::of(l);
    own(l, BLOCKING_LEVEL, "iter");
    if to_whole(l, 2).is_none() {
        wrong_type_at(l, BLOCKING_LEVEL, 2, 1, "iter", "number");
    }
    wait::enter(l, context);
    match wait::give_turn(l, context, next_again, next_one) {
        Some(results) => results,
        None => next_now(l, context),
    }
}

/// Takes a value, or waits for one.
///
/// Stack: +n, n the result
/// Raises: any: waits
///
/// # Safety
/// Own state; the channel is at 1, and the result is returned to Lua.
unsafe fn next_now(l: *mut lua_State, context: &Context) -> c_int {
    let id = own(l, BLOCKING_LEVEL, "iter").id;
    let mut received = context.scheduler().try_receive(id);
    if received.is_none() && context.process().mailbox.has_mail() {
        context.sort_mail();
        received = context.scheduler().try_receive(id);
    }
    match received {
        Some(received) => {
            let done = wait::settle(context, Finish::Received(received));
            next_one(l, context, 0, done)
        }
        None => {
            let waiting = Waiting::new(Call::Receive, context.scheduler_ref().subject_of(id));
            wait::wait(l, context, waiting, [Case::Receive(id)].into(), None, next_again, next_one)
        }
    }
}

second_half!(next_again, next_one);

/// The second half of `next`.
///
/// Stack: +1 or +2, n the result
/// Raises: any
///
/// # Safety
/// As a second half: see `wait::SecondHalf`.
unsafe fn next_one(l: *mut lua_State, context: &Context, _: usize, done: Done) -> c_int {
    match done {
        Done::HadTurn => return next_now(l, context),
        Done::Failed => wait::raise_failure(l, context),
        _ => {}
    }
    push_whole(l, to_whole(l, 2).unwrap_or_default().wrapping_add(1));
    if push_received(l, context, 1, done) {
        return 2;
    }
    1
}

/// `ch:send(value [, timeout])` (C-4, C-5, C-42), first half.
///
/// Stack: +1
/// Raises: any: waits
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn send(l: *mut lua_State) -> c_int {
    let context = Context::with_memory(l);
    let channel = own(l, BLOCKING_LEVEL, "send");
    refuse_mailbox(l, context, BLOCKING_LEVEL, channel, "send");
    let count = lua_gettop(l);
    if count < 2 {
        bad_argument(l, BLOCKING_LEVEL, 1, "send", "value expected");
    }
    let span = time::time_out_at(l, count, 3, "channel:send");
    wait::enter(l, context);
    let ticket = store(l, context, 1, channel, 2);
    let sending = context.scheduler().try_send(channel.id, ticket);
    match sending {
        Sending::Done => sent(l, context, 0, Done::Sent),
        Sending::MustWait if span != Some(0) => send_later(l, context, channel.id, ticket, span),
        refused => {
            forget(l, 1, ticket);
            context.scheduler().release(channel.id, ticket);
            context.waits().finished_mut().clear();
            let closed = refused == Sending::Closed;
            sent(l, context, 0, if closed { Done::SendOnClosed } else { Done::Elapsed })
        }
    }
}

/// Waits until the value is taken, apart from the way that most calls take.
///
/// Stack: +1, n the result
/// Raises: any: waits
///
/// # Safety
/// Own state; the result is returned to Lua.
#[inline(never)]
unsafe fn send_later(
    l: *mut lua_State,
    context: &Context,
    id: ChannelId,
    ticket: Ticket,
    span: Option<i64>,
) -> c_int {
    let deadline = span.and_then(instant_after);
    let waiting = Waiting::new(Call::Send, Subject::Channel);
    wait::wait(l, context, waiting, [Case::Send(id, ticket)].into(), deadline, send_again, sent)
}

second_half!(send_again, sent);

/// The second half of `send`.
///
/// Stack: +1, n the result
/// Raises: any
///
/// # Safety
/// As a second half: see `wait::SecondHalf`.
unsafe fn sent(l: *mut lua_State, context: &Context, _: usize, done: Done) -> c_int {
    if !matches!(done, Done::Sent) {
        // Only a send that has waited has a case, and its value is still with the channel.
        let waited = context.waits().finished_mut().pop();
        if let Some(Case::Send(_, ticket)) = waited {
            forget(l, 1, ticket);
        }
    }
    match done {
        Done::SendOnClosed => raise(l, BLOCKING_LEVEL, b"send on closed channel"),
        Done::Failed => wait::raise_failure(l, context),
        _ => {}
    }
    lua_pushboolean(l, c_int::from(matches!(done, Done::Sent)));
    1
}
