//! The managed coroutines of a process: making them, resuming them, and what they have yielded for.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::outcome;
#[cfg(feature = "luajit")]
use super::xpcall;
use crate::scheduling::TaskId;
use crate::vm::api::*;
use crate::vm::context::{Context, Coroutine};
use std::ffi::c_int;

/// How deep coroutines may resume each other (B-98).
pub const NESTED_COROUTINES: u32 = 190;

#[cfg(feature = "luajit")]
/// The deepest recursion through C functions that one coroutine can reach needs less than this (measured: callbacks of
/// `string.gsub`, 5,982 levels in 48 to 49 MiB).
pub const FOR_ONE_COROUTINE: usize = 52 << 20;

/// True if the coroutine yielded because it waits in a call of the library: the mark is on top of it until it is resumed.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// `co` is a coroutine of the own state.
pub unsafe fn is_waiting(co: *mut lua_State) -> bool {
    lua_status(co) == LUA_YIELD && holds_mark(co, lua_gettop(co))
}

/// As [`is_waiting`], for a coroutine that has just yielded `count` values to the library's `resume` or `wrap`.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// `co` is a coroutine of the own state, and has just yielded `count` values.
#[inline]
pub unsafe fn passes_wait(context: &Context, co: *mut lua_State, count: c_int) -> bool {
    context.waits().may_pass() && holds_mark(co, count)
}

/// Whether the last of the `count` values on the coroutine is the waiting mark.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// `co` is a coroutine of the own state.
pub unsafe fn holds_mark(co: *mut lua_State, count: c_int) -> bool {
    count > 0 && lua_touserdata(co, -1) == waiting_mark()
}

/// Whether a wait in `l` can yield and reach the scheduler.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state; `l` runs, and `context` is its context.
pub unsafe fn may_yield_to_library(l: *mut lua_State, context: &Context) -> bool {
    if !can_yield(l) {
        return false;
    }
    if context.process().is_main() {
        // Nothing is replaced in the main process: only a managed coroutine itself is resumed by us.
        let current = context.scheduler_ref().current();
        return current
            .and_then(|task| context.coroutine(task))
            .is_some_and(|coroutine| coroutine.thread == l);
    }
    // What a C module has resumed would yield to that. LuaJIT lets coroutines yield inside finalizers.
    context.chain().running() == l && (cfg!(feature = "lua54") || !context.runs_finalizer(l))
}

/// Makes a managed coroutine of the function and the arguments that are the top `count` values, and pops these.
///
/// Stack: -count - 1, room for 4
/// Raises: memory
///
/// # Safety
/// Own state; the function and the arguments are on top.
pub unsafe fn spawn(l: *mut lua_State, context: &Context, count: c_int) -> TaskId {
    let co = lua_newthread(l);
    lua_insert(l, -1 - count);
    luaL_checkstack(co, count + 6, c"too many arguments".as_ptr());
    lua_xmove(l, co, count);
    #[cfg(feature = "luajit")]
    xpcall::put_around(l, context, co);
    // On top is the thread itself: it lives as long as it stands in the table of coroutines.
    push_anchors(l);
    lua_insert(l, -2);
    lua_rawsetp(l, -2, co.cast());
    lua_pop(l, 1);
    let task = context.scheduler().start_task();
    context.add_coroutine(task, co);
    task
}

/// Pushes the table that keeps managed coroutines alive: under their addresses.
///
/// Stack: +1, room for 2
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn push_anchors(l: *mut lua_State) {
    static KEY: u8 = 0;
    push_own_table(l, &KEY);
}

/// Resumes a managed coroutine until it waits, gives way or ends. `true`: it was paused, to go on first in the next step.
///
/// Stack: 0, room for 6
/// Raises: never: what the coroutine raises ends it
///
/// # Safety
/// Own state; `from` runs. No borrow.
pub unsafe fn run(from: *mut lua_State, context: &Context, task: TaskId) -> bool {
    let Some(Coroutine { thread: co, started, .. }) = context.coroutine(task) else {
        let cases = context.scheduler().end_task(task);
        context.forget_cases(&cases);
        return false;
    };
    let waiter = context.scheduler_ref().wait_of(task);
    if let Some(waiter) = waiter
        && !context.scheduler_ref().can_complete(waiter)
    {
        context.scheduler().unmark(waiter);
        return false;
    }
    if started {
        context.process().vitals.resume();
    }
    let args = if !started {
        context.start_coroutine(task);
        lua_gettop(co) - 1
    } else if context.pause().goes_on(co) {
        0
    } else if is_waiting(co) {
        prepare_again(co, waiter.is_some())
    } else {
        // Somebody else resumed it behind our back: it is not ours any more.
        end(from, context, task);
        return false;
    };
    let link = context.chain().link(from, co);
    context.chain().enter(&link);
    context.waits().serve_anew();
    // A hook may run others while a wait passes.
    let passes = context.waits().set_passing(false);
    let (status, results) = resume(co, level_of(from), args);
    context.waits().set_passing(passes);
    context.chain().back(&link);
    // From here on the signal handler must not set a hook on `co`, which may be gone soon.
    context.chain().set_running(context.chain().main());
    context.pause().unhook();
    match status {
        LUA_YIELD if context.pause().is_passing() => {
            context.pause().arrive();
            context.scheduler().requeue_first(task);
            return true;
        }
        LUA_YIELD => {
            // It gives way, unless it really waits: the mark alone proves nothing, code that got hold of it may yield it.
            if !is_waiting(co) || context.scheduler_ref().wait_of(task).is_none() {
                lua_settop(co, -results - 1);
                if mark(from, context, co, results) {
                    context.scheduler().requeue(task);
                } else {
                    outcome::task_ended(from, context, task, co, LUA_ERRMEM);
                    end(from, context, task);
                }
            }
        }
        status => {
            outcome::task_ended(from, context, task, co, status);
            end(from, context, task);
        }
    }
    false
}

/// Puts the waiting mark in the place of what `co` has yielded. Nothing protects the library here from a raise: `false` if there
/// is no memory for it.
///
/// Stack: 0, +1 on `co`
/// Raises: never
///
/// # Safety
/// `co` is a coroutine of the own state.
#[cfg(feature = "lua54")]
unsafe fn mark(_: *mut lua_State, _: &Context, co: *mut lua_State, _: c_int) -> bool {
    // Room for one value is there always.
    lua_pushlightuserdata(co, waiting_mark());
    true
}

/// Puts the waiting mark in the place of what `co` has yielded. Nothing protects the library here from a raise: `false` if there
/// is no memory for it.
///
/// Stack: 0, +1 on `co`
/// Raises: never
///
/// # Safety
/// `co` is a coroutine of the own state.
#[cfg(feature = "luajit")]
unsafe fn mark(l: *mut lua_State, context: &Context, co: *mut lua_State, results: c_int) -> bool {
    /// Pushes the mark onto the coroutine that is to be marked.
    ///
    /// Stack: 0
    /// Raises: memory
    ///
    /// # Safety
    /// Called by Lua.
    unsafe extern "C-unwind" fn push(l: *mut lua_State) -> c_int {
        let (co, _) = Context::of_state(l).ending().coroutine();
        lua_pushlightuserdata(co, waiting_mark());
        0
    }
    // In a main process all of this runs in a call from Lua.
    if results > 0 || context.process().is_main() {
        lua_pushlightuserdata(co, waiting_mark());
        return true;
    }
    context.ending().set_coroutine(co, LUA_YIELD);
    let pushed = protected(l, push) == LUA_OK;
    if !pushed {
        lua_pop(l, 1);
    }
    pushed
}

/// Whose depth of C calls a resumed coroutine goes on with.
///
/// Lua 5.4 allows 200 of them in all, so that the C stack suffices. Waits inside waits would soon use these up, since each
/// resumes coroutines from inside. As long as there is room on the stack for another 200, the count begins anew.
#[cfg(feature = "lua54")]
fn level_of(from: *mut lua_State) -> *mut lua_State {
    // The deepest recursion that Lua allows needs less than this (measured: more than 384 KiB, less than 512).
    const FOR_200_CALLS: usize = 512 << 10;
    if crate::platform::CStack::of_thread().remaining() > FOR_200_CALLS { std::ptr::null_mut() } else { from }
}

/// Whose depth of C calls a resumed coroutine goes on with: LuaJIT does not count.
#[cfg(feature = "luajit")]
fn level_of(from: *mut lua_State) -> *mut lua_State {
    from
}

/// Whether other coroutines must not be run from inside a wait here, since the C stack could run out. In a main process the
/// interpreter's own limits apply, and Lua 5.4 counts by itself.
pub fn stack_is_short(context: &Context) -> bool {
    #[cfg(feature = "luajit")]
    return !context.process().is_main() && (context.chain().stack_left() < FOR_ONE_COROUTINE);
    #[cfg(feature = "lua54")]
    {
        let _ = context;
        false
    }
}

/// Takes the mark off a coroutine that is to be resumed: how many arguments it gets. One that waited in the library, and did
/// not just give way, gets the again mark on LuaJIT.
///
/// Stack: 0, -1 or 0 on `co`
/// Raises: never
///
/// # Safety
/// `co` is a coroutine of the own state, with the mark on top.
unsafe fn prepare_again(co: *mut lua_State, waited: bool) -> c_int {
    lua_pop(co, 1);
    #[cfg(feature = "luajit")]
    if waited {
        lua_pushlightuserdata(co, again_mark());
        return 1;
    }
    let _ = waited;
    0
}

/// Forgets a coroutine that is over. Needs no memory: nothing protects us here from a raise.
///
/// Stack: 0, room for 3
/// Raises: never
///
/// # Safety
/// Own state; the coroutine is over.
unsafe fn end(l: *mut lua_State, context: &Context, task: TaskId) {
    let ended = context.remove_coroutine(task);
    if let Some(coroutine) = ended {
        // Nothing is pushed on the coroutine: its stack may be what has overflowed.
        push_anchors(l);
        lua_pushnil(l);
        lua_rawsetp(l, -2, coroutine.thread.cast());
        lua_pop(l, 1);
    }
    // Somebody else may have ended it while it waited.
    let cases = context.scheduler().end_task(task);
    context.forget_cases(&cases);
}
