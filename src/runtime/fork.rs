//! What becomes of the program when somebody forks it.
//!
//! The child goes on as a program of its own if no process is alive but the main ones of the thread that forks, and no thread is
//! there of one that was given up. Threads that only wait for work end before the fork ([`staff`]); each side starts them anew
//! on demand. So nobody is inside the library while the OS process is copied, and nothing in it is locked or half done. Else
//! the child is severed ([`crate::platform::fork`]).

use super::{directory, host, live, pool, reaper, spare_threads, staff};
use crate::platform::fork::Around;

/// For [`crate::platform::fork::watch`].
pub const AROUND: Around = Around { before, in_parent: staff::recall, in_child };

fn before() -> bool {
    let mains = live::mains_of_this_thread();
    mains.is_some_and(|mains| directory::count() == mains) && !host::has_abandoned() && staff::dismiss(rouse)
}

fn rouse() {
    spare_threads::rouse();
    pool::rouse();
    reaper::rouse();
}

fn in_child() -> bool {
    staff::recall();
    live::part_from_parent().is_ok()
}
