//! The error number of the calling thread, for code that must leave it unchanged or pass it on to C.

use std::ffi::c_int;

#[cfg(any(target_os = "linux", target_os = "emscripten", target_os = "hurd"))]
use libc::__errno_location as location;

#[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
use libc::__error as location;

#[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
use libc::__errno as location;

/// Reads it. May be called in a signal handler.
pub fn get() -> c_int {
    // SAFETY: the address is valid as long as the thread runs.
    unsafe { *location() }
}

/// Sets it. May be called in a signal handler.
pub fn set(number: c_int) {
    // SAFETY: as above.
    unsafe { *location() = number };
}
