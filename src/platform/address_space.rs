//! Parts of the address space of the OS process, without or with memory behind them.

use std::ptr;

fn page() -> usize {
    // SAFETY: has no preconditions.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// `size` in whole pages, in bytes.
pub fn whole_pages(size: usize) -> usize {
    size.next_multiple_of(page())
}

/// Sets `size` bytes aside, which nobody may touch yet; `None` if the system does not grant them.
pub fn reserve(size: usize) -> Option<*mut u8> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE;
    // SAFETY: a new mapping, at an address that the system chooses.
    let start = unsafe { libc::mmap(ptr::null_mut(), whole_pages(size), libc::PROT_NONE, flags, -1, 0) };
    (start != libc::MAP_FAILED).then_some(start.cast())
}

/// `size` bytes of memory, all 0, that nobody has touched; `None` if the system does not grant them.
pub fn map(size: usize) -> Option<*mut u8> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping, at an address that the system chooses.
    let start = unsafe { libc::mmap(ptr::null_mut(), whole_pages(size), access, flags, -1, 0) };
    (start != libc::MAP_FAILED).then_some(start.cast())
}

/// Undoes [`reserve`] and [`map`].
///
/// # Safety
/// `start` came from one of them, for so many bytes, and nothing in it is used any more.
pub unsafe fn give_back(start: *mut u8, size: usize) {
    // SAFETY: a mapping of that size, which nobody uses.
    unsafe { libc::munmap(start.cast(), whole_pages(size)) };
}

/// Lets everybody read and write pages that were set aside. `false` if the system has no memory for them.
///
/// # Safety
/// They are the caller's.
pub unsafe fn open(start: *mut u8, size: usize) -> bool {
    // SAFETY: pages of the caller's.
    unsafe { libc::mprotect(start.cast(), size, libc::PROT_READ | libc::PROT_WRITE) == 0 }
}

/// Undoes [`open`]: their contents are lost.
///
/// # Safety
/// Nothing in them is used any more.
pub unsafe fn close(start: *mut u8, size: usize) {
    // SAFETY: pages of the caller's, which nobody uses.
    unsafe {
        libc::madvise(start.cast(), size, libc::MADV_DONTNEED);
        libc::mprotect(start.cast(), size, libc::PROT_NONE);
    }
}

/// Whether so many bytes of address space could be had now. Always true, without a look, where the process is not limited in it.
pub fn has(size: usize) -> bool {
    if !is_limited() {
        return true;
    }
    match reserve(size) {
        Some(start) => {
            // SAFETY: it was set aside just now.
            unsafe { give_back(start, size) };
            true
        }
        None => false,
    }
}

fn is_limited() -> bool {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the limit is written to a place that is there.
    unsafe { libc::getrlimit(libc::RLIMIT_AS, &mut limit) == 0 && limit.rlim_cur != libc::RLIM_INFINITY }
}
