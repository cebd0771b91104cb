//! Telling an event loop that is not the library's that something is to be done: a coroutine can go on, or a timer is due.

use super::scheduler::Scheduler;
use crate::platform::Pollfd;
use std::sync::Arc;

impl Scheduler {
    /// From now on the bell rings when a coroutine can go on, and when a timer is due; at once if one can go on now.
    pub fn attend(&mut self, bell: Arc<Pollfd>) {
        if self.has_ready() {
            bell.ring();
        }
        bell.set_deadline(self.next_deadline());
        self.ready.bell = Some(bell);
    }

    /// Nothing rings until [`Scheduler::attend`]. What rang before.
    pub fn stop_attending(&mut self) -> Option<Arc<Pollfd>> {
        self.ready.bell.take()
    }

    /// True if something has come into the mailbox that nobody has taken.
    pub fn has_untaken_mail(&self) -> bool {
        self.channels.values().any(|channel| channel.is_mailbox() && channel.available_to(None) > 0)
    }
}
