//! The module `time`. Its functions are here, its objects in files of their own.

mod compare;
mod duration;
mod location;
mod point;
mod timer;

pub use duration::{DURATION, DurationObject, duration_at, wait_at};
pub use location::LOCATION;
pub use point::{TIME, TimeObject, push};
pub use timer::{TICKER, TIMER};

use super::arguments::{bad_argument, optional_whole, string, whole};
use super::channel;
use crate::calendar::civil::Fields;
use crate::calendar::layout::NAMED;
use crate::calendar::parse as text;
use crate::calendar::time::Time;
use crate::calendar::zone::{MAX_NAME, MAX_OFFSET, Zone};
use crate::executor::wait::second_half;
use crate::executor::wait::{self, Done};
use crate::lua::guarded::{or_failure, or_raise};
use crate::runtime::clock::instant_after;
use crate::runtime::failure::Failure;
use crate::runtime::vitals::{Call, Subject, Waiting};
use crate::scheduling::Cases;
use crate::vm::api::Functions;
use crate::vm::api::*;
use crate::vm::class::Class;
use crate::vm::context::Context;
use crate::vm::error::return_failure;
use crate::vm::fields::{self, Field};
use crate::vm::object;
use crate::vm::raise::raise_failure;
pub use duration::{limit_at, optional_time_out, positive_wait_at, time_out_at};
use std::ffi::{CStr, c_int};

static FIELDS: fields::Fields = fields::Fields(&[FUNCTIONS, UNITS, &LAYOUTS, MONTHS_AND_DAYS]);

const FUNCTIONS: &[(&CStr, Field)] = &[
    (c"sleep", Field::Blocking),
    (c"now", Field::Function(or_raise!(now))),
    (c"after", Field::Function(or_failure!(after))),
    (c"timer", Field::Function(or_failure!(timer::timer))),
    (c"ticker", Field::Function(or_failure!(timer::ticker))),
    (c"parse_duration", Field::Function(or_failure!(parse_duration))),
    (c"date", Field::Function(or_raise!(date))),
    (c"unix", Field::Function(or_raise!(unix))),
    (c"parse", Field::Function(or_failure!(parse))),
    (c"utc", Field::Made(push_utc)),
    (c"localtz", Field::Made(push_local)),
    (c"load_location", Field::Function(or_failure!(load_location))),
    (c"fixed_zone", Field::Function(or_raise!(fixed_zone))),
];

const UNITS: &[(&CStr, Field)] = &[
    (c"NANOSECOND", Field::Whole(1)),
    (c"MICROSECOND", Field::Whole(1_000)),
    (c"MILLISECOND", Field::Whole(1_000_000)),
    (c"SECOND", Field::Whole(1_000_000_000)),
    (c"MINUTE", Field::Whole(60_000_000_000)),
    (c"HOUR", Field::Whole(3_600_000_000_000)),
];

const LAYOUTS: [(&CStr, Field); NAMED.len()] = {
    let mut fields = [const { (c"", Field::Text("")) }; NAMED.len()];
    let mut next = 0;
    while next < fields.len() {
        fields[next] = (NAMED[next].0, Field::Text(NAMED[next].1));
        next += 1;
    }
    fields
};

const MONTHS_AND_DAYS: &[(&CStr, Field)] = &[
    (c"JANUARY", Field::Whole(1)),
    (c"FEBRUARY", Field::Whole(2)),
    (c"MARCH", Field::Whole(3)),
    (c"APRIL", Field::Whole(4)),
    (c"MAY", Field::Whole(5)),
    (c"JUNE", Field::Whole(6)),
    (c"JULY", Field::Whole(7)),
    (c"AUGUST", Field::Whole(8)),
    (c"SEPTEMBER", Field::Whole(9)),
    (c"OCTOBER", Field::Whole(10)),
    (c"NOVEMBER", Field::Whole(11)),
    (c"DECEMBER", Field::Whole(12)),
    (c"SUNDAY", Field::Whole(0)),
    (c"MONDAY", Field::Whole(1)),
    (c"TUESDAY", Field::Whole(2)),
    (c"WEDNESDAY", Field::Whole(3)),
    (c"THURSDAY", Field::Whole(4)),
    (c"FRIDAY", Field::Whole(5)),
    (c"SATURDAY", Field::Whole(6)),
];

/// The methods and operators of the objects of the module, with the classes that they are of.
pub fn methods() -> impl Iterator<Item = (&'static Class, &'static CStr, Function)> {
    let of =
        |class, functions: Functions| functions.iter().map(move |(name, function)| (class, *name, *function));
    point::METHODS
        .functions()
        .map(|(name, function)| (&TIME, name, function))
        .chain(of(&TIME, point::OPERATORS))
        .chain(of(&DURATION, duration::METHODS))
        .chain(of(&DURATION, duration::OPERATORS))
        .chain(of(&LOCATION, location::METHODS))
        .chain(of(&LOCATION, location::OPERATORS))
        .chain(of(&TIMER, timer::TIMER_METHODS))
        .chain(of(&TICKER, timer::TICKER_METHODS))
}

/// The C functions of the module.
pub fn functions() -> impl Iterator<Item = (&'static CStr, Function)> {
    FIELDS.functions()
}

/// Pushes the module's table.
///
/// Stack: +1, room for 4
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn push_module(l: *mut lua_State) {
    fields::push_table(l, &FIELDS, 0);
}

// ---- waiting

/// `time.sleep(duration)` (T-10, T-11), first half.
///
/// Stack: +0
/// Raises: any: waits
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn sleep(l: *mut lua_State) -> c_int {
    let context = Context::of(l);
    let length = match wait_at(l, 1, "time.sleep") {
        Ok(length) => length,
        Err(failure) => raise_failure(l, BLOCKING_LEVEL, failure),
    };
    wait::enter(l, context);
    // Beyond what the clock can express is for ever, as good as 292 years.
    let deadline = if length > 0 { instant_after(length) } else { None };
    let waiting = Waiting::new(Call::Sleep, Subject::None);
    wait::wait(l, context, waiting, Cases::new(), deadline, sleep_again, slept)
}

second_half!(sleep_again, slept);

/// The second half of `sleep`.
///
/// Stack: +0, n the result
/// Raises: any
///
/// # Safety
/// As a second half: see `wait::SecondHalf`.
unsafe fn slept(l: *mut lua_State, context: &Context, _: usize, done: Done) -> c_int {
    if matches!(done, Done::Failed) {
        wait::raise_failure(l, context);
    }
    0
}

/// `time.after(duration)` (T-20 to T-24).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn after(l: *mut lua_State) -> c_int {
    let context = Context::with_memory(l);
    let length = match positive_wait_at(l, 1, "time.after") {
        Ok(length) => length,
        Err(failure) => return return_failure(l, failure),
    };
    channel::push(l, context, 0, |scheduler| scheduler.start_timer(instant_after(length)));
    1
}

/// `time.parse_duration(value)` (T-6).
///
/// Stack: +1 or +2
/// Raises: memory
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn parse_duration(l: *mut lua_State) -> c_int {
    match duration_at(l, 1, "time.parse_duration") {
        Ok(length) => object::push(l, DurationObject(length)),
        Err(failure) => return return_failure(l, failure),
    }
    1
}

// ---- points in time

/// `time.now()` (T-30).
///
/// Stack: +1
/// Raises: memory
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn now(l: *mut lua_State) -> c_int {
    object::push(l, TimeObject(Time::now()));
    1
}

/// `time.date(year, month, day, hour, minute, second, nanosecond [, location])` (T-32).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn date(l: *mut lua_State) -> c_int {
    let fields = Fields {
        year: whole(l, 1, 1, "date"),
        month: whole(l, 2, 2, "date"),
        day: whole(l, 3, 3, "date"),
        hour: whole(l, 4, 4, "date"),
        minute: whole(l, 5, 5, "date"),
        second: whole(l, 6, 6, "date"),
        nanosecond: whole(l, 7, 7, "date"),
    };
    let zone = location::optional(l, 8, "date");
    point::push_made(l, "date", || Time::from_fields(fields, zone.clone()))
}

/// `time.unix(sec [, nsec])` (T-33).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn unix(l: *mut lua_State) -> c_int {
    let seconds = whole(l, 1, 1, "unix");
    let nanoseconds = optional_whole(l, 2, "unix").unwrap_or(0);
    point::push_made(l, "unix", || Time::from_unix(seconds, nanoseconds, Zone::Local))
}

/// `time.parse(layout, value [, location])` (T-34).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn parse(l: *mut lua_State) -> c_int {
    let (layout, value) = (string(l, 1, "parse"), string(l, 2, "parse"));
    let zone = location::optional(l, 3, "parse");
    let place = object::reserve::<TimeObject>(l);
    match text::parse(layout, value, zone) {
        Ok(time) => {
            place.write(TimeObject(time));
            object::confirm::<TimeObject>(l);
            1
        }
        Err(reason) => {
            let (layout, value) = (layout.to_vec(), value.to_vec());
            return_failure(l, Failure::CannotParse { layout, value, reason })
        }
    }
}

// ---- zones

/// Pushes the zone UTC.
///
/// Stack: +1, room for 6
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn push_utc(l: *mut lua_State) {
    location::push(l, || Zone::Utc);
}

/// Pushes the local zone.
///
/// Stack: +1, room for 6
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn push_local(l: *mut lua_State) {
    location::push(l, || Zone::Local);
}

/// `time.load_location(name)` (T-48).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn load_location(l: *mut lua_State) -> c_int {
    let name = string(l, 1, "load_location");
    if name.is_empty() {
        return return_failure(l, Failure::EmptyZoneName);
    }
    match std::str::from_utf8(name).ok().and_then(Zone::load) {
        Some(zone) => {
            drop(zone);
            // Known from now on, so that this finds it again without anything that a raise would leak.
            location::push(l, || std::str::from_utf8(name).ok().and_then(Zone::load).unwrap_or(Zone::Utc));
            1
        }
        None => return_failure(l, Failure::NoSuchZone(name.to_vec())),
    }
}

/// `time.fixed_zone(name, offset_seconds)` (T-49).
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn fixed_zone(l: *mut lua_State) -> c_int {
    let name = string(l, 1, "fixed_zone");
    let offset = whole(l, 2, 2, "fixed_zone");
    if name.len() > MAX_NAME {
        let problem = format!("name too long ({} bytes, limit {MAX_NAME})", name.len());
        bad_argument(l, 1, 1, "fixed_zone", problem);
    }
    if offset.unsigned_abs() > MAX_OFFSET.unsigned_abs() {
        bad_argument(l, 1, 2, "fixed_zone", "offset of less than 100 hours expected");
    }
    location::push(l, || Zone::fixed(name, offset as i32));
    1
}
