//! Calls that wait until nothing is left of what was spawned in a realm (M-31).
//!
//! Whoever counts the last process out looks here afterwards; whoever waits looks at the count under the lock. So either finds the
//! other.

use super::errand::Asleep;
use super::process::{Errand, Process};
use super::realm::Realm;
use super::signal::News;
use parking_lot::Mutex;
use std::sync::Arc;

static AWAITED: Mutex<Vec<Errand>> = Mutex::new(Vec::new());

/// Has the errand, of a main process, answered when no process is left that was spawned from it. `false` if none is.
pub fn wait(errand: Errand) -> bool {
    let mut awaited = AWAITED.lock();
    let waits = !errand.process.realm.is_empty();
    if waits {
        awaited.push(errand);
    }
    waits
}

/// The call with this number does not wait any more.
pub fn give_up(main: &Process, number: u64) {
    AWAITED.lock().retain(|errand| *errand.process != *main || errand.number != number);
}

/// A process is gone that was spawned in this realm.
pub(super) fn count_out(realm: &Arc<Realm>) {
    if !realm.one_less() {
        return;
    }
    let mut asleep = Asleep::default();
    let mut awaited = AWAITED.lock();
    let (answered, left): (Vec<_>, Vec<_>) = std::mem::take(&mut *awaited)
        .into_iter()
        .partition(|errand| Arc::ptr_eq(&errand.process.realm, realm) && realm.is_empty());
    *awaited = left;
    for errand in answered {
        errand.answer(News::AllGone, &mut asleep);
    }
    drop(awaited);
    asleep.wake();
}
