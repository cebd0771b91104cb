//! The threads of spawned processes: their name, their signal mask, giving way to others.

/// Names the calling thread after what it runs, as far as the system allows (15 bytes on Linux).
pub fn name_thread(name: &str) {
    #[cfg(target_os = "linux")]
    {
        let mut short = [0u8; 16];
        let end = name.len().min(15);
        short[..end].copy_from_slice(&name.as_bytes()[name.len() - end..]);
        // SAFETY: a zero-terminated name of at most 16 bytes, for the calling thread.
        unsafe { libc::pthread_setname_np(libc::pthread_self(), short.as_ptr().cast()) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = name;
}

/// Blocks all signals but the library's own on the calling thread while `start` runs, so that a thread started there never
/// runs another handler of the program; the mask of the caller is as before afterwards.
pub fn block_signals<T>(start: impl FnOnce() -> T) -> T {
    hold_back_signals(|_| start())
}

/// Calls `act` while all signals but the library's own are blocked on the calling thread; `act` gets the mask as it was before,
/// and is afterwards.
pub fn hold_back_signals<T>(act: impl FnOnce(&libc::sigset_t) -> T) -> T {
    // SAFETY: the sets are initialised by `sigfillset` and `pthread_sigmask` before they are read. Signals that report a
    // fault of the thread itself stay open: blocking them would turn a crash into a silent end.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::sigdelset(&mut all, super::signal::number());
        for fault in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGABRT] {
            libc::sigdelset(&mut all, fault);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let result = act(&before);
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        result
    }
}
