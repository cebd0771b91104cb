//! Time objects (T-31, T-35 to T-46).

use super::super::arguments::{bad_argument, object_at, receiver, whole, wrong_type};
use super::compare::{self, push_order};
use super::duration::{DurationObject, duration_at};
use super::location::{self, LocationObject};
use crate::calendar::format;
use crate::calendar::layout::{PRINTED, RFC3339};
use crate::calendar::time::Time;
use crate::calendar::zone::Zone;
use crate::codec::time::{put_time, read_time};
use crate::runtime::clock::Timestamp;
use crate::vm::api::*;
use crate::vm::api::{Functions, set_functions};
use crate::vm::class::{Class, Crossing};
use crate::vm::fields::{self, Field};
use crate::vm::headroom;
use crate::vm::object::{self, Object};
use crate::vm::raise::raise_failure;
use crate::wire::{Reader, tag};
use std::cmp::Ordering;
use std::ffi::c_int;

/// A point in time.
pub struct TimeObject(pub Time);

/// Its class.
pub static TIME: Class = Class {
    name: "time",
    type_name: c"time.Time",
    fill,
    crossing: Crossing::Value { tag: tag::TIME, put, take },
};

impl Object for TimeObject {
    const CLASS: &'static Class = &TIME;

    fn weight(&self) -> usize {
        self.0.zone.weight()
    }
}

/// Writes the Time at `index`.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state; runs while values are encoded.
unsafe fn put(l: *mut lua_State, index: c_int, out: &mut Vec<u8>) {
    if let Some(object) = object::get::<TimeObject>(l, index) {
        put_time(out, &object.0);
    }
}

/// Pushes the Time that was written.
///
/// Stack: +1
/// Raises: memory
///
/// # Safety
/// Own state. Nothing to drop.
unsafe fn take(l: *mut lua_State, reader: &mut Reader<'_>) -> Option<()> {
    let place = object::reserve::<TimeObject>(l);
    place.write(TimeObject(read_time(reader)?));
    object::confirm::<TimeObject>(l);
    Some(())
}

/// Its methods.
pub static METHODS: fields::Fields = fields::Fields(&[&[
    (c"add", Field::Function(add)),
    (c"add_date", Field::Function(add_date)),
    (c"sub", Field::Function(sub)),
    (c"before", Field::Function(before)),
    (c"after", Field::Function(after)),
    (c"equal", Field::Function(equal)),
    (c"is_zero", Field::Function(is_zero)),
    (c"year", Field::Function(year)),
    (c"month", Field::Function(month)),
    (c"day", Field::Function(day)),
    (c"hour", Field::Function(hour)),
    (c"minute", Field::Function(minute)),
    (c"second", Field::Function(second)),
    (c"nanosecond", Field::Function(nanosecond)),
    (c"weekday", Field::Function(weekday)),
    (c"year_day", Field::Function(year_day)),
    (c"date", Field::Function(date)),
    (c"clock", Field::Function(clock)),
    (c"format", Field::Function(formatted)),
    (c"format_rfc3339", Field::Function(format_rfc3339)),
    (c"utc", Field::Function(utc)),
    (c"in_local", Field::Function(in_local)),
    (c"in_location", Field::Function(in_location)),
    (c"location", Field::Function(location_of)),
    (c"unix", Field::Function(unix)),
    (c"unix_nano", Field::Function(unix_nano)),
    (c"round", Field::Function(round)),
    (c"truncate", Field::Function(truncate)),
]]);

/// Its operators.
pub const OPERATORS: Functions =
    &[(c"__tostring", to_string), (c"__eq", same_instant), (c"__lt", less), (c"__le", less_or_equal)];

/// Fills the metatable.
///
/// Stack: 0, room for 5
/// Raises: memory
///
/// # Safety
/// Own state; the metatable is on top.
unsafe fn fill(l: *mut lua_State) {
    fields::push_table(l, &METHODS, 0);
    set_raw_field(l, -2, c"__index");
    set_functions(l, OPERATORS);
}

/// Pushes an instant, in the local zone.
///
/// Stack: +1, room for 6
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn push(l: *mut lua_State, at: Timestamp) {
    object::push(l, TimeObject(Time { at, zone: Zone::Local }));
}

/// Pushes the time that `make` gives, which calls no Lua; raises if there is none. It is asked when all is there that a
/// raise could leave behind.
///
/// Stack: +1, n the result, room for 6
/// Raises: any
///
/// # Safety
/// Own state; the result is returned to Lua. `make` calls nothing of Lua.
pub unsafe fn push_made(l: *mut lua_State, name: &str, make: impl FnOnce() -> Option<Time>) -> c_int {
    let place = object::reserve::<TimeObject>(l);
    match make() {
        Some(time) => place.write(TimeObject(time)),
        None => bad_argument(l, 1, 1, name, "time out of range"),
    }
    object::confirm::<TimeObject>(l);
    1
}

/// The Time that a method was called on.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state. Values stay. Nothing to drop.
unsafe fn own<'a>(l: *mut lua_State, name: &str) -> &'a Time {
    &receiver::<TimeObject>(l, 1, name).0
}

/// The Time that is the argument of a method.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state. Values stay. Nothing to drop.
unsafe fn other<'a>(l: *mut lua_State, name: &str) -> &'a Time {
    &object_at::<TimeObject>(l, 2, 1, name).0
}

// ---- arithmetic

/// `t:add(duration)` (T-35).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn add(l: *mut lua_State) -> c_int {
    let time = own(l, "add");
    match duration_at(l, 2, "time:add") {
        Ok(length) => push_made(l, "add", || time.add(length)),
        Err(failure) => raise_failure(l, 1, failure),
    }
}

/// `t:add_date(years, months, days)` (T-35).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn add_date(l: *mut lua_State) -> c_int {
    let time = own(l, "add_date");
    let [years, months, days] = [1, 2, 3].map(|number| whole(l, number + 1, number, "add_date"));
    push_made(l, "add_date", || time.add_date(years, months, days))
}

/// `t:sub(other)` (T-31, T-36).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn sub(l: *mut lua_State) -> c_int {
    let (time, other) = (own(l, "sub"), other(l, "sub"));
    object::push(l, DurationObject(time.at.since(other.at)));
    1
}

/// `t:round(d)` (T-44).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn round(l: *mut lua_State) -> c_int {
    let time = own(l, "round");
    let step = object_at::<DurationObject>(l, 2, 1, "round").0;
    push_made(l, "round", || Some(time.round(step)))
}

/// `t:truncate(d)` (T-44).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn truncate(l: *mut lua_State) -> c_int {
    let time = own(l, "truncate");
    let step = object_at::<DurationObject>(l, 2, 1, "truncate").0;
    push_made(l, "truncate", || Some(time.truncate(step)))
}

// ---- comparison

/// Returns whether the order of the two instants is the wanted one.
///
/// Stack: +1, n the result
/// Raises: any
///
/// # Safety
/// Called by a method.
unsafe fn push_compared(l: *mut lua_State, name: &str, wanted: Ordering) -> c_int {
    let (time, other) = (own(l, name), other(l, name));
    let order = time.at.unix_nanoseconds().cmp(&other.at.unix_nanoseconds());
    lua_pushboolean(l, c_int::from(order == wanted));
    1
}

/// `t:before(other)`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn before(l: *mut lua_State) -> c_int {
    push_compared(l, "before", Ordering::Less)
}

/// `t:after(other)`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn after(l: *mut lua_State) -> c_int {
    push_compared(l, "after", Ordering::Greater)
}

/// `t:equal(other)`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn equal(l: *mut lua_State) -> c_int {
    push_compared(l, "equal", Ordering::Equal)
}

/// `t:is_zero()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn is_zero(l: *mut lua_State) -> c_int {
    lua_pushboolean(l, c_int::from(own(l, "is_zero").is_zero()));
    1
}

/// The order of the two operands, `None` if one is no Time.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Called by Lua's comparison; the operands are at 1 and 2.
unsafe fn order(l: *mut lua_State) -> Option<Ordering> {
    compare::operands(l, |time: &TimeObject| time.0.at.unix_nanoseconds())
}

/// `__eq`.
///
/// Stack: +1
/// Raises: never
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn same_instant(l: *mut lua_State) -> c_int {
    lua_pushboolean(l, c_int::from(order(l) == Some(Ordering::Equal)));
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
    push_order(l, order(l), &[Ordering::Less])
}

/// `__le`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn less_or_equal(l: *mut lua_State) -> c_int {
    push_order(l, order(l), &[Ordering::Less, Ordering::Equal])
}

// ---- parts

/// Pushes whole numbers; how many.
///
/// Stack: +N, n the result
/// Raises: never
///
/// # Safety
/// Own state.
unsafe fn push_numbers<const N: usize>(l: *mut lua_State, numbers: [i64; N]) -> c_int {
    for number in numbers {
        push_whole(l, number);
    }
    N as c_int
}

/// `t:year()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn year(l: *mut lua_State) -> c_int {
    push_numbers(l, [own(l, "year").parts().year])
}

/// `t:month()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn month(l: *mut lua_State) -> c_int {
    push_numbers(l, [own(l, "month").parts().month.into()])
}

/// `t:day()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn day(l: *mut lua_State) -> c_int {
    push_numbers(l, [own(l, "day").parts().day.into()])
}

/// `t:hour()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn hour(l: *mut lua_State) -> c_int {
    push_numbers(l, [own(l, "hour").parts().hour.into()])
}

/// `t:minute()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn minute(l: *mut lua_State) -> c_int {
    push_numbers(l, [own(l, "minute").parts().minute.into()])
}

/// `t:second()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn second(l: *mut lua_State) -> c_int {
    push_numbers(l, [own(l, "second").parts().second.into()])
}

/// `t:nanosecond()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn nanosecond(l: *mut lua_State) -> c_int {
    push_numbers(l, [own(l, "nanosecond").at.nanoseconds.into()])
}

/// `t:weekday()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn weekday(l: *mut lua_State) -> c_int {
    push_numbers(l, [own(l, "weekday").parts().weekday.into()])
}

/// `t:year_day()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn year_day(l: *mut lua_State) -> c_int {
    push_numbers(l, [own(l, "year_day").parts().year_day.into()])
}

/// `t:date()` (T-40).
///
/// Stack: +3
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn date(l: *mut lua_State) -> c_int {
    let parts = own(l, "date").parts();
    push_numbers(l, [parts.year, parts.month.into(), parts.day.into()])
}

/// `t:clock()` (T-40).
///
/// Stack: +3
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn clock(l: *mut lua_State) -> c_int {
    let parts = own(l, "clock").parts();
    push_numbers(l, [parts.hour, parts.minute, parts.second].map(i64::from))
}

/// `t:unix()` (T-43).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn unix(l: *mut lua_State) -> c_int {
    push_numbers(l, [own(l, "unix").at.seconds])
}

/// `t:unix_nano()` (T-43); the nearest number if it does not fit.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn unix_nano(l: *mut lua_State) -> c_int {
    let nanoseconds = own(l, "unix_nano").at.unix_nanoseconds();
    let nearest = if nanoseconds < 0 { i64::MIN } else { i64::MAX };
    push_numbers(l, [i64::try_from(nanoseconds).unwrap_or(nearest)])
}

// ---- text

/// Returns the Time in this layout.
///
/// Stack: +1, n the result
/// Raises: any
///
/// # Safety
/// Own state; the result is returned to Lua. Values stay.
unsafe fn push_formatted(l: *mut lua_State, time: &Time, layout: &[u8]) -> c_int {
    match format::format(time, layout) {
        Ok(text) => headroom::push_owned(l, text),
        Err(failure) => raise_failure(l, 1, failure),
    }
    1
}

/// `t:format(layout)` (T-41).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn formatted(l: *mut lua_State) -> c_int {
    let time = own(l, "format");
    match to_bytes(l, 2) {
        Some(layout) => push_formatted(l, time, layout),
        None => wrong_type(l, 2, 1, "format", "string"),
    }
}

/// `t:format_rfc3339()` (T-41).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn format_rfc3339(l: *mut lua_State) -> c_int {
    push_formatted(l, own(l, "format_rfc3339"), RFC3339.as_bytes())
}

/// `2024-12-29 15:04:05.5 +0900 KST` (T-45).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn to_string(l: *mut lua_State) -> c_int {
    push_formatted(l, own(l, "tostring"), PRINTED.as_bytes())
}

// ---- zones

/// `t:utc()` (T-42).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn utc(l: *mut lua_State) -> c_int {
    let time = own(l, "utc");
    push_made(l, "utc", || Some(time.in_zone(Zone::Utc)))
}

/// `t:in_local()` (T-42).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn in_local(l: *mut lua_State) -> c_int {
    let time = own(l, "in_local");
    push_made(l, "in_local", || Some(time.in_zone(Zone::Local)))
}

/// `t:in_location(loc)` (T-42).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn in_location(l: *mut lua_State) -> c_int {
    let time = own(l, "in_location");
    let zone = &object_at::<LocationObject>(l, 2, 1, "in_location").0;
    push_made(l, "in_location", || Some(time.in_zone(zone.clone())))
}

/// `t:location()` (T-42).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn location_of(l: *mut lua_State) -> c_int {
    let time = own(l, "location");
    location::push(l, || time.zone.clone());
    1
}
