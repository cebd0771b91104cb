//! The processes that this one wants to hear of. A relation counts if it still stands here when the event is taken.

use crate::runtime::pid::{self, ProcessId};
use crate::scheduling::{ChannelId, Mail, Stamped};
use rustc_hash::FxHashMap;
use std::cell::{Cell, RefCell};

/// What one process has asked to hear of.
#[derive(Default)]
pub struct Watched {
    /// Processes this one monitors, and their PIDs: they may be gone.
    monitored: RefCell<FxHashMap<ProcessId, Box<str>>>,
    /// The channel that closes when no child is left, while somebody waits for that.
    childless: Cell<Option<ChannelId>>,
    /// Main process: failures of linked processes that are still to be raised.
    link_failures: RefCell<Mail>,
}

impl Watched {
    /// This process monitors another one.
    pub fn monitor(&self, id: ProcessId, pid: Box<str>) {
        self.monitored.borrow_mut().insert(id, pid);
    }

    /// It does so no more. `true` if it did.
    pub fn unmonitor(&self, id: ProcessId) -> bool {
        self.monitored.borrow_mut().remove(&id).is_some()
    }

    /// As [`Watched::unmonitor`], for the process with this PID.
    pub fn unmonitor_pid(&self, pid: &[u8]) {
        let forgotten = pid::remove(&mut self.monitored.borrow_mut(), pid);
        drop(forgotten);
    }

    /// Takes all that this process monitors.
    pub fn take_monitored(&self) -> FxHashMap<ProcessId, Box<str>> {
        self.monitored.take()
    }

    /// This process monitors these, and no others.
    pub fn set_monitored(&self, monitored: FxHashMap<ProcessId, Box<str>>) {
        self.monitored.replace(monitored);
    }

    /// The channel that closes when no child is left, while somebody waits for that.
    pub fn childless(&self) -> Option<ChannelId> {
        self.childless.get()
    }

    /// This channel closes when no child is left; none if nobody waits any more.
    pub fn set_childless(&self, channel: Option<ChannelId>) {
        self.childless.set(channel);
    }

    /// A linked process has failed, which is to be raised.
    pub fn push_link_failure(&self, failure: Stamped) {
        self.link_failures.borrow_mut().push(failure);
    }

    /// The first failure of a linked process that is still to be raised.
    pub fn pop_link_failure(&self) -> Option<Stamped> {
        self.link_failures.borrow_mut().pop()
    }

    /// Takes back the failure of the process with this PID.
    pub fn retract_link_failure(&self, pid: &[u8]) {
        let failures = self.link_failures.borrow_mut().take(pid);
        drop(failures);
    }

    /// True if a failure of a linked process is still to be raised.
    pub fn has_link_failures(&self) -> bool {
        !self.link_failures.borrow().is_empty()
    }
}
