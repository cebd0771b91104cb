//! The standard library and this library by name, in one state: what a sender's function or table is called, and what the
//! receiver has under that name (V-21).
//!
//! Most are C functions, which have the same address in every state of the program. The others are *kept* by each state when it
//! is made, before any code of the user's runs: tables, functions with captured values, those that LuaJIT has built into its
//! interpreter, and those that restricted states have in a form of their own. So a state finds its own again, whatever its code
//! has done to the tables since. Which they are is found out once for each kind of state ([`super::kind`]).
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::api::*;
use super::context::Context;
use super::error::string_method;
#[cfg(feature = "luajit")]
use super::faces;
use super::kind::{Kept, Kind, Own};
use super::lua_parts;
use super::name::{Of, PLAIN_TABLES, PlainTables};
use super::name_list::{self, NAMES};
use super::paths::{self, LOADED, split};
use super::{fields, headroom};
use crate::runtime::libraries::{self, Libraries};
use std::ffi::c_int;

/// The table in the registry that holds what is kept, from position 1 on. What an encoding puts aside stands behind it.
static KEPT: u8 = 0;

/// Pushes that table. Needs no memory.
///
/// Stack: +1
/// Raises: never
///
/// # Safety
/// Own state, which is anchored.
pub unsafe fn push_kept(l: *mut lua_State) {
    lua_rawgetp(l, LUA_REGISTRYINDEX, (&raw const KEPT).cast());
}

/// Pushes the table of loaded modules, which the state keeps; nil if it keeps none. Makes no string.
///
/// Stack: +1, room for 2
/// Raises: never
///
/// # Safety
/// Own state, which is anchored.
pub unsafe fn push_loaded(l: *mut lua_State) {
    let kept = &kind_of(Context::of_state(l)).kept;
    let place = kept.iter().position(|&place| NAMES.list[place].text == LOADED);
    match place {
        Some(place) => {
            push_kept(l);
            lua_rawgeti(l, -1, place as lua_Integer + 1);
            lua_remove(l, -2);
        }
        None => lua_pushnil(l),
    }
}

/// How many things a state of this kind keeps.
pub fn kept_count(context: &Context) -> usize {
    kind_of(context).kept.len()
}

fn kind_of(context: &Context) -> &'static Kind {
    context.names().kind().unwrap_or(&NAMES.stock)
}

/// Finds out which kind the state is of, if no code of the user's has run in a spawned one.
///
/// Stack: 0, room for 9
/// Raises: memory
///
/// # Safety
/// Own state; `context` is its context.
pub unsafe fn learn_kind(l: *mut lua_State, context: &Context) -> &'static Kind {
    let settings = &context.process().host.settings;
    let kind = if context.process().is_main() {
        &NAMES.stock
    } else {
        headroom::unlimited(l, || name_list::kind_of_spawned(l, settings.libraries, settings.restricted))
    };
    context.names().set_kind(kind);
    kind
}

/// Keeps what a state has now: before any code of the user's runs, or when `require` first loads the library. May raise.
///
/// Stack: 0, room for 9
/// Raises: memory
///
/// # Safety
/// Own state; `context` is its context.
pub unsafe fn anchor(l: *mut lua_State, context: &Context) {
    let top = lua_gettop(l);
    let kind = learn_kind(l, context);
    lua_createtable(l, kind.kept.len() as c_int, 0);
    let kept = lua_gettop(l);
    // What the fields are looked up in: the loaded modules, the globals, and the table that the last one stood in.
    push_loaded_modules(l);
    lua_pushvalue(l, -1);
    paths::raw_step(l, b"_G");
    lua_pushnil(l);
    let mut parent: Option<&[u8]> = None;
    for (position, &place) in (1..).zip(&kind.kept) {
        let text: &[u8] = &NAMES.list[place].text;
        let (of, field) = split(text);
        if text.starts_with(b"@") || text == LOADED || text == b"process" {
            paths::push_present(l, text);
        } else {
            let table = match of {
                b"" if libraries::NAMES.iter().any(|library| library.as_bytes() == field) => kept + 1,
                b"" => kept + 2,
                _ => kept + 3,
            };
            if table == kept + 3 && parent != Some(of) {
                parent = Some(of);
                paths::push_parent(l, of, field);
                lua_replace(l, table);
            }
            // This runs for every process, for each of what it keeps.
            if lua_type(l, table) == LUA_TTABLE {
                push_bytes(l, field);
                lua_rawget(l, table);
            } else {
                lua_pushnil(l);
            }
        }
        lua_rawseti(l, kept, position);
    }
    lua_pushvalue(l, kept);
    lua_rawsetp(l, LUA_REGISTRYINDEX, (&raw const KEPT).cast());
    lua_settop(l, top);
}

/// A C function of the standard library, as the interpreter's own states have it. It has no environment, nor upvalues.
#[cfg(feature = "luajit")]
pub fn stock_function(text: &[u8]) -> Option<Function> {
    NAMES.list[*NAMES.by_text.get(text)?].function
}

/// The libraries of which a main state has something when this library is loaded: whoever embeds it may have left out some.
///
/// Stack: 0, room for 8
/// Raises: memory
///
/// # Safety
/// The stack has room for eight values.
pub unsafe fn libraries_of_main(l: *mut lua_State) -> Libraries {
    let mut found = Libraries::named(b"base").unwrap_or(Libraries::NONE);
    for name in &NAMES.list {
        let tells =
            matches!(name.of, Of::Standard) && name.text.contains(&b'.') && !name.text.starts_with(b"@");
        if found.contain(name.library) || !tells {
            continue;
        }
        paths::push_present(l, &name.text);
        let own = match (lua_tocfunction(l, -1), name.function) {
            (Some(present), Some(stock)) => present as usize == stock as usize,
            (None, None) => lua_type(l, -1) == LUA_TFUNCTION && is_builtin(l, -1),
            _ => false,
        };
        if own {
            found = found.and(name.library);
        }
        lua_pop(l, 1);
    }
    // A module that can still be loaded is there.
    raw_field(l, LUA_REGISTRYINDEX, c"_PRELOAD");
    for module in &NAMES.modules {
        lua_pushvalue(l, -1);
        paths::raw_step(l, &module.name);
        if lua_tocfunction(l, -1).is_some_and(|present| present as usize == module.opener as usize)
            && let Some(library) = Libraries::named(&module.name)
        {
            found = found.and(library);
        }
        lua_pop(l, 1);
    }
    lua_pop(l, 1);
    found
}

/// What the state of the context keeps, read at first use. Runs no Lua code, allocates nothing in the state.
///
/// Stack: 0, room for 4
/// Raises: never
///
/// # Safety
/// Own state, which is anchored; `context` is its context.
unsafe fn kept(l: *mut lua_State, context: &Context) -> &Kept {
    context.names().kept(|| {
        let mut kept = Kept::default();
        push_kept(l);
        for (position, &place) in (1..).zip(&kind_of(context).kept) {
            lua_rawgeti(l, -1, position);
            if lua_type(l, -1) != LUA_TNIL && is_stock(l, context, place) {
                kept.insert(lua_topointer(l, -1) as usize, place);
            }
            lua_pop(l, 1);
        }
        lua_pop(l, 1);
        kept
    })
}

/// Whether the value on top is what the interpreter or this library made for this name, and not what a main script has put in
/// its place. A spawned state keeps its own before any other code has run in it.
///
/// Stack: 0, room for 2
/// Raises: never
///
/// # Safety
/// Own state; the value is on top.
unsafe fn is_stock(l: *mut lua_State, context: &Context, place: usize) -> bool {
    if !context.process().is_main() || lua_type(l, -1) != LUA_TFUNCTION {
        return true;
    }
    match (lua_tocfunction(l, -1), NAMES.list[place].function) {
        (Some(present), Some(stock)) => present as usize == stock as usize,
        (None, None) => lua_iscfunction(l, -1) != 0 || is_builtin(l, -1),
        _ => false,
    }
}

/// The addresses of those of our own tables that look like data. Runs no Lua code.
///
/// Stack: 0, room for 2
/// Raises: never
///
/// # Safety
/// The stack has room for two values.
pub unsafe fn plain_tables(l: *mut lua_State) -> PlainTables {
    let kind = kind_of(Context::of_state(l));
    push_kept(l);
    let addresses = PLAIN_TABLES.map(|name| match kind.own[NAMES.by_text[name.as_bytes()]] {
        Own::Kept(position) => {
            lua_rawgeti(l, -1, lua_Integer::from(position));
            let address = lua_topointer(l, -1) as usize;
            lua_pop(l, 1);
            address
        }
        _ => 0,
    });
    lua_pop(l, 1);
    addresses
}

/// Whether the function at an index is native: one of C, or one of the interpreter's or of this library, which have some in
/// Lua on LuaJIT.
///
/// Stack: 0, room for 6
/// Raises: never
///
/// # Safety
/// The stack has room for six values. Runs no Lua code.
pub unsafe fn is_native(l: *mut lua_State, context: &Context, index: c_int) -> bool {
    lua_iscfunction(l, index) != 0 || is_ours(l, index) || name_at(l, context, index).is_some()
}

/// Whether the Lua function at an index is a part of this library.
///
/// Stack: 0, room for 1
/// Raises: never
///
/// # Safety
/// The stack has room for a value.
pub unsafe fn is_ours(l: *mut lua_State, index: c_int) -> bool {
    let mut debug = std::mem::zeroed::<lua_Debug>();
    cfg!(feature = "luajit") && {
        lua_pushvalue(l, index);
        lua_getinfo(l, c">S".as_ptr(), &mut debug);
        std::ffi::CStr::from_ptr(debug.source) == lua_parts::CHUNK
    }
}

/// Whether the Lua function at an index is one of LuaJIT's own.
///
/// Stack: 0, room for 1
/// Raises: never
///
/// # Safety
/// Own state; a function is at `index`.
unsafe fn is_builtin(l: *mut lua_State, index: c_int) -> bool {
    if lua_iscfunction(l, index) != 0 {
        return true;
    }
    let mut debug = std::mem::zeroed::<lua_Debug>();
    lua_pushvalue(l, index);
    lua_getinfo(l, c">S".as_ptr(), &mut debug);
    std::ffi::CStr::from_ptr(debug.short_src.as_ptr()).to_bytes().starts_with(b"[builtin:")
}

/// What stands at an index, if it crosses by name: the name, and its libraries.
///
/// Stack: 0, room for 6
/// Raises: never
///
/// # Safety
/// The stack has room for six values. Runs no Lua code, allocates nothing in the state.
pub unsafe fn name_at(
    l: *mut lua_State,
    context: &Context,
    index: c_int,
) -> Option<(&'static [u8], Libraries)> {
    place_at(l, context, index).map(|place| (&*NAMES.list[place].text, NAMES.list[place].library))
}

/// The place in the list of names of the value at an index, if it has a name.
///
/// Stack: 0, room for 6
/// Raises: never
///
/// # Safety
/// Own state, which is anchored; `context` is its context.
unsafe fn place_at(l: *mut lua_State, context: &Context, index: c_int) -> Option<usize> {
    let function = lua_tocfunction(l, index).map(|function| function as usize);
    if let Some(function) = function {
        let of_kind = || kind_of(context).by_address.get(&function);
        if let Some(&place) = NAMES.by_address.get(&function).or_else(of_kind) {
            return Some(place);
        }
        if function == string_method as Function as usize {
            return error_method_at(l, context, index);
        }
    }
    let address = lua_topointer(l, index) as usize;
    if let Some(&place) = kept(l, context).get(&address) {
        return Some(place);
    }
    #[cfg(feature = "luajit")]
    if function.is_none() && lua_type(l, index) == LUA_TFUNCTION && is_ours(l, index) {
        return (faces::get().blocking_at)(l, index)
            .and_then(|name| NAMES.list.iter().position(|known| known.is_blocking(name)));
    }
    None
}

/// The name of the method of errors at an index.
///
/// Stack: 0, room for 5
/// Raises: never
///
/// # Safety
/// Own state; `string_method` is at `index`.
unsafe fn error_method_at(l: *mut lua_State, context: &Context, index: c_int) -> Option<usize> {
    if lua_getupvalue(l, index, 1).is_null() {
        return None;
    }
    // Only `debug` could have put another method there.
    let method = string_method as Function as usize;
    let nested = lua_tocfunction(l, -1).is_some_and(|function| function as usize == method);
    let captured = if nested { None } else { place_at(l, context, -1) };
    lua_pop(l, 1);
    NAMES.error_methods.get(&captured?).copied()
}

/// The modules of the interpreter's that are loaded at present, by the addresses of their tables. Runs no Lua code, allocates
/// nothing in the state.
///
/// Stack: 0, room for 8
/// Raises: never
///
/// # Safety
/// The stack has room for eight values.
pub unsafe fn loaded_modules(l: *mut lua_State, context: &Context, found: &mut Kept) {
    found.clear();
    let loaded = NAMES.by_text.get(LOADED).map(|&place| kind_of(context).own[place]);
    let (Some(Own::Kept(position)), false) = (loaded, NAMES.modules.is_empty()) else { return };
    push_kept(l);
    lua_rawgeti(l, -1, lua_Integer::from(position));
    if lua_type(l, -1) == LUA_TTABLE {
        lua_pushnil(l);
        while lua_next(l, -2) != 0 {
            if let (LUA_TTABLE, Some(name)) = (lua_type(l, -1), to_bytes(l, -2))
                && let Some(module) = NAMES.modules.iter().position(|module| module.name == name)
                && is_module(l, module)
            {
                found.insert(lua_topointer(l, -1) as usize, NAMES.by_text[name]);
            }
            lua_pop(l, 1);
        }
    }
    lua_pop(l, 2);
}

/// The name at this place, and its libraries.
pub fn name_of(place: usize) -> (&'static [u8], Libraries) {
    (&NAMES.list[place].text, NAMES.list[place].library)
}

/// Whether what is on top is this module, and not what somebody has put in its place. Allocates nothing.
///
/// Stack: 0, room for 2
/// Raises: never
///
/// # Safety
/// Own state; a value is on top.
unsafe fn is_module(l: *mut lua_State, module: usize) -> bool {
    let is_of = |l| {
        lua_tocfunction(l, -1)
            .and_then(|function| NAMES.by_address.get(&(function as usize)))
            .is_some_and(|&place| NAMES.list[place].of.is_of_module(module))
    };
    if lua_type(l, -1) != LUA_TTABLE {
        return is_of(l);
    }
    lua_pushnil(l);
    while lua_next(l, -2) != 0 {
        if is_of(l) {
            lua_pop(l, 2);
            return true;
        }
        lua_pop(l, 1);
    }
    false
}

/// Pushes what has this name in the state of `l`. `false`, and nothing pushed, if there is no such name, or if the host does not
/// grant its library.
///
/// Stack: +1, or 0 if it is not there, room for 12
/// Raises: any: a module may be loaded
///
/// # Safety
/// The stack has room for twelve values. Runs no Lua code; raises if there is no memory.
pub unsafe fn push_named(l: *mut lua_State, context: &Context, text: &[u8]) -> bool {
    let Some(&place) = NAMES.by_text.get(text) else {
        return false;
    };
    if !context.process().host.settings.libraries.contain(NAMES.list[place].library) {
        return false;
    }
    push_place(l, context, place);
    true
}

/// Pushes what has the name at this place.
///
/// Stack: +1, room for 12
/// Raises: any: a module may be loaded
///
/// # Safety
/// Own state, which is anchored; `context` is its context.
unsafe fn push_place(l: *mut lua_State, context: &Context, place: usize) {
    let name = &NAMES.list[place];
    match kind_of(context).own[place] {
        Own::Plain(function) => push_plain(l, &name.text, function),
        Own::Kept(position) => {
            push_kept(l);
            lua_rawgeti(l, -1, lua_Integer::from(position));
            lua_remove(l, -2);
            // A main script may have taken it away before it has loaded the library.
            if lua_type(l, -1) == LUA_TNIL {
                lua_pop(l, 1);
                push_stock(l, place);
            }
        }
        Own::Module(module) => push_of_module(l, module, place),
        #[cfg(feature = "luajit")]
        Own::Blocking(name) => (faces::get().push_blocking)(l, name),
        Own::ErrorMethod(function) => {
            push_place(l, context, function);
            lua_pushcclosure(l, string_method, 1);
        }
        Own::Nothing => push_missing(l, &name.text),
    }
}

/// Pushes a C function of this name.
///
/// Stack: +1, room for 6
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn push_plain(l: *mut lua_State, text: &[u8], function: Function) {
    // LuaJIT: the same address in another closure would be another function. If the table still has the own one, that is it.
    if cfg!(feature = "luajit") {
        paths::push_present(l, text);
        if lua_tocfunction(l, -1).is_some_and(|own| own as usize == function as usize) {
            return;
        }
        lua_pop(l, 1);
    }
    lua_pushcclosure(l, function, 0);
    // One that its table has not made yet is the one that it would make.
    if cfg!(feature = "luajit") {
        let (table, field) = split(text);
        paths::push_parent(l, table, field);
        if fields::is_lazy(l) {
            push_bytes(l, field);
            lua_pushvalue(l, -3);
            lua_rawset(l, -3);
        }
        lua_pop(l, 1);
    }
}

/// Pushes something of a module, which is loaded now if it was not before.
///
/// Stack: +1, room for 8
/// Raises: any: the module may be loaded
///
/// # Safety
/// Own state, which is anchored.
unsafe fn push_of_module(l: *mut lua_State, module: usize, place: usize) {
    let text = &*NAMES.list[place].text;
    let loaded = push_module(l, module);
    let field = text.strip_prefix(&*NAMES.modules[module].name).and_then(|rest| rest.strip_prefix(b"."));
    if let Some(field) = field.filter(|_| loaded) {
        paths::raw_step(l, field);
    }
    if !loaded || lua_type(l, -1) == LUA_TNIL {
        lua_pop(l, 1);
        push_stock(l, place);
    }
}

/// Pushes the interpreter's C function of this name, as far as it works anywhere, or what stands for it.
///
/// Stack: +1, room for 2
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn push_stock(l: *mut lua_State, place: usize) {
    let name = &NAMES.list[place];
    match name.function.filter(|_| name.plain) {
        Some(function) => lua_pushcclosure(l, function, 0),
        None => push_missing(l, &name.text),
    }
}

/// Pushes this module, loaded if need be; `false`, and something else, if its code has put something else in its place.
///
/// Stack: +1, room for 6
/// Raises: any: the module may be loaded
///
/// # Safety
/// Own state, which is anchored.
unsafe fn push_module(l: *mut lua_State, module: usize) -> bool {
    let name = &NAMES.modules[module].name;
    // Kept once it was needed.
    push_kept(l);
    paths::raw_step(l, name);
    if is_module(l, module) {
        return true;
    }
    lua_pop(l, 1);
    // The number has LuaJIT open `ffi` unless it is open: a second time would spoil what is there.
    if name == b"ffi" {
        luaL_loadstring(l, c"return 0LL".as_ptr());
        lua_pop(l, 1);
    }
    paths::push_loaded(l, name);
    if !is_module(l, module) && name != b"ffi" {
        lua_pop(l, 1);
        raw_field(l, LUA_REGISTRYINDEX, c"_PRELOAD");
        paths::raw_step(l, name);
        let opener = NAMES.modules[module].opener;
        if lua_tocfunction(l, -1).is_some_and(|present| present as usize == opener as usize) {
            push_bytes(l, name);
            lua_call(l, 1, 1);
            note_loaded(l, name);
        }
    }
    if !is_module(l, module) {
        return false;
    }
    push_kept(l);
    push_bytes(l, name);
    lua_pushvalue(l, -3);
    lua_rawset(l, -3);
    lua_pop(l, 1);
    true
}

/// The module on top is what `require` gives from now on, if it would have to load it.
///
/// Stack: 0, room for 5
/// Raises: memory
///
/// # Safety
/// Own state; the module is on top.
unsafe fn note_loaded(l: *mut lua_State, name: &[u8]) {
    push_loaded_modules(l);
    lua_pushvalue(l, -1);
    paths::raw_step(l, name);
    let absent = lua_type(l, -1) == LUA_TNIL;
    lua_pop(l, 1);
    if absent {
        push_bytes(l, name);
        lua_pushvalue(l, -3);
        lua_rawset(l, -3);
    }
    lua_pop(l, 1);
}

/// Pushes what stands for something that code of this state has taken away: a function that says so when it is called.
///
/// Stack: +1, room for 2
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn push_missing(l: *mut lua_State, text: &[u8]) {
    /// Says that there is no such function here.
    ///
    /// Stack: never returns
    /// Raises: any
    ///
    /// # Safety
    /// Called by Lua; the captured value is the name.
    unsafe extern "C-unwind" fn missing(l: *mut lua_State) -> c_int {
        luaL_where(l, 1);
        lua_pushvalue(l, lua_upvalueindex(1));
        push_bytes(l, b" is not there any more in this process");
        lua_concat(l, 3);
        lua_error(l)
    }
    push_bytes(l, text);
    lua_pushcclosure(l, missing, 1);
}

#[cfg(test)]
mod tests;
