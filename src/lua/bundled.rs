//! The modules of the library that are written in Lua: `lua/process/*.lua`. They stand on its public functions.
//!
//! LuaRocks installs them as files, which are what a program finds first. The library has them inside as well: for programs that
//! have nothing but the library, and for restricted processes, which read no files (H-31).

use crate::vm::api::*;
use std::ffi::{CStr, c_int};

/// One of them.
struct Bundled {
    name: &'static str,
    source: &'static str,
    chunk: &'static CStr,
}

macro_rules! bundled {
    ($($name:literal),*) => {
        &[$(Bundled {
            name: concat!("process.", $name),
            source: include_str!(concat!("../../lua/process/", $name, ".lua")),
            chunk: match CStr::from_bytes_with_nul(concat!("@process/", $name, ".lua\0").as_bytes()) {
                Ok(chunk) => chunk,
                Err(_) => c"@process",
            },
        }),*]
    };
}

static BUNDLED: &[Bundled] = bundled!("server");

/// Whether `require` knows a module of this name that is written in Lua.
pub fn is_known(name: &[u8]) -> bool {
    find(name).is_some()
}

fn find(name: &[u8]) -> Option<&'static Bundled> {
    BUNDLED.iter().find(|module| module.name.as_bytes() == name)
}

/// Loader of such a module, as searchers give it: its first argument is the name.
///
/// Stack: +1 or +0
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn load_bundled(l: *mut lua_State) -> c_int {
    let Some(module) = find(to_bytes(l, 1).unwrap_or_default()) else { return 0 };
    luaL_checkstack(l, 4, std::ptr::null());
    if load(l, module.source.as_bytes(), module.chunk, c"t") != LUA_OK {
        lua_error(l);
    }
    push_bytes(l, module.name.as_bytes());
    lua_call(l, 1, 1);
    1
}
