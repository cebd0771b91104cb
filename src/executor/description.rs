//! What the text of an error is that is no string and no error object (W-8): of a table its fields, of anything else what
//! `tostring` says.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use crate::runtime::failure::escaped;
use crate::vm::api::*;
use crate::vm::headroom;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_int};
use std::ptr;

/// Bytes of the longest text of a table, without the dots behind it.
const LONGEST: usize = 200;

/// No more fields than that fit into the text.
const MOST_FIELDS: usize = LONGEST / 5;

/// Pushes the text of the value at `index`.
///
/// Stack: +1, room for 4
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn push(l: *mut lua_State, index: c_int) {
    let index = lua_absindex(l, index);
    if lua_type(l, index) != LUA_TTABLE {
        return push_tostring(l, index);
    }
    if luaL_getmetafield(l, index, c"__tostring".as_ptr()) != LUA_TNIL {
        lua_pop(l, 1);
        return push_tostring(l, index);
    }
    let text = of_table(l, index);
    headroom::push_owned(l, text.into_bytes());
}

/// The fields of a table, read raw, one level: those from 1 on, then string keys in byte order.
///
/// Stack: 0, room for 3
/// Raises: never
///
/// # Safety
/// Own state; a table is at `index`.
unsafe fn of_table(l: *mut lua_State, index: c_int) -> String {
    let mut parts = Vec::new();
    let mut length = 0;
    let mut position = 1;
    while length < LONGEST && lua_rawgeti(l, index, position) != LUA_TNIL {
        let part = of_value(l);
        length += part.len();
        parts.push(part);
        lua_pop(l, 1);
        position += 1;
    }
    if length < LONGEST {
        lua_pop(l, 1);
    }
    let mut fields = BTreeMap::new();
    lua_pushnil(l);
    while lua_next(l, index) != 0 {
        if lua_type(l, -2) == LUA_TSTRING
            && let Some(key) = to_bytes(l, -2)
        {
            // Of long keys the beginning suffices.
            fields.insert(key[..key.len().min(LONGEST)].to_vec(), of_value(l));
            if fields.len() > MOST_FIELDS {
                fields.pop_last();
            }
        }
        lua_pop(l, 1);
    }
    for (key, value) in fields {
        let name = if is_name(&key) { escaped(&key) } else { format!("[{}]", quoted(&key)) };
        parts.push(format!("{name} = {value}"));
    }
    if parts.is_empty() {
        return "{}".into();
    }
    let mut text = format!("{{ {} }}", parts.join(", "));
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// The value on top, as the text of its table shows it.
///
/// Stack: 0, room for 1
/// Raises: never
///
/// # Safety
/// Own state; a value is on top.
unsafe fn of_value(l: *mut lua_State) -> String {
    match lua_type(l, -1) {
        LUA_TSTRING => quoted(to_bytes(l, -1).unwrap_or_default()),
        LUA_TNUMBER => match to_whole(l, -1) {
            Some(whole) => whole.to_string(),
            None => lua_tonumber(l, -1).to_string(),
        },
        LUA_TBOOLEAN => (lua_toboolean(l, -1) != 0).to_string(),
        LUA_TTABLE => "{...}".into(),
        _ => CStr::from_ptr(luaL_typename(l, -1)).to_string_lossy().into_owned(),
    }
}

fn quoted(bytes: &[u8]) -> String {
    format!("\"{}\"", escaped(&bytes[..bytes.len().min(LONGEST)]).replace('"', "\\\""))
}

fn is_name(key: &[u8]) -> bool {
    !key.is_empty()
        && !key[0].is_ascii_digit()
        && key.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Pushes `tostring` of the value at `index`, or what type it has if that fails.
///
/// Stack: +1, room for 2
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn push_tostring(l: *mut lua_State, index: c_int) {
    /// `tostring` of its argument.
    ///
    /// Stack: +1
    /// Raises: any
    ///
    /// # Safety
    /// Called by Lua.
    unsafe extern "C-unwind" fn describe(l: *mut lua_State) -> c_int {
        luaL_tolstring(l, 1, ptr::null_mut());
        1
    }
    lua_pushcclosure(l, describe, 0);
    lua_pushvalue(l, index);
    if lua_pcall(l, 1, 1, 0) != LUA_OK {
        lua_pop(l, 1);
        let name = CStr::from_ptr(luaL_typename(l, index)).to_string_lossy();
        let text = CString::new(format!("(error object is a {name} value)")).unwrap_or_default();
        lua_pushstring(l, text.as_ptr());
    }
}
