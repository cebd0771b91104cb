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

use super::{ctrl_c, managed};
use crate::codec::encode::Encoder;
use crate::platform;
use crate::platform::magazines;
use crate::runtime::clock::Timestamp;
use crate::runtime::failure::Failure;
use crate::runtime::signal::Signal;
use crate::runtime::vitals::{Phase, Waiting};
use crate::runtime::{call, exit, live};
use crate::scheduling::{Case, Cases, Completion, Finish, Owner, Received, TaskId, Ticket, WaiterId};
use crate::vm::api::*;
#[cfg(feature = "luajit")]
use crate::vm::collector;
use crate::vm::context::Context;
use crate::vm::{inquiry, interrupt};
use slotmap::Key;
use std::ffi::c_int;
use std::time::{Duration, Instant};

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
        raise_pending(l, context);
    }
}

/// Raises, in the main script, the failure of a linked process or of a managed coroutine.
///
/// Stack: 0, room for 3
/// Raises: any
///
/// # Safety
/// Own state; `context` is its context. Nothing to drop.
unsafe fn raise_pending(l: *mut lua_State, context: &Context) {
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
        crate::vm::raise::raise_failure(l, BLOCKING_LEVEL, failure);
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
    let current = context.scheduler_ref().current();
    let is_main = current.is_none_or(|task| context.ending().is_main(task));
    if let Some(task) = current.filter(|_| managed::may_yield_to_library(l, context)) {
        if is_main {
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
    let refusal = refuse_frame(l, context);
    let waiter = context.scheduler().wait(Owner::Frame, cases, deadline);
    if let Some(failure) = refusal {
        context.scheduler().fail(waiter, failure);
        return go_on(l, context, waiter, next, second_half);
    }
    if turn {
        context.scheduler().elapse(waiter);
    }
    let outer = if is_main { Some(context.process().vitals.begin_wait(waiting)) } else { None };
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

/// Raises if a wait could not even begin here: for calls that do something before they wait.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state; `l` runs.
pub unsafe fn check(l: *mut lua_State, context: &Context) {
    if yielding_task(l, context).is_none()
        && let Some(failure) = refuse_frame(l, context)
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
    let completion = context.scheduler().complete(waiter);
    let Some(Completion { case, finish, cases }) = completion else {
        return suspend(l, context, waiter, next);
    };
    context.waits().finish(cases);
    let done = settle(context, finish);
    second_half(l, context, case, done)
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

/// Runs the other coroutines until the innermost wait can end, each that is ready now once even if it can end at once. Raises
/// (after taking the wait back) what the main script has to be told; never returns if the process is ended.
///
/// Stack: 0
/// Raises: any: waits, and leaves the process
///
/// # Safety
/// Own state; `l` runs. No borrow. Nothing to drop.
unsafe fn run_others(l: *mut lua_State, context: &Context, waiter: WaiterId) {
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
            raise_pending(l, context);
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
fn must_leave(context: &Context) -> bool {
    !context.is_closing() && !context.leaving().stays() && context.is_over()
}

/// Only a main process has anything pending.
fn has_pending(context: &Context, main_script: bool) -> bool {
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
    if context.process().is_main() && deadline.is_none() && live::is_alone() && !scheduler.has_timers() {
        let silent = platform::is_silent();
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
    sleep(context, deadline, || hooks.has_news(context));
}

/// Sleeps until something comes into the mailbox, somebody ends the process, or `deadline`; a main process also until a
/// signal handler of the interpreter has run, or at once if `signalled`.
pub fn sleep(context: &Context, deadline: Option<Instant>, signalled: impl Fn() -> bool) {
    let process = context.process();
    // SAFETY: the calling thread runs the state, and none of its code.
    unsafe { tell(context) };
    process.vitals.set_phase(Phase::Asleep);
    let arrived = || process.mailbox.has_mail() || process.mailbox.is_closed();
    let sleep = || {
        if process.mailbox.park() {
            context.memory().sleep();
            magazines::rest();
            Encoder::rest();
            process.sleeper.sleep(deadline, signalled);
            process.mailbox.unpark();
            context.memory().wake();
        }
    };
    match process.sleeper.may_look_out() {
        true => context.spin().wait(deadline, arrived, sleep),
        false => sleep(),
    }
    process.vitals.set_phase(Phase::Running);
}

/// Tells others what they cannot count themselves: before the process sleeps, and when it looks at itself.
///
/// # Safety
/// On the thread that runs the state of `context`.
#[inline]
pub unsafe fn tell(context: &Context) {
    let vitals = &context.process().vitals;
    let scheduler = context.scheduler_ref();
    vitals.count(scheduler.task_count(), scheduler.timer_count());
    if context.process().is_main() && !context.is_closing() {
        vitals.set_memory((lua_gc(context.chain().main(), LUA_GCCOUNT, 0) as usize) << 10);
    }
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
