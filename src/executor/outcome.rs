//! What the end of a coroutine means for its process: a result, a failure with its traceback.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::description;
use crate::codec::sequence::Origin;
use crate::platform::reserve;
use crate::runtime::error::{ErrorData, Kind};
use crate::runtime::failure::Failure;
use crate::scheduling::TaskId;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::error::ErrorObject;
use crate::vm::raise::copyable;
use crate::vm::state;
use crate::vm::traceback;
use std::borrow::Cow;
use std::ffi::c_int;
use std::sync::Arc;

/// A managed coroutine has ended; `co` holds its results or its error.
///
/// Stack: 0, room for 2
/// Raises: never in a spawned process, memory in a main process
///
/// # Safety
/// Own state.
pub unsafe fn task_ended(
    from: *mut lua_State,
    context: &Context,
    task: TaskId,
    co: *mut lua_State,
    status: c_int,
) {
    #[cfg(feature = "luajit")]
    let status = if status == LUA_OK { super::xpcall::status_inside(from, context, co) } else { status };
    let main = context.ending().is_main(task);
    if status == LUA_OK {
        if main {
            context.ending().set_coroutine(co, status);
            if protected(from, take_result) != LUA_OK {
                lua_pop(from, 1);
                end_as(context, Failure::OutOfMemory.into());
            }
        }
        return;
    }
    if context.process().is_main() {
        lua_xmove(co, from, 1);
        let reference = luaL_ref(from, LUA_REGISTRYINDEX);
        context.waits().push_error(reference);
        return;
    }
    end_with_error(from, context, co, status);
}

/// The process ends with the error on top of `co`.
///
/// Stack: 0, room for 2
/// Raises: never
///
/// # Safety
/// Own state; the error is on top of `co`.
unsafe fn end_with_error(l: *mut lua_State, context: &Context, co: *mut lua_State, status: c_int) {
    context.ending().set_coroutine(co, status);
    // What the process used up must not keep it from telling why.
    context.budget().raise_limit(state::FOR_THE_END);
    if protected(l, take_error) != LUA_OK {
        lua_pop(l, 1);
        end_as(context, Failure::OutOfMemory.into());
    }
}

/// The process has failed like this.
pub fn end_as(context: &Context, error: ErrorData) {
    context.ending().set(Err(Arc::new(error)), true);
}

/// What the values that `main` returned mean; called by Lua, may raise.
///
/// Stack: 0
/// Raises: memory
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn take_result(l: *mut lua_State) -> c_int {
    let context = Context::of_state(l);
    let (co, _) = context.ending().coroutine();
    let count = lua_gettop(co);
    if count == 0 {
        lua_pushnil(co);
    }
    let outcome = match of_values(l, context, co, 1, Origin::Result) {
        Ok(Values::Encoded(bytes)) => {
            reserve::owned(bytes).ok_or_else(|| Arc::new(Failure::OutOfMemory.into()))
        }
        Ok(Values::Refused(error)) => Err(error),
        Err(failure) => return refuse_result(context, failure),
    };
    context.ending().set(outcome, false);
    0
}

/// What values mean that a function returned (L-11): its result, or why it failed.
pub enum Values<'a> {
    /// The first value, encoded.
    Encoded(Cow<'a, [u8]>),
    /// The error behind `nil` or `false`.
    Refused(Arc<ErrorData>),
}

/// Reads the values of `co` from `first` on, at least one. Raises in `l`.
///
/// # Errors
/// The result cannot cross.
///
/// Stack: 0
/// Raises: memory
///
/// # Safety
/// Own state; `co` is a coroutine of it, or `l` itself. Nothing to drop.
pub unsafe fn of_values<'a>(
    l: *mut lua_State,
    context: &'a Context,
    co: *mut lua_State,
    first: c_int,
    origin: Origin,
) -> Result<Values<'a>, Failure> {
    if lua_gettop(co) > first && lua_toboolean(co, first) == 0 {
        if let Some(message) = to_bytes(co, first + 1) {
            return Ok(Values::Refused(Arc::new(ErrorData::new(Kind::Internal, copyable(l, message)))));
        }
        if let Some(error) = crate::vm::object::get::<ErrorObject>(co, first + 1) {
            return Ok(Values::Refused(Arc::clone(&error.0)));
        }
    }
    context.encoder().encode(co, first, 1, origin).map(Values::Encoded)
}

/// The result of `main` cannot cross: the code has failed.
fn refuse_result(context: &Context, failure: Failure) -> c_int {
    end_as(context, failure.into());
    0
}

/// What the error that left a coroutine means; called by Lua, may raise.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn take_error(l: *mut lua_State) -> c_int {
    let context = Context::of_state(l);
    let (co, status) = context.ending().coroutine();
    if status == LUA_ERRMEM {
        let overflow = is_deep(co);
        let failure = if overflow { Failure::StackOverflow } else { Failure::OutOfMemory };
        let mut error = ErrorData::from(failure);
        if overflow {
            error.set_stack(&context.process().pid, traceback::of_ended(l, context, co));
        }
        end_as(context, error);
        return 0;
    }
    // The value goes over to `l`, where it stays until the error is made. Nothing is pushed on `co`: its stack may be what has
    // overflowed.
    if lua_gettop(co) == 0 {
        lua_pushnil(l);
    } else {
        lua_xmove(co, l, 1);
    }
    let mut error = match crate::vm::object::get::<ErrorObject>(l, -1) {
        Some(error) => crate::vm::error::copied(l, error),
        None => error_of_value(l, context),
    };
    #[cfg(feature = "luajit")]
    if let Some((text, stack)) = traceback::of_overflow(context, &error.message) {
        error.message = text;
        error.set_stack(&context.process().pid, stack);
    }
    // An error object has the stack of where it was made; those that the library makes have none.
    if error.stack.is_empty() {
        error.set_stack(&context.process().pid, traceback::of_ended(l, context, co));
    }
    end_as(context, error);
    0
}

/// What a value that is no error object means as an error: its text, and itself if it is not just a text. The value is on top.
///
/// Stack: +1 or 0, room for 4
/// Raises: memory
///
/// # Safety
/// Own state; the value is on top.
unsafe fn error_of_value(l: *mut lua_State, context: &Context) -> ErrorData {
    if let Some(text) = to_bytes(l, -1) {
        return ErrorData::new(Kind::Internal, copyable(l, text));
    }
    description::push(l, -1);
    let details = crate::codec::sequence::encode_value_detail(context, l, -2);
    let mut error = ErrorData::new(Kind::Internal, copyable(l, to_bytes(l, -1).unwrap_or_default()));
    error.details = details;
    error
}

/// Whether an endless recursion is why a coroutine has no memory left: its stack is far deeper than that of code that is meant.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state; the coroutine has failed.
unsafe fn is_deep(co: *mut lua_State) -> bool {
    const DEEP: c_int = 10_000;
    let mut frame = std::mem::zeroed();
    cfg!(feature = "lua54") && lua_getstack(co, DEEP, &mut frame) != 0
}

/// What a panic says.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".into())
}
