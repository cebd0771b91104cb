//! What a class of the library's userdata is, apart from the Rust value in it.

use super::api::*;
use crate::wire::Reader;
use std::ffi::{CStr, c_int};

/// A kind of userdata.
pub struct Class {
    /// What the user sees: the name in error texts of the codec.
    pub name: &'static str,
    /// `__name` of the metatable.
    pub type_name: &'static CStr,
    /// Fills the metatable, which is on top of the stack; runs once for each Lua state, at first use.
    pub fill: unsafe fn(*mut lua_State),
    /// How its objects cross to other processes.
    pub crossing: Crossing,
}

/// How the objects of a class cross to other processes (V-11, V-12).
pub enum Crossing {
    /// They do not.
    Never,
    /// As a value of this tag.
    Value {
        /// The tag.
        tag: u8,
        /// Appends the object at the index, which is of the class, without the tag. Runs no Lua code.
        put: unsafe fn(*mut lua_State, c_int, &mut Vec<u8>),
        /// Pushes an object from what `put` wrote, `None` if that is malformed. May raise if there is no memory.
        take: unsafe fn(*mut lua_State, &mut Reader<'_>) -> Option<()>,
    },
    /// As the value they wrap: puts it in the place of the object on top, and returns its type. Needs two free slots, runs no Lua
    /// code and does not raise.
    Wrapped(unsafe fn(*mut lua_State) -> c_int),
    /// They do not, since they stand for a value that calling them gives.
    Uncalled,
}

/// The first word of the userdata at `index`, `None` if it is none.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state.
pub unsafe fn class_at(l: *mut lua_State, index: c_int) -> Option<*const Class> {
    // SAFETY: own state.
    if unsafe { lua_type(l, index) != LUA_TUSERDATA || lua_rawlen(l, index) < size_of::<*const Class>() } {
        return None;
    }
    // SAFETY: a userdata of at least one word; memory of a userdata is aligned for pointers.
    Some(unsafe { *lua_touserdata(l, index).cast::<*const Class>() })
}
