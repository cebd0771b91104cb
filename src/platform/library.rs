//! The library inside the OS process: how it stays mapped, and how the program ends.
//!
//! `exit` of C calls the registered handlers, then the destructors of libraries, and flushes all streams at last. That last step
//! waits for every thread that is inside a stream. If such a thread waits for input, the step never ends. So while threads of
//! ours may be inside a stream, the destructor of this library ends the program itself. All registered handlers have run by then.

use super::stdio;
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Once, OnceLock};
use std::time::Duration;

/// How long the end waits for threads to leave the streams that are to be flushed.
const PATIENCE: Duration = Duration::from_millis(100);

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

/// What the end of the program asks the library: whether threads of its own may still run code of the user's.
static THREADS_LEFT: OnceLock<fn() -> bool> = OnceLock::new();

/// The status with which the program ends, once that is known.
static STATUS: AtomicI32 = AtomicI32::new(UNKNOWN);

const UNKNOWN: c_int = c_int::MIN;

/// Has `handler` called when the OS process ends by `exit`, and the end bounded if `threads_left` says so then. Once for the
/// program.
pub fn at_exit(handler: extern "C" fn(), threads_left: fn() -> bool) {
    THREADS_LEFT.get_or_init(|| {
        // SAFETY: the handlers lie in this library, which `pin_library` keeps mapped.
        unsafe {
            libc::atexit(handler);
            #[cfg(all(target_os = "linux", target_env = "gnu"))]
            on_exit(note_status, std::ptr::null_mut());
        }
        threads_left
    });
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
unsafe extern "C" {
    fn on_exit(handler: extern "C" fn(c_int, *mut c_void), data: *mut c_void) -> c_int;
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
extern "C" fn note_status(status: c_int, _: *mut c_void) {
    STATUS.store(status, Ordering::Release);
}

/// Has the system call [`end`] after all handlers of `exit`.
#[used]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_term_func"))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".fini_array"))]
static END: extern "C" fn() = end;

/// The end of the library is the end of the program if threads of ours are left. Where the system does not tell with which
/// status it ends, that is only done if a process has asked for it.
extern "C" fn end() {
    let left = THREADS_LEFT.get().is_some_and(|left| left());
    if !left || super::fork::is_severed() {
        return;
    }
    stdio::flush_at_end(PATIENCE);
    let status = STATUS.load(Ordering::Acquire);
    if status != UNKNOWN {
        // SAFETY: has no preconditions.
        unsafe { libc::_exit(status) };
    }
}

/// Ends the OS process as `exit` of C does, from whichever thread. The first caller's code wins; any later caller waits for
/// the end that is under way.
pub fn exit(code: c_int) -> ! {
    static FIRST: Once = Once::new();
    FIRST.call_once(|| {
        STATUS.store(code, Ordering::Release);
        // SAFETY: `exit` runs once, by the first caller; the others never return from `call_once`, which the first never
        // leaves.
        unsafe { libc::exit(code) }
    });
    loop {
        std::thread::park();
    }
}

/// True if the address lies in the executable of the program, not in a shared library.
#[cfg(all(target_os = "linux", feature = "lua54"))]
pub fn is_of_executable(address: usize) -> bool {
    let base_of = |address: usize| {
        // SAFETY: the structure is plain; the call looks the address up and reads nothing there.
        unsafe {
            let mut info: libc::Dl_info = std::mem::zeroed();
            let found = libc::dladdr(address as *const libc::c_void, &mut info) != 0;
            found.then_some(info.dli_fbase as usize)
        }
    };
    // SAFETY: has no preconditions.
    let entry = unsafe { libc::getauxval(libc::AT_ENTRY) } as usize;
    base_of(address).is_some_and(|base| base_of(entry) == Some(base))
}

/// Elsewhere it is not known.
#[cfg(all(not(target_os = "linux"), feature = "lua54"))]
pub fn is_of_executable(_: usize) -> bool {
    false
}
