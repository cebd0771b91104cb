//! The standard library and this library by name: how a function or table of theirs crosses from one state to another (V-21).
//!
//! A C function is known by its address, which is the same in every state of the program. What has no such address is
//! *anchored* when a state is made, before any code of the user's runs: the tables, the functions that are put together for
//! each state, and those that LuaJIT has built into its interpreter. So a state finds its own again, whatever its code has done
//! to the tables since.

use super::api::*;
use super::context::Context;
use crate::lua::{channel, install, lazy, stock};
use crate::runtime::libraries::{self, Libraries};
use once_cell::sync::Lazy;
use rustc_hash::FxHashMap;
use std::ffi::{CStr, c_int};

/// Tables that cross by name, besides those of the libraries.
const OWN_TABLES: [&str; 7] = [
    "process",
    "process.channel",
    "process.time",
    "process.errors",
    "process.ctx",
    "process.registry",
    "process.event",
];

/// Functions that are put together for each state, by this library or, those with upvalues, by the interpreter. What has
/// upvalues does not work without them.
const OWN_FUNCTIONS: [&str; 9] = [
    "require",
    "print",
    "newproxy",
    "math.random",
    "math.randomseed",
    "collectgarbage",
    "coroutine.close",
    "coroutine.resume",
    "coroutine.wrap",
];

/// Functions of this library that may wait, with the names of their blocking parts. They are made when they are first needed,
/// once for each state.
const BLOCKING: [(&str, &CStr); 4] = [
    ("process.channel.select", c"select"),
    ("process.time.sleep", c"sleep"),
    ("process.exec", c"exec"),
    ("process.wait", c"wait"),
];

/// Tables of ours in which nothing shows that they are more than data: they hold no function, or none as yet.
const PLAIN_TABLES: [&str; 3] = ["process.time", "process.errors", "process.event"];

/// The addresses of these tables in a state.
pub type PlainTables = [usize; PLAIN_TABLES.len()];

/// What is anchored, in this order: the tables of all libraries but `base`, then the lists above.
fn anchored_names() -> impl Iterator<Item = &'static str> {
    libraries::NAMES[1..].iter().chain(&OWN_TABLES).chain(&OWN_FUNCTIONS).copied()
}

/// A function or table that crosses by name.
struct Name {
    /// `string.rep`, `print`, `process.channel`.
    text: Vec<u8>,
    /// The standard library that it belongs to, none for this one.
    library: Libraries,
    /// A C function, as the interpreter's own states have it and as spawned ones have it.
    functions: Option<[Function; 2]>,
}

/// Everything that crosses by name, in the whole program.
#[derive(Default)]
struct Names {
    list: Vec<Name>,
    by_text: FxHashMap<Vec<u8>, usize>,
    by_address: FxHashMap<usize, usize>,
    /// The functions without an address, library after library. LuaJIT has such: they are built into the interpreter, and some
    /// are Lua functions.
    builtins: Vec<usize>,
}

static NAMES: Lazy<Names> = Lazy::new(|| {
    let mut names = Names::default();
    // SAFETY: a state of its own, which nobody else uses.
    unsafe { names.collect() };
    names
});

impl Names {
    fn name(&mut self, text: &[u8]) -> usize {
        if let Some(&known) = self.by_text.get(text) {
            return known;
        }
        let place = self.list.len();
        let library = library_of(text);
        self.list.push(Name { text: text.to_vec(), library, functions: None });
        self.by_text.insert(text.to_vec(), place);
        place
    }

    fn c_function(&mut self, text: &[u8], function: Function, spawned_only: bool) {
        let place = self.name(text);
        self.by_address.insert(function as usize, place);
        let functions = &mut self.list[place].functions;
        *functions = match *functions {
            Some([stock, _]) if spawned_only => Some([stock, function]),
            _ => Some([function, function]),
        };
    }

    /// Reads the standard library from a new state, and adds our own.
    unsafe fn collect(&mut self) {
        let l = luaL_newstate();
        if !l.is_null() {
            luaL_openlibs(l);
            for library in libraries::NAMES {
                self.collect_library(l, library.as_bytes());
            }
            lua_close(l);
        }
        for (prefix, name, function) in install::module_functions() {
            self.c_function(&[prefix.as_bytes(), name.to_bytes()].concat(), function, false);
        }
        for (name, function) in stock::REPLACED {
            self.c_function(name.to_bytes(), *function, true);
        }
        for text in anchored_names().chain(BLOCKING.map(|(text, _)| text)) {
            self.name(text.as_bytes());
        }
    }

    unsafe fn collect_library(&mut self, l: *mut lua_State, library: &[u8]) {
        let base = library == b"base";
        push_loaded(l, if base { b"_G" } else { library });
        if lua_type(l, -1) == LUA_TTABLE {
            lua_pushnil(l);
            while lua_next(l, -2) != 0 {
                if let (LUA_TFUNCTION, Some(field)) = (lua_type(l, -1), to_bytes(l, -2)) {
                    let text = if base { field.to_vec() } else { [library, b".", field].concat() };
                    match lua_tocfunction(l, -1) {
                        Some(function) => self.c_function(&text, function, false),
                        None => {
                            let place = self.name(&text);
                            self.builtins.push(place);
                        }
                    }
                }
                lua_pop(l, 1);
            }
        }
        lua_pop(l, 1);
    }
}

/// A C function of the standard library, as the interpreter's own states have it. It has no environment, nor upvalues.
#[cfg(feature = "luajit")]
pub fn stock_function(text: &[u8]) -> Option<Function> {
    let functions = NAMES.list[*NAMES.by_text.get(text)?].functions;
    functions.map(|[stock, _]| stock)
}

/// The library that a name belongs to.
fn library_of(text: &[u8]) -> Libraries {
    let first = text.split(|&byte| byte == b'.').next().unwrap_or_default();
    let library = match text {
        b"dofile" | b"loadfile" => Libraries::named(b"package"),
        _ if first == b"process" => None,
        _ => Libraries::named(first).or_else(|| Libraries::named(b"base")),
    };
    library.unwrap_or(Libraries::NONE)
}

/// The table in the registry that holds what is anchored.
static ANCHORS: u8 = 0;

/// Anchors what a state has now: before any code of the user's runs, or when `require` first loads the library. May raise.
pub unsafe fn anchor(l: *mut lua_State) {
    let top = lua_gettop(l);
    let builtins = if cfg!(feature = "luajit") { &*NAMES.builtins } else { &[] };
    lua_createtable(
        l,
        (libraries::NAMES.len() - 1 + OWN_TABLES.len() + OWN_FUNCTIONS.len() + builtins.len()) as c_int,
        0,
    );
    let anchors = lua_gettop(l);
    let mut position = 0;
    let mut keep = |l| {
        position += 1;
        lua_rawseti(l, anchors, position);
    };
    raw_field(l, LUA_REGISTRYINDEX, c"_LOADED");
    for library in &libraries::NAMES[1..] {
        lua_pushvalue(l, -1);
        raw_step(l, library.as_bytes());
        keep(l);
    }
    install::push_process(l);
    for table in OWN_TABLES {
        lua_pushvalue(l, -1);
        if let Some(name) = table.strip_prefix("process.") {
            raw_step(l, name.as_bytes());
        }
        keep(l);
    }
    for function in OWN_FUNCTIONS {
        push_path(l, function.as_bytes());
        keep(l);
    }
    let mut library = None;
    for &place in builtins {
        let (of, field) = split(&NAMES.list[place].text);
        if library != Some(of) {
            library = Some(of);
            push_loaded(l, if of.is_empty() { b"_G" } else { of });
        }
        // This runs for every process, for each of some sixty functions.
        let found = lua_type(l, -1) == LUA_TTABLE && {
            push_bytes(l, field);
            lua_rawget(l, -2) == LUA_TFUNCTION || {
                lua_pop(l, 1);
                false
            }
        };
        if !found {
            lua_pushnil(l);
        }
        keep(l);
    }
    lua_pushvalue(l, anchors);
    lua_rawsetp(l, LUA_REGISTRYINDEX, (&raw const ANCHORS).cast());
    lua_settop(l, top);
}

/// The library and the field of a name.
fn split(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().rposition(|&byte| byte == b'.') {
        Some(point) => (&text[..point], &text[point + 1..]),
        None => (b"", text),
    }
}

/// Pushes a field of the table of loaded modules.
unsafe fn push_loaded(l: *mut lua_State, name: &[u8]) {
    raw_field(l, LUA_REGISTRYINDEX, c"_LOADED");
    raw_step(l, name);
}

/// Replaces the table on top by its field, anything else by nil.
unsafe fn raw_step(l: *mut lua_State, name: &[u8]) {
    if lua_type(l, -1) == LUA_TTABLE {
        push_bytes(l, name);
        lua_rawget(l, -2);
    } else {
        lua_pushnil(l);
    }
    lua_remove(l, -2);
}

/// Pushes what a name stands for at present.
unsafe fn push_path(l: *mut lua_State, text: &[u8]) {
    let mut parts = text.split(|&byte| byte == b'.').peekable();
    match parts.peek().copied().unwrap_or_default() {
        b"process" => {
            parts.next();
            install::push_process(l);
        }
        first if libraries::NAMES.iter().any(|library| library.as_bytes() == first) => {
            parts.next();
            push_loaded(l, first);
        }
        _ => push_loaded(l, b"_G"),
    }
    for part in parts {
        raw_step(l, part);
    }
}

/// What is anchored in one state, by address, and where.
#[derive(Default)]
pub struct Anchored {
    names: FxHashMap<usize, usize>,
    places: FxHashMap<usize, Anchor>,
}

/// Where something is found.
#[derive(Clone, Copy)]
enum Anchor {
    /// At this position of the table of anchors.
    At(lua_Integer),
    /// The blocking function of this name.
    Blocking(&'static CStr),
}

impl Anchored {
    /// Reads the anchors of a state. Runs no Lua code and does not raise.
    unsafe fn read(l: *mut lua_State, context: &Context) -> Self {
        let mut anchored = Anchored::default();
        push_own_table(l, &ANCHORS);
        let names = anchored_names().map(|name| NAMES.by_text[name.as_bytes()]);
        let builtins = NAMES.builtins.iter().copied().filter(|_| cfg!(feature = "luajit"));
        for (position, name) in (1..).zip(names.chain(builtins)) {
            lua_rawgeti(l, -1, position);
            anchored.note(l, context, name, Anchor::At(position));
        }
        lua_pop(l, 1);
        for (text, name) in BLOCKING {
            channel::push_blocking(l, name);
            anchored.note(l, context, NAMES.by_text[text.as_bytes()], Anchor::Blocking(name));
        }
        anchored
    }

    /// What is on top has this name and place. Pops it.
    unsafe fn note(&mut self, l: *mut lua_State, context: &Context, name: usize, anchor: Anchor) {
        if lua_type(l, -1) != LUA_TNIL && is_stock(l, context, name) {
            self.names.insert(lua_topointer(l, -1) as usize, name);
            self.places.entry(name).or_insert(anchor);
        }
        lua_pop(l, 1);
    }
}

/// What is anchored in the state of the context, read at first use. Raises if there is no memory.
unsafe fn anchored(l: *mut lua_State, context: &Context) -> &Anchored {
    if context.anchored.get().is_none() {
        // A finalizer may be faster.
        let _ = context.anchored.set(Anchored::read(l, context));
    }
    context.anchored.get_or_init(Anchored::default)
}

/// Whether the value on top is what the interpreter or this library made for this name, and not what a main script has put in
/// its place. A spawned state is anchored before any other code has run in it.
unsafe fn is_stock(l: *mut lua_State, context: &Context, name: usize) -> bool {
    if !context.process.is_main() || lua_type(l, -1) != LUA_TFUNCTION {
        return true;
    }
    if lua_iscfunction(l, -1) == 0 {
        return is_ours(l, -1) || is_builtin(l, -1);
    }
    let Some(function) = lua_tocfunction(l, -1) else {
        return true;
    };
    NAMES.by_address.get(&(function as usize)).is_none_or(|&known| known == name)
}

/// The addresses of those of our own tables that look like data. Runs no Lua code.
///
/// # Safety
/// The stack has room for two values.
pub unsafe fn plain_tables(l: *mut lua_State) -> PlainTables {
    push_own_table(l, &ANCHORS);
    let addresses = PLAIN_TABLES.map(|name| {
        let position = anchored_names().position(|anchored| anchored == name).unwrap_or_default();
        lua_rawgeti(l, -1, position as lua_Integer + 1);
        let address = lua_topointer(l, -1) as usize;
        lua_pop(l, 1);
        address
    });
    lua_pop(l, 1);
    addresses
}

/// Whether the function at an index is native: one of C, or one of the interpreter's or of this library, which have some in
/// Lua on LuaJIT.
///
/// # Safety
/// The stack has room for six values. Runs no Lua code.
pub unsafe fn is_native(l: *mut lua_State, context: &Context, index: c_int) -> bool {
    lua_iscfunction(l, index) != 0 || is_ours(l, index) || name_at(l, context, index).is_some()
}

/// Whether the Lua function at an index is a part of this library.
///
/// # Safety
/// The stack has room for a value.
pub unsafe fn is_ours(l: *mut lua_State, index: c_int) -> bool {
    let mut debug = std::mem::zeroed::<lua_Debug>();
    cfg!(feature = "luajit") && {
        lua_pushvalue(l, index);
        lua_getinfo(l, c">S".as_ptr(), &mut debug);
        std::ffi::CStr::from_ptr(debug.source) == super::boot::CHUNK
    }
}

/// Whether the Lua function at an index is one of LuaJIT's own.
unsafe fn is_builtin(l: *mut lua_State, index: c_int) -> bool {
    let mut debug = std::mem::zeroed::<lua_Debug>();
    lua_pushvalue(l, index);
    lua_getinfo(l, c">S".as_ptr(), &mut debug);
    std::ffi::CStr::from_ptr(debug.short_src.as_ptr()).to_bytes().starts_with(b"[builtin:")
}

/// What stands at an index, if it crosses by name: the name, and its library.
///
/// # Safety
/// The stack has room for six values. Runs no Lua code.
pub unsafe fn name_at(
    l: *mut lua_State,
    context: &Context,
    index: c_int,
) -> Option<(&'static [u8], Libraries)> {
    let known = match lua_type(l, index) {
        LUA_TFUNCTION => {
            lua_tocfunction(l, index).and_then(|function| NAMES.by_address.get(&(function as usize)))
        }
        _ => None,
    };
    let place = match known {
        Some(place) => Some(*place),
        None => {
            let address = lua_topointer(l, index) as usize;
            anchored(l, context).names.get(&address).copied()
        }
    };
    place.map(|place| (&*NAMES.list[place].text, NAMES.list[place].library))
}

/// Pushes what has this name in the state of `l`. `false`, and nothing pushed, if it has nothing of that name.
///
/// # Safety
/// The stack has room for six values. Runs no Lua code; raises if there is no memory.
pub unsafe fn push_named(l: *mut lua_State, context: &Context, text: &[u8]) -> bool {
    let Some(&place) = NAMES.by_text.get(text) else {
        return false;
    };
    if !context.process.host.settings.libraries.contain(NAMES.list[place].library) {
        return false;
    }
    let anchored = anchored(l, context);
    match anchored.places.get(&place) {
        Some(&Anchor::At(position)) => {
            push_own_table(l, &ANCHORS);
            lua_rawgeti(l, -1, position);
            lua_remove(l, -2);
            return true;
        }
        Some(&Anchor::Blocking(name)) => {
            channel::push_blocking(l, name);
            return true;
        }
        None => {}
    }
    let Some(functions) = NAMES.list[place].functions else {
        return false;
    };
    let function = functions[usize::from(!context.process.is_main())];
    // LuaJIT: the same address in another closure would be another function. If the table still has the own one, that is it.
    if cfg!(feature = "luajit") {
        push_path(l, text);
        if lua_tocfunction(l, -1).is_some_and(|own| own as usize == function as usize) {
            return true;
        }
        lua_pop(l, 1);
    }
    lua_pushcclosure(l, function, 0);
    // One that its table has not made yet is the one that it would make.
    if cfg!(feature = "luajit") {
        let (table, field) = split(text);
        push_path(l, table);
        if lazy::is_lazy(l) {
            push_bytes(l, field);
            lua_pushvalue(l, -3);
            lua_rawset(l, -3);
        }
        lua_pop(l, 1);
    }
    true
}
