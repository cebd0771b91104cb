//! The threads of the library: starting and joining them, their name, their signal mask.

use super::outside::Own;
use super::{address_space, magazines, os_signal, reserve};
use once_cell::sync::OnceCell;
use parking_lot::{Condvar, Mutex};
use std::io;
use std::os::unix::thread::JoinHandleExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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

/// Runs `work` on a thread of its own with so many bytes of C stack, on which no handler of the program runs. The thread has to
/// be joined ([`Ending`]).
///
/// # Errors
/// The system grants no thread, or has no memory for it.
pub fn start(stack: usize, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    /// Address space with which nothing can go wrong: besides the stack, what the C library sets aside for a new thread.
    const PLENTY: usize = 256 << 20;
    if reserve::is_short() {
        return Err(no_memory());
    }
    if address_space::has(stack.saturating_add(PLENTY)) {
        spawn(stack, work)
    } else {
        start_carefully(stack, work)
    }
}

/// A thread is being started while address space is short.
static STARTING: AtomicBool = AtomicBool::new(false);

/// To be called before memory is asked from the system for a Lua state: waits while a thread that needs it is being started.
#[inline]
pub fn let_threads_start() {
    while STARTING.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
}

fn no_memory() -> io::Error {
    io::Error::new(io::ErrorKind::OutOfMemory, "not enough memory")
}

fn spawn(stack: usize, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let builder = std::thread::Builder::new().stack_size(stack);
    // The new thread inherits the mask; that of the caller is as before afterwards.
    let counted = move || {
        let _own = Own::count_in();
        work();
    };
    let handle = with_mask(os_signal::blocked_in_threads(), |_| builder.spawn(counted))?;
    // What it is joined by it tells itself.
    let _ = handle.into_pthread_t();
    Ok(())
}

/// What claims the thread-local data of other modules that have a destructor.
static CLAIM_OTHERS: OnceCell<fn()> = OnceCell::new();

/// Claims all thread-local data with a destructor, of the calling thread and of each that is started from now on: the first use
/// of any needs a little memory, and the C library ends the program if there is none. `others` does so in modules that this one
/// does not know.
pub fn claim_data(others: fn()) {
    let _ = CLAIM_OTHERS.set(others);
    claim_own_data();
}

fn claim_own_data() {
    magazines::rest();
    // Whoever waits, if only until now, has its place in `parking_lot`'s lists.
    let nothing = Mutex::new(());
    Condvar::new().wait_for(&mut nothing.lock(), Duration::ZERO);
    drop(crossbeam::epoch::pin());
    if let Some(claim) = CLAIM_OTHERS.get() {
        claim();
    }
}

/// As [`start`], where address space runs short. A thread that finds no memory for what is its own alone (thread-local data)
/// ends the program: the C library does that. So one thread starts at a time, only if something is left besides its stack, and
/// is waited for until it has begun to work; Lua states get nothing from the system meanwhile.
#[cold]
fn start_carefully(stack: usize, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    /// Holds back those that allocate much.
    struct Starting;
    impl Drop for Starting {
        fn drop(&mut self) {
            STARTING.store(false, Ordering::Release);
        }
    }
    /// More than all threads allocate until the new one works.
    const SOME: usize = 8 << 20;
    let _alone = ONE_AT_A_TIME.lock();
    share_arenas_if_tight();
    if !address_space::has(stack.saturating_add(SOME)) {
        return Err(no_memory());
    }
    STARTING.store(true, Ordering::Release);
    let _held_back = Starting;
    let works = Arc::new(AtomicBool::new(false));
    let begun = Arc::clone(&works);
    spawn(stack, move || {
        claim_own_data();
        begun.store(true, Ordering::Release);
        drop(begun);
        work();
    })?;
    while !works.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
    Ok(())
}

/// Before the first thread: has all threads share one arena of the C library's if address space is so short that another one would
/// leave too little for a process. glibc gives a thread an arena of its own if it can have 64 MiB for it, and never gives
/// these back. Where there is more room, arenas of their own are better: what a thread frees comes back to the system.
fn share_arenas_if_tight() {
    #[cfg(target_env = "gnu")]
    {
        /// An arena, the largest stack, and what else a process takes.
        const TIGHT: usize = 160 << 20;
        static LOOKED: OnceCell<()> = OnceCell::new();
        LOOKED.get_or_init(|| {
            if !address_space::has(TIGHT) {
                // SAFETY: has no preconditions.
                unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
            }
        });
    }
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
    with_mask(&os_signal::of_others(), act)
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
