//! What crosses from one state to another by its name (V-21): everything of the standard library and of this library that has
//! no state of its own. The list is read once for the program, from a state of the interpreter that nobody else has touched.
//!
//! `string.rep`, `print` and `process.send` are what they say. A name with `@` stands for what no table of globals leads to:
//! `@channel.close` for a method of this library's objects, `@file.write` for one of files, `@string.__add` for an operator of
//! strings, `@ipairs` for the iterator that `ipairs` gives, `@error.upper` for a function of `string` as a method of errors.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::api::*;
use super::faces;
use super::kind::Kind;
use super::name::{Module, Name, Of};
use super::paths::{self, ITERATORS, LOADED};
use crate::runtime::libraries::{self, Libraries};
use once_cell::sync::{Lazy, OnceCell};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::ffi::CStr;

/// Tables of this library that cross by name.
const OWN_TABLES: [&str; 7] = [
    "process",
    "process.channel",
    "process.time",
    "process.errors",
    "process.ctx",
    "process.registry",
    "process.event",
];

/// What `require` loads without a file.
const PRELOAD: &[u8] = b"package.preload";

/// Functions of this library that may wait, with the names of their blocking parts.
const BLOCKING: [(&str, &CStr); 14] = [
    ("process.channel.select", c"select"),
    ("process.time.sleep", c"sleep"),
    ("process.exec", c"exec"),
    ("process.wait", c"wait"),
    ("process.call", c"call"),
    ("process.traceback", c"traceback"),
    ("process.await", c"await"),
    ("process.send_wait", c"send_wait"),
    ("process.shutdown", c"shutdown"),
    ("process.registry.await", c"await_name"),
    ("@channel.next", c"next"),
    ("@channel.receive", c"receive"),
    ("@channel.send", c"send"),
    ("@spawner.exec", c"exec_as"),
];

/// Everything that crosses by name, in the whole program.
#[derive(Default)]
pub struct Names {
    /// The names. Their places in this list stand for them.
    pub list: Vec<Name>,
    /// The place of a name.
    pub by_text: FxHashMap<Vec<u8>, usize>,
    /// The place of the name of a C function.
    pub by_address: FxHashMap<usize, usize>,
    /// The modules.
    pub modules: Vec<Module>,
    /// The function of `string`, and what it is as a method of errors.
    pub error_methods: FxHashMap<usize, usize>,
    /// How a state has them that the interpreter has made.
    pub stock: Kind,
}

/// All of them.
pub static NAMES: Lazy<Names> = Lazy::new(|| {
    let mut names = Names::default();
    // SAFETY: a state of its own, which nobody else uses.
    unsafe { names.collect() };
    names
});

impl Names {
    fn add(&mut self, text: &[u8], library: Libraries, of: Of) -> usize {
        if let Some(&known) = self.by_text.get(text) {
            return known;
        }
        let place = self.list.len();
        self.list.push(Name { text: text.to_vec(), library, of, function: None, plain: false });
        self.by_text.insert(text.to_vec(), place);
        place
    }

    fn add_own(&mut self, text: &[u8], library: Libraries, function: Function) {
        let place = self.add(text, library, Of::Own(function));
        self.by_address.insert(function as usize, place);
    }

    /// Adds the function on top of the stack, and pops it.
    ///
    /// Stack: -1, room for 2
    /// Raises: never
    ///
    /// # Safety
    /// Own state; a function is on top.
    unsafe fn add_function(&mut self, l: *mut lua_State, text: &[u8], library: Libraries, of: Of) {
        let place = self.add(text, library, of);
        if let Some(function) = lua_tocfunction(l, -1) {
            self.list[place].function = Some(function);
            self.list[place].plain = paths::is_plain(l, -1);
            self.by_address.insert(function as usize, place);
        }
        lua_pop(l, 1);
    }

    /// Reads the standard library from a new state, and adds our own.
    ///
    /// # Safety
    /// None: the state that it reads is its own.
    unsafe fn collect(&mut self) {
        for table in OWN_TABLES {
            self.add(table.as_bytes(), Libraries::NONE, Of::OwnTable);
        }
        for (prefix, name, function) in (faces::get().functions)() {
            self.add_own(&[prefix.as_bytes(), name.to_bytes()].concat(), Libraries::NONE, function);
        }
        for (class, name, function) in (faces::get().methods)() {
            let text = [b"@", class.name.as_bytes(), b".", name.to_bytes()].concat();
            self.add_own(&text, Libraries::NONE, function);
        }
        self.add_own(b"coroutine.spawn", one(b"coroutine"), faces::get().spawn_coroutine);
        for (text, name) in BLOCKING {
            #[cfg(feature = "luajit")]
            self.add(text.as_bytes(), Libraries::NONE, Of::Blocking(name));
            #[cfg(feature = "lua54")]
            self.add_own(text.as_bytes(), Libraries::NONE, (faces::get().blocking_function)(name));
        }
        let l = luaL_newstate();
        if l.is_null() {
            return;
        }
        luaL_openlibs(l);
        for library in libraries::NAMES {
            if one(library.as_bytes()) != Libraries::NONE {
                self.collect_library(l, library.as_bytes());
            }
        }
        self.collect_hidden(l);
        self.collect_modules(l);
        self.stock = Kind::read(l, &self.list);
        lua_close(l);
    }

    /// Adds what a library has.
    ///
    /// Stack: 0, room for 8
    /// Raises: memory
    ///
    /// # Safety
    /// Own state, which no code of the user's has seen.
    unsafe fn collect_library(&mut self, l: *mut lua_State, library: &[u8]) {
        let base = library == b"base";
        paths::push_loaded(l, if base { b"_G" } else { library });
        if lua_type(l, -1) == LUA_TTABLE {
            if !base {
                self.add(library, one(library), Of::Standard);
            }
            self.collect_table(l, if base { b"" } else { library }, Of::Standard);
        }
        lua_pop(l, 1);
    }

    /// Adds the functions of the table on top, and those of the tables in it.
    ///
    /// Stack: 0, room for 6
    /// Raises: memory
    ///
    /// # Safety
    /// Own state, which no code of the user's has seen; a table is on top.
    unsafe fn collect_table(&mut self, l: *mut lua_State, table: &[u8], of: Of) {
        lua_pushnil(l);
        while lua_next(l, -2) != 0 {
            let Some(field) = to_bytes(l, -2) else {
                lua_pop(l, 1);
                continue;
            };
            let text = if table.is_empty() { field.to_vec() } else { [table, b".", field].concat() };
            match lua_type(l, -1) {
                LUA_TFUNCTION => {
                    lua_pushvalue(l, -1);
                    self.add_function(l, &text, library_of(&text, of), of);
                }
                LUA_TTABLE if text == LOADED || text == PRELOAD => {
                    self.add(&text, one(b"package"), of);
                }
                // Such as `jit.opt`. Those of `package` hold what depends on the state.
                LUA_TTABLE if !matches!(table, b"" | b"package") && !text.starts_with(b"@") => {
                    self.add(&text, library_of(&text, of), of);
                    self.collect_table(l, &text, of);
                }
                _ => {}
            }
            lua_pop(l, 1);
        }
    }

    /// What no table of globals leads to.
    ///
    /// Stack: 0, room for 8
    /// Raises: memory
    ///
    /// # Safety
    /// Own state, which no code of the user's has seen.
    unsafe fn collect_hidden(&mut self, l: *mut lua_State) {
        for hidden in [&b"@file"[..], b"@string"] {
            for operators in [true, false] {
                paths::push_parent(l, hidden, if operators { b"__" } else { b"" });
                // The methods of strings are the library itself.
                if lua_type(l, -1) == LUA_TTABLE && (operators || hidden == b"@file") {
                    self.collect_table(l, hidden, Of::Standard);
                }
                lua_pop(l, 1);
            }
        }
        for (text, call) in ITERATORS {
            if luaL_loadstring(l, call.as_ptr()) == LUA_OK
                && lua_pcall(l, 0, 1, 0) == LUA_OK
                && lua_type(l, -1) == LUA_TFUNCTION
            {
                lua_pushvalue(l, -1);
                self.add_function(l, text, library_of(text, Of::Standard), Of::Standard);
            }
            lua_pop(l, 1);
        }
        let methods: Vec<usize> = self
            .by_text
            .iter()
            .filter(|(text, _)| text.starts_with(b"string."))
            .map(|(_, place)| *place)
            .collect();
        for function in methods {
            let text = [b"@error", &self.list[function].text[b"string".len()..]].concat();
            let method = self.add(&text, one(b"string"), Of::ErrorMethod(function));
            self.error_methods.insert(function, method);
        }
    }

    /// The modules that `require` loads without a file.
    ///
    /// Stack: 0, room for 8
    /// Raises: memory
    ///
    /// # Safety
    /// Own state, which no code of the user's has seen.
    unsafe fn collect_modules(&mut self, l: *mut lua_State) {
        let mut found = Vec::new();
        raw_field(l, LUA_REGISTRYINDEX, c"_PRELOAD");
        if lua_type(l, -1) == LUA_TTABLE {
            lua_pushnil(l);
            while lua_next(l, -2) != 0 {
                if let (Some(name), Some(opener)) = (to_bytes(l, -2), lua_tocfunction(l, -1)) {
                    found.push(Module { name: name.to_vec(), opener });
                }
                lua_pop(l, 1);
            }
        }
        for module in found {
            let of = Of::Module(self.modules.len());
            push_bytes(l, &module.name);
            lua_rawget(l, -2);
            push_bytes(l, &module.name);
            if lua_pcall(l, 1, 1, 0) == LUA_OK {
                let text = module.name.clone();
                match lua_type(l, -1) {
                    LUA_TTABLE => {
                        self.add(&text, library_of(&text, of), of);
                        self.collect_functions(l, &text, of);
                    }
                    LUA_TFUNCTION => {
                        lua_pushvalue(l, -1);
                        self.add_function(l, &text, library_of(&text, of), of);
                    }
                    _ => {}
                }
            }
            lua_pop(l, 1);
            self.modules.push(module);
        }
        lua_pop(l, 1);
    }

    /// As [`Names::collect_table`], without the tables in it.
    ///
    /// Stack: 0, room for 4
    /// Raises: memory
    ///
    /// # Safety
    /// Own state, which no code of the user's has seen; a table is on top.
    unsafe fn collect_functions(&mut self, l: *mut lua_State, table: &[u8], of: Of) {
        lua_pushnil(l);
        while lua_next(l, -2) != 0 {
            if let (LUA_TFUNCTION, Some(field)) = (lua_type(l, -1), to_bytes(l, -2)) {
                let text = [table, b".", field].concat();
                lua_pushvalue(l, -1);
                self.add_function(l, &text, library_of(&text, of), of);
            }
            lua_pop(l, 1);
        }
    }
}

/// The library of this name as a set; none if the VM has none of this name.
fn one(name: &[u8]) -> Libraries {
    Libraries::named(name).unwrap_or(Libraries::NONE)
}

/// The libraries that a name belongs to.
fn library_of(text: &[u8], of: Of) -> Libraries {
    let text = text.strip_prefix(b"@").unwrap_or(text);
    let first = text.split(|&byte| byte == b'.').next().unwrap_or_default();
    let library = match text {
        // A restricted process has them only together with `package` (H-31).
        b"dofile" | b"loadfile" | b"module" => one(b"package"),
        _ if first == b"file" => one(b"io"),
        _ => Libraries::named(first).unwrap_or(one(b"base")),
    };
    match of {
        // Only `require` leads to it, but for the one that a host grants by its name.
        Of::Module(_) if first != b"ffi" => library.and(one(b"package")),
        _ => library,
    }
}

/// The kind of a spawned state that has just been made, on a host with these settings.
///
/// Stack: 0, room for 8
/// Raises: memory
///
/// # Safety
/// Own state, which no code of the user's has seen.
pub unsafe fn kind_of_spawned(l: *mut lua_State, granted: Libraries, restricted: bool) -> &'static Kind {
    static USUAL: OnceCell<&'static Kind> = OnceCell::new();
    type Known = FxHashMap<u32, &'static Kind>;
    static RESTRICTED: Lazy<Mutex<Known>> = Lazy::new(Mutex::default);
    if !restricted && let Some(known) = USUAL.get() {
        return known;
    }
    let known = RESTRICTED.lock().get(&granted.bits()).copied().filter(|_| restricted);
    if let Some(known) = known {
        return known;
    }
    let kind: &'static Kind = Box::leak(Box::new(Kind::read(l, &NAMES.list)));
    if restricted {
        // Somebody may have been faster: both are alike.
        RESTRICTED.lock().insert(granted.bits(), kind);
    } else {
        let _ = USUAL.set(kind);
    }
    kind
}
