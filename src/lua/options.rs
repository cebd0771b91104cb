//! The options of a process (P-60 to P-64).

use crate::runtime::failure::{Failure, shown};
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::error::return_false;
use std::ffi::c_int;

/// `process.get_options()` (P-60).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn get_options(l: *mut lua_State) -> c_int {
    let context = Context::of(l);
    let (traps, upgradable) =
        context.process().with_relations(|relations| (relations.trap_links, relations.is_upgradable()));
    lua_settop(l, 0);
    lua_createtable(l, 0, 5);
    lua_pushboolean(l, c_int::from(traps));
    set_raw_field(l, -2, c"trap_links");
    lua_pushboolean(l, c_int::from(context.is_wrapped()));
    set_raw_field(l, -2, c"wrapped");
    lua_pushboolean(l, c_int::from(upgradable));
    set_raw_field(l, -2, c"upgradable");
    lua_pushboolean(l, c_int::from(context.is_strict()));
    set_raw_field(l, -2, c"strict_values");
    push_bytes(l, if context.guest().never_blocks() { b"error" } else { b"wait" });
    set_raw_field(l, -2, c"blocking");
    1
}

/// All options.
const OPTIONS: &[&str] = &["trap_links", "wrapped", "blocking", "strict_values", "upgradable"];

/// What `blocking` may be.
const WAYS: &str = "string, \"wait\" or \"error\"";

/// `process.set_options(options)` (P-61 to P-64): all or nothing.
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn set_options(l: *mut lua_State) -> c_int {
    if lua_type(l, 1) != LUA_TTABLE {
        return return_false(l, Failure::OptionsNotATable);
    }
    let (mut trap_links, mut wrapped, mut strict, mut never_blocks) = (None, None, None, None);
    let mut upgradable = None;
    lua_settop(l, 1);
    lua_pushnil(l);
    while lua_next(l, 1) != 0 {
        let option = match to_bytes(l, 2) {
            Some(b"trap_links") => &mut trap_links,
            Some(b"wrapped") => &mut wrapped,
            Some(b"strict_values") => &mut strict,
            Some(b"upgradable") => &mut upgradable,
            Some(b"blocking") => {
                never_blocks = match to_bytes(l, 3) {
                    Some(b"error") => Some(true),
                    Some(b"wait") => Some(false),
                    _ => {
                        return return_false(l, Failure::BadOption { name: "blocking".into(), wanted: WAYS });
                    }
                };
                lua_pop(l, 1);
                continue;
            }
            _ => {
                let name = super::arguments::shown_value(l, 2);
                return return_false(l, Failure::UnknownOption { name, known: OPTIONS });
            }
        };
        if lua_type(l, 3) != LUA_TBOOLEAN {
            let name = shown(to_bytes(l, 2).unwrap_or_default());
            return return_false(l, Failure::BadOption { name, wanted: "boolean" });
        }
        *option = Some(lua_toboolean(l, 3) != 0);
        lua_pop(l, 1);
    }
    let context = Context::of(l);
    if let Some(trap) = trap_links {
        context.process().with_relations(|relations| relations.trap_links = trap);
    }
    if let Some(upgradable) = upgradable {
        context.process().with_relations(|relations| {
            relations.versions.get_or_insert_default().upgradable = upgradable;
        });
    }
    if let Some(strict) = strict {
        context.set_strict(strict);
    }
    if let Some(never) = never_blocks {
        context.guest().set_never_blocks(never);
    }
    if let Some(wrapped) = wrapped {
        context.set_wrapped(wrapped);
    }
    lua_pushboolean(l, 1);
    1
}
