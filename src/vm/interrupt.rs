//! Ends code that computes, at no cost while nobody asks.
//!
//! No hook is set until a process is doomed. Then its thread gets an OS signal, again and again ([`crate::runtime::reaper`]). The
//! handler sets a count hook on the running coroutine. The VM calls the hook between two instructions, and the hook jumps to the
//! entry frame ([`super::frame`]). Neither `pcall` nor a coroutine nor a hook of the user's is in the way. Code that LuaJIT has
//! compiled looks at no hook: if the signal has interrupted such code, the handler itself jumps.
//!
//! If a C module has resumed a coroutine, nothing jumps ([`super::chain`]): the hook raises an error, and stays. On Lua 5.4 each
//! coroutine has its own hook and nothing tells which one runs, so the hook is then set on all of them. Compiled code does not
//! notice hooks: the handler jumps only if the C stack shows that the library has resumed that code's coroutine (`compiled.rs`).
//!
//! C functions that do not return, `__gc` finalizers and hook functions are out of reach (no hook is called inside these), and so
//! are compiled loops in what a C module has resumed. Such a process is given up. Compiled code that has been given up is put to
//! sleep where it is.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::api::*;
#[cfg(feature = "luajit")]
use super::compiled;
use super::context::Context;
use super::frame;
use super::inquiry;
use super::preempt;
use crate::platform::os_signal::{self, Interrupted};
use crate::runtime::pool;
use std::cell::Cell;
#[cfg(feature = "luajit")]
use std::ffi::c_int;
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
    os_signal::install(on_signal);
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
///
/// # Safety
/// Called by [`os_signal`]'s handler. Interrupts.
unsafe fn on_signal(interrupted: Interrupted) -> bool {
    let context = CONTEXT.with(Cell::get);
    // SAFETY: `release` is called before the context goes away, on this very thread.
    let Some(context) = context.as_ref() else {
        return false;
    };
    let doomed = context.process().is_doomed();
    if context.leaving().is_open() {
        if doomed {
            stop(context, interrupted);
        } else {
            if pool::is_asked_to_give_way() {
                preempt::ask(context);
            }
            if context.process().is_asked() {
                inquiry::ask(context);
            }
        }
    }
    doomed
}

/// Lua 5.4: the hook belongs to the coroutine that runs; if the one that it was set on has not noticed, to any.
///
/// # Safety
/// In the signal handler, on the thread that runs the state of `context`.
#[cfg(feature = "lua54")]
unsafe fn stop(context: &Context, _: Interrupted) {
    let running = context.chain().running();
    if has_hook(running) {
        context.census().each(|co| lua_sethook(co, Some(on_count), LUA_MASKCOUNT, 1));
    }
    lua_sethook(running, Some(on_count), LUA_MASKCOUNT, 1);
}

/// LuaJIT: the hook belongs to the whole state. Taking it away first repairs a dispatch table that was being changed.
///
/// # Safety
/// In the signal handler, on the thread that runs the state of `context`.
#[cfg(feature = "luajit")]
unsafe fn stop(context: &Context, interrupted: Interrupted) {
    let l = context.chain().main();
    lua_sethook(l, None, 0, 0);
    lua_sethook(l, Some(on_count), LUA_MASKCOUNT, 1);
    match compiled::look(context, interrupted) {
        compiled::Code::Own => {
            context.leaving().leave_compiled();
            frame::leave(context.leaving().frame());
        }
        compiled::Code::OfOthers if context.process().is_abandoned() => os_signal::sleep_for_ever(),
        _ => {}
    }
}

/// Whether the hook is set in this coroutine.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state, or in the signal handler of its thread.
#[cfg(feature = "lua54")]
unsafe fn has_hook(l: *mut lua_State) -> bool {
    lua_gethook(l).is_some_and(|hook| hook as usize == on_count as *const () as usize)
}

/// The hook.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Called by Lua, as a hook.
unsafe extern "C-unwind" fn on_count(l: *mut lua_State, _: *mut lua_Debug) {
    let Some(context) = Context::find(l) else { return };
    if context.leaving().is_open() && !context.leaving().stays() && context.is_over() {
        // SAFETY: the thread is inside a step.
        leave(l, context);
    }
}

/// Leaves everything that the process does, by a jump or, where that is not possible, by an error in `l`, again and again until
/// it is.
///
/// Stack: never returns, room for 1
/// Raises: any, or leaves by a jump
///
/// # Safety
/// `l` runs, inside a step of a spawned process that is over.
pub unsafe fn leave(l: *mut lua_State, context: &Context) -> ! {
    if context.chain().may_be_left(l) {
        context.leaving().close();
        // SAFETY: a step runs on top of the entry frame.
        frame::leave(context.leaving().frame());
    }
    insist(l, context);
    let text = if context.start().is_upgrading() { c"process upgraded" } else { c"process terminated" };
    lua_pushstring(l, text.as_ptr());
    lua_error(l)
}

/// An error is raised in `l`, which cannot be left: the hook goes on raising it, and is set on what comes next.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state; `context` is its context.
unsafe fn insist(l: *mut lua_State, context: &Context) {
    let set = |l| lua_sethook(l, Some(on_count), LUA_MASKCOUNT, 1);
    set(l);
    #[cfg(feature = "lua54")]
    set(context.chain().running());
    #[cfg(feature = "luajit")]
    let _ = context;
}

/// Brings a state into order after a jump, so that it can be closed. `false`: that is not possible.
///
/// # Safety
/// Own state.
#[cfg(feature = "lua54")]
pub unsafe fn repair(context: &Context) -> bool {
    context.chain().forget();
    lua_sethook(context.chain().main(), None, 0, 0);
    true
}

/// Brings a state into order after a jump, so that it can be closed. `false`: that is not possible.
///
/// After a jump out of compiled code LuaJIT still believes to be in such code, where a finalizer must not run, until a compiled
/// loop has come to its end. After a jump out of a finalizer it still believes to be in that, where nothing can be compiled
/// (and raises then); no compiled code is left from a finalizer, as far as that can be told.
///
/// # Safety
/// Own state.
#[cfg(feature = "luajit")]
pub unsafe fn repair(context: &Context) -> bool {
    /// Runs a loop that LuaJIT compiles.
    ///
    /// Stack: 0
    /// Raises: any
    ///
    /// # Safety
    /// Called by Lua.
    unsafe extern "C-unwind" fn run_compiled_loop(l: *mut lua_State) -> c_int {
        set_compiler(l, true);
        if luaL_loadstring(l, c"local x = 0 for i = 1, 400 do x = x + i end".as_ptr()) == LUA_OK {
            lua_call(l, 0, 0);
        }
        set_compiler(l, false);
        0
    }
    let l = context.chain().main();
    context.chain().forget();
    lua_sethook(l, None, 0, 0);
    lua_settop(l, 0);
    lua_gc(l, LUA_GCSTOP, 0);
    let repaired = !context.leaving().take_left_compiled() || protected(l, run_compiled_loop) == LUA_OK;
    lua_settop(l, 0);
    repaired
}

/// Turns LuaJIT's compiler on or off for the whole state.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state.
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
