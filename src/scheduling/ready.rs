//! The coroutines that can go on. While an event loop that is not the library's watches the process, it is told when there is one
//! ([`super::attending`]).

use super::ids::TaskId;
use crate::platform::Pollfd;
use std::collections::VecDeque;
use std::sync::Arc;

/// Coroutines in the order in which they go on.
#[derive(Default)]
pub struct Ready {
    queue: VecDeque<TaskId>,
    /// What the loop watches.
    pub bell: Option<Arc<Pollfd>>,
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
        if let Some(bell) = &self.bell {
            bell.ring();
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
