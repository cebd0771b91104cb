//! Tables of the library from lists of their fields. `time` and `errors` fill themselves: a field is made when it is first
//! looked for (P-9), since every process has the tables and few use more than a handful of their fields.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::api::*;
use super::faces;
use std::ffi::{CStr, c_int};
use std::ptr;

/// What a field is.
pub enum Field {
    /// A function without upvalues.
    Function(Function),
    /// A function that may wait, by its name.
    Blocking,
    /// A whole number.
    Whole(i64),
    /// A string.
    Text(&'static str),
    /// What this pushes.
    Made(unsafe fn(*mut lua_State)),
}

/// The fields of one table, in groups.
pub struct Fields(pub &'static [&'static [(&'static CStr, Field)]]);

impl Fields {
    /// The C functions among them that need no upvalue.
    pub fn functions(&self) -> impl Iterator<Item = (&'static CStr, Function)> {
        self.0.iter().copied().flatten().filter_map(|(name, field)| match field {
            Field::Function(function) => Some((*name, *function)),
            _ => None,
        })
    }
}

/// Pushes an empty table that makes these fields when they are looked for. It has room for so many.
///
/// Stack: +1, room for 4
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn push_table(l: *mut lua_State, fields: &'static Fields, room: c_int) {
    lua_createtable(l, 0, room);
    lua_createtable(l, 0, 1);
    lua_pushlightuserdata(l, ptr::from_ref(fields).cast_mut().cast());
    lua_pushcclosure(l, index, 1);
    set_raw_field(l, -2, c"__index");
    lua_setmetatable(l, -2);
}

/// Pushes an ordinary table of these fields. It has room for so many others.
///
/// Stack: +1, room for 6
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn push_filled(l: *mut lua_State, fields: &'static Fields, room: c_int) {
    let count: usize = fields.0.iter().map(|group| group.len()).sum();
    lua_createtable(l, 0, count as c_int + room);
    for (name, field) in fields.0.iter().copied().flatten() {
        lua_pushstring(l, name.as_ptr());
        push_field(l, name, field);
        lua_rawset(l, -3);
    }
}

/// Whether the value on top is a table that still makes fields.
///
/// Stack: 0, room for 3
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn is_lazy(l: *mut lua_State) -> bool {
    if lua_type(l, -1) != LUA_TTABLE || lua_getmetatable(l, -1) == 0 {
        return false;
    }
    raw_field(l, -1, c"__index");
    let own: Function = index;
    let lazy = lua_tocfunction(l, -1).is_some_and(|function| function as usize == own as usize);
    lua_pop(l, 2);
    lazy
}

/// `__index`: makes the field, and keeps it.
///
/// Stack: +1 or 0
/// Raises: memory
///
/// # Safety
/// Called by Lua; the captured value is the address of `Fields`.
unsafe extern "C-unwind" fn index(l: *mut lua_State) -> c_int {
    lua_settop(l, 2);
    // SAFETY: `push_table` put it there; it is static.
    let fields = &*lua_touserdata(l, lua_upvalueindex(1)).cast::<Fields>();
    let wanted = to_bytes(l, 2).unwrap_or_default();
    let mut all = fields.0.iter().copied().flatten();
    let Some((name, field)) = all.find(|(name, _)| name.to_bytes() == wanted) else {
        return 0;
    };
    push_field(l, name, field);
    if lua_type(l, 1) == LUA_TTABLE {
        lua_pushvalue(l, 2);
        lua_pushvalue(l, 3);
        lua_rawset(l, 1);
    }
    1
}

/// Pushes the value of a field.
///
/// Stack: +1, room for 4
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn push_field(l: *mut lua_State, name: &CStr, field: &Field) {
    match field {
        Field::Function(function) => lua_pushcclosure(l, *function, 0),
        Field::Blocking => (faces::get().push_blocking)(l, name),
        Field::Whole(number) => push_whole(l, *number),
        Field::Text(text) => push_bytes(l, text.as_bytes()),
        Field::Made(push) => push(l),
    }
}

#[cfg(test)]
mod tests;
