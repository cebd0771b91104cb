//! `process.ctx` (P-81): the context values of a process.

use super::arguments::string;
use super::guarded::or_failure;
use crate::codec::decode;
use crate::runtime::failure::Failure;
use crate::vm::api::*;
use crate::vm::api::{Functions, set_functions};
use crate::vm::context::Context;
use crate::vm::error::return_failure;
use std::ffi::c_int;

/// The functions of the module.
pub const FUNCTIONS: Functions = &[(c"get", or_failure!(get)), (c"all", all)];

/// Pushes the module's table.
///
/// Stack: +1, room for 3
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn push_module(l: *mut lua_State) {
    lua_createtable(l, 0, FUNCTIONS.len() as c_int);
    set_functions(l, FUNCTIONS);
}

/// `ctx.get(key)`: a copy of the value.
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn get(l: *mut lua_State) -> c_int {
    let key = string(l, 1, "get");
    if key.is_empty() {
        return return_failure(l, Failure::EmptyContextKey);
    }
    // The values live as long as the process.
    match Context::of(l).process().values.get(key) {
        Some(bytes) => decode::push(l, bytes),
        None => return_failure(l, Failure::ContextKeyNotFound(key.to_vec())),
    }
}

/// `ctx.all()`: a new table of copies.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn all(l: *mut lua_State) -> c_int {
    let values = &Context::of(l).process().values;
    luaL_checkstack(l, 8, std::ptr::null());
    lua_createtable(l, 0, values.len() as c_int);
    for (key, bytes) in values.iter() {
        push_bytes(l, key);
        decode::push(l, bytes);
        lua_rawset(l, -3);
    }
    1
}
