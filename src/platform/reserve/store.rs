//! Pool and ballast behind one lock, and the account of the tables that the ballast has to cover.

use super::ballast::Ballast;
use super::pool::{LARGE, POOL, Pool, bytes_of, holds};
use super::probe::{SLACK, can_be_had_scattered};
use std::alloc::Layout;
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The least ballast, in bytes.
const BALLAST: usize = 1 << 20;

/// The reserve has been used, and the system had no memory since.
static SHORT: AtomicBool = AtomicBool::new(false);

/// The reserve of the program.
pub(super) static RESERVE: Reserve = Reserve {
    busy: AtomicBool::new(false),
    parts: UnsafeCell::new(Parts { pool: Pool::EMPTY, ballast: Ballast::EMPTY }),
    taken: AtomicUsize::new(0),
    given: AtomicUsize::new(0),
    tables: AtomicUsize::new(0),
    covered: AtomicUsize::new(0),
};

struct Parts {
    pool: Pool,
    ballast: Ballast,
}

/// Pool, ballast and the account.
pub(super) struct Reserve {
    /// The lock of `parts`; one of `parking_lot`'s might allocate.
    busy: AtomicBool,
    parts: UnsafeCell<Parts>,
    /// Bytes of the pool that are in use.
    taken: AtomicUsize,
    /// Blocks of the ballast that are in use.
    given: AtomicUsize,
    /// Bytes of large tables.
    tables: AtomicUsize,
    /// For how many of these the ballast does.
    covered: AtomicUsize,
}

// SAFETY: `parts` is touched under the lock only.
unsafe impl Sync for Reserve {}

/// Whether memory is short: whoever would keep more has to be refused. Costs one load as long as it is not.
#[inline(always)]
pub fn is_short() -> bool {
    SHORT.load(Ordering::Relaxed) && !RESERVE.recover()
}

/// Sets the ballast aside, at the beginning of the program.
pub fn open() {
    RESERVE.cover(RESERVE.tables.load(Ordering::Relaxed));
}

/// A small block for what cannot be refused, after the system has refused it. Null if none is left.
#[cold]
pub fn allocate(bytes: usize) -> *mut u8 {
    // SAFETY: not larger than the address space.
    RESERVE.take(unsafe { Layout::from_size_align_unchecked(bytes, 16) })
}

/// Frees the block if it is one of the pool; `false` if it is not.
///
/// # Safety
/// `bytes` as when it was allocated; nobody uses it any more.
#[inline(always)]
pub unsafe fn free(block: *mut u8, bytes: usize) -> bool {
    let pooled = holds(block);
    if pooled {
        // SAFETY: the block was given with this layout, which was right then.
        unsafe { RESERVE.put(block, Layout::from_size_align_unchecked(bytes, 16)) };
    }
    pooled
}

impl Reserve {
    fn lock<T>(&self, act: impl FnOnce(&mut Parts) -> T) -> T {
        while self.busy.swap(true, Ordering::Acquire) {
            std::hint::spin_loop();
            std::thread::yield_now();
        }
        // SAFETY: the lock is held.
        let result = act(unsafe { &mut *self.parts.get() });
        self.busy.store(false, Ordering::Release);
        result
    }

    /// A block that the system does not have.
    #[cold]
    pub(super) fn take(&self, layout: Layout) -> *mut u8 {
        let block = if layout.size() < LARGE {
            let block = self.lock(|parts| parts.pool.take(layout));
            if !block.is_null() {
                self.taken.fetch_add(bytes_of(layout), Ordering::Relaxed);
            }
            block
        } else if layout.align() > 1 || layout.size() <= BALLAST / 4 {
            let block = self.lock(|parts| parts.ballast.give(layout.size()));
            if !block.is_null() {
                self.given.fetch_add(1, Ordering::Relaxed);
            }
            block
        } else {
            return ptr::null_mut();
        };
        SHORT.store(true, Ordering::Relaxed);
        block
    }

    /// Whether a block of this layout is one of the reserve's.
    #[inline(always)]
    pub(super) fn has(&self, block: *mut u8, layout: Layout) -> bool {
        if layout.size() < LARGE {
            return holds(block);
        }
        self.given.load(Ordering::Relaxed) > 0 && self.lock(|parts| parts.ballast.holds(block))
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// It is one of the reserve's, of this layout, and nobody uses it any more.
    #[cold]
    pub(super) unsafe fn put(&self, block: *mut u8, layout: Layout) {
        if layout.size() < LARGE {
            // SAFETY: as the caller says; small blocks are the pool's.
            self.lock(|parts| unsafe { parts.pool.put(block, layout) });
            self.taken.fetch_sub(bytes_of(layout), Ordering::Relaxed);
        } else {
            // SAFETY: as the caller says; large blocks are the ballast's.
            self.lock(|parts| unsafe { parts.ballast.take_back(block) });
            self.given.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// There is a table of this size: it may double, and all others at the same moment.
    pub(super) fn note_table(&self, size: usize) {
        let tables = self.tables.fetch_add(size, Ordering::Relaxed) + size;
        if tables > self.covered.load(Ordering::Relaxed) {
            // For some more, so that this does not happen for each.
            self.cover(tables + tables / 4);
        }
    }

    /// A table of this size is gone, or has not come into being.
    pub(super) fn forget_table(&self, size: usize) {
        let tables = self.tables.fetch_sub(size, Ordering::Relaxed) - size;
        if self.covered.load(Ordering::Relaxed) > 4 * (tables + BALLAST) {
            self.cover(tables + BALLAST);
        }
    }

    /// Sees to it that the ballast does for so many bytes of tables.
    #[cold]
    fn cover(&self, tables: usize) -> bool {
        let covered = self.lock(|parts| {
            let covered = parts.ballast.restore(BALLAST.saturating_add(tables.saturating_mul(2)));
            if covered {
                self.covered.store(tables, Ordering::Relaxed);
            }
            covered
        });
        if !covered {
            SHORT.store(true, Ordering::Relaxed);
        }
        covered
    }

    /// Whether the system has memory again; then the reserve is whole, but for blocks in the pool that live on.
    #[cold]
    fn recover(&self) -> bool {
        let recovered = self.taken.load(Ordering::Relaxed) <= POOL / 4 * 3
            && self.cover(self.tables.load(Ordering::Relaxed))
            && can_be_had_scattered(SLACK);
        if recovered {
            SHORT.store(false, Ordering::Relaxed);
        }
        recovered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn a_block_of_the_pool_is_aligned_and_serves_again() {
        let reserve = &RESERVE;
        for (size, align) in [(1, 1), (40, 8), (100, 64), (5000, 16), (LARGE - 1, 4096)] {
            let layout = layout(size, align);
            let (first, second) = (reserve.take(layout), reserve.take(layout));
            assert!(holds(first) && holds(second) && first != second);
            assert!(first.addr() % align == 0 && second.addr() % align == 0);
            // SAFETY: blocks of this layout, used by this test alone.
            unsafe {
                first.write_bytes(1, size);
                second.write_bytes(2, size);
                assert_eq!((first.read(), second.read()), (1, 2));
                reserve.put(second, layout);
                assert_eq!(reserve.take(layout), second);
                reserve.put(second, layout);
                reserve.put(first, layout);
            }
        }
    }
}
