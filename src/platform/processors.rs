//! How many processors the program may use.

use std::num::NonZero;
use std::thread;

/// Processors that the program may use now, at least 1: those of its affinity mask, but no more than the quota of its control
/// group, versions 1 and 2.
pub fn processors() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}
