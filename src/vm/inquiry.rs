//! Where a process is, as text for whoever has asked (I-3), at no cost while nobody asks.
//!
//! A process that waits is woken and answers between two resumes. One that computes gets the library's OS signal, again and again
//! ([`crate::runtime::reaper`]), and the handler sets a count hook on the running coroutine, unless there is one. The hook writes the
//! text and takes itself away. No code of the process runs for it, and nothing in the state changes.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::api::*;
use super::context::Context;
use super::traceback;
use crate::platform::reserve;
use crate::runtime::traceback::HEADER;
use std::sync::Arc;

/// Texts get no longer than about this.
const LONGEST: usize = 1 << 20;

/// Answers what the process was asked, if it was.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state, on its thread. No borrow.
#[inline(always)]
pub unsafe fn answer_if_asked(context: &Context) {
    if context.process().is_asked() {
        answer(context);
    }
}

/// Answers what the process was asked.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state, on its thread. No borrow.
#[cold]
#[inline(never)]
unsafe fn answer(context: &Context) {
    // Without memory a question stays without an answer: whoever asks waits no longer than it wanted to.
    if !reserve::has_room_for(4 * LONGEST) {
        return;
    }
    let questions = context.process().take_questions();
    let text: Arc<[u8]> = text(context).into();
    for question in questions {
        question.answer(&text);
    }
}

/// Where the process is: `main`, then each other managed coroutine, with its stack.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state, on its thread. No borrow.
pub unsafe fn text(context: &Context) -> Vec<u8> {
    let mut coroutines = context.all_coroutines();
    // Plain coroutines that run, or have resumed what runs, belong to the managed one that they were resumed in.
    let mut resumed: Vec<*mut lua_State> = Vec::new();
    context.chain().has_resumed(|co| {
        resumed.push(co);
        false
    });
    coroutines.sort_by_key(|(task, _)| !context.ending().is_main(*task));
    let mut text = Vec::new();
    if context.process().is_main() {
        put(&mut text, "main", &[context.chain().main()]);
    }
    for (number, (_, co)) in coroutines.iter().enumerate() {
        if text.len() > LONGEST {
            text.extend_from_slice(format!("\n... {} more coroutines", coroutines.len() - number).as_bytes());
            break;
        }
        let others = |other: &&*mut lua_State| coroutines.iter().all(|(_, managed)| managed != *other);
        let mut stacks: Vec<_> = match resumed.iter().position(|other| other == co) {
            Some(place) => resumed[..place].iter().rev().take_while(others).copied().collect(),
            None => Vec::new(),
        };
        stacks.reverse();
        stacks.push(*co);
        match number {
            0 if !context.process().is_main() => put(&mut text, "main", &stacks),
            _ => put(
                &mut text,
                &format!("coroutine {}", number + usize::from(context.process().is_main())),
                &stacks,
            ),
        }
    }
    text
}

/// Appends a coroutine with its stack, which is that of several coroutines if they have resumed each other, the innermost first.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state; all are coroutines of it.
unsafe fn put(text: &mut Vec<u8>, name: &str, stacks: &[*mut lua_State]) {
    if !text.is_empty() {
        text.push(b'\n');
    }
    text.extend_from_slice(name.as_bytes());
    text.push(b'\n');
    text.extend_from_slice(HEADER.as_bytes());
    let before = text.len();
    for &co in stacks {
        text.extend_from_slice(traceback::of(co, 0).strip_prefix(HEADER.as_bytes()).unwrap_or_default());
    }
    if text.len() == before {
        text.extend_from_slice(b"\n\t(not started)");
    }
}

/// In the signal handler, while code of the process runs: sets the hook.
///
/// # Safety
/// In the signal handler, on the thread that runs the state of `context`.
pub unsafe fn ask(context: &Context) {
    let l = hooked_by(context, context.chain().running());
    // On Lua 5.4 nothing runs in the main thread of a spawned state: the loop around it answers.
    let between = cfg!(feature = "lua54") && l == context.chain().main();
    // SAFETY: the coroutine that the handler has interrupted; hooks may be set in a handler.
    if !between && lua_gethook(l).is_none() {
        context.pause().hook(l, Some(tell));
    }
}

/// The hook. A coroutine inherits the hook of the one that has made it; there it only goes away.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Called by Lua, as a hook.
unsafe extern "C-unwind" fn tell(l: *mut lua_State, _: *mut lua_Debug) {
    lua_sethook(l, None, 0, 0);
    let Some(context) = Context::find(l) else { return };
    if context.pause().is_hooked(hooked_by(context, l)) {
        context.pause().hook_ran();
    }
    if context.leaving().is_open() {
        answer_if_asked(context);
    }
}

/// Where a hook for the coroutine `l` is set.
fn hooked_by(context: &Context, l: *mut lua_State) -> *mut lua_State {
    if cfg!(feature = "luajit") { context.chain().main() } else { l }
}
