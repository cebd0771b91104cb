//! How a new state is filled: libraries, the faces of this library, the coroutine of `main`.

use super::{install, restricted};
use crate::codec::{again, decode};
use crate::executor::managed;
use crate::vm::api::*;
use crate::vm::collector::CollectorHeld;
#[cfg(feature = "lua54")]
use crate::vm::collector::collector_runs;
use crate::vm::context::Context;
use crate::vm::headroom;
use crate::vm::lua_parts::BOOT;
use crate::vm::startup::{Code, Program, Started, Startup};
#[cfg(feature = "luajit")]
use crate::vm::{compiled, interrupt};
use std::ffi::c_int;
use std::sync::Arc;

/// Fills the new state; called by Lua, may raise.
///
/// Stack: +0
/// Raises: any
///
/// # Safety
/// Called by Lua, in a new state under `lua_pcall`.
pub unsafe extern "C-unwind" fn set_up(l: *mut lua_State) -> c_int {
    let context = Context::of_state(l);
    #[cfg(feature = "luajit")]
    compiled::learn(l);
    context.budget().set_limit(context.process().limits.memory);
    context.memory().ask_by(headroom::on_memory_asks);
    context.weigh_charges();
    begin_collecting(l);
    let held = CollectorHeld::hold(l);
    let settings = &context.process().host.settings;
    if settings.restricted {
        restricted::open_libraries(l, settings.libraries);
    } else {
        luaL_openlibs(l);
    }
    install::into_spawned(l, context);
    context.process().host.note_birth(context.memory().wanted());
    #[cfg(feature = "luajit")]
    if !context.process().host.settings.jit {
        interrupt::set_compiler(l, false);
    }
    held.release(l);
    grant_first_bytes(l);
    #[cfg(feature = "luajit")]
    crate::vm::allocator::watch(l, context);
    // What `main` is called through, what that needs, and the arguments of `main`: all of it starts the coroutine.
    let base = lua_gettop(l);
    push_boot(l, context);
    // The code lives in the context while Lua may raise.
    let Some(Startup { code, .. }) = context.start().startup() else { return 0 };
    match &code.program {
        Program::Chunk(chunk) => {
            lua_pop(l, 1);
            push_chunk(l, code, chunk);
        }
        Program::Function(function) => {
            lua_remove(l, -2);
            context.start().set_function(Started::Defined(Arc::clone(function)));
            let room = decode::count(function) + 8;
            luaL_checkstack(l, room, c"too many arguments".as_ptr());
            decode::push(l, function);
            lua_settop(l, base + 2);
        }
        Program::FirstArgument => lua_remove(l, -2),
    }
    let keeps_function = matches!(code.program, Program::FirstArgument);
    let bytes = context.start().arguments();
    luaL_checkstack(l, decode::count(bytes) + 8, c"too many arguments".as_ptr());
    decode::push(l, bytes);
    let arguments = context.start().take_arguments();
    if keeps_function {
        again::keep(l, context, base + 2, arguments);
    } else {
        drop(arguments);
    }
    let task = managed::spawn(l, context, lua_gettop(l) - base);
    context.ending().set_main(task);
    context.start().end();
    0
}

/// Has garbage collected as the interpreter does it: on Lua 5.4 by generations. While the state is empty that costs nothing.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state, which is new.
unsafe fn begin_collecting(l: *mut lua_State) {
    #[cfg(feature = "lua54")]
    lua_gc(l, LUA_GCGEN, 0, 0);
    #[cfg(feature = "luajit")]
    let _ = l;
}

/// The libraries are no garbage: on Lua 5.4 the first collection, which looks at all of them, is due when as much was allocated
/// as they take.
///
/// Stack: 0
/// Raises: memory
///
/// # Safety
/// Own state, which is new.
unsafe fn grant_first_bytes(l: *mut lua_State) {
    #[cfg(feature = "lua54")]
    if collector_runs(l) == 1 {
        lua_gc(l, LUA_GCSTEP, -lua_gc(l, LUA_GCCOUNT, 0));
    }
    #[cfg(feature = "luajit")]
    let _ = l;
}

/// Pushes the two functions of `boot.lua`.
///
/// Stack: +2, room for 6
/// Raises: any
///
/// # Safety
/// Own state, which is new.
unsafe fn push_boot(l: *mut lua_State, context: &Context) {
    BOOT.push(l);
    lua_pushcclosure(l, crate::lua::error_methods::missing_method, 0);
    push_globals(l);
    raw_field(l, -1, c"require");
    lua_remove(l, -2);
    match &context.process().host.settings.init {
        Some(module) => push_bytes(l, module),
        None => lua_pushnil(l),
    }
    lua_call(l, 3, 2);
}

/// Pushes the chunk, the method, the module name and the file name.
///
/// Stack: +4
/// Raises: any
///
/// # Safety
/// Own state, which is new.
unsafe fn push_chunk(l: *mut lua_State, code: &Code, chunk: &[u8]) {
    if load(l, chunk, c"=entry", c"b") != LUA_OK {
        lua_error(l);
    }
    push_bytes(l, code.method.as_bytes());
    push_bytes(l, code.module.as_bytes());
    match &code.file {
        Some(file) => push_bytes(l, file),
        None => lua_pushnil(l),
    }
}
