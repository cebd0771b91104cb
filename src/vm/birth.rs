//! How a new state is filled: libraries, the faces of this library, the coroutine of `main`.

use super::api::*;
use super::boot::BOOT;
use super::chunk::Code;
use super::context::Context;
use super::coroutine;
#[cfg(feature = "luajit")]
use super::interrupt;
use crate::codec::decode;
use crate::lua::install;
use std::ffi::c_int;

/// Everything a new process begins with.
pub struct Startup {
    /// Its code.
    pub code: Code,
    /// `package.path` and `package.cpath`, as the spawner has them.
    pub path: Option<Vec<u8>>,
    /// See `path`.
    pub cpath: Option<Vec<u8>>,
    /// Encoded arguments of `main`.
    pub arguments: Vec<u8>,
}

/// Fills the new state; called by Lua, may raise.
pub unsafe extern "C-unwind" fn set_up(l: *mut lua_State) -> c_int {
    let context = Context::of_state(l);
    context.memory.set_limit(context.process.host.settings.memory_limit);
    let held = CollectorHeld::hold(l);
    luaL_openlibs(l);
    install::into_spawned(l, context);
    #[cfg(feature = "luajit")]
    if !context.process.host.settings.jit {
        interrupt::set_compiler(l, false);
    }
    held.release(l);
    // The function that runs the entry, the chunk, its method, its names, and the arguments of `main`.
    BOOT.push(l);
    lua_pushcclosure(l, crate::lua::error::missing_method, 0);
    lua_call(l, 1, 1);
    let startup = context.startup.borrow_mut().take();
    let Some(startup) = startup else { return 0 };
    // The code lives in the context while Lua may raise.
    *context.startup.borrow_mut() = Some(startup);
    push_entry(l, context);
    let arguments =
        context.startup.borrow_mut().as_mut().map(|startup| std::mem::take(&mut startup.arguments));
    *context.arguments.borrow_mut() = arguments.unwrap_or_default();
    let bytes: &[u8] = &*context.arguments.as_ptr();
    luaL_checkstack(l, decode::count(bytes) + 8, c"too many arguments".as_ptr());
    let count = decode::push(l, bytes);
    *context.arguments.borrow_mut() = Vec::new();
    let task = coroutine::spawn(l, context, count + 5);
    context.main_task.set(Some(task));
    0
}

/// Pushes the chunk, the method, the module name and the file name.
unsafe fn push_entry(l: *mut lua_State, context: &Context) {
    let startup: &Option<Startup> = &*context.startup.as_ptr();
    let Some(Startup { code, .. }) = startup else { return };
    if load(l, &code.chunk, c"=entry", c"b") != LUA_OK {
        lua_error(l);
    }
    push_bytes(l, code.method.as_bytes());
    push_bytes(l, code.module.as_bytes());
    match &code.file {
        Some(file) => push_bytes(l, file),
        None => lua_pushnil(l),
    }
}
