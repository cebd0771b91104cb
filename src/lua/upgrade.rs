//! `process.upgrade` (P-56, P-57): other code for the same process.

use super::arguments::string;
use super::permissions::allowed_to_run;
use super::preload;
use crate::codec::again;
use crate::codec::sequence::Origin;
use crate::executor::code;
use crate::platform::reserve;
use crate::runtime::entry;
use crate::runtime::failure::Failure;
use crate::runtime::needs::Needs;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::error::return_failure;
use crate::vm::raise::raise_no_memory;
use crate::vm::startup::Startup;
use crate::vm::startup::{Code, Started};
use crate::vm::{headroom, interrupt};
use std::ffi::c_int;
use std::sync::Arc;

/// `process.upgrade(entry | nil, ...)`: does not return, unless the new code cannot be had.
///
/// Stack: +2, or never returns
/// Raises: any, or leaves by a jump
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn upgrade(l: *mut lua_State) -> c_int {
    let reference = match lua_type(l, 1) {
        LUA_TNONE | LUA_TNIL => None,
        _ => Some(string(l, 1, "upgrade")),
    };
    luaL_checkstack(l, 12, std::ptr::null());
    let context = Context::with_memory(l);
    if context.process().is_main() {
        return return_failure(l, Failure::MainProcess);
    }
    if context.is_closing() || context.runs_finalizer(l) {
        crate::vm::raise::raise_failure(l, 1, Failure::WaitInFinalizer);
    }
    let result = headroom::unlimited(l, || prepare(l, context, reference));
    raise_no_memory(l, &result);
    match result {
        Ok((entry, startup)) => {
            context.process().set_entry(&entry);
            context.start().upgrade_to(startup);
            drop(entry);
            // SAFETY: code of a spawned process that is not being closed runs inside a step.
            interrupt::leave(l, context)
        }
        Err(failure) => return_failure(l, failure),
    }
}

/// Everything that can be wrong before the process begins anew.
///
/// Stack: 0, room for 12
/// Raises: any: the kept function is decoded
///
/// # Safety
/// Own state. Runs under `headroom::unlimited`.
unsafe fn prepare(
    l: *mut lua_State,
    context: &Context,
    reference: Option<&[u8]>,
) -> Result<(String, Startup), Failure> {
    // Its own function starts again as one that comes with its arguments.
    let own = reference.is_none() && again::push(l, context);
    if own {
        if lua_gettop(l) == 1 {
            lua_pushvalue(l, 1);
        }
        lua_replace(l, 1);
    }
    let entry = match reference {
        Some(reference) => entry::checked(reference)?.to_owned(),
        None => context.process().entry().to_string(),
    };
    let defined = match (reference, context.start().function()) {
        (None, Some(Started::Defined(function))) => Some(Arc::clone(function)),
        _ => None,
    };
    let code = match defined {
        _ if own => Code::of_first_argument(),
        Some(function) => Code::of_defined_function(function),
        None => {
            allowed_to_run(context, Some(&entry), &context.process().host.name, "upgrade")?;
            code::find(l, &entry, context.process().host.settings.restricted)?
        }
    };
    let first = if own { 1 } else { 2 };
    let count = (lua_gettop(l) - first + 1).max(0);
    let origin = if own { Origin::OwnEntry } else { Origin::Argument(first) };
    let arguments = context.encoder().encode(l, first, count, origin)?;
    let arguments = reserve::owned(arguments).ok_or(Failure::OutOfMemory)?;
    let host = &context.process().host;
    if !host.taker.takes(Needs::of(&arguments)) {
        return Err(context.encoder().refusal_by(l, first, count, origin, host.taker.clone()));
    }
    if !host.settings.libraries.contain(code.needs()) {
        return Err(Failure::CannotSend { what: "function", place: "argument 1".into() });
    }
    let (path, cpath) = (code::package_field(l, c"path"), code::package_field(l, c"cpath"));
    let preload = preload::collect(l, &host.settings.preload);
    Ok((entry, Startup { code, path, cpath, preload, arguments }))
}
