//! Channels (C-1 to C-9, P-36): their objects, `send`, `receive`, `close`.

use super::arguments::{bad_argument, bad_self, raise_text};
use super::select::{case_receive, case_send, select};
use super::{Functions, event, message, set_functions, time};
use crate::codec::decode;
use crate::executor::wait::{self, Done};
use crate::runtime::clock::instant_after;
use crate::scheduling::{Case, ChannelId, Scheduler, Sending, Ticket};
use crate::vm::api::*;
use crate::vm::context::{Context, Held};
use crate::vm::fields::{self, Field};
use crate::vm::headroom;
use crate::vm::object::{self, Class, Object};
use std::cell::Cell;
use std::ffi::c_int;

/// A channel as Lua holds it. Its companion, made when it is first needed, holds the values under their tickets.
pub struct ChannelObject {
    /// Its state in the scheduler.
    pub id: ChannelId,
    has_companion: Cell<bool>,
    /// What the scheduler keeps for it, about, in bytes.
    weight: usize,
    context: Held,
}

/// Its class.
pub static CHANNEL: Class = Class { name: "channel", type_name: c"channel", fill };

impl Object for ChannelObject {
    const CLASS: &'static Class = &CHANNEL;

    fn weight(&self) -> usize {
        self.weight
    }
}

impl Drop for ChannelObject {
    fn drop(&mut self) {
        self.context.scheduler.borrow_mut().drop_channel(self.id);
    }
}

/// Its methods, besides `receive` and `send`, which may wait.
pub const METHODS: Functions =
    &[(c"close", close), (c"case_receive", case_receive), (c"case_send", case_send)];

/// Its operators.
pub const OPERATORS: Functions = &[(c"__tostring", to_string)];

unsafe fn fill(l: *mut lua_State) {
    lua_createtable(l, 0, METHODS.len() as c_int + 2);
    set_functions(l, METHODS);
    push_blocking(l, c"receive");
    set_raw_field(l, -2, c"receive");
    push_blocking(l, c"send");
    set_raw_field(l, -2, c"send");
    set_raw_field(l, -2, c"__index");
    set_functions(l, OPERATORS);
}

static FIELDS: fields::Fields =
    fields::Fields(&[&[(c"new", Field::Function(new)), (c"select", Field::Blocking)]]);

/// The C functions of the module.
pub fn functions() -> impl Iterator<Item = (&'static std::ffi::CStr, Function)> {
    FIELDS.functions()
}

/// Pushes the module's table.
pub unsafe fn push_module(l: *mut lua_State) {
    fields::push_filled(l, &FIELDS, 0);
}

/// A function that may wait: on Lua 5.4 it is the C function itself.
#[cfg(feature = "lua54")]
pub fn blocking_function(name: &std::ffi::CStr) -> Function {
    match name.to_bytes() {
        b"receive" => receive,
        b"send" => send,
        b"select" => select,
        b"exec" => super::exec::exec,
        b"exec_as" => super::spawner::exec_as,
        b"wait" => super::exec::wait_for_children,
        _ => super::time::sleep,
    }
}

/// Pushes a function that may wait.
#[cfg(feature = "lua54")]
pub unsafe fn push_blocking(l: *mut lua_State, name: &std::ffi::CStr) {
    lua_pushcclosure(l, blocking_function(name), 0);
}

/// Where a state has those that were made.
#[cfg(feature = "luajit")]
static MADE: u8 = 0;

/// Pushes a function that may wait: on LuaJIT it is put together from two halves by `blocking.lua`, once for each state.
#[cfg(feature = "luajit")]
pub unsafe fn push_blocking(l: *mut lua_State, name: &std::ffi::CStr) {
    if lua_rawgetp(l, LUA_REGISTRYINDEX, (&raw const MADE).cast()) != LUA_TTABLE {
        lua_pop(l, 1);
        luaL_checkstack(l, 24, c"no room for the library".as_ptr());
        headroom::unlimited(l, || {
            let (hook, mask, count) = (lua_gethook(l), lua_gethookmask(l), lua_gethookcount(l));
            lua_sethook(l, None, 0, 0);
            make_blocking(l);
            lua_sethook(l, hook, mask, count);
        });
        // A finalizer may have been faster: what was made first stays.
        if lua_rawgetp(l, LUA_REGISTRYINDEX, (&raw const MADE).cast()) == LUA_TTABLE {
            lua_remove(l, -2);
        } else {
            lua_pop(l, 1);
            lua_pushvalue(l, -1);
            lua_rawsetp(l, LUA_REGISTRYINDEX, (&raw const MADE).cast());
        }
    }
    let place = BLOCKING.iter().position(|known| *known == name).unwrap_or_default();
    lua_rawgeti(l, -1, place as lua_Integer + 1);
    lua_remove(l, -2);
}

/// Which of them is at an index, if any. Allocates nothing in the state.
#[cfg(feature = "luajit")]
pub unsafe fn blocking_at(l: *mut lua_State, index: c_int) -> Option<&'static std::ffi::CStr> {
    let index = lua_absindex(l, index);
    let made = lua_rawgetp(l, LUA_REGISTRYINDEX, (&raw const MADE).cast()) == LUA_TTABLE;
    let found = BLOCKING.iter().zip(1..).find(|(_, position)| {
        made && {
            lua_rawgeti(l, -1, *position);
            let same = lua_rawequal(l, -1, index) != 0;
            lua_pop(l, 1);
            same
        }
    });
    lua_pop(l, 1);
    found.map(|(name, _)| *name)
}

#[cfg(feature = "luajit")]
const BLOCKING: [&std::ffi::CStr; 7] =
    [c"receive", c"send", c"select", c"sleep", c"exec", c"exec_as", c"wait"];

/// Pushes a table of the functions that may wait.
#[cfg(feature = "luajit")]
unsafe fn make_blocking(l: *mut lua_State) {
    lua_createtable(l, BLOCKING.len() as c_int, 0);
    let table = lua_gettop(l);
    crate::executor::boot::BLOCKING.push(l);
    lua_pushlightuserdata(l, again_mark());
    lua_createtable(l, 0, 2 * BLOCKING.len() as c_int);
    set_functions(
        l,
        &[
            (c"receive", receive),
            (c"receive_again", receive_again),
            (c"send", send),
            (c"send_again", send_again),
            (c"select", select),
            (c"select_again", super::select::select_again),
            (c"sleep", super::time::sleep),
            (c"sleep_again", super::time::sleep_again),
            (c"exec", super::exec::exec),
            (c"exec_as", super::spawner::exec_as),
            (c"exec_again", super::exec::exec_again),
            (c"wait", super::exec::wait_for_children),
            (c"wait_again", super::exec::wait_again),
        ],
    );
    lua_call(l, 2, BLOCKING.len() as c_int);
    for position in (1..=BLOCKING.len()).rev() {
        lua_rawseti(l, table, position as lua_Integer);
    }
}

/// Declares what Lua calls when a blocking function goes on: a continuation on Lua 5.4, an ordinary function on LuaJIT.
macro_rules! second_half {
    ($name:ident, $half:path) => {
        #[cfg(feature = "lua54")]
        pub(crate) unsafe extern "C-unwind" fn $name(
            l: *mut lua_State,
            _: c_int,
            waiter: lua_KContext,
        ) -> c_int {
            let context = Context::of(l);
            wait::go_on(l, context, wait::waiter_of(context, waiter), $name, $half)
        }

        #[cfg(feature = "luajit")]
        pub(crate) unsafe extern "C-unwind" fn $name(l: *mut lua_State) -> c_int {
            let context = Context::of(l);
            wait::go_on(l, context, wait::waiter_of(context, 0), $name, $half)
        }
    };
}
pub(crate) use second_half;

/// Pushes a channel object for the channel of the scheduler that `open` gives. It is opened when all is there that a raise could
/// leave behind; for `extra` bytes more than any channel takes.
pub unsafe fn push(
    l: *mut lua_State,
    context: &Context,
    extra: usize,
    open: impl FnOnce(&mut Scheduler) -> ChannelId,
) {
    let channel = push_unopened(l, context, extra);
    (*channel).id = open(&mut context.scheduler.borrow_mut());
}

/// Pushes a channel object that stands for no channel until the caller gives it one.
pub unsafe fn push_unopened(l: *mut lua_State, context: &Context, extra: usize) -> *mut ChannelObject {
    const USUAL: usize = 256;
    let place = object::reserve::<ChannelObject>(l);
    let (id, has_companion) = (ChannelId::default(), Cell::new(false));
    place.write(ChannelObject { id, has_companion, weight: USUAL + extra, context: context.hold() });
    object::confirm::<ChannelObject>(l);
    place
}

/// The channel that a method was called on.
pub unsafe fn own<'a>(l: *mut lua_State, level: c_int, name: &str) -> &'a ChannelObject {
    match object::get::<ChannelObject>(l, 1) {
        Some(channel) => channel,
        None => bad_self(l, level, name, CHANNEL.name),
    }
}

/// Raises if the channel is a view of the mailbox, which can only be received from.
pub unsafe fn refuse_mailbox(
    l: *mut lua_State,
    context: &Context,
    level: c_int,
    channel: &ChannelObject,
    name: &str,
) {
    let mailbox = context.scheduler.borrow().is_mailbox(channel.id);
    if mailbox {
        raise_text(l, level, format!("cannot {name} on a mailbox channel"));
    }
}

/// Keeps the value at `value` for the channel at `index` under a new ticket.
pub unsafe fn store(
    l: *mut lua_State,
    context: &Context,
    index: c_int,
    channel: &ChannelObject,
    value: c_int,
) -> Ticket {
    let (index, value) = (lua_absindex(l, index), lua_absindex(l, value));
    if channel.has_companion.get() {
        push_companion(l, index);
    } else {
        lua_createtable(l, 2, 0);
        lua_pushvalue(l, -1);
        set_companion(l, index);
        channel.has_companion.set(true);
    }
    let ticket = context.scheduler.borrow_mut().reserve(channel.id);
    lua_pushvalue(l, value);
    lua_rawseti(l, -2, lua_Integer::from(ticket));
    lua_pop(l, 1);
    ticket
}

/// Pushes the value under `ticket` of the channel at `index`, and forgets it there.
unsafe fn push_stored(l: *mut lua_State, index: c_int, ticket: Ticket) {
    push_companion(l, index);
    lua_rawgeti(l, -1, lua_Integer::from(ticket));
    if lua_type(l, -1) != LUA_TNIL {
        lua_pushnil(l);
        lua_rawseti(l, -3, lua_Integer::from(ticket));
    }
    lua_remove(l, -2);
}

/// Forgets the value under `ticket` of the channel at `index`.
pub unsafe fn forget(l: *mut lua_State, index: c_int, ticket: Ticket) {
    push_stored(l, index, ticket);
    lua_pop(l, 1);
}

/// Pushes what a receive from the channel at `index` took; `false` if the channel is closed and nil was pushed.
pub unsafe fn push_received(l: *mut lua_State, context: &Context, index: c_int, done: Done) -> bool {
    match done {
        Done::Stored(ticket) => {
            push_stored(l, index, ticket);
            if let Some(channel) = object::get::<ChannelObject>(l, index) {
                context.scheduler.borrow_mut().release(channel.id, ticket);
            }
        }
        Done::Fired(at) => time::push(l, at),
        Done::Message(place) => message::push(l, context, place),
        Done::Payload(place) => {
            match context.kept(place) {
                Some(envelope) => decode::push_packed(l, envelope.payload()),
                None => lua_pushnil(l),
            }
            context.take_kept(place);
        }
        Done::Event(place) => event::push(l, context, place),
        _ => {
            lua_pushnil(l);
            return false;
        }
    }
    true
}

/// `channel.new([capacity])` (C-1, C-2).
unsafe extern "C-unwind" fn new(l: *mut lua_State) -> c_int {
    let context = Context::with_memory(l);
    let capacity = match lua_type(l, 1) {
        LUA_TNONE | LUA_TNIL => 0,
        LUA_TNUMBER => match to_whole(l, 1).and_then(|whole| usize::try_from(whole).ok()) {
            Some(capacity) => capacity,
            None => bad_argument(l, 1, 1, "new", "whole number of at least 0 expected"),
        },
        _ => super::arguments::wrong_type(l, 1, 1, "new", "number"),
    };
    push(l, context, 0, |scheduler| scheduler.open_channel(capacity));
    1
}

unsafe extern "C-unwind" fn to_string(l: *mut lua_State) -> c_int {
    own(l, 1, "tostring");
    let text = format!("channel: {:p}", lua_touserdata(l, 1));
    headroom::push_owned(l, text);
    1
}

/// `ch:close()` (C-9).
unsafe extern "C-unwind" fn close(l: *mut lua_State) -> c_int {
    let context = Context::of(l);
    let channel = own(l, 1, "close");
    refuse_mailbox(l, context, 1, channel, "close");
    context.scheduler.borrow_mut().close_channel(channel.id);
    0
}

/// `ch:receive([timeout])` (C-6, C-7, C-41), first half.
unsafe extern "C-unwind" fn receive(l: *mut lua_State) -> c_int {
    let context = Context::of(l);
    let channel = own(l, BLOCKING_LEVEL, "receive").id;
    let span = time::time_out_at(l, lua_gettop(l), 2, "channel:receive");
    wait::enter(l, context);
    match wait::give_turn(l, context, receive_again, received_one) {
        Some(results) => results,
        None => receive_now(l, context, channel, span),
    }
}

#[inline(always)]
unsafe fn receive_now(l: *mut lua_State, context: &Context, channel: ChannelId, span: Option<i64>) -> c_int {
    let mut received = context.scheduler.borrow_mut().try_receive(channel);
    if received.is_none() && context.process.mailbox.has_mail() {
        context.sort_mail();
        received = context.scheduler.borrow_mut().try_receive(channel);
    }
    match received {
        Some(received) => {
            let done = wait::settle(context, crate::scheduling::Finish::Received(received));
            received_one(l, context, 0, done)
        }
        None => receive_later(l, context, channel, span),
    }
}

/// Waits for a value, apart from the way that most calls take.
#[inline(never)]
unsafe fn receive_later(l: *mut lua_State, context: &Context, id: ChannelId, span: Option<i64>) -> c_int {
    if span == Some(0) {
        return received_one(l, context, 0, Done::Elapsed);
    }
    let deadline = span.and_then(instant_after);
    wait::wait(l, context, [Case::Receive(id)].into(), deadline, receive_again, received_one)
}

second_half!(receive_again, received_one);

unsafe fn received_one(l: *mut lua_State, context: &Context, _: usize, done: Done) -> c_int {
    if matches!(done, Done::Failed | Done::Elapsed | Done::HadTurn) {
        return not_received(l, context, done);
    }
    let ok = push_received(l, context, 1, done);
    lua_pushboolean(l, c_int::from(ok));
    2
}

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

/// `ch:send(value [, timeout])` (C-4, C-5, C-42), first half.
unsafe extern "C-unwind" fn send(l: *mut lua_State) -> c_int {
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
    let sending = context.scheduler.borrow_mut().try_send(channel.id, ticket);
    match sending {
        Sending::Done => sent(l, context, 0, Done::Sent),
        Sending::MustWait if span != Some(0) => send_later(l, context, channel.id, ticket, span),
        refused => {
            forget(l, 1, ticket);
            context.scheduler.borrow_mut().release(channel.id, ticket);
            context.finished_cases.borrow_mut().clear();
            let closed = refused == Sending::Closed;
            sent(l, context, 0, if closed { Done::SendOnClosed } else { Done::Elapsed })
        }
    }
}

/// Waits until the value is taken, apart from the way that most calls take.
#[inline(never)]
unsafe fn send_later(
    l: *mut lua_State,
    context: &Context,
    id: ChannelId,
    ticket: Ticket,
    span: Option<i64>,
) -> c_int {
    let deadline = span.and_then(instant_after);
    wait::wait(l, context, [Case::Send(id, ticket)].into(), deadline, send_again, sent)
}

second_half!(send_again, sent);

unsafe fn sent(l: *mut lua_State, context: &Context, _: usize, done: Done) -> c_int {
    if !matches!(done, Done::Sent) {
        // Only a send that has waited has a case, and its value is still with the channel.
        let waited = context.finished_cases.borrow_mut().pop();
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
