//! Sending and the views of the mailbox (P-20 to P-41).

use super::arguments::{only_flag, string, wrong_type};
use super::channel::{self, CHANNEL, ChannelObject};
use crate::codec::sequence::Origin;
use crate::runtime::envelope::Envelope;
use crate::runtime::failure::Failure;
use crate::runtime::needs::Needs;
use crate::scheduling::{ChannelId, Listening};
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::error::{return_done, return_failure, return_false};
use crate::vm::object;
use crate::vm::raise::raise_no_memory;
use std::ffi::c_int;

/// Longest topic, in bytes.
const TOPIC_LIMIT: usize = 65_535;

/// Checks a topic to send to or to listen on.
///
/// # Errors
/// It is empty, reserved or too long.
pub fn check_topic(topic: &[u8]) -> Result<(), Failure> {
    match topic.first() {
        None => Err(Failure::EmptyTopic),
        Some(b'@') => Err(Failure::ReservedTopic(topic.to_vec())),
        Some(_) if topic.len() > TOPIC_LIMIT => Err(Failure::TopicTooLong(topic.len())),
        Some(_) => Ok(()),
    }
}

/// `process.send(dest, topic, ...)` (P-20 to P-28).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn send(l: *mut lua_State) -> c_int {
    let count = lua_gettop(l);
    if count < 2 {
        let missing = if count == 0 { "destination and topic are" } else { "topic is" };
        return return_failure(l, Failure::MissingArguments { function: "send", missing });
    }
    let destination = string(l, 1, "send");
    let topic = string(l, 2, "send");
    let context = Context::with_memory(l);
    let result = check_topic(topic).and_then(|()| {
        // Encoding may raise; nothing is borrowed meanwhile.
        let payload = context.encoder().encode(l, 3, count - 2, Origin::Argument(3))?;
        let needs = Needs::of(&payload);
        context.destinations().with(destination, |process| {
            if !process.taker().takes(needs) {
                return Ok(Some(process.taker().clone()));
            }
            let message = Envelope::message(&context.process().pid, topic, payload)
                .map_err(|_| Failure::OutOfMemory)?;
            let bytes = message.payload().len();
            process.deliver(message).map_err(|undelivered| process.failure(undelivered))?;
            context.process().vitals.sent(bytes);
            Ok(None)
        })
    });
    if let Ok(Some(taker)) = result {
        let refusal = context.encoder().refusal_by(l, 3, count - 2, Origin::Argument(3), taker);
        return return_failure(l, refusal);
    }
    raise_no_memory(l, &result);
    return_done(l, result.map(|_| ()))
}

/// Places in the table of the mailbox's channels. Listeners stand behind these, as the scheduler numbers them.
const INBOX: lua_Integer = 1;
const EVENTS: lua_Integer = 2;

/// Pushes the table of the mailbox's channels.
///
/// Stack: +1, room for 2
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn push_views(l: *mut lua_State) {
    static KEY: u8 = 0;
    push_own_table(l, &KEY);
}

fn place_of_listener(number: u64) -> lua_Integer {
    EVENTS + number as lua_Integer
}

/// Pushes the table of the mailbox's channels and the channel at this place of it, made at first use.
///
/// Stack: +2, room for 8
/// Raises: memory
///
/// # Safety
/// Own state; `context` is its context.
unsafe fn push_view(l: *mut lua_State, context: &Context, place: lua_Integer, id: ChannelId) {
    push_views(l);
    if lua_rawgeti(l, -1, place) == LUA_TNIL {
        lua_pop(l, 1);
        channel::push(l, context, 0, |_| id);
        lua_pushvalue(l, -1);
        lua_rawseti(l, -3, place);
    }
}

/// `process.inbox()` (P-40).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn inbox(l: *mut lua_State) -> c_int {
    let context = Context::of(l);
    let id = context.scheduler_ref().inbox();
    push_view(l, context, INBOX, id);
    1
}

/// `process.events()` (P-41).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn events(l: *mut lua_State) -> c_int {
    let context = Context::of(l);
    let id = context.scheduler_ref().events();
    context.process().with_relations(|relations| relations.reads_events = true);
    push_view(l, context, EVENTS, id);
    1
}

/// `process.listen(topic [, options])` (P-37, P-38).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn listen(l: *mut lua_State) -> c_int {
    let topic = string(l, 1, "listen");
    let message = only_flag(l, 2, 2, "listen", c"message");
    let context = Context::with_memory(l);
    // What has arrived so far belongs to the inbox; what of it is of this topic moves over.
    context.sort_mail();
    if let Err(failure) = check_topic(topic) {
        return return_failure(l, failure);
    }
    push_views(l);
    let known = context.scheduler_ref().listening(topic, message);
    if let Some(listening) = known.transpose() {
        return push_listener(l, listening);
    }
    let channel = channel::push_unopened(l, context, 3 * topic.len());
    // Finalizers may have run until here, and opened topics; not from here on, and nothing raises once the topic is open.
    let place = place_of_listener(context.scheduler_ref().next_place());
    lua_pushvalue(l, -1);
    lua_rawseti(l, -3, place);
    let listening = context.scheduler().listen(topic, message);
    if let Ok(Listening { id, place, new: true }) = listening {
        (*channel).id = id;
        context.process().with_shown(|shown| shown.listen(place, topic));
        return 1;
    }
    lua_pop(l, 1);
    forget_view(l, place);
    push_listener(l, listening)
}

/// Pushes the channel of a topic that is open already, from the table of views on top.
///
/// Stack: +1 or +2, n the result
/// Raises: memory
///
/// # Safety
/// Own state; the table of views is on top, and the result is returned to Lua.
unsafe fn push_listener(l: *mut lua_State, listening: Result<Listening, Failure>) -> c_int {
    match listening {
        Ok(Listening { place, .. }) => {
            lua_rawgeti(l, -1, place_of_listener(place));
            1
        }
        Err(failure) => return_failure(l, failure),
    }
}

/// Frees a place in the table of views on top.
///
/// Stack: 0, room for 1
/// Raises: never
///
/// # Safety
/// Own state.
unsafe fn forget_view(l: *mut lua_State, place: lua_Integer) {
    lua_pushnil(l);
    lua_rawseti(l, -2, place);
}

/// Pushes a new channel of notices, which stays until it is closed.
///
/// Stack: +1, room for 8
/// Raises: memory
///
/// # Safety
/// Own state; `context` is its context.
pub(super) unsafe fn push_notices(l: *mut lua_State, context: &Context) -> ChannelId {
    let channel = channel::push_unopened(l, context, 0);
    push_views(l);
    // As in `listen`: finalizers may have run until here, and nothing raises once the channel is open.
    let place = place_of_listener(context.scheduler_ref().next_place());
    lua_pushvalue(l, -2);
    lua_rawseti(l, -2, place);
    lua_pop(l, 1);
    (*channel).id = context.scheduler().open_notices(false);
    (*channel).id
}

/// Closes a channel of notices; what it was sent until now can still be received. `false` if it was closed.
///
/// Stack: 0, room for 3
/// Raises: memory
///
/// # Safety
/// Own state; `context` is its context.
pub(super) unsafe fn close_notices(l: *mut lua_State, context: &Context, id: ChannelId) -> bool {
    context.sort_mail();
    let closed = context.scheduler().close_notices(id);
    if let Some(number) = closed {
        push_views(l);
        forget_view(l, place_of_listener(number));
        lua_pop(l, 1);
    }
    closed.is_some()
}

/// `process.unlisten(channel)` (P-39).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn unlisten(l: *mut lua_State) -> c_int {
    let Some(own) = object::get::<ChannelObject>(l, 1) else {
        wrong_type(l, 1, 1, "unlisten", CHANNEL.name);
    };
    let context = Context::of(l);
    context.sort_mail();
    let closed = context.scheduler().unlisten(own.id);
    match closed {
        Ok(number) => {
            context.process().with_shown(|shown| shown.unlisten(number));
            // The next `listen` gives another channel.
            push_views(l);
            forget_view(l, place_of_listener(number));
            lua_pushboolean(l, 1);
            1
        }
        Err(failure) => return_false(l, failure),
    }
}
