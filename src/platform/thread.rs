//! The threads of the library: starting and joining them, their name, their signal mask.

use super::outside::Own;
use super::signal;
use std::io;
use std::os::unix::thread::JoinHandleExt;

/// Names the calling thread after what it runs, as far as the system allows (15 bytes on Linux).
pub fn name(name: &str) {
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

/// Runs `body` on a thread of its own with so many bytes of C stack, on which no handler of the program runs. The
/// thread has to be joined ([`Ending`]).
///
/// # Errors
/// The operating system grants no thread.
pub fn start(stack: usize, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let builder = std::thread::Builder::new().stack_size(stack);
    // The new thread inherits the mask; that of the caller is as before afterwards.
    let counted = move || {
        let _own = Own::count_in();
        body();
    };
    let handle = with_mask(signal::blocked_in_threads(), |_| builder.spawn(counted))?;
    // What it is joined by it tells itself.
    let _ = handle.into_pthread_t();
    Ok(())
}

/// A thread that was made by [`start`] and has nothing to do any more but to end.
pub struct Ending(libc::pthread_t);

impl Ending {
    /// The calling thread, which [`start`] has made. Once for each.
    pub fn this() -> Self {
        // SAFETY: has no preconditions.
        Ending(unsafe { libc::pthread_self() })
    }

    /// Waits until nothing is left of the thread.
    pub fn join(self) {
        // SAFETY: `start` has left the thread joinable, and only this value can join it.
        unsafe { libc::pthread_join(self.0, std::ptr::null_mut()) };
    }
}

/// Calls `act` while all signals but the library's own are blocked on the calling thread; `act` gets the mask as it was before,
/// and is afterwards.
#[cfg(target_os = "linux")]
pub fn hold_back_signals<T>(act: impl FnOnce(&libc::sigset_t) -> T) -> T {
    with_mask(&signal::of_others(), act)
}

fn with_mask<T>(mask: &libc::sigset_t, act: impl FnOnce(&libc::sigset_t) -> T) -> T {
    // SAFETY: both sets are initialised when they are read, the second one by the first call.
    unsafe {
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::pthread_sigmask(libc::SIG_SETMASK, mask, &mut before);
        let result = act(&before);
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        result
    }
}
