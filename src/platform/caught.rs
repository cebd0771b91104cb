//! OS signals that the program wants to hear of instead of being ended by them. The handler only notes the signal and rings the
//! bell of a poller, whose thread tells those who have asked.

use super::errno;
use super::os_signal;
use super::poller;
use parking_lot::Mutex;
use std::ffi::c_int;
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

/// Those that can be caught, by name; each is called by its place here.
const NAMES: [(&str, c_int); 7] = [
    ("INT", libc::SIGINT),
    ("TERM", libc::SIGTERM),
    ("HUP", libc::SIGHUP),
    ("QUIT", libc::SIGQUIT),
    ("USR1", libc::SIGUSR1),
    ("USR2", libc::SIGUSR2),
    ("WINCH", libc::SIGWINCH),
];

/// A signal that can be caught: its place in the list of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caught(usize);

impl Caught {
    /// The signal with this name.
    pub fn named(name: &[u8]) -> Option<Self> {
        NAMES.iter().position(|(other, _)| other.as_bytes() == name).map(Caught)
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..NAMES.len()).map(Caught)
    }

    /// A bit of its own.
    pub fn bit(self) -> u32 {
        1 << self.0
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        NAMES[self.0].0
    }

    /// True if the library uses it itself (`PROCESS_SIGNAL`).
    pub fn is_own(self) -> bool {
        NAMES[self.0].1 == os_signal::number()
    }
}

/// What has come and was not taken yet, a bit for each.
static PENDING: AtomicU32 = AtomicU32::new(0);

/// The bell to be rung; -1 for none.
static BELL: AtomicI32 = AtomicI32::new(-1);

/// What the program did about each before, as long as it is caught.
static BEFORE: Mutex<[Option<libc::sigaction>; NAMES.len()]> = Mutex::new([None; NAMES.len()]);

/// Which bell is to be rung from now on.
pub fn set_bell(bell: RawFd) {
    BELL.store(bell, Ordering::Release);
}

/// Catches the signal from now on.
///
/// # Errors
/// Those of the operating system.
pub fn catch(signal: Caught) -> io::Result<()> {
    let mut before = BEFORE.lock();
    if before[signal.0].is_some() {
        return Ok(());
    }
    // SAFETY: both structures are initialised before they are read; the handler lives as long as the library, which is pinned.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let mut earlier: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigemptyset(&mut action.sa_mask);
        if libc::sigaction(NAMES[signal.0].1, &action, &mut earlier) != 0 {
            return Err(io::Error::last_os_error());
        }
        before[signal.0] = Some(earlier);
    }
    Ok(())
}

/// Does about the signal what the program did before, unless somebody else has changed that since.
pub fn release(signal: Caught) {
    let Some(earlier) = BEFORE.lock()[signal.0].take() else { return };
    // SAFETY: as above.
    unsafe {
        let mut present: libc::sigaction = std::mem::zeroed();
        let number = NAMES[signal.0].1;
        if libc::sigaction(number, std::ptr::null(), &mut present) == 0
            && present.sa_sigaction == on_signal as *const () as usize
        {
            libc::sigaction(number, &earlier, std::ptr::null_mut());
        }
    }
    PENDING.fetch_and(!(1 << signal.0), Ordering::AcqRel);
}

/// The signals that have come since this was asked.
pub fn take() -> impl Iterator<Item = Caught> {
    let pending = PENDING.swap(0, Ordering::AcqRel);
    (0..NAMES.len()).filter(move |place| pending & 1 << place != 0).map(Caught)
}

/// The handler: only a store, and a system call that is async-signal-safe.
extern "C" fn on_signal(number: c_int) {
    let error = errno::get();
    if let Some(place) = NAMES.iter().position(|(_, signal)| *signal == number) {
        PENDING.fetch_or(1 << place, Ordering::AcqRel);
        poller::ring(BELL.load(Ordering::Acquire));
    }
    errno::set(error);
}
