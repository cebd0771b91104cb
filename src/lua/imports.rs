//! The imports of an entry: what `require` gives under the names that its definition lists (H-8), with the library `package` and
//! without (H-31).

use super::bundled;
use super::modules::{push_module, short_name};
use crate::codec::decode;
use crate::executor::code;
use crate::runtime::entry;
use crate::runtime::failure::Failure;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::headroom;
use crate::vm::startup::{Code, Program};
use std::ffi::c_int;
use std::ptr;

/// Where the imports are found if the library `package` is not granted.
static IMPORTS: u8 = 0;

/// Pushes that place.
///
/// Stack: +1, room for 2
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn push_own(l: *mut lua_State) {
    push_own_table(l, &IMPORTS);
}

/// Pushes what `require` gives without the library `package`: what is loaded, an import, a module of this library under its
/// short name, or one that is written in Lua. `false`, and nothing pushed, for any other name.
///
/// Stack: +2, or 0 if it is not there
/// Raises: any
///
/// # Safety
/// Own state.
pub unsafe fn push_required(l: *mut lua_State, name: &[u8]) -> bool {
    luaL_checkstack(l, 8, ptr::null());
    push_loaded_modules(l);
    push_bytes(l, name);
    if lua_rawget(l, -2) != LUA_TNIL {
        return true;
    }
    lua_pop(l, 1);
    push_own(l);
    push_bytes(l, name);
    if lua_rawget(l, -2) == LUA_TFUNCTION {
        lua_call(l, 0, 1);
    } else {
        lua_pop(l, 1);
        if let Some(short) = short_name(name) {
            push_module(l, short);
        } else if bundled::is_known(name) {
            lua_pushcclosure(l, bundled::load_bundled, 0);
            push_bytes(l, name);
            lua_call(l, 1, 1);
        } else {
            lua_pop(l, 2);
            return false;
        }
    }
    if lua_type(l, -1) == LUA_TNIL {
        lua_pop(l, 1);
        lua_pushboolean(l, 1);
    }
    push_bytes(l, name);
    lua_pushvalue(l, -2);
    // Below are the imports, and below these the loaded modules.
    lua_rawset(l, -5);
    true
}

/// Puts loaders of the entry's imports into the table on top (H-8).
///
/// Stack: 0, room for 3
/// Raises: memory
///
/// # Safety
/// Own state; `context` is its context.
pub unsafe fn set(l: *mut lua_State, context: &Context) {
    let Some(startup) = context.start().startup() else { return };
    if startup.code.imports.is_empty() || lua_type(l, -1) != LUA_TTABLE {
        return;
    }
    for (alias, target) in &startup.code.imports {
        push_bytes(l, alias.as_bytes());
        push_bytes(l, target.as_bytes());
        lua_pushcclosure(l, load_import, 1);
        lua_rawset(l, -3);
    }
}

/// Loader of an import: runs the chunk of the entry, once.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn load_import(l: *mut lua_State) -> c_int {
    let target = to_bytes(l, lua_upvalueindex(1)).unwrap_or_default();
    luaL_checkstack(l, 8, ptr::null());
    let text_only = Context::of_state(l).process().host.settings.restricted;
    let found =
        headroom::unlimited(l, || entry::checked(target).and_then(|target| import(l, target, text_only)));
    let code = match found {
        Ok(code) => code,
        Err(failure) => crate::vm::raise::raise_failure(l, 1, failure),
    };
    // The code lives in the context while Lua may raise.
    let context = Context::of_state(l);
    context.start().import(code);
    lua_pushcclosure(l, run_import, 0);
    let status = lua_pcall(l, 0, 1, 0);
    context.start().imported();
    if status != LUA_OK {
        lua_error(l);
    }
    1
}

/// Finds the code of an import.
///
/// Stack: 0, room for 4
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn import(l: *mut lua_State, target: &str, text_only: bool) -> Result<Code, Failure> {
    let code = code::find(l, target, text_only)?;
    if Context::of_state(l).process().host.settings.libraries.contain(code.needs()) {
        Ok(code)
    } else {
        Err(Failure::CannotSend { what: "function", place: format!("import {target}") })
    }
}

/// Runs the chunk that is being imported.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn run_import(l: *mut lua_State) -> c_int {
    let Some(code) = Context::of_state(l).start().importing() else { return 0 };
    match &code.program {
        Program::Chunk(chunk) => {
            if load(l, chunk, c"=entry", c"b") != LUA_OK {
                lua_error(l);
            }
        }
        Program::Function(function) => return decode::push(l, function),
        Program::FirstArgument => return 0,
    }
    push_bytes(l, code.module.as_bytes());
    let mut arguments = 1;
    if let Some(file) = &code.file {
        push_bytes(l, file);
        arguments = 2;
    }
    lua_call(l, arguments, 1);
    1
}
