//! How long an idle thread polls before it sleeps.
//!
//! Waking a thread on another processor takes tens of microseconds. So a thread that will soon be answered does better to poll,
//! and to yield to every other thread meanwhile. The last answers predict the next: after late answers a thread does not poll for
//! long. (The competitive argument is that of adaptive spinning: Karlin, Li, Manasse and Owicki, "Empirical Studies of
//! Competitive Spinning for a Shared-Memory Multiprocessor", 1991.)

use crate::platform;
use once_cell::sync::Lazy;
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// In nanoseconds: how long anybody looks out at least. What keeps a partner busy for a moment, its garbage collector for
/// instance, should not put both to sleep; and a processor that has gone to sleep takes longer to wake than this.
const LEAST: u32 = 50_000;

/// In nanoseconds: how long anybody looks out at most. A thread whose last answer came later than this looks out for the least
/// time, until an answer comes sooner.
const MOST: u32 = 200_000;

/// Threads that look out right now.
static LOOKING_OUT: AtomicUsize = AtomicUsize::new(0);

/// How many threads may look out at a time: one for each processor, so that two partners find each other, and none if there
/// is only one.
static PLACES: Lazy<usize> = Lazy::new(|| {
    let processors = platform::processors();
    if processors > 1 { processors } else { 0 }
});

/// A thread that yields and runs again only after this time has met threads that compute on every processor. It had better sleep:
/// the kernel schedules a woken thread before those, but not one that has yielded.
const CROWDED: Duration = Duration::from_millis(1);

/// For how many waits at most nobody looks out after that.
const LONGEST_REST: u32 = 1024;

/// What one waiter knows of its last waits.
pub struct AdaptiveSpin {
    /// How long they took, in nanoseconds: a mean in which every wait counts for a quarter.
    expected: Cell<u32>,
    /// For so many waits it does not look out.
    rest: Cell<u32>,
    /// And for so many if it meets a crowd the next time: twice as many every time.
    next_rest: Cell<u32>,
}

impl Default for AdaptiveSpin {
    /// Expects nothing; the first answer that comes soon changes that.
    fn default() -> Self {
        AdaptiveSpin { expected: Cell::new(MOST), rest: Cell::new(0), next_rest: Cell::new(1) }
    }
}

impl AdaptiveSpin {
    /// Waits until `arrived`: looks out for as long as that is likely to help, and not beyond the deadline, then calls
    /// `sleep`, once, which may return early.
    pub fn wait(&self, deadline: Option<Instant>, mut arrived: impl FnMut() -> bool, sleep: impl FnOnce()) {
        if arrived() {
            return;
        }
        let start = Instant::now();
        if !self.look_out(start, deadline, arrived) {
            sleep();
            self.learn(start.elapsed());
        }
    }

    /// Gives way to others until `arrived`, or until there is no more hope.
    fn look_out(&self, start: Instant, deadline: Option<Instant>, arrived: impl FnMut() -> bool) -> bool {
        if self.rests() {
            return false;
        }
        let limit = start + self.limit();
        let Some(look) = look_out(start, deadline.map_or(limit, |deadline| deadline.min(limit)), arrived)
        else {
            return false;
        };
        self.met(look.crowded);
        if look.seen {
            self.learn(look.end - start);
        }
        look.seen
    }

    /// Takes note of whether there was a crowd.
    fn met(&self, crowded: bool) {
        if crowded {
            self.rest.set(self.next_rest.get());
            self.next_rest.set((2 * self.next_rest.get()).min(LONGEST_REST));
        } else {
            self.next_rest.set(1);
        }
    }

    /// One wait less to go without looking out; `false` if there is none.
    fn rests(&self) -> bool {
        let rest = self.rest.get();
        self.rest.set(rest.saturating_sub(1));
        rest > 0
    }

    /// Twice what is expected, unless that is too late anyhow.
    fn limit(&self) -> Duration {
        let expected = self.expected.get();
        let limit = if expected < MOST { (2 * expected).clamp(LEAST, MOST) } else { LEAST };
        Duration::from_nanos(limit.into())
    }

    fn learn(&self, waited: Duration) {
        let expected = match u32::try_from(waited.as_nanos()) {
            Ok(waited) if waited < MOST => self.expected.get() / 4 * 3 + waited / 4,
            _ => MOST,
        };
        self.expected.set(expected);
    }
}

/// What looking out has shown.
struct Look {
    seen: bool,
    crowded: bool,
    end: Instant,
}

/// Looks out from `start` to `limit`; not at all if enough threads do.
fn look_out(start: Instant, limit: Instant, mut arrived: impl FnMut() -> bool) -> Option<Look> {
    if LOOKING_OUT.fetch_add(1, Ordering::Relaxed) >= *PLACES {
        LOOKING_OUT.fetch_sub(1, Ordering::Relaxed);
        return None;
    }
    let mut look = Look { seen: false, crowded: false, end: start };
    while !look.seen && !look.crowded && look.end < limit {
        std::thread::yield_now();
        look.seen = arrived();
        let now = Instant::now();
        look.crowded = now - look.end > CROWDED;
        look.end = now;
    }
    LOOKING_OUT.fetch_sub(1, Ordering::Relaxed);
    Some(look)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Duration = Duration::from_millis(2);

    #[test]
    fn who_has_been_answered_late_does_not_look_out_for_long() {
        let patience = AdaptiveSpin::default();
        assert_eq!(patience.limit(), Duration::from_nanos(LEAST.into()));
        patience.learn(Duration::from_micros(20));
        assert!(patience.limit() > Duration::from_micros(100));
        patience.learn(LATER);
        assert_eq!(patience.limit(), Duration::from_nanos(LEAST.into()));
    }

    #[test]
    fn early_answers_make_good_for_a_late_one() {
        let patience = AdaptiveSpin::default();
        patience.learn(LATER);
        patience.learn(Duration::from_micros(20));
        assert_eq!(patience.limit(), Duration::from_nanos(MOST.into()));
        for _ in 0..100 {
            patience.learn(Duration::from_micros(40));
        }
        let limit = patience.limit();
        assert!(limit >= Duration::from_micros(70) && limit <= Duration::from_micros(80), "{limit:?}");
        for _ in 0..100 {
            patience.learn(Duration::from_nanos(300));
        }
        assert_eq!(patience.limit(), Duration::from_nanos(LEAST.into()));
    }

    #[test]
    fn who_meets_a_crowd_sleeps_at_once_ever_more_often() {
        let patience = AdaptiveSpin::default();
        let looks =
            || (0..40).filter(|_| !patience.rests()).inspect(|_| patience.met(true)).collect::<Vec<_>>();
        assert_eq!(looks(), [0, 2, 5, 10, 19, 36]);
        while patience.rests() {}
        patience.met(false);
        assert_eq!(looks(), [0, 2, 5, 10, 19, 36]);
    }

    #[test]
    fn sleeps_only_if_nothing_has_arrived() {
        let patience = AdaptiveSpin::default();
        patience.wait(None, || true, || panic!("it was there"));
        let mut slept = false;
        patience.wait(None, || false, || slept = true);
        assert!(slept);
    }

    #[test]
    fn does_not_look_out_beyond_the_deadline() {
        let patience = AdaptiveSpin::default();
        let (mut looks, mut slept) = (0, false);
        patience.wait(
            Some(Instant::now()),
            || {
                looks += 1;
                false
            },
            || slept = true,
        );
        assert!(slept && looks == 1);
    }
}
