//! The processes that messages were sent to, remembered by the text that they were called by.

use crate::runtime::failure::Failure;
use crate::runtime::pid::looks_like_pid;
use crate::runtime::process::Process;
use crate::runtime::{directory, registry};
use std::cell::RefCell;
use std::sync::Arc;

/// The destinations of one process. A text finds its place by its address: Lua keeps one copy of a short string.
#[derive(Default)]
pub struct Destinations(RefCell<Vec<Option<Destination>>>);

/// A destination that was used before.
struct Destination {
    text: Box<[u8]>,
    process: Arc<Process>,
    /// For a name: how many names had been released when it was looked up.
    releases: Option<u64>,
}

/// How many destinations are remembered at first, and at most: a process that sends to few others needs few places.
const DESTINATIONS: (usize, usize) = (4, 64);

/// Longer ones, in bytes, are not remembered.
const LONGEST_DESTINATION: usize = 255;

/// The process that a PID or a name stands for now.
///
/// # Errors
/// Nobody has that PID or name.
pub fn resolve(destination: &[u8]) -> Result<Arc<Process>, Failure> {
    if looks_like_pid(destination) {
        directory::find(destination).ok_or_else(|| Failure::ProcessNotFound(destination.to_vec()))
    } else {
        registry::find(destination).ok_or_else(|| Failure::DestinationNotFound(destination.to_vec()))
    }
}

impl Destinations {
    /// As [`resolve`], and calls `act` with the process. What was resolved before costs no lock.
    ///
    /// # Errors
    /// Those of `resolve` and of `act`.
    pub fn with<T>(
        &self,
        destination: &[u8],
        act: impl FnOnce(&Arc<Process>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut known = self.0.borrow_mut();
        if known.is_empty() {
            known.resize_with(DESTINATIONS.0, || None);
        }
        // Lua keeps one copy of a short string, so that its address tells destinations apart well enough.
        if destination.len() > LONGEST_DESTINATION {
            drop(known);
            return act(&resolve(destination)?);
        }
        let place = destination.as_ptr() as usize >> 4;
        let mut places = known.len();
        if let Some(entry) = &known[place % places] {
            let same = *entry.text == *destination;
            if same && entry.releases.is_none_or(|releases| releases == registry::releases()) {
                return act(&entry.process);
            }
            if !same && places < DESTINATIONS.1 {
                places *= 2;
                known.clear();
                known.resize_with(places, || None);
            }
        }
        let slot = &mut known[place % places];
        let releases = (!looks_like_pid(destination)).then(registry::releases);
        let process = resolve(destination)?;
        let entry = slot.insert(Destination { text: destination.into(), process, releases });
        act(&entry.process)
    }
}
