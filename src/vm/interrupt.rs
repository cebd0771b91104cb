//! Ending code that computes, at no cost while nobody asks.
//!
//! No hook is set until a process is doomed. Then its thread gets a signal, again and again ([`crate::runtime::caretaker`]);
//! the handler sets a count hook on the coroutine that runs, and the hook, called by the VM between two instructions, jumps
//! to the entry frame ([`super::frame`]). Neither `pcall` nor a coroutine nor a hook of the user's is in the way. Code that
//! LuaJIT has compiled looks at no hook: where the signal has interrupted such code, the handler itself jumps.
//!
//! Out of reach are C functions that do not return, `__gc` finalizers and hook functions (no hook is called inside these);
//! such a process is given up.

use super::api::*;
use super::context::Context;
use super::frame;
#[cfg(feature = "luajit")]
use crate::platform::generated_code;
use crate::platform::signal;
use crate::runtime::pool;
use std::cell::Cell;
use std::ptr;

thread_local! {
    /// What this thread runs. Constant and without destructor, so that the signal handler may read it; touched when the thread
    /// starts, since the first access may allocate.
    static CONTEXT: Cell<*const Context> = const { Cell::new(ptr::null()) };
}

/// Installs the signal handler, once for the program. The calling thread may be a main one, which never adopts a context but
/// could receive the signal from somebody else.
pub fn install() {
    CONTEXT.with(Cell::get);
    signal::install(on_signal);
}

/// The calling thread runs this context from now on.
pub fn adopt(context: &Context) {
    CONTEXT.with(|own| own.set(context));
}

/// The calling thread runs no context any more.
pub fn release() {
    CONTEXT.with(|own| own.set(ptr::null()));
}

/// Runs in the signal handler: only plain stores, and system calls that are async-signal-safe.
unsafe fn on_signal(interrupted: usize) -> bool {
    let context = CONTEXT.with(Cell::get);
    // SAFETY: `release` is called before the context goes away, on this very thread.
    let Some(context) = context.as_ref() else {
        return false;
    };
    let doomed = context.process.is_doomed();
    if context.interruptible.get() {
        if doomed {
            stop(context, interrupted);
        } else if pool::is_asked_to_give_way() {
            context.pause.ask(context);
        }
    }
    doomed
}

/// Lua 5.4: the hook belongs to the coroutine that runs.
#[cfg(feature = "lua54")]
unsafe fn stop(context: &Context, _: usize) {
    lua_sethook(context.running.get(), Some(leave), LUA_MASKCOUNT, 1);
}

/// LuaJIT: the hook belongs to the whole state. Taking it away first repairs a dispatch table that was being changed.
#[cfg(feature = "luajit")]
unsafe fn stop(context: &Context, interrupted: usize) {
    let l = context.main_thread.get();
    lua_sethook(l, None, 0, 0);
    lua_sethook(l, Some(leave), LUA_MASKCOUNT, 1);
    if generated_code::contains(interrupted) {
        context.interruptible.set(false);
        frame::leave(&context.frame);
    }
}

/// The hook.
unsafe extern "C-unwind" fn leave(l: *mut lua_State, _: *mut lua_Debug) {
    let Some(context) = Context::find(l) else { return };
    if context.process.is_doomed() && context.interruptible.get() {
        context.interruptible.set(false);
        // SAFETY: the thread is inside a step, which runs on top of the entry frame.
        frame::leave(&context.frame);
    }
}

/// Brings a state into order after a jump, so that it can be closed.
#[cfg(feature = "lua54")]
pub unsafe fn repair(l: *mut lua_State) {
    lua_sethook(l, None, 0, 0);
}

/// Brings a state into order after a jump, so that it can be closed: LuaJIT still believes to be in compiled code, where a
/// finalizer must not run, until a compiled loop has come to its end.
#[cfg(feature = "luajit")]
pub unsafe fn repair(l: *mut lua_State) {
    lua_sethook(l, None, 0, 0);
    lua_settop(l, 0);
    lua_gc(l, LUA_GCSTOP, 0);
    set_compiler(l, true);
    if luaL_loadstring(l, c"local x = 0 for i = 1, 400 do x = x + i end".as_ptr()) == LUA_OK {
        lua_pcall(l, 0, 0, 0);
    }
    set_compiler(l, false);
    lua_settop(l, 0);
}

/// Turns LuaJIT's compiler on or off for the whole state.
#[cfg(feature = "luajit")]
pub unsafe fn set_compiler(l: *mut lua_State, on: bool) {
    unsafe extern "C-unwind" {
        fn luaJIT_setmode(
            l: *mut lua_State,
            index: std::ffi::c_int,
            mode: std::ffi::c_int,
        ) -> std::ffi::c_int;
    }
    const ENGINE: std::ffi::c_int = 0;
    const ON: std::ffi::c_int = 0x100;
    luaJIT_setmode(l, 0, if on { ENGINE | ON } else { ENGINE });
}
