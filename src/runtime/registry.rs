//! The names of processes: one table for the whole program.
//!
//! A name in the table belongs to a process that is not gone: `register` checks the stage while it holds the table, and
//! `release` takes the names out after the stage was set.

use super::account::Charge;
use super::errand::Asleep;
use super::failure::Failure;
use super::lifecycle::Stage;
use super::pid::looks_like_pid;
use super::process::{Errand, Process};
use super::signal::News;
use super::trace::{self, Kind};
use once_cell::sync::Lazy;
use parking_lot::RwLock;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Hashed with keys that nobody knows: a process that could choose names of one hash would slow down every look-up.
static NAMES: Lazy<RwLock<Names>> = Lazy::new(Default::default);

#[derive(Default)]
struct Names {
    owners: HashMap<Vec<u8>, Arc<Process>>,
    /// Calls that wait until a name is registered. None of these names has an owner.
    awaited: HashMap<Vec<u8>, Vec<Awaited>>,
}

/// A call that waits for a name, which counts for its process meanwhile.
struct Awaited {
    errand: Errand,
    _charge: Option<Charge>,
}

/// Counts the changes that could make a remembered answer wrong: releases of names.
static RELEASES: AtomicU64 = AtomicU64::new(0);

/// How often names were released so far. Whoever remembers an answer of [`find`] asks again when this has changed.
pub fn releases() -> u64 {
    RELEASES.load(Ordering::Acquire)
}

/// Gives `name` to a process.
///
/// # Errors
/// A malformed name, a name of another process that is alive, or a process that is ending or gone.
pub fn register(name: &[u8], process: &Arc<Process>) -> Result<(), Failure> {
    check_name(name)?;
    let mut names = NAMES.write();
    let owner = names.owners.get(name);
    if owner == Some(process) {
        return Ok(());
    }
    if let Some(owner) = owner.filter(|owner| owner.stage() == Stage::Alive) {
        return Err(Failure::NameTaken { name: name.to_vec(), owner: owner.pid.to_string() });
    }
    let alive = process.with_relations(|relations| {
        let alive = relations.life.stage() == Stage::Alive;
        if alive {
            relations.names.insert(name.to_vec());
        }
        alive
    });
    if alive && !process.charge(cost(name)) {
        process.with_relations(|relations| relations.names.remove(name));
        process.discharge(cost(name));
        return Err(Failure::OutOfMemory);
    }
    if !alive {
        return Err(Failure::ProcessNotFound(process.pid.as_bytes().to_vec()));
    }
    // It belonged to one that is ending, whose own release passes it over.
    if names.owners.insert(name.to_vec(), Arc::clone(process)).is_some() {
        RELEASES.fetch_add(1, Ordering::Release);
    }
    trace::note_of(process.id.number(), Kind::Name, 0, 0, name);
    let mut asleep = Asleep::default();
    for Awaited { errand, .. } in names.awaited.remove(name).into_iter().flatten() {
        errand.answer(News::Registered(process.pid.clone()), &mut asleep);
    }
    drop(names);
    asleep.wake();
    Ok(())
}

/// The owner of a name; if it has none, the call waits until somebody registers it, which counts even if the name is released
/// at once.
pub fn find_or_wait(name: &[u8], errand: Errand, charge: Option<Charge>) -> Option<Arc<Process>> {
    let mut names = NAMES.write();
    let owner = names.owners.get(name).cloned();
    if owner.is_none() {
        names.awaited.entry(name.to_vec()).or_default().push(Awaited { errand, _charge: charge });
    }
    owner
}

/// Undoes [`find_or_wait`]. `false` if the call has its answer already.
pub fn give_up_name(name: &[u8], waiter: &Process, number: u64) -> bool {
    let mut names = NAMES.write();
    let Some(awaited) = names.awaited.get_mut(name) else { return false };
    let is_it = |awaited: &Awaited| awaited.errand.number == number && *awaited.errand.process == *waiter;
    let place = awaited.iter().position(is_it);
    let given_up = place.map(|place| awaited.remove(place));
    if awaited.is_empty() {
        names.awaited.remove(name);
    }
    given_up.is_some()
}

/// Whether a process may have this name.
///
/// # Errors
/// It is empty, too long, or looks like a PID.
pub fn check_name(name: &[u8]) -> Result<(), Failure> {
    if name.is_empty() {
        return Err(Failure::EmptyName);
    }
    if name.len() > 65_535 {
        return Err(Failure::NameTooLong(name.len()));
    }
    if looks_like_pid(name) {
        return Err(Failure::NameLikePid(name.to_vec()));
    }
    Ok(())
}

/// The owner of a name.
pub fn find(name: &[u8]) -> Option<Arc<Process>> {
    NAMES.read().owners.get(name).cloned()
}

/// How many names there are.
pub fn count() -> usize {
    NAMES.read().owners.len()
}

/// Takes a name away from whoever has it, if that is `allowed`. `false` if nobody had it.
///
/// # Errors
/// That of `allowed`.
pub fn unregister(
    name: &[u8],
    allowed: impl FnOnce(&Arc<Process>) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    let mut names = NAMES.write();
    let Some(owner) = names.owners.get(name).cloned() else {
        return Ok(false);
    };
    allowed(&owner)?;
    names.owners.remove(name);
    RELEASES.fetch_add(1, Ordering::Release);
    owner.with_relations(|relations| relations.names.remove(name));
    owner.discharge(cost(name));
    trace::note_of(owner.id.number(), Kind::Unname, 0, 0, name);
    Ok(true)
}

/// Bytes that a name costs, about.
pub fn cost(name: &[u8]) -> usize {
    2 * name.len() + 128
}

/// Takes away the names of a process that is gone.
pub(super) fn release(process: &Process, owned: HashSet<Vec<u8>>) {
    if owned.is_empty() {
        return;
    }
    let mut names = NAMES.write();
    for name in owned {
        if names.owners.get(&name).is_some_and(|owner| owner.id == process.id) {
            names.owners.remove(&name);
            trace::note_of(process.id.number(), Kind::Unname, 0, 0, &name);
        }
    }
    RELEASES.fetch_add(1, Ordering::Release);
}
