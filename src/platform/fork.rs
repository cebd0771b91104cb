//! Whether this OS process is the child of a bare `fork`: only the forking thread lives on there, and locks that others held
//! stay locked for ever.

#[cfg(not(test))]
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static CHILD: AtomicBool = AtomicBool::new(false);

#[cfg(not(test))]
unsafe extern "C" {
    // Not in `libc` for every Unix.
    fn pthread_atfork(
        before: Option<unsafe extern "C" fn()>,
        in_parent: Option<unsafe extern "C" fn()>,
        in_child: Option<unsafe extern "C" fn()>,
    ) -> libc::c_int;
}

#[cfg(not(test))]
unsafe extern "C" fn note_child() {
    CHILD.store(true, Ordering::Relaxed);
}

/// Has forks noticed from now on. Programs started by `os.execute` and `io.popen` are no such children.
#[cfg(not(test))]
pub fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler lies in this library, which stays mapped, and only stores a flag.
        unsafe {
            pthread_atfork(None, None, Some(note_child));
        }
    });
}

/// True in the child of a fork.
#[inline]
pub fn is_child() -> bool {
    CHILD.load(Ordering::Relaxed)
}
