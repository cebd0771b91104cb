//! Whether code that LuaJIT has compiled, interrupted by a signal, may be left by a jump: for the signal handler.
//!
//! Compiled code runs right above the frame of its coroutine on the C stack (`lua_State.cframe`), with nothing in between but
//! its own variables. If that is the frame of a coroutine that the library has resumed, no C module has resumed anything since.
//! Where in a `lua_State` the frame is noted differs from build to build: it is the only word that points into the C stack, and
//! found by that once for the program.

use super::api::*;
use super::collector::collector_runs;
use super::context::Context;
use crate::platform::generated_code;
use crate::platform::os_signal::Interrupted;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a signal has interrupted.
pub enum Code {
    /// Compiled code that may be left.
    Own,
    /// Compiled code that may be that of a finalizer, or of a coroutine that a C module has resumed.
    OfOthers,
    /// Anything else.
    NotCompiled,
}

/// The place of the frame in a `lua_State`, in bytes; 0 if it is not known.
static PLACE: AtomicUsize = AtomicUsize::new(0);

/// Words of a `lua_State` that there are in every build.
const WORDS: usize = 11;

/// The lowest two bits of the noted frame are flags.
const FLAGS: usize = 3;

/// Variables of compiled code take no more of the C stack, in bytes.
const VARIABLES: usize = 2 << 10;

/// What takes no more than this has no other frame in it, the smallest being larger.
const NO_FRAME: usize = 64;

/// Finds the place of the frame. `l` runs, in a protected call that the caller's caller has made.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state.
pub unsafe fn learn(l: *mut lua_State) {
    const NEAR: usize = 16 << 10;
    if PLACE.load(Ordering::Relaxed) != 0 {
        return;
    }
    let mark = 0u8;
    let here = &raw const mark as usize;
    // SAFETY: a `lua_State` has so many words.
    let word_at = |word| unsafe { l.cast::<usize>().add(word).read() };
    let mut found = (0..WORDS).filter(|&word| (here..here + NEAR).contains(&word_at(word)));
    if let (Some(word), None) = (found.next(), found.next()) {
        PLACE.store(word * size_of::<usize>(), Ordering::Relaxed);
    }
}

/// In the signal handler: what the signal has interrupted.
///
/// # Safety
/// In the signal handler, on the thread that runs the state of `context`.
pub unsafe fn look(context: &Context, interrupted: Interrupted) -> Code {
    if !generated_code::contains(interrupted.instruction) {
        return Code::NotCompiled;
    }
    // The collector stands still while a finalizer runs.
    // SAFETY: own state; only reads.
    let runs = unsafe { collector_runs(context.chain().main()) };
    let in_finalizer = runs == 0 && !context.is_collector_stopped();
    let own = !in_finalizer
        && context.chain().has_no_strangers()
        // SAFETY: coroutines in the chain are alive.
        && context.chain().has_resumed(|co| unsafe { is_frame_of(co, interrupted.stack) });
    if own { Code::Own } else { Code::OfOthers }
}

/// Whether compiled code with this stack pointer is that of the coroutine.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// `co` is alive. In the signal handler of its thread, or on its thread.
unsafe fn is_frame_of(co: *mut lua_State, stack: usize) -> bool {
    let place = PLACE.load(Ordering::Relaxed);
    if place == 0 {
        return false;
    }
    // SAFETY: `learn` has found the place inside a `lua_State`.
    let frame = unsafe { co.cast::<u8>().add(place).cast::<usize>().read() } & !FLAGS;
    (stack..stack + VARIABLES).contains(&frame)
        // SAFETY: the words between are those of the running C stack.
        && (frame - stack <= NO_FRAME || !unsafe { generated_code::stack_returns_to_file(stack, frame) })
}
