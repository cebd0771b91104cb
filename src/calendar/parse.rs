//! Text to times.
//!
//! The layout is followed item by item; what was read is put together at the end, where the day is checked against its
//! month and the zone is found.

use super::civil::{Fields, days_in, is_leap};
use super::layout::{Item, Items, Minutes, Part, Width, items};
use super::time::Time;
use super::zone::Zone;
use super::{MONTHS, WEEKDAYS};
use crate::runtime::failure::shown;

/// Reads `value` as the layout shows. A zone in the value decides; without one it is read in `zone`.
///
/// # Errors
/// Why it cannot be read, in words.
pub fn parse(layout: &[u8], value: &[u8], zone: &Zone) -> Result<Time, String> {
    let mut reading = Reading { rest: value, ..Reading::default() };
    let mut items = items(layout);
    while let Some(item) = items.next() {
        match item {
            Item::Literal(literal) => reading.skip(literal)?,
            Item::Part(part, written) => {
                let begin = reading.rest;
                reading.part(part, &items).map_err(|problem| match problem {
                    Problem::Mismatch => mismatch(begin, written),
                    Problem::Range(what) => format!("{what} out of range"),
                })?;
            }
        }
    }
    if !reading.rest.is_empty() {
        return Err(format!("extra text \"{}\"", shown(reading.rest)));
    }
    reading.finish(zone)
}

fn mismatch(value: &[u8], wanted: &[u8]) -> String {
    format!("\"{}\" does not match \"{}\"", shown(value), shown(wanted))
}

/// Why a part cannot be read.
enum Problem {
    /// The value has something else there.
    Mismatch,
    /// This number is too large or too small.
    Range(&'static str),
}

/// A zone as the value has it.
enum Written {
    Utc,
    Offset(i32),
    Name(Vec<u8>),
}

/// What has been read, and the rest of the value.
#[derive(Default)]
struct Reading<'a> {
    rest: &'a [u8],
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: i64,
    /// Whether it is the second half of the day.
    afternoon: Option<bool>,
    utc: bool,
    offset: Option<i32>,
    abbreviation: Option<&'a [u8]>,
}

impl<'a> Reading<'a> {
    /// Passes over literal text. Where it has spaces the value may have any number of them, at its end none.
    fn skip(&mut self, literal: &[u8]) -> Result<(), String> {
        let mut wanted = literal;
        while let Some((&byte, after)) = wanted.split_first() {
            if byte == b' ' {
                if self.rest.first().is_some_and(|&found| found != b' ') {
                    return Err(mismatch(self.rest, wanted));
                }
                (wanted, self.rest) = (without_spaces(wanted), without_spaces(self.rest));
            } else if self.rest.first() == Some(&byte) {
                (wanted, self.rest) = (after, &self.rest[1..]);
            } else {
                return Err(mismatch(self.rest, wanted));
            }
        }
        Ok(())
    }

    /// Reads one part; `following` are the items after it.
    fn part(&mut self, part: Part, following: &Items<'_>) -> Result<(), Problem> {
        match part {
            Part::Year => self.year = self.digits(4, 4)?,
            Part::YearOfCentury => {
                // As Unix time begins: 69 to 99 belong to the last century.
                let year = self.digits(2, 2)?;
                self.year = if year >= 69 { 1900 + year } else { 2000 + year };
            }
            Part::MonthName => self.month = Some(self.name(&MONTHS, usize::MAX)? + 1),
            Part::MonthAbbreviation => self.month = Some(self.name(&MONTHS, 3)? + 1),
            Part::Month(width) => self.month = Some(self.number(width, 1..=12, "month")?),
            // The day of the week says nothing that the date does not say.
            Part::WeekdayName => _ = self.name(&WEEKDAYS, usize::MAX)?,
            Part::WeekdayAbbreviation => _ = self.name(&WEEKDAYS, 3)?,
            Part::Day(width) => {
                if width == Width::Space {
                    self.rest = self.rest.strip_prefix(b" ").unwrap_or(self.rest);
                }
                self.day = Some(self.number(width, 0..=99, "day")?);
            }
            Part::YearDay => self.year_day = Some(self.digits(3, 3)?),
            Part::Hour => self.hour = self.number(Width::None, 0..=23, "hour")?,
            Part::Hour12(width) => self.hour = self.number(width, 0..=12, "hour")?,
            Part::Minute(width) => self.minute = self.number(width, 0..=59, "minute")?,
            Part::Second(width) => {
                self.second = self.number(width, 0..=59, "second")?;
                if !following.fraction_follows() {
                    self.fraction();
                }
            }
            Part::Fraction { digits, .. } => {
                let (separator, rest) = self.rest.split_first().ok_or(Problem::Mismatch)?;
                let digits = rest.get(..digits).ok_or(Problem::Mismatch)?;
                if !is_separator(*separator) || !digits.iter().all(u8::is_ascii_digit) {
                    return Err(Problem::Mismatch);
                }
                self.nanosecond = nanoseconds(digits);
                self.rest = &rest[digits.len()..];
            }
            Part::ShortFraction { .. } => self.fraction(),
            Part::Noon => self.noon(b"AM", b"PM")?,
            Part::SmallNoon => self.noon(b"am", b"pm")?,
            Part::Abbreviation => self.abbreviation()?,
            Part::Offset { z, minutes } => match self.rest.strip_prefix(b"Z") {
                Some(rest) if z => (self.rest, self.utc) = (rest, true),
                _ => self.offset(minutes)?,
            },
        }
        Ok(())
    }

    /// From `least` to `most` digits.
    fn digits(&mut self, least: usize, most: usize) -> Result<i64, Problem> {
        let count = self.rest.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        if count < least {
            return Err(Problem::Mismatch);
        }
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
    }

    /// A number of one or two digits; of two if it is filled up with a zero.
    fn number(
        &mut self,
        width: Width,
        range: std::ops::RangeInclusive<i64>,
        what: &'static str,
    ) -> Result<i64, Problem> {
        let number = self.digits(if width == Width::Zero { 2 } else { 1 }, 2)?;
        if range.contains(&number) { Ok(number) } else { Err(Problem::Range(what)) }
    }

    /// One of these names, cut to `length` bytes, in letters of any size: its position.
    fn name(&mut self, names: &[&str], length: usize) -> Result<i64, Problem> {
        for (position, name) in names.iter().enumerate() {
            let name = &name.as_bytes()[..name.len().min(length)];
            if let Some((found, rest)) = self.rest.split_at_checked(name.len())
                && found.eq_ignore_ascii_case(name)
            {
                self.rest = rest;
                return Ok(position as i64);
            }
        }
        Err(Problem::Mismatch)
    }

    /// A fraction of the second with any number of digits, if there is one.
    fn fraction(&mut self) {
        let Some((_, rest)) = self.rest.split_first().filter(|(first, _)| is_separator(**first)) else {
            return;
        };
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count > 0 {
            let (digits, rest) = rest.split_at(count);
            self.nanosecond = nanoseconds(digits);
            self.rest = rest;
        }
    }

    fn noon(&mut self, before: &[u8], after: &[u8]) -> Result<(), Problem> {
        let (found, rest) = self.rest.split_at_checked(2).ok_or(Problem::Mismatch)?;
        if found != before && found != after {
            return Err(Problem::Mismatch);
        }
        (self.afternoon, self.rest) = (Some(found == after), rest);
        Ok(())
    }

    /// Sign, hours, and what else the layout shows. Up to 24 hours and 60 minutes, as some people write.
    fn offset(&mut self, minutes: Minutes) -> Result<(), Problem> {
        let (sign, rest) = self.rest.split_first().ok_or(Problem::Mismatch)?;
        let sign = match sign {
            b'+' => 1,
            b'-' => -1,
            _ => return Err(Problem::Mismatch),
        };
        self.rest = rest;
        let hours = self.digits(2, 2)?;
        if minutes == Minutes::Colon {
            self.rest = self.rest.strip_prefix(b":").ok_or(Problem::Mismatch)?;
        }
        let minutes = if minutes == Minutes::None { 0 } else { self.digits(2, 2)? };
        if hours > 24 {
            return Err(Problem::Range("hour of the offset"));
        }
        if minutes > 60 {
            return Err(Problem::Range("minute of the offset"));
        }
        self.offset = Some(sign * (hours * 3600 + minutes * 60) as i32);
        Ok(())
    }

    fn abbreviation(&mut self) -> Result<(), Problem> {
        if let Some(rest) = self.rest.strip_prefix(b"UTC") {
            (self.utc, self.rest) = (true, rest);
            return Ok(());
        }
        let length = abbreviation_length(self.rest).ok_or(Problem::Mismatch)?;
        let (name, rest) = self.rest.split_at(length);
        (self.abbreviation, self.rest) = (Some(name), rest);
        Ok(())
    }

    /// Puts together what was read.
    fn finish(mut self, zone: &Zone) -> Result<Time, String> {
        match self.afternoon {
            Some(true) if self.hour < 12 => self.hour += 12,
            Some(false) if self.hour == 12 => self.hour = 0,
            _ => {}
        }
        let (month, day) = self.date()?;
        let fields = Fields {
            year: self.year,
            month,
            day,
            hour: self.hour,
            minute: self.minute,
            second: self.second,
            nanosecond: self.nanosecond,
        };
        // Years of four digits are never out of range.
        let in_zone = |zone: &Zone| Time::from_fields(fields, zone.clone()).ok_or("time out of range");
        let Some(written) = self.zone() else {
            return Ok(in_zone(zone)?);
        };
        let utc = in_zone(&Zone::Utc)?;
        let local = utc.at.seconds;
        let (offset, fixed) = match written {
            Written::Utc => return Ok(utc),
            Written::Offset(offset) => {
                let there = local - i64::from(offset);
                let name = self.abbreviation.unwrap_or_default();
                let called_so = name.is_empty() || zone.abbreviation(there) == name;
                let same = zone.offset(there) == offset && called_so;
                (offset, (!same).then(|| Zone::fixed(name, offset)))
            }
            Written::Name(name) => match zone.offset_called(&name, local) {
                Some(offset) => (offset, None),
                None => {
                    let offset = offset_in_name(&name);
                    (offset, Some(Zone::fixed(&name, offset)))
                }
            },
        };
        let moved = utc.add(-i64::from(offset) * 1_000_000_000).ok_or("time out of range")?;
        Ok(moved.in_zone(fixed.unwrap_or_else(|| zone.clone())))
    }

    /// UTC before an offset, that before a name.
    fn zone(&self) -> Option<Written> {
        if self.utc {
            return Some(Written::Utc);
        }
        match (self.offset, self.abbreviation) {
            (Some(offset), _) => Some(Written::Offset(offset)),
            (None, Some(name)) => Some(Written::Name(name.to_vec())),
            (None, None) => None,
        }
    }

    /// Month and day, from the day of the year if there is one.
    fn date(&self) -> Result<(i64, i64), String> {
        let Some(mut day) = self.year_day else {
            let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
            if !(1..=days_in(self.year, month)).contains(&day) {
                return Err("day out of range".into());
            }
            return Ok((month, day));
        };
        if !(1..=365 + i64::from(is_leap(self.year))).contains(&day) {
            return Err("day of the year out of range".into());
        }
        let mut month = 1;
        while day > days_in(self.year, month) {
            day -= days_in(self.year, month);
            month += 1;
        }
        if self.month.is_some_and(|written| written != month) {
            return Err("day of the year does not match the month".into());
        }
        if self.day.is_some_and(|written| written != day) {
            return Err("day of the year does not match the day".into());
        }
        Ok((month, day))
    }
}

fn without_spaces(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|&&byte| byte == b' ').count();
    &text[spaces..]
}

fn is_separator(byte: u8) -> bool {
    byte == b'.' || byte == b','
}

/// Digits after the point as nanoseconds; what is finer is cut off.
fn nanoseconds(digits: &[u8]) -> i64 {
    let padded = digits.iter().chain(std::iter::repeat(&b'0'));
    padded.take(9).fold(0, |number, digit| number * 10 + i64::from(digit - b'0'))
}

/// How long the abbreviation of a zone at the beginning of `value` is: three capital letters, or four or five that end in
/// `T`; `ChST`, `MeST`, `WITA`; `GMT` with hours; hours alone.
fn abbreviation_length(value: &[u8]) -> Option<usize> {
    if value.starts_with(b"ChST") || value.starts_with(b"MeST") {
        return Some(4);
    }
    if let Some(rest) = value.strip_prefix(b"GMT") {
        return Some(3 + hours_length(rest));
    }
    if matches!(value.first(), Some(b'+' | b'-')) {
        return Some(hours_length(value)).filter(|&length| length > 0);
    }
    let capitals = value.iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count();
    match capitals {
        3 => Some(3),
        4 if value[3] == b'T' || value.starts_with(b"WITA") => Some(4),
        5 if value[4] == b'T' => Some(5),
        _ => None,
    }
}

/// The length of a sign with hours up to 23 at the beginning of `value`, 0 if there are none.
fn hours_length(value: &[u8]) -> usize {
    let Some((b'+' | b'-', rest)) = value.split_first() else {
        return 0;
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let hours = rest[..digits]
        .iter()
        .fold(0u64, |hours, digit| hours.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    if digits == 0 || hours > 23 { 0 } else { digits + 1 }
}

/// The offset of an abbreviation that no zone has: the hours in it, else none.
fn offset_in_name(name: &[u8]) -> i32 {
    let hours = name.strip_prefix(b"GMT").unwrap_or(name);
    let (sign, digits) = match hours.split_first() {
        Some((b'+', digits)) => (1, digits),
        Some((b'-', digits)) => (-1, digits),
        _ => return 0,
    };
    sign * 3600 * digits.iter().fold(0, |hours, digit| hours * 10 + i32::from(digit - b'0'))
}

#[cfg(test)]
mod tests;
