//! A process that has nothing to do: it tells what others can see of it, gives back what it does not need meanwhile, and sleeps.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use crate::codec::encode::Encoder;
use crate::platform::magazines;
use crate::runtime::tracing;
use crate::runtime::vitals::Phase;
use crate::vm::api::*;
use crate::vm::context::Context;
use std::time::Instant;

/// Sleeps until something comes into the mailbox, somebody ends the process, or `deadline`; a main process also until a
/// signal handler of the interpreter has run, or at once if `signalled`.
pub fn sleep(context: &Context, deadline: Option<Instant>, signalled: impl Fn() -> bool) {
    let process = context.process();
    // SAFETY: the calling thread runs the state, and none of its code.
    unsafe { tell(context) };
    tracing::run_ends(process);
    process.vitals.set_phase(Phase::Asleep);
    let arrived = || process.mailbox.has_mail() || process.mailbox.is_closed();
    let sleep = || {
        if process.mailbox.stay_parked() {
            context.memory().sleep();
            magazines::rest();
            Encoder::rest();
            process.sleeper.sleep(deadline, signalled);
            if !context.guest().is_watched() {
                process.mailbox.unpark();
            }
            context.memory().wake();
        }
    };
    match process.sleeper.may_look_out() {
        true => context.spin().wait(deadline, arrived, sleep),
        false => sleep(),
    }
    process.vitals.set_phase(Phase::Running);
    tracing::run_begins(process);
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
