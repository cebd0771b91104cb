//! How a new state is filled, with the libraries and the faces of this library, and how its process begins: its paths, its
//! imports, the coroutine of `main`. Whatever is alike for all processes of a host belongs to the first part, which is done once if
//! states are copied ([`crate::vm::newborn`]).

use super::{install, restricted};
use crate::codec::{again, decode, modules};
use crate::executor::managed;
use crate::vm::api::*;
use crate::vm::collector::{CollectorHeld, grant_first_bytes};
use crate::vm::context::Context;
use crate::vm::headroom;
use crate::vm::lua_parts::BOOT;
use crate::vm::startup::{Code, Program, Started, Startup};
#[cfg(feature = "luajit")]
use crate::vm::{compiled, interrupt};
use std::ffi::c_int;
use std::ptr;
use std::sync::Arc;

/// Where the functions of `boot.lua` are until the process begins: that for chunks, that for functions, that for functions with
/// modules.
static BOOT_FUNCTIONS: [u8; 3] = [0; 3];

/// Fills the new state with what all processes of its host have in common; called by Lua, may raise.
///
/// Stack: +0
/// Raises: any
///
/// # Safety
/// Called by Lua, in a new state under `lua_pcall`.
pub unsafe extern "C-unwind" fn fill(l: *mut lua_State) -> c_int {
    let context = Context::of_state(l);
    #[cfg(feature = "luajit")]
    compiled::learn(l);
    begin_collecting(l);
    let held = CollectorHeld::hold(l);
    let settings = &context.process().host.settings;
    if settings.restricted {
        restricted::open_libraries(l, settings.libraries);
    } else {
        luaL_openlibs(l);
    }
    // Nothing is compiled yet: the state may become an image.
    #[cfg(feature = "luajit")]
    interrupt::set_compiler(l, false);
    install::into_spawned(l, context);
    keep_boot(l, context);
    #[cfg(feature = "luajit")]
    interrupt::set_compiler(l, settings.jit);
    held.release(l);
    grant_first_bytes(l);
    0
}

/// Gives the filled state what its process begins with, and makes the coroutine of `main`; called by Lua, may raise.
///
/// Stack: +0
/// Raises: any
///
/// # Safety
/// Called by Lua, in a filled state under `lua_pcall`.
pub unsafe extern "C-unwind" fn begin(l: *mut lua_State) -> c_int {
    let context = Context::of_state(l);
    context.budget().set_limit(context.process().limits.memory);
    context.memory().ask_by(headroom::on_memory_asks);
    context.weigh_charges();
    install::own_of_spawned(l, context);
    #[cfg(feature = "luajit")]
    crate::vm::allocator::watch(l, context);
    // What `main` is called through, what that needs, and the arguments of `main`: all of it starts the coroutine.
    let base = lua_gettop(l);
    // The code lives in the context while Lua may raise.
    let Some(Startup { code, .. }) = context.start().startup() else { return 0 };
    // The place of the boot function, which depends on what is decoded.
    lua_pushnil(l);
    let for_chunk = matches!(code.program, Program::Chunk(_));
    match &code.program {
        Program::Chunk(chunk) => push_chunk(l, code, chunk),
        Program::Function(function) => {
            context.start().set_function(Started::Defined(Arc::clone(function)));
            let room = decode::count(function) + 8;
            luaL_checkstack(l, room, c"too many arguments".as_ptr());
            decode::push(l, function);
            lua_settop(l, base + 2);
        }
        Program::FirstArgument => {}
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
    let requires = modules::take_pending(l);
    if requires {
        lua_insert(l, base + 2);
    }
    push_boot(l, if requires { 2 } else { usize::from(!for_chunk) });
    lua_replace(l, base + 1);
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

/// Keeps the functions of `boot.lua` until the process begins.
///
/// Stack: 0, room for 6
/// Raises: any
///
/// # Safety
/// Own state, which is new.
unsafe fn keep_boot(l: *mut lua_State, context: &Context) {
    BOOT.push(l);
    lua_pushcclosure(l, crate::lua::error_methods::missing_method, 0);
    push_globals(l);
    raw_field(l, -1, c"require");
    lua_remove(l, -2);
    match &context.process().host.settings.init {
        Some(module) => push_bytes(l, module),
        None => lua_pushnil(l),
    }
    lua_pushcclosure(l, modules::fill, 0);
    lua_call(l, 4, 3);
    for kept in BOOT_FUNCTIONS.iter().rev() {
        lua_rawsetp(l, LUA_REGISTRYINDEX, ptr::from_ref(kept).cast());
    }
}

/// Pushes one of the functions of `boot.lua`. None is kept any longer.
///
/// Stack: +1, room for 2
/// Raises: never
///
/// # Safety
/// Own state, which is filled.
unsafe fn push_boot(l: *mut lua_State, which: usize) {
    lua_rawgetp(l, LUA_REGISTRYINDEX, ptr::from_ref(&BOOT_FUNCTIONS[which]).cast());
    for kept in &BOOT_FUNCTIONS {
        lua_pushnil(l);
        lua_rawsetp(l, LUA_REGISTRYINDEX, ptr::from_ref(kept).cast());
    }
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
