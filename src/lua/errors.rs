//! The module `errors` (E-10 to E-16).

use super::arguments;
use super::guarded::or_raise;
use crate::codec::sequence::{Origin, encode_one};
use crate::runtime::error::{ErrorData, Kind};
use crate::runtime::traceback::frames;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::error::{ErrorObject, copied, push};
use crate::vm::fields::{self, Field};
use crate::vm::object;
use crate::vm::raise::{copyable, raise_failure};
use crate::vm::traceback;
use std::borrow::Cow;
use std::ffi::{CStr, c_int};
use std::sync::Arc;

static FIELDS: fields::Fields = fields::Fields(&[
    &[
        (c"new", Field::Function(or_raise!(new))),
        (c"wrap", Field::Function(or_raise!(wrap))),
        (c"is", Field::Function(is)),
        (c"call_stack", Field::Function(or_raise!(call_stack))),
    ],
    KINDS,
]);

const KINDS: &[(&CStr, Field)] = &[
    (c"NOT_FOUND", Field::Text(Kind::NotFound.text())),
    (c"ALREADY_EXISTS", Field::Text(Kind::AlreadyExists.text())),
    (c"INVALID", Field::Text(Kind::Invalid.text())),
    (c"PERMISSION_DENIED", Field::Text(Kind::PermissionDenied.text())),
    (c"UNAVAILABLE", Field::Text(Kind::Unavailable.text())),
    (c"INTERNAL", Field::Text(Kind::Internal.text())),
    (c"CANCELED", Field::Text(Kind::Canceled.text())),
    (c"CONFLICT", Field::Text(Kind::Conflict.text())),
    (c"TIMEOUT", Field::Text(Kind::Timeout.text())),
    (c"RATE_LIMITED", Field::Text(Kind::RateLimited.text())),
    (c"UNKNOWN", Field::Text(Kind::Unknown.text())),
];

/// The C functions of the module.
pub fn functions() -> impl Iterator<Item = (&'static CStr, Function)> {
    FIELDS.functions()
}

/// Pushes the module's table.
///
/// Stack: +1, room for 4
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn push_module(l: *mut lua_State) {
    fields::push_table(l, &FIELDS, 0);
}

const USAGE: &[u8] = b"errors.new takes a message or a table with a message";

/// `errors.new(message)`, `errors.new(fields)` (E-11 to E-13).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn new(l: *mut lua_State) -> c_int {
    let kind_of_argument = lua_type(l, 1);
    if lua_gettop(l) != 1 || (kind_of_argument != LUA_TSTRING && kind_of_argument != LUA_TTABLE) {
        raise(l, 1, USAGE);
    }
    if kind_of_argument == LUA_TSTRING {
        return finish(l, 1, None, None, None);
    }
    raw_field(l, 1, c"message");
    match lua_type(l, 2) {
        LUA_TSTRING => {}
        LUA_TNIL => raise(l, 1, USAGE),
        _ => raise(l, 1, b"errors.new: message must be a string"),
    }
    raw_field(l, 1, c"kind");
    if !matches!(lua_type(l, 3), LUA_TSTRING | LUA_TNIL) {
        raise(l, 1, b"errors.new: kind must be a string");
    }
    raw_field(l, 1, c"retryable");
    let retryable = match lua_type(l, 4) {
        LUA_TNIL => None,
        LUA_TBOOLEAN => Some(lua_toboolean(l, 4) != 0),
        _ => raise(l, 1, b"errors.new: retryable must be a boolean"),
    };
    raw_field(l, 1, c"details");
    let details = match lua_type(l, 5) {
        LUA_TNIL => None,
        LUA_TTABLE => match is_empty(l, 5) {
            true => None,
            false => Some(5),
        },
        _ => raise(l, 1, b"errors.new: details must be a table"),
    };
    finish(l, 2, Some(3), retryable, details)
}

/// Whether the table has no fields.
///
/// Stack: 0, room for 2
/// Raises: never
///
/// # Safety
/// Own state; a table is at `index`, which is positive.
unsafe fn is_empty(l: *mut lua_State, index: c_int) -> bool {
    lua_pushnil(l);
    if lua_next(l, index) == 0 {
        return true;
    }
    lua_pop(l, 2);
    false
}

/// Makes the error of what stands at these indices; its stack is that of the call.
///
/// Stack: +1, n the result
/// Raises: any
///
/// # Safety
/// Own state; the result is returned to Lua.
unsafe fn finish(
    l: *mut lua_State,
    message: c_int,
    kind: Option<c_int>,
    retryable: Option<bool>,
    details: Option<c_int>,
) -> c_int {
    let context = Context::with_memory(l);
    for index in [Some(message), kind].into_iter().flatten() {
        copyable(l, to_bytes(l, index).unwrap_or_default());
    }
    let details = match details {
        None => None,
        Some(index) => match encode_one(context.encoder(), l, index, Origin::Details) {
            Ok(bytes) => Some(bytes),
            Err(failure) => raise_failure(l, 1, failure),
        },
    };
    let text = |index| to_bytes(l, index).unwrap_or_default().to_vec();
    let mut error = ErrorData {
        kind: Cow::Owned(kind.map(text).unwrap_or_default()),
        message: text(message),
        retryable,
        details,
        ..ErrorData::default()
    };
    error.set_stack(&context.process().pid, traceback::of(l, 1));
    push(l, Arc::new(error));
    1
}

/// `errors.wrap(err, context)` (E-14).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn wrap(l: *mut lua_State) -> c_int {
    let known = object::get::<ErrorObject>(l, 1).is_some();
    if !known && lua_type(l, 1) != LUA_TSTRING {
        arguments::wrong_type(l, 1, 1, "wrap", "error or string");
    }
    arguments::string(l, 2, "wrap");
    let context = Context::with_memory(l);
    let mut error = match object::get::<ErrorObject>(l, 1) {
        Some(error) => copied(l, error),
        None => {
            let message = copyable(l, to_bytes(l, 1).unwrap_or_default()).to_vec();
            let mut error = ErrorData { message, ..ErrorData::default() };
            error.set_stack(&context.process().pid, traceback::of(l, 1));
            error
        }
    };
    error.contexts.push(to_bytes(l, 2).unwrap_or_default().to_vec());
    push(l, Arc::new(error));
    1
}

/// `errors.is(value, kind)` (E-15).
///
/// Stack: +1
/// Raises: never
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn is(l: *mut lua_State) -> c_int {
    let same = match (object::get::<ErrorObject>(l, 1), to_bytes(l, 2)) {
        (Some(error), Some(kind)) => *error.0.kind == *kind,
        _ => false,
    };
    lua_pushboolean(l, c_int::from(same));
    1
}

/// `errors.call_stack(err)` (E-16): the stack of an error object as a table. Functions in C have no line and are passed over.
///
/// Stack: +1
/// Raises: memory
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn call_stack(l: *mut lua_State) -> c_int {
    let Some(error) = object::get::<ErrorObject>(l, 1) else {
        lua_pushnil(l);
        return 1;
    };
    lua_settop(l, 1);
    lua_createtable(l, 0, 2);
    push_bytes(l, &error.0.thread);
    set_raw_field(l, -2, c"thread");
    lua_createtable(l, 0, 0);
    let mut position = 0;
    for frame in frames(&error.0.stack) {
        lua_createtable(l, 0, 3);
        push_bytes(l, frame.source.as_bytes());
        set_raw_field(l, -2, c"source");
        push_whole(l, i64::from(frame.line));
        set_raw_field(l, -2, c"line");
        if let Some(name) = frame.name {
            push_bytes(l, name.as_bytes());
            set_raw_field(l, -2, c"name");
        }
        position += 1;
        lua_rawseti(l, -2, position);
    }
    set_raw_field(l, -2, c"frames");
    1
}
