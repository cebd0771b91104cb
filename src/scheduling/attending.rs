//! Telling an event loop that is not the library's that something is to be done: a coroutine can go on, or a timer is due.

use super::scheduler::Scheduler;
use crate::platform::Pollfd;
use std::sync::Arc;

impl Scheduler {
    /// From now on the bell rings when a coroutine can go on, and when a timer is due; at once if one can go on now.
    pub fn attend(&mut self, bell: Arc<Pollfd>) {
        self.ready.set_bell(bell);
        self.end_step();
    }

    /// A step begins: what has rung is acknowledged, and nothing rings until it ends. It keeps nothing, since it may be left by a
    /// jump.
    pub fn begin_step(&mut self) {
        self.ready.mute();
    }

    /// A step ends: rings if it has left something, and when the next timer is due.
    pub fn end_step(&mut self) {
        let deadline = self.next_deadline();
        self.ready.unmute(deadline);
    }

    /// True if something has come into the mailbox that nobody has taken.
    pub fn has_untaken_mail(&self) -> bool {
        self.channels.values().any(|channel| channel.is_mailbox() && channel.available_to(None) > 0)
    }
}
