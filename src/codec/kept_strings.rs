//! Long strings that a process keeps in a Lua table, and refers to by number in what it keeps as bytes ([`super::again`]).
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::encode::Encoder;
use crate::vm::api::*;
use crate::wire::tag;
use std::ffi::c_int;

/// Strings from this length on, in bytes, are kept by number.
const LONG: usize = 256;

/// Where they stand.
static STRINGS: u8 = 0;

/// Makes the table, so that [`push`] and `keep_string` find it. May raise.
///
/// Stack: 0, room for 2
/// Raises: memory
///
/// # Safety
/// Own state.
pub(super) unsafe fn make_place(l: *mut lua_State) {
    push_own_table(l, &STRINGS);
    lua_pop(l, 1);
}

/// Pushes the string of this number.
///
/// Stack: +1, room for 2
/// Raises: memory
///
/// # Safety
/// Own state.
pub(super) unsafe fn push(l: *mut lua_State, number: u32) {
    push_own_table(l, &STRINGS);
    lua_rawgeti(l, -1, lua_Integer::from(number));
    lua_remove(l, -2);
}

impl Encoder {
    /// Writes the long string at `index` by its number; `false` if it is not to be kept so.
    ///
    /// Stack: 0, room for 4
    /// Raises: memory
    ///
    /// # Safety
    /// Own state; a string of `length` bytes is at `index`.
    pub(super) unsafe fn keep_string(&mut self, l: *mut lua_State, index: c_int, length: usize) -> bool {
        let Some(count) = self.kept_strings.filter(|_| length >= LONG) else { return false };
        let index = lua_absindex(l, index);
        lua_checkstack(l, 4);
        push_own_table(l, &STRINGS);
        lua_pushvalue(l, index);
        lua_rawseti(l, -2, lua_Integer::from(count) + 1);
        lua_pop(l, 1);
        self.kept_strings = Some(count + 1);
        self.out.put_tagged(tag::KEPT_STRING, count + 1);
        true
    }
}
