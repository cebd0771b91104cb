//! `coroutine.spawn` (C-30 to C-35).

use super::arguments::wrong_type;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::coroutine;
use std::ffi::c_int;

/// `coroutine.spawn(fn, ...)`: a managed coroutine. The thread that is returned is dead: it is only a handle.
pub unsafe extern "C-unwind" fn spawn(l: *mut lua_State) -> c_int {
    let context = Context::of(l);
    if lua_type(l, 1) != LUA_TFUNCTION {
        wrong_type(l, 1, 1, "spawn", "function");
    }
    let count = lua_gettop(l);
    let task = coroutine::spawn(l, context, count);
    #[cfg(feature = "luajit")]
    hide(l, context, task);
    let _ = task;
    lua_newthread(l);
    1
}

/// Keeps `coroutine.resume` away from a managed coroutine that got hold of itself (see `coroutine.lua`).
#[cfg(feature = "luajit")]
pub unsafe fn hide(l: *mut lua_State, context: &Context, task: crate::scheduling::TaskId) {
    let thread = context.coroutines.borrow().get(task).map(|coroutine| coroutine.thread);
    if let Some(thread) = thread {
        push_held(l);
        coroutine::push_thread(l, thread);
        lua_pushboolean(l, 1);
        lua_rawset(l, -3);
        lua_pop(l, 1);
    }
}

/// Pushes the table of coroutines that nobody but the library may resume; it does not keep them alive.
#[cfg(feature = "luajit")]
pub unsafe fn push_held(l: *mut lua_State) {
    static KEY: u8 = 0;
    push_own_weak_table(l, &KEY);
}

/// `hold()` of `coroutine.lua`: keeps the thread until the wait of the running coroutine is over.
#[cfg(feature = "luajit")]
pub unsafe extern "C-unwind" fn hold(l: *mut lua_State) -> c_int {
    crate::vm::wait::hold(l, Context::of(l));
    0
}
