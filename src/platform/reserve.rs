//! Memory set aside for the day when the system has none left. An allocation of Rust's that fails ends the program, so within
//! this library none does: small blocks come from a *pool* then, large tables from a *ballast* of address space.
//!
//! Neither lasts. From the first such block on memory [`is_short`], and whatever would make the library keep more is refused
//! at the border to Lua, as an error of that call, until the system has memory again. So the reserve has to do for what is
//! under way at one moment in all threads, and for the ends of processes, which must be told.
//!
//! - The pool lies among the zeroed data of the library: address space that no memory stands behind until it is used. It has
//!   blocks of 32 bytes to 32 KiB, each a power of two.
//! - The ballast is mapped without access. It has room for all large tables of the library to double at the same moment. Long strings of the user's are not among them: whatever copies one asks [`has_room_for`] first.
//!
//! Only the library's own code allocates through this page; the rest of the program does not notice it.

use super::address_space;
use std::alloc::{GlobalAlloc, Layout, System};
use std::borrow::Cow;
use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// From this size on, in bytes, a block is large.
pub const LARGE: usize = 64 << 10;

/// Bytes of the pool.
const POOL: usize = 4 << 20;

/// Bytes of its smallest blocks.
const SMALLEST: usize = 32;

/// Sizes of its blocks: 32 bytes to 64 KiB.
const CLASSES: usize = 12;

/// The least ballast, in bytes.
const BALLAST: usize = 1 << 20;

/// Pieces of ballast that there may be at a time: those that tables have grown into stay until these are gone.
const PIECES: usize = 8;

/// Tables that may have grown into one piece.
const GIVEN: usize = 16;

/// Bytes that the system must have before memory is not short any more, besides the ballast.
const SLACK: usize = 256 << 10;

/// Bytes that a new process leaves to the rest of the program, which may need them to go on.
const BESIDE_A_BIRTH: usize = 1 << 20;

/// Size of the blocks, in bytes, in which memory can be used that was freed here and there.
const SCATTERED: usize = 8 << 10;

/// The reserve has been used, and the system had no memory since.
static SHORT: AtomicBool = AtomicBool::new(false);

static RESERVE: Reserve = Reserve {
    busy: AtomicBool::new(false),
    parts: UnsafeCell::new(Parts { pool: Pool::EMPTY, pieces: [Piece::NONE; PIECES] }),
    taken: AtomicUsize::new(0),
    given: AtomicUsize::new(0),
    tables: AtomicUsize::new(0),
    covered: AtomicUsize::new(0),
};

static BYTES: Bytes = Bytes(UnsafeCell::new([0; POOL]));

/// Rust's allocator in this library: the system's, and the reserve behind it.
pub struct Allocator;

#[repr(C, align(65536))]
struct Bytes(UnsafeCell<[u8; POOL]>);

// SAFETY: only the pool gives the bytes away, each once at a time.
unsafe impl Sync for Bytes {}

struct Reserve {
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

struct Parts {
    pool: Pool,
    pieces: [Piece; PIECES],
}

/// A block of the pool that is not in use.
struct Free {
    next: *mut Free,
}

struct Pool {
    /// Bytes from the start on that were in use at some time.
    reached: usize,
    free: [*mut Free; CLASSES],
}

/// Ballast in one piece.
#[derive(Clone, Copy)]
struct Piece {
    start: *mut u8,
    size: usize,
    /// It is a block of the C library's: where that has all the address space, but does not need it any more.
    borrowed: *mut c_void,
    /// What tables have grown into: first byte and number of bytes, in this order, none of them empty.
    given: [(usize, usize); GIVEN],
    /// How many of these there are.
    count: usize,
}

/// Whether memory is short: whoever would keep more has to be refused. Costs one load as long as it is not.
#[inline(always)]
pub fn is_short() -> bool {
    SHORT.load(Ordering::Relaxed) && !RESERVE.recover()
}

/// Whether there is memory for so many bytes of the user's that are going to be copied.
#[inline]
pub fn has_room_for(bytes: usize) -> bool {
    bytes < LARGE || can_be_had(bytes)
}

/// Whether there is memory for one more process. Looks closer only where address space is limited.
#[inline]
pub fn has_room_for_process() -> bool {
    !is_short() && (address_space::has(BESIDE_A_BIRTH) || can_be_had_scattered(BESIDE_A_BIRTH))
}

/// The bytes as one's own; `None` if there is no memory for a copy.
pub fn owned(bytes: Cow<'_, [u8]>) -> Option<Vec<u8>> {
    match bytes {
        Cow::Owned(bytes) => Some(bytes),
        Cow::Borrowed(bytes) => {
            let mut copy = Vec::new();
            copy.try_reserve_exact(bytes.len()).ok()?;
            copy.extend_from_slice(bytes);
            Some(copy)
        }
    }
}

/// The bytes for many; `None` if there is no memory for a copy.
pub fn shared(bytes: &[u8]) -> Option<Arc<[u8]>> {
    has_room_for(bytes.len()).then(|| bytes.into())
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
        RESERVE.put(block, Layout::from_size_align_unchecked(bytes, 16));
    }
    pooled
}

/// Whether the block is one of the pool.
#[inline(always)]
pub fn holds(block: *mut u8) -> bool {
    (block as usize).wrapping_sub(BYTES.0.get() as usize) < POOL
}

fn can_be_had(bytes: usize) -> bool {
    // SAFETY: a block that nobody uses, freed at once. The compiler must not leave out both.
    unsafe {
        let block = std::hint::black_box(libc::malloc(bytes.saturating_add(SLACK)));
        libc::free(block);
        !block.is_null()
    }
}

/// Whether so many bytes can be had in small blocks, wherever they lie. What was freed may do for many of these, and for no
/// large one.
#[cold]
fn can_be_had_scattered(bytes: usize) -> bool {
    struct Block {
        next: *mut Block,
    }
    let mut last: *mut Block = ptr::null_mut();
    let mut count = 0;
    // SAFETY: each block is written to once it is there, and freed once.
    unsafe {
        while count < bytes.div_ceil(SCATTERED) {
            let block = libc::malloc(SCATTERED).cast::<Block>();
            if block.is_null() {
                break;
            }
            block.write(Block { next: last });
            last = block;
            count += 1;
        }
        while let Some(&Block { next }) = last.as_ref() {
            libc::free(last.cast());
            last = next;
        }
    }
    count == bytes.div_ceil(SCATTERED)
}

// SAFETY: every block is the system's or the reserve's, which is told by its address; both give what the layout asks for.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout);
        let mut block = System.alloc(layout);
        if block.is_null() {
            block = RESERVE.take(layout);
        }
        if block.is_null() {
            forget(layout);
        }
        block
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let block = System.alloc_zeroed(layout);
        if block.is_null() {
            let block = self.alloc(layout);
            if !block.is_null() {
                block.write_bytes(0, layout.size());
            }
            return block;
        }
        note(layout);
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        forget(layout);
        if is_reserved(block, layout) { RESERVE.put(block, layout) } else { System.dealloc(block, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !is_reserved(block, layout) {
            let changed = Layout::from_size_align_unchecked(size, layout.align());
            note(changed);
            let grown = System.realloc(block, layout, size);
            if !grown.is_null() {
                forget(layout);
                return grown;
            }
            forget(changed);
        }
        self.move_to_another(block, layout, size)
    }
}

impl Allocator {
    #[cold]
    unsafe fn move_to_another(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let grown = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
        if !grown.is_null() {
            ptr::copy_nonoverlapping(block, grown, layout.size().min(size));
            self.dealloc(block, layout);
        }
        grown
    }
}

/// A table, or what may be one, comes into being: what is aligned is not a string.
#[inline(always)]
fn note(layout: Layout) {
    if layout.size() >= LARGE && layout.align() > 1 {
        RESERVE.note_table(layout.size());
    }
}

/// It is gone, or has not come into being.
#[inline(always)]
fn forget(layout: Layout) {
    if layout.size() >= LARGE && layout.align() > 1 {
        RESERVE.forget_table(layout.size());
    }
}

/// Whether the block is one of the reserve's.
#[inline(always)]
fn is_reserved(block: *mut u8, layout: Layout) -> bool {
    if layout.size() < LARGE {
        return holds(block);
    }
    RESERVE.given.load(Ordering::Relaxed) > 0 && RESERVE.lock(|parts| parts.piece_of(block).is_some())
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
    fn take(&self, layout: Layout) -> *mut u8 {
        let block = if layout.size() < LARGE {
            let block = self.lock(|parts| parts.pool.take(layout));
            if !block.is_null() {
                self.taken.fetch_add(bytes_of(layout), Ordering::Relaxed);
            }
            block
        } else if layout.align() > 1 || layout.size() <= BALLAST / 4 {
            let block = self.lock(|parts| parts.give(layout.size()));
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

    /// Takes a block back.
    ///
    /// # Safety
    /// It is one of the reserve's, of this layout, and nobody uses it any more.
    #[cold]
    unsafe fn put(&self, block: *mut u8, layout: Layout) {
        if layout.size() < LARGE {
            self.lock(|parts| parts.pool.put(block, layout));
            self.taken.fetch_sub(bytes_of(layout), Ordering::Relaxed);
        } else {
            self.lock(|parts| parts.take_back(block));
            self.given.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// There is a table of this size: it may double, and all others at the same moment.
    fn note_table(&self, size: usize) {
        let tables = self.tables.fetch_add(size, Ordering::Relaxed) + size;
        if tables > self.covered.load(Ordering::Relaxed) {
            // For some more, so that this does not happen for each.
            self.cover(tables + tables / 4);
        }
    }

    fn forget_table(&self, size: usize) {
        let tables = self.tables.fetch_sub(size, Ordering::Relaxed) - size;
        if self.covered.load(Ordering::Relaxed) > 4 * (tables + BALLAST) {
            self.cover(tables + BALLAST);
        }
    }

    /// Sees to it that the ballast does for so many bytes of tables.
    #[cold]
    fn cover(&self, tables: usize) -> bool {
        let covered = self.lock(|parts| {
            let covered = parts.restore(BALLAST.saturating_add(tables.saturating_mul(2)));
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

/// The class of a block in the pool.
fn class_of(layout: Layout) -> usize {
    let bytes = layout.size().max(layout.align()).max(SMALLEST).next_power_of_two();
    (bytes.trailing_zeros() - SMALLEST.trailing_zeros()) as usize
}

/// Bytes that a block takes in the pool.
fn bytes_of(layout: Layout) -> usize {
    SMALLEST << class_of(layout)
}

impl Pool {
    const EMPTY: Pool = Pool { reached: 0, free: [ptr::null_mut(); CLASSES] };

    fn take(&mut self, layout: Layout) -> *mut u8 {
        let class = class_of(layout);
        let Some(first) = self.free.get_mut(class) else { return ptr::null_mut() };
        // SAFETY: a block that is not in use begins with the way to the next.
        if let Some(&Free { next }) = unsafe { first.as_ref() } {
            return std::mem::replace(first, next).cast();
        }
        let bytes = bytes_of(layout);
        // Blocks are aligned to their size.
        let start = self.reached.next_multiple_of(bytes);
        if start + bytes > POOL {
            return ptr::null_mut();
        }
        self.reached = start + bytes;
        // SAFETY: within the pool.
        unsafe { BYTES.0.get().cast::<u8>().add(start) }
    }

    /// # Safety
    /// The block came from `take` with the same layout, and is not used any more.
    unsafe fn put(&mut self, block: *mut u8, layout: Layout) {
        if let Some(first) = self.free.get_mut(class_of(layout)) {
            let block = block.cast::<Free>();
            block.write(Free { next: *first });
            *first = block;
        }
    }
}

impl Piece {
    const NONE: Piece = Piece {
        start: ptr::null_mut(),
        size: 0,
        borrowed: ptr::null_mut(),
        given: [(0, 0); GIVEN],
        count: 0,
    };

    fn map(size: usize) -> Option<Piece> {
        if let Some(start) = address_space::reserve(size) {
            return Some(Piece { start, size, ..Piece::NONE });
        }
        let page = address_space::whole_pages(1);
        // SAFETY: has no preconditions.
        let borrowed = unsafe { libc::malloc(size.checked_add(page)?) };
        let start = borrowed.cast::<u8>().wrapping_add(borrowed.cast::<u8>().align_offset(page));
        (!borrowed.is_null()).then_some(Piece { start, size, borrowed, ..Piece::NONE })
    }

    /// Gives the address space back; nothing of it may be used.
    fn unmap(self) {
        // SAFETY: it came from `map`, and nothing in it is used.
        unsafe {
            if !self.borrowed.is_null() {
                libc::free(self.borrowed);
            } else if self.size > 0 {
                address_space::give_back(self.start, self.size);
            }
        }
    }

    fn holds(&self, block: *mut u8) -> bool {
        (block as usize).wrapping_sub(self.start as usize) < self.size
    }

    /// So many bytes, in whole pages, that nobody has; null if there are none in a row.
    fn give(&mut self, size: usize) -> *mut u8 {
        if self.count == GIVEN {
            return ptr::null_mut();
        }
        let mut start = 0;
        let mut place = 0;
        for &(next, bytes) in &self.given[..self.count] {
            if start + size <= next {
                break;
            }
            start = next + bytes;
            place += 1;
        }
        if start + size > self.size {
            return ptr::null_mut();
        }
        // SAFETY: the bytes are within the piece, and given to nobody.
        let block = unsafe { self.start.add(start) };
        // SAFETY: as above.
        if self.borrowed.is_null() && !unsafe { address_space::open(block, size) } {
            return ptr::null_mut();
        }
        self.given.copy_within(place..self.count, place + 1);
        self.given[place] = (start, size);
        self.count += 1;
        block
    }

    /// # Safety
    /// The block came from `give`, and is not used any more.
    unsafe fn take_back(&mut self, block: *mut u8) {
        let start = block as usize - self.start as usize;
        let given = self.given[..self.count].iter().position(|&(own, _)| own == start);
        if let Some(place) = given {
            if self.borrowed.is_null() {
                address_space::close(block, self.given[place].1);
            }
            self.given.copy_within(place + 1..self.count, place);
            self.count -= 1;
        }
    }
}

impl Parts {
    /// Sees to it that there is an unused piece of at least `size` bytes, and none that is far too large. `false` if the system
    /// has not so much.
    fn restore(&mut self, size: usize) -> bool {
        let fits = |piece: &Piece| piece.size >= size && piece.size / 8 <= size;
        let mut unused = self.pieces.iter_mut().filter(|piece| piece.count == 0);
        let Some(place) = unused.next() else { return false };
        if fits(place) || unused.any(|piece| fits(piece)) {
            return true;
        }
        // One that does not fit makes way for it.
        let before = std::mem::replace(place, Piece::NONE);
        if before.size >= size {
            before.unmap();
        }
        let fitting = Piece::map(size);
        *place = fitting.unwrap_or(if before.size < size { before } else { Piece::NONE });
        if fitting.is_some() && before.size < size {
            before.unmap();
        }
        fitting.is_some()
    }

    /// A block of the ballast; null if there is none so large.
    fn give(&mut self, size: usize) -> *mut u8 {
        let size = address_space::whole_pages(size);
        let given = self.pieces.iter_mut().map(|piece| piece.give(size)).find(|block| !block.is_null());
        given.unwrap_or(ptr::null_mut())
    }

    fn piece_of(&mut self, block: *mut u8) -> Option<&mut Piece> {
        self.pieces.iter_mut().find(|piece| piece.holds(block))
    }

    /// # Safety
    /// The block came from `give`, and is not used any more.
    unsafe fn take_back(&mut self, block: *mut u8) {
        if let Some(piece) = self.piece_of(block) {
            piece.take_back(block);
        }
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

    #[test]
    fn what_allocates_moves_into_the_reserve_and_out_of_it() {
        let before = layout(100, 8);
        // SAFETY: the block has the layout that is said.
        unsafe {
            let pooled = RESERVE.take(before);
            pooled.write_bytes(7, 100);
            let grown = Allocator.realloc(pooled, before, 200_000);
            assert!(!holds(grown));
            assert!(std::slice::from_raw_parts(grown, 100).iter().all(|&byte| byte == 7));
            Allocator.dealloc(grown, layout(200_000, 8));
        }
    }

    #[test]
    fn a_piece_gives_what_lies_side_by_side_and_takes_it_back() {
        let page = address_space::whole_pages(1);
        let mut piece = Piece::map(8 * page).unwrap();
        let (first, second, third) = (piece.give(2 * page), piece.give(page), piece.give(4 * page));
        assert_eq!((second.addr() - first.addr(), third.addr() - second.addr()), (2 * page, page));
        assert!(piece.give(2 * page).is_null());
        // SAFETY: the blocks are this test's.
        unsafe {
            first.write_bytes(1, 2 * page);
            third.write_bytes(3, 4 * page);
            piece.take_back(second);
            assert_eq!(piece.give(page), second);
            assert_eq!(second.read(), 0);
            for block in [first, second, third] {
                piece.take_back(block);
            }
        }
        assert_eq!(piece.count, 0);
        piece.unmap();
    }

    #[test]
    fn there_is_always_as_much_ballast_as_was_asked_for() {
        let mut parts = Parts { pool: Pool::EMPTY, pieces: [Piece::NONE; PIECES] };
        assert!(parts.restore(BALLAST));
        let table = parts.give(BALLAST / 2);
        assert!(parts.give(BALLAST).is_null() && parts.restore(BALLAST));
        let other = parts.give(BALLAST);
        assert!(!other.is_null() && parts.restore(4 * BALLAST));
        assert!(!parts.restore(usize::MAX / 4));
        // SAFETY: the blocks are this test's.
        unsafe {
            parts.take_back(table);
            parts.take_back(other);
        }
        assert!(parts.restore(BALLAST));
        parts.pieces.into_iter().for_each(Piece::unmap);
    }
}
