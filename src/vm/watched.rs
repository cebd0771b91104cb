//! What calls of this process wait for: the ends of children, and failures that are to be raised. What it monitors and is linked to
//! stands in its [`crate::runtime::process::Relations`].

use crate::scheduling::{ChannelId, Mail, Stamped};
use std::cell::{Cell, RefCell};

/// What one process has asked to hear of.
#[derive(Default)]
pub struct Watched {
    /// The channel that closes when no child is left, while somebody waits for that.
    childless: Cell<Option<ChannelId>>,
    /// Main process: failures of linked processes that are still to be raised.
    link_failures: RefCell<Mail>,
}

impl Watched {
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
