//! What could call the library from outside: threads that are not the library's, and OS signal handlers.
//!
//! A thread of others may be about to load the module and send a message. Nobody can know that. So this file counts the threads
//! of the OS process and those of the library. A thread of ours is counted a little later than it begins and a little earlier
//! than it ends, so the count of our own threads is never too high.

use std::ffi::c_int;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

static STARTED: AtomicUsize = AtomicUsize::new(0);
static ENDED: AtomicUsize = AtomicUsize::new(0);

/// A thread of the library, from its first moment on; it counts out when this is dropped, which is its last but one.
pub(super) struct Own;

impl Own {
    /// The calling thread.
    pub(super) fn count_in() -> Self {
        STARTED.fetch_add(1, Ordering::SeqCst);
        Own
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        ENDED.fetch_add(1, Ordering::SeqCst);
    }
}

/// True if it is certain that only the calling thread and those of the library exist, and that no signal runs code that could
/// use the library. While a thread starts or ends it is not certain.
pub fn is_silent() -> bool {
    let own = || (STARTED.load(Ordering::SeqCst), ENDED.load(Ordering::SeqCst));
    let before = own();
    let all = count_threads();
    let (started, ended) = before;
    own() == before && all == Some(1 + started - ended) && !handles_signals()
}

/// All threads of the OS process, `None` if the system does not tell.
#[cfg(target_os = "linux")]
fn count_threads() -> Option<usize> {
    use std::io::Read;
    let mut text = [0; 1024];
    let length = std::fs::File::open("/proc/self/stat").ok()?.read(&mut text).ok()?;
    threads_in(&text[..length])
}

/// The number of threads in a line of `/proc/PID/stat`: the 18th field behind the name, which may hold anything.
#[cfg(any(target_os = "linux", test))]
fn threads_in(line: &[u8]) -> Option<usize> {
    let name_end = line.iter().rposition(|&byte| byte == b')')?;
    std::str::from_utf8(&line[name_end + 1..]).ok()?.split_ascii_whitespace().nth(17)?.parse().ok()
}

#[cfg(target_os = "macos")]
fn count_threads() -> Option<usize> {
    let size = size_of::<libc::proc_taskinfo>() as c_int;
    // SAFETY: the structure is plain numbers, and the call writes at most `size` bytes of it.
    unsafe {
        let mut info: libc::proc_taskinfo = std::mem::zeroed();
        let place = std::ptr::from_mut(&mut info).cast();
        let written = libc::proc_pidinfo(libc::getpid(), libc::PROC_PIDTASKINFO, 0, place, size);
        (written == size).then(|| info.pti_threadnum as usize)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn count_threads() -> Option<usize> {
    None
}

/// Another handler of the library's, if it has one.
static OWN: AtomicUsize = AtomicUsize::new(libc::SIG_DFL);

/// The library handles signals by this function, too, which only wakes a thread of its own.
pub(super) fn note_own_handler(handler: usize) {
    OWN.store(handler, Ordering::Release);
}

/// The handler of SIGINT when the library was loaded.
static INTERRUPT: OnceLock<usize> = OnceLock::new();

/// To be called when the library is loaded: what handles SIGINT now is the interpreter's own, which ends what runs and does
/// nothing else.
pub fn remember_handlers() {
    INTERRUPT.get_or_init(|| handler_of(libc::SIGINT));
}

/// True if a signal runs code that others have installed: it could set a hook, and Lua code in that could do anything.
fn handles_signals() -> bool {
    const HIGHEST: c_int = 64;
    (1..=HIGHEST).any(|signal| {
        let handler = handler_of(signal);
        let known = match signal {
            // Those report what the thread itself does.
            fault if super::os_signal::FAULTS.contains(&fault) => true,
            libc::SIGINT => INTERRUPT.get() == Some(&handler),
            _ => super::os_signal::is_own(handler) || handler == OWN.load(Ordering::Acquire),
        };
        handler != libc::SIG_DFL && handler != libc::SIG_IGN && !known
    })
}

/// The address of a handler; the default one for a number that is no signal.
fn handler_of(signal: c_int) -> usize {
    // SAFETY: asks only; the structure is initialised before it is read.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        match libc::sigaction(signal, std::ptr::null(), &mut action) {
            0 => action.sa_sigaction,
            _ => libc::SIG_DFL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_threads_is_found_behind_any_name() {
        let rest = "S 1 2 3 0 -1 4194560 9 0 0 0 1 2 0 0 20 0 7 0 100";
        assert_eq!(threads_in(format!("42 (lua) {rest}").as_bytes()), Some(7));
        assert_eq!(threads_in(format!("42 (a) b (c) {rest}").as_bytes()), Some(7));
        assert_eq!(threads_in(b"42 (lua) S 1"), None);
        assert_eq!(threads_in(b""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_of_others_is_noticed() {
        // The threads of the test program are such.
        assert!(count_threads().is_some_and(|count| count >= 1));
        let (say, hear) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || hear.recv().is_ok());
        assert!(!is_silent());
        drop(say);
        let _ = other.join();
    }
}
