//! An OS signal that rings a waker, and does nothing else: whatever the program is stuck in, a thread that waits there wakes.

use super::errno;
use super::os_signal;
use super::outside;
use super::waker::Waker;
use std::ffi::c_int;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static WAKER: OnceLock<Waker> = OnceLock::new();
static RUNG: AtomicBool = AtomicBool::new(false);

/// Signals that may be called by name.
const NAMES: [(&str, c_int); 8] = [
    ("HUP", libc::SIGHUP),
    ("INT", libc::SIGINT),
    ("QUIT", libc::SIGQUIT),
    ("USR1", libc::SIGUSR1),
    ("USR2", libc::SIGUSR2),
    ("ALRM", libc::SIGALRM),
    ("TERM", libc::SIGTERM),
    ("WINCH", libc::SIGWINCH),
];

/// The signal that this environment variable names, by name or by number; `None` if the variable is not set, or empty.
///
/// # Errors
/// What stands there instead of a signal that can be used.
pub fn chosen(variable: &str) -> Result<Option<c_int>, Vec<u8>> {
    let text = std::env::var_os(variable).map(OsStringExt::into_vec).unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    let named = |text: &str| {
        let name = text.strip_prefix("SIG").unwrap_or(text);
        NAMES.iter().find(|(other, _)| *other == name).map(|(_, signal)| *signal)
    };
    let signal = std::str::from_utf8(&text).ok().and_then(|text| named(text).or_else(|| text.parse().ok()));
    match signal.filter(|&signal| os_signal::is_usable(signal) && signal != os_signal::number()) {
        Some(signal) => Ok(Some(signal)),
        None => Err(text),
    }
}

/// Has the signal ring from now on.
///
/// # Errors
/// The operating system has no descriptor left.
pub fn install(signal: c_int) -> io::Result<()> {
    if WAKER.get().is_none() {
        let _ = WAKER.set(Waker::new()?);
    }
    outside::note_own_handler(on_ring as *const () as usize);
    // SAFETY: the structure is initialised; the handler lives as long as the library, which is pinned.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_ring as *const () as usize;
        action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigemptyset(&mut action.sa_mask);
        match libc::sigaction(signal, &action, std::ptr::null_mut()) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// The handler: only a store, and a system call that is async-signal-safe.
extern "C" fn on_ring(_: c_int) {
    let error = errno::get();
    RUNG.store(true, Ordering::Release);
    ring();
    errno::set(error);
}

/// Wakes the thread that waits, as the signal does.
pub fn ring() {
    if let Some(waker) = WAKER.get() {
        waker.wake();
    }
}

/// Waits to be woken: true if the signal has come since this was asked.
pub fn wait() -> bool {
    match WAKER.get() {
        Some(waker) => waker.wait(None, || RUNG.load(Ordering::Acquire)),
        None => return false,
    }
    RUNG.swap(false, Ordering::AcqRel)
}

/// In the child of a fork: it shares nothing with its parent any more.
pub fn part_from_parent() {
    if let Some(waker) = WAKER.get() {
        let _ = waker.renew();
    }
}
