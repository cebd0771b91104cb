//! The modules of the library that are written in Lua: `lua/process/*.lua`. They stand on its public functions.
//!
//! LuaRocks installs them as files, which are what a program finds first. The library has them inside as well: for programs that
//! have nothing but the library, and for restricted processes, which read no files (H-31).

use super::supervision;
use crate::vm::api::*;
use std::ffi::{CStr, c_int};

/// One of them.
struct Bundled {
    name: &'static str,
    source: &'static str,
    chunk: &'static CStr,
}

macro_rules! bundled {
    ($($name:literal: $path:literal),* $(,)?) => {
        &[$(Bundled {
            name: concat!("process.", $name),
            source: include_str!(concat!("../../lua/process/", $path, ".lua")),
            chunk: match CStr::from_bytes_with_nul(concat!("@process/", $path, ".lua\0").as_bytes()) {
                Ok(chunk) => chunk,
                Err(_) => c"@process",
            },
        }),*]
    };
}

static BUNDLED: &[Bundled] = bundled! {
    "copas": "copas",
    "cqueues": "cqueues",
    "guest": "guest",
    "luv": "luv",
    "nginx": "nginx",
    "nvim": "nvim",
    "pool": "pool",
    "pool.arguments": "pool/arguments",
    "pool.failures": "pool/failures",
    "pool.guard": "pool/guard",
    "pool.owner": "pool/owner",
    "pool.worker": "pool/worker",
    "server": "server",
    "supervisor": "supervisor",
    "top": "top",
    "supervisor.children": "supervisor/children",
    "supervisor.commands": "supervisor/commands",
    "supervisor.deadlines": "supervisor/deadlines",
    "supervisor.failures": "supervisor/failures",
    "supervisor.entry": "supervisor/entry",
    "supervisor.lives": "supervisor/lives",
    "supervisor.loop": "supervisor/loop",
    "supervisor.queue": "supervisor/queue",
    "supervisor.restarts": "supervisor/restarts",
    "supervisor.spec": "supervisor/spec",
};

/// Whether `require` knows a module of this name that is written in Lua, or stands behind one.
pub fn is_known(name: &[u8]) -> bool {
    find(name).is_some() || name == supervision::NAME.as_bytes()
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
    let name = to_bytes(l, 1).unwrap_or_default();
    luaL_checkstack(l, 6, std::ptr::null());
    if name == supervision::NAME.as_bytes() {
        supervision::push_module(l);
        return 1;
    }
    let Some(module) = find(name) else { return 0 };
    if load(l, module.source.as_bytes(), module.chunk, c"t") != LUA_OK {
        lua_error(l);
    }
    push_bytes(l, module.name.as_bytes());
    lua_call(l, 1, 1);
    1
}
