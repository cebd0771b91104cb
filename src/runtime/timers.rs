//! Timers of one process: a heap, the earliest on top.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Pending timers with what they are for.
pub struct Timers<T> {
    heap: BinaryHeap<Reverse<(Instant, u64, Tagged<T>)>>,
    started: u64,
    /// Size of the heap at which those that nobody wants any more are swept out.
    sweep_at: usize,
}

/// Takes no part in the order: of two timers due at the same instant the one started first fires first.
struct Tagged<T>(T);

impl<T> PartialEq for Tagged<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Eq for Tagged<T> {}

impl<T> PartialOrd for Tagged<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Tagged<T> {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Timers { heap: BinaryHeap::new(), started: 0, sweep_at: 64 }
    }
}

impl<T> Timers<T> {
    /// Starts a timer. Now and then forgets all that are not `wanted` any more, so that they do not pile up until due.
    pub fn start(&mut self, at: Instant, target: T, wanted: impl Fn(&T) -> bool) {
        if self.heap.len() >= self.sweep_at {
            self.heap.retain(|Reverse((_, _, Tagged(target)))| wanted(target));
            self.sweep_at = (2 * self.heap.len()).max(64);
        }
        self.started += 1;
        self.heap.push(Reverse((at, self.started, Tagged(target))));
    }

    /// The next one that is due at `now`, and when it was due.
    pub fn next_due(&mut self, now: Instant) -> Option<(Instant, T)> {
        let Reverse((at, ..)) = self.heap.peek()?;
        if *at > now {
            return None;
        }
        self.heap.pop().map(|Reverse((at, _, Tagged(target)))| (at, target))
    }

    /// How many are kept, wanted or not.
    #[cfg(test)]
    pub fn kept(&self) -> usize {
        self.heap.len()
    }

    /// When the next timer that is still `wanted` fires; the others in front of it are forgotten.
    pub fn next_wanted(&mut self, wanted: impl Fn(&T) -> bool) -> Option<Instant> {
        while let Some(Reverse((at, _, Tagged(target)))) = self.heap.peek() {
            if wanted(target) {
                return Some(*at);
            }
            self.heap.pop();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn fires_in_order_and_forgets_what_is_not_wanted() {
        let start = Instant::now();
        let later = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut timers = Timers::default();
        for (at, name) in [(20, "c"), (10, "a"), (10, "b"), (5, "dropped")] {
            timers.start(later(at), name, |_| true);
        }
        assert_eq!(timers.next_wanted(|name| *name != "dropped"), Some(later(10)));
        assert_eq!(timers.next_due(later(9)), None);
        assert_eq!(timers.next_due(later(30)), Some((later(10), "a")));
        assert_eq!(timers.next_due(later(30)), Some((later(10), "b")));
        assert_eq!(timers.next_due(later(30)), Some((later(20), "c")));
        assert_eq!(timers.next_wanted(|_| true), None);
    }

    #[test]
    fn those_that_nobody_wants_do_not_pile_up() {
        let mut timers = Timers::default();
        let far = Instant::now() + Duration::from_secs(3600);
        timers.start(far, 0, |_| true);
        for n in 1..10_000 {
            timers.start(far, n, |&other| other == 0 || other == n - 1);
        }
        assert!(timers.kept() <= 64);
    }
}
