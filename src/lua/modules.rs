//! The module tables: what is in `process` and the modules beside it.

use super::guarded::or_failure;
use super::{
    channel, control, ctx, descriptors, errors, event, guest, hosts, inspection, mail, on, on_report,
    options, os_signals, pg, registry, spawn, spawn_builder, time, trace, upgrade,
};
use crate::platform;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::fields::{self, Field, Fields};
use crate::vm::{headroom, lua_parts};
use std::ffi::{CStr, c_int};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

static PROCESS: Fields = Fields(&[FUNCTIONS, OTHERS]);

const FUNCTIONS: &[(&CStr, Field)] = &[
    (c"pid", Field::Function(pid)),
    (c"spawn", Field::Function(or_failure!(spawn::spawn))),
    (c"spawn_monitored", Field::Function(or_failure!(spawn::spawn_monitored))),
    (c"spawn_linked", Field::Function(or_failure!(spawn::spawn_linked))),
    (c"spawn_linked_monitored", Field::Function(or_failure!(spawn::spawn_linked_monitored))),
    (c"send", Field::Function(or_failure!(mail::send))),
    (c"listen", Field::Function(or_failure!(mail::listen))),
    (c"unlisten", Field::Function(or_failure!(mail::unlisten, return_false))),
    (c"inbox", Field::Function(mail::inbox)),
    (c"events", Field::Function(mail::events)),
    (c"terminate", Field::Function(or_failure!(control::terminate))),
    (c"cancel", Field::Function(or_failure!(control::cancel))),
    (c"monitor", Field::Function(or_failure!(control::monitor))),
    (c"unmonitor", Field::Function(or_failure!(control::unmonitor))),
    (c"link", Field::Function(or_failure!(control::link))),
    (c"unlink", Field::Function(or_failure!(control::unlink))),
    (c"get_options", Field::Function(options::get_options)),
    (c"set_options", Field::Function(or_failure!(options::set_options, return_false))),
    (c"id", Field::Function(id)),
    (c"upgrade", Field::Function(or_failure!(upgrade::upgrade))),
    (c"with_context", Field::Function(spawn_builder::with_context)),
    (c"with_options", Field::Function(spawn_builder::with_options)),
    (c"define", Field::Function(or_failure!(hosts::define))),
    (c"define_host", Field::Function(or_failure!(hosts::define_host))),
    (c"host_info", Field::Function(or_failure!(hosts::host_info))),
    (c"cpus", Field::Function(cpus)),
    (c"list", Field::Function(or_failure!(inspection::list))),
    (c"info", Field::Function(or_failure!(inspection::info))),
    (c"stats", Field::Function(or_failure!(inspection::stats))),
    (c"on_report", Field::Function(or_failure!(on_report::on_report))),
    (c"trace", Field::Function(or_failure!(trace::trace))),
    (c"pollfd", Field::Function(or_failure!(guest::pollfd))),
    (c"step", Field::Function(guest::step)),
    (c"on", Field::Function(or_failure!(on::on))),
    (c"poll", Field::Function(or_failure!(descriptors::poll))),
    (c"dup", Field::Function(or_failure!(descriptors::dup))),
    (c"signals", Field::Function(or_failure!(os_signals::signals))),
    #[cfg(feature = "yaml")]
    (c"load", Field::Function(or_failure!(super::load::load))),
];

const OTHERS: &[(&CStr, Field)] = &[
    (c"exec", Field::Blocking),
    (c"call", Field::Blocking),
    (c"wait", Field::Blocking),
    (c"await", Field::Blocking),
    (c"send_wait", Field::Blocking),
    (c"traceback", Field::Blocking),
    (c"shutdown", Field::Blocking),
    (c"_VERSION", Field::Text(env!("CARGO_PKG_VERSION"))),
];

/// The C functions of our modules, with what stands before their names.
pub fn module_functions() -> Vec<(&'static str, &'static CStr, Function)> {
    let ctx = ctx::FUNCTIONS.iter().map(|(name, function)| ("process.ctx.", *name, *function));
    ctx.chain(channel::functions().map(|(name, function)| ("process.channel.", name, function)))
        .chain(PROCESS.functions().map(|(name, function)| ("process.", name, function)))
        .chain(registry::functions().map(|(name, function)| ("process.registry.", name, function)))
        .chain(time::functions().map(|(name, function)| ("process.time.", name, function)))
        .chain(pg::functions().map(|(name, function)| ("process.pg.", name, function)))
        .chain(errors::functions().map(|(name, function)| ("process.errors.", name, function)))
        .collect()
}

/// A module beside `process`: short name, long name, the function that pushes its table.
pub type Module = (&'static CStr, &'static CStr, unsafe fn(*mut lua_State));

pub const MODULES: [Module; 5] = [
    (c"channel", c"process.channel", channel::push_module),
    (c"time", c"process.time", time::push_module),
    (c"errors", c"process.errors", errors::push_module),
    (c"ctx", c"process.ctx", ctx::push_module),
    (c"pg", c"process.pg", pg::push_module),
];

/// How many of them, from the first on, have a short name that `require` knows and a global (H-40, H-43).
pub const SHORT_NAMES: usize = 3;

/// The module that `require` knows under a short name.
pub fn short_name(name: &[u8]) -> Option<&'static CStr> {
    MODULES[..SHORT_NAMES].iter().map(|(short, ..)| *short).find(|short| short.to_bytes() == name)
}

/// `process.pid()` (P-5).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn pid(l: *mut lua_State) -> c_int {
    push_bytes(l, Context::of(l).process().pid.as_bytes());
    1
}

/// `process.id()` (P-8).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn id(l: *mut lua_State) -> c_int {
    let entry = Context::of(l).process().entry();
    headroom::unlimited(l, || push_bytes(l, entry.as_bytes()));
    1
}

/// `process.cpus()` (W-5).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn cpus(l: *mut lua_State) -> c_int {
    Context::of(l);
    push_whole(l, platform::processors() as i64);
    1
}

/// Pushes the table `process`; made once for each state, so that everybody has the same one.
///
/// Stack: +1, room for 8
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn push_process(l: *mut lua_State) {
    static KEY: u8 = 0;
    let key = ptr::from_ref(&KEY).cast();
    if lua_rawgetp(l, LUA_REGISTRYINDEX, key) == LUA_TTABLE {
        return;
    }
    lua_pop(l, 1);
    fields::push_filled(l, &PROCESS, (2 + MODULES.len()) as c_int);
    lua_createtable(l, 0, event::KINDS.len() as c_int);
    for (name, kind) in event::KINDS {
        lua_pushstring(l, kind.as_ptr());
        set_raw_field(l, -2, name);
    }
    set_raw_field(l, -2, c"event");
    registry::push_module(l);
    set_raw_field(l, -2, c"registry");
    for (name, _, push) in MODULES {
        push(l);
        set_raw_field(l, -2, name);
    }
    lua_pushvalue(l, -1);
    lua_rawsetp(l, LUA_REGISTRYINDEX, key);
}

/// Has a process write what runs, if the environment asks for it (I-8), once for the program.
///
/// Stack: 0, room for 4
/// Raises: memory
///
/// # Safety
/// Own state; the table `process` is on top.
pub unsafe fn run_top_if_wanted(l: *mut lua_State) {
    static DONE: AtomicBool = AtomicBool::new(false);
    if !DONE.swap(true, Ordering::AcqRel) && std::env::var_os("PROCESS_TOP").is_some_and(|value| value == "1")
    {
        lua_parts::TOP.push(l);
        lua_pushvalue(l, -2);
        lua_call(l, 1, 0);
    }
}

/// Pushes one of the tables beside `process`.
///
/// Stack: +1, room for 8
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn push_module(l: *mut lua_State, name: &CStr) {
    push_process(l);
    raw_field(l, -1, name);
    lua_remove(l, -2);
}
