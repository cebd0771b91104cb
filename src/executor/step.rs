//! Doing what can be done without waiting (M-3 to M-6): for event loops that are not the library's.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::frames::{has_pending, must_leave, raise_pending};
use super::managed;
use crate::platform::fork::is_severed;
use crate::vm::api::*;
#[cfg(feature = "luajit")]
use crate::vm::collector;
use crate::vm::context::Context;
use crate::vm::{inquiry, interrupt};
use std::time::Instant;

/// What a step has left.
#[derive(Clone, Copy, Default)]
pub struct Stepped {
    /// Coroutines that can go on.
    pub more: bool,
    /// When the next timer is due.
    pub deadline: Option<Instant>,
}

/// Sorts the mail, fires what is due, and resumes coroutines, at most `budget` times. First of all raises what is to be raised, one a
/// call. Nothing where the library runs the calling code itself.
///
/// Stack: 0, room for 6
/// Raises: any, or leaves the process
///
/// # Safety
/// Own state; `l` runs. No borrow. Nothing to drop.
pub unsafe fn step(l: *mut lua_State, context: &Context, budget: usize) -> Stepped {
    if is_inside(l, context) {
        return Stepped::default();
    }
    leave_if_due(l, context);
    if has_pending(context, true) {
        context.guest().ring();
        raise_pending(l, context, 1);
    }
    context.scheduler().begin_step();
    inquiry::answer_if_asked(context);
    context.sort_mail();
    context.scheduler().fire_timers();
    if !has_pending(context, true) {
        run(l, context, budget);
    }
    let stepped = {
        let mut scheduler = context.scheduler();
        scheduler.end_step();
        Stepped { more: scheduler.has_ready(), deadline: scheduler.next_deadline() }
    };
    leave_if_due(l, context);
    if has_pending(context, true) {
        context.guest().ring();
        raise_pending(l, context, 1);
    }
    stepped
}

/// Resumes coroutines until none can go on, the budget is used up, or something is to be raised.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// As [`step`].
unsafe fn run(l: *mut lua_State, context: &Context, mut budget: usize) {
    let (current, running) = (context.scheduler_ref().current(), context.chain().running());
    context.leaving().set_stays(false);
    while budget > 0 && !must_leave(context) && !has_pending(context, true) {
        let next = context.scheduler().next_task();
        let Some(task) = next else { break };
        budget -= 1;
        // One that is paused goes on before anything else does.
        while managed::run(l, context, task) && !must_leave(context) {
            context.scheduler().next_task();
        }
        context.scheduler().set_current(current);
        context.chain().set_running(running);
    }
    make_current(l);
    context.waits().serve_anew();
}

/// Whether the calling code is run by the library, is a finalizer, or could not run others.
///
/// Stack: 0, room for 2
/// Raises: never
///
/// # Safety
/// As [`step`].
unsafe fn is_inside(l: *mut lua_State, context: &Context) -> bool {
    let current = context.scheduler_ref().current();
    let managed = current.is_some_and(|task| !context.ending().is_main(task));
    #[cfg(feature = "luajit")]
    if context.scheduler_ref().has_others() && !collector::hooks_are_called(l) {
        return true;
    }
    managed
        || context.is_closing()
        || context.runs_finalizer(l)
        || managed::stack_is_short(context)
        || is_severed()
}

/// Ends the process here and now if it is over.
///
/// Stack: 0
/// Raises: any, or leaves by a jump
///
/// # Safety
/// As [`step`].
unsafe fn leave_if_due(l: *mut lua_State, context: &Context) {
    if must_leave(context) {
        // SAFETY: only spawned processes are over while they run, inside a step of theirs.
        interrupt::leave(l, context);
    }
}
