//! The options of a process (P-60 to P-63).

use super::error::return_false;
use crate::runtime::failure::{Failure, shown};
use crate::vm::api::*;
use crate::vm::context::Context;
use std::ffi::c_int;

/// `process.get_options()` (P-60).
pub unsafe extern "C-unwind" fn get_options(l: *mut lua_State) -> c_int {
    let traps = Context::of(l).process.with_bonds(|bonds| bonds.trap_links);
    lua_createtable(l, 0, 1);
    lua_pushboolean(l, c_int::from(traps));
    set_raw_field(l, -2, c"trap_links");
    1
}

/// `process.set_options(options)` (P-61 to P-63): all or nothing.
pub unsafe extern "C-unwind" fn set_options(l: *mut lua_State) -> c_int {
    if lua_type(l, 1) != LUA_TTABLE {
        return return_false(l, Failure::OptionsNotATable);
    }
    let mut trap_links = None;
    lua_settop(l, 1);
    lua_pushnil(l);
    while lua_next(l, 1) != 0 {
        match to_bytes(l, 2) {
            Some(b"trap_links") if lua_type(l, 3) == LUA_TBOOLEAN => {
                trap_links = Some(lua_toboolean(l, 3) != 0)
            }
            Some(name @ b"trap_links") => {
                let failure = Failure::BadOption { name: shown(name), wanted: "boolean" };
                return return_false(l, failure);
            }
            _ => {
                let name = super::arguments::shown_value(l, 2);
                return return_false(l, Failure::UnknownOption(name));
            }
        }
        lua_pop(l, 1);
    }
    if let Some(trap) = trap_links {
        Context::of(l).process.with_bonds(|bonds| bonds.trap_links = trap);
    }
    lua_pushboolean(l, 1);
    1
}
