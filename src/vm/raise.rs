//! Raising what the library has to say, with the position of the code that called it.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::api::*;
use super::headroom;
use crate::platform::reserve;
use crate::runtime::error::ErrorData;
use crate::runtime::failure::Failure;
use std::ffi::c_int;

/// Raises a text that was made for it.
///
/// Stack: never returns, room for 3
/// Raises: any
///
/// # Safety
/// Own state. Nothing to drop but `text`.
pub unsafe fn raise_text(l: *mut lua_State, level: c_int, text: impl AsRef<[u8]>) -> ! {
    headroom::push_owned(l, text);
    luaL_where(l, level);
    lua_insert(l, -2);
    lua_concat(l, 2);
    lua_error(l)
}

/// Raises the text of a failure with the position of the function at `level` (E-2). Memory that is missing is raised as the
/// VM does.
///
/// Stack: never returns, room for 3
/// Raises: any
///
/// # Safety
/// Own state. Nothing to drop but `failure`.
pub unsafe fn raise_failure(l: *mut lua_State, level: c_int, failure: Failure) -> ! {
    if matches!(failure, Failure::OutOfMemory) {
        drop(failure);
        out_of_memory(l)
    }
    raise_text(l, level, ErrorData::from(failure).message)
}

/// Raises the VM's own error if there was no memory for copying (V-13).
///
/// Stack: 0
/// Raises: memory
///
/// # Safety
/// Own state. Nothing to drop.
pub unsafe fn raise_no_memory<T>(l: *mut lua_State, result: &Result<T, Failure>) {
    if matches!(result, Err(Failure::OutOfMemory)) {
        raise_failure(l, 1, Failure::OutOfMemory);
    }
}

/// The bytes, of which Rust may make some copies. Raises if there is no memory for that.
///
/// Stack: 0
/// Raises: memory
///
/// # Safety
/// Own state. Values stay.
#[inline]
pub unsafe fn copyable(l: *mut lua_State, bytes: &[u8]) -> &[u8] {
    /// How many there are at a time: in the value, in a text, in an error.
    const COPIES: usize = 4;
    if bytes.len() >= reserve::LARGE && !reserve::has_room_for(bytes.len().saturating_mul(COPIES)) {
        raise_failure(l, 1, Failure::OutOfMemory);
    }
    bytes
}

#[cfg(test)]
mod tests;
