//! Comparison operators of the objects of `time`.

use crate::vm::api::*;
use crate::vm::object::{self, Object};
use std::cmp::Ordering;
use std::ffi::c_int;

/// Compares the two operands as the `key` of their class; `None` if one is of another type.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Called by Lua's comparison; the operands are at 1 and 2. `key` calls nothing of Lua.
pub unsafe fn operands<T: Object, K: Ord>(l: *mut lua_State, key: impl Fn(&T) -> K) -> Option<Ordering> {
    let (left, right) = (object::get::<T>(l, 1)?, object::get::<T>(l, 2)?);
    Some(key(left).cmp(&key(right)))
}

/// Pushes whether the order is one of those wanted; raises what Lua raises if there is none.
///
/// Stack: +1, n the result
/// Raises: any
///
/// # Safety
/// Own state; the result is returned to Lua. Nothing to drop.
pub unsafe fn push_order(l: *mut lua_State, order: Option<Ordering>, wanted: &[Ordering]) -> c_int {
    match order {
        Some(order) => lua_pushboolean(l, c_int::from(wanted.contains(&order))),
        None => raise(l, 1, b"attempt to compare values of different types"),
    }
    1
}
