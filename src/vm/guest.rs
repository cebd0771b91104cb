//! How a process lives in an event loop that is not the library's (M-1 to M-6): the loop watches a descriptor of the process, and has
//! the library do what is to be done when the descriptor is readable.
//!
//! **Invariant:** while the loop watches, the mailbox is parked whenever it is empty, also while the process runs. So whoever puts
//! something into it rings. What comes about inside the process rings by [`crate::scheduling::Scheduler::attend`], but for what
//! comes about during a step, which looks at its end.

use crate::platform::Pollfd;
use crate::runtime::process::Process;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// The ways of a guest. All false, and without a descriptor, at first.
#[derive(Default)]
pub struct Guest {
    pollfd: RefCell<Option<Arc<Pollfd>>>,
    watched: Cell<bool>,
    never_blocks: Cell<bool>,
}

impl Guest {
    /// True once a loop may watch the descriptor.
    #[inline(always)]
    pub fn is_watched(&self) -> bool {
        self.watched.get()
    }

    /// A loop may watch this from now on.
    pub fn watch(&self, process: &Process, pollfd: Arc<Pollfd>) {
        process.set_pollfd(Arc::clone(&pollfd));
        *self.pollfd.borrow_mut() = Some(pollfd);
        self.watched.set(true);
        self.listen_on(process);
    }

    /// What the loop may watch.
    pub fn pollfd(&self) -> Option<Arc<Pollfd>> {
        self.pollfd.borrow().clone()
    }

    /// The mailbox was emptied: the next that comes is to ring.
    #[inline(always)]
    pub fn listen_on(&self, process: &Process) {
        if self.watched.get() && !process.mailbox.stay_parked() {
            self.ring();
        }
    }

    /// Something is to be done.
    #[cold]
    pub fn ring(&self) {
        if let Some(pollfd) = &*self.pollfd.borrow() {
            pollfd.ring();
        }
    }

    /// Whether what would keep the thread is refused (option `blocking`).
    pub fn never_blocks(&self) -> bool {
        self.never_blocks.get()
    }

    /// Sets the option `blocking`.
    pub fn set_never_blocks(&self, never: bool) {
        self.never_blocks.set(never);
    }
}
