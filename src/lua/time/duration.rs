//! Duration objects (T-6 to T-8), and durations as arguments (T-1 to T-4).

use super::super::arguments::{receiver, shown_value};
use super::compare::{self, push_order};
use crate::runtime::duration;
use crate::runtime::failure::Failure;
use crate::vm::api::*;
use crate::vm::api::{Functions, fill_metatable};
use crate::vm::class::{Class, Crossing};
use crate::vm::headroom;
use crate::vm::object::{self, Object};
use crate::vm::raise::raise_failure;
use crate::wire::{Reader, tag};
use std::cmp::Ordering;
use std::ffi::c_int;

/// A length of time in nanoseconds.
pub struct DurationObject(pub i64);

/// Its class.
pub static DURATION: Class = Class {
    name: "duration",
    type_name: c"time.Duration",
    fill,
    crossing: Crossing::Value { tag: tag::DURATION, put, take },
};

impl Object for DurationObject {
    const CLASS: &'static Class = &DURATION;
}

/// Writes the duration at `index`.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state; runs while values are encoded.
unsafe fn put(l: *mut lua_State, index: c_int, out: &mut Vec<u8>) {
    if let Some(duration) = object::get::<DurationObject>(l, index) {
        out.extend_from_slice(&duration.0.to_le_bytes());
    }
}

/// Pushes the duration that was written.
///
/// Stack: +1
/// Raises: memory
///
/// # Safety
/// Own state. Nothing to drop.
unsafe fn take(l: *mut lua_State, reader: &mut Reader<'_>) -> Option<()> {
    object::push(l, DurationObject(reader.i64()?));
    Some(())
}

/// The duration at `index`: a string, a whole number of nanoseconds, or a Duration (T-1 to T-3).
///
/// Stack: 0, room for 2
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn duration_at(l: *mut lua_State, index: c_int, function: &'static str) -> Result<i64, Failure> {
    let value = match lua_type(l, index) {
        LUA_TSTRING => duration::parse(to_bytes(l, index).unwrap_or_default()),
        LUA_TNUMBER => to_whole(l, index),
        _ => object::get::<DurationObject>(l, index).map(|duration| duration.0),
    };
    value.ok_or_else(|| Failure::InvalidDuration { function, value: shown_value(l, index) })
}

/// A duration to wait: a bare number from 1 to 999 is a mistake (T-4).
///
/// Stack: 0, room for 2
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn wait_at(l: *mut lua_State, index: c_int, function: &'static str) -> Result<i64, Failure> {
    let length = duration_at(l, index, function)?;
    if lua_type(l, index) == LUA_TNUMBER && (1..=999).contains(&length) {
        return Err(Failure::BareNumber { function, number: length });
    }
    Ok(length)
}

/// How long to wait for something else at most, in nanoseconds (P-19); `None` for nil. Raises if that is no duration to wait.
///
/// Stack: 0, room for 2
/// Raises: any
///
/// # Safety
/// Own state. Nothing to drop.
pub unsafe fn limit_at(l: *mut lua_State, index: c_int, function: &'static str) -> Option<i64> {
    if lua_type(l, index) <= LUA_TNIL {
        return None;
    }
    match wait_at(l, index, function) {
        Ok(length) => Some(length),
        Err(failure) => raise_failure(l, BLOCKING_LEVEL, failure),
    }
}

/// As [`limit_at`], for time-outs, which must not be negative (C-41): the last argument of `count`, if it is there at all.
///
/// Stack: 0, room for 2
/// Raises: any
///
/// # Safety
/// Own state. Nothing to drop.
#[inline(always)]
pub unsafe fn time_out_at(
    l: *mut lua_State,
    count: c_int,
    index: c_int,
    function: &'static str,
) -> Option<i64> {
    if count < index { None } else { time_out(l, index, function) }
}

/// The time-out at `index`, `None` for nil.
///
/// Stack: 0, room for 2
/// Raises: any
///
/// # Safety
/// Own state. Nothing to drop.
#[cold]
unsafe fn time_out(l: *mut lua_State, index: c_int, function: &'static str) -> Option<i64> {
    let length = limit_at(l, index, function);
    if length.is_some_and(i64::is_negative) {
        raise_failure(l, BLOCKING_LEVEL, Failure::Negative { function });
    }
    length
}

/// As [`wait_at`], for waits that must be longer than nothing (T-21).
///
/// Stack: 0, room for 2
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn positive_wait_at(
    l: *mut lua_State,
    index: c_int,
    function: &'static str,
) -> Result<i64, Failure> {
    match wait_at(l, index, function) {
        Ok(length) if length <= 0 => Err(Failure::NotPositive { function }),
        length => length,
    }
}

/// How long a call waits at most (W-1, W-3), in nanoseconds; `None` for nil.
///
/// Stack: 0, room for 2
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn optional_time_out(
    l: *mut lua_State,
    index: c_int,
    function: &'static str,
) -> Result<Option<i64>, Failure> {
    if lua_type(l, index) <= LUA_TNIL { Ok(None) } else { positive_wait_at(l, index, function).map(Some) }
}

/// Its methods.
pub const METHODS: Functions = &[
    (c"nanoseconds", nanoseconds),
    (c"microseconds", microseconds),
    (c"milliseconds", milliseconds),
    (c"seconds", seconds),
    (c"minutes", minutes),
    (c"hours", hours),
];

/// Its operators.
pub const OPERATORS: Functions =
    &[(c"__tostring", to_string), (c"__eq", equal), (c"__lt", less), (c"__le", less_or_equal)];

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

/// Returns how many whole units the duration has.
///
/// Stack: +1, n the result
/// Raises: any
///
/// # Safety
/// Called by a method.
unsafe fn push_units(l: *mut lua_State, name: &str, unit: i64) -> c_int {
    push_whole(l, receiver::<DurationObject>(l, 1, name).0 / unit);
    1
}

/// Returns how many units the duration has, with a fraction.
///
/// Stack: +1, n the result
/// Raises: any
///
/// # Safety
/// Called by a method.
unsafe fn push_fraction(l: *mut lua_State, name: &str, unit: i64) -> c_int {
    let length = receiver::<DurationObject>(l, 1, name).0;
    // Whole units and the rest apart, so that no digit of the rest is lost.
    lua_pushnumber(l, (length / unit) as f64 + (length % unit) as f64 / unit as f64);
    1
}

/// `d:nanoseconds()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn nanoseconds(l: *mut lua_State) -> c_int {
    push_units(l, "nanoseconds", 1)
}

/// `d:microseconds()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn microseconds(l: *mut lua_State) -> c_int {
    push_units(l, "microseconds", 1_000)
}

/// `d:milliseconds()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn milliseconds(l: *mut lua_State) -> c_int {
    push_units(l, "milliseconds", 1_000_000)
}

/// `d:seconds()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn seconds(l: *mut lua_State) -> c_int {
    push_fraction(l, "seconds", 1_000_000_000)
}

/// `d:minutes()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn minutes(l: *mut lua_State) -> c_int {
    push_fraction(l, "minutes", 60_000_000_000)
}

/// `d:hours()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn hours(l: *mut lua_State) -> c_int {
    push_fraction(l, "hours", 3_600_000_000_000)
}

/// `__tostring`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn to_string(l: *mut lua_State) -> c_int {
    let text = duration::format(receiver::<DurationObject>(l, 1, "tostring").0);
    headroom::push_owned(l, text);
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
    let same = compare::operands(l, |duration: &DurationObject| duration.0) == Some(Ordering::Equal);
    lua_pushboolean(l, c_int::from(same));
    1
}

/// `__lt`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn less(l: *mut lua_State) -> c_int {
    push_order(l, compare::operands(l, |duration: &DurationObject| duration.0), &[Ordering::Less])
}

/// `__le`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn less_or_equal(l: *mut lua_State) -> c_int {
    push_order(
        l,
        compare::operands(l, |duration: &DurationObject| duration.0),
        &[Ordering::Less, Ordering::Equal],
    )
}
