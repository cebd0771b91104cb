//! The spawn builder (P-80 to P-85): an immutable object that says how a process is to be spawned.

use super::arguments::{self, bad_argument, string_at, wrong_type};
use super::plan::Plan;
use super::time::positive_wait_at;
use super::{mail, spawn};
use crate::codec::sequence::Origin;
use crate::platform::reserve;
use crate::runtime::failure::{Failure, shown};
use crate::runtime::host::LEAST_STACK;
use crate::runtime::registry;
use crate::vm::api::*;
use crate::vm::api::{Functions, set_functions};
use crate::vm::class::{Class, Crossing};
use crate::vm::context::Context;
use crate::vm::faces;
use crate::vm::object::{self, Object};
use crate::vm::raise::copyable;
use std::ffi::c_int;
use std::ptr;

/// What `with_options` knows.
const OPTIONS: &[&str] = &["mailbox_limit", "memory_limit", "stack_size", "timeout"];

/// The builder as Lua holds it.
pub struct SpawnerObject(Plan);

/// Its class.
pub static SPAWNER: Class = Class { name: "spawner", type_name: c"spawner", fill, crossing: Crossing::Never };

impl Object for SpawnerObject {
    const CLASS: &'static Class = &SPAWNER;

    fn weight(&self) -> usize {
        let Plan { values, messages, name, .. } = &self.0;
        let values: usize = values.iter().map(|(key, value)| key.len() + value.len() + 64).sum();
        let messages: usize = messages.iter().map(|(topic, payload)| topic.len() + payload.len() + 48).sum();
        size_of::<Plan>() + values + messages + name.as_ref().map_or(0, Vec::len)
    }
}

/// Its methods, besides `exec`, which may wait.
pub const METHODS: Functions = &[
    (c"with_context", with_context_again),
    (c"with_options", with_options_again),
    (c"with_name", with_name),
    (c"with_message", with_message),
    (c"spawn", spawn_as),
    (c"spawn_monitored", spawn_monitored_as),
    (c"spawn_linked", spawn_linked_as),
    (c"spawn_linked_monitored", spawn_linked_monitored_as),
];

/// Fills the metatable.
///
/// Stack: 0, room for 4
/// Raises: memory
///
/// # Safety
/// Own state; the metatable is on top.
unsafe fn fill(l: *mut lua_State) {
    lua_createtable(l, 0, METHODS.len() as c_int + 1);
    set_functions(l, METHODS);
    (faces::get().push_blocking)(l, c"exec_as");
    set_raw_field(l, -2, c"exec");
    set_raw_field(l, -2, c"__index");
}

/// The builder that a method was called on; a wrong one is told at the position of the function at `level`.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state. Values stay. Nothing to drop.
unsafe fn own<'a>(l: *mut lua_State, level: c_int, name: &str) -> &'a Plan {
    &arguments::receiver::<SpawnerObject>(l, level, name).0
}

/// Returns a new builder: `plan` as `change` leaves it. `change` reads the stack, and raises nothing.
///
/// Stack: +1, n the result
/// Raises: memory
///
/// # Safety
/// Own state; the result is returned to Lua. Values stay: `plan` is that of an object on the stack.
unsafe fn return_changed(l: *mut lua_State, plan: &Plan, change: impl FnOnce(&mut Plan)) -> c_int {
    let place = object::reserve::<SpawnerObject>(l);
    let mut plan = plan.clone();
    change(&mut plan);
    ptr::write(place, SpawnerObject(plan));
    object::confirm::<SpawnerObject>(l);
    1
}

/// `process.with_context(values)` (P-80, P-81).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn with_context(l: *mut lua_State) -> c_int {
    add_values(l, 0, &Plan::EMPTY)
}

/// `spawner:with_context(values)`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn with_context_again(l: *mut lua_State) -> c_int {
    let plan = own(l, 1, "with_context");
    add_values(l, 1, plan)
}

/// Returns a builder with more context values.
///
/// Stack: +1, n the result
/// Raises: any
///
/// # Safety
/// Own state; the result is returned to Lua.
unsafe fn add_values(l: *mut lua_State, receiver: c_int, plan: &Plan) -> c_int {
    let values = receiver + 1;
    if lua_type(l, values) != LUA_TTABLE {
        wrong_type(l, values, 1, "with_context", "table");
    }
    lua_pushnil(l);
    while lua_next(l, values) != 0 {
        if lua_type(l, -2) != LUA_TSTRING {
            bad_argument(l, 1, 1, "with_context", "keys must be strings");
        }
        copyable(l, to_bytes(l, -2).unwrap_or_default());
        lua_pop(l, 1);
    }
    luaL_checkstack(l, 12, ptr::null());
    let context = Context::with_memory(l);
    return_changed(l, plan, |plan| {
        lua_pushnil(l);
        while lua_next(l, values) != 0 {
            let key = to_bytes(l, -2).unwrap_or_default().to_vec();
            match context.encoder().encode_field(l, lua_gettop(l), Origin::Context) {
                Ok(bytes) => match reserve::shared(&bytes) {
                    Some(bytes) => {
                        plan.values.insert(key, bytes);
                    }
                    None => plan.failure = plan.failure.take().or(Some(Failure::OutOfMemory)),
                },
                Err(failure) => plan.failure = plan.failure.take().or(Some(failure)),
            }
            lua_pop(l, 1);
        }
    })
}

/// `process.with_options(options)` (P-82).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn with_options(l: *mut lua_State) -> c_int {
    add_options(l, 0, &Plan::EMPTY)
}

/// `spawner:with_options(options)`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn with_options_again(l: *mut lua_State) -> c_int {
    let plan = own(l, 1, "with_options");
    add_options(l, 1, plan)
}

/// Returns a builder with these options.
///
/// Stack: +1, n the result
/// Raises: any
///
/// # Safety
/// Own state; the result is returned to Lua.
unsafe fn add_options(l: *mut lua_State, receiver: c_int, plan: &Plan) -> c_int {
    let options = receiver + 1;
    if lua_type(l, options) != LUA_TTABLE {
        wrong_type(l, options, 1, "with_options", "table");
    }
    let (mut mailbox, mut memory, mut stack, mut timeout) = (None, None, None, None);
    lua_pushnil(l);
    while lua_next(l, options) != 0 {
        if to_bytes(l, -2) == Some(b"timeout") {
            match positive_wait_at(l, lua_gettop(l), "with_options") {
                Ok(length) => timeout = Some(length),
                Err(failure) => crate::vm::raise::raise_failure(l, 1, failure),
            }
            lua_pop(l, 1);
            continue;
        }
        let number = to_whole(l, -1).and_then(|whole| usize::try_from(whole).ok());
        let (name, place, least) = match to_bytes(l, -2) {
            Some(b"mailbox_limit") => ("mailbox_limit", &mut mailbox, 0),
            Some(b"memory_limit") => ("memory_limit", &mut memory, 0),
            Some(b"stack_size") => ("stack_size", &mut stack, LEAST_STACK),
            _ => {
                let name = arguments::shown_value(l, -2);
                crate::vm::raise::raise_failure(l, 1, Failure::UnknownOption { name, known: OPTIONS })
            }
        };
        match number {
            Some(number) if number >= least => *place = Some(number),
            _ => {
                let wanted = if least == 0 {
                    "whole number of at least 0"
                } else {
                    "whole number of at least the default"
                };
                let name = shown(name.as_bytes());
                crate::vm::raise::raise_failure(l, 1, Failure::BadOption { name, wanted })
            }
        }
        lua_pop(l, 1);
    }
    return_changed(l, plan, |plan| {
        plan.mailbox_limit = mailbox.or(plan.mailbox_limit);
        plan.memory_limit = memory.or(plan.memory_limit);
        plan.stack_size = stack.or(plan.stack_size);
        plan.timeout = timeout.or(plan.timeout);
    })
}

/// `spawner:with_name(name)` (P-83).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn with_name(l: *mut lua_State) -> c_int {
    let plan = own(l, 1, "with_name");
    let name = string_at(l, 2, 1, "with_name");
    if let Err(failure) = registry::check_name(name) {
        crate::vm::raise::raise_failure(l, 1, failure);
    }
    return_changed(l, plan, |plan| plan.name = Some(name.to_vec()))
}

/// `spawner:with_message(topic, ...)` (P-84).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn with_message(l: *mut lua_State) -> c_int {
    let plan = own(l, 1, "with_message");
    let topic = string_at(l, 2, 1, "with_message");
    if let Err(failure) = mail::check_topic(topic) {
        crate::vm::raise::raise_failure(l, 1, failure);
    }
    luaL_checkstack(l, 12, ptr::null());
    let (context, count) = (Context::with_memory(l), lua_gettop(l) - 2);
    return_changed(l, plan, |plan| match context.encoder().encode(l, 3, count, Origin::Argument(2)) {
        Ok(payload) => match reserve::owned(payload) {
            Some(payload) => plan.messages.push((topic.to_vec(), payload)),
            None => plan.failure = plan.failure.take().or(Some(Failure::OutOfMemory)),
        },
        Err(failure) => plan.failure = plan.failure.take().or(Some(failure)),
    })
}

macro_rules! spawning {
    ($name:ident, $way:expr) => {
        unsafe extern "C-unwind" fn $name(l: *mut lua_State) -> c_int {
            let plan = own(l, 1, $way.function);
            spawn::spawn_with(l, $way, 1, plan)
        }
    };
}

spawning!(spawn_as, spawn::SPAWN);
spawning!(spawn_monitored_as, spawn::SPAWN_MONITORED);
spawning!(spawn_linked_as, spawn::SPAWN_LINKED);
spawning!(spawn_linked_monitored_as, spawn::SPAWN_LINKED_MONITORED);

/// `spawner:exec(entry, host, ...)`, first half.
///
/// Stack: +n, what `process.exec` returns
/// Raises: any: waits
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn exec_as(l: *mut lua_State) -> c_int {
    let plan = own(l, BLOCKING_LEVEL, "exec");
    super::exec::exec_with(l, 1, plan)
}
