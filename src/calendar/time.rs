//! A point in time with the zone it is shown in.

use super::MAX_SECONDS;
use super::civil::{Fields, Parts};
use super::zone::Zone;
use crate::runtime::clock::Timestamp;

const BILLION: i128 = 1_000_000_000;

/// Seconds from the zero time, 0001-01-01 00:00 UTC, to 1970.
const ZERO_TO_1970: i64 = 62_135_596_800;

/// An instant and a zone. At most [`MAX_SECONDS`] away from 1970.
#[derive(Clone, Debug, PartialEq)]
pub struct Time {
    /// The instant.
    pub at: Timestamp,
    /// Where its parts are read off.
    pub zone: Zone,
}

impl Time {
    /// The present moment, in the local zone.
    pub fn now() -> Self {
        Time { at: Timestamp::now(), zone: Zone::Local }
    }

    /// An instant from seconds and nanoseconds since 1970 UTC, of any sign and size. `None` beyond [`MAX_SECONDS`].
    pub fn from_unix(seconds: i64, nanoseconds: i64, zone: Zone) -> Option<Self> {
        let total = i128::from(seconds) * BILLION + i128::from(nanoseconds);
        Some(Time { at: bare(total)?, zone })
    }

    /// The instant at which clocks of the zone show this. `None` beyond [`MAX_SECONDS`].
    pub fn from_fields(fields: Fields, zone: Zone) -> Option<Self> {
        let (local, nanoseconds) = fields.to_seconds()?;
        let seconds = zone.from_local(local);
        let at = Timestamp { seconds, nanoseconds, monotonic: None };
        (seconds.abs() <= MAX_SECONDS).then_some(Time { at, zone })
    }

    /// Seconds by which clocks of the zone are ahead of UTC at this instant.
    pub fn offset(&self) -> i32 {
        self.zone.offset(self.at.seconds)
    }

    /// What a clock of the zone shows.
    pub fn parts(&self) -> Parts {
        Parts::at(self.at.seconds + i64::from(self.offset()))
    }

    /// The same instant seen in another zone; the monotonic clock is left out, as by everything that is no measurement.
    pub fn in_zone(&self, zone: Zone) -> Self {
        Time { at: Timestamp { monotonic: None, ..self.at }, zone }
    }

    /// So many nanoseconds later, on both clocks. `None` beyond [`MAX_SECONDS`].
    pub fn add(&self, nanoseconds: i64) -> Option<Self> {
        let at = bare(self.at.unix_nanoseconds() + i128::from(nanoseconds))?;
        let monotonic = self.at.monotonic.and_then(|clock| clock.checked_add(nanoseconds));
        Some(Time { at: Timestamp { monotonic, ..at }, zone: self.zone.clone() })
    }

    /// The same time of day on another day: what does not exist carries over. `None` beyond [`MAX_SECONDS`].
    pub fn add_date(&self, years: i64, months: i64, days: i64) -> Option<Self> {
        let parts = self.parts();
        let fields = Fields {
            year: parts.year.checked_add(years)?,
            month: i64::from(parts.month).checked_add(months)?,
            day: i64::from(parts.day).checked_add(days)?,
            hour: parts.hour.into(),
            minute: parts.minute.into(),
            second: parts.second.into(),
            nanosecond: self.at.nanoseconds.into(),
        };
        Time::from_fields(fields, self.zone.clone())
    }

    /// The last multiple of `step` nanoseconds since the zero time that is not later. A step below 1 changes nothing.
    pub fn truncate(&self, step: i64) -> Self {
        self.moved(step, |since| -since)
    }

    /// The nearest multiple of `step` nanoseconds since the zero time, the later one of two. A step below 1 changes nothing.
    pub fn round(&self, step: i64) -> Self {
        let step_wide = i128::from(step);
        self.moved(step, |since| if 2 * since < step_wide { -since } else { step_wide - since })
    }

    /// Moves by what `by` makes of the nanoseconds since the last multiple of `step`; not at all where that leads out.
    fn moved(&self, step: i64, by: impl FnOnce(i128) -> i128) -> Self {
        let own = self.in_zone(self.zone.clone());
        if step <= 0 {
            return own;
        }
        let total = own.at.unix_nanoseconds();
        let since = (total + i128::from(ZERO_TO_1970) * BILLION).rem_euclid(i128::from(step));
        Time { at: bare(total + by(since)).unwrap_or(own.at), ..own }
    }

    /// True for 0001-01-01 00:00 UTC.
    pub fn is_zero(&self) -> bool {
        self.at.seconds == -ZERO_TO_1970 && self.at.nanoseconds == 0
    }
}

/// The instant of so many nanoseconds since 1970, without the monotonic clock.
fn bare(nanoseconds: i128) -> Option<Timestamp> {
    let seconds = i64::try_from(nanoseconds.div_euclid(BILLION)).ok()?;
    let nanoseconds = nanoseconds.rem_euclid(BILLION) as u32;
    (seconds.abs() <= MAX_SECONDS).then_some(Timestamp { seconds, nanoseconds, monotonic: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(year: i64, month: i64, day: i64) -> Time {
        Time::from_fields(Fields { year, month, day, ..Fields::default() }, Zone::Utc).unwrap()
    }

    #[test]
    fn dates_carry_over() {
        assert_eq!(date(2024, 1, 31).add_date(0, 1, 0), Some(date(2024, 3, 2)));
        assert_eq!(date(2023, 1, 31).add_date(0, 1, 0), Some(date(2023, 3, 3)));
        assert_eq!(date(2024, 2, 29).add_date(1, 0, 0), Some(date(2025, 3, 1)));
        assert_eq!(date(2024, 3, 31).add_date(0, -1, 0), Some(date(2024, 3, 2)));
        assert_eq!(date(2024, 1, 1).add_date(0, 0, -1), Some(date(2023, 12, 31)));
        assert_eq!(date(2024, 1, 1).add_date(i64::MAX, 0, 0), None);
        assert_eq!(date(2024, 1, 1).add_date(0, i64::MIN, 0), None);
    }

    #[test]
    fn rounding_counts_from_the_zero_time() {
        let hour = 3_600_000_000_000;
        let noon = date(2024, 5, 5).add(12 * hour).unwrap();
        assert_eq!(noon.truncate(24 * hour), date(2024, 5, 5));
        assert_eq!(noon.round(24 * hour), date(2024, 5, 6), "half up");
        assert_eq!(noon.add(-1).unwrap().round(24 * hour), date(2024, 5, 5));
        // The zero time was a Monday.
        assert_eq!(noon.truncate(7 * 24 * hour).parts().weekday, 1);
        let early = date(-5, 3, 4).add(1).unwrap();
        assert_eq!(early.truncate(24 * hour), date(-5, 3, 4));
        assert_eq!(noon.round(0), noon);
        assert_eq!(noon.truncate(-1), noon);
        assert!(date(1, 1, 1).is_zero());
    }

    #[test]
    fn a_measurement_keeps_the_monotonic_clock_and_nothing_else_does() {
        let now = Time::now();
        let later = now.add(5).unwrap();
        assert_eq!(later.at.since(now.at), 5);
        assert!(later.at.monotonic.is_some());
        for other in [now.in_zone(Zone::Utc), now.round(1), now.truncate(0), now.add_date(0, 0, 0).unwrap()] {
            assert_eq!(other.at.monotonic, None);
            assert_eq!(other.at.unix_nanoseconds(), now.at.unix_nanoseconds());
        }
    }

    #[test]
    fn the_ends_of_time() {
        let last = Time::from_unix(MAX_SECONDS, 999_999_999, Zone::Utc).unwrap();
        assert_eq!(last.add(1), None);
        assert!(last.round(i64::MAX / 2).at.seconds.abs() <= MAX_SECONDS);
        assert_eq!(Time::from_unix(MAX_SECONDS, 1_000_000_000, Zone::Utc), None);
        assert_eq!(Time::from_unix(i64::MIN, i64::MIN, Zone::Utc), None);
        let first = Time::from_unix(-MAX_SECONDS, 0, Zone::fixed(b"", -359_999)).unwrap();
        assert_eq!(first.add(-1), None);
        assert!(first.parts().year < -285_000_000);
    }
}
