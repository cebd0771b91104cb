//! What a channel knows of the descriptor that it shows (see [`super::descriptors`]).

use crate::platform::poller::Directions;
use crate::runtime::lookout::Watch;

/// The descriptor of one channel.
pub struct Descriptor {
    /// `None` once it is closed.
    pub watch: Option<Watch>,
    /// The owner is going to be told.
    pub armed: bool,
    /// What it was ready for when it was last looked at, or what it may be ready for as the owner was told.
    pub hint: Option<Directions>,
}

impl Descriptor {
    /// Not armed, and not looked at yet.
    pub fn new(watch: Watch) -> Self {
        Descriptor { watch: Some(watch), armed: false, hint: None }
    }

    /// Everybody who waits may look.
    pub fn available(&self) -> usize {
        if self.hint.is_some() { usize::MAX / 2 } else { 0 }
    }

    /// False once it is closed.
    pub fn is_open(&self) -> bool {
        self.watch.is_some()
    }

    /// What it was just seen to be ready for.
    pub fn take(&mut self) -> Option<Directions> {
        self.hint.take()
    }
}
