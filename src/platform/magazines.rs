//! Small blocks that one thread makes and another one frees, as messages are. With the C library's allocator, a producer and its
//! consumer would wait for each other at nearly every message: both need the lock of the arena that the block came from.
//!
//! Each thread has two *magazines* for a size, lists of up to [`MAGAZINE`] blocks. It takes blocks from them and puts blocks into
//! them. Only when both are empty, or full, it exchanges one with the *depot* of all threads. With two magazines it does so at
//! most once in as many calls as a magazine holds blocks, whatever the order of the calls. (J. Bonwick and J. Adams, "Magazines
//! and Vmem: Extending the Slab Allocator to Many CPUs and Arbitrary Resources", USENIX 2001.)

use super::{fork, reserve};
use crossbeam::queue::ArrayQueue;
use once_cell::sync::Lazy;
use std::cell::Cell;
use std::ptr;

/// Different sizes; larger blocks are the C library's.
const SIZES: usize = 4;

/// Bytes from one size to the next.
const GRAIN: usize = 64;

/// What the C library puts between its blocks; with it the blocks are as large as cache lines.
const BETWEEN: usize = size_of::<usize>();

/// Blocks in a magazine, at most.
const MAGAZINE: usize = 32;

/// Magazines of one size in the depot, at most: of all sizes together 1.25 MiB.
const DEPOT: usize = 64;

/// Blocks that a thread may keep in one magazine while it sleeps in a wait of its process.
const ASLEEP: usize = 4;

/// A block that nobody uses.
struct Block {
    next: *mut Block,
}

/// Blocks of one size. Whoever has the list owns the blocks.
#[derive(Clone, Copy)]
struct Magazine {
    first: *mut Block,
    count: usize,
}

// SAFETY: nobody else knows the blocks.
unsafe impl Send for Magazine {}

/// What a thread has of one size.
struct Pair {
    loaded: Cell<Magazine>,
    /// Full or empty, but for what the depot had.
    previous: Cell<Magazine>,
    /// For so many blocks more nobody looks into the depot, which was empty: all threads would wait for its memory.
    dry: Cell<usize>,
}

/// What a thread has.
struct Local([Pair; SIZES]);

thread_local! {
    static LOCAL: Local = const { Local([const { Pair::EMPTY }; SIZES]) };
}

static DEPOTS: Lazy<[ArrayQueue<Magazine>; SIZES]> =
    Lazy::new(|| std::array::from_fn(|_| ArrayQueue::new(DEPOT)));

/// Which of the sizes has room for `bytes`; none if they are too many.
#[inline(always)]
fn place_of(bytes: usize) -> Option<usize> {
    let place = bytes.saturating_add(BETWEEN - 1) / GRAIN;
    (place < SIZES).then_some(place)
}

const fn size_of_place(place: usize) -> usize {
    (place + 1) * GRAIN - BETWEEN
}

/// A block with room for `bytes`, more than none, aligned for pointers and numbers; null if the system has no memory.
#[inline]
pub fn allocate(bytes: usize) -> *mut u8 {
    let Some(place) = place_of(bytes) else {
        // SAFETY: has no preconditions.
        return unsafe { libc::malloc(bytes) }.cast();
    };
    let block = LOCAL.try_with(|local| local.0[place].take(place)).unwrap_or(ptr::null_mut());
    if block.is_null() {
        // SAFETY: has no preconditions.
        return unsafe { libc::malloc(size_of_place(place)) }.cast();
    }
    block.cast()
}

/// As [`allocate`], for what cannot be refused.
pub fn allocate_in_any_case(bytes: usize) -> *mut u8 {
    let block = allocate(bytes);
    if block.is_null() { reserve::allocate(bytes) } else { block }
}

/// Frees a block.
///
/// # Safety
/// `allocate(bytes)` or [`allocate_in_any_case`] has given it, and nobody uses it any more.
#[inline]
pub unsafe fn free(block: *mut u8, bytes: usize) {
    // SAFETY: as the caller says.
    if unsafe { reserve::free(block, bytes) } {
        return;
    }
    let kept = place_of(bytes)
        .is_some_and(|place| LOCAL.try_with(|local| local.0[place].put(place, block.cast())).is_ok());
    if !kept {
        // SAFETY: not the reserve's, so the C library's.
        unsafe { libc::free(block.cast()) };
    }
}

/// The calling thread is going to sleep: leaves to others what it may not keep.
pub fn rest() {
    let _ = LOCAL.try_with(|local| local.give_up(ASLEEP));
}

impl Magazine {
    const EMPTY: Magazine = Magazine { first: ptr::null_mut(), count: 0 };

    /// Puts it into the depot; gives the blocks back if that is full.
    fn store(self, place: usize) {
        // There another thread may have been at the queue when it was copied, and will never be done.
        if fork::is_severed() {
            return;
        }
        let Err(Magazine { first: mut next, .. }) = DEPOTS[place].push(self) else { return };
        // SAFETY: the blocks belong to nobody else, came from `malloc`, and begin with the way to the next.
        unsafe {
            while let Some(&Block { next: after }) = next.as_ref() {
                libc::free(next.cast());
                next = after;
            }
        }
    }
}

impl Pair {
    /// A value, never a place.
    #[allow(clippy::declare_interior_mutable_const)]
    const EMPTY: Pair =
        Pair { loaded: Cell::new(Magazine::EMPTY), previous: Cell::new(Magazine::EMPTY), dry: Cell::new(0) };

    /// A block; null if there is none.
    #[inline(always)]
    fn take(&self, place: usize) -> *mut Block {
        if self.loaded.get().count == 0 {
            self.reload(place);
        }
        let Magazine { first, count } = self.loaded.get();
        // SAFETY: the blocks of a magazine begin with the way to the next.
        if let Some(&Block { next }) = unsafe { first.as_ref() } {
            self.loaded.set(Magazine { first: next, count: count - 1 });
        }
        first
    }

    #[inline(never)]
    fn reload(&self, place: usize) {
        self.loaded.swap(&self.previous);
        if self.loaded.get().count > 0 {
            return;
        }
        match self.dry.get() {
            0 if fork::is_severed() => {}
            0 => match DEPOTS[place].pop() {
                Some(magazine) => self.loaded.set(magazine),
                None => self.dry.set(MAGAZINE),
            },
            dry => self.dry.set(dry - 1),
        }
    }

    /// Keeps a block that is not used any more.
    #[inline(always)]
    fn put(&self, place: usize, block: *mut Block) {
        if self.loaded.get().count == MAGAZINE {
            self.unload(place);
        }
        let Magazine { first, count } = self.loaded.get();
        // SAFETY: the block is the caller's alone, and has room for a pointer.
        unsafe { block.write(Block { next: first }) };
        self.loaded.set(Magazine { first: block, count: count + 1 });
    }

    #[inline(never)]
    fn unload(&self, place: usize) {
        let previous = self.previous.replace(self.loaded.replace(Magazine::EMPTY));
        if previous.count > 0 {
            previous.store(place);
        }
    }
}

impl Local {
    /// Puts magazines with more than `kept` blocks into the depot.
    fn give_up(&self, kept: usize) {
        for (place, pair) in self.0.iter().enumerate() {
            for magazine in [&pair.loaded, &pair.previous] {
                if magazine.get().count > kept {
                    magazine.replace(Magazine::EMPTY).store(place);
                }
            }
        }
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.give_up(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::sync::mpsc;
    use std::thread;

    fn make(bytes: usize, count: usize) -> Vec<*mut u8> {
        (0..count)
            .map(|_| {
                let block = allocate(bytes);
                assert!(!block.is_null());
                // SAFETY: a new block of that size.
                unsafe { block.write_bytes(0xaa, bytes) };
                block
            })
            .collect()
    }

    fn free_all(blocks: &[*mut u8], bytes: usize) {
        for block in blocks {
            // SAFETY: every test frees each block once.
            unsafe { free(*block, bytes) };
        }
    }

    #[test]
    fn every_size_has_room() {
        for bytes in 1..=size_of_place(SIZES - 1) {
            let place = place_of(bytes).unwrap();
            assert!(size_of_place(place) >= bytes && bytes + GRAIN > size_of_place(place), "{bytes}");
        }
        assert_eq!(place_of(size_of_place(SIZES - 1) + 1), None);
        assert_eq!(place_of(usize::MAX), None);
        let large = make(5000, 2);
        free_all(&large, 5000);
    }

    #[test]
    fn a_thread_finds_its_own_blocks_again() {
        thread::spawn(|| {
            let blocks = make(50, 3);
            free_all(&blocks, 50);
            let again = make(40, 3);
            assert_eq!(again.iter().rev().collect::<Vec<_>>(), blocks.iter().collect::<Vec<_>>());
            free_all(&again, 40);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn what_one_thread_frees_another_one_uses() {
        const BYTES: usize = 100;
        const MADE: usize = MAGAZINE * 40;
        struct Sent(Vec<*mut u8>);
        // SAFETY: the blocks are the receiver's.
        unsafe impl Send for Sent {}
        let (send, receive) = mpsc::sync_channel::<Sent>(1);
        let consumer = thread::spawn(move || {
            let mut freed = HashSet::new();
            for Sent(blocks) in receive {
                free_all(&blocks, BYTES);
                freed.extend(blocks.iter().map(|block| block.addr()));
            }
            freed.len()
        });
        for _ in 0..MADE / MAGAZINE {
            send.send(Sent(make(BYTES, MAGAZINE))).unwrap();
        }
        drop(send);
        assert!(consumer.join().unwrap() < MADE);
    }

    #[test]
    fn who_sleeps_or_ends_leaves_its_blocks_to_others() {
        const BYTES: usize = 180;
        let left = thread::spawn(|| {
            let blocks = make(BYTES, MAGAZINE + ASLEEP);
            free_all(&blocks, BYTES);
            rest();
            let kept = LOCAL.with(|local| local.0[place_of(BYTES).unwrap()].loaded.get().count);
            assert_eq!(kept, ASLEEP);
            blocks.iter().map(|block| block.addr()).collect::<HashSet<_>>()
        });
        let left = left.join().unwrap();
        thread::spawn(move || {
            // Other tests use the same depot.
            let blocks = make(BYTES, MAGAZINE * DEPOT);
            assert!(blocks.iter().any(|block| left.contains(&block.addr())));
            free_all(&blocks, BYTES);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn the_depot_has_an_end() {
        const BYTES: usize = 248;
        let blocks = make(BYTES, MAGAZINE * (DEPOT + 10));
        free_all(&blocks, BYTES);
        assert!(DEPOTS[place_of(BYTES).unwrap()].is_full());
    }
}
