//! The streams of the C library, which `io` of Lua uses too.

use super::thread;
use std::ffi::{c_int, c_void};
use std::sync::mpsc;
use std::time::{Duration, Instant};

unsafe extern "C" {
    #[cfg_attr(any(target_os = "macos", target_os = "ios"), link_name = "__stdoutp")]
    static mut stdout: *mut libc::FILE;

    // Not in `libc` for every Unix.
    fn ftrylockfile(stream: *mut libc::FILE) -> c_int;
    fn funlockfile(stream: *mut libc::FILE);
}

/// Writes one whole line in one piece and flushes it, so that lines of several threads do not mix.
pub fn print_line(line: &[u8]) {
    // SAFETY: the stream is the C library's own; `fwrite` locks it for the whole piece.
    unsafe {
        libc::fwrite(line.as_ptr().cast::<c_void>(), 1, line.len(), stdout);
        libc::fflush(stdout);
    }
}

/// Writes out what standard output has buffered.
pub fn flush_output() {
    // SAFETY: as above.
    unsafe {
        libc::fflush(stdout);
    }
}

/// Writes out what all streams have buffered, as `exit` of C does, except for those in which another thread sits for longer than
/// `patience` from now on: in a read that waits for input, or a write that nobody takes. Nobody opens or closes a stream
/// afterwards.
pub fn flush_at_end(patience: Duration) {
    let end = Instant::now() + patience;
    // SAFETY: the stream is the C library's own.
    unsafe { flush(stdout, end) };
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    list::each(patience, |stream| {
        // SAFETY: what stands in the list is open.
        unsafe { flush(stream, end) }
    });
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    aside(patience, || {
        // SAFETY: null stands for all streams.
        unsafe { libc::fflush(std::ptr::null_mut()) };
    });
}

/// Calls `act` on a thread of its own, and waits for it no longer than `patience`. The thread stays.
fn aside(patience: Duration, act: impl FnOnce() + Send + 'static) {
    let (say, hear) = mpsc::channel();
    let started = thread::start(64 << 10, move || {
        act();
        let _ = say.send(());
        loop {
            std::thread::park();
        }
    });
    if started.is_ok() {
        let _ = hear.recv_timeout(patience);
    }
}

/// Flushes a stream as soon as nobody else holds it, or not at all.
///
/// # Safety
/// The stream is open, and stays so.
unsafe fn flush(stream: *mut libc::FILE, end: Instant) {
    // SAFETY: an open stream.
    while unsafe { ftrylockfile(stream) } != 0 {
        if Instant::now() >= end {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    // SAFETY: an open stream, which this thread holds.
    unsafe {
        libc::fflush(stream);
        funlockfile(stream);
    }
}

/// The list of all open streams, as far as the C library shows it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod list {
    use std::ffi::{CStr, c_void};
    use std::time::Duration;

    /// A place in the list.
    type Place = *mut c_void;

    /// The function of the C library that has this name.
    ///
    /// # Safety
    /// `F` is the type of its address.
    unsafe fn symbol<F: Copy>(name: &CStr) -> Option<F> {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
        // SAFETY: only looks a name up.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        // SAFETY: the caller names a function and its type, which has the size of an address.
        (!found.is_null()).then(|| unsafe { std::mem::transmute_copy(&found) })
    }

    /// Calls `act` with every stream. Whoever holds the list keeps it for ever: nothing in it changes any more.
    pub fn each(patience: Duration, act: impl Fn(*mut libc::FILE)) {
        // SAFETY: the types are those of the C library's header `libioP.h`.
        unsafe {
            let lock = symbol::<unsafe extern "C" fn()>(c"_IO_list_lock");
            let first = symbol::<unsafe extern "C" fn() -> Place>(c"_IO_iter_begin");
            let end = symbol::<unsafe extern "C" fn() -> Place>(c"_IO_iter_end");
            let next = symbol::<unsafe extern "C" fn(Place) -> Place>(c"_IO_iter_next");
            let file = symbol::<unsafe extern "C" fn(Place) -> *mut libc::FILE>(c"_IO_iter_file");
            let (Some(lock), Some(first), Some(end), Some(next), Some(file)) = (lock, first, end, next, file)
            else {
                return;
            };
            // If that takes too long, somebody else holds the list and waits for a stream that is never given back, which will
            // do too.
            super::aside(patience, move || lock());
            let (mut place, end) = (first(), end());
            while place != end {
                act(file(place));
                place = next(place);
            }
        }
    }
}
