//! Bare forks of this OS process. The child has only the thread that forked, and locks of other threads stay locked there for
//! ever. So the child can use the library only if no other thread was inside it. Otherwise it is *severed*.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is to be done around a fork, all of it by the thread that forks.
#[derive(Clone, Copy)]
pub struct Around {
    /// Before it: true if no other thread is inside the library, nor will be before the fork is over.
    pub before: fn() -> bool,
    /// Afterwards, in the parent, if `before` was true, even if the fork has failed.
    pub in_parent: fn(),
    /// Afterwards, in the child, if `before` was true. If it is false, the child is severed all the same.
    pub in_child: fn() -> bool,
}

static AROUND: OnceLock<Around> = OnceLock::new();
static SEVERED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// What `before` has said of the fork that the thread is about to make.
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

unsafe extern "C" {
    // Not in `libc` for every Unix.
    fn pthread_atfork(
        before: Option<unsafe extern "C" fn()>,
        in_parent: Option<unsafe extern "C" fn()>,
        in_child: Option<unsafe extern "C" fn()>,
    ) -> libc::c_int;
}

/// Handler of `pthread_atfork`.
extern "C" fn before() {
    let alone = !is_severed() && AROUND.get().is_some_and(|around| (around.before)());
    ALONE.with(|own| own.set(alone));
}

/// Handler of `pthread_atfork`.
extern "C" fn in_parent() {
    if ALONE.with(Cell::get)
        && let Some(around) = AROUND.get()
    {
        (around.in_parent)();
    }
}

/// Handler of `pthread_atfork`.
extern "C" fn in_child() {
    let whole = ALONE.with(Cell::get) && AROUND.get().is_some_and(|around| (around.in_child)());
    SEVERED.store(!whole, Ordering::Relaxed);
}

/// Has forks noticed from now on. Programs started by `os.execute` and `io.popen` are no such children.
pub fn watch(around: Around) {
    if AROUND.set(around).is_ok() {
        // SAFETY: the handlers lie in this library, which stays mapped; they raise nothing.
        unsafe {
            pthread_atfork(Some(before), Some(in_parent), Some(in_child));
        }
    }
}

/// True in the child of a fork that has found other threads inside the library.
#[inline]
pub fn is_severed() -> bool {
    SEVERED.load(Ordering::Relaxed)
}
