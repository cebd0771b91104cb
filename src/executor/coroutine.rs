//! The coroutines of a process in Lua: resuming those that the scheduler manages, and the library's own
//! `coroutine.resume`, `wrap` and `close` for spawned processes, which pass a wait outwards, so that a plain coroutine may
//! wait as well.

#[cfg(feature = "lua54")]
use super::traceback;
#[cfg(feature = "luajit")]
use super::xpcall;
use super::{outcome, wait};
use crate::scheduling::TaskId;
use crate::vm::api::*;
use crate::vm::context::{Context, Coroutine};
use std::ffi::c_int;

/// How deep coroutines may resume each other (B-98).
pub const NESTED_COROUTINES: u32 = 190;

/// True if the coroutine yielded because it waits in a call of the library: the mark is on top of it until it is resumed.
pub unsafe fn is_waiting(co: *mut lua_State) -> bool {
    lua_status(co) == LUA_YIELD && holds_mark(co, lua_gettop(co))
}

/// As [`is_waiting`], for a coroutine that has just yielded `count` values to the library's `resume` or `wrap`.
#[inline]
pub unsafe fn passes_wait(context: &Context, co: *mut lua_State, count: c_int) -> bool {
    context.wait_passes.get() && holds_mark(co, count)
}

/// Whether the last of the `count` values on the coroutine is the waiting mark.
unsafe fn holds_mark(co: *mut lua_State, count: c_int) -> bool {
    count > 0 && lua_touserdata(co, -1) == waiting_mark()
}

/// Whether a wait in `l` can yield and reach the scheduler.
pub unsafe fn may_yield_to_library(l: *mut lua_State, context: &Context) -> bool {
    if !can_yield(l) {
        return false;
    }
    if context.process.is_main() {
        // Nothing is replaced in the main process: only a managed coroutine itself is resumed by us.
        let scheduler = context.scheduler.borrow();
        let coroutines = context.coroutines.borrow();
        return scheduler
            .current()
            .and_then(|task| coroutines.get(task))
            .is_some_and(|coroutine| coroutine.thread == l);
    }
    // What a C module has resumed would yield to that. LuaJIT lets coroutines yield inside finalizers.
    context.running.get() == l && (cfg!(feature = "lua54") || !wait::runs_finalizer(l, context))
}

/// Makes a managed coroutine of the function and the arguments that are the top `count` values, and pops these.
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
    let task = context.scheduler.borrow_mut().start_task();
    context.coroutines.borrow_mut().insert(task, Coroutine { thread: co, started: false });
    task
}

/// Pushes the table that keeps managed coroutines alive: under their addresses.
unsafe fn push_anchors(l: *mut lua_State) {
    static KEY: u8 = 0;
    push_own_table(l, &KEY);
}

/// Resumes a managed coroutine until it waits, gives way or ends. `true`: it was paused, to go on first in the next step.
pub unsafe fn run(from: *mut lua_State, context: &Context, task: TaskId) -> bool {
    let Some(Coroutine { thread: co, started, .. }) = context.coroutines.borrow().get(task).copied() else {
        context.scheduler.borrow_mut().end_task(task);
        return false;
    };
    let waiter = context.scheduler.borrow().wait_of(task);
    if let Some(waiter) = waiter
        && !context.scheduler.borrow().can_complete(waiter)
    {
        context.scheduler.borrow_mut().unmark(waiter);
        return false;
    }
    let args = if !started {
        if let Some(coroutine) = context.coroutines.borrow_mut().get_mut(task) {
            coroutine.started = true;
        }
        lua_gettop(co) - 1
    } else if context.pause.goes_on(co) {
        0
    } else if is_waiting(co) {
        prepare_again(co, waiter.is_some())
    } else {
        // Somebody else resumed it behind our back: it is not ours any more.
        end(from, context, task);
        return false;
    };
    let link = context.link(from, co);
    context.enter(&link);
    context.served.set(0);
    // A hook may run others while a wait passes.
    let passes = context.wait_passes.replace(false);
    let (status, results) = resume(co, level_of(from), args);
    context.wait_passes.set(passes);
    context.back(&link);
    // From here on the signal handler must not set a hook on `co`, which may be gone soon.
    context.running.set(context.main_thread.get());
    context.pause.unhook();
    match status {
        LUA_YIELD if context.pause.is_passing() => {
            context.pause.arrive();
            context.scheduler.borrow_mut().requeue_first(task);
            return true;
        }
        LUA_YIELD => {
            // It gives way, unless it really waits: the mark alone proves nothing, code that got hold of it may yield it.
            if !is_waiting(co) || context.scheduler.borrow().wait_of(task).is_none() {
                lua_settop(co, -results - 1);
                if mark(from, context, co, results) {
                    context.scheduler.borrow_mut().requeue(task);
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
#[cfg(feature = "lua54")]
unsafe fn mark(_: *mut lua_State, _: &Context, co: *mut lua_State, _: c_int) -> bool {
    // Room for one value is there always.
    lua_pushlightuserdata(co, waiting_mark());
    true
}

/// Puts the waiting mark in the place of what `co` has yielded. Nothing protects the library here from a raise: `false` if there
/// is no memory for it.
#[cfg(feature = "luajit")]
unsafe fn mark(l: *mut lua_State, context: &Context, co: *mut lua_State, results: c_int) -> bool {
    unsafe extern "C-unwind" fn push(l: *mut lua_State) -> c_int {
        let (co, _) = Context::of_state(l).ending.get();
        lua_pushlightuserdata(co, waiting_mark());
        0
    }
    // In a main process all of this runs in a call from Lua.
    if results > 0 || context.process.is_main() {
        lua_pushlightuserdata(co, waiting_mark());
        return true;
    }
    context.ending.set((co, LUA_YIELD));
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
    return !context.process.is_main() && super::resume_luajit::stack_is_short(context);
    #[cfg(feature = "lua54")]
    {
        let _ = context;
        false
    }
}

/// Takes the mark off a coroutine that is to be resumed: how many arguments it gets. One that waited in the library, and did
/// not just give way, gets the again mark on LuaJIT.
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
unsafe fn end(l: *mut lua_State, context: &Context, task: TaskId) {
    let ended = context.coroutines.borrow_mut().remove(task);
    if let Some(coroutine) = ended {
        // Nothing is pushed on the coroutine: its stack may be what has overflowed.
        push_anchors(l);
        lua_pushnil(l);
        lua_rawsetp(l, -2, coroutine.thread.cast());
        lua_pop(l, 1);
    }
    context.scheduler.borrow_mut().end_task(task);
}

/// Puts the library's functions into the table `coroutine`, which is on top, of a spawned process.
#[cfg(feature = "lua54")]
pub unsafe fn replace_functions(l: *mut lua_State) {
    set_function(l, c"resume", lua54::resume_coroutine);
    set_function(l, c"wrap", lua54::wrap_coroutine);
    raw_field(l, -1, c"close");
    lua_pushcclosure(l, lua54::close_coroutine, 1);
    set_raw_field(l, -2, c"close");
}

#[cfg(feature = "lua54")]
pub use lua54::call_wrapped;

/// `coroutine.resume`, `wrap` and `close` in C, with continuations, after those of `lcorolib.c` of Lua 5.4.
#[cfg(feature = "lua54")]
mod lua54 {
    use super::*;

    /// How a coroutine came back.
    enum Back {
        /// So many results stand on top of the resumer.
        Results(c_int),
        /// The error value stands on top of the resumer.
        Error,
        /// It waits or is paused, and so has its resumer to.
        Waits,
    }

    /// Moves the arguments over: how many `co` is to be resumed with. `None`, with a message on `l`, if it cannot be resumed.
    unsafe fn hand_over(l: *mut lua_State, co: *mut lua_State, given: c_int) -> Option<c_int> {
        let status = lua_status(co);
        let refusal = match status {
            LUA_YIELD if holds_mark(co, lua_gettop(co)) => Some(c"cannot resume non-suspended coroutine"),
            LUA_YIELD => None,
            LUA_OK => {
                let mut debug = std::mem::zeroed::<lua_Debug>();
                if co == l || lua_getstack(co, 0, &mut debug) != 0 {
                    Some(c"cannot resume non-suspended coroutine")
                } else if lua_gettop(co) == 0 {
                    Some(c"cannot resume dead coroutine")
                } else {
                    None
                }
            }
            _ => Some(c"cannot resume dead coroutine"),
        };
        let refusal =
            refusal.or_else(|| (lua_checkstack(co, given) == 0).then_some(c"too many arguments to resume"));
        if let Some(text) = refusal {
            lua_pushstring(l, text.as_ptr());
            return None;
        }
        lua_xmove(l, co, given);
        Some(if status == LUA_YIELD { given } else { lua_gettop(co) - 1 })
    }

    unsafe fn go(l: *mut lua_State, co: *mut lua_State, args: c_int) -> Back {
        let context = Context::of_state(l);
        let mut args = args;
        let depth = context.nested_coroutines.get();
        if depth >= NESTED_COROUTINES {
            lua_settop(co, -args - 1);
            lua_pushstring(l, c"C stack overflow".as_ptr());
            return Back::Error;
        }
        loop {
            let link = context.link(l, co);
            context.enter(&link);
            context.nested_coroutines.set(depth + 1);
            let (status, results) = resume(co, l, args);
            context.nested_coroutines.set(depth);
            context.back(&link);
            context.pause.left(co);
            wait::leave_if_over(l, context);
            let passes_outwards = can_yield(l) && context.running.get() == l;
            match status {
                LUA_YIELD if context.pause.is_passing() => {
                    if passes_outwards {
                        return Back::Waits;
                    }
                    context.pause.arrive();
                    prepare(context, co);
                    args = 0;
                }
                LUA_YIELD if passes_wait(context, co, results) => {
                    if passes_outwards {
                        return Back::Waits;
                    }
                    wait::hold(l, context);
                    lua_pop(co, 1);
                    args = 0;
                }
                LUA_OK | LUA_YIELD => {
                    if lua_checkstack(l, results + 1) == 0 {
                        lua_settop(co, -results - 1);
                        lua_pushstring(l, c"too many results to resume".as_ptr());
                        return Back::Error;
                    }
                    lua_xmove(co, l, results);
                    return Back::Results(results);
                }
                _ => {
                    lua_xmove(co, l, 1);
                    return Back::Error;
                }
            }
        }
    }

    /// Before a coroutine that waited, or was paused, goes on: takes the mark off it.
    unsafe fn prepare(context: &Context, co: *mut lua_State) {
        if !context.pause.goes_on(co) {
            lua_pop(co, 1);
        }
    }

    /// Passes a wait outwards; when it is over, `next` runs.
    unsafe fn pass_outwards(l: *mut lua_State, next: lua_KFunction) -> c_int {
        lua_pushlightuserdata(l, waiting_mark());
        yield_with(l, 1, 0, next)
    }

    pub unsafe extern "C-unwind" fn resume_coroutine(l: *mut lua_State) -> c_int {
        let Some(co) = thread_at(l, 1) else {
            luaL_checktype(l, 1, LUA_TTHREAD);
            return 0;
        };
        let given = lua_gettop(l) - 1;
        match hand_over(l, co, given) {
            Some(args) => resumed(l, co, args),
            None => failed(l),
        }
    }

    unsafe fn resumed(l: *mut lua_State, co: *mut lua_State, args: c_int) -> c_int {
        match go(l, co, args) {
            Back::Results(count) => {
                lua_pushboolean(l, 1);
                lua_insert(l, -count - 1);
                count + 1
            }
            Back::Error => failed(l),
            Back::Waits => pass_outwards(l, resume_again),
        }
    }

    unsafe fn failed(l: *mut lua_State) -> c_int {
        lua_pushboolean(l, 0);
        lua_insert(l, -2);
        2
    }

    unsafe extern "C-unwind" fn resume_again(l: *mut lua_State, _: c_int, _: lua_KContext) -> c_int {
        let co = lua_tothread(l, 1);
        prepare(Context::of_state(l), co);
        resumed(l, co, 0)
    }

    pub unsafe extern "C-unwind" fn wrap_coroutine(l: *mut lua_State) -> c_int {
        luaL_checktype(l, 1, LUA_TFUNCTION);
        let co = lua_newthread(l);
        lua_pushvalue(l, 1);
        lua_xmove(l, co, 1);
        lua_pushcclosure(l, call_wrapped, 1);
        1
    }

    /// What `coroutine.wrap` gives.
    pub unsafe extern "C-unwind" fn call_wrapped(l: *mut lua_State) -> c_int {
        let co = lua_tothread(l, lua_upvalueindex(1));
        match hand_over(l, co, lua_gettop(l)) {
            Some(args) => called(l, co, args),
            None => raise_wrapped(l, co),
        }
    }

    unsafe fn called(l: *mut lua_State, co: *mut lua_State, args: c_int) -> c_int {
        match go(l, co, args) {
            Back::Results(count) => count,
            Back::Error => raise_wrapped(l, co),
            Back::Waits => pass_outwards(l, call_again),
        }
    }

    unsafe extern "C-unwind" fn call_again(l: *mut lua_State, _: c_int, _: lua_KContext) -> c_int {
        let co = lua_tothread(l, lua_upvalueindex(1));
        prepare(Context::of_state(l), co);
        called(l, co, 0)
    }

    unsafe fn raise_wrapped(l: *mut lua_State, co: *mut lua_State) -> c_int {
        let status = lua_status(co);
        let context = Context::of_state(l);
        if status == LUA_OK || status == LUA_YIELD {
            traceback::keep_none(context);
        } else {
            traceback::keep_failed(l, context, co);
            // Closes what the coroutine left open, by its own code; a new error takes the place of the old one.
            let link = context.link(l, co);
            context.enter(&link);
            lua_resetthread(co);
            context.back(&link);
            context.pause.left(co);
            lua_xmove(co, l, 1);
        }
        if status != LUA_ERRMEM && lua_type(l, -1) == LUA_TSTRING {
            luaL_where(l, 1);
            lua_insert(l, -2);
            lua_concat(l, 2);
        }
        lua_error(l)
    }

    /// The stock `close` for everything but a coroutine that waits in the library: that one is not suspended for others.
    pub unsafe extern "C-unwind" fn close_coroutine(l: *mut lua_State) -> c_int {
        let context = Context::of_state(l);
        let given = lua_gettop(l);
        let closed = thread_at(l, 1);
        if closed.is_some_and(|co| is_waiting(co)) {
            luaL_error(l, c"cannot close a running coroutine".as_ptr());
        }
        lua_pushvalue(l, lua_upvalueindex(1));
        lua_insert(l, 1);
        // What a coroutine left open is closed by its own code.
        let link = context.link(l, closed.unwrap_or(l));
        context.enter(&link);
        let status = lua_pcall(l, given, LUA_MULTRET, 0);
        context.back(&link);
        if let Some(closed) = closed
            && closed != l
        {
            context.pause.left(closed);
        }
        if status != LUA_OK {
            lua_error(l);
        }
        lua_gettop(l)
    }

    unsafe fn thread_at(l: *mut lua_State, index: c_int) -> Option<*mut lua_State> {
        (lua_type(l, index) == LUA_TTHREAD).then(|| lua_tothread(l, index))
    }
}
