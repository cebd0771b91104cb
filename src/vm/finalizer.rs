//! The finalizer of the library's userdata: one C function for all classes, so that the allocator can tell when the VM calls it.
//!
//! **Invariant:** a call of this finalizer is never refused memory by the limit of a process ([`super::state`]). The VM calls a
//! finalizer once; if the call failed, the value would never be dropped.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::api::*;
use super::class::{Class, class_at};
use std::ffi::{c_int, c_void};
use std::ptr;

/// Drops the value of the userdata at 1.
pub type Drop = unsafe fn(*mut lua_State);

/// Pushes the finalizer for a class.
///
/// Stack: +1, room for 3
/// Raises: memory
///
/// # Safety
/// Own state; `drop_value` drops values of this class.
pub unsafe fn push(l: *mut lua_State, class: &'static Class, drop_value: Drop) {
    lua_pushlightuserdata(l, ptr::from_ref(class).cast_mut().cast());
    lua_pushlightuserdata(l, drop_value as *const () as *mut c_void);
    lua_pushcclosure(l, collect, 2);
}

/// The finalizer. The captured values are the class and what drops its values.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn collect(l: *mut lua_State) -> c_int {
    if class_at(l, 1) == Some(lua_touserdata(l, lua_upvalueindex(1)).cast_const().cast()) {
        // SAFETY: `push` has put it there.
        let drop_value = std::mem::transmute::<*mut c_void, Drop>(lua_touserdata(l, lua_upvalueindex(2)));
        drop_value(l);
    }
    0
}

/// Whether the VM is about to call the finalizer for the userdata on top. For the allocator.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state; the VM may be in the middle of an allocation.
pub unsafe fn is_about_to_run(l: *mut lua_State) -> bool {
    let own: Function = collect;
    lua_gettop(l) >= 2
        && lua_type(l, -1) == LUA_TUSERDATA
        && lua_tocfunction(l, -2).is_some_and(|function| function as usize == own as usize)
}
