//! Where a state that has an allocator of its own keeps its context: a field of its registry.

use super::api::*;
use super::context::Context;
use std::ptr;

/// The context of a main state, `None` if the library was never loaded there.
// Apart from the way that calls in spawned states take.
/// The context that the registry names, `None` if it names none.
///
/// Stack: +0, room for 1
/// Raises: never
///
/// # Safety
/// Own state.
#[inline(never)]
pub unsafe fn context_of<'a>(l: *mut lua_State) -> Option<&'a Context> {
    // SAFETY: own state.
    let found = unsafe {
        lua_rawgetp(l, LUA_REGISTRYINDEX, context_key());
        let found = lua_touserdata(l, -1).cast::<Context>();
        lua_pop(l, 1);
        found
    };
    // SAFETY: only this page sets the field, to a context that stays as long as it stands there.
    unsafe { found.as_ref() }
}

/// Sets the field that [`context_of`] reads. Needs no memory if it is there already.
///
/// Stack: 0, room for 2
/// Raises: memory, the first time
///
/// # Safety
/// Own state.
pub unsafe fn set_context(l: *mut lua_State, context: *const Context) {
    // SAFETY: own state.
    unsafe {
        lua_pushlightuserdata(l, context.cast_mut().cast());
        lua_rawsetp(l, LUA_REGISTRYINDEX, context_key());
    }
}

fn context_key() -> *const std::ffi::c_void {
    static KEY: u8 = 0;
    ptr::from_ref(&KEY).cast()
}
