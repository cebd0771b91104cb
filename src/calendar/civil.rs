//! The proleptic Gregorian calendar: seconds since 1970 to dates and back, for any year.
//!
//! The conversion of days counts years from March on, so that the leap day is the last of its year, in eras of 400 years,
//! after which everything repeats (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").

use super::MAX_SECONDS;

/// Seconds of a day.
pub const DAY: i64 = 86_400;

/// Days of 400 years. They are whole weeks, so that even days of the week repeat.
pub const ERA_DAYS: i64 = 146_097;

/// A date and a time of day as a user writes them. Numbers outside their range carry over.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[allow(missing_docs)] // Named after what they are.
pub struct Fields {
    pub year: i64,
    /// From 1 on.
    pub month: i64,
    /// From 1 on.
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    pub nanosecond: i64,
}

/// A date and a time of day as a clock shows them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parts {
    /// 0 is the year before 1, as in ISO 8601.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// 0 for Sunday to 6.
    pub weekday: u8,
    /// 1 to 366.
    pub year_day: u16,
}

/// True for a year of 366 days.
pub fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days of a month from 1 to 12.
pub fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to the first of a month from 1 to 12.
fn days_before(year: i128, month: i128) -> i128 {
    let year = year - i128::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5;
    era * i128::from(ERA_DAYS) + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

impl Fields {
    /// Seconds from 1970-01-01 00:00 to this on a clock that is never set, and the nanoseconds that are left. `None` beyond
    /// [`MAX_SECONDS`].
    pub fn to_seconds(self) -> Option<(i64, u32)> {
        let wide = i128::from;
        let months = wide(self.month) - 1;
        let first = days_before(wide(self.year) + months.div_euclid(12), months.rem_euclid(12) + 1);
        let seconds = (first + wide(self.day) - 1) * wide(DAY)
            + wide(self.hour) * 3600
            + wide(self.minute) * 60
            + wide(self.second)
            + wide(self.nanosecond.div_euclid(1_000_000_000));
        let seconds = i64::try_from(seconds).ok().filter(|seconds| seconds.abs() <= MAX_SECONDS)?;
        Some((seconds, self.nanosecond.rem_euclid(1_000_000_000) as u32))
    }
}

impl Parts {
    /// What a clock shows so many seconds after 1970-01-01 00:00; at most [`MAX_SECONDS`] and a zone's offset away.
    pub fn at(seconds: i64) -> Self {
        let (days, of_day) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        let from_march = days + 719_468;
        let (era, of_era) = (from_march.div_euclid(ERA_DAYS), from_march.rem_euclid(ERA_DAYS));
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = ((5 * of_year + 2) / 153 + 2) % 12 + 1;
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        // March is day 0 of `of_year` and day 59, in leap years 60, of the year that begins in January.
        let before_march = 59 + i64::from(is_leap(year));
        let year_day = if month <= 2 { of_year - 306 } else { of_year + before_march };
        Parts {
            year,
            month: month as u8,
            day: (of_year - (153 * ((month + 9) % 12) + 2) / 5 + 1) as u8,
            hour: (of_day / 3600) as u8,
            minute: (of_day / 60 % 60) as u8,
            second: (of_day % 60) as u8,
            weekday: (days + 4).rem_euclid(7) as u8,
            year_day: (year_day + 1) as u16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn midnight(year: i64, month: i64, day: i64) -> i64 {
        Fields { year, month, day, ..Fields::default() }.to_seconds().unwrap().0
    }

    #[test]
    fn well_known_days() {
        assert_eq!(midnight(1970, 1, 1), 0);
        assert_eq!(midnight(1, 1, 1), -62_135_596_800);
        assert_eq!(midnight(2000, 2, 29), 951_782_400);
        assert_eq!(midnight(9999, 12, 31), 253_402_214_400);
        let parts = Parts::at(951_782_400 + 86_399);
        assert_eq!((parts.year, parts.month, parts.day), (2000, 2, 29));
        assert_eq!((parts.hour, parts.minute, parts.second), (23, 59, 59));
        assert_eq!((parts.weekday, parts.year_day), (2, 60));
    }

    #[test]
    fn parts_outside_their_range_carry_over() {
        let fields = |year, month, day, hour| Fields { year, month, day, hour, ..Fields::default() };
        for (written, meant) in [
            (fields(2023, 13, 1, 0), fields(2024, 1, 1, 0)),
            (fields(2024, 0, 31, 0), fields(2023, 12, 31, 0)),
            (fields(2024, 3, 0, 0), fields(2024, 2, 29, 0)),
            (fields(2023, 3, 0, 0), fields(2023, 2, 28, 0)),
            (fields(2024, -11, 1, 0), fields(2023, 1, 1, 0)),
            (fields(2024, 1, 1, -1), fields(2023, 12, 31, 23)),
            (fields(0, 1, 366, 0), fields(0, 12, 31, 0)),
        ] {
            assert_eq!(written.to_seconds(), meant.to_seconds());
        }
        let early = Fields { nanosecond: -1, ..fields(1970, 1, 1, 0) };
        assert_eq!(early.to_seconds(), Some((-1, 999_999_999)));
    }

    #[test]
    fn every_day_of_ten_thousand_years_in_a_row() {
        let (mut year, mut month, mut day, mut year_day) = (0, 1, 1, 1);
        for days in midnight(0, 1, 1) / DAY..=midnight(9999, 12, 31) / DAY {
            let parts = Parts::at(days * DAY);
            assert_eq!((parts.year, parts.month, parts.day), (year, month, day));
            assert_eq!(parts.year_day, year_day);
            (day, year_day) = (day + 1, year_day + 1);
            if i64::from(day) > days_in(year, i64::from(month)) {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month, year_day) = (year + 1, 1, 1);
            }
        }
        assert_eq!(year, 10_000);
    }

    proptest! {
        #[test]
        fn seconds_to_parts_and_back(seconds in -MAX_SECONDS..=MAX_SECONDS) {
            let parts = Parts::at(seconds);
            let fields = Fields {
                year: parts.year,
                month: parts.month.into(),
                day: parts.day.into(),
                hour: parts.hour.into(),
                minute: parts.minute.into(),
                second: parts.second.into(),
                nanosecond: 0,
            };
            prop_assert_eq!(fields.to_seconds(), Some((seconds, 0)));
        }

        #[test]
        fn no_numbers_are_too_large(
            year: i64, month: i64, day: i64, hour: i64, minute: i64, second: i64, nanosecond: i64,
        ) {
            Fields { year, month, day, hour, minute, second, nanosecond }.to_seconds();
        }
    }
}
