//! How a call from Lua waits.
//!
//! First it tries without waiting. If that fails, it tells the scheduler what it waits for, and then waits in one of two ways:
//!
//! - Where the coroutine may yield to the library, it yields the waiting mark. The library resumes it when it is marked. On Lua
//!   5.4 the call goes on in a continuation. LuaJIT has none: there the functions of `blocking.lua` call the second half of the
//!   call when they are resumed with the again mark.
//! - Anywhere else (the main script, callbacks of C functions, plain coroutines of the main process) the call keeps the OS thread
//!   and runs the other coroutines from inside until it can go on. Such a wait is a *frame*. Only the innermost frame can return.
//!
//! Either way the second half runs in the coroutine that waited, so it can raise there, and takes its value only then.
//!
//! **Turns.** Ready coroutines take turns, in both directions:
//!
//! - A waiting coroutine is queued behind those that were ready before it.
//! - Before a frame returns, it runs each coroutine that was ready when the frame began, once. From then on it checks after each
//!   coroutine whether it can return.
//! - A coroutine, or the main script, that was served [`SERVED_IN_A_ROW`] times without waiting waits at the next call, as if it
//!   slept for no time at all ([`give_turn`]). So a channel that never runs dry keeps nobody away.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::frames::{raise_pending, run_others};
use super::managed;
use crate::platform::poller::Directions;
use crate::runtime::call;
use crate::runtime::clock::Timestamp;
use crate::runtime::failure::Failure;
use crate::runtime::vitals::{Call, Waiting};
use crate::scheduling::{
    Case, Cases, ChannelId, Completion, Finish, Owner, Received, TaskId, Ticket, WaiterId,
};
use crate::vm::api::*;
#[cfg(feature = "luajit")]
use crate::vm::collector;
use crate::vm::context::Context;
use slotmap::Key;
use std::ffi::c_int;
use std::time::Instant;

/// How many waits may stand inside each other.
const NESTED_WAITS: usize = 150;

/// How many values a coroutine may take one after the other while others may be ready.
const SERVED_IN_A_ROW: u32 = 1000;

/// How a wait ended, without anything that has to be dropped. An envelope is kept by the context, at the place given.
#[derive(Clone, Copy)]
pub enum Done {
    /// The value at this ticket of the channel.
    Stored(Ticket),
    /// A timer fired.
    Fired(Timestamp),
    /// A message, to be pushed as its payload.
    Payload(usize),
    /// A message, to be pushed as an object.
    Message(usize),
    /// An event.
    Event(usize),
    /// A descriptor is ready for these.
    Ready(Directions),
    /// The channel is closed.
    Closed,
    /// The value was sent.
    Sent,
    /// The channel to send into is closed.
    SendOnClosed,
    /// The time is over.
    Elapsed,
    /// The others had their turn: the call begins now.
    HadTurn,
    /// The wait raises what is in `failure`.
    Failed,
}

/// The second half of a blocking call: pushes the results for the case that ended the wait.
pub type SecondHalf = unsafe fn(l: *mut lua_State, context: &Context, case: usize, done: Done) -> c_int;

/// What Lua calls again: on Lua 5.4 a continuation.
#[cfg(feature = "lua54")]
pub type Continuation = lua_KFunction;
/// What Lua calls again: on LuaJIT an ordinary function.
#[cfg(feature = "luajit")]
pub type Continuation = Function;

/// Turns what the scheduler says into something that a raise may pass over.
pub fn settle(context: &Context, finish: Finish) -> Done {
    context.waits().serve();
    match finish {
        Finish::Received(Received::Stored(ticket)) => Done::Stored(ticket),
        Finish::Received(Received::Fired(at)) => Done::Fired(at),
        Finish::Received(Received::Payload(mut envelope)) => {
            if envelope.is_request()
                && let Some(request) = call::take_request(&mut envelope)
            {
                request.refuse();
            }
            Done::Payload(context.keep(envelope))
        }
        Finish::Received(Received::Message(envelope)) => Done::Message(context.keep(envelope)),
        Finish::Received(Received::Event(envelope)) => Done::Event(context.keep(envelope)),
        Finish::Received(Received::Ready(directions)) => Done::Ready(directions),
        Finish::Received(Received::Closed) => Done::Closed,
        Finish::Sent => Done::Sent,
        Finish::SendOnClosed => Done::SendOnClosed,
        Finish::Elapsed => Done::Elapsed,
        Finish::HadTurn => Done::HadTurn,
        Finish::Failed(failure) => {
            context.waits().fail(failure);
            Done::Failed
        }
    }
}

/// The first thing in every blocking call: raises what the main script has to be told, and lets timers fire.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state; `context` is its context.
pub unsafe fn enter(l: *mut lua_State, context: &Context) {
    context.scheduler().fire_timers();
    if context.process().is_main() && context.scheduler_ref().current().is_none() {
        context.sort_mail();
        raise_pending(l, context, BLOCKING_LEVEL);
    }
}

/// Before a call takes a value: if the coroutine has taken so many without waiting that the others come first, the call does
/// so, and its second half begins with [`Done::HadTurn`]. `None` if it may go on, also where nobody can wait.
///
/// Stack: +n, n the result, if it is some
/// Raises: any: waits
///
/// # Safety
/// Own state.
#[inline]
pub unsafe fn give_turn(
    l: *mut lua_State,
    context: &Context,
    next: Continuation,
    second_half: SecondHalf,
) -> Option<c_int> {
    if context.waits().served() < SERVED_IN_A_ROW {
        None
    } else {
        give_turn_now(l, context, next, second_half)
    }
}

/// As [`give_turn`], when it is time.
///
/// Stack: +n, n the result, if it is some
/// Raises: any: waits
///
/// # Safety
/// As [`give_turn`].
#[cold]
#[inline(never)]
unsafe fn give_turn_now(
    l: *mut lua_State,
    context: &Context,
    next: Continuation,
    second_half: SecondHalf,
) -> Option<c_int> {
    context.waits().serve_anew();
    let task = yielding_task(l, context);
    if task.is_none() && refuse_frame(l, context).is_some() {
        return None;
    }
    let waiter = {
        let mut scheduler = context.scheduler();
        let waiter = scheduler.wait(task.map_or(Owner::Frame, Owner::Task), Cases::new(), None);
        scheduler.give_turn(waiter);
        waiter
    };
    if task.is_some() {
        return Some(suspend(l, context, waiter, next));
    }
    run_others(l, context, waiter);
    Some(go_on(l, context, waiter, next, second_half))
}

/// Waits for one of the cases, or until `deadline`; `None` and no cases: until the other coroutines had their turn. `waiting` is what
/// others are shown of it.
///
/// Stack: +n, n the result
/// Raises: any: waits
///
/// # Safety
/// Own state.
pub unsafe fn wait(
    l: *mut lua_State,
    context: &Context,
    waiting: Waiting,
    cases: Cases,
    deadline: Option<Instant>,
    next: Continuation,
    second_half: SecondHalf,
) -> c_int {
    let turn = cases.is_empty() && deadline.is_none();
    if let Some(task) = yielding_task(l, context) {
        if context.ending().is_main(task) {
            context.process().vitals.begin_wait(waiting);
        }
        if let (&[Case::Receive(channel)], None) = (&*cases, deadline)
            && context.scheduler().wait_alone(task, channel)
        {
            return suspend(l, context, WaiterId::null(), next);
        }
        let waiter = context.scheduler().wait(Owner::Task(task), cases, deadline);
        if turn {
            context.scheduler().elapse(waiter);
        }
        return suspend(l, context, waiter, next);
    }
    let refusal = refuse_frame(l, context).or_else(|| refuse_to_block(context, waiting.call(), turn));
    let waiter = context.scheduler().wait(Owner::Frame, cases, deadline);
    if let Some(failure) = refusal {
        context.scheduler().fail(waiter, failure);
        return go_on(l, context, waiter, next, second_half);
    }
    if turn {
        context.scheduler().elapse(waiter);
    }
    let current = context.scheduler_ref().current();
    let is_main = current.is_none_or(|task| context.ending().is_main(task));
    let outer = is_main.then(|| context.process().vitals.begin_wait(waiting));
    run_others(l, context, waiter);
    if let Some(outer) = outer {
        // The wait goes on that this one stood in, if there is one.
        context.process().vitals.begin_wait(outer);
    }
    go_on(l, context, waiter, next, second_half)
}

/// The coroutine that waits by yielding, `None` if the call is a frame.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state; `l` runs.
#[inline(always)]
unsafe fn yielding_task(l: *mut lua_State, context: &Context) -> Option<TaskId> {
    let current = context.scheduler_ref().current();
    current.filter(|_| managed::may_yield_to_library(l, context))
}

/// Why a wait that keeps the thread is not wanted here (M-6), `None` if it is. One that only gives others their turn blocks nobody.
fn refuse_to_block(context: &Context, call: Call, turn: bool) -> Option<Failure> {
    (context.guest().never_blocks() && !turn).then(|| Failure::WouldBlock { function: call.name() })
}

/// Raises if a wait in this call could not even begin here: for calls that do something before they wait.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state; `l` runs.
pub unsafe fn check(l: *mut lua_State, context: &Context, call: Call) {
    if yielding_task(l, context).is_none()
        && let Some(failure) = refuse_frame(l, context).or_else(|| refuse_to_block(context, call, false))
    {
        crate::vm::raise::raise_failure(l, BLOCKING_LEVEL, failure);
    }
}

/// Why a wait that keeps the thread is impossible here, `None` if it is not.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state; `l` runs.
unsafe fn refuse_frame(l: *mut lua_State, context: &Context) -> Option<Failure> {
    if context.is_closing() || context.runs_finalizer(l) {
        return Some(Failure::WaitInFinalizer);
    }
    // LuaJIT has one mark for all coroutines that a hook runs: a yield of another one would be taken for one of the hook.
    #[cfg(feature = "luajit")]
    if context.scheduler_ref().has_others() && !collector::hooks_are_called(l) {
        return Some(Failure::WaitInHook);
    }
    let nested = context.scheduler_ref().frame_count();
    (nested >= NESTED_WAITS || managed::stack_is_short(context)).then_some(Failure::TooManyWaits)
}

/// Yields the waiting mark, which is passed outwards up to the scheduler.
///
/// Stack: +1, n the result
/// Raises: any: yields
///
/// # Safety
/// Own state; the result is returned to Lua.
unsafe fn suspend(l: *mut lua_State, context: &Context, waiter: WaiterId, next: Continuation) -> c_int {
    context.waits().set_passing(true);
    lua_pushlightuserdata(l, waiting_mark());
    #[cfg(feature = "lua54")]
    return yield_with(l, 1, waiter_to_context(waiter), next);
    #[cfg(feature = "luajit")]
    {
        let _ = (waiter, next);
        lua_yield(l, 1)
    }
}

#[cfg(feature = "lua54")]
fn waiter_to_context(waiter: WaiterId) -> isize {
    waiter.data().as_ffi() as isize
}

/// The wait that a continuation belongs to: `number` is what [`suspend`] has given it.
#[cfg(feature = "lua54")]
pub fn waiter_of(context: &Context, number: isize) -> WaiterId {
    let waiter: WaiterId = slotmap::KeyData::from_ffi(number as u64).into();
    // What has begun as a lone wait may be another one now.
    if waiter.is_null() { wait_of_running(context) } else { waiter }
}

/// The wait that a continuation belongs to.
#[cfg(feature = "luajit")]
pub fn waiter_of(context: &Context, _: isize) -> WaiterId {
    wait_of_running(context)
}

/// The wait that the running coroutine came back from.
fn wait_of_running(context: &Context) -> WaiterId {
    let scheduler = context.scheduler_ref();
    scheduler
        .current()
        .and_then(|task| scheduler.wait_of(task))
        .unwrap_or_else(|| scheduler.innermost_frame())
}

/// Runs the second half if the wait is over; else waits on in the old place.
///
/// Stack: +n, n the result
/// Raises: any: waits
///
/// # Safety
/// Own state.
pub unsafe fn go_on(
    l: *mut lua_State,
    context: &Context,
    waiter: WaiterId,
    next: Continuation,
    second_half: SecondHalf,
) -> c_int {
    let completion = loop {
        let completion = context.scheduler().complete(waiter);
        if completion.is_some() || !context.scheduler_ref().is_frame(waiter) {
            break completion;
        }
        // A descriptor that was ready a moment ago is not any more: somebody else has read from it.
        run_others(l, context, waiter);
    };
    let Some(Completion { case, finish, cases }) = completion else {
        return suspend(l, context, waiter, next);
    };
    context.waits().finish(cases);
    let done = settle(context, finish);
    second_half(l, context, case, done)
}

/// The channel of the wait that has just ended, for second halves of calls that wait for one private channel.
pub fn waited_on(context: &Context) -> ChannelId {
    match context.waits().finished().first() {
        Some(Case::Receive(channel)) => *channel,
        _ => ChannelId::default(),
    }
}

/// Raises why a wait has failed. For second halves, when they have put everything away.
///
/// Stack: never returns
/// Raises: any
///
/// # Safety
/// Own state. Nothing to drop.
pub unsafe fn raise_failure(l: *mut lua_State, context: &Context) -> ! {
    let failure = context.waits().take_failure().unwrap_or(Failure::Terminated);
    crate::vm::raise::raise_failure(l, BLOCKING_LEVEL, failure)
}

/// The wait of the running coroutine cannot be passed outwards any further: this call keeps the OS thread for it.
///
/// Stack: 0
/// Raises: any: waits, and leaves the process
///
/// # Safety
/// Own state; `l` runs.
pub unsafe fn hold(l: *mut lua_State, context: &Context) {
    if context.pause().is_passing() {
        return context.pause().arrive();
    }
    let waiter = {
        let mut scheduler = context.scheduler();
        scheduler.unfold();
        scheduler.current().and_then(|task| scheduler.wait_of(task))
    };
    let Some(waiter) = waiter else { return };
    if let Some(failure) = refuse_frame(l, context) {
        context.scheduler().hold_thread(waiter);
        context.scheduler().fail(waiter, failure);
        return;
    }
    context.scheduler().hold_thread(waiter);
    run_others(l, context, waiter);
}

/// Declares what Lua calls when a blocking function goes on: a continuation on Lua 5.4, an ordinary function on LuaJIT.
macro_rules! second_half {
    ($name:ident, $half:path) => {
        #[cfg(feature = "lua54")]
        pub(crate) unsafe extern "C-unwind" fn $name(
            l: *mut lua_State,
            _: c_int,
            waiter: lua_KContext,
        ) -> c_int {
            let context = $crate::vm::context::Context::of(l);
            $crate::executor::wait::go_on(
                l,
                context,
                $crate::executor::wait::waiter_of(context, waiter),
                $name,
                $half,
            )
        }

        #[cfg(feature = "luajit")]
        pub(crate) unsafe extern "C-unwind" fn $name(l: *mut lua_State) -> c_int {
            let context = $crate::vm::context::Context::of(l);
            $crate::executor::wait::go_on(
                l,
                context,
                $crate::executor::wait::waiter_of(context, 0),
                $name,
                $half,
            )
        }
    };
}
pub(crate) use second_half;
