//! Tables as bytes: a walk without recursion, with `lua_next` and the Lua stack as work stack, a table and the key that is being
//! worked on for each level. What stands deeper than [`DEPTH`] is put aside and written behind the values.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::FLAT;
use super::encode::{Encoder, Level};
use super::place::{self, Place};
use super::scalar::Refusal;
use crate::runtime::failure::Failure;
use crate::vm::api::*;
use crate::vm::array_part;
use crate::vm::class::Crossing;
use crate::vm::context::Context;
use crate::vm::object;
use crate::vm::standard;
use crate::wire::{DEPTH, tag};
use std::ffi::{c_int, c_void};

/// [`FLAT`] levels are walked before the Lua stack is asked for more room: a table and a key for each, and some to work with.
const ROOM_FOR_LEVELS: c_int = 2 * FLAT as c_int + 8 + NUMBERS;

/// So many numbers of an array are on the stack at the same time.
const NUMBERS: c_int = 16;

/// Arrays of fewer items are not worth a look at their numbers.
const LONG: u32 = 4;

impl Encoder {
    /// Encodes the value at `index` and everything in it.
    ///
    /// Stack: 0
    /// Raises: memory
    ///
    /// # Safety
    /// Own state. Runs no Lua code.
    #[inline(always)]
    pub(super) unsafe fn value(
        &mut self,
        l: *mut lua_State,
        index: c_int,
        start: impl Fn() -> Place,
    ) -> Result<(), Failure> {
        match lua_type(l, index) {
            LUA_TTABLE => {}
            LUA_TFUNCTION if self.functions => return self.function(l, index, || start().text),
            LUA_TUSERDATA if wrapping(l, index).is_some() => return self.wrapped(l, index, &start),
            kind => {
                return self.scalar(l, index, kind).map_err(|refusal| refusal.failure(start().text));
            }
        }
        let address = lua_topointer(l, index);
        if self.has_name(l, index, address, &|| start().text)? || self.reference(address) {
            // One that is known already is not walked through.
            self.walks_environment = false;
            return Ok(());
        }
        if lua_checkstack(l, 1) == 0 {
            return Err(Failure::OutOfMemory);
        }
        lua_pushvalue(l, index);
        self.walk(l, start)
    }

    /// Writes the table at `index` by its name if it has one.
    ///
    /// Stack: 0, room for 4
    /// Raises: memory
    ///
    /// # Safety
    /// Own state; a table is at `index`.
    #[inline(always)]
    unsafe fn has_name(
        &mut self,
        l: *mut lua_State,
        index: c_int,
        address: *const c_void,
        place: &impl Fn() -> String,
    ) -> Result<bool, Failure> {
        if self.functions {
            return Ok(self.named(l, index, place)? || self.is_required(l, index, address, place)?);
        }
        if self.strict {
            self.refuse_metatable(l, index, place)?;
        }
        let plain = match self.plain_tables {
            Some(tables) => tables,
            None if lua_checkstack(l, 4) == 0 => return Err(Failure::OutOfMemory),
            None => {
                let tables = standard::plain_tables(l);
                Context::of_state(l).names().set_plain_tables(tables);
                *self.plain_tables.insert(tables)
            }
        };
        if plain.contains(&(address as usize)) { Err(Refusal::Again.failure(place())) } else { Ok(false) }
    }

    /// Encodes what the object at `index` wraps.
    ///
    /// Stack: 0
    /// Raises: memory
    ///
    /// # Safety
    /// Own state; an object that wraps a value is at `index`.
    #[cold]
    unsafe fn wrapped(
        &mut self,
        l: *mut lua_State,
        index: c_int,
        start: &dyn Fn() -> Place,
    ) -> Result<(), Failure> {
        if lua_checkstack(l, 8) == 0 {
            return Err(Failure::OutOfMemory);
        }
        lua_pushvalue(l, index);
        let Some(unwrap) = wrapping(l, index) else { return Ok(()) };
        match unwrap(l) {
            LUA_TUSERDATA => {
                self.scalar(l, -1, LUA_TUSERDATA).map_err(|refusal| refusal.failure(start().text))?;
            }
            _ => self.value_inside(l, lua_gettop(l), start)?,
        }
        lua_pop(l, 1);
        Ok(())
    }

    /// As [`Encoder::value`], for calls from inside one.
    ///
    /// Stack: 0
    /// Raises: memory
    ///
    /// # Safety
    /// Own state.
    pub(super) unsafe fn value_inside(
        &mut self,
        l: *mut lua_State,
        index: c_int,
        start: &dyn Fn() -> Place,
    ) -> Result<(), Failure> {
        self.value(l, index, start)
    }

    /// Writes the table on top and everything in it. Pops it.
    ///
    /// Stack: -1
    /// Raises: memory
    ///
    /// # Safety
    /// Own state; a table is on top.
    pub(super) unsafe fn walk(
        &mut self,
        l: *mut lua_State,
        start: impl Fn() -> Place,
    ) -> Result<(), Failure> {
        if lua_checkstack(l, ROOM_FOR_LEVELS) == 0 {
            return Err(Failure::OutOfMemory);
        }
        let base = lua_gettop(l);
        let bottom = self.levels.len();
        let environment = self.functions && std::mem::take(&mut self.walks_environment);
        self.deepest = self.deepest.max(bottom + 1);
        let mut level = self.begin_table(l);
        loop {
            if lua_next(l, -2) == 0 {
                lua_settop(l, -2);
                self.out.patch_u32(level.counts, level.items);
                self.out.patch_u32(level.counts + 4, level.pairs);
                if self.levels.len() == bottom {
                    return Ok(());
                }
                if let Some(outer) = self.levels.pop() {
                    level = outer;
                }
                continue;
            }
            let depth = self.levels.len() - bottom + 1;
            if environment && depth == 1 && self.is_left_out(l) {
                lua_settop(l, -2);
                continue;
            }
            // Items from 1 on come first and in order; from the first other key on everything is a pair.
            let kind = lua_type(l, -2);
            if kind == LUA_TNUMBER && level.pairs == 0 && is_whole(l, -2, level.items + 1) {
                level.items += 1;
            } else {
                level.pairs += 1;
                self.key(l, kind, depth, base, &start)?;
            }
            let mut kind = lua_type(l, -1);
            if kind == LUA_TUSERDATA {
                kind = unwrapped(l);
            }
            if kind != LUA_TTABLE {
                if self.functions && kind == LUA_TFUNCTION {
                    self.function(l, -1, || place::path(l, base, depth, start()))
                        .inspect_err(|_| self.note_modules(l, base, depth))?;
                } else if let Err(refusal) = self.scalar(l, -1, kind) {
                    self.note_modules(l, base, depth);
                    return Err(refusal.failure(place::path(l, base, depth, start())));
                }
                lua_settop(l, -2);
                continue;
            }
            let address = lua_topointer(l, -1);
            if self.has_name(l, -1, address, &|| place::path(l, base, depth, start()))?
                || self.reference(address)
            {
                lua_settop(l, -2);
            } else if self.levels.len() + 1 < DEPTH
                && (!depth.is_multiple_of(FLAT) || lua_checkstack(l, ROOM_FOR_LEVELS) != 0)
            {
                self.levels.push(level);
                self.deepest = self.deepest.max(self.levels.len() + 1);
                level = self.begin_table(l);
            } else {
                self.put_aside(l, -1, || place::path(l, base, depth, start()));
                lua_settop(l, -2);
            }
            if self.out.has_failed() {
                return Err(Failure::OutOfMemory);
            }
        }
    }

    /// Writes the key below the top.
    ///
    /// Stack: 0, room for 2
    /// Raises: memory
    ///
    /// # Safety
    /// Own state; a key and its value are on top.
    #[inline(always)]
    unsafe fn key(
        &mut self,
        l: *mut lua_State,
        kind: c_int,
        depth: usize,
        base: c_int,
        start: impl Fn() -> Place,
    ) -> Result<(), Failure> {
        let place = || place::key_path(l, base, depth, start());
        if kind != LUA_TUSERDATA {
            return self.key_at(l, -2, kind, place);
        }
        // The key itself stays where it is: the walk through the table goes on from it.
        lua_pushvalue(l, -2);
        let kind = unwrapped(l);
        let impossible = match kind {
            LUA_TNIL => Some("nil"),
            LUA_TNUMBER if lua_tonumber(l, -1).is_nan() => Some("NaN"),
            _ => None,
        };
        match impossible {
            Some(what) => return Err(Refusal::Type(what).failure(place())),
            None => self.key_at(l, -1, kind, place)?,
        }
        lua_pop(l, 1);
        Ok(())
    }

    /// Writes the value at `index`, of the type `kind`, as a key.
    ///
    /// Stack: 0
    /// Raises: memory
    ///
    /// # Safety
    /// Own state; a value of this type is at `index`.
    #[inline(always)]
    unsafe fn key_at(
        &mut self,
        l: *mut lua_State,
        index: c_int,
        kind: c_int,
        place: impl Fn() -> String,
    ) -> Result<(), Failure> {
        match kind {
            LUA_TTABLE => {}
            LUA_TFUNCTION if self.functions => return self.function(l, index, place),
            _ => return self.scalar(l, index, kind).map_err(|refusal| refusal.failure(place())),
        }
        let address = lua_topointer(l, index);
        if !self.has_name(l, index, address, &place)? && !self.reference(address) {
            self.put_aside(l, index, place);
        }
        Ok(())
    }

    /// Writes a reference if the table at this address was written before; else remembers that it is written now.
    #[inline(always)]
    pub(super) fn reference(&mut self, address: *const c_void) -> bool {
        let at = self.out.written();
        match self.tables.find_or_insert(address, at) {
            None => false,
            Some(known) => {
                let (first, id) = (known.at, known.id);
                self.refer(address, first, id);
                true
            }
        }
    }

    #[cold]
    fn refer(&mut self, address: *const c_void, first: usize, mut id: u32) {
        if id == 0 {
            id = self.share(address);
            self.out.patch(first, tag::TABLE_DEF);
            self.out.patch_u32(first + 9, id);
        }
        self.out.put_tagged(tag::TABLE_REF, id);
    }

    /// Begins the table on top: writes the numbers that it begins with, and pushes the key that the walk goes on from.
    ///
    /// Stack: +1, room for [`NUMBERS`]
    /// Raises: never
    ///
    /// # Safety
    /// Own state; a table is on top.
    #[inline(always)]
    unsafe fn begin_table(&mut self, l: *mut lua_State) -> Level {
        let counts = self.out.written() + 1;
        self.out.put([tag::TABLE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let long = array_part::size(l, -1);
        let items = if long < LONG { 0 } else { self.numbers(l, long) };
        if items == 0 {
            lua_pushnil(l);
        } else {
            push_whole(l, i64::from(items));
        }
        Level { counts, items, pairs: 0 }
    }

    /// Writes the numbers that stand from 1 on in the table on top, up to the first other value, at most `long` of them, which stand
    /// in its array part: how many there are. A walk that goes on from the last of them meets everything else.
    ///
    /// Stack: 0, room for [`NUMBERS`]
    /// Raises: never
    ///
    /// # Safety
    /// Own state; a table is on top.
    #[inline(never)]
    unsafe fn numbers(&mut self, l: *mut lua_State, long: u32) -> u32 {
        let table = lua_gettop(l);
        // LuaJIT's array part begins at 0.
        #[cfg(feature = "luajit")]
        {
            let first = lua_rawgeti(l, table, 0);
            lua_settop(l, table);
            if first != LUA_TNIL {
                return 0;
            }
        }
        let mut items = 0;
        while items < long {
            let end = long.min(items + NUMBERS as u32);
            while items < end && lua_rawgeti(l, table, lua_Integer::from(items + 1)) == LUA_TNUMBER {
                self.number(l, -1);
                items += 1;
            }
            lua_settop(l, table);
            if items < end {
                break;
            }
        }
        items
    }
}

/// Whether the number at `index`, which is a key of a table, is this whole number.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state; a number is at `index`.
#[inline(always)]
unsafe fn is_whole(l: *mut lua_State, index: c_int, whole: u32) -> bool {
    // Lua 5.4 has no keys that are floats but whole, and a fraction counts as 0 here.
    #[cfg(feature = "lua54")]
    return lua_tointegerx(l, index, std::ptr::null_mut()) == lua_Integer::from(whole);
    #[cfg(feature = "luajit")]
    return lua_tonumber(l, index) == f64::from(whole);
}

/// How the value of the userdata at `index` is had, if it is one of ours that crosses as the value it wraps.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state.
#[cold]
unsafe fn wrapping(l: *mut lua_State, index: c_int) -> Option<unsafe fn(*mut lua_State) -> c_int> {
    match object::class_of(l, index)?.crossing {
        Crossing::Wrapped(unwrap) => Some(unwrap),
        _ => None,
    }
}

/// Puts what it wraps in the place of an object on top that crosses so; any other value stays. The type of what is there then.
///
/// Needs two free slots. Runs no Lua code and does not raise.
///
/// Stack: 0, room for 2
/// Raises: never
///
/// # Safety
/// Own state; a userdata is on top.
#[cold]
unsafe fn unwrapped(l: *mut lua_State) -> c_int {
    wrapping(l, -1).map_or_else(|| lua_type(l, -1), |unwrap| unwrap(l))
}
