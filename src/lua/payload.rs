//! Payload objects: what `msg:payload()` gives under the option `wrapped` (P-43). Sent on, they are what they wrap (V-12).

use super::arguments;
use crate::runtime::failure::shown;
use crate::vm::api::*;
use crate::vm::api::{Functions, fill_metatable};
use crate::vm::class::{Class, Crossing};
use crate::vm::headroom;
use crate::vm::object::{self, Object};
use std::ffi::c_int;
use std::ptr;

/// A wrapped value. It is in the companion.
pub struct PayloadObject;

/// Place of the value in the companion.
const VALUE: lua_Integer = 1;

/// Its class.
pub static PAYLOAD: Class =
    Class { name: "payload", type_name: c"process.Payload", fill, crossing: Crossing::Wrapped(unwrap) };

impl Object for PayloadObject {
    const CLASS: &'static Class = &PAYLOAD;
}

/// Its methods.
pub const METHODS: Functions = &[(c"data", data), (c"unmarshal", unmarshal), (c"get_format", get_format)];

/// Its operators.
pub const OPERATORS: Functions = &[(c"__tostring", to_string)];

/// Fills the metatable.
///
/// Stack: 0, room for 4
/// Raises: memory
///
/// # Safety
/// Own state; the metatable is on top.
unsafe fn fill(l: *mut lua_State) {
    fill_metatable(l, METHODS, OPERATORS);
}

/// Wraps the value on top: a Payload object stands in its place.
///
/// Stack: 0, room for 6
/// Raises: memory
///
/// # Safety
/// Own state; a value is on top.
pub unsafe fn wrap(l: *mut lua_State) {
    object::push(l, PayloadObject);
    lua_insert(l, -2);
    lua_createtable(l, 1, 0);
    lua_insert(l, -2);
    lua_rawseti(l, -2, VALUE);
    set_companion(l, lua_absindex(l, -2));
}

/// Puts what it wraps in the place of a Payload object on top; any other value stays. The type of what is there then.
///
/// Needs two free slots. Runs no Lua code and does not raise.
///
/// Stack: 0, room for 2
/// Raises: never
///
/// # Safety
/// Own state; a value is on top.
#[cold]
unsafe fn unwrap(l: *mut lua_State) -> c_int {
    // No payload wraps one that wraps it, unless somebody does so by means of `debug`.
    const NESTED: usize = 100;
    for _ in 0..NESTED {
        if object::get::<PayloadObject>(l, -1).is_none() {
            break;
        }
        push_value(l, -1);
        lua_remove(l, -2);
    }
    lua_type(l, -1)
}

/// Pushes what the Payload object at `index` wraps.
///
/// Stack: +1, room for 2
/// Raises: never
///
/// # Safety
/// Own state; a Payload object is at `index`.
unsafe fn push_value(l: *mut lua_State, index: c_int) {
    push_companion(l, index);
    // Anything may be there that `debug` puts there.
    if lua_type(l, -1) == LUA_TTABLE {
        lua_rawgeti(l, -1, VALUE);
    } else {
        lua_pushnil(l);
    }
    lua_remove(l, -2);
}

/// `p:data()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn data(l: *mut lua_State) -> c_int {
    arguments::receiver::<PayloadObject>(l, 1, "data");
    push_value(l, 1);
    1
}

/// `p:unmarshal()`: the same, there is nothing to convert.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn unmarshal(l: *mut lua_State) -> c_int {
    arguments::receiver::<PayloadObject>(l, 1, "unmarshal");
    push_value(l, 1);
    1
}

/// `p:get_format()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn get_format(l: *mut lua_State) -> c_int {
    arguments::receiver::<PayloadObject>(l, 1, "get_format");
    push_bytes(l, b"lua/any");
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
    arguments::receiver::<PayloadObject>(l, 1, "tostring");
    push_value(l, 1);
    luaL_tolstring(l, -1, ptr::null_mut());
    let text = format!("process.Payload{{data={}}}", shown(to_bytes(l, -1).unwrap_or_default()));
    headroom::push_owned(l, text);
    1
}
