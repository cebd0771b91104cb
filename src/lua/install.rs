//! The module tables, and where a state finds them: `package.loaded`, `package.preload`, globals (H-40 to H-46, H-50).

use super::lazy::{self, Field, Fields};
use super::{
    Functions, channel, control, coroutine, ctx, errors, event, hosts, messages, options, or_failure,
    registry,
};
use super::{spawn, spawner, time, upgrade};
use crate::codec::decode;
use crate::platform;
use crate::runtime::entry;
use crate::runtime::failure::Failure;
use crate::vm::api::*;
use crate::vm::chunk::{self, Code, Program};
use crate::vm::context::Context;
use crate::vm::room;
use crate::vm::standard;
use crate::vm::wait;
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

/// The stock functions that spawned processes have in a form of ours, where that is a C function without upvalues.
pub const REPLACED: Functions =
    &[(c"print", print), (c"os.exit", exit), (c"coroutine.spawn", coroutine::spawn)];

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

/// `process.pid()` (P-5).
unsafe extern "C-unwind" fn pid(l: *mut lua_State) -> c_int {
    push_bytes(l, Context::of(l).process.pid.as_bytes());
    1
}

/// `process.id()` (P-8).
unsafe extern "C-unwind" fn id(l: *mut lua_State) -> c_int {
    let entry = Context::of(l).process.entry();
    room::unlimited(l, || push_bytes(l, entry.as_bytes()));
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
    lazy::push_filled(l, &PROCESS, (2 + MODULES.len()) as c_int);
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
unsafe fn push_loaded(l: *mut lua_State) {
    raw_field(l, LUA_REGISTRYINDEX, c"_LOADED");
}

/// Pushes the library `name` as `require` knows it; nil if there is none.
unsafe fn push_library(l: *mut lua_State, name: &CStr) {
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
        let path = chunk::package_field(l, field).unwrap_or_default();
        chunk::search(&name.to_string_lossy(), &path).is_ok()
    };
    known || found(c"path") || found(c"cpath")
}

/// Loader of a short name.
unsafe extern "C-unwind" fn load_short(l: *mut lua_State) -> c_int {
    let name = to_bytes(l, 1).unwrap_or_default();
    for (short, _, _) in &MODULES[..SHORT_NAMES] {
        if short.to_bytes() == name {
            push_module(l, short);
            return 1;
        }
    }
    0
}

/// The last searcher of a spawned process: a short name that nobody else knows is the library's own.
unsafe extern "C-unwind" fn search_short(l: *mut lua_State) -> c_int {
    let name = to_bytes(l, 1).unwrap_or_default();
    if MODULES[..SHORT_NAMES].iter().any(|(short, _, _)| short.to_bytes() == name) {
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
    set_function(l, c"print", print);
    raw_field(l, -1, c"collectgarbage");
    lua_pushcclosure(l, collectgarbage, 1);
    set_raw_field(l, -2, c"collectgarbage");
    lua_pop(l, 3);
    #[cfg(feature = "luajit")]
    crate::vm::guard::keep_xpcall(l);
    seed_random(l);
    // A host may grant few libraries.
    push_library(l, c"coroutine");
    if lua_type(l, -1) == LUA_TTABLE {
        set_function(l, c"spawn", coroutine::spawn);
        replace_coroutine_functions(l);
    }
    lua_pop(l, 1);
    push_library(l, c"os");
    if lua_type(l, -1) == LUA_TTABLE {
        set_function(l, c"exit", exit);
    }
    lua_pop(l, 1);
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
        push_own_table(l, &IMPORTS);
    }
    set_imports(l, context);
    lua_pop(l, 1);
    standard::anchor(l);
}

/// Where the imports are found if the library `package` is not granted.
static IMPORTS: u8 = 0;

/// Pushes what `require` gives without the library `package`: what is loaded, an import, or a module of this library under its
/// short name. `false`, and nothing pushed, for any other name.
pub unsafe fn push_required(l: *mut lua_State, name: &[u8]) -> bool {
    luaL_checkstack(l, 8, ptr::null());
    push_loaded(l);
    push_bytes(l, name);
    if lua_rawget(l, -2) != LUA_TNIL {
        return true;
    }
    lua_pop(l, 1);
    push_own_table(l, &IMPORTS);
    push_bytes(l, name);
    if lua_rawget(l, -2) == LUA_TFUNCTION {
        lua_call(l, 0, 1);
    } else {
        lua_pop(l, 1);
        let Some((short, ..)) = MODULES[..SHORT_NAMES].iter().find(|(short, ..)| short.to_bytes() == name)
        else {
            lua_pop(l, 2);
            return false;
        };
        push_module(l, short);
    }
    if lua_type(l, -1) == LUA_TNIL {
        lua_pop(l, 1);
        lua_pushboolean(l, 1);
    }
    push_bytes(l, name);
    lua_pushvalue(l, -2);
    // Below are the imports, and below these the loaded modules.
    lua_rawset(l, -5);
    true
}

#[cfg(feature = "lua54")]
unsafe fn replace_coroutine_functions(l: *mut lua_State) {
    crate::vm::coroutine::replace_functions(l);
}

#[cfg(feature = "luajit")]
unsafe fn replace_coroutine_functions(l: *mut lua_State) {
    use crate::vm::resume;
    crate::vm::boot::COROUTINE.push(l);
    lua_pushlightuserdata(l, waiting_mark());
    lua_pushinteger(l, resume::WAITS);
    lua_pushinteger(l, resume::FAILED);
    lua_pushcclosure(l, resume::resume_coroutine, 0);
    lua_pushcclosure(l, resume::resume_again, 0);
    lua_pushcclosure(l, resume::all_results, 0);
    lua_pushcclosure(l, coroutine::hold, 0);
    lua_pushcclosure(l, resume::raise_passed, 0);
    lua_call(l, 8, 2);
    set_raw_field(l, -3, c"wrap");
    set_raw_field(l, -2, c"resume");
}

/// Seeds `math.random` (H-56): the VMs start each state alike, or nearly so.
unsafe fn seed_random(l: *mut lua_State) {
    use std::hash::{BuildHasher, Hasher};
    // Keys from the system, different for every use.
    let seed = std::hash::RandomState::new().build_hasher().finish();
    let top = lua_gettop(l);
    push_library(l, c"math");
    if lua_type(l, -1) == LUA_TTABLE && raw_field(l, -1, c"randomseed") == LUA_TFUNCTION {
        // Exact as a double.
        push_whole(l, (seed >> 11) as i64);
        lua_call(l, 1, 0);
    }
    lua_settop(l, top);
}

/// Gives `package`, which is on top, the paths of the spawner (H-5).
unsafe fn set_paths(l: *mut lua_State, context: &Context) {
    let startup: &Option<crate::vm::birth::Startup> = &*context.startup.as_ptr();
    let Some(startup) = startup else { return };
    for (name, path) in [(c"path", &startup.path), (c"cpath", &startup.cpath)] {
        if let Some(path) = path {
            push_bytes(l, path);
            set_raw_field(l, -2, name);
        }
    }
}

/// Puts loaders of the entry's imports into the table on top (H-8).
unsafe fn set_imports(l: *mut lua_State, context: &Context) {
    let startup: &Option<crate::vm::birth::Startup> = &*context.startup.as_ptr();
    let Some(startup) = startup else { return };
    if startup.code.imports.is_empty() || lua_type(l, -1) != LUA_TTABLE {
        return;
    }
    for (alias, target) in &startup.code.imports {
        push_bytes(l, alias.as_bytes());
        push_bytes(l, target.as_bytes());
        lua_pushcclosure(l, load_import, 1);
        lua_rawset(l, -3);
    }
}

/// Loader of an import: runs the chunk of the entry, once.
unsafe extern "C-unwind" fn load_import(l: *mut lua_State) -> c_int {
    let target = to_bytes(l, lua_upvalueindex(1)).unwrap_or_default();
    luaL_checkstack(l, 8, ptr::null());
    let text_only = Context::of_state(l).process.host.settings.restricted;
    let found = room::unlimited(l, || entry::checked(target).and_then(|target| import(l, target, text_only)));
    let code = match found {
        Ok(code) => code,
        Err(failure) => super::error::raise_failure(l, 1, failure),
    };
    // The code lives in the context while Lua may raise.
    let context = Context::of_state(l);
    context.importing.borrow_mut().push(code);
    lua_pushcclosure(l, run_import, 0);
    let status = lua_pcall(l, 0, 1, 0);
    context.importing.borrow_mut().pop();
    if status != LUA_OK {
        lua_error(l);
    }
    1
}

/// Finds the code of an import.
unsafe fn import(l: *mut lua_State, target: &str, text_only: bool) -> Result<Code, Failure> {
    let code = chunk::find(l, target, text_only)?;
    if Context::of_state(l).process.host.settings.libraries.contain(code.needs()) {
        Ok(code)
    } else {
        Err(Failure::CannotSend { what: "function", place: format!("import {target}") })
    }
}

/// Runs the chunk that is being imported.
unsafe extern "C-unwind" fn run_import(l: *mut lua_State) -> c_int {
    let importing = Context::of_state(l).importing.as_ptr();
    let Some(code) = (*importing).last() else { return 0 };
    match &code.program {
        Program::Chunk(chunk) => {
            if load(l, chunk, c"=entry", c"b") != LUA_OK {
                lua_error(l);
            }
        }
        Program::Function(function) => return decode::push(l, function),
        Program::FirstArgument => return 0,
    }
    push_bytes(l, code.module.as_bytes());
    let mut arguments = 1;
    if let Some(file) = &code.file {
        push_bytes(l, file);
        arguments = 2;
    }
    lua_call(l, arguments, 1);
    1
}

/// `collectgarbage` of spawned processes: the stock one, with a look at whether the process is to end. A loop of collections
/// spends all its time in C, where nothing can interrupt it.
unsafe extern "C-unwind" fn collectgarbage(l: *mut lua_State) -> c_int {
    let context = Context::of_state(l);
    if context.interruptible.get() {
        wait::leave_if_over(context);
    }
    match to_bytes(l, 1) {
        Some(b"stop") => context.collector_stopped.set(true),
        Some(b"restart") => context.collector_stopped.set(false),
        _ => {}
    }
    let count = lua_gettop(l);
    lua_pushvalue(l, lua_upvalueindex(1));
    lua_insert(l, 1);
    lua_call(l, count, LUA_MULTRET);
    lua_gettop(l)
}

/// `print` of spawned processes: the whole line in one piece (H-52).
unsafe extern "C-unwind" fn print(l: *mut lua_State) -> c_int {
    let count = lua_gettop(l);
    luaL_checkstack(l, 3 * count + 4, c"too many arguments to print".as_ptr());
    for index in 1..=count {
        if index > 1 {
            push_bytes(l, b"\t");
        }
        luaL_tolstring(l, index, ptr::null_mut());
    }
    push_bytes(l, b"\n");
    lua_concat(l, lua_gettop(l) - count);
    if let Some(line) = to_bytes(l, -1) {
        platform::print_line(line);
    }
    0
}

/// `os.exit` of spawned processes (H-53): ends the program with this code.
unsafe extern "C-unwind" fn exit(l: *mut lua_State) -> c_int {
    let code = match lua_type(l, 1) {
        LUA_TNONE | LUA_TNIL => 0,
        LUA_TBOOLEAN => c_int::from(lua_toboolean(l, 1) == 0),
        LUA_TNUMBER => to_whole(l, 1).unwrap_or(0) as c_int,
        _ => super::arguments::wrong_type(l, 1, 1, "exit", "number"),
    };
    platform::exit(code)
}
