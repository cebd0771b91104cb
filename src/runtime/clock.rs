//! Points in time: the wall clock and, for measuring, the monotonic clock beside it.

use once_cell::sync::Lazy;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds of the monotonic clock since the library was first asked for the time.
pub type Monotonic = i64;

static START: Lazy<Instant> = Lazy::new(Instant::now);

/// The monotonic clock now.
pub fn monotonic() -> Monotonic {
    i64::try_from(START.elapsed().as_nanos()).unwrap_or(i64::MAX)
}

/// The instant that lies `nanoseconds` after now, `None` if the system clock cannot express it.
pub fn instant_after(nanoseconds: i64) -> Option<Instant> {
    Instant::now().checked_add(std::time::Duration::from_nanos(nanoseconds.max(0).unsigned_abs()))
}

/// An instant as seen by the user.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timestamp {
    /// Seconds since 1970-01-01 UTC.
    pub seconds: i64,
    /// Nanoseconds within the second, 0 to 999,999,999.
    pub nanoseconds: u32,
    /// The monotonic clock at the same moment, if the timestamp was taken by `now`.
    pub monotonic: Option<Monotonic>,
}

impl Timestamp {
    /// The present moment.
    pub fn now() -> Self {
        let (seconds, nanoseconds) = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos()),
            Err(error) => {
                // Before 1970: the seconds count down, the nanoseconds still up.
                let before = error.duration();
                let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
                match before.subsec_nanos() {
                    0 => (-seconds, 0),
                    part => (-seconds - 1, 1_000_000_000 - part),
                }
            }
        };
        Timestamp { seconds, nanoseconds, monotonic: Some(monotonic()) }
    }

    /// The instant that lies `span` later.
    pub fn plus(self, span: std::time::Duration) -> Self {
        let nanoseconds = self.nanoseconds + span.subsec_nanos();
        Timestamp {
            seconds: self
                .seconds
                .saturating_add_unsigned(span.as_secs() + u64::from(nanoseconds / 1_000_000_000)),
            nanoseconds: nanoseconds % 1_000_000_000,
            monotonic: self
                .monotonic
                .map(|at| at.saturating_add(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX))),
        }
    }

    /// Nanoseconds since 1970-01-01 UTC.
    pub fn unix_nanoseconds(self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanoseconds)
    }

    /// Nanoseconds from `earlier` to here, by the monotonic clock if both have it; the nearest value if it does not fit.
    pub fn since(self, earlier: Timestamp) -> i64 {
        let span = match (self.monotonic, earlier.monotonic) {
            (Some(later), Some(sooner)) => i128::from(later) - i128::from(sooner),
            _ => self.unix_nanoseconds() - earlier.unix_nanoseconds(),
        };
        i64::try_from(span).unwrap_or(if span < 0 { i64::MIN } else { i64::MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_decides_when_both_have_it() {
        let earlier = Timestamp { seconds: 100, nanoseconds: 0, monotonic: Some(5) };
        let later = Timestamp { seconds: 90, nanoseconds: 0, monotonic: Some(12) };
        assert_eq!(later.since(earlier), 7);
        let bare = Timestamp { monotonic: None, ..later };
        assert_eq!(bare.since(earlier), -10_000_000_000);
    }
}
