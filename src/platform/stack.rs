//! The C stacks of threads.

use std::cell::Cell;

/// The C stack of one thread.
#[derive(Clone, Copy, Default)]
pub struct CStack {
    /// The address at which it ends; 0 if the system does not tell.
    lowest: usize,
}

impl CStack {
    /// That of the calling thread.
    pub fn of_thread() -> Self {
        thread_local! { static OWN: Cell<Option<CStack>> = const { Cell::new(None) }; }
        OWN.with(|known| {
            known.get().unwrap_or_else(|| {
                let stack = CStack { lowest: lowest_address() };
                known.set(Some(stack));
                stack
            })
        })
    }

    /// Bytes that the calling thread, whose stack this has to be, has left; a large number if the system does not tell.
    #[inline(always)]
    pub fn remaining(self) -> usize {
        let marker = 0u8;
        let here = std::ptr::from_ref(std::hint::black_box(&marker)) as usize;
        here.saturating_sub(self.lowest)
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn lowest_address() -> usize {
    // SAFETY: the attributes are initialised by `pthread_getattr_np` before they are read, and destroyed once.
    unsafe {
        let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
        #[cfg(target_os = "freebsd")]
        let status = libc::pthread_attr_get_np(libc::pthread_self(), &mut attributes);
        #[cfg(not(target_os = "freebsd"))]
        let status = libc::pthread_getattr_np(libc::pthread_self(), &mut attributes);
        if status != 0 {
            return 0;
        }
        let (mut start, mut size) = (std::ptr::null_mut(), 0);
        libc::pthread_attr_getstack(&attributes, &mut start, &mut size);
        libc::pthread_attr_destroy(&mut attributes);
        start as usize
    }
}

#[cfg(target_vendor = "apple")]
fn lowest_address() -> usize {
    // SAFETY: have no preconditions for the calling thread.
    let (highest, size) = unsafe {
        let own = libc::pthread_self();
        (libc::pthread_get_stackaddr_np(own) as usize, libc::pthread_get_stacksize_np(own))
    };
    highest.saturating_sub(size)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_vendor = "apple")))]
fn lowest_address() -> usize {
    0
}

/// Gives the system back the memory below the frame of the caller that deeper calls have left behind. It comes again, zeroed,
/// when the stack grows into it.
#[inline(never)]
pub fn release() {
    /// As much as opening the libraries of a state leaves behind, with some to spare.
    const REACH: usize = 128 << 10;
    /// What this function itself may use below its local, and what a compiler may use below the stack pointer.
    const OWN: usize = 512;
    let marker = 0u8;
    let here = std::ptr::from_ref(std::hint::black_box(&marker)) as usize;
    // SAFETY: has no preconditions.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    let end = (here - OWN) & !(page - 1);
    let stack = CStack::of_thread();
    if stack.lowest == 0 || stack.remaining() <= REACH + OWN + page {
        return;
    }
    // SAFETY: what is given back lies below the frames of the thread, where nothing is used, and as was just seen within its
    // stack.
    unsafe { libc::madvise((end - REACH) as *mut libc::c_void, REACH, libc::MADV_DONTNEED) };
}
