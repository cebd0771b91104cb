//! The module tables, and where a state finds them: `package.loaded`, `package.preload`, globals (H-40 to H-46, H-50).

use super::{
    channel, control, coroutine, ctx, errors, event, hosts, imports, messages, options, or_failure, registry,
    stock,
};
use super::{spawn, spawner, time, upgrade};
use crate::executor::code;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::fields::{self, Field, Fields};
use crate::vm::headroom;
use crate::vm::standard;
use std::ffi::{CStr, c_int, c_void};
use std::ptr;

static PROCESS: Fields = Fields(&[FUNCTIONS, OTHERS]);

const FUNCTIONS: &[(&CStr, Field)] = &[
    (c"pid", Field::Function(pid)),
    (c"spawn", Field::Function(or_failure!(spawn::spawn))),
    (c"spawn_monitored", Field::Function(or_failure!(spawn::spawn_monitored))),
    (c"spawn_linked", Field::Function(or_failure!(spawn::spawn_linked))),
    (c"spawn_linked_monitored", Field::Function(or_failure!(spawn::spawn_linked_monitored))),
    (c"send", Field::Function(or_failure!(messages::send))),
    (c"listen", Field::Function(or_failure!(messages::listen))),
    (c"unlisten", Field::Function(or_failure!(messages::unlisten, return_false))),
    (c"inbox", Field::Function(messages::inbox)),
    (c"events", Field::Function(messages::events)),
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
    (c"with_context", Field::Function(spawner::with_context)),
    (c"with_options", Field::Function(spawner::with_options)),
    (c"define", Field::Function(or_failure!(hosts::define))),
    (c"define_host", Field::Function(or_failure!(hosts::define_host))),
    (c"host_info", Field::Function(or_failure!(hosts::host_info))),
    #[cfg(feature = "yaml")]
    (c"load", Field::Function(or_failure!(super::load::load))),
];

const OTHERS: &[(&CStr, Field)] = &[
    (c"exec", Field::Blocking),
    (c"wait", Field::Blocking),
    (c"_VERSION", Field::Text(env!("CARGO_PKG_VERSION"))),
];

/// The C functions of our modules, with what stands before their names.
pub fn module_functions() -> Vec<(&'static str, &'static CStr, Function)> {
    let ctx = ctx::FUNCTIONS.iter().map(|(name, function)| ("process.ctx.", *name, *function));
    ctx.chain(channel::functions().map(|(name, function)| ("process.channel.", name, function)))
        .chain(PROCESS.functions().map(|(name, function)| ("process.", name, function)))
        .chain(registry::functions().map(|(name, function)| ("process.registry.", name, function)))
        .chain(time::functions().map(|(name, function)| ("process.time.", name, function)))
        .chain(errors::functions().map(|(name, function)| ("process.errors.", name, function)))
        .collect()
}

/// A module beside `process`: short name, long name, the function that pushes its table.
type Module = (&'static CStr, &'static CStr, unsafe fn(*mut lua_State));

const MODULES: [Module; 4] = [
    (c"channel", c"process.channel", channel::push_module),
    (c"time", c"process.time", time::push_module),
    (c"errors", c"process.errors", errors::push_module),
    (c"ctx", c"process.ctx", ctx::push_module),
];

/// How many of them, from the first on, have a short name that `require` knows and a global (H-40, H-43).
const SHORT_NAMES: usize = 3;

/// The module that `require` knows under a short name.
pub fn short_name(name: &[u8]) -> Option<&'static CStr> {
    MODULES[..SHORT_NAMES].iter().map(|(short, ..)| *short).find(|short| short.to_bytes() == name)
}

/// `process.pid()` (P-5).
unsafe extern "C-unwind" fn pid(l: *mut lua_State) -> c_int {
    push_bytes(l, Context::of(l).process.pid.as_bytes());
    1
}

/// `process.id()` (P-8).
unsafe extern "C-unwind" fn id(l: *mut lua_State) -> c_int {
    let entry = Context::of(l).process.entry();
    headroom::unlimited(l, || push_bytes(l, entry.as_bytes()));
    1
}

/// Pushes the table `process`; made once for each state, so that everybody has the same one.
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

/// Where a state says which copy of the library it belongs to.
const COPY: &CStr = c"process.copy";

/// Any address that lies in this copy of the library and in no other.
fn own_copy() -> *mut c_void {
    static MARK: u8 = 0;
    ptr::from_ref(&MARK).cast_mut().cast()
}

/// Says that a state belongs to this copy of the library.
pub unsafe fn mark_copy(l: *mut lua_State) {
    lua_pushlightuserdata(l, own_copy());
    set_raw_field(l, LUA_REGISTRYINDEX, COPY);
}

/// Raises if the state belongs to another copy of the library, loaded from another path: the two know nothing of each other,
/// and a mixture of their objects would be of no use (L-70).
pub unsafe fn refuse_second_copy(l: *mut lua_State) {
    let taken = raw_field(l, LUA_REGISTRYINDEX, COPY) != LUA_TNIL && lua_touserdata(l, -1) != own_copy();
    lua_pop(l, 1);
    if taken {
        raise(l, 1, b"another copy of the process module is loaded in this state already");
    }
}

/// Pushes one of the tables beside `process`.
pub unsafe fn push_module(l: *mut lua_State, name: &CStr) {
    push_process(l);
    raw_field(l, -1, name);
    lua_remove(l, -2);
}

/// Pushes the table of loaded modules, or another field of the table `package`.
pub(super) unsafe fn push_loaded(l: *mut lua_State) {
    raw_field(l, LUA_REGISTRYINDEX, c"_LOADED");
}

/// Pushes the library `name` as `require` knows it; nil if there is none.
pub(super) unsafe fn push_library(l: *mut lua_State, name: &CStr) {
    push_loaded(l);
    if lua_type(l, -1) == LUA_TTABLE {
        raw_field(l, -1, name);
        lua_remove(l, -2);
    }
}

/// Sets a field of the table on top to the value below it if the field is nil, and pops both.
unsafe fn set_if_nil(l: *mut lua_State, name: &CStr) {
    if lua_type(l, -1) == LUA_TTABLE {
        let absent = raw_field(l, -1, name) == LUA_TNIL;
        lua_pop(l, 1);
        if absent {
            lua_pushvalue(l, -2);
            set_raw_field(l, -2, name);
        }
    }
    lua_pop(l, 2);
}

/// What `require "process"` adds to a main state (H-41, H-43).
pub unsafe fn into_main(l: *mut lua_State) {
    push_process(l);
    push_globals(l);
    set_if_nil(l, c"process");
    for (short, _, _) in &MODULES[..SHORT_NAMES] {
        push_module(l, short);
        push_globals(l);
        set_if_nil(l, short);
        if !is_known(l, short) {
            lua_pushcclosure(l, load_short, 0);
            push_library(l, c"package");
            if lua_type(l, -1) == LUA_TTABLE {
                raw_field(l, -1, c"preload");
                lua_remove(l, -2);
            }
            set_if_nil(l, short);
        }
    }
    lua_pushcclosure(l, coroutine::spawn, 0);
    push_library(l, c"coroutine");
    set_if_nil(l, c"spawn");
}

/// True if a module of this name is loaded, preloaded, or found on the paths.
unsafe fn is_known(l: *mut lua_State, name: &CStr) -> bool {
    let top = lua_gettop(l);
    push_library(l, name);
    let mut known = lua_type(l, -1) != LUA_TNIL;
    push_library(l, c"package");
    if lua_type(l, -1) == LUA_TTABLE && raw_field(l, -1, c"preload") == LUA_TTABLE {
        known = known || raw_field(l, -1, name) != LUA_TNIL;
    }
    lua_settop(l, top);
    let found = |field| {
        let path = code::package_field(l, field).unwrap_or_default();
        code::search(&name.to_string_lossy(), &path).is_ok()
    };
    known || found(c"path") || found(c"cpath")
}

/// Loader of a short name.
unsafe extern "C-unwind" fn load_short(l: *mut lua_State) -> c_int {
    match short_name(to_bytes(l, 1).unwrap_or_default()) {
        Some(short) => {
            push_module(l, short);
            1
        }
        None => 0,
    }
}

/// The last searcher of a spawned process: a short name that nobody else knows is the library's own.
unsafe extern "C-unwind" fn search_short(l: *mut lua_State) -> c_int {
    if short_name(to_bytes(l, 1).unwrap_or_default()).is_some() {
        lua_pushcclosure(l, load_short, 0);
    } else {
        push_bytes(l, b"");
    }
    1
}

/// What a spawned process finds (H-40, H-50 to H-53).
pub unsafe fn into_spawned(l: *mut lua_State, context: &Context) {
    mark_copy(l);
    push_loaded(l);
    push_process(l);
    for name in [c"process", c"process.core"] {
        lua_pushvalue(l, -1);
        set_raw_field(l, -3, name);
    }
    push_globals(l);
    lua_pushvalue(l, -2);
    set_raw_field(l, -2, c"process");
    for (position, (short, long, _)) in MODULES.iter().enumerate() {
        raw_field(l, -2, short);
        if position < SHORT_NAMES {
            lua_pushvalue(l, -1);
            set_raw_field(l, -3, short);
        }
        set_raw_field(l, -4, long);
    }
    lua_pop(l, 3);
    #[cfg(feature = "luajit")]
    crate::executor::xpcall::keep_xpcall(l);
    stock::replace(l);
    push_library(l, c"package");
    if lua_type(l, -1) == LUA_TTABLE {
        set_paths(l, context);
        let searchers = if cfg!(feature = "lua54") { c"searchers" } else { c"loaders" };
        if raw_field(l, -1, searchers) == LUA_TTABLE {
            lua_pushcclosure(l, search_short, 0);
            lua_rawseti(l, -2, lua_rawlen(l, -2) as lua_Integer + 1);
        }
        lua_pop(l, 1);
        raw_field(l, -1, c"preload");
        lua_remove(l, -2);
    } else {
        lua_pop(l, 1);
        imports::push_own(l);
    }
    imports::set(l, context);
    lua_pop(l, 1);
    standard::anchor(l, context);
}

/// Gives `package`, which is on top, the paths of the spawner (H-5).
unsafe fn set_paths(l: *mut lua_State, context: &Context) {
    let startup: &Option<super::birth::Startup> = &*context.startup.as_ptr();
    let Some(startup) = startup else { return };
    for (name, path) in [(c"path", &startup.path), (c"cpath", &startup.cpath)] {
        if let Some(path) = path {
            push_bytes(l, path);
            set_raw_field(l, -2, name);
        }
    }
}
