//! Dates, zones and layouts: everything about points in time that needs no Lua.
//!
//! An instant is a count of seconds since 1970-01-01 UTC with nanoseconds ([`crate::runtime::clock::Timestamp`]). [`civil`]
//! turns such a count into a date and back, [`zone`] says how far local clocks are from UTC, [`time`] puts both together,
//! and [`layout`], [`mod@format`] and [`parse`] are the text side. The rules are those of Go's package `time`; what is known
//! about zones comes from the system's zone files, read by the crate `jiff`.
#![forbid(unsafe_code)]

pub mod civil;
pub mod format;
pub mod layout;
pub mod parse;
pub mod time;
pub mod zone;

/// Seconds since 1970 that a time may be away from it: what a double holds exactly, 285 million years either way. Inside,
/// no arithmetic of this folder overflows.
pub const MAX_SECONDS: i64 = (1 << 53) - 1;

/// English names of the months, January first.
pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// English names of the days of the week, Sunday first.
pub const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
