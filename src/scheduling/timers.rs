//! Timers of one process: a heap, the earliest on top.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Pending timers with what they are for.
pub struct Timers<T> {
    heap: BinaryHeap<Reverse<(Instant, u64, Tagged<T>)>>,
    started: u64,
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
        Timers { heap: BinaryHeap::new(), started: 0 }
    }
}

impl<T> Timers<T> {
    /// Starts a timer.
    pub fn start(&mut self, at: Instant, target: T) {
        self.started += 1;
        self.heap.push(Reverse((at, self.started, Tagged(target))));
    }

    /// The next one that is due at `now`.
    pub fn next_due(&mut self, now: Instant) -> Option<T> {
        let Reverse((at, ..)) = self.heap.peek()?;
        if *at > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, _, Tagged(target)))| target)
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
            timers.start(later(at), name);
        }
        assert_eq!(timers.next_wanted(|name| *name != "dropped"), Some(later(10)));
        assert_eq!(timers.next_due(later(9)), None);
        assert_eq!(timers.next_due(later(30)), Some("a"));
        assert_eq!(timers.next_due(later(30)), Some("b"));
        assert_eq!(timers.next_due(later(30)), Some("c"));
        assert_eq!(timers.next_wanted(|_| true), None);
    }
}
