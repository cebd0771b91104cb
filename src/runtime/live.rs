//! How many processes are alive, and which of them are main processes. A main process that is left alone may wait for something
//! that cannot come, so it is woken to look.

use super::process::Process;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Processes alive in the program, main ones included.
static LIVE: AtomicUsize = AtomicUsize::new(0);

/// Main processes, to be woken when one of them is left alone.
static MAINS: Mutex<Vec<Arc<Process>>> = Mutex::new(Vec::new());

/// Counts a process in.
pub fn one_more() {
    LIVE.fetch_add(1, Ordering::AcqRel);
}

/// Counts a process out, and wakes a main process that is left alone.
pub fn one_less() {
    if LIVE.fetch_sub(1, Ordering::AcqRel) == 2 {
        for main in MAINS.lock().iter() {
            main.wake();
        }
    }
}

/// True if only one process is alive.
pub fn is_alone() -> bool {
    LIVE.load(Ordering::Acquire) <= 1
}

/// Makes a main process known, which is counted in by [`one_more`].
pub fn add_main(main: &Arc<Process>) {
    MAINS.lock().push(Arc::clone(main));
}

/// Forgets a main process.
pub fn remove_main(main: &Process) {
    MAINS.lock().retain(|other| **other != *main);
}

/// How many main processes there are; `None` if one of them may be in use by another thread than the calling one.
pub fn mains_of_this_thread() -> Option<usize> {
    let mains = MAINS.lock();
    mains.iter().all(|main| main.sleeper.is_of_this_thread()).then_some(mains.len())
}

/// In the child of a fork: what main processes sleep at is no longer shared with the parent.
///
/// # Errors
/// Those of the operating system.
pub fn part_from_parent() -> io::Result<()> {
    MAINS.lock().iter().try_for_each(|main| main.part_from_parent())
}
