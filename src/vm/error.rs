//! Error objects, as far as a Lua state and its borders need them: making, returning, and their text.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::api::*;
use super::class::{Class, Crossing};
#[cfg(feature = "lua54")]
use super::context::Context;
use super::object::{self, Object};
use super::raise::raise_failure;
use super::{faces, headroom};
use crate::platform::reserve;
use crate::runtime::error::ErrorData;
use crate::runtime::failure::Failure;
use std::ffi::c_int;
use std::ptr;
use std::sync::Arc;

/// An error object of Lua.
pub struct ErrorObject(pub Arc<ErrorData>);

/// Its class.
pub static ERROR: Class =
    Class { name: "error", type_name: c"process.error", fill, crossing: Crossing::Never };

/// Its methods are those of the layers above.
///
/// Stack: 0, room for 4
/// Raises: memory
///
/// # Safety
/// Own state; the metatable is on top.
unsafe fn fill(l: *mut lua_State) {
    (faces::get().fill_error)(l);
}

impl Object for ErrorObject {
    const CLASS: &'static Class = &ERROR;

    fn weight(&self) -> usize {
        self.0.size()
    }
}

/// Pushes an error object.
///
/// Stack: +1, room for 6
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn push(l: *mut lua_State, error: Arc<ErrorData>) {
    let error = headroom::make_or_raise(l, size_of::<ErrorObject>(), error);
    let place = object::reserve::<ErrorObject>(l);
    ptr::write(place, ErrorObject(error));
    object::confirm::<ErrorObject>(l);
}

/// What the object holds, to be changed. Raises if there is no memory for a copy.
///
/// Stack: 0
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn copied(l: *mut lua_State, error: &ErrorObject) -> ErrorData {
    if !reserve::has_room_for(2 * error.0.size()) {
        raise_failure(l, 1, Failure::OutOfMemory);
    }
    (*error.0).clone()
}

/// Returns `nil` and the failure as an error object.
///
/// Stack: +2, room for 7
/// Raises: memory
///
/// # Safety
/// Own state; the result is returned to Lua.
pub unsafe fn return_failure(l: *mut lua_State, failure: Failure) -> c_int {
    lua_pushnil(l);
    push_returned(l, failure);
    2
}

/// Returns `false` and the failure as an error object.
///
/// Stack: +2, room for 7
/// Raises: memory
///
/// # Safety
/// Own state; the result is returned to Lua.
pub unsafe fn return_false(l: *mut lua_State, failure: Failure) -> c_int {
    lua_pushboolean(l, 0);
    push_returned(l, failure);
    2
}

/// Pushes a failure that a call returns. In a main process on Lua 5.4 it knows where the call stands (W-8).
///
/// Stack: +1, room for 6
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn push_returned(l: *mut lua_State, failure: Failure) {
    #[cfg(feature = "lua54")]
    let error = {
        let mut error = ErrorData::from(failure);
        if Context::of_state(l).process().is_main() {
            error.returned_at = position(l);
        }
        error
    };
    #[cfg(feature = "luajit")]
    let error = ErrorData::from(failure);
    push(l, Arc::new(error));
}

/// Where the function stands that has called the running one; empty if that is not known.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state.
#[cfg(feature = "lua54")]
unsafe fn position(l: *mut lua_State) -> Vec<u8> {
    let mut frame: lua_Debug = std::mem::zeroed();
    if lua_getstack(l, 1, &mut frame) == 0 || lua_getinfo(l, c"Sl".as_ptr(), &mut frame) == 0 {
        return Vec::new();
    }
    match frame.currentline {
        line if line > 0 => {
            let source = std::ffi::CStr::from_ptr(frame.short_src.as_ptr()).to_string_lossy();
            format!("{source}:{line}").into_bytes()
        }
        _ => Vec::new(),
    }
}

/// Returns `true`, or `nil` and the failure.
///
/// Stack: +1 or +2, room for 7
/// Raises: memory
///
/// # Safety
/// Own state; the result is returned to Lua.
pub unsafe fn return_done(l: *mut lua_State, result: Result<(), Failure>) -> c_int {
    match result {
        Ok(()) => {
            lua_pushboolean(l, 1);
            1
        }
        Err(failure) => return_failure(l, failure),
    }
}

/// Pushes the text of the error object at `index`; `false`, and nothing, if there is none.
///
/// Stack: 0 or +1
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn text_at(l: *mut lua_State, index: c_int) -> bool {
    if let Some(error) = object::get::<ErrorObject>(l, index) {
        headroom::push_owned(l, error.0.text());
        return true;
    }
    false
}

/// A function of `string` as a method of errors: the function is captured.
///
/// Stack: +n, what the function returns
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn string_method(l: *mut lua_State) -> c_int {
    if text_at(l, 1) {
        lua_replace(l, 1);
    }
    let count = lua_gettop(l);
    lua_pushvalue(l, lua_upvalueindex(1));
    lua_insert(l, 1);
    lua_call(l, count, LUA_MULTRET);
    lua_gettop(l)
}
