//! The coroutines that can go on. While an event loop that is not the library's watches the process, it is told when there is one
//! ([`super::attending`]).

use super::ids::TaskId;
use crate::platform::Pollfd;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// Coroutines in the order in which they go on.
#[derive(Default)]
pub struct Ready {
    queue: VecDeque<TaskId>,
    bell: Option<Arc<Pollfd>>,
    /// Nothing rings: whoever has set this looks by itself.
    muted: bool,
}

impl Ready {
    /// Behind all others.
    #[inline(always)]
    pub fn push_back(&mut self, task: TaskId) {
        self.queue.push_back(task);
        self.tell();
    }

    /// Before all others.
    pub fn push_front(&mut self, task: TaskId) {
        self.queue.push_front(task);
        self.tell();
    }

    #[inline(always)]
    fn tell(&self) {
        if self.bell.is_some() && !self.muted {
            self.ring();
        }
    }

    #[cold]
    fn ring(&self) {
        if let Some(bell) = &self.bell {
            bell.ring();
        }
    }

    /// A timer was set that is due then.
    #[inline(always)]
    pub fn tell_of(&self, deadline: Instant) {
        if let Some(bell) = &self.bell
            && !self.muted
        {
            bell.set_earlier(deadline);
        }
    }

    /// What the loop watches from now on.
    pub fn set_bell(&mut self, bell: Arc<Pollfd>) {
        self.bell = Some(bell);
    }

    /// Acknowledges what has rung, and lets nothing ring until [`Ready::unmute`].
    pub fn mute(&mut self) {
        if let Some(bell) = &self.bell {
            bell.acknowledge();
        }
        self.muted = true;
    }

    /// Rings if a coroutine can go on, and again when the next timer is due.
    pub fn unmute(&mut self, deadline: Option<Instant>) {
        self.muted = false;
        if let Some(bell) = &self.bell {
            if !self.queue.is_empty() {
                bell.ring();
            }
            bell.set_deadline(deadline);
        }
    }

    /// The first one.
    #[inline(always)]
    pub fn pop_front(&mut self) -> Option<TaskId> {
        self.queue.pop_front()
    }

    /// True if there is none.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Takes one out.
    pub fn remove(&mut self, task: TaskId) {
        self.queue.retain(|ready| *ready != task);
    }
}
