//! Where a state finds the module tables: `package.loaded`, `package.preload`, globals (H-40 to H-46, H-50).

use super::modules::{MODULES, SHORT_NAMES, push_module, push_process, short_name};
use super::{bundled, coroutine, imports, preload, stock};
use crate::executor::code;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::standard;
use std::ffi::{CStr, c_int, c_void};
use std::ptr;

/// Where a state says which copy of the library it belongs to.
const COPY: &CStr = c"process.copy";

/// Any address that lies in this copy of the library and in no other.
fn own_copy() -> *mut c_void {
    static MARK: u8 = 0;
    ptr::from_ref(&MARK).cast_mut().cast()
}

/// Says that a state belongs to this copy of the library.
///
/// Stack: 0, room for 2
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn mark_copy(l: *mut lua_State) {
    lua_pushlightuserdata(l, own_copy());
    set_raw_field(l, LUA_REGISTRYINDEX, COPY);
}

/// Raises if the state belongs to another copy of the library, loaded from another path: the two know nothing of each other,
/// and a mixture of their objects would be of no use (L-70).
///
/// Stack: 0, room for 2
/// Raises: any
///
/// # Safety
/// Own state. Nothing to drop.
pub unsafe fn refuse_second_copy(l: *mut lua_State) {
    let taken = raw_field(l, LUA_REGISTRYINDEX, COPY) != LUA_TNIL && lua_touserdata(l, -1) != own_copy();
    lua_pop(l, 1);
    if taken {
        raise(l, 1, b"another copy of the process module is loaded in this state already");
    }
}

/// Sets a field of the table on top to the value below it if the field is nil, and pops both.
///
/// Stack: -2, room for 3
/// Raises: memory
///
/// # Safety
/// Own state; the value and the table are on top.
unsafe fn set_if_nil(l: *mut lua_State, name: &CStr) {
    if lua_type(l, -1) == LUA_TTABLE {
        let absent = raw_field(l, -1, name) == LUA_TNIL;
        lua_pop(l, 1);
        if absent {
            lua_pushvalue(l, -2);
            set_raw_field(l, -2, name);
        }
    }
    lua_pop(l, 2);
}

/// What `require "process"` adds to a main state (H-41, H-43).
///
/// Stack: 0, room for 8
/// Raises: memory
///
/// # Safety
/// Own state, a main state.
pub unsafe fn into_main(l: *mut lua_State) {
    push_process(l);
    push_globals(l);
    set_if_nil(l, c"process");
    for (short, _, _) in &MODULES[..SHORT_NAMES] {
        push_module(l, short);
        push_globals(l);
        set_if_nil(l, short);
        if !is_known(l, short) {
            lua_pushcclosure(l, load_short, 0);
            push_library(l, c"package");
            if lua_type(l, -1) == LUA_TTABLE {
                raw_field(l, -1, c"preload");
                lua_remove(l, -2);
            }
            set_if_nil(l, short);
        }
    }
    lua_pushcclosure(l, coroutine::spawn, 0);
    push_library(l, c"coroutine");
    set_if_nil(l, c"spawn");
}

/// True if a module of this name is loaded, preloaded, or found on the paths.
///
/// Stack: 0, room for 4
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn is_known(l: *mut lua_State, name: &CStr) -> bool {
    let top = lua_gettop(l);
    push_library(l, name);
    let mut known = lua_type(l, -1) != LUA_TNIL;
    push_library(l, c"package");
    if lua_type(l, -1) == LUA_TTABLE && raw_field(l, -1, c"preload") == LUA_TTABLE {
        known = known || raw_field(l, -1, name) != LUA_TNIL;
    }
    lua_settop(l, top);
    let found = |field| {
        let path = code::package_field(l, field).unwrap_or_default();
        code::search(&name.to_string_lossy(), &path).is_ok()
    };
    known || found(c"path") || found(c"cpath")
}

/// Loader of a short name.
///
/// Stack: +1 or +0
/// Raises: memory
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn load_short(l: *mut lua_State) -> c_int {
    match short_name(to_bytes(l, 1).unwrap_or_default()) {
        Some(short) => {
            push_module(l, short);
            1
        }
        None => 0,
    }
}

/// The last searcher of a spawned process: a short name that nobody else knows is the library's own, and so is a module of it
/// that is written in Lua and was not found as a file.
///
/// Stack: +1
/// Raises: memory
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn search_short(l: *mut lua_State) -> c_int {
    let name = to_bytes(l, 1).unwrap_or_default();
    if short_name(name).is_some() {
        lua_pushcclosure(l, load_short, 0);
    } else if bundled::is_known(name) {
        lua_pushcclosure(l, bundled::load_bundled, 0);
    } else {
        push_bytes(l, b"");
    }
    1
}

/// What every spawned process finds (H-40, H-50 to H-53).
///
/// Stack: 0, room for 12
/// Raises: any
///
/// # Safety
/// Own state, which is new; `context` is its context.
pub unsafe fn into_spawned(l: *mut lua_State, context: &Context) {
    mark_copy(l);
    push_loaded_modules(l);
    push_process(l);
    for name in [c"process", c"process.core"] {
        lua_pushvalue(l, -1);
        set_raw_field(l, -3, name);
    }
    push_globals(l);
    lua_pushvalue(l, -2);
    set_raw_field(l, -2, c"process");
    for (position, (short, long, _)) in MODULES.iter().enumerate() {
        raw_field(l, -2, short);
        if position < SHORT_NAMES {
            lua_pushvalue(l, -1);
            set_raw_field(l, -3, short);
        }
        set_raw_field(l, -4, long);
    }
    lua_pop(l, 3);
    #[cfg(feature = "luajit")]
    crate::executor::xpcall::keep_xpcall(l);
    stock::replace(l);
    push_library(l, c"package");
    if lua_type(l, -1) == LUA_TTABLE {
        let searchers = if cfg!(feature = "lua54") { c"searchers" } else { c"loaders" };
        if raw_field(l, -1, searchers) == LUA_TTABLE {
            lua_pushcclosure(l, search_short, 0);
            lua_rawseti(l, -2, lua_rawlen(l, -2) as lua_Integer + 1);
        }
        lua_pop(l, 1);
    }
    lua_pop(l, 1);
    standard::anchor(l, context);
}

/// What a spawned process has of its own: how it finds modules, and random numbers.
///
/// Stack: 0, room for 8
/// Raises: any
///
/// # Safety
/// Own state, which is filled ([`into_spawned`]), maybe for another context; `context` is its context.
pub unsafe fn own_of_spawned(l: *mut lua_State, context: &Context) {
    standard::learn_kind(l, context);
    stock::seed_random(l);
    push_library(l, c"package");
    if lua_type(l, -1) == LUA_TTABLE {
        set_paths(l, context);
        if raw_field(l, -1, c"preload") == LUA_TTABLE
            && let Some(startup) = context.start().startup()
        {
            preload::set(l, &startup.preload);
        }
        lua_remove(l, -2);
    } else {
        lua_pop(l, 1);
        imports::push_own(l);
    }
    imports::set(l, context);
    lua_pop(l, 1);
}

/// Gives `package`, which is on top, the paths of the spawner (H-5).
///
/// Stack: 0, room for 2
/// Raises: memory
///
/// # Safety
/// Own state, which is new; `context` is its context.
unsafe fn set_paths(l: *mut lua_State, context: &Context) {
    let Some(startup) = context.start().startup() else { return };
    for (name, path) in [(c"path", &startup.path), (c"cpath", &startup.cpath)] {
        if let Some(path) = path {
            push_bytes(l, path);
            set_raw_field(l, -2, name);
        }
    }
}
