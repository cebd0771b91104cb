//! Seeing what runs: `process.list`, `process.info`, `process.stats` (I-1, I-2, I-4, I-7).

use super::arguments::{optional_string, string};
use super::permissions::allowed;
use crate::codec::decode;
use crate::executor::sleep;
use crate::runtime::envelope::Envelope;
use crate::runtime::failure::Failure;
use crate::runtime::inspect;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::destinations;
use crate::vm::error::return_failure;
use crate::vm::raise::raise_failure;
use crate::wire::plain::{self, Plain};
use std::ffi::c_int;
use std::sync::Arc;

/// Returns the value, or `nil` and the failure. The context owns what is decoded, since that may raise.
///
/// Stack: +1 or +2, n the result
/// Raises: memory
///
/// # Safety
/// Own state; the result is returned to Lua.
pub(super) unsafe fn return_plain(
    l: *mut lua_State,
    context: &Context,
    result: Result<Plain, Failure>,
) -> c_int {
    let encoded = match result.map(|value| plain::encode(&value)) {
        Ok(encoded) => encoded,
        Err(failure) => return return_failure(l, failure),
    };
    let Ok(envelope) = Envelope::message("", b"", encoded) else {
        raise_failure(l, 1, Failure::OutOfMemory);
    };
    let place = context.keep_own(envelope);
    if let Some(bytes) = context.kept_payload(place) {
        decode::push(l, bytes);
    }
    context.take_kept(place);
    1
}

/// `process.list([host])` (I-1).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn list(l: *mut lua_State) -> c_int {
    let host = optional_string(l, 1, "list");
    let context = Context::with_memory(l);
    let listed = allowed(context, "list").and_then(|()| inspect::list(host));
    return_plain(l, context, listed)
}

/// `process.info(dest)` (I-2).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn info(l: *mut lua_State) -> c_int {
    if lua_gettop(l) < 1 {
        let missing = "destination is";
        return return_failure(l, Failure::MissingArguments { function: "info", missing });
    }
    let destination = string(l, 1, "info");
    let context = Context::with_memory(l);
    let own = *destination == *context.process().pid.as_bytes();
    let known = if own { Ok(()) } else { allowed(context, "info") }
        .and_then(|()| destinations::resolve(destination))
        .and_then(|process| {
            if Arc::ptr_eq(&process, context.process()) {
                sleep::tell(context);
            }
            inspect::info(&process)
                .map(Plain::Record)
                .ok_or_else(|| Failure::ProcessNotFound(process.pid.as_bytes().to_vec()))
        });
    return_plain(l, context, known)
}

/// `process.stats()` (I-4).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn stats(l: *mut lua_State) -> c_int {
    let context = Context::with_memory(l);
    let counted = allowed(context, "stats").map(|()| {
        sleep::tell(context);
        inspect::stats()
    });
    return_plain(l, context, counted)
}
