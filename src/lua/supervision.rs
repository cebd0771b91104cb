//! `process.supervision`: what the modules that are written in Lua need of the library and the public functions do not give. It is
//! no part of the API. Nothing here lets a process do what it may not do otherwise.

use super::arguments::string;
use super::guarded::or_failure;
use crate::executor::{code, description};
use crate::runtime::failure::shown;
use crate::runtime::host;
use crate::runtime::near::suggestion;
use crate::runtime::pid::{host_of, resolve};
use crate::runtime::report;
use crate::runtime::signal::Report;
use crate::vm::api::*;
use crate::vm::api::{Functions, set_functions};
use crate::vm::context::Context;
use crate::vm::error::ErrorObject;
use crate::vm::headroom;
use crate::vm::object;
use std::ffi::c_int;
use std::sync::Arc;

/// The name under which `require` knows it.
pub const NAME: &str = "process.supervision";

const FUNCTIONS: Functions = &[
    (c"supervise", or_failure!(supervise)),
    (c"supervisor", or_failure!(supervisor)),
    (c"watches", or_failure!(watches)),
    (c"foreign_host", or_failure!(foreign_host)),
    (c"shown", show),
    (c"near", near),
    (c"described", described),
    (c"report", or_failure!(report)),
];

/// Pushes the module's table.
///
/// Stack: +1, room for 3
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn push_module(l: *mut lua_State) {
    lua_createtable(l, 0, FUNCTIONS.len() as c_int);
    set_functions(l, FUNCTIONS);
}

/// `described(value)`: the text of an error that is this value (W-8).
///
/// Stack: +1
/// Raises: memory
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn described(l: *mut lua_State) -> c_int {
    lua_settop(l, 1);
    description::push(l, 1);
    1
}

/// `near(name, known)`: the end of an error text about an unknown name, which says what known name is near (W-8).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua; `known` is an array of strings.
unsafe extern "C-unwind" fn near(l: *mut lua_State) -> c_int {
    let count = lua_rawlen(l, 2) as lua_Integer;
    let mut known = Vec::new();
    for position in 1..=count {
        lua_rawgeti(l, 2, position);
        known.push(String::from_utf8_lossy(to_bytes(l, -1).unwrap_or_default()).into_owned());
        lua_pop(l, 1);
    }
    let text = suggestion(to_bytes(l, 1).unwrap_or_default(), known.iter().map(String::as_str));
    drop(known);
    headroom::push_owned(l, text.into_bytes());
    1
}

/// `supervise(on)`: the calling process looks after its children, also when the program ends (S-11), or does so no longer.
///
/// Stack: +0
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn supervise(l: *mut lua_State) -> c_int {
    let on = lua_toboolean(l, 1) != 0;
    Context::of(l).process().with_relations(|relations| relations.supervises = on);
    0
}

/// `supervisor()`: the PID of the supervisor that has spawned the calling process, nil if there is none.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn supervisor(l: *mut lua_State) -> c_int {
    match Context::of(l).process().parent.upgrade().filter(|parent| parent.is_supervisor()) {
        Some(parent) => super::spawn::push_pid(l, &parent),
        None => lua_pushnil(l),
    }
    1
}

/// `watches(pid)`: whether the calling process monitors this one and has not had its EXIT.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn watches(l: *mut lua_State) -> c_int {
    let pid = string(l, 1, "watches");
    let find =
        |id| Context::of(l).process().with_relations(|relations| relations.monitored.get(&id).cloned());
    let watches = resolve(pid, find).is_some();
    lua_pushboolean(l, c_int::from(watches));
    1
}

/// `foreign_host(pid)`: the host of a restricted process, which may be gone, if that is another one than the caller's; else nil.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn foreign_host(l: *mut lua_State) -> c_int {
    let pid = string(l, 1, "foreign_host");
    let own = &Context::of(l).process().host;
    let host = host_of(pid).and_then(host::find);
    match host.filter(|host| host.settings.restricted && host.name != own.name) {
        Some(host) => headroom::unlimited(l, || push_bytes(l, host.name.as_bytes())),
        None => lua_pushnil(l),
    }
    1
}

/// `shown(text)`: the text as errors show it (B-5).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn show(l: *mut lua_State) -> c_int {
    let text = shown(string(l, 1, "shown"));
    headroom::unlimited(l, || push_bytes(l, text.as_bytes()));
    1
}

/// `report(host, subject, entry, error)`: reports a failure on this host as L-16 does, unless the host wants none,
/// or a restricted caller speaks of another host. `subject` is a PID, or what stands for one.
///
/// Stack: +0
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn report(l: *mut lua_State) -> c_int {
    let (host, subject) = (string(l, 1, "report"), string(l, 2, "report"));
    let own = Context::of(l).process();
    let host = std::str::from_utf8(host).ok().and_then(host::find);
    let wanted = host.is_some_and(|host| {
        host.settings.report && (!own.host.settings.restricted || host.name == own.host.name)
    });
    if wanted && let Some(error) = object::get::<ErrorObject>(l, 4) {
        let entry = match to_bytes(l, 3) {
            Some(reference) => shown(reference),
            None if lua_type(l, 3) == LUA_TFUNCTION => code::function_name(l, 3),
            None => String::new(),
        };
        let (subject, entry) = (shown(subject).into(), entry.into());
        report::tell(&own.realm, Report { subject, entry, error: Arc::clone(&error.0) });
    }
    0
}
