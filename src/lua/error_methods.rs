//! The methods of error objects (E-3 to E-9).

use super::arguments;
#[cfg(feature = "lua54")]
use super::uncaught;
use crate::codec::decode;
use crate::codec::function::check_taken;
use crate::runtime::error::ErrorData;
use crate::runtime::failure::Failure;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::error::{ErrorObject, push, string_method, text_at};
#[cfg(feature = "lua54")]
use crate::vm::{headroom, object};
use std::ffi::c_int;
use std::sync::Arc;

/// Its methods, besides those of strings.
pub const METHODS: Functions = &[
    (c"kind", kind),
    (c"message", message),
    (c"retryable", retryable),
    (c"details", details),
    (c"stack", stack),
];

/// Its operators.
pub const OPERATORS: Functions = &[(c"__tostring", to_string), (c"__concat", concat), (c"__len", length)];

/// Fills the metatable of error objects.
///
/// Stack: 0, room for 4
/// Raises: memory
///
/// # Safety
/// Own state; the metatable is on top.
pub unsafe fn fill(l: *mut lua_State) {
    lua_createtable(l, 0, METHODS.len() as c_int);
    set_functions(l, METHODS);
    lua_pushcclosure(l, index, 1);
    set_raw_field(l, -2, c"__index");
    set_functions(l, OPERATORS);
}

/// The error object for an entry without its method; its name is the argument.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua, from `boot.lua`.
pub unsafe extern "C-unwind" fn missing_method(l: *mut lua_State) -> c_int {
    let context = Context::of(l);
    let method = String::from_utf8_lossy(to_bytes(l, 1).unwrap_or_default()).into_owned();
    let failure = Failure::NoMethod { entry: context.process().entry().to_string(), method };
    push(l, Arc::new(failure.into()));
    1
}

/// Methods first; then the functions of `string`, which act on the text (E-5).
///
/// Stack: +1
/// Raises: memory
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn index(l: *mut lua_State) -> c_int {
    lua_settop(l, 2);
    lua_pushvalue(l, 2);
    if lua_rawget(l, lua_upvalueindex(1)) != LUA_TNIL {
        return 1;
    }
    push_loaded_modules(l);
    if lua_type(l, -1) == LUA_TTABLE && raw_field(l, -1, c"string") == LUA_TTABLE {
        lua_pushvalue(l, 2);
        if lua_rawget(l, -2) == LUA_TFUNCTION {
            lua_pushcclosure(l, string_method, 1);
        }
        return 1;
    }
    lua_pushnil(l);
    1
}

/// The error that a method was called on.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state. Values stay. Nothing to drop.
unsafe fn own<'a>(l: *mut lua_State, name: &str) -> &'a ErrorData {
    &arguments::receiver::<ErrorObject>(l, 1, name).0
}

/// `err:kind()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn kind(l: *mut lua_State) -> c_int {
    push_bytes(l, &own(l, "kind").kind);
    1
}

/// `err:message()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn message(l: *mut lua_State) -> c_int {
    push_bytes(l, &own(l, "message").message);
    1
}

/// `err:retryable()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn retryable(l: *mut lua_State) -> c_int {
    match own(l, "retryable").retryable {
        Some(value) => lua_pushboolean(l, c_int::from(value)),
        None => lua_pushnil(l),
    }
    1
}

/// `err:details()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn details(l: *mut lua_State) -> c_int {
    match &own(l, "details").details {
        Some(bytes) if check_taken(Context::of_state(l), bytes, "details").is_ok() => decode::push(l, bytes),
        _ => {
            lua_pushnil(l);
            1
        }
    }
}

/// `err:stack()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn stack(l: *mut lua_State) -> c_int {
    push_bytes(l, &own(l, "stack").stack);
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
    own(l, "tostring");
    #[cfg(feature = "lua54")]
    if uncaught::is_shown(l)
        && let Some(error) = object::get::<ErrorObject>(l, 1)
        && !error.0.returned_at.is_empty()
    {
        let text = [&error.0.text(), &b" ("[..], &error.0.returned_at, b")"].concat();
        headroom::push_owned(l, text);
        return 1;
    }
    text_at(l, 1);
    1
}

/// `__len`: the length of the text.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn length(l: *mut lua_State) -> c_int {
    own(l, "len");
    text_at(l, 1);
    push_whole(l, lua_rawlen(l, -1) as i64);
    1
}

/// `__concat`: with the text.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn concat(l: *mut lua_State) -> c_int {
    lua_settop(l, 2);
    for index in 1..=2 {
        if text_at(l, index) {
            lua_replace(l, index);
        }
    }
    arguments::concat_operands(l)
}
