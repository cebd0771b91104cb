//! Location objects (T-42, T-47).

use super::super::arguments::{object_at, receiver};
use crate::calendar::zone::Zone;
use crate::codec::time::{put_zone, read_zone};
use crate::vm::api::*;
use crate::vm::api::{Functions, fill_metatable};
use crate::vm::class::{Class, Crossing};
use crate::vm::object::{self, Object};
use crate::wire::{Reader, tag};
use std::ffi::c_int;

/// A zone.
pub struct LocationObject(pub Zone);

/// Its class.
pub static LOCATION: Class = Class {
    name: "location",
    type_name: c"time.Location",
    fill,
    crossing: Crossing::Value { tag: tag::LOCATION, put, take },
};

impl Object for LocationObject {
    const CLASS: &'static Class = &LOCATION;

    fn weight(&self) -> usize {
        self.0.weight()
    }
}

/// Writes the zone at `index`.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state; runs while values are encoded.
unsafe fn put(l: *mut lua_State, index: c_int, out: &mut Vec<u8>) {
    if let Some(object) = object::get::<LocationObject>(l, index) {
        put_zone(out, &object.0);
    }
}

/// Pushes the zone that was written.
///
/// Stack: +1
/// Raises: memory
///
/// # Safety
/// Own state. Nothing to drop.
unsafe fn take(l: *mut lua_State, reader: &mut Reader<'_>) -> Option<()> {
    let place = object::reserve::<LocationObject>(l);
    place.write(LocationObject(read_zone(reader)?));
    object::confirm::<LocationObject>(l);
    Some(())
}

/// Its methods.
pub const METHODS: Functions = &[(c"string", string)];

/// Its operators.
pub const OPERATORS: Functions = &[(c"__tostring", to_string), (c"__eq", equal)];

/// Fills the metatable.
///
/// Stack: 0, room for 4
/// Raises: memory
///
/// # Safety
/// Own state; the metatable is on top.
unsafe fn fill(l: *mut lua_State) {
    fill_metatable(l, METHODS, OPERATORS);
}

/// Pushes the zone that `make` gives, which calls no Lua. It is asked when all is there that a raise could leave behind.
///
/// Stack: +1, room for 6
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn push(l: *mut lua_State, make: impl FnOnce() -> Zone) {
    let place = object::reserve::<LocationObject>(l);
    place.write(LocationObject(make()));
    object::confirm::<LocationObject>(l);
}

/// The zone at `index`, the local one for nil.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state. Values stay. Nothing to drop.
pub unsafe fn optional<'a>(l: *mut lua_State, index: c_int, name: &str) -> &'a Zone {
    if lua_type(l, index) <= LUA_TNIL {
        return &Zone::Local;
    }
    &object_at::<LocationObject>(l, index, index, name).0
}

/// `loc:string()` (T-47).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn string(l: *mut lua_State) -> c_int {
    push_bytes(l, receiver::<LocationObject>(l, 1, "string").0.name());
    1
}

/// `__tostring`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn to_string(l: *mut lua_State) -> c_int {
    push_bytes(l, receiver::<LocationObject>(l, 1, "tostring").0.name());
    1
}

/// `__eq`.
///
/// Stack: +1
/// Raises: never
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn equal(l: *mut lua_State) -> c_int {
    let (left, right) = (object::get::<LocationObject>(l, 1), object::get::<LocationObject>(l, 2));
    let same = left.zip(right).is_some_and(|(left, right)| left.0 == right.0);
    lua_pushboolean(l, c_int::from(same));
    1
}
