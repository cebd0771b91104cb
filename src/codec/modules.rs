//! Modules that the function of an entry has captured (V-25): they cross by their names, and the new process requires them before
//! `main` is called. Other tables with a metatable do not cross so (V-26).
//!
//! Where the receiver has not loaded a module yet, a *placeholder* stands for it, an empty table but for the name. The process begins
//! by requiring what they name, in its main coroutine, and puts the modules in their places ([`fill`]).
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::decode::Decoder;
use super::encode::Encoder;
use crate::runtime::failure::{Failure, shown};
use crate::vm::api::*;
use crate::vm::standard;
use crate::wire::{put_bytes, tag};
use rustc_hash::FxHashMap;
use std::ffi::{c_int, c_void};
use std::ptr;

/// The table of placeholders in the registry: from 1 on in the order in which they were made, each under its name, and `true` under
/// each.
static PENDING: u8 = 0;

/// In a placeholder: the name, and the module when it is loaded.
const NAME: lua_Integer = 1;
const MODULE: lua_Integer = 2;

impl Encoder {
    /// Writes the table at `index` as the module that it is, if it belongs to an entry.
    ///
    /// # Errors
    /// It has a metatable, and is no module.
    ///
    /// Stack: 0
    /// Raises: memory
    ///
    /// # Safety
    /// Own state; a table is at `index`.
    #[inline(never)]
    pub(super) unsafe fn is_required(
        &mut self,
        l: *mut lua_State,
        index: c_int,
        address: *const c_void,
        place: &impl Fn() -> String,
    ) -> Result<bool, Failure> {
        if std::mem::take(&mut self.at_environment) {
            self.walks_environment = true;
            return Ok(false);
        }
        if self.is_module(l, address) {
            return Ok(true);
        }
        if self.of_entry && has_metatable(l, index) {
            return Err(Failure::CapturedObject { place: shown(place().as_bytes()) });
        }
        if self.strict && !self.of_entry {
            self.refuse_metatable(l, index, place)?;
        }
        Ok(false)
    }

    /// Writes what stands at this address as the module that it is, if it belongs to an entry.
    ///
    /// Stack: 0
    /// Raises: memory, if the VM has none for a stack
    ///
    /// # Safety
    /// Own state.
    pub(super) unsafe fn is_module(&mut self, l: *mut lua_State, address: *const c_void) -> bool {
        if !self.of_entry {
            return false;
        }
        let Some(name) = self.required(l).get(&(address as usize)) else { return false };
        let mut bytes = Vec::with_capacity(name.len() + 5);
        put_bytes(&mut bytes, name);
        self.out.put([tag::MODULE]);
        self.out.put_slice(&bytes);
        true
    }

    /// Whether the table on top is a module that crosses by its name.
    ///
    /// Stack: 0
    /// Raises: memory, if the VM has none for a stack
    ///
    /// # Safety
    /// Own state; a table is on top.
    pub(super) unsafe fn is_known_module(&mut self, l: *mut lua_State) -> bool {
        self.of_entry && self.required(l).contains_key(&(lua_topointer(l, -1) as usize))
    }

    /// Refuses a table that has a metatable.
    ///
    /// # Errors
    /// It has one.
    ///
    /// Stack: 0
    /// Raises: never
    ///
    /// # Safety
    /// Own state; a table is at `index`.
    #[cold]
    pub(super) unsafe fn refuse_metatable(
        &self,
        l: *mut lua_State,
        index: c_int,
        place: &impl Fn() -> String,
    ) -> Result<(), Failure> {
        if has_metatable(l, index) {
            let place = shown(place().as_bytes());
            return Err(Failure::CannotSend { what: "table with a metatable", place });
        }
        Ok(())
    }

    /// Notes whether one of the tables of a walk, which has come `depth` levels deep from `base` on, is a module.
    ///
    /// Stack: 0
    /// Raises: memory, if the VM has none for a stack
    ///
    /// # Safety
    /// Own state; the tables stand there.
    #[cold]
    pub(super) unsafe fn note_modules(&mut self, l: *mut lua_State, base: c_int, depth: usize) {
        for level in 0..depth {
            self.note_module(l, lua_topointer(l, base + 2 * level as c_int));
        }
    }

    /// Notes whether what is refused at this address is a module.
    ///
    /// Stack: 0
    /// Raises: memory, if the VM has none for a stack
    ///
    /// # Safety
    /// Own state.
    #[cold]
    pub(super) unsafe fn note_module(&mut self, l: *mut lua_State, address: *const c_void) {
        if self.functions {
            self.in_module |= self.required(l).contains_key(&(address as usize));
        }
    }

    /// The names of the modules that are loaded in the state, and of placeholders, by their addresses.
    ///
    /// Stack: 0
    /// Raises: memory, if the VM has none for a stack
    ///
    /// # Safety
    /// Own state.
    unsafe fn required(&mut self, l: *mut lua_State) -> &FxHashMap<usize, Vec<u8>> {
        self.required.get_or_insert_with(|| {
            let mut names = FxHashMap::default();
            if lua_checkstack(l, 6) == 0 {
                return names;
            }
            standard::push_loaded(l);
            collect(l, &mut names);
            lua_rawgetp(l, LUA_REGISTRYINDEX, (&raw const PENDING).cast());
            collect(l, &mut names);
            names
        })
    }
}

/// Collects the tables and functions that have names in the table on top, and pops it. Of several names the shortest counts, then the
/// first in byte order.
///
/// Stack: -1, room for 3
/// Raises: never
///
/// # Safety
/// Own state.
unsafe fn collect(l: *mut lua_State, names: &mut FxHashMap<usize, Vec<u8>>) {
    if lua_type(l, -1) == LUA_TTABLE {
        lua_pushnil(l);
        while lua_next(l, -2) != 0 {
            if lua_type(l, -2) == LUA_TSTRING && matches!(lua_type(l, -1), LUA_TTABLE | LUA_TFUNCTION) {
                let name = to_bytes(l, -2).unwrap_or_default();
                let known = names.entry(lua_topointer(l, -1) as usize).or_insert_with(|| name.to_vec());
                if (name.len(), name) < (known.len(), known) {
                    *known = name.to_vec();
                }
            }
            lua_settop(l, -2);
        }
    }
    lua_settop(l, -2);
}

/// Whether the table at `index` has a metatable.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state; a table is at `index`.
unsafe fn has_metatable(l: *mut lua_State, index: c_int) -> bool {
    let found = lua_checkstack(l, 1) != 0 && lua_getmetatable(l, index) != 0;
    if found {
        lua_settop(l, -2);
    }
    found
}

impl Decoder<'_> {
    /// Pushes the module of the name that comes next, or what stands for it.
    ///
    /// Raises: any
    ///
    /// # Safety
    /// As [`super::decode::push`].
    pub(super) unsafe fn module(&mut self) -> Option<()> {
        let l = self.l;
        let name = self.reader.bytes()?;
        luaL_checkstack(l, 8, ptr::null());
        for table in [standard::push_loaded, push_pending] {
            table(l);
            push_bytes(l, name);
            if lua_rawget(l, -2) != LUA_TNIL {
                lua_remove(l, -2);
                return Some(());
            }
            lua_pop(l, 2);
        }
        lua_createtable(l, 2, 0);
        push_bytes(l, name);
        lua_rawseti(l, -2, NAME);
        push_pending(l);
        lua_pushvalue(l, -2);
        lua_rawseti(l, -2, lua_rawlen(l, -2) as lua_Integer + 1);
        push_bytes(l, name);
        lua_pushvalue(l, -3);
        lua_rawset(l, -3);
        lua_pushvalue(l, -2);
        lua_pushboolean(l, 1);
        lua_rawset(l, -3);
        lua_pop(l, 1);
        Some(())
    }
}

/// Pushes the table of placeholders.
///
/// Stack: +1, room for 2
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn push_pending(l: *mut lua_State) {
    push_own_table(l, &PENDING);
}

/// Pushes the table of placeholders if there are any, for `boot.lua`; they are forgotten. `false` and nothing if there is none.
///
/// Stack: +1 or 0, room for 2
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn take_pending(l: *mut lua_State) -> bool {
    let key = (&raw const PENDING).cast();
    if lua_rawgetp(l, LUA_REGISTRYINDEX, key) != LUA_TTABLE {
        lua_pop(l, 1);
        return false;
    }
    lua_pushnil(l);
    lua_rawsetp(l, LUA_REGISTRYINDEX, key);
    true
}

/// `fill(pending, main)` of `boot.lua`: puts the modules, which are loaded by now, in the place of their placeholders, in all that
/// the function has captured.
///
/// Stack: 0
/// Raises: memory
///
/// # Safety
/// Called by Lua, from `boot.lua`.
pub unsafe extern "C-unwind" fn fill(l: *mut lua_State) -> c_int {
    luaL_checkstack(l, 12, ptr::null());
    lua_settop(l, 2);
    // Functions and tables that are still to be looked through stand in a list; those that were seen, under themselves.
    lua_createtable(l, 4, 4);
    lua_pushvalue(l, 2);
    visit(l);
    while lua_rawlen(l, LIST) > 0 {
        let last = lua_rawlen(l, LIST) as lua_Integer;
        lua_rawgeti(l, LIST, last);
        lua_pushnil(l);
        lua_rawseti(l, LIST, last);
        if lua_type(l, -1) == LUA_TFUNCTION {
            fill_captures(l);
        } else {
            fill_fields(l);
        }
        lua_settop(l, LIST);
    }
    0
}

/// Where the table of placeholders and the list stand.
const PLACEHOLDERS: c_int = 1;
const LIST: c_int = 3;

/// Puts the value on top into the list, unless it is none to be looked through or was seen. Pops it.
///
/// Stack: -1, room for 3
/// Raises: memory
///
/// # Safety
/// As [`fill`].
unsafe fn visit(l: *mut lua_State) {
    if !matches!(lua_type(l, -1), LUA_TTABLE | LUA_TFUNCTION) {
        return lua_pop(l, 1);
    }
    lua_pushvalue(l, -1);
    let seen = lua_rawget(l, LIST) != LUA_TNIL;
    lua_pop(l, 1);
    if seen {
        return lua_pop(l, 1);
    }
    lua_pushvalue(l, -1);
    lua_pushboolean(l, 1);
    lua_rawset(l, LIST);
    lua_rawseti(l, LIST, lua_rawlen(l, LIST) as lua_Integer + 1);
}

/// Puts the module in the place of a placeholder on top: whether it was one.
///
/// Stack: 0, room for 2
/// Raises: memory
///
/// # Safety
/// As [`fill`].
unsafe fn replace(l: *mut lua_State) -> bool {
    if lua_type(l, -1) != LUA_TTABLE {
        return false;
    }
    lua_pushvalue(l, -1);
    let placeholder = lua_rawget(l, PLACEHOLDERS) == LUA_TBOOLEAN;
    lua_pop(l, 1);
    if placeholder {
        lua_rawgeti(l, -1, MODULE);
        lua_remove(l, -2);
    }
    placeholder
}

/// Looks through what the function on top has captured.
///
/// Stack: 0, room for 5
/// Raises: memory
///
/// # Safety
/// As [`fill`].
unsafe fn fill_captures(l: *mut lua_State) {
    let function = lua_gettop(l);
    let mut number = 1;
    while !lua_getupvalue(l, function, number).is_null() {
        if replace(l) {
            lua_setupvalue(l, function, number);
        } else {
            visit(l);
        }
        lua_settop(l, function);
        number += 1;
    }
    #[cfg(feature = "luajit")]
    {
        lua_getfenv(l, function);
        push_globals(l);
        let usual = lua_rawequal(l, -1, -2) != 0;
        lua_pop(l, 1);
        if !usual {
            visit(l);
        }
    }
}

/// Looks through the fields of the table on top.
///
/// Stack: 0, room for 8
/// Raises: memory
///
/// # Safety
/// As [`fill`].
unsafe fn fill_fields(l: *mut lua_State) {
    let table = lua_gettop(l);
    push_globals(l);
    let globals = lua_rawequal(l, -1, table) != 0;
    lua_settop(l, table);
    if globals {
        return;
    }
    lua_pushnil(l);
    while lua_next(l, table) != 0 {
        if replace(l) {
            lua_pushvalue(l, -2);
            lua_insert(l, -2);
            lua_rawset(l, table);
        } else {
            visit(l);
        }
        lua_pushvalue(l, -1);
        visit(l);
    }
}
