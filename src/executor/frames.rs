//! Waits that keep the OS thread ([`super::wait`]): they run the other coroutines from inside, and sleep when none can run. Such a
//! wait is a *frame*.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::{ctrl_c, managed, sleep};
use crate::platform;
use crate::runtime::failure::Failure;
use crate::runtime::signal::Signal;
use crate::runtime::{exit, live, lookout};
use crate::scheduling::WaiterId;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::{inquiry, interrupt};
use std::ffi::c_int;
use std::time::{Duration, Instant};

/// Raises, in the main script, the failure of a linked process or of a managed coroutine; `level` is that of the caller.
///
/// Stack: 0, room for 3
/// Raises: any
///
/// # Safety
/// Own state; `context` is its context. Nothing to drop.
pub unsafe fn raise_pending(l: *mut lua_State, context: &Context, level: c_int) {
    let task_error = context.waits().pop_error();
    if let Some(reference) = task_error {
        lua_rawgeti(l, LUA_REGISTRYINDEX, lua_Integer::from(reference));
        luaL_unref(l, LUA_REGISTRYINDEX, reference);
        lua_error(l);
    }
    let failed = context.watched().pop_link_failure();
    let failure = failed.and_then(|failed| match failed.envelope.as_signal() {
        Some(Signal::LinkFailed(record)) => Some(exit::link_failure(record)),
        _ => None,
    });
    if let Some(failure) = failure {
        crate::vm::raise::raise_failure(l, level, failure);
    }
}

/// Runs the other coroutines until the innermost wait can end, each that is ready now once even if it can end at once. Raises
/// (after taking the wait back) what the main script has to be told; never returns if the process is ended.
///
/// Stack: 0
/// Raises: any: waits, and leaves the process
///
/// # Safety
/// Own state; `l` runs. No borrow. Nothing to drop.
pub unsafe fn run_others(l: *mut lua_State, context: &Context, waiter: WaiterId) {
    let turns = context.scheduler_ref().ready_count();
    let mut pending = run_until(l, context, waiter, turns);
    make_current(l);
    // A finalizer may have run just now, and taken what was there.
    while matches!(pending, Pending::Nothing) && !context.scheduler_ref().can_complete(waiter) {
        pending = run_until(l, context, waiter, 0);
        make_current(l);
    }
    context.waits().serve_anew();
    context.process().vitals.resume();
    match pending {
        Pending::Nothing => {}
        Pending::End => {
            context.forget_wait(waiter);
            // SAFETY: only spawned processes are over while they run, inside a step.
            interrupt::leave(l, context);
        }
        Pending::ForMainScript => {
            context.forget_wait(waiter);
            raise_pending(l, context, BLOCKING_LEVEL);
        }
        Pending::OnTop => {
            context.forget_wait(waiter);
            lua_error(l);
        }
    }
}

/// What a wait in a main process has to raise instead of going on.
enum Pending {
    /// It can end.
    Nothing,
    /// The process is over.
    End,
    /// A failed link or coroutine, see `raise_pending`.
    ForMainScript,
    /// The value on top of the stack.
    OnTop,
}

/// Runs other coroutines, and sleeps when none can run, until the wait is over or something else has to be done. Before it looks
/// at the wait, it runs as many ready coroutines as `turns` says.
///
/// Stack: 0, or +1 the error
/// Raises: never
///
/// # Safety
/// Own state; `l` runs. No borrow.
unsafe fn run_until(l: *mut lua_State, context: &Context, waiter: WaiterId, mut turns: usize) -> Pending {
    let current = context.scheduler_ref().current();
    let running = context.chain().running();
    let mut hooks = ctrl_c::Watch::begin(context);
    let mut doubt = SHORTEST_DOUBT;
    context.leaving().set_stays(false);
    loop {
        if must_leave(context) {
            return Pending::End;
        }
        inquiry::answer_if_asked(context);
        if platform::fork::is_severed() {
            context.scheduler().fail(waiter, Failure::AfterFork);
            return Pending::Nothing;
        }
        if hooks.has_news(context) && hooks.run(l, context) != LUA_OK {
            return Pending::OnTop;
        }
        context.sort_mail();
        context.scheduler().fire_timers();
        if has_pending(context, current.is_none()) {
            context.guest().ring();
            return Pending::ForMainScript;
        }
        if turns == 0 && context.scheduler_ref().can_complete(waiter) {
            return Pending::Nothing;
        }
        let next = context.scheduler().next_task();
        match next {
            Some(task) => {
                turns = turns.saturating_sub(1);
                // One that is paused goes on before anything else does.
                while managed::run(l, context, task) {
                    if must_leave(context) {
                        break;
                    }
                    context.scheduler().next_task();
                }
                context.scheduler().set_current(current);
                context.chain().set_running(running);
            }
            None if turns > 0 => turns = 0,
            None => sleep_inside(context, waiter, &hooks, &mut doubt),
        }
    }
}

/// Ends the process here and now if somebody ended it, one of its coroutines failed, or it is to go on with other code.
///
/// Stack: 0
/// Raises: any, or leaves by a jump
///
/// # Safety
/// Own state; `l` runs. Nothing to drop.
#[inline]
pub unsafe fn leave_if_over(l: *mut lua_State, context: &Context) {
    if must_leave(context) {
        // SAFETY: only spawned processes are over while they run, and what they run is inside a step.
        interrupt::leave(l, context);
    }
}

/// Whether what the process does has to be left. Finalizers that run while the state closes are not.
pub(super) fn must_leave(context: &Context) -> bool {
    !context.is_closing() && !context.leaving().stays() && context.is_over()
}

/// Only a main process has anything pending.
pub(super) fn has_pending(context: &Context, main_script: bool) -> bool {
    context.watched().has_link_failures() || (main_script && context.waits().has_errors())
}

/// How long to sleep until it is looked at again whether anything can wake a main process that is alone: at first, and at most.
const SHORTEST_DOUBT: Duration = Duration::from_millis(1);
const LONGEST_DOUBT: Duration = Duration::from_secs(1);

/// Nothing can run: sleeps, unless it is certain that nothing can ever end the wait. What it needs on the stack is not to stand
/// under all that a wait runs from inside: up to 150 waits nest.
///
/// # Safety
/// On the thread that runs the state of `context`. No borrow.
#[inline(never)]
unsafe fn sleep_inside(context: &Context, waiter: WaiterId, hooks: &ctrl_c::Watch, doubt: &mut Duration) {
    let mut scheduler = context.scheduler();
    if scheduler.is_held_up() {
        scheduler.fail(waiter, Failure::HeldUp);
        return;
    }
    let mut deadline = scheduler.next_deadline();
    let outside = context.guest().is_watched() || scheduler.has_watches();
    if context.process().is_main()
        && !outside
        && deadline.is_none()
        && live::is_alone()
        && !scheduler.has_timers()
    {
        let silent = platform::is_silent() && !lookout::listens(context.process());
        // Last: what others have sent before they were gone is there now.
        if silent && !context.process().mailbox.has_mail() {
            scheduler.fail(waiter, Failure::MainDeadlock);
            return;
        }
        // Nobody tells when the threads of others end.
        deadline = Instant::now().checked_add(*doubt);
        *doubt = (2 * *doubt).min(LONGEST_DOUBT);
    }
    drop(scheduler);
    sleep::sleep(context, deadline, || hooks.has_news(context));
}
