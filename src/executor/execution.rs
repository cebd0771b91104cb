//! The life of a spawned process, in steps, whoever runs them: birth, steps, end.
//!
//! 1. The first step makes the state and fills it ([`crate::vm::faces::Faces::set_up`]), under `lua_pcall`.
//! 2. Each step resumes coroutines while any can go on, and ends when all wait, when it has used up its turns, or when the
//!    process is over. Code that waits where nothing can yield sleeps inside (see [`super::wait`]). When somebody ends the
//!    process the step is left by a jump.
//! 3. The end, in the order of [`crate::runtime::exit`].
//!
//! Steps may run on different threads, one at a time: nothing in a context or a state belongs to a thread.

use super::coroutine;
use super::outcome::{self, end_as};
use crate::platform;
use crate::platform::reserve;
use crate::runtime::error::{ErrorData, Kind};
use crate::runtime::exit;
use crate::runtime::failure::Failure;
use crate::runtime::pool::Step;
use crate::runtime::process::Process;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::faces;
use crate::vm::startup::Startup;
use crate::vm::{frame, interrupt, state};
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;

/// A process that is being run.
pub struct Life {
    context: Box<Context>,
    born: bool,
    /// A panic or a jump has left the state in an unknown condition.
    broken: bool,
}

// SAFETY: what the context points to is its own state, which is used by one thread at a time, the one that has the life.
unsafe impl Send for Life {}

impl Life {
    /// A process that has not run yet.
    pub fn new(process: &Arc<Process>, startup: Startup) -> Self {
        let context = Box::new(Context::new(Arc::clone(process)));
        *context.startup.borrow_mut() = Some(startup);
        Life { context, born: false, broken: false }
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
        context.stack.set(platform::CStack::of_thread());
        // SAFETY: the context is boxed and outlives the state.
        if !self.born && (!reserve::has_room_for_process() || unsafe { state::open(context) }.is_none()) {
            end_as(context, Failure::OutOfMemory.into());
            return Step::Over;
        }
        let mut run = Run { context, born: self.born, turns, step: Step::Over };
        self.born = true;
        let data = ptr::from_mut(&mut run).cast();
        // SAFETY: `run_body` and what it calls keep what they own in the context (rule of `frame`).
        let left = catch_unwind(AssertUnwindSafe(|| unsafe { frame::enter(&context.frame, run_body, data) }));
        context.interruptible.set(false);
        if platform::fork::is_severed() {
            // The rest of the program is not there, and its locks may be held for ever.
            platform::exit(0);
        }
        match left {
            Ok(frame::Left::Returned) => return run.step,
            Ok(frame::Left::Jumped) => {
                // SAFETY: no code of the state runs any more.
                if !unsafe { interrupt::repair(context) } {
                    self.broken = true;
                    return Step::Over;
                }
                let startup = context.upgrade.take();
                if let Some(startup) = startup
                    && !context.process.is_doomed()
                {
                    self.renew(startup);
                    return Step::Ready;
                }
            }
            Err(panic) => {
                let failure = Failure::Panic(outcome::panic_text(&*panic));
                *context.outcome.borrow_mut() = Some(Err(Arc::new(failure.into())));
                context.reportable.set(true);
                self.broken = true;
            }
        }
        Step::Over
    }

    /// Puts a new state in the place of the old one, which is closed.
    fn renew(&mut self, startup: Startup) {
        // SAFETY: no code of the state runs any more.
        unsafe { state::close(&self.context) };
        let next = Box::new(self.context.renewed());
        *next.startup.borrow_mut() = Some(startup);
        interrupt::adopt(&next);
        self.context = next;
        self.born = false;
    }

    /// When the last step was over, on the thread that has made it: closes the state and tells everybody.
    pub fn end(self) {
        let Life { context, born, broken } = self;
        let process = Arc::clone(&context.process);
        let outcome = context.outcome.borrow_mut().take();
        let outcome = outcome.unwrap_or_else(|| Err(Arc::new(Failure::Terminated.into())));
        let report = context.reportable.get() && (broken || !process.is_doomed());
        exit::begin(&process, outcome);
        // What is in an unknown condition is left alone.
        if broken {
            std::mem::forget(context);
        } else {
            if born {
                // SAFETY: no code of the state runs any more.
                unsafe { state::close(&context) };
            }
            context.forget_all_monitored();
            drop(context);
        }
        if report {
            outcome::write_report(&process);
        }
        exit::finish(&process);
    }
}

/// What a step hands through the entry frame.
struct Run<'a> {
    context: &'a Context,
    born: bool,
    turns: usize,
    step: Step,
}

unsafe extern "C-unwind" fn run_body(data: *mut c_void) {
    let run = &mut *data.cast::<Run>();
    let context = run.context;
    let l = context.chain.main();
    if !run.born {
        match protected(l, faces::get().set_up) {
            LUA_OK => {}
            LUA_ERRMEM => return end_as(context, Failure::OutOfMemory.into()),
            _ => {
                let text = to_bytes(l, -1).unwrap_or(b"the process cannot be set up");
                return end_as(context, ErrorData::new(Kind::Internal, text));
            }
        }
    }
    run.step = run_coroutines(l, context, run.turns);
}

unsafe fn run_coroutines(l: *mut lua_State, context: &Context, mut turns: usize) -> Step {
    loop {
        if context.upgrade.borrow().is_some() {
            // What wanted the other code was resumed by a C module, and has ended meanwhile.
            frame::leave(&context.frame);
        }
        if context.process.is_doomed() || context.outcome.borrow().is_some() {
            return Step::Over;
        }
        if turns == 0 {
            return Step::Ready;
        }
        turns -= 1;
        context.sort_mail();
        context.scheduler.borrow_mut().fire_timers();
        let next = context.scheduler.borrow_mut().next_task();
        match next {
            Some(task) => {
                context.interruptible.set(true);
                context.stays.set(false);
                let paused = coroutine::run(l, context, task);
                context.interruptible.set(false);
                context.pause.unhook();
                context.scheduler.borrow_mut().set_current(None);
                context.chain.set_running(l);
                if paused {
                    return Step::Ready;
                }
            }
            #[cfg(feature = "luajit")]
            None if crate::vm::allocator::is_over_limit(l, context) => {
                end_as(context, Failure::OutOfMemory.into());
            }
            None if platform::fork::is_severed() => platform::exit(0),
            None => return Step::Waiting(context.scheduler.borrow_mut().next_deadline()),
        }
    }
}
