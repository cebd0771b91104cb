//! Modules that the spawner finds in `package.preload` (H-33): those of LÖVE, nginx and statically linked interpreters.
//!
//! A C function has the same address in every state of the program. So those without captured values are handed on.

use crate::runtime::host::Preload;
use crate::vm::api::*;

/// Names and openers.
pub type Openers = Vec<(Box<[u8]>, Function)>;

/// The openers that a new process on a host with this option gets.
///
/// Stack: 0, room for 6
/// Raises: memory
///
/// # Safety
/// Own state. Nothing to drop.
pub unsafe fn collect(l: *mut lua_State, wanted: &Preload) -> Openers {
    if *wanted == Preload::None {
        return Vec::new();
    }
    let top = lua_gettop(l);
    push_library(l, c"package");
    if lua_type(l, -1) == LUA_TTABLE {
        raw_field(l, -1, c"preload");
    }
    let mut openers = Vec::new();
    // Nothing raises from here on.
    if lua_type(l, -1) == LUA_TTABLE {
        lua_pushnil(l);
        while lua_next(l, -2) != 0 {
            if lua_type(l, -2) == LUA_TSTRING
                && let Some(name) = to_bytes(l, -2)
                && wanted.has(name)
                && let Some(opener) = lua_tocfunction(l, -1)
                && lua_getupvalue(l, -1, 1).is_null()
            {
                openers.push((name.into(), opener));
            }
            // The key stays; a captured value may stand behind the opener.
            lua_settop(l, top + 3);
        }
    }
    lua_settop(l, top);
    openers
}

/// Puts openers into the table on top, where there is none of the name.
///
/// Stack: 0, room for 4
/// Raises: memory
///
/// # Safety
/// Own state; `package.preload` is on top. The openers are not owned by the stack.
pub unsafe fn set(l: *mut lua_State, openers: &Openers) {
    for (name, opener) in openers {
        push_bytes(l, name);
        lua_pushvalue(l, -1);
        let taken = lua_rawget(l, -3) != LUA_TNIL;
        lua_pop(l, 1);
        if taken {
            lua_pop(l, 1);
        } else {
            lua_pushcclosure(l, *opener, 0);
            lua_rawset(l, -3);
        }
    }
}
