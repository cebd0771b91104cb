//! What one Lua state uses, and what it may use, in bytes. Blocks are no concern of this page: see [`super::memory`].
//!
//! A budget has a *limit*, which nothing passes, and a *mark* below it. Passing the mark is how the state learns that it should
//! collect its garbage: the VM's collector knows neither of the limit nor of what values keep outside the state.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Some state of the program has, or has had, a limit.
static ANY_LIMIT: AtomicBool = AtomicBool::new(false);

/// Whether [`Budget::is_to_be_collected`] is worth asking.
#[inline(always)]
pub fn has_any_limit() -> bool {
    ANY_LIMIT.load(Ordering::Relaxed)
}

/// So many bytes kept outside the state make it worth while to tell the collector.
const OUTSIDE: usize = 128 << 10;

/// The bytes of one state. **Invariant:** `mark` is the lower of `collect_at` and `limit`, half of the limit before the first
/// collection, and `usize::MAX` without a limit. So one comparison tells whether an allocation needs a closer look.
pub struct Budget {
    /// Changed by the thread that runs the state, and read by others, too.
    used: AtomicUsize,
    /// Of it, what others keep for the process.
    charged: Cell<usize>,
    /// Of it, what the VM itself has allocated.
    #[cfg(any(test, feature = "luajit"))]
    counted: Cell<usize>,
    /// With a limit: garbage is worth collecting when this much is used. 0 until it was collected for that reason.
    collect_at: Cell<usize>,
    mark: Cell<usize>,
    /// A collection was asked for and has not been made.
    due: Cell<bool>,
    /// A full collection is being made.
    collecting: Cell<bool>,
    /// Bytes that values keep outside the state and that the VM's collector was not told of.
    outside: Cell<usize>,
    /// `usize::MAX` for none. It is set only while failures are caught: what has to be done in any case must not fail.
    limit: Cell<usize>,
}

impl Default for Budget {
    fn default() -> Self {
        Budget {
            used: AtomicUsize::new(0),
            charged: Cell::new(0),
            #[cfg(any(test, feature = "luajit"))]
            counted: Cell::new(0),
            collect_at: Cell::new(0),
            mark: Cell::new(usize::MAX),
            due: Cell::new(false),
            collecting: Cell::new(false),
            outside: Cell::new(0),
            limit: Cell::new(usize::MAX),
        }
    }
}

impl Budget {
    /// Bytes that are used.
    #[inline(always)]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Where the bytes that are used stand, for others to read.
    pub fn counter(&self) -> &AtomicUsize {
        &self.used
    }

    /// From now on so many bytes are used. The caller has seen that this is granted.
    #[inline(always)]
    pub(super) fn set_used(&self, used: usize) {
        self.used.store(used, Ordering::Relaxed);
    }

    /// Whether `used` bytes are so many that [`Budget::pass_mark`] has to be asked.
    #[inline(always)]
    pub(super) fn is_beyond_mark(&self, used: usize) -> bool {
        used > self.mark.get()
    }

    /// What is used is going to pass the mark. `false`: it may not. Otherwise garbage should be collected soon, and the next
    /// mark is where half of the rest is used up.
    pub(super) fn pass_mark(&self, used: usize) -> bool {
        if used > self.limit.get() {
            return false;
        }
        self.due.set(true);
        self.collect_after(used);
        true
    }

    /// From now on the state gets no more than `limit` bytes, 0 for any number. Gives the limit before.
    pub fn set_limit(&self, limit: usize) -> usize {
        if limit != 0 && !ANY_LIMIT.load(Ordering::Relaxed) {
            ANY_LIMIT.store(true, Ordering::Relaxed);
        }
        let before = self.limit.replace(if limit == 0 { usize::MAX } else { limit });
        self.set_mark();
        if before == usize::MAX { 0 } else { before }
    }

    /// Whether there is a limit at present.
    pub fn is_limited(&self) -> bool {
        self.limit.get() != usize::MAX
    }

    /// Whether `bytes` more would be within the limit.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.used().saturating_add(bytes) <= self.limit.get()
    }

    /// From now on the state gets `bytes` more than it has or may have, if there is a limit.
    pub fn raise_limit(&self, bytes: usize) {
        if self.is_limited() {
            self.limit.set(self.limit.get().max(self.used()).saturating_add(bytes));
            self.set_mark();
        }
    }

    fn set_mark(&self) {
        let limit = self.limit.get();
        self.mark.set(match (limit, self.collect_at.get()) {
            (usize::MAX, _) => usize::MAX,
            (limit, 0) => limit / 2,
            (limit, collect_at) => collect_at.min(limit),
        });
    }

    /// Whether so much has come to be used that all garbage should be collected.
    #[inline(always)]
    pub fn is_to_be_collected(&self) -> bool {
        self.due.get() || self.is_beyond_mark(self.used())
    }

    fn collect_after(&self, used: usize) {
        let limit = self.limit.get();
        self.collect_at.set(used + (limit.saturating_sub(used) / 2).max(limit / 64));
        self.set_mark();
    }

    /// True while a full collection is being made, which was announced by [`Budget::begin_to_collect`].
    pub fn is_collecting(&self) -> bool {
        self.collecting.get()
    }

    /// A full collection begins. It ends by [`Budget::collected`], and does not raise.
    pub fn begin_to_collect(&self) {
        self.collecting.set(true);
    }

    /// Garbage was collected: next when half of what is left is used up.
    pub fn collected(&self) {
        self.outside.set(0);
        self.due.set(false);
        self.collecting.set(false);
        if self.is_limited() {
            self.collect_after(self.used());
        }
    }

    /// What values of the state keep outside it has changed from `old` to `new` bytes: whether garbage should be collected for
    /// it.
    pub fn reweigh(&self, old: usize, new: usize) -> bool {
        let used = self.used().saturating_sub(old).saturating_add(new);
        self.used.store(used, Ordering::Relaxed);
        if new < old {
            self.outside.set(self.outside.get().saturating_sub(old - new));
        }
        new > old && self.is_to_be_collected()
    }

    /// Values have begun to keep so many bytes outside the state. How many the VM's collector should be told of now, 0 if it is
    /// not yet worth while.
    pub fn grew_outside(&self, bytes: usize) -> usize {
        let outside = self.outside.get() + bytes;
        let tell = outside >= OUTSIDE;
        self.outside.set(if tell { 0 } else { outside });
        if tell { outside } else { 0 }
    }

    /// What others keep for the process, all in all: counts as used from now on.
    pub fn set_charged(&self, charged: usize) {
        let before = self.charged.replace(charged);
        self.reweigh(before, charged);
    }

    /// The VM itself has allocated so much, all in all: counts as used from now on.
    #[cfg(any(test, feature = "luajit"))]
    pub fn set_counted(&self, counted: usize) {
        let before = self.counted.replace(counted);
        self.reweigh(before, counted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_limit_everything_is_granted_and_nothing_collected() {
        let budget = Budget::default();
        budget.set_used(usize::MAX / 2);
        assert!(!budget.is_limited() && budget.has_room(1 << 40) && !budget.is_to_be_collected());
    }

    #[test]
    fn garbage_is_due_at_half_the_limit_and_then_at_half_of_each_rest() {
        let budget = Budget::default();
        assert_eq!(budget.set_limit(1024), 0);
        assert!(budget.is_beyond_mark(513) && !budget.is_beyond_mark(512));
        assert!(budget.pass_mark(600) && budget.is_to_be_collected());
        budget.set_used(600);
        budget.collected();
        assert!(
            !budget.is_to_be_collected()
                && budget.is_beyond_mark(600 + 213)
                && !budget.is_beyond_mark(600 + 212)
        );
        assert!(!budget.pass_mark(1025));
    }

    #[test]
    fn a_raised_limit_counts_from_what_is_used() {
        let budget = Budget::default();
        budget.set_limit(100);
        budget.set_used(150);
        budget.raise_limit(50);
        assert!(budget.has_room(50) && !budget.has_room(51));
        assert_eq!(budget.set_limit(0), 200);
        budget.raise_limit(1);
        assert!(!budget.is_limited());
    }

    #[test]
    fn what_others_keep_counts_as_used_and_only_once() {
        let budget = Budget::default();
        budget.set_charged(100);
        budget.set_charged(70);
        budget.set_counted(30);
        assert_eq!(budget.used(), 100);
        budget.set_limit(100);
        assert!(budget.reweigh(0, 1));
        assert!(!budget.reweigh(101, 0));
    }

    #[test]
    fn the_collector_is_told_of_what_lies_outside_in_large_steps() {
        let budget = Budget::default();
        assert_eq!(budget.grew_outside(OUTSIDE - 1), 0);
        budget.reweigh(10, 0);
        assert_eq!((budget.grew_outside(10), budget.grew_outside(1)), (0, OUTSIDE));
    }
}
