//! Pieces of memory of a few sizes, for arenas and slabs. They are cut from *regions* of the address space of their own. Among the
//! C library's blocks they would leave holes: a small block that lives on keeps a hole from growing together with the next, and
//! one that has to be aligned does not fit into a hole of its own size. A program whose processes have ended would not get their
//! memory back.
//!
//! **Invariant:** a region holds pieces of one size. Each is in use, or in its list of free pieces, or was never used (those from
//! `fresh` on). Regions with a free piece stand in the list of their [`Kind`], those in use before those that are free as a whole,
//! of which few are kept. Only free pieces that were used before are written to, so that a fresh one costs no memory.

use super::address_space;
use parking_lot::{Mutex, MutexGuard};
use std::ptr::{self, NonNull};

/// Address space that a new region leaves to the rest of the program, in bytes.
const BESIDE: usize = 4 << 20;

/// A piece that nobody uses.
struct Free {
    next: *mut Free,
}

/// The beginning of a region.
struct Region {
    /// Neighbours in the list of the kind, if there is a free piece.
    before: *mut Region,
    after: *mut Region,
    kind: &'static Regions,
    /// Bytes of a piece.
    size: usize,
    /// Bytes of the region.
    bytes: usize,
    /// Pieces in use.
    used: usize,
    /// Where those begin that were never used, in bytes from the start.
    fresh: usize,
    free: *mut Free,
}

/// A piece of memory that its owner has alone.
pub(super) struct Piece {
    pub start: NonNull<u8>,
    /// Null for one of the C library's.
    region: *mut Region,
}

// SAFETY: nobody else knows the piece, and its region is touched under the lock only.
unsafe impl Send for Piece {}

impl Piece {
    /// The start, and where the piece came from, for [`Piece::from_raw`].
    pub fn into_raw(self) -> (NonNull<u8>, *mut ()) {
        let piece = std::mem::ManuallyDrop::new(self);
        (piece.start, piece.region.cast())
    }

    /// Undoes [`Piece::into_raw`].
    ///
    /// # Safety
    /// The values came from there, and this is done once.
    pub unsafe fn from_raw(start: NonNull<u8>, origin: *mut ()) -> Piece {
        Piece { start, region: origin.cast() }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        // SAFETY: the piece is in use by its owner, who does not use it any more.
        unsafe {
            match self.region.as_ref() {
                Some(region) => region.kind.put(self.region, self.start.as_ptr()),
                None => libc::free(self.start.as_ptr().cast()),
            }
        }
    }
}

/// The regions for pieces of one size.
#[derive(Clone, Copy)]
struct Kind {
    /// 0: for none yet.
    size: usize,
    first: *mut Region,
    last: *mut Region,
    /// How many regions there are, and how many of them are free as a whole.
    regions: usize,
    unused: usize,
}

impl Kind {
    const NONE: Kind = Kind { size: 0, first: ptr::null_mut(), last: ptr::null_mut(), regions: 0, unused: 0 };

    /// Puts a region into the list, at its end if nothing of it is used.
    ///
    /// # Safety
    /// It is a region of this kind, and not in the list.
    unsafe fn link(&mut self, region: *mut Region) {
        // SAFETY: as the caller says; regions in the list are there.
        unsafe {
            let (before, after) = if (*region).used == 0 {
                (self.last, ptr::null_mut())
            } else {
                (ptr::null_mut(), self.first)
            };
            ((*region).before, (*region).after) = (before, after);
            *if before.is_null() { &raw mut self.first } else { &raw mut (*before).after } = region;
            *if after.is_null() { &raw mut self.last } else { &raw mut (*after).before } = region;
        }
    }

    /// Takes a region out of the list.
    ///
    /// # Safety
    /// It is in the list.
    unsafe fn unlink(&mut self, region: *mut Region) {
        // SAFETY: as the caller says; regions in the list are there.
        unsafe {
            let (before, after) = ((*region).before, (*region).after);
            *if before.is_null() { &raw mut self.first } else { &raw mut (*before).after } = after;
            *if after.is_null() { &raw mut self.last } else { &raw mut (*after).before } = before;
        }
    }
}

/// How many sizes there may be at a time; pieces of others are the C library's.
const KINDS: usize = 16;

/// Pieces of several sizes behind one lock.
pub(super) struct Regions {
    kinds: Mutex<[Kind; KINDS]>,
    /// Where pieces stand: at multiples of so many bytes.
    aligned: usize,
    /// Bytes of a region; more if a few pieces need more.
    region: usize,
    /// Regions of one size that are kept although nothing of them is used.
    kept: usize,
}

// SAFETY: regions are touched under the lock only.
unsafe impl Sync for Regions {}

impl Regions {
    /// For pieces at multiples of `aligned` bytes, at most a page; `region` and `kept` as the fields.
    pub const fn new(aligned: usize, region: usize, kept: usize) -> Self {
        Regions { kinds: Mutex::new([Kind::NONE; KINDS]), aligned, region, kept }
    }

    /// A piece of `size` bytes, not 0; `None` if there is no memory.
    pub fn take(&'static self, size: usize) -> Option<Piece> {
        let size = size.next_multiple_of(self.aligned);
        // SAFETY: under the lock; regions in the list are there and have a free piece.
        unsafe {
            let mut kinds = self.kinds.lock();
            let Some(kind) = Self::kind_of(&mut kinds, size) else {
                drop(kinds);
                return self.take_elsewhere(size);
            };
            if kind.first.is_null() {
                let region = self.map(size);
                if region.is_null() {
                    drop(kinds);
                    return self.take_elsewhere(size);
                }
                kind.size = size;
                kind.regions += 1;
                kind.unused += 1;
                kind.link(region);
            }
            let region = kind.first;
            let start = match (*region).free.as_ref() {
                Some(&Free { next }) => std::mem::replace(&mut (*region).free, next).cast(),
                None => {
                    let fresh = (*region).fresh;
                    (*region).fresh += size;
                    region.cast::<u8>().add(fresh)
                }
            };
            kind.unused -= usize::from((*region).used == 0);
            (*region).used += 1;
            if (*region).free.is_null() && (*region).fresh + size > (*region).bytes {
                kind.unlink(region);
            }
            NonNull::new(start).map(|start| Piece { start, region })
        }
    }

    /// The place for pieces of this size, a new one if there is none; `None` if all are in use for others.
    fn kind_of<'a>(kinds: &'a mut MutexGuard<'_, [Kind; KINDS]>, size: usize) -> Option<&'a mut Kind> {
        let place = kinds.iter().position(|kind| kind.size == size);
        let place = place.or_else(|| kinds.iter().position(|kind| kind.regions == 0))?;
        Some(&mut kinds[place])
    }

    /// A new region, in no list; null if there is no address space.
    fn map(&'static self, size: usize) -> *mut Region {
        let first = size_of::<Region>().next_multiple_of(self.aligned);
        let bytes = address_space::whole_pages(self.region.max(first + 8 * size));
        if !address_space::has(bytes + BESIDE) {
            return ptr::null_mut();
        }
        let Some(start) = address_space::map(bytes) else { return ptr::null_mut() };
        let region = start.cast::<Region>();
        let (before, after, free) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: new memory, at a page, larger than its beginning.
        unsafe {
            region.write(Region { before, after, kind: self, size, bytes, used: 0, fresh: first, free });
        }
        region
    }

    /// A piece of the C library's.
    #[cold]
    fn take_elsewhere(&self, size: usize) -> Option<Piece> {
        let start = allocate(self.aligned, size);
        NonNull::new(start).map(|start| Piece { start, region: ptr::null_mut() })
    }

    /// Takes a piece back.
    ///
    /// # Safety
    /// It is one of the region's, which is one of these, in use, and nobody uses it any more.
    unsafe fn put(&self, region: *mut Region, start: *mut u8) {
        // SAFETY: as the caller says; a region with a piece in use is there.
        unsafe {
            let mut kinds = self.kinds.lock();
            let Some(kind) = Self::kind_of(&mut kinds, (*region).size) else { return };
            let was_full = (*region).free.is_null() && (*region).fresh + (*region).size > (*region).bytes;
            start.cast::<Free>().write(Free { next: (*region).free });
            (*region).free = start.cast();
            (*region).used -= 1;
            let is_unused = (*region).used == 0;
            if is_unused && kind.unused == self.kept {
                if !was_full {
                    kind.unlink(region);
                }
                kind.regions -= 1;
                let bytes = (*region).bytes;
                drop(kinds);
                address_space::give_back(region.cast(), bytes);
                return;
            }
            kind.unused += usize::from(is_unused);
            if was_full {
                kind.link(region);
            } else if is_unused {
                kind.unlink(region);
                kind.link(region);
            }
        }
    }
}

/// A block of the C library's, to be freed with `free`, at a multiple of `aligned` bytes, which is a power of two; null if there is
/// no memory.
pub(super) fn allocate(aligned: usize, bytes: usize) -> *mut u8 {
    let mut start = ptr::null_mut();
    // SAFETY: the alignment is a power of two; all callers have multiples of the size of a pointer.
    let failed = unsafe { libc::posix_memalign(&mut start, aligned, bytes) } != 0;
    if failed { ptr::null_mut() } else { start.cast() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn state(kinds: &Regions, size: usize) -> (usize, usize) {
        let kinds = kinds.kinds.lock();
        kinds.iter().find(|kind| kind.size == size).map_or((0, 0), |kind| (kind.regions, kind.unused))
    }

    #[test]
    fn pieces_are_apart_and_aligned_and_serve_again() {
        static REGIONS: Regions = Regions::new(256, 64 << 10, 1);
        let take = || REGIONS.take(1000).unwrap();
        let pieces: Vec<Piece> = (0..200).map(|_| take()).collect();
        for (number, piece) in pieces.iter().enumerate() {
            // SAFETY: the piece is the test's.
            unsafe { piece.start.write_bytes(number as u8, 1024) };
        }
        let starts: HashSet<usize> = pieces.iter().map(|piece| piece.start.addr().get()).collect();
        assert!(starts.len() == 200 && starts.iter().all(|start| start.is_multiple_of(256)));
        for (number, piece) in pieces.iter().enumerate() {
            // SAFETY: as above.
            let bytes = unsafe { std::slice::from_raw_parts(piece.start.as_ptr(), 1024) };
            assert!(bytes.iter().all(|&byte| byte == number as u8));
        }
        let last = pieces[199].start;
        let mut pieces = pieces;
        pieces.pop();
        assert_eq!(take().start, last);
        assert_eq!(state(&REGIONS, 1024), (4, 0));
        drop(pieces);
        assert_eq!(state(&REGIONS, 1024), (1, 1));
    }

    #[test]
    fn what_is_free_as_a_whole_is_used_last_and_given_back() {
        static REGIONS: Regions = Regions::new(2048, 16 << 10, 0);
        let all: Vec<Piece> = (0..70).map(|_| REGIONS.take(2048).unwrap()).collect();
        let (regions, _) = state(&REGIONS, 2048);
        assert!(regions >= 8);
        let first = all[0].region;
        let (mut kept, gone): (Vec<Piece>, Vec<Piece>) =
            all.into_iter().partition(|piece| piece.region == first);
        drop(gone);
        assert_eq!(state(&REGIONS, 2048), (1, 0));
        let (start, origin) = kept.pop().unwrap().into_raw();
        // SAFETY: the values of a piece.
        drop(unsafe { Piece::from_raw(start, origin) });
        assert_eq!(REGIONS.take(2048).unwrap().start, start);
    }

    #[test]
    fn more_sizes_than_there_are_places_for_do_as_well() {
        static REGIONS: Regions = Regions::new(256, 64 << 10, 0);
        let pieces: Vec<Piece> = (1..=20).map(|number| REGIONS.take(number * 256).unwrap()).collect();
        assert_eq!(pieces.iter().filter(|piece| piece.region.is_null()).count(), 4);
        drop(pieces);
        assert!(REGIONS.kinds.lock().iter().all(|kind| kind.regions == 0));
        assert!(!REGIONS.take(20 * 256).unwrap().region.is_null());
    }

    #[test]
    fn threads_take_and_put_pieces_at_the_same_time() {
        static REGIONS: Regions = Regions::new(256, 64 << 10, 1);
        std::thread::scope(|scope| {
            for thread in 0..4u8 {
                scope.spawn(move || {
                    let mut held: Vec<Piece> = Vec::new();
                    for step in 0..20_000usize {
                        if step * 7 % 13 < 6 && !held.is_empty() {
                            let piece = held.swap_remove(step * 31 % held.len());
                            // SAFETY: the piece is this thread's.
                            unsafe {
                                assert_eq!(
                                    (piece.start.read(), piece.start.add(700).read()),
                                    (thread, thread)
                                )
                            };
                        } else if held.len() < 300 {
                            let piece = REGIONS.take(701).unwrap();
                            // SAFETY: as above.
                            unsafe { piece.start.write_bytes(thread, 701) };
                            held.push(piece);
                        }
                    }
                });
            }
        });
        assert_eq!(state(&REGIONS, 768), (1, 1));
    }
}
