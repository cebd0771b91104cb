//! What processes of restricted hosts find instead of the full standard library (H-31).
//!
//! On Lua 5.4 this is a border against code that is not trusted. Such code gets no file that it names itself, no binary chunk,
//! nothing of another process but messages, and memory within its limit. LuaJIT's own library can be crashed from Lua, so there
//! it is a convenience and no border.

use super::arguments::shown_value;
use crate::runtime::failure::shown;
use crate::runtime::libraries::{self, Libraries};
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::headroom;
use std::ffi::c_int;

/// Opens the libraries that the host grants, and no other.
///
/// Stack: 0, room for 8
/// Raises: any
///
/// # Safety
/// Own state, which is new.
pub unsafe fn open_libraries(l: *mut lua_State, granted: Libraries) {
    for name in libraries::NAMES {
        let wanted = Libraries::named(name.as_bytes()).is_some_and(|library| granted.contain(library));
        if wanted && let Some(open) = opener(name) {
            open_library(l, name, open);
        }
    }
    // LuaJIT compiles only if its library was opened, and opens `coroutine` with `base`.
    #[cfg(feature = "luajit")]
    {
        if !granted.contain(Libraries::named(b"jit").unwrap_or(Libraries::NONE)) {
            open_library(l, "jit", luaopen_jit);
            for name in ["jit", "jit.util", "jit.opt"] {
                hide(l, name);
            }
        }
        if !granted.contain(Libraries::named(b"coroutine").unwrap_or(Libraries::NONE)) {
            hide(l, "coroutine");
        }
    }
    push_globals(l);
    if !granted.contain(Libraries::named(b"package").unwrap_or(Libraries::NONE)) {
        for name in [c"dofile", c"loadfile", c"module"] {
            lua_pushnil(l);
            set_raw_field(l, -2, name);
        }
        set_function(l, c"require", require);
    }
    raw_field(l, -1, c"load");
    lua_pushcclosure(l, load_text, 1);
    if raw_field(l, -2, c"loadstring") != LUA_TNIL {
        lua_pushvalue(l, -2);
        set_raw_field(l, -4, c"loadstring");
    }
    lua_pop(l, 1);
    set_raw_field(l, -2, c"load");
    lua_pop(l, 1);
}

#[cfg(feature = "luajit")]
unsafe extern "C-unwind" {
    fn luaopen_jit(l: *mut lua_State) -> c_int;
}

fn opener(name: &str) -> Option<Function> {
    Some(match name {
        "base" => luaopen_base,
        "string" => luaopen_string,
        "table" => luaopen_table,
        "math" => luaopen_math,
        "io" => luaopen_io,
        "os" => luaopen_os,
        "debug" => luaopen_debug,
        "package" => luaopen_package,
        #[cfg(feature = "lua54")]
        "utf8" => luaopen_utf8,
        #[cfg(feature = "lua54")]
        "coroutine" => luaopen_coroutine,
        #[cfg(feature = "luajit")]
        "bit" => luaopen_bit,
        #[cfg(feature = "luajit")]
        "jit" => luaopen_jit,
        #[cfg(feature = "luajit")]
        "ffi" => luaopen_ffi,
        _ => return None,
    })
}

/// Opens one library as `luaL_openlibs` does.
///
/// Stack: 0, room for 5
/// Raises: any
///
/// # Safety
/// Own state, which is new.
unsafe fn open_library(l: *mut lua_State, name: &str, open: Function) {
    lua_pushcclosure(l, open, 0);
    #[cfg(feature = "luajit")]
    push_bytes(l, if name == "base" { b"" } else { name.as_bytes() });
    #[cfg(feature = "lua54")]
    push_bytes(l, if name == "base" { b"_G" } else { name.as_bytes() });
    lua_call(l, 1, 1);
    #[cfg(feature = "lua54")]
    {
        let name = if name == "base" { "_G" } else { name };
        luaL_getsubtable(l, LUA_REGISTRYINDEX, c"_LOADED".as_ptr());
        push_bytes(l, name.as_bytes());
        lua_pushvalue(l, -3);
        lua_rawset(l, -3);
        lua_pop(l, 1);
        push_globals(l);
        push_bytes(l, name.as_bytes());
        lua_pushvalue(l, -3);
        lua_rawset(l, -3);
        lua_pop(l, 1);
    }
    lua_pop(l, 1);
}

/// Takes a library out of the state's tables.
///
/// Stack: 0, room for 3
/// Raises: memory
///
/// # Safety
/// Own state, which is new.
#[cfg(feature = "luajit")]
unsafe fn hide(l: *mut lua_State, name: &str) {
    push_globals(l);
    push_bytes(l, name.as_bytes());
    lua_pushnil(l);
    lua_rawset(l, -3);
    lua_pop(l, 1);
    push_loaded_modules(l);
    if lua_type(l, -1) == LUA_TTABLE {
        push_bytes(l, name.as_bytes());
        lua_pushnil(l);
        lua_rawset(l, -3);
    }
    lua_pop(l, 1);
}

/// `load` and `loadstring` of restricted processes: text only. The stock `load` is captured.
///
/// Stack: +n, what `load` returns
/// Raises: any
///
/// # Safety
/// Called by Lua; the captured value is the stock function.
unsafe extern "C-unwind" fn load_text(l: *mut lua_State) -> c_int {
    let count = lua_gettop(l).max(3);
    lua_settop(l, count);
    if let Some(mode) = to_bytes(l, 3)
        && !mode.contains(&b't')
    {
        let text = format!("attempt to load a text chunk (mode is '{}')", shown(mode));
        lua_pushnil(l);
        headroom::push_owned(l, text);
        return 2;
    }
    lua_pushstring(l, c"t".as_ptr());
    lua_replace(l, 3);
    lua_pushvalue(l, lua_upvalueindex(1));
    lua_insert(l, 1);
    lua_call(l, count, LUA_MULTRET);
    lua_gettop(l)
}

/// `require` where the library `package` is not granted: this library's own modules, and the imports of the entry.
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn require(l: *mut lua_State) -> c_int {
    let name = super::arguments::string(l, 1, "require");
    // LuaJIT loads `ffi` by itself when it meets a 64-bit number: that does not grant it.
    let granted = Context::of_state(l).process().host.settings.libraries;
    let refused = Libraries::named(name).is_some_and(|library| !granted.contain(library));
    if !refused && super::imports::push_required(l, name) {
        return 1;
    }
    let name = shown(&shown_value(l, 1));
    crate::vm::raise::raise_text(l, 1, format!("module '{name}' not found: this host grants no others"))
}
