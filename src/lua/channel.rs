//! Channels (C-1 to C-10, P-36): their objects and cases. What may wait is in `send_receive.rs` and `select.rs`.

use super::arguments::{bad_argument, bad_self, wrong_type};
use crate::runtime::lookout;
use crate::scheduling::{ChannelId, Scheduler, Ticket};
use crate::vm::api::*;
use crate::vm::class::{Class, Crossing};
use crate::vm::context::{Context, Held};
use crate::vm::fields::{self, Field};
use crate::vm::object::{self, Object};
use crate::vm::raise::raise_text;
use crate::vm::{faces, headroom};
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
pub static CHANNEL: Class = Class { name: "channel", type_name: c"channel", fill, crossing: Crossing::Never };

impl Object for ChannelObject {
    const CLASS: &'static Class = &CHANNEL;

    fn weight(&self) -> usize {
        self.weight
    }
}

impl Drop for ChannelObject {
    fn drop(&mut self) {
        let left = self.context.scheduler().drop_channel(self.id);
        self.context.forget_mail(left);
    }
}

/// Its methods, besides `receive` and `send`, which may wait.
pub const METHODS: Functions =
    &[(c"close", close), (c"case_receive", case_receive), (c"case_send", case_send), (c"iter", iter)];

/// Its operators.
pub const OPERATORS: Functions = &[(c"__tostring", to_string)];

/// Fills the metatable.
///
/// Stack: 0, room for 5
/// Raises: memory
///
/// # Safety
/// Own state; the metatable is on top.
unsafe fn fill(l: *mut lua_State) {
    lua_createtable(l, 0, METHODS.len() as c_int + 2);
    set_functions(l, METHODS);
    (faces::get().push_blocking)(l, c"receive");
    set_raw_field(l, -2, c"receive");
    (faces::get().push_blocking)(l, c"send");
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
///
/// Stack: +1, room for 6
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn push_module(l: *mut lua_State) {
    fields::push_filled(l, &FIELDS, 0);
}

/// Pushes a channel object for the channel of the scheduler that `open` gives. It is opened when all is there that a raise could
/// leave behind; for `extra` bytes more than any channel takes.
///
/// Stack: +1, room for 6
/// Raises: memory
///
/// # Safety
/// Own state; `open` calls nothing of Lua.
pub unsafe fn push(
    l: *mut lua_State,
    context: &Context,
    extra: usize,
    open: impl FnOnce(&mut Scheduler) -> ChannelId,
) {
    let channel = push_unopened(l, context, extra);
    (*channel).id = open(&mut context.scheduler());
}

/// Pushes a channel object that stands for no channel until the caller gives it one.
///
/// Stack: +1, room for 6
/// Raises: memory
///
/// # Safety
/// Own state; `context` is its context. Values stay.
pub unsafe fn push_unopened(l: *mut lua_State, context: &Context, extra: usize) -> *mut ChannelObject {
    const USUAL: usize = 256;
    let place = object::reserve::<ChannelObject>(l);
    let (id, has_companion) = (ChannelId::default(), Cell::new(false));
    place.write(ChannelObject { id, has_companion, weight: USUAL + extra, context: context.hold() });
    object::confirm::<ChannelObject>(l);
    place
}

/// The channel that a method was called on.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state. Values stay. Nothing to drop.
pub unsafe fn own<'a>(l: *mut lua_State, level: c_int, name: &str) -> &'a ChannelObject {
    match object::get::<ChannelObject>(l, 1) {
        Some(channel) => channel,
        None => bad_self(l, level, name, CHANNEL.name),
    }
}

/// Raises if the channel is a view of the mailbox, which can only be received from.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state. Nothing to drop.
pub unsafe fn refuse_mailbox(
    l: *mut lua_State,
    context: &Context,
    level: c_int,
    channel: &ChannelObject,
    name: &str,
) {
    let mailbox = context.scheduler_ref().is_mailbox(channel.id);
    if mailbox {
        raise_text(l, level, format!("cannot {name} on a mailbox channel"));
    }
}

/// Keeps the value at `value` for the channel at `index` under a new ticket.
///
/// Stack: 0, room for 3
/// Raises: memory
///
/// # Safety
/// Own state; `channel` is the object at `index`.
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
    let ticket = context.scheduler().reserve(channel.id);
    lua_pushvalue(l, value);
    lua_rawseti(l, -2, lua_Integer::from(ticket));
    lua_pop(l, 1);
    ticket
}

/// Pushes the value under `ticket` of the channel at `index`, and forgets it there.
///
/// Stack: +1, room for 3
/// Raises: never
///
/// # Safety
/// Own state; `ticket` is one that `store` gave for the channel at `index`.
pub unsafe fn push_stored(l: *mut lua_State, index: c_int, ticket: Ticket) {
    push_companion(l, index);
    lua_rawgeti(l, -1, lua_Integer::from(ticket));
    if lua_type(l, -1) != LUA_TNIL {
        lua_pushnil(l);
        lua_rawseti(l, -3, lua_Integer::from(ticket));
    }
    lua_remove(l, -2);
}

/// Forgets the value under `ticket` of the channel at `index`.
///
/// Stack: 0, room for 3
/// Raises: never
///
/// # Safety
/// Own state; `ticket` is one that `store` gave for the channel at `index`.
pub unsafe fn forget(l: *mut lua_State, index: c_int, ticket: Ticket) {
    push_stored(l, index, ticket);
    lua_pop(l, 1);
}

/// `channel.new([capacity])` (C-1, C-2).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn new(l: *mut lua_State) -> c_int {
    let context = Context::with_memory(l);
    let capacity = match lua_type(l, 1) {
        LUA_TNONE | LUA_TNIL => 0,
        LUA_TNUMBER => match to_whole(l, 1).and_then(|whole| usize::try_from(whole).ok()) {
            Some(capacity) => capacity,
            None => bad_argument(l, 1, 1, "new", "whole number of at least 0 expected"),
        },
        _ => wrong_type(l, 1, 1, "new", "number"),
    };
    push(l, context, 0, |scheduler| scheduler.open_channel(capacity));
    1
}

/// `__tostring`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn to_string(l: *mut lua_State) -> c_int {
    own(l, 1, "tostring");
    let text = format!("channel: {:p}", lua_touserdata(l, 1));
    headroom::push_owned(l, text);
    1
}

/// Pushes the table of channels that are kept as long as they are open.
///
/// Stack: +1, room for 2
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn push_kept(l: *mut lua_State) {
    static KEY: u8 = 0;
    push_own_table(l, &KEY);
}

/// Keeps the channel on top until it is closed.
///
/// Stack: 0, room for 4
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn keep_open(l: *mut lua_State) {
    push_kept(l);
    lua_pushvalue(l, -2);
    lua_pushboolean(l, 1);
    lua_rawset(l, -3);
    lua_pop(l, 1);
}

/// Undoes [`keep_open`] for the channel at `index`.
///
/// Stack: 0, room for 4
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn release(l: *mut lua_State, index: c_int) {
    let index = lua_absindex(l, index);
    push_kept(l);
    lua_pushvalue(l, index);
    lua_pushnil(l);
    lua_rawset(l, -3);
    lua_pop(l, 1);
}

/// `ch:close()` (C-9).
///
/// Stack: +0
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn close(l: *mut lua_State) -> c_int {
    let context = Context::of(l);
    let channel = own(l, 1, "close");
    let (watch, notices) = {
        let scheduler = context.scheduler_ref();
        (scheduler.is_watch(channel.id), scheduler.may_be_closed(channel.id))
    };
    if watch {
        context.scheduler().close_watch(channel.id);
        return 0;
    }
    if notices {
        lookout::unlisten(context.process(), channel.id.number());
        context.sort_mail();
        context.scheduler().close_notices(channel.id);
        release(l, 1);
        return 0;
    }
    refuse_mailbox(l, context, 1, channel, "close");
    context.scheduler().close_channel(channel.id);
    0
}

/// `ch:iter()`: what a loop calls, the channel, and the number before the first.
///
/// Stack: +3
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn iter(l: *mut lua_State) -> c_int {
    Context::of(l);
    own(l, 1, "iter");
    (faces::get().push_blocking)(l, c"next");
    lua_pushvalue(l, 1);
    push_whole(l, 0);
    3
}

// ---- cases

/// A case as Lua holds it. Its companion holds the channel and the value to send.
pub struct CaseObject {
    /// The case sends.
    pub sends: bool,
}

/// Its class.
pub static CASE: Class =
    Class { name: "select case", type_name: c"channel.case", fill: |_| {}, crossing: Crossing::Never };

impl Object for CaseObject {
    const CLASS: &'static Class = &CASE;
}

/// Place of the channel in the companion.
pub const CASE_CHANNEL: lua_Integer = 1;

/// Place of the value in the companion.
pub const CASE_VALUE: lua_Integer = 2;

/// `ch:case_receive()` (C-10).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn case_receive(l: *mut lua_State) -> c_int {
    // Like every call it raises in the severed child of a fork.
    Context::of(l);
    own(l, 1, "case_receive");
    push_case(l, false);
    1
}

/// `ch:case_send(value)` (C-10).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn case_send(l: *mut lua_State) -> c_int {
    let channel = own(l, 1, "case_send");
    refuse_mailbox(l, Context::of(l), 1, channel, "case_send");
    if lua_gettop(l) < 2 {
        bad_argument(l, 1, 1, "case_send", "value expected");
    }
    push_case(l, true);
    1
}

/// Pushes a case of `select`.
///
/// Stack: +1, room for 6
/// Raises: memory
///
/// # Safety
/// Own state; the channel is at 1, and the value to be sent at 2.
unsafe fn push_case(l: *mut lua_State, sends: bool) {
    object::push(l, CaseObject { sends });
    lua_createtable(l, 2, 0);
    lua_pushvalue(l, 1);
    lua_rawseti(l, -2, CASE_CHANNEL);
    if sends {
        lua_pushvalue(l, 2);
        lua_rawseti(l, -2, CASE_VALUE);
    }
    set_companion(l, -2);
}
