//! Times as text.

use super::layout::{Item, Minutes, Part, Width, items};
use super::time::Time;
use super::{MONTHS, WEEKDAYS};
use crate::runtime::failure::Failure;

/// `time` written as the layout shows.
///
/// # Errors
/// There is no memory for the text.
pub fn format(time: &Time, layout: &[u8]) -> Result<Vec<u8>, Failure> {
    let (parts, offset) = (time.parts(), time.offset());
    let mut out = Vec::new();
    for item in items(layout) {
        // No part but the abbreviation is longer than this.
        reserve(&mut out, 32)?;
        let part = match item {
            Item::Literal(text) => {
                reserve(&mut out, text.len())?;
                out.extend_from_slice(text);
                continue;
            }
            Item::Part(part, _) => part,
        };
        match part {
            Part::Year => put(&mut out, parts.year, 4),
            Part::YearOfCentury => put(&mut out, parts.year.rem_euclid(100), 2),
            Part::MonthName => out.extend_from_slice(month(parts.month).as_bytes()),
            Part::MonthAbbreviation => out.extend_from_slice(&month(parts.month).as_bytes()[..3]),
            Part::Month(width) => put_small(&mut out, parts.month, width),
            Part::WeekdayName => out.extend_from_slice(weekday(parts.weekday).as_bytes()),
            Part::WeekdayAbbreviation => out.extend_from_slice(&weekday(parts.weekday).as_bytes()[..3]),
            Part::Day(width) => put_small(&mut out, parts.day, width),
            Part::YearDay => put(&mut out, parts.year_day.into(), 3),
            Part::Hour => put_small(&mut out, parts.hour, Width::Zero),
            // Noon and midnight are 12.
            Part::Hour12(width) => put_small(&mut out, (parts.hour + 11) % 12 + 1, width),
            Part::Minute(width) => put_small(&mut out, parts.minute, width),
            Part::Second(width) => put_small(&mut out, parts.second, width),
            Part::Noon => out.extend_from_slice(if parts.hour < 12 { b"AM" } else { b"PM" }),
            Part::SmallNoon => out.extend_from_slice(if parts.hour < 12 { b"am" } else { b"pm" }),
            Part::Fraction { separator, digits } => {
                out.push(separator);
                out.extend_from_slice(&fraction(time)[..digits.min(9)]);
            }
            Part::ShortFraction { separator, digits } => {
                let nanoseconds = fraction(time);
                let digits = &nanoseconds[..digits.min(9)];
                let length = digits.iter().rposition(|&digit| digit != b'0').map_or(0, |last| last + 1);
                if length > 0 {
                    out.push(separator);
                    out.extend_from_slice(&digits[..length]);
                }
            }
            Part::Abbreviation => {
                let name = time.zone.abbreviation(time.at.seconds);
                if name.is_empty() {
                    put_offset(&mut out, offset, Minutes::Joined);
                } else {
                    reserve(&mut out, name.len())?;
                    out.extend_from_slice(&name);
                }
            }
            Part::Offset { z: true, .. } if offset == 0 => out.push(b'Z'),
            Part::Offset { minutes, .. } => put_offset(&mut out, offset, minutes),
        }
    }
    Ok(out)
}

fn reserve(out: &mut Vec<u8>, length: usize) -> Result<(), Failure> {
    out.try_reserve(length).map_err(|_| Failure::OutOfMemory)
}

fn month(month: u8) -> &'static str {
    MONTHS[usize::from(month - 1)]
}

fn weekday(weekday: u8) -> &'static str {
    WEEKDAYS[usize::from(weekday)]
}

/// The nine digits after the seconds.
fn fraction(time: &Time) -> [u8; 9] {
    let mut digits = [b'0'; 9];
    let mut rest = time.at.nanoseconds;
    for digit in digits.iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    digits
}

/// A number of at least `width` digits.
fn put(out: &mut Vec<u8>, number: i64, width: usize) {
    let sign = if number < 0 { "-" } else { "" };
    out.extend_from_slice(format!("{sign}{:0width$}", number.unsigned_abs()).as_bytes());
}

fn put_small(out: &mut Vec<u8>, number: u8, width: Width) {
    match width {
        Width::Zero => put(out, number.into(), 2),
        Width::Space if number < 10 => out.extend_from_slice(&[b' ', b'0' + number]),
        Width::Space | Width::None => put(out, number.into(), 1),
    }
}

fn put_offset(out: &mut Vec<u8>, offset: i32, minutes: Minutes) {
    // Cut off at whole minutes, as seconds have no place.
    let total = i64::from(offset / 60);
    out.push(if total < 0 { b'-' } else { b'+' });
    put(out, total.abs() / 60, 2);
    if minutes == Minutes::Colon {
        out.push(b':');
    }
    if minutes != Minutes::None {
        put(out, total.abs() % 60, 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::civil::Fields;
    use crate::calendar::layout::{NAMED, PRINTED};
    use crate::calendar::zone::Zone;

    fn written(time: &Time, layout: &str) -> String {
        String::from_utf8(format(time, layout.as_bytes()).unwrap()).unwrap()
    }

    fn time(year: i64, nanosecond: i64, zone: Zone) -> Time {
        let fields = Fields { year, month: 2, day: 4, hour: 21, minute: 0, second: 57, nanosecond };
        Time::from_fields(fields, zone).unwrap()
    }

    #[test]
    fn the_reference_time_is_written_as_each_layout() {
        let fields = Fields { year: 2006, month: 1, day: 2, hour: 15, minute: 4, second: 5, nanosecond: 0 };
        let reference = Time::from_fields(fields, Zone::fixed(b"MST", -25_200)).unwrap();
        for (_, layout) in NAMED {
            let same = layout.replace(".999999999", "").replace("Z07", "-07").replace('_', " ");
            assert_eq!(written(&reference, layout), same);
        }
    }

    #[test]
    fn parts_one_by_one() {
        let pst = time(2009, 12_345_600, Zone::fixed(b"PST", -28_800));
        for (layout, text) in [
            (PRINTED, "2009-02-04 21:00:57.0123456 -0800 PST"),
            ("3:4PM 03 15", "9:0PM 09 21"),
            ("6 06 2006 _2006", "6 09 2009 _2009"),
            ("1 01 Jan January _2 2 02 002", "2 02 Feb February  4 4 04 035"),
            ("Mon Monday", "Wed Wednesday"),
            ("05.0 05,00 05.000000 05.0000000000", "57.0 57,01 57.012345 57.012345600"),
            ("05.9 05,99 05.999999999999", "57 57,01 57.0123456"),
            ("-07 -0700 -07:00 Z07 Z0700 Z07:00", "-08 -0800 -08:00 -08 -0800 -08:00"),
        ] {
            assert_eq!(written(&pst, layout), text, "{layout}");
        }
        let utc = time(2009, 0, Zone::Utc);
        assert_eq!(written(&utc, "-07 Z07 Z0700 Z07:00 MST"), "+00 Z Z Z UTC");
        let nameless = time(2009, 0, Zone::fixed(b"", 19_800));
        assert_eq!(written(&nameless, "MST"), "+0530");
        let odd = time(2009, 0, Zone::fixed(b"odd", -59));
        assert_eq!(written(&odd, "-07:00"), "+00:00");
    }

    #[test]
    fn years_of_any_length() {
        for (year, text) in [(0, "0000 00"), (7, "0007 07"), (12_345, "12345 45"), (-1, "-0001 99")] {
            assert_eq!(written(&time(year, 0, Zone::Utc), "2006 06"), text);
        }
    }
}
