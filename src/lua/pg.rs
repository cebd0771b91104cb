//! Process groups (groups.md): the module `process.pg`, its scopes and subscriptions.

use super::arguments::{bad_argument, only_flag, receiver, string, string_at, wrong_type};
use super::guarded::or_failure;
use super::inspection::return_plain;
use super::mail::{check_topic, close_notices, push_notices};
use super::permissions::allowed;
use crate::codec::sequence::Origin;
use crate::runtime::belonging::GroupName;
use crate::runtime::entry::is_reference;
use crate::runtime::failure::Failure;
use crate::runtime::groups::{self, Members, Scope};
use crate::scheduling::ChannelId;
use crate::vm::api::*;
use crate::vm::class::{Class, Crossing};
use crate::vm::context::Context;
use crate::vm::error::{return_done, return_failure};
use crate::vm::fields::{self, Field};
use crate::vm::object::{self, Object};
use crate::vm::raise::raise_no_memory;
use crate::wire::plain::Plain;
use std::cell::Cell;
use std::ffi::{CStr, c_int};
use std::sync::Arc;

/// A scope that was opened.
pub struct ScopeObject(Arc<Scope>);

/// Its class.
pub static SCOPE: Class =
    Class { name: "scope", type_name: c"pg.Scope", fill: fill_scope, crossing: Crossing::Never };

impl Object for ScopeObject {
    const CLASS: &'static Class = &SCOPE;

    fn weight(&self) -> usize {
        size_of::<Self>()
    }
}

/// Somebody who hears who comes and goes. The channel is its companion's first value, and stands in the table of the mailbox's
/// channels while it is open.
pub struct SubscriptionObject {
    scope: Arc<Scope>,
    channel: Cell<ChannelId>,
}

/// Its class.
pub static SUBSCRIPTION: Class = Class {
    name: "subscription",
    type_name: c"pg.Subscription",
    fill: fill_subscription,
    crossing: Crossing::Never,
};

impl Object for SubscriptionObject {
    const CLASS: &'static Class = &SUBSCRIPTION;

    fn weight(&self) -> usize {
        size_of::<Self>()
    }
}

/// The methods of scopes.
pub const SCOPE_METHODS: Functions = &[
    (c"join", or_failure!(join)),
    (c"leave", or_failure!(leave)),
    (c"get_members", or_failure!(get_members)),
    (c"get_local_members", or_failure!(get_local_members)),
    (c"which_groups", or_failure!(which_groups)),
    (c"which_local_groups", or_failure!(which_local_groups)),
    (c"broadcast", or_failure!(broadcast)),
    (c"broadcast_local", or_failure!(broadcast_local)),
    (c"monitor", or_failure!(monitor)),
    (c"events", or_failure!(events)),
];

/// The methods of subscriptions.
pub const SUBSCRIPTION_METHODS: Functions = &[(c"channel", subscription_channel), (c"close", close)];

/// Fills the metatable of scopes.
///
/// Stack: 0, room for 4
/// Raises: memory
///
/// # Safety
/// Own state; the metatable is on top.
unsafe fn fill_scope(l: *mut lua_State) {
    fill_metatable(l, SCOPE_METHODS, &[]);
}

/// Fills the metatable of subscriptions.
///
/// Stack: 0, room for 4
/// Raises: memory
///
/// # Safety
/// Own state; the metatable is on top.
unsafe fn fill_subscription(l: *mut lua_State) {
    fill_metatable(l, SUBSCRIPTION_METHODS, &[]);
}

static FIELDS: fields::Fields = fields::Fields(&[&[(c"open", Field::Function(or_failure!(open)))]]);

/// The C functions of the module.
pub fn functions() -> impl Iterator<Item = (&'static CStr, Function)> {
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

/// `pg.open(scope)` (G-1, G-9).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn open(l: *mut lua_State) -> c_int {
    let name = string(l, 1, "open");
    let context = Context::with_memory(l);
    let granted = || context.process().host.settings.scopes.iter().any(|scope| scope.as_bytes() == name);
    let checked = match std::str::from_utf8(name) {
        Ok(text) if is_reference(name) => {
            if granted() { Ok(()) } else { allowed(context, "pg.open") }.map(|()| text)
        }
        _ => Err(Failure::ScopeReference(name.to_vec())),
    };
    match checked {
        Ok(text) => {
            luaL_checkstack(l, 8, std::ptr::null());
            let place = object::reserve::<ScopeObject>(l);
            place.write(ScopeObject(groups::open(text)));
            object::confirm::<ScopeObject>(l);
            1
        }
        Err(failure) => return_failure(l, failure),
    }
}

/// The names of groups that the first argument of a method gives: one, or an array of them.
///
/// Stack: +n, they stay there, room for more is made
/// Raises: any
///
/// # Safety
/// Called by a method. Values stay while they are on the stack. Nothing to drop.
unsafe fn names_at<'a>(l: *mut lua_State, name: &str) -> Vec<&'a [u8]> {
    match lua_type(l, 2) {
        LUA_TSTRING => vec![to_bytes(l, 2).unwrap_or_default()],
        LUA_TTABLE => {
            luaL_checkstack(l, 4, std::ptr::null());
            let mut count = 0;
            while lua_rawgeti(l, 2, count + 1) != LUA_TNIL {
                if lua_type(l, -1) != LUA_TSTRING {
                    let got = CStr::from_ptr(lua_typename(l, lua_type(l, -1))).to_str().unwrap_or_default();
                    bad_argument(l, 1, 1, name, format!("item [{}]: string expected, got {got}", count + 1));
                }
                lua_pop(l, 1);
                count += 1;
            }
            lua_pop(l, 1);
            let mut names = Vec::with_capacity(count as usize);
            for place in 1..=count {
                lua_rawgeti(l, 2, place);
                // The table keeps the string.
                names.push(to_bytes(l, -1).unwrap_or_default());
                lua_pop(l, 1);
            }
            names
        }
        _ => wrong_type(l, 2, 1, name, "string or table"),
    }
}

/// `scope:join(group | groups)` (G-2).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn join(l: *mut lua_State) -> c_int {
    let scope = receiver::<ScopeObject>(l, 1, "join");
    let context = Context::with_memory(l);
    let names = names_at(l, "join");
    let joined = scope.0.join(context.process(), &names);
    drop(names);
    raise_no_memory(l, &joined);
    return_done(l, joined)
}

/// `scope:leave(group | groups)` (G-2).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn leave(l: *mut lua_State) -> c_int {
    let scope = receiver::<ScopeObject>(l, 1, "leave");
    let context = Context::of(l);
    let names = names_at(l, "leave");
    let left = scope.0.leave(context.process(), &names);
    drop(names);
    return_done(l, left)
}

fn pids(members: &Members) -> Plain {
    Plain::List(members.iter().map(|member| Plain::Text(member.pid.as_bytes().to_vec())).collect())
}

/// Returns the members of the group that a method named `function` was given.
///
/// Stack: +1 or +2, n the result
/// Raises: any
///
/// # Safety
/// Called by a method.
unsafe fn return_members(l: *mut lua_State, function: &str) -> c_int {
    let scope = receiver::<ScopeObject>(l, 1, function);
    let group = string_at(l, 2, 1, function);
    let context = Context::with_memory(l);
    let members = groups::check_name(group).map(|()| scope.0.members(group));
    return_plain(l, context, members.map(|members| members.as_ref().map_or(Plain::List(Vec::new()), pids)))
}

/// `scope:get_members(group)` (G-3).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn get_members(l: *mut lua_State) -> c_int {
    return_members(l, "get_members")
}

/// `scope:get_local_members(group)` (G-3).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn get_local_members(l: *mut lua_State) -> c_int {
    return_members(l, "get_local_members")
}

/// Returns the names of the groups with members.
///
/// Stack: +1 or +2, n the result
/// Raises: any
///
/// # Safety
/// Called by a method.
unsafe fn return_groups(l: *mut lua_State, function: &str) -> c_int {
    let scope = receiver::<ScopeObject>(l, 1, function);
    let context = Context::with_memory(l);
    let names = scope.0.names().iter().map(|name| Plain::Text(name.to_vec())).collect();
    return_plain(l, context, Ok(Plain::List(names)))
}

/// `scope:which_groups()` (G-3).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn which_groups(l: *mut lua_State) -> c_int {
    return_groups(l, "which_groups")
}

/// `scope:which_local_groups()` (G-3).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn which_local_groups(l: *mut lua_State) -> c_int {
    return_groups(l, "which_local_groups")
}

/// Sends a message to the members of a group, as the method named `function`.
///
/// Stack: +1 or +2, n the result
/// Raises: any
///
/// # Safety
/// Called by a method.
unsafe fn send_to_group(l: *mut lua_State, function: &str) -> c_int {
    let scope = receiver::<ScopeObject>(l, 1, function);
    let group = string_at(l, 2, 1, function);
    let topic = string_at(l, 3, 2, function);
    let context = Context::with_memory(l);
    let result = groups::check_name(group).and_then(|()| check_topic(topic)).and_then(|()| {
        // Encoding may raise; nothing is borrowed meanwhile.
        let payload = context.encoder().encode(l, 4, lua_gettop(l) - 3, Origin::Argument(3))?;
        groups::broadcast(&scope.0, context.process(), group, topic, &payload)
    });
    raise_no_memory(l, &result);
    match result {
        Ok(count) => {
            push_whole(l, count as i64);
            1
        }
        Err(failure) => return_failure(l, failure),
    }
}

/// `scope:broadcast(group, topic, ...)` (G-4).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn broadcast(l: *mut lua_State) -> c_int {
    send_to_group(l, "broadcast")
}

/// `scope:broadcast_local(group, topic, ...)` (G-4).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn broadcast_local(l: *mut lua_State) -> c_int {
    send_to_group(l, "broadcast_local")
}

/// `scope:monitor(group)` (G-5).
///
/// Stack: +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn monitor(l: *mut lua_State) -> c_int {
    let scope = receiver::<ScopeObject>(l, 1, "monitor");
    let group = string_at(l, 2, 1, "monitor");
    if let Err(failure) = groups::check_name(group) {
        return return_failure(l, failure);
    }
    let shown = |groups: Vec<(GroupName, Members)>| {
        groups.first().map_or(Plain::List(Vec::new()), |(_, members)| pids(members))
    };
    subscribe(l, &scope.0, Some(group), shown)
}

/// `scope:events()` (G-5).
///
/// Stack: +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn events(l: *mut lua_State) -> c_int {
    let scope = receiver::<ScopeObject>(l, 1, "events");
    let shown = |groups: Vec<(GroupName, Members)>| {
        Plain::Map(groups.iter().map(|(name, members)| (name.to_vec(), pids(members))).collect())
    };
    subscribe(l, &scope.0, None, shown)
}

/// Returns a subscription, and what `shown` makes of the members.
///
/// Stack: +2, n the result
/// Raises: any
///
/// # Safety
/// Called by a method.
unsafe fn subscribe(
    l: *mut lua_State,
    scope: &Arc<Scope>,
    group: Option<&[u8]>,
    shown: impl Fn(Vec<(GroupName, Members)>) -> Plain,
) -> c_int {
    let context = Context::with_memory(l);
    luaL_checkstack(l, 12, std::ptr::null());
    let subscription = object::reserve::<SubscriptionObject>(l);
    subscription.write(SubscriptionObject { scope: Arc::clone(scope), channel: Cell::default() });
    object::confirm::<SubscriptionObject>(l);
    lua_createtable(l, 1, 0);
    lua_pushvalue(l, -1);
    set_companion(l, -3);
    let id = push_notices(l, context);
    lua_rawseti(l, -2, 1);
    lua_pop(l, 1);
    (*subscription).channel.set(id);
    let members = scope.subscribe(context.process(), group, id.number());
    if members.is_err() {
        close_notices(l, context, id);
    }
    raise_no_memory(l, &members);
    1 + return_plain(l, context, members.map(shown))
}

/// `subscription:channel()` (G-5).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn subscription_channel(l: *mut lua_State) -> c_int {
    receiver::<SubscriptionObject>(l, 1, "channel");
    push_companion(l, 1);
    lua_rawgeti(l, -1, 1);
    1
}

/// `subscription:close([options])` (G-5): whether it was open.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn close(l: *mut lua_State) -> c_int {
    let own = receiver::<SubscriptionObject>(l, 1, "close");
    let flush = only_flag(l, 2, 1, "close", c"flush");
    let context = Context::of(l);
    let id = own.channel.get();
    own.scope.unsubscribe(context.process(), id.number());
    let was_open = close_notices(l, context, id);
    if flush {
        let flushed = context.scheduler().flush_notices(id);
        context.forget_mail(flushed);
    }
    lua_pushboolean(l, c_int::from(was_open));
    1
}
