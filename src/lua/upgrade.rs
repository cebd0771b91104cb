//! `process.upgrade` (P-56, P-57): other code for the same process.

use super::arguments::string;
use super::error::return_failure;
use super::messages::raise_no_memory;
use super::restricted::allowed_to_run;
use crate::codec::Needs;
use crate::codec::encode::Origin;
use crate::runtime::entry;
use crate::platform::reserve;
use crate::runtime::failure::Failure;
use crate::vm::api::*;
use crate::vm::birth::Startup;
use crate::vm::chunk::{self, Code};
use crate::vm::context::Context;
use crate::vm::{room, wait};
use std::ffi::c_int;

/// `process.upgrade(entry | nil, ...)`: does not return, unless the new code cannot be had.
pub unsafe extern "C-unwind" fn upgrade(l: *mut lua_State) -> c_int {
    let reference = match lua_type(l, 1) {
        LUA_TNONE | LUA_TNIL => None,
        _ => Some(string(l, 1, "upgrade")),
    };
    luaL_checkstack(l, 12, std::ptr::null());
    let context = Context::with_memory(l);
    if context.process.is_main() {
        return return_failure(l, Failure::MainProcess);
    }
    if context.closing.get() || wait::runs_finalizer(l, context) {
        super::error::raise_failure(l, 1, Failure::WaitInFinalizer);
    }
    let result = room::unlimited(l, || prepare(l, context, reference));
    raise_no_memory(l, &result);
    match result {
        Ok((entry, startup)) => {
            context.process.set_entry(&entry);
            *context.upgrade.borrow_mut() = Some(startup);
            drop(entry);
            wait::leave_for_upgrade(context)
        }
        Err(failure) => return_failure(l, failure),
    }
}

unsafe fn prepare(
    l: *mut lua_State,
    context: &Context,
    reference: Option<&[u8]>,
) -> Result<(String, Startup), Failure> {
    let entry = match reference {
        Some(reference) => entry::checked(reference)?.to_owned(),
        None => context.process.entry().to_string(),
    };
    let code = match (reference, context.own_function.borrow().clone()) {
        (None, Some(function)) => Code::of_own_function(function),
        _ => {
            allowed_to_run(context, Some(&entry), &context.process.host.name, "upgrade")?;
            chunk::find(l, &entry, context.process.host.settings.restricted)?
        }
    };
    let count = (lua_gettop(l) - 1).max(0);
    let arguments = context.encoder().encode(l, 2, count, Origin::Argument(2))?;
    let arguments = reserve::owned(arguments).ok_or(Failure::OutOfMemory)?;
    let host = &context.process.host;
    if !host.takes(Needs::of(&arguments)) {
        return Err(context.encoder().refusal_by(l, 2, count, Origin::Argument(2), host));
    }
    if !host.settings.libraries.contain(code.needs()) {
        return Err(Failure::CannotSend { what: "function", place: "argument 1".into() });
    }
    let (path, cpath) = (chunk::package_field(l, c"path"), chunk::package_field(l, c"cpath"));
    Ok((entry, Startup { code, path, cpath, arguments }))
}
