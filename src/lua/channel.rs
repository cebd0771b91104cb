//! Channels (C-1 to C-9, P-36): their objects, `send`, `receive`, `close`.

use super::arguments::{bad_argument, bad_self, raise_text};
use super::lazy::{self, Field};
use super::select::{case_receive, case_send, select};
use super::{event, message, set_functions, time};
use crate::codec::decode;
use crate::scheduling::{Case, ChannelId, Scheduler, Sending, Ticket};
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::object::{self, Class, Object};
use crate::vm::room;
use crate::vm::wait::{self, Done};
use std::cell::Cell;
use std::ffi::c_int;

/// A channel as Lua holds it. Its companion, made when it is first needed, holds the values under their tickets.
pub struct ChannelObject {
    /// Its state in the scheduler.
    pub id: ChannelId,
    has_companion: Cell<bool>,
    /// What the scheduler keeps for it, about, in bytes.
    weight: usize,
    context: *const Context,
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
        // SAFETY: a context outlives its state, and this runs when the state collects the userdata.
        let context = unsafe { &*self.context };
        context.scheduler.borrow_mut().drop_channel(self.id);
    }
}

unsafe fn fill(l: *mut lua_State) {
    lua_createtable(l, 0, 5);
    set_functions(l, &[(c"close", close), (c"case_receive", case_receive), (c"case_send", case_send)]);
    push_blocking(l, c"receive");
    set_raw_field(l, -2, c"receive");
    push_blocking(l, c"send");
    set_raw_field(l, -2, c"send");
    set_raw_field(l, -2, c"__index");
    set_function(l, c"__tostring", to_string);
}

static FIELDS: lazy::Fields =
    lazy::Fields(&[&[(c"new", Field::Function(new)), (c"select", Field::Blocking)]]);

/// The C functions of the module.
pub fn functions() -> impl Iterator<Item = (&'static std::ffi::CStr, Function)> {
    FIELDS.functions()
}

/// Pushes the module's table.
pub unsafe fn push_module(l: *mut lua_State) {
    lazy::push_filled(l, &FIELDS, 0);
}

/// Pushes a function that may wait: on Lua 5.4 it is the C function itself.
#[cfg(feature = "lua54")]
pub unsafe fn push_blocking(l: *mut lua_State, name: &std::ffi::CStr) {
    let function: Function = match name.to_bytes() {
        b"receive" => receive,
        b"send" => send,
        b"select" => select,
        b"exec" => super::exec::exec,
        b"exec_as" => super::spawner::exec_as,
        b"wait" => super::exec::wait_for_children,
        _ => super::time::sleep,
    };
    lua_pushcclosure(l, function, 0);
}

/// Pushes a function that may wait: on LuaJIT it is put together from two halves by `blocking.lua`, once for each state.
#[cfg(feature = "luajit")]
pub unsafe fn push_blocking(l: *mut lua_State, name: &std::ffi::CStr) {
    static KEY: u8 = 0;
    let key = std::ptr::from_ref(&KEY).cast();
    if lua_rawgetp(l, LUA_REGISTRYINDEX, key) != LUA_TTABLE {
        lua_pop(l, 1);
        luaL_checkstack(l, 24, c"no room for the library".as_ptr());
        // Whoever needs it may have reasons why no other code must run now.
        room::unlimited(l, || {
            let held = CollectorHeld::hold(l);
            let (hook, mask, count) = (lua_gethook(l), lua_gethookmask(l), lua_gethookcount(l));
            lua_sethook(l, None, 0, 0);
            make_blocking(l);
            lua_sethook(l, hook, mask, count);
            held.release(l);
        });
        lua_pushvalue(l, -1);
        lua_rawsetp(l, LUA_REGISTRYINDEX, key);
    }
    raw_field(l, -1, name);
    lua_remove(l, -2);
}

#[cfg(feature = "luajit")]
const BLOCKING: [&std::ffi::CStr; 7] =
    [c"receive", c"send", c"select", c"sleep", c"exec", c"exec_as", c"wait"];

/// Pushes a table of the functions that may wait.
#[cfg(feature = "luajit")]
unsafe fn make_blocking(l: *mut lua_State) {
    lua_createtable(l, 0, BLOCKING.len() as c_int);
    let table = lua_gettop(l);
    crate::vm::boot::BLOCKING.push(l);
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
    for name in BLOCKING.iter().rev() {
        set_raw_field(l, table, name);
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
    try_push(l, context, extra, |scheduler| Some(open(scheduler)));
}

/// As [`push`], if `open` gives a channel; else nothing is pushed, and `false`.
pub unsafe fn try_push(
    l: *mut lua_State,
    context: &Context,
    extra: usize,
    open: impl FnOnce(&mut Scheduler) -> Option<ChannelId>,
) -> bool {
    const USUAL: usize = 256;
    let place = object::reserve::<ChannelObject>(l);
    let Some(id) = open(&mut context.scheduler.borrow_mut()) else {
        lua_pop(l, 1);
        return false;
    };
    place.write(ChannelObject { id, has_companion: Cell::new(false), weight: USUAL + extra, context });
    object::confirm::<ChannelObject>(l);
    true
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
    room::push_owned(l, text);
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

/// `ch:receive()` (C-6, C-7), first half.
unsafe extern "C-unwind" fn receive(l: *mut lua_State) -> c_int {
    let context = Context::of(l);
    let channel = own(l, BLOCKING_LEVEL, "receive");
    wait::enter(l, context);
    let mut received = context.scheduler.borrow_mut().try_receive(channel.id);
    if received.is_none() && context.process.mailbox.has_mail() {
        context.sort_mail();
        received = context.scheduler.borrow_mut().try_receive(channel.id);
    }
    match received {
        Some(received) => {
            let done = wait::settle(context, crate::scheduling::Finish::Received(received));
            received_one(l, context, 0, done)
        }
        None => wait::wait(l, context, [Case::Receive(channel.id)].into(), None, receive_again, received_one),
    }
}

second_half!(receive_again, received_one);

unsafe fn received_one(l: *mut lua_State, context: &Context, _: usize, done: Done) -> c_int {
    if matches!(done, Done::Failed) {
        wait::raise_failure(l, context);
    }
    let ok = push_received(l, context, 1, done);
    lua_pushboolean(l, c_int::from(ok));
    2
}

/// `ch:send(value)` (C-4, C-5), first half.
unsafe extern "C-unwind" fn send(l: *mut lua_State) -> c_int {
    let context = Context::with_memory(l);
    let channel = own(l, BLOCKING_LEVEL, "send");
    refuse_mailbox(l, context, BLOCKING_LEVEL, channel, "send");
    if lua_gettop(l) < 2 {
        bad_argument(l, BLOCKING_LEVEL, 1, "send", "value expected");
    }
    wait::enter(l, context);
    let ticket = store(l, context, 1, channel, 2);
    let sending = context.scheduler.borrow_mut().try_send(channel.id, ticket);
    match sending {
        Sending::Done => sent(l, context, 0, Done::Sent),
        Sending::Closed => {
            forget(l, 1, ticket);
            context.scheduler.borrow_mut().release(channel.id, ticket);
            context.finished_cases.borrow_mut().clear();
            sent(l, context, 0, Done::SendOnClosed)
        }
        Sending::MustWait => {
            wait::wait(l, context, [Case::Send(channel.id, ticket)].into(), None, send_again, sent)
        }
    }
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
    lua_pushboolean(l, 1);
    1
}
