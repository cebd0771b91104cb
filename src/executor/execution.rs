//! The life of a spawned process, in steps: birth, steps, end. A thread of its own makes the steps, or the workers of a pool do.
//!
//! 1. The first step makes the state ([`newborn`]), fills it if it is empty, and has its process begin, all under `lua_pcall`.
//! 2. Each step resumes coroutines while any can go on. It ends when all of them wait, when it has used up its turns, or when the
//!    process is over. Code that waits where nothing can yield sleeps inside the step (see [`super::wait`]). When somebody ends
//!    the process, the step is left by a jump.
//! 3. The end, in the order of [`crate::runtime::exit`].
//!
//! Steps may run on different threads, one at a time: nothing in a context or a state belongs to a thread.

use super::managed;
use super::outcome::{self, end_as};
use crate::platform;
use crate::platform::reserve;
use crate::runtime::error::{ErrorData, Kind};
use crate::runtime::exit;
use crate::runtime::failure::Failure;
use crate::runtime::pool::Step;
use crate::runtime::process::Process;
use crate::runtime::report;
use crate::runtime::shown::Shown;
use crate::runtime::tracing;
use crate::vm::api::*;
use crate::vm::context::{Context, Coroutine};
use crate::vm::faces;
use crate::vm::newborn::{self, Newborn};
use crate::vm::startup::Startup;
use crate::vm::{frame, inquiry, interrupt, state, traceback};
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;

/// A process that is being run.
pub struct Execution {
    context: Box<Context>,
    state: State,
    /// Where its code was when it was left by a jump.
    place: Vec<u8>,
}

/// How far the Lua state has come.
#[derive(Clone, Copy, PartialEq)]
enum State {
    /// There is none yet.
    Unborn,
    /// It is there, and in order between two steps.
    Live,
    /// A panic or a jump has left it in an unknown condition. Nothing touches it any more.
    Broken,
}

// SAFETY: what the context points to is its own state, which is used by one thread at a time, the one that has the execution.
unsafe impl Send for Execution {}

impl Execution {
    /// A process that has not run yet.
    pub fn new(process: &Arc<Process>, startup: Startup) -> Self {
        let context = Box::new(Context::new(Arc::clone(process)));
        // SAFETY: `renew` and `end` hide it before the context goes.
        process.with_shown(|shown| unsafe { shown.show_memory(context.budget().counter()) });
        process.with_relations(|relations| relations.set_imports(startup.code.imported()));
        context.start().begin(startup);
        Execution { context, state: State::Unborn, place: Vec::new() }
    }

    /// What belongs to the state.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Runs until every coroutine waits, or until coroutines were resumed `turns` times. The context is adopted by the
    /// calling thread ([`interrupt::adopt`]).
    pub fn step(&mut self, turns: usize) -> Step {
        let context = &*self.context;
        #[cfg(feature = "luajit")]
        context.chain().set_stack(platform::CStack::of_thread());
        let mut newborn = None;
        if self.state == State::Unborn {
            if reserve::has_room_for_process() {
                // SAFETY: the context is boxed and outlives the state.
                newborn = unsafe { newborn::open(context) };
            }
            if newborn.is_none() {
                end_as(context, Failure::OutOfMemory.into());
                return Step::Over;
            }
        }
        let mut run = Run { context, newborn, turns, step: Step::Over };
        self.state = State::Live;
        let data = ptr::from_mut(&mut run).cast();
        // SAFETY: `run_body` and what it calls keep what they own in the context (rule of `frame`).
        let left = catch_unwind(AssertUnwindSafe(|| unsafe {
            frame::enter(context.leaving().frame(), run_body, data)
        }));
        context.leaving().close();
        if platform::fork::is_severed() {
            // The rest of the program is not there, and its locks may be held for ever.
            platform::exit(0);
        }
        match left {
            Ok(frame::Left::Returned) => return run.step,
            Ok(frame::Left::Jumped) => {
                #[cfg(feature = "lua54")]
                if context.process().is_doomed() {
                    // SAFETY: the frames are those of the moment when the code was left.
                    self.place = unsafe { traceback::of(context.chain().running(), 0) };
                }
                // SAFETY: no code of the state runs any more.
                if !unsafe { interrupt::repair(context) } {
                    self.state = State::Broken;
                    return Step::Over;
                }
                let startup = context.start().take_upgrade();
                if let Some(startup) = startup
                    && !context.process().is_doomed()
                {
                    self.renew(startup);
                    return Step::Ready;
                }
            }
            Err(panic) => {
                let failure = Failure::Panic(outcome::panic_text(&*panic));
                context.ending().set(Err(Arc::new(failure.into())), true);
                self.state = State::Broken;
            }
        }
        Step::Over
    }

    /// Puts a new state in the place of the old one, which is closed.
    fn renew(&mut self, startup: Startup) {
        // SAFETY: no code of the state runs any more.
        unsafe { state::close(&self.context) };
        let next = Box::new(self.context.renewed());
        next.process().with_relations(|relations| relations.set_imports(startup.code.imported()));
        next.start().begin(startup);
        // SAFETY: as in `new`.
        next.process().with_shown(|shown| unsafe { shown.show_memory(next.budget().counter()) });
        interrupt::adopt(&next);
        self.context = next;
        self.state = State::Unborn;
    }

    /// When the last step was over, on the thread that has made it: closes the state and tells everybody.
    pub fn end(self) {
        let Execution { context, state, mut place } = self;
        let process = Arc::clone(context.process());
        let ended = context.ending().take();
        let (outcome, is_failure) =
            ended.unwrap_or_else(|| (Err(Arc::new(Failure::Terminated.into())), false));
        let reported = is_failure && (state == State::Broken || !process.is_doomed());
        if state == State::Live && process.is_doomed() && place.is_empty() {
            // SAFETY: no code of the state runs any more.
            place = unsafe { place_of_main(&context) };
        }
        exit::begin_at(&process, outcome, place);
        // A state in an unknown condition is left alone.
        if state == State::Broken {
            std::mem::forget(context);
        } else {
            if state == State::Live {
                // SAFETY: no code of the state runs any more.
                unsafe { state::close(&context) };
            }
            context.forget_errands();
            context.forget_all_monitored();
            process.with_shown(Shown::hide_memory);
            drop(context);
        }
        if reported {
            report::report_end(&process);
        }
        tracing::run_ends(&process);
        exit::finish(&process);
    }
}

/// Where `main` waits; empty if it does not.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state, of which no code runs.
unsafe fn place_of_main(context: &Context) -> Vec<u8> {
    match context.ending().main().and_then(|main| context.coroutine(main)) {
        // SAFETY: as the caller says; a suspended coroutine has its frames in order.
        Some(Coroutine { thread, .. }) if unsafe { lua_status(thread) } == LUA_YIELD => unsafe {
            traceback::of(thread, 0)
        },
        _ => Vec::new(),
    }
}

/// What a step hands through the entry frame.
struct Run<'a> {
    context: &'a Context,
    /// What the state has, if it was made for this step.
    newborn: Option<Newborn>,
    turns: usize,
    step: Step,
}

/// Runs a step inside the entry frame.
///
/// # Safety
/// Called by `frame::enter`, with a `Run`.
unsafe extern "C-unwind" fn run_body(data: *mut c_void) {
    // SAFETY: as the caller says.
    let run = unsafe { &mut *data.cast::<Run>() };
    let context = run.context;
    let l = context.chain().main();
    if let Some(newborn) = run.newborn {
        // SAFETY: the state is new.
        match unsafe { set_up(l, context, newborn) } {
            LUA_OK => {}
            LUA_ERRMEM => return end_as(context, Failure::OutOfMemory.into()),
            _ => {
                // SAFETY: the error is on top.
                let text = unsafe { to_bytes(l, -1) }.unwrap_or(b"the process cannot be set up");
                return end_as(context, ErrorData::new(Kind::Internal, text));
            }
        }
    }
    // SAFETY: on the entry frame, with nothing to drop.
    run.step = unsafe { run_coroutines(l, context, run.turns) };
}

/// Fills a new state, if it is empty, and has its process begin. The status, with the error on top unless it is `LUA_OK`.
///
/// Stack: 0, +1 the error if it fails
/// Raises: never
///
/// # Safety
/// Own state, which is new; `context` is its context.
unsafe fn set_up(l: *mut lua_State, context: &Context, newborn: Newborn) -> c_int {
    let faces = faces::get();
    if newborn == Newborn::Empty {
        // SAFETY: as the caller says.
        let status = unsafe { protected(l, faces.fill) };
        if status != LUA_OK {
            return status;
        }
        context.process().host.note_birth(context.memory().wanted());
    }
    // SAFETY: as the caller says.
    unsafe { protected(l, faces.begin) }
}

/// Resumes coroutines until none can go on, or `turns` are used up.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state; `context` is its context. Nothing to drop: the entry frame may be left by a jump.
unsafe fn run_coroutines(l: *mut lua_State, context: &Context, mut turns: usize) -> Step {
    loop {
        if context.start().is_upgrading() {
            // What wanted the other code was resumed by a C module, and has ended meanwhile.
            // SAFETY: on the entry frame.
            unsafe { frame::leave(context.leaving().frame()) };
        }
        if context.process().is_doomed() || context.ending().is_over() {
            return Step::Over;
        }
        // SAFETY: own state; nothing is borrowed.
        unsafe { inquiry::answer_if_asked(context) };
        if turns == 0 {
            return Step::Ready;
        }
        turns -= 1;
        context.sort_mail();
        context.scheduler().fire_timers();
        let next = context.scheduler().next_task();
        match next {
            Some(task) => {
                context.leaving().open();
                // SAFETY: own state; nothing is borrowed.
                let paused = unsafe { managed::run(l, context, task) };
                context.leaving().close();
                // SAFETY: nothing of the process runs.
                unsafe { context.pause().unhook() };
                context.scheduler().set_current(None);
                context.chain().set_running(l);
                if paused {
                    return Step::Ready;
                }
            }
            #[cfg(feature = "luajit")]
            // SAFETY: own state; nothing is borrowed.
            None if unsafe { crate::vm::allocator::is_over_limit(l, context) } => {
                end_as(context, Failure::OutOfMemory.into());
            }
            None if platform::fork::is_severed() => platform::exit(0),
            None => return Step::Waiting(context.scheduler().next_deadline()),
        }
    }
}
