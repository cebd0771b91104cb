//! The module `time`, as far as waiting needs it (T-1 to T-31, T-45).

use super::arguments::{object_at, receiver, shown_value};
use super::channel::{self, push_blocking, second_half};
use super::error::{raise_failure, return_failure};
use super::{Functions, fill_metatable, set_functions};
use crate::runtime::clock::{Timestamp, instant_after};
use crate::runtime::duration;
use crate::runtime::failure::Failure;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::object::{self, Class, Object};
use crate::vm::wait::{self, Done};
use std::cmp::Ordering;
use std::ffi::{CStr, c_int};

/// A length of time in nanoseconds.
pub struct DurationObject(pub i64);

/// Its class.
pub static DURATION: Class = Class { name: "duration", type_name: c"time.Duration", fill: fill_duration };

impl Object for DurationObject {
    const CLASS: &'static Class = &DURATION;
}

/// A point in time.
pub struct TimeObject(pub Timestamp);

/// Its class.
pub static TIME: Class = Class { name: "time", type_name: c"time.Time", fill: fill_time };

impl Object for TimeObject {
    const CLASS: &'static Class = &TIME;
}

const UNITS: [(&CStr, i64); 6] = [
    (c"NANOSECOND", 1),
    (c"MICROSECOND", 1_000),
    (c"MILLISECOND", 1_000_000),
    (c"SECOND", 1_000_000_000),
    (c"MINUTE", 60_000_000_000),
    (c"HOUR", 3_600_000_000_000),
];

const FUNCTIONS: Functions = &[(c"now", now), (c"after", after), (c"parse_duration", parse_duration)];

/// Pushes the module's table.
pub unsafe fn push_module(l: *mut lua_State) {
    lua_createtable(l, 0, (FUNCTIONS.len() + UNITS.len() + 1) as c_int);
    set_functions(l, FUNCTIONS);
    push_blocking(l, c"sleep");
    set_raw_field(l, -2, c"sleep");
    for (name, length) in UNITS {
        push_whole(l, length);
        set_raw_field(l, -2, name);
    }
}

/// The duration at `index`: a string, a whole number of nanoseconds, or a Duration (T-1 to T-3).
pub unsafe fn duration_at(l: *mut lua_State, index: c_int, function: &'static str) -> Result<i64, Failure> {
    let value = match lua_type(l, index) {
        LUA_TSTRING => duration::parse(to_bytes(l, index).unwrap_or_default()),
        LUA_TNUMBER => to_whole(l, index),
        _ => object::get::<DurationObject>(l, index).map(|duration| duration.0),
    };
    value.ok_or_else(|| Failure::InvalidDuration { function, value: shown_value(l, index) })
}

/// A duration to wait: a bare number from 1 to 999 is a mistake (T-4).
pub unsafe fn wait_at(l: *mut lua_State, index: c_int, function: &'static str) -> Result<i64, Failure> {
    let length = duration_at(l, index, function)?;
    if lua_type(l, index) == LUA_TNUMBER && (1..=999).contains(&length) {
        return Err(Failure::BareNumber { function, number: length });
    }
    Ok(length)
}

/// `time.sleep(duration)` (T-10, T-11), first half.
pub unsafe extern "C-unwind" fn sleep(l: *mut lua_State) -> c_int {
    let context = Context::of(l);
    let length = match wait_at(l, 1, "time.sleep") {
        Ok(length) => length,
        Err(failure) => raise_failure(l, BLOCKING_LEVEL, failure),
    };
    wait::enter(l, context);
    // Beyond what the clock can express is for ever, as good as 292 years.
    let deadline = if length > 0 { instant_after(length) } else { None };
    wait::wait(l, context, Vec::new(), deadline, sleep_again, slept)
}

second_half!(sleep_again, slept);

unsafe fn slept(l: *mut lua_State, context: &Context, _: usize, done: Done) -> c_int {
    if matches!(done, Done::Failed) {
        wait::raise_failure(l, context);
    }
    0
}

/// `time.after(duration)` (T-20 to T-24).
unsafe extern "C-unwind" fn after(l: *mut lua_State) -> c_int {
    let context = Context::of(l);
    let length = match wait_at(l, 1, "time.after") {
        Ok(length) if length <= 0 => {
            return return_failure(l, Failure::NotPositive { function: "time.after" });
        }
        Ok(length) => length,
        Err(failure) => return return_failure(l, failure),
    };
    let id = match instant_after(length) {
        Some(at) => context.scheduler.borrow_mut().start_timer(at),
        None => context.scheduler.borrow_mut().open_channel(1),
    };
    channel::push(l, context, id);
    1
}

/// `time.parse_duration(value)` (T-6).
unsafe extern "C-unwind" fn parse_duration(l: *mut lua_State) -> c_int {
    match duration_at(l, 1, "time.parse_duration") {
        Ok(length) => object::push(l, DurationObject(length)),
        Err(failure) => return return_failure(l, failure),
    }
    1
}

/// `time.now()` (T-30).
unsafe extern "C-unwind" fn now(l: *mut lua_State) -> c_int {
    object::push(l, TimeObject(Timestamp::now()));
    1
}

// ---- Duration

unsafe fn fill_duration(l: *mut lua_State) {
    fill_metatable(
        l,
        &[
            (c"nanoseconds", nanoseconds),
            (c"microseconds", microseconds),
            (c"milliseconds", milliseconds),
            (c"seconds", seconds),
            (c"minutes", minutes),
            (c"hours", hours),
        ],
        &[
            (c"__tostring", duration_to_string),
            (c"__eq", duration_equal),
            (c"__lt", duration_less),
            (c"__le", duration_less_or_equal),
        ],
    );
}

unsafe fn push_units(l: *mut lua_State, name: &str, unit: i64) -> c_int {
    push_whole(l, receiver::<DurationObject>(l, 1, name).0 / unit);
    1
}

unsafe fn push_fraction(l: *mut lua_State, name: &str, unit: i64) -> c_int {
    let length = receiver::<DurationObject>(l, 1, name).0;
    // Whole units and the rest apart, so that no digit of the rest is lost.
    lua_pushnumber(l, (length / unit) as f64 + (length % unit) as f64 / unit as f64);
    1
}

unsafe extern "C-unwind" fn nanoseconds(l: *mut lua_State) -> c_int {
    push_units(l, "nanoseconds", 1)
}

unsafe extern "C-unwind" fn microseconds(l: *mut lua_State) -> c_int {
    push_units(l, "microseconds", 1_000)
}

unsafe extern "C-unwind" fn milliseconds(l: *mut lua_State) -> c_int {
    push_units(l, "milliseconds", 1_000_000)
}

unsafe extern "C-unwind" fn seconds(l: *mut lua_State) -> c_int {
    push_fraction(l, "seconds", 1_000_000_000)
}

unsafe extern "C-unwind" fn minutes(l: *mut lua_State) -> c_int {
    push_fraction(l, "minutes", 60_000_000_000)
}

unsafe extern "C-unwind" fn hours(l: *mut lua_State) -> c_int {
    push_fraction(l, "hours", 3_600_000_000_000)
}

unsafe extern "C-unwind" fn duration_to_string(l: *mut lua_State) -> c_int {
    let text = duration::format(receiver::<DurationObject>(l, 1, "tostring").0);
    push_bytes(l, text.as_bytes());
    1
}

/// Compares the two operands as the `key` of their class; raises what Lua raises if one is of another type.
unsafe fn compare<T: Object, K: Ord>(l: *mut lua_State, key: impl Fn(&T) -> K) -> Option<Ordering> {
    let (left, right) = (object::get::<T>(l, 1)?, object::get::<T>(l, 2)?);
    Some(key(left).cmp(&key(right)))
}

unsafe fn push_comparison(l: *mut lua_State, order: Option<Ordering>, wanted: &[Ordering]) -> c_int {
    match order {
        Some(order) => lua_pushboolean(l, c_int::from(wanted.contains(&order))),
        None => raise(l, 1, b"attempt to compare values of different types"),
    }
    1
}

unsafe extern "C-unwind" fn duration_equal(l: *mut lua_State) -> c_int {
    let same = compare(l, |duration: &DurationObject| duration.0) == Some(Ordering::Equal);
    lua_pushboolean(l, c_int::from(same));
    1
}

unsafe extern "C-unwind" fn duration_less(l: *mut lua_State) -> c_int {
    push_comparison(l, compare(l, |duration: &DurationObject| duration.0), &[Ordering::Less])
}

unsafe extern "C-unwind" fn duration_less_or_equal(l: *mut lua_State) -> c_int {
    push_comparison(l, compare(l, |duration: &DurationObject| duration.0), &[Ordering::Less, Ordering::Equal])
}

// ---- Time

unsafe fn fill_time(l: *mut lua_State) {
    fill_metatable(
        l,
        &[
            (c"sub", sub),
            (c"before", before),
            (c"after", is_after),
            (c"equal", equal),
            (c"unix", unix),
            (c"unix_nano", unix_nano),
        ],
        &[
            (c"__tostring", time_to_string),
            (c"__eq", time_equal),
            (c"__lt", time_less),
            (c"__le", time_less_or_equal),
        ],
    );
}

unsafe fn instants(l: *mut lua_State, name: &str) -> Ordering {
    let own = receiver::<TimeObject>(l, 1, name).0.unix_nanoseconds();
    own.cmp(&object_at::<TimeObject>(l, 2, 1, name).0.unix_nanoseconds())
}

/// `t:sub(other)` (T-31, T-36).
unsafe extern "C-unwind" fn sub(l: *mut lua_State) -> c_int {
    let own = receiver::<TimeObject>(l, 1, "sub").0;
    let other = object_at::<TimeObject>(l, 2, 1, "sub").0;
    object::push(l, DurationObject(own.since(other)));
    1
}

unsafe extern "C-unwind" fn before(l: *mut lua_State) -> c_int {
    lua_pushboolean(l, c_int::from(instants(l, "before").is_lt()));
    1
}

unsafe extern "C-unwind" fn is_after(l: *mut lua_State) -> c_int {
    lua_pushboolean(l, c_int::from(instants(l, "after").is_gt()));
    1
}

unsafe extern "C-unwind" fn equal(l: *mut lua_State) -> c_int {
    lua_pushboolean(l, c_int::from(instants(l, "equal").is_eq()));
    1
}

unsafe extern "C-unwind" fn unix(l: *mut lua_State) -> c_int {
    push_whole(l, receiver::<TimeObject>(l, 1, "unix").0.seconds);
    1
}

unsafe extern "C-unwind" fn unix_nano(l: *mut lua_State) -> c_int {
    let nanoseconds = receiver::<TimeObject>(l, 1, "unix_nano").0.unix_nanoseconds();
    push_whole(l, i64::try_from(nanoseconds).unwrap_or(if nanoseconds < 0 { i64::MIN } else { i64::MAX }));
    1
}

/// `2024-12-29 15:04:05.5 +0900 KST`, in the local zone (T-45).
unsafe extern "C-unwind" fn time_to_string(l: *mut lua_State) -> c_int {
    let text = local_text(receiver::<TimeObject>(l, 1, "tostring").0);
    push_bytes(l, text.as_bytes());
    1
}

fn local_text(time: Timestamp) -> String {
    let Ok(instant) = jiff::Timestamp::new(time.seconds, time.nanoseconds as i32) else {
        return format!("{}.{:09} seconds since 1970", time.seconds, time.nanoseconds);
    };
    let zoned = instant.to_zoned(jiff::tz::TimeZone::system());
    let mut fraction = String::new();
    if time.nanoseconds != 0 {
        fraction = format!(".{:09}", time.nanoseconds);
        fraction.truncate(fraction.trim_end_matches('0').len());
    }
    format!("{}{fraction} {}", zoned.strftime("%Y-%m-%d %H:%M:%S"), zoned.strftime("%z %Z"))
}

unsafe extern "C-unwind" fn time_equal(l: *mut lua_State) -> c_int {
    let same = compare(l, |time: &TimeObject| time.0.unix_nanoseconds()) == Some(Ordering::Equal);
    lua_pushboolean(l, c_int::from(same));
    1
}

unsafe extern "C-unwind" fn time_less(l: *mut lua_State) -> c_int {
    push_comparison(l, compare(l, |time: &TimeObject| time.0.unix_nanoseconds()), &[Ordering::Less])
}

unsafe extern "C-unwind" fn time_less_or_equal(l: *mut lua_State) -> c_int {
    let order = compare(l, |time: &TimeObject| time.0.unix_nanoseconds());
    push_comparison(l, order, &[Ordering::Less, Ordering::Equal])
}
