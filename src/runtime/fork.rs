//! What happens when somebody forks the program.
//!
//! The child goes on as a program of its own if only the main processes of the forking thread are alive, and if no thread is left
//! of a process that was given up. Threads that only wait for work end before the fork ([`staff`]); each side starts them anew
//! when it needs them. So nobody is inside the library while the OS process is copied, and nothing in it is locked or half done.
//! Otherwise the child is severed ([`crate::platform::fork`]).

use super::{directory, dump, host, live, lookout, pool, reaper, spare_threads, staff};
use crate::platform::bell;
use crate::platform::fork::Around;

/// For [`crate::platform::fork::watch`].
pub const AROUND: Around = Around { before, in_parent, in_child };

fn before() -> bool {
    let mains = live::mains_of_this_thread();
    let alone = mains.is_some_and(|mains| directory::count() == mains)
        && !host::has_abandoned()
        && staff::dismiss(rouse);
    if !alone {
        // It may have been dismissed in vain.
        dump::open();
        lookout::open_again();
    }
    alone
}

fn in_parent() {
    staff::recall();
    dump::open();
    lookout::open_again();
}

fn rouse() {
    spare_threads::rouse();
    pool::rouse();
    reaper::rouse();
    bell::ring();
    lookout::rouse();
}

fn in_child() -> bool {
    staff::recall();
    bell::part_from_parent();
    dump::open();
    lookout::part_from_parent();
    lookout::open_again();
    live::part_from_parent().is_ok()
}
