//! Location objects (T-42, T-47).

use super::super::arguments::{object_at, receiver};
use super::super::{Functions, fill_metatable};
use crate::calendar::zone::Zone;
use crate::vm::api::*;
use crate::vm::object::{self, Class, Object};
use std::ffi::c_int;

/// A zone.
pub struct LocationObject(pub Zone);

/// Its class.
pub static LOCATION: Class = Class { name: "location", type_name: c"time.Location", fill };

impl Object for LocationObject {
    const CLASS: &'static Class = &LOCATION;

    fn weight(&self) -> usize {
        self.0.weight()
    }
}

/// Its methods.
pub const METHODS: Functions = &[(c"string", string)];

/// Its operators.
pub const OPERATORS: Functions = &[(c"__tostring", to_string), (c"__eq", equal)];

unsafe fn fill(l: *mut lua_State) {
    fill_metatable(l, METHODS, OPERATORS);
}

/// Pushes the zone that `make` gives, which calls no Lua. It is asked when all is there that a raise could leave behind.
pub unsafe fn push(l: *mut lua_State, make: impl FnOnce() -> Zone) {
    let place = object::reserve::<LocationObject>(l);
    place.write(LocationObject(make()));
    object::confirm::<LocationObject>(l);
}

/// The zone at `index`, the local one for nil.
pub unsafe fn optional<'a>(l: *mut lua_State, index: c_int, name: &str) -> &'a Zone {
    if lua_type(l, index) <= LUA_TNIL {
        return &Zone::Local;
    }
    &object_at::<LocationObject>(l, index, index, name).0
}

/// `loc:string()` (T-47).
unsafe extern "C-unwind" fn string(l: *mut lua_State) -> c_int {
    push_bytes(l, receiver::<LocationObject>(l, 1, "string").0.name());
    1
}

unsafe extern "C-unwind" fn to_string(l: *mut lua_State) -> c_int {
    push_bytes(l, receiver::<LocationObject>(l, 1, "tostring").0.name());
    1
}

unsafe extern "C-unwind" fn equal(l: *mut lua_State) -> c_int {
    let (left, right) = (object::get::<LocationObject>(l, 1), object::get::<LocationObject>(l, 2));
    let same = left.zip(right).is_some_and(|(left, right)| left.0 == right.0);
    lua_pushboolean(l, c_int::from(same));
    1
}
