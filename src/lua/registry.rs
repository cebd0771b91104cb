//! `process.registry` (P-70 to P-77).

use super::arguments::{optional_string, string, wrong_type};
use super::guarded::or_failure;
use super::permissions::allowed_on;
use super::spawn::push_pid;
use crate::runtime::failure::{Failure, shown};
use crate::runtime::pid::looks_like_pid;
use crate::runtime::{directory, registry};
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::error::{return_done, return_failure};
use crate::vm::fields::{self, Field};
use std::ffi::{CStr, c_int};
use std::sync::Arc;

static FIELDS: fields::Fields = fields::Fields(&[
    &[
        (c"register", Field::Function(or_failure!(register))),
        (c"lookup", Field::Function(or_failure!(lookup))),
        (c"unregister", Field::Function(or_failure!(unregister))),
    ],
    NUMBERS,
]);

const NUMBERS: &[(&CStr, Field)] = &{
    let mut fields = [const { (c"", Field::Whole(0)) }; SCOPES.len()];
    let mut next = 0;
    while next < fields.len() {
        fields[next] = (SCOPES[next].0, Field::Whole(next as i64));
        next += 1;
    }
    fields
};

/// The C functions of the module.
pub fn functions() -> impl Iterator<Item = (&'static CStr, Function)> {
    FIELDS.functions()
}

/// The scopes, by number; only the first is to be had in a program of one node.
const SCOPES: [(&CStr, &str); 4] =
    [(c"LOCAL", "LOCAL"), (c"EVENTUAL", "EVENTUAL"), (c"CONSISTENT", "CONSISTENT"), (c"STRONG", "STRONG")];

/// Pushes the table.
///
/// Stack: +1, room for 6
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn push_module(l: *mut lua_State) {
    fields::push_filled(l, &FIELDS, 0);
}

/// Raises unless the scope is a number or nil; an error unless it is LOCAL.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state.
unsafe fn check_scope(l: *mut lua_State, index: c_int, name: &str) -> Result<(), Failure> {
    if lua_type(l, index) <= LUA_TNIL {
        return Ok(());
    }
    if lua_type(l, index) != LUA_TNUMBER {
        wrong_type(l, index, index, name, "number");
    }
    match to_whole(l, index).and_then(|number| SCOPES.get(usize::try_from(number).ok()?)) {
        Some((_, "LOCAL")) => Ok(()),
        Some((_, scope)) => Err(Failure::ScopeNotAvailable(scope)),
        None => Err(Failure::UnknownScope(shown(&super::arguments::shown_value(l, index)))),
    }
}

/// `process.registry.register(name [, pid [, scope]])` (P-71 to P-73).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn register(l: *mut lua_State) -> c_int {
    let name = string(l, 1, "register");
    let pid = optional_string(l, 2, "register");
    let scope = check_scope(l, 3, "register");
    let context = Context::with_memory(l);
    let result = scope.and_then(|()| {
        if context.process().realm.is_closing() {
            return Err(Failure::CannotStart("the program is ending".into()));
        }
        let process = match pid {
            None => Arc::clone(context.process()),
            Some(pid) if !looks_like_pid(pid) => return Err(Failure::InvalidPid(pid.to_vec())),
            Some(pid) => directory::find(pid).ok_or_else(|| Failure::ProcessNotFound(pid.to_vec()))?,
        };
        allowed_on(context, &process, "register")?;
        registry::register(name, &process)
    });
    crate::vm::raise::raise_no_memory(l, &result);
    return_done(l, result)
}

/// `process.registry.lookup(name)` (P-74).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn lookup(l: *mut lua_State) -> c_int {
    let name = string(l, 1, "lookup");
    match registry::find(name) {
        Some(process) => {
            push_pid(l, &process);
            1
        }
        None => return_failure(l, Failure::NameNotRegistered(name.to_vec())),
    }
}

/// `process.registry.unregister(name [, scope])` (P-75).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn unregister(l: *mut lua_State) -> c_int {
    let name = string(l, 1, "unregister");
    if let Err(failure) = check_scope(l, 2, "unregister") {
        return return_failure(l, failure);
    }
    let context = Context::of(l);
    match registry::unregister(name, |owner| allowed_on(context, owner, "unregister")) {
        Ok(taken) => lua_pushboolean(l, c_int::from(taken)),
        Err(failure) => return return_failure(l, failure),
    }
    1
}
