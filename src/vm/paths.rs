//! From a name to what stands under it in the tables of a state: libraries, modules, metatables.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::api::*;
use super::faces;
use crate::runtime::libraries;
use std::ffi::{CStr, c_int};

/// The table of loaded modules.
pub const LOADED: &[u8] = b"package.loaded";

/// Functions that others give, and what gives them.
pub const ITERATORS: [(&[u8], &CStr); 3] = [
    (b"@ipairs", c"return (ipairs({}))"),
    (b"@utf8.codes", c"return (utf8.codes(''))"),
    (b"@utf8.codes_lax", c"return (utf8.codes('', true))"),
];

/// The table that a name stands in, and its field there.
pub fn split(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().rposition(|&byte| byte == b'.') {
        Some(point) => (&text[..point], &text[point + 1..]),
        None => (b"", text),
    }
}

/// Whether the function of this name is the iterator of another.
pub fn is_iterator(text: &[u8]) -> bool {
    ITERATORS.iter().any(|(known, _)| *known == text)
}

/// Whether the C function at an index works without captured values, and in any environment.
///
/// Stack: 0, room for 2
/// Raises: never
///
/// # Safety
/// Own state.
pub unsafe fn is_plain(l: *mut lua_State, index: c_int) -> bool {
    if lua_tocfunction(l, index).is_none() {
        return false;
    }
    if !lua_getupvalue(l, index, 1).is_null() {
        lua_pop(l, 1);
        return false;
    }
    #[cfg(feature = "luajit")]
    {
        lua_getfenv(l, index);
        push_globals(l);
        let usual = lua_rawequal(l, -1, -2) != 0;
        lua_pop(l, 2);
        usual
    }
    #[cfg(feature = "lua54")]
    true
}

/// Pushes a field of the table of loaded modules.
///
/// Stack: +1, room for 3
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn push_loaded(l: *mut lua_State, name: &[u8]) {
    push_loaded_modules(l);
    raw_step(l, name);
}

/// Replaces the table on top by its field, anything else by nil.
///
/// Stack: 0, room for 2
/// Raises: memory
///
/// # Safety
/// Own state; a value is on top.
pub unsafe fn raw_step(l: *mut lua_State, name: &[u8]) {
    if lua_type(l, -1) == LUA_TTABLE {
        push_bytes(l, name);
        lua_rawget(l, -2);
    } else {
        lua_pushnil(l);
    }
    lua_remove(l, -2);
}

/// Pushes what stands in the tables of a state under a name at present, nil if that is nothing.
///
/// Stack: +1, room for 4
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn push_present(l: *mut lua_State, text: &[u8]) {
    match text {
        LOADED => {
            push_loaded_modules(l);
        }
        // LuaJIT's `ipairs` has it as a captured value.
        b"@ipairs" if cfg!(feature = "luajit") => {
            push_loaded(l, b"_G");
            raw_step(l, b"ipairs");
            if lua_type(l, -1) != LUA_TFUNCTION || lua_getupvalue(l, -1, 1).is_null() {
                lua_pushnil(l);
            }
            lua_remove(l, -2);
        }
        _ if is_iterator(text) => lua_pushnil(l),
        b"process" => (faces::get().push_process)(l),
        _ => {
            let (parent, field) = split(text);
            push_parent(l, parent, field);
            raw_step(l, field);
        }
    }
}

/// Pushes the table in which a name of this parent and field stands, or something else if there is none.
///
/// Stack: +1, room for 3
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn push_parent(l: *mut lua_State, parent: &[u8], field: &[u8]) {
    if let Some(class) = parent.strip_prefix(b"@") {
        push_metatable(l, class);
        if !field.starts_with(b"__") {
            raw_step(l, b"__index");
            // That of errors is a function, which has the table as a captured value.
            if lua_tocfunction(l, -1).is_some() && !lua_getupvalue(l, -1, 1).is_null() {
                lua_remove(l, -2);
            }
        }
        return;
    }
    // The libraries themselves stand among the loaded modules.
    if parent.is_empty() {
        if libraries::NAMES.iter().any(|library| library.as_bytes() == field) {
            push_loaded_modules(l);
        } else {
            push_loaded(l, b"_G");
        }
        return;
    }
    let mut parts = parent.split(|&byte| byte == b'.');
    match parts.next().unwrap_or_default() {
        b"process" => (faces::get().push_process)(l),
        first => {
            // A module may have a point in its name.
            push_loaded(l, parent);
            if lua_type(l, -1) == LUA_TTABLE {
                return;
            }
            lua_pop(l, 1);
            push_loaded(l, first);
        }
    }
    for part in parts {
        raw_step(l, part);
    }
}

/// Pushes the metatable of a class of ours, of files or of strings; nil if the state has none yet.
///
/// Stack: +1, room for 3
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn push_metatable(l: *mut lua_State, class: &[u8]) {
    match class {
        b"file" => {
            raw_field(l, LUA_REGISTRYINDEX, c"FILE*");
        }
        b"string" => {
            lua_pushstring(l, c"".as_ptr());
            if lua_getmetatable(l, -1) == 0 {
                lua_pushnil(l);
            }
            lua_remove(l, -2);
        }
        _ => match faces::get().classes.iter().find(|known| known.name.as_bytes() == class) {
            Some(&known) => {
                lua_rawgetp(l, LUA_REGISTRYINDEX, std::ptr::from_ref(known).cast());
            }
            None => lua_pushnil(l),
        },
    }
}
