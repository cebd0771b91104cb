//! Layouts: how the reference time, Monday 2 January 2006, 15:04:05 in a zone 7 hours west of UTC, would be written.

/// A part of a layout that stands for something; all else is literal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part {
    /// `2006`
    Year,
    /// `06`
    YearOfCentury,
    /// `January`
    MonthName,
    /// `Jan`
    MonthAbbreviation,
    /// `01`, `1`
    Month(Width),
    /// `Monday`
    WeekdayName,
    /// `Mon`
    WeekdayAbbreviation,
    /// `02`, `2`, `_2`
    Day(Width),
    /// `002`
    YearDay,
    /// `15`
    Hour,
    /// `03`, `3`
    Hour12(Width),
    /// `04`, `4`
    Minute(Width),
    /// `05`, `5`
    Second(Width),
    /// `.000` or `,000`
    Fraction {
        /// `.` or `,`
        separator: u8,
        /// How many there are.
        digits: usize,
    },
    /// `.999` or `,999`: the same without zeros at the end
    ShortFraction {
        /// `.` or `,`
        separator: u8,
        /// How many there are.
        digits: usize,
    },
    /// `PM`
    Noon,
    /// `pm`
    SmallNoon,
    /// `MST`
    Abbreviation,
    /// `-0700`, `-07:00`, `-07`, and the same with `Z`
    Offset {
        /// Begins with `Z`, which stands for UTC.
        z: bool,
        /// What comes after the hours.
        minutes: Minutes,
    },
}

/// How a number of one or two digits is filled up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Width {
    /// With a zero.
    Zero,
    /// With a space.
    Space,
    /// Not at all.
    None,
}

/// How the minutes of an offset are written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Minutes {
    /// Not at all.
    None,
    /// `00`
    Joined,
    /// `:00`
    Colon,
}

/// What a layout consists of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Item<'a> {
    /// Text that stands for itself.
    Literal(&'a [u8]),
    /// A part, and how it is written in the layout.
    Part(Part, &'a [u8]),
}

/// The items of a layout, in order.
pub struct Items<'a> {
    rest: &'a [u8],
    /// The last item was seconds: a fraction may follow.
    after_seconds: bool,
}

/// The items of `layout`.
pub fn items(layout: &[u8]) -> Items<'_> {
    Items { rest: layout, after_seconds: false }
}

impl Items<'_> {
    /// True if the next item is a fraction of the second.
    pub fn fraction_follows(&self) -> bool {
        self.after_seconds && fraction(self.rest).is_some()
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let after_seconds = std::mem::take(&mut self.after_seconds);
        let here = if after_seconds { fraction(self.rest) } else { None };
        if let Some((part, length)) = here.or_else(|| part_at(self.rest)) {
            let (text, rest) = self.rest.split_at(length);
            self.rest = rest;
            self.after_seconds = matches!(part, Part::Second(_));
            return Some(Item::Part(part, text));
        }
        let end = (1..self.rest.len()).find(|&at| part_at(&self.rest[at..]).is_some());
        let (literal, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        Some(Item::Literal(literal))
    }
}

/// Longer ones before their beginnings.
const FIXED: [(&[u8], Part); 25] = [
    (b"2006", Part::Year),
    (b"January", Part::MonthName),
    (b"Monday", Part::WeekdayName),
    (b"MST", Part::Abbreviation),
    (b"01", Part::Month(Width::Zero)),
    (b"02", Part::Day(Width::Zero)),
    (b"03", Part::Hour12(Width::Zero)),
    (b"04", Part::Minute(Width::Zero)),
    (b"05", Part::Second(Width::Zero)),
    (b"06", Part::YearOfCentury),
    (b"002", Part::YearDay),
    (b"15", Part::Hour),
    (b"1", Part::Month(Width::None)),
    (b"2", Part::Day(Width::None)),
    (b"3", Part::Hour12(Width::None)),
    (b"4", Part::Minute(Width::None)),
    (b"5", Part::Second(Width::None)),
    (b"PM", Part::Noon),
    (b"pm", Part::SmallNoon),
    (b"-07:00", Part::Offset { z: false, minutes: Minutes::Colon }),
    (b"-0700", Part::Offset { z: false, minutes: Minutes::Joined }),
    (b"-07", Part::Offset { z: false, minutes: Minutes::None }),
    (b"Z07:00", Part::Offset { z: true, minutes: Minutes::Colon }),
    (b"Z0700", Part::Offset { z: true, minutes: Minutes::Joined }),
    (b"Z07", Part::Offset { z: true, minutes: Minutes::None }),
];

/// The part that `layout` begins with, and its length.
fn part_at(layout: &[u8]) -> Option<(Part, usize)> {
    match layout.first()? {
        b'0'..=b'5' | b'J' | b'M' | b'P' | b'p' | b'-' | b'Z' | b'_' => {}
        _ => return None,
    }
    for (text, part) in FIXED {
        if layout.starts_with(text) {
            return Some((part, text.len()));
        }
    }
    // A word that only begins like a name is a word: "Janet", "Months".
    let is_word = layout.get(3).is_some_and(u8::is_ascii_lowercase);
    match layout {
        [b'J', b'a', b'n', ..] if !is_word => Some((Part::MonthAbbreviation, 3)),
        [b'M', b'o', b'n', ..] if !is_word => Some((Part::WeekdayAbbreviation, 3)),
        // `_2006` is an underscore and a year.
        [b'_', b'2', rest @ ..] if !rest.starts_with(b"006") => Some((Part::Day(Width::Space), 2)),
        _ => None,
    }
}

/// The fraction that `layout` begins with: a separator and zeros or nines, not followed by other digits.
fn fraction(layout: &[u8]) -> Option<(Part, usize)> {
    let (&separator @ (b'.' | b','), rest) = layout.split_first()? else {
        return None;
    };
    let &digit @ (b'0' | b'9') = rest.first()? else {
        return None;
    };
    let digits = rest.iter().take_while(|&&byte| byte == digit).count();
    if rest.get(digits).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let part = match digit {
        b'0' => Part::Fraction { separator, digits },
        _ => Part::ShortFraction { separator, digits },
    };
    Some((part, digits + 1))
}

/// The layouts that have a name of their own.
pub const NAMED: [(&std::ffi::CStr, &str); 15] = [
    (c"RFC3339", RFC3339),
    (c"RFC3339NANO", "2006-01-02T15:04:05.999999999Z07:00"),
    (c"RFC822", "02 Jan 06 15:04 MST"),
    (c"RFC822Z", "02 Jan 06 15:04 -0700"),
    (c"RFC850", "Monday, 02-Jan-06 15:04:05 MST"),
    (c"RFC1123", "Mon, 02 Jan 2006 15:04:05 MST"),
    (c"RFC1123Z", "Mon, 02 Jan 2006 15:04:05 -0700"),
    (c"KITCHEN", "3:04PM"),
    (c"STAMP", "Jan _2 15:04:05"),
    (c"STAMP_MILLI", "Jan _2 15:04:05.000"),
    (c"STAMP_MICRO", "Jan _2 15:04:05.000000"),
    (c"STAMP_NANO", "Jan _2 15:04:05.000000000"),
    (c"DATE_TIME", "2006-01-02 15:04:05"),
    (c"DATE_ONLY", "2006-01-02"),
    (c"TIME_ONLY", "15:04:05"),
];

/// Date and time as on the internet.
pub const RFC3339: &str = "2006-01-02T15:04:05Z07:00";

/// How a Time is printed.
pub const PRINTED: &str = "2006-01-02 15:04:05.999999999 -0700 MST";

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts as they are written, literals in brackets.
    fn taken_apart(layout: &str) -> String {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let pieces = items(layout.as_bytes()).map(|item| match item {
            Item::Literal(literal) => format!("[{}]", text(literal)),
            Item::Part(_, written) => text(written),
        });
        pieces.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn layouts_are_taken_apart() {
        for (layout, pieces) in [
            ("2006-01-02T15:04:05Z07:00", "2006 [-] 01 [-] 02 [T] 15 [:] 04 [:] 05 Z07:00"),
            ("Hi Janet, the Month is January", "[Hi Janet, the Month is ] January"),
            ("Mon Monday Mondays Jan.", "Mon [ ] Monday [ ] Monday [s ] Jan [.]"),
            ("_2 _2006 __2 2006 20060102", "_2 [ _] 2006 [ _] _2 [ ] 2006 [ ] 2006 01 02"),
            ("05.000 5,999 05.0001 04.000", "05 .000 [ ] 5 ,999 [ ] 05 [.00] 01 [ ] 04 [.000]"),
            ("002 02 2 0021 06 6 00", "002 [ ] 02 [ ] 2 [ ] 002 1 [ ] 06 [ 6 00]"),
            (
                "-07:00 -0700 -07 Z07:00 Z0700 Z07 Z -",
                "-07:00 [ ] -0700 [ ] -07 [ ] Z07:00 [ ] Z0700 [ ] Z07 [ Z -]",
            ),
            ("3PM 03pm 15 1 Pm", "3 PM [ ] 03 pm [ ] 15 [ ] 1 [ Pm]"),
            ("MST MSTX Mst", "MST [ ] MST [X Mst]"),
            ("", ""),
            ("\u{e4}\0 at 4", "[\u{e4}\0 at ] 4"),
        ] {
            assert_eq!(taken_apart(layout), pieces, "{layout}");
        }
    }

    #[test]
    fn no_byte_is_lost() {
        proptest::proptest!(|(layout in proptest::collection::vec(proptest::sample::select(b"0123456789 .,-:_JanuryMondSTPpZ\xff".to_vec()), 0..60))| {
            let joined: Vec<u8> = items(&layout)
                .flat_map(|item| match item { Item::Literal(text) | Item::Part(_, text) => text.to_vec() })
                .collect();
            assert_eq!(joined, layout);
        });
    }
}
