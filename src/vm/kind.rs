//! How a state has what crosses by name. All states of one kind, those of main processes and those of hosts that grant the same
//! libraries, are made alike, so this is found out once for each kind, by a look at the first state of it, before code of the
//! user's runs. Nothing has to know which functions a kind has in a form of its own: what a state has not as a C function that
//! works anywhere is *kept* in each state (see [`super::standard`]).

use super::api::*;
use super::names::{LOADED, NAMES, Name, Of, is_iterator, split};
use crate::lua::install;
use crate::runtime::libraries::{self, Libraries};
use once_cell::sync::{Lazy, OnceCell};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
#[cfg(feature = "luajit")]
use std::ffi::CStr;
use std::ffi::c_int;

/// What a state has under one name.
#[derive(Clone, Copy)]
pub enum Own {
    /// Nothing.
    Nothing,
    /// A C function without captured values.
    Plain(Function),
    /// What was kept at this position when the state was made.
    Kept(u32),
    /// Something of a module that may have to be loaded first.
    Module(usize),
    /// The blocking function of this name.
    #[cfg(feature = "luajit")]
    Blocking(&'static CStr),
    /// The function of `string` of this name, as a method of errors.
    ErrorMethod(usize),
}

/// See the top of the page.
#[derive(Default)]
pub struct Kind {
    /// For each name.
    pub own: Vec<Own>,
    /// The names of what each state keeps, by position.
    pub kept: Vec<usize>,
    /// C functions of this kind alone, with their names.
    pub by_address: FxHashMap<usize, usize>,
}

impl Kind {
    /// Reads the kind of a state that no code of the user's has changed.
    pub unsafe fn read(l: *mut lua_State, names: &[Name]) -> Self {
        let mut kind = Kind::default();
        for (place, name) in names.iter().enumerate() {
            let own = match name.of {
                Of::Own(function) => Own::Plain(function),
                Of::OwnTable => kind.keep(place),
                #[cfg(feature = "luajit")]
                Of::Blocking(name) => Own::Blocking(name),
                Of::ErrorMethod(function) => Own::ErrorMethod(function),
                // The functions of `ffi` crash unless it was opened.
                Of::Module(module) => match name.function {
                    Some(function) if name.plain && !name.text.starts_with(b"ffi.") => Own::Plain(function),
                    _ => Own::Module(module),
                },
                Of::Standard => kind.standard(l, place, name),
            };
            kind.own.push(own);
        }
        // Those that stand in one table one after the other: each table is looked up once.
        kind.kept.sort_by_key(|&place| split(&names[place].text));
        for (position, &place) in kind.kept.iter().enumerate() {
            kind.own[place] = Own::Kept(position as u32 + 1);
        }
        kind
    }

    fn keep(&mut self, place: usize) -> Own {
        self.kept.push(place);
        Own::Kept(0)
    }

    unsafe fn standard(&mut self, l: *mut lua_State, place: usize, name: &Name) -> Own {
        push_present(l, &name.text);
        let (present, function) = (lua_type(l, -1), lua_tocfunction(l, -1));
        let plain = present == LUA_TFUNCTION && is_plain(l, -1);
        lua_pop(l, 1);
        match function.filter(|_| plain) {
            Some(function) => {
                if name.function.is_none_or(|stock| stock as usize != function as usize) {
                    self.by_address.insert(function as usize, place);
                }
                Own::Plain(function)
            }
            None if present != LUA_TNIL => self.keep(place),
            // Nothing leads to it without a call.
            None => match name.function {
                Some(function) if name.plain && is_iterator(&name.text) => Own::Plain(function),
                _ => Own::Nothing,
            },
        }
    }

    /// The kind of a spawned state that has just been made, on a host with these settings.
    pub unsafe fn of_spawned(l: *mut lua_State, granted: Libraries, restricted: bool) -> &'static Kind {
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
}

/// Whether the C function at an index works without captured values, and in any environment.
pub unsafe fn is_plain(l: *mut lua_State, index: c_int) -> bool {
    if lua_tocfunction(l, index).is_none() {
        return false;
    }
    if !lua_getupvalue(l, index, 1).is_null() {
        lua_pop(l, 1);
        return false;
    }
    #[cfg(feature = "luajit")]
    {
        lua_getfenv(l, index);
        push_globals(l);
        let usual = lua_rawequal(l, -1, -2) != 0;
        lua_pop(l, 2);
        usual
    }
    #[cfg(feature = "lua54")]
    true
}

/// Pushes a field of the table of loaded modules.
pub unsafe fn push_loaded(l: *mut lua_State, name: &[u8]) {
    raw_field(l, LUA_REGISTRYINDEX, c"_LOADED");
    raw_step(l, name);
}

/// Replaces the table on top by its field, anything else by nil.
pub unsafe fn raw_step(l: *mut lua_State, name: &[u8]) {
    if lua_type(l, -1) == LUA_TTABLE {
        push_bytes(l, name);
        lua_rawget(l, -2);
    } else {
        lua_pushnil(l);
    }
    lua_remove(l, -2);
}

/// Pushes what stands in the tables of a state under a name at present, nil if that is nothing.
pub unsafe fn push_present(l: *mut lua_State, text: &[u8]) {
    match text {
        LOADED => {
            raw_field(l, LUA_REGISTRYINDEX, c"_LOADED");
        }
        // LuaJIT's `ipairs` has it as a captured value.
        b"@ipairs" if cfg!(feature = "luajit") => {
            push_loaded(l, b"_G");
            raw_step(l, b"ipairs");
            if lua_type(l, -1) != LUA_TFUNCTION || lua_getupvalue(l, -1, 1).is_null() {
                lua_pushnil(l);
            }
            lua_remove(l, -2);
        }
        _ if is_iterator(text) => lua_pushnil(l),
        b"process" => install::push_process(l),
        _ => {
            let (parent, field) = split(text);
            push_parent(l, parent, field);
            raw_step(l, field);
        }
    }
}

/// Pushes the table in which a name of this parent and field stands, or something else if there is none.
pub unsafe fn push_parent(l: *mut lua_State, parent: &[u8], field: &[u8]) {
    if let Some(class) = parent.strip_prefix(b"@") {
        push_metatable(l, class);
        if !field.starts_with(b"__") {
            raw_step(l, b"__index");
            // That of errors is a function, which has the table as a captured value.
            if lua_tocfunction(l, -1).is_some() && !lua_getupvalue(l, -1, 1).is_null() {
                lua_remove(l, -2);
            }
        }
        return;
    }
    // The libraries themselves stand among the loaded modules.
    if parent.is_empty() {
        if libraries::NAMES.iter().any(|library| library.as_bytes() == field) {
            raw_field(l, LUA_REGISTRYINDEX, c"_LOADED");
        } else {
            push_loaded(l, b"_G");
        }
        return;
    }
    let mut parts = parent.split(|&byte| byte == b'.');
    match parts.next().unwrap_or_default() {
        b"process" => install::push_process(l),
        first => {
            // A module may have a point in its name.
            push_loaded(l, parent);
            if lua_type(l, -1) == LUA_TTABLE {
                return;
            }
            lua_pop(l, 1);
            push_loaded(l, first);
        }
    }
    for part in parts {
        raw_step(l, part);
    }
}

/// Pushes the metatable of a class of ours, of files or of strings; nil if the state has none yet.
unsafe fn push_metatable(l: *mut lua_State, class: &[u8]) {
    match class {
        b"file" => {
            raw_field(l, LUA_REGISTRYINDEX, c"FILE*");
        }
        b"string" => {
            lua_pushstring(l, c"".as_ptr());
            if lua_getmetatable(l, -1) == 0 {
                lua_pushnil(l);
            }
            lua_remove(l, -2);
        }
        _ => match crate::lua::CLASSES.iter().find(|known| known.name.as_bytes() == class) {
            Some(&known) => {
                lua_rawgetp(l, LUA_REGISTRYINDEX, std::ptr::from_ref(known).cast());
            }
            None => lua_pushnil(l),
        },
    }
}
