//! The library inside the OS process: staying mapped, and the end of the program.

use std::ffi::{c_int, c_void};
use std::sync::Once;

/// Keeps this shared library mapped until the OS process ends: threads of ours may run its code when the state that loaded
/// it has closed. Done once; a failure means a statically linked library, which stays anyway.
pub fn pin_library() {
    static PINNED: Once = Once::new();
    PINNED.call_once(|| {
        // SAFETY: the address is that of a function in this library; `dladdr` fills `info` or returns 0; the name it gives
        // stays valid while the library is mapped. The handle is never closed.
        unsafe {
            let mut info: libc::Dl_info = std::mem::zeroed();
            if libc::dladdr(pin_library as *const c_void, &mut info) != 0 && !info.dli_fname.is_null() {
                libc::dlopen(info.dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE);
            }
        }
    });
}

/// Has `handler` called when the OS process ends by `exit`. Once for the program.
pub fn at_exit(handler: extern "C" fn()) {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: the handler lies in this library, which `pin_library` keeps mapped.
        unsafe {
            libc::atexit(handler);
        }
    });
}

/// Ends the OS process as `exit` of C does, from whichever thread. The first caller's code wins; any later caller waits for
/// the end that is under way.
pub fn exit(code: c_int) -> ! {
    static FIRST: Once = Once::new();
    // SAFETY: `exit` runs once, by the first caller; the others never return from `call_once`, which the first never leaves.
    FIRST.call_once(|| unsafe { libc::exit(code) });
    loop {
        std::thread::park();
    }
}
