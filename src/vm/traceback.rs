//! Where an error happened: the active functions of a coroutine, as text ([`crate::runtime::traceback`]).
//!
//! `luaL_traceback` would do, but it looks through all loaded modules for a better name of every function, which makes an
//! error object cost ten times as much. What of the library is written in Lua shows as one function in C.
//!
//! An error leaves a plain coroutine through the library's own `coroutine.wrap`, which raises it again. So that its stack is
//! not lost, the frames of a coroutine that has failed are kept, and put before those of the coroutine that the error goes on
//! in. What code catches and raises again by itself has the stack of where it did so.
//!
//! LuaJIT forgets the frames above a C function, and the line of the innermost one, when it unwinds a coroutine. There managed
//! coroutines run under `xpcall`, whose handler looks at the stack before that. It calls no handler, and says no position, if the
//! stack overflows in code that it has compiled. But it asks for a larger stack first, so that the allocator looks then.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::api::*;
use super::context::Context;
use super::faces;
use crate::runtime::traceback::{Described, HEADER, put_frame, put_note};
use std::ffi::{CStr, c_char, c_int};

/// As many frames as the VM's own tracebacks show.
const FIRST: c_int = 10;
const LAST: c_int = 11;

/// Frames of coroutines inside each other are kept up to about so many bytes.
const KEPT: usize = 2 << 10;

/// The traceback of `co` from `level` on, 0 being the innermost function; empty if there is nothing but the library's own.
/// Raises nothing, runs no Lua code.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state.
pub unsafe fn of(co: *mut lua_State, level: c_int) -> Vec<u8> {
    let mut text = HEADER.into();
    put_frames(&mut text, co, level, None);
    without_mere_header(text)
}

fn without_mere_header(text: Vec<u8>) -> Vec<u8> {
    if text.len() == HEADER.len() { Vec::new() } else { text }
}

/// The traceback of a managed coroutine that has failed.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state.
pub unsafe fn of_ended(l: *mut lua_State, context: &Context, co: *mut lua_State) -> Vec<u8> {
    let noted = context.traces().take_failed();
    if noted.is_empty() { of_failed(l, context, co, 0) } else { noted }
}

/// Keeps the frames of a plain coroutine that has just failed, with its error on top.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state.
pub unsafe fn keep_failed(l: *mut lua_State, context: &Context, co: *mut lua_State) {
    let text = of_failed(l, context, co, 0);
    context.traces().note_passed(text);
}

/// A plain coroutine could not be resumed: there are no frames to keep.
pub fn keep_none(context: &Context) {
    context.traces().clear_passed();
}

/// The message handler of managed coroutines: notes the stack and leaves the error as it is.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Called by Lua, as a message handler.
#[cfg(feature = "luajit")]
pub unsafe extern "C-unwind" fn note_failure(l: *mut lua_State) -> c_int {
    let context = Context::of_state(l);
    let text = of_failed(l, context, l, 1);
    context.traces().note_failed(text);
    lua_settop(l, 1);
    1
}

/// Bytes of the largest stack that LuaJIT gives to code: 65,500 values and a few. What is larger tells of an overflow.
#[cfg(feature = "luajit")]
pub const LARGEST_STACK: usize = 65536 * 8;

/// In the allocator: a block of this size is about to grow beyond the largest stack. If it is the stack that overflows, its
/// frames are noted.
///
/// # Safety
/// Own state.
#[cfg(feature = "luajit")]
#[cold]
#[inline(never)]
pub unsafe fn note_growth(context: &Context, block: usize, size: usize) {
    /// Words of a `lua_State` that there are in every build, several of which point into its stack.
    const WORDS: usize = 11;
    let co = context.chain().running();
    if context.leaving().is_open()
        && (0..WORDS).any(|word| (block..block + size).contains(&co.cast::<usize>().add(word).read()))
    {
        context.traces().note_overflowed(of(co, 0));
    }
}

/// What an error of a managed coroutine says and where it was, if its stack has overflowed in compiled code.
///
/// # Safety
/// Own state.
#[cfg(feature = "luajit")]
pub unsafe fn of_overflow(context: &Context, text: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    const TEXT: &[u8] = b"stack overflow";
    let stack = context.traces().take_overflowed();
    if text != TEXT || context.traces().has_failed() {
        return None;
    }
    let line =
        stack.strip_prefix(HEADER.as_bytes())?.strip_prefix(b"\n\t")?.split(|&byte| byte == b'\n').next()?;
    let position = line.windows(2).position(|pair| pair == b": ")?;
    Some(([&line[..position + 2], TEXT].concat(), stack))
}

/// As [`of`]; if the error was passed on from an inner coroutine, beginning with the frames of that.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state; `co` is one of its coroutines.
unsafe fn of_failed(l: *mut lua_State, context: &Context, co: *mut lua_State, level: c_int) -> Vec<u8> {
    let mut text = HEADER.into();
    let mut level = level;
    if passes_on(l, co, level) {
        level += 1;
        let inner = context.traces().take_passed();
        if !inner.is_empty() {
            text = inner;
        }
    }
    if text.len() < KEPT {
        // The error may have been taken off already.
        let error = if lua_gettop(co) > 0 { to_bytes(co, -1) } else { None };
        put_frames(&mut text, co, level, error);
    } else if !text.ends_with(b"\n\t...") {
        put_note(&mut text, "...");
    }
    without_mere_header(text)
}

/// Whether the function at `level` is the one that raises the error of an inner coroutine again.
///
/// Stack: 0, room for 1 on both
/// Raises: never
///
/// # Safety
/// Own state; `co` is one of its coroutines.
unsafe fn passes_on(l: *mut lua_State, co: *mut lua_State, level: c_int) -> bool {
    let mut debug = std::mem::zeroed::<lua_Debug>();
    if lua_getstack(co, level, &mut debug) == 0 {
        return false;
    }
    // The stack of a dead `co` may be what has overflowed; Lua 5.4 lets one choose where the function is pushed.
    let place = if cfg!(feature = "lua54") { l } else { co };
    lua_getinfo(place, c"f".as_ptr(), &mut debug);
    let function = lua_tocfunction(place, -1);
    lua_pop(place, 1);
    function.is_some_and(|function| function as usize == faces::get().raiser as usize)
}

/// What the VM tells of the function at a level, `None` behind the last.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state.
unsafe fn look(co: *mut lua_State, level: c_int) -> Option<lua_Debug> {
    const WANTED: &CStr = if cfg!(feature = "lua54") { c"Slnt" } else { c"Sln" };
    let mut debug = std::mem::zeroed::<lua_Debug>();
    let found = lua_getstack(co, level, &mut debug) != 0;
    found.then(|| {
        lua_getinfo(co, WANTED.as_ptr(), &mut debug);
        debug
    })
}

/// The level behind the last one from `level` on that is worth showing: neither what runs the entry or a managed coroutine, nor
/// what the interpreter begins with.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state.
unsafe fn end_of(co: *mut lua_State, level: c_int) -> c_int {
    let exists = |level| lua_getstack(co, level, &mut std::mem::zeroed()) != 0;
    let (mut low, mut high) = (level, level + 1);
    while exists(high) {
        low = high;
        high *= 2;
    }
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if exists(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    let (mut end, mut own) = (high, false);
    while end > level {
        match look(co, end - 1) {
            Some(debug) if is_own(&debug) => own = true,
            // What the library has called there, or a function that nobody has called by a name.
            Some(debug) if is_in_c(&debug) && (own || (*debug.namewhat == 0 && end > level + 1)) => {}
            Some(_) => break,
            None => {}
        }
        end -= 1;
    }
    end
}

/// Appends the frames from `level` on. `error` is the text of the error, for the line of the innermost.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state.
unsafe fn put_frames(text: &mut Vec<u8>, co: *mut lua_State, level: c_int, error: Option<&[u8]>) {
    let end = end_of(co, level);
    let skipped = end - level - FIRST - LAST;
    // A function of the library's own, to be shown as one in C; and where the functions in C begin that it may have called.
    let mut own = None;
    let mut in_c = None;
    let mut at = level;
    while at < end {
        if skipped > 0 && at == level + FIRST {
            put_note(text, &format!("...\t(skipping {skipped} levels)"));
            at += skipped;
            in_c = None;
        }
        let Some(debug) = look(co, at) else { break };
        at += 1;
        if is_own(&debug) {
            if let Some(begin) = in_c.take() {
                text.truncate(begin);
            }
            own = Some(debug);
            continue;
        }
        if let Some(own) = own.take() {
            put_frame(text, b"[C]", None, &described(&own));
        }
        in_c = if is_in_c(&debug) { in_c.or(Some(text.len())) } else { None };
        let source = bytes(debug.short_src.as_ptr());
        let mut line = (debug.currentline > 0).then_some(i64::from(debug.currentline));
        if line.is_none() && at == level + 1 && !is_in_c(&debug) {
            line = error.and_then(|error| line_in(error, source));
        }
        put_frame(text, source, line, &described(&debug));
        // The outermost function is one that the library has called so, or else it does not matter.
        #[cfg(feature = "lua54")]
        if debug.istailcall != 0 && at < end {
            put_note(text, "(...tail calls...)");
        }
    }
}

/// The line in `SOURCE:LINE: ...`, as the VM writes it before an error that a function of this source has made.
fn line_in(error: &[u8], source: &[u8]) -> Option<i64> {
    let rest = error.strip_prefix(source)?.strip_prefix(b":")?;
    let line = rest.split(|&byte| byte == b':').next()?;
    std::str::from_utf8(line).ok()?.parse().ok()
}

/// Whether it is a part of the library that is written in Lua.
///
/// # Safety
/// The VM has filled it.
unsafe fn is_own(debug: &lua_Debug) -> bool {
    bytes(debug.source) == super::lua_parts::CHUNK.to_bytes()
}

/// Whether it is a C function.
///
/// # Safety
/// The VM has filled it.
unsafe fn is_in_c(debug: &lua_Debug) -> bool {
    *debug.what == b'C' as c_char
}

/// What a traceback says of the function.
///
/// # Safety
/// The VM has filled it.
unsafe fn described(debug: &lua_Debug) -> Described<'_> {
    let what = bytes(debug.what);
    match bytes(debug.namewhat) {
        _ if what == b"main" && !is_own(debug) => Described::MainChunk,
        b"" if what == b"Lua" && !is_own(debug) => Described::Defined(i64::from(debug.linedefined)),
        b"" => Described::Unknown,
        b"global" => Described::Named("function", bytes(debug.name)),
        what => Described::Named(std::str::from_utf8(what).unwrap_or("function"), bytes(debug.name)),
    }
}

/// The text without its end.
///
/// # Safety
/// The text ends in zero, or there is none.
unsafe fn bytes<'a>(text: *const c_char) -> &'a [u8] {
    // SAFETY: the VM gives a string that ends in zero, or null where it has nothing to tell.
    if text.is_null() { b"" } else { CStr::from_ptr(text).to_bytes() }
}

#[cfg(test)]
mod tests;
