//! How the code of a process ends, as far as its state knows: the part of its lifecycle before
//! [`crate::runtime::lifecycle::Lifecycle`] hears of it.
//!
//! The code runs until an outcome is set, once by whatever ends it first: `main` returns, an error leaves a coroutine, a panic.
//! The step that runs then is the last one.

use super::api::lua_State;
use crate::runtime::signal::Outcome;
use crate::scheduling::TaskId;
use std::cell::{Cell, RefCell};
use std::ffi::c_int;
use std::ptr;

/// How one process ends.
pub struct Ending {
    /// The coroutine of `main`.
    main: Cell<Option<TaskId>>,
    /// How the process ends, and whether that is a failure of its code, to be reported if nobody watches.
    outcome: RefCell<Option<(Outcome, bool)>>,
    /// The coroutine that has just ended, and its status.
    coroutine: Cell<(*mut lua_State, c_int)>,
}

impl Default for Ending {
    fn default() -> Self {
        Ending {
            main: Cell::new(None),
            outcome: RefCell::new(None),
            coroutine: Cell::new((ptr::null_mut(), 0)),
        }
    }
}

impl Ending {
    /// `main` runs in this coroutine.
    pub fn set_main(&self, task: TaskId) {
        self.main.set(Some(task));
    }

    /// The coroutine in which `main` runs.
    pub fn main(&self) -> Option<TaskId> {
        self.main.get()
    }

    /// True if `main` runs in this coroutine.
    pub fn is_main(&self, task: TaskId) -> bool {
        self.main.get() == Some(task)
    }

    /// The code ends like this. `is_failure`: it has failed, which is reported if nobody watches.
    pub fn set(&self, outcome: Outcome, is_failure: bool) {
        *self.outcome.borrow_mut() = Some((outcome, is_failure));
    }

    /// True if the code is over.
    pub fn is_over(&self) -> bool {
        self.outcome.borrow().is_some()
    }

    /// How the code has ended, and whether that is a failure of it; `None` if somebody else has ended the process.
    pub fn take(&self) -> Option<(Outcome, bool)> {
        self.outcome.borrow_mut().take()
    }

    /// A coroutine is over, for what is called next under protection.
    pub fn set_coroutine(&self, co: *mut lua_State, status: c_int) {
        self.coroutine.set((co, status));
    }

    /// The coroutine that is over, and its status.
    pub fn coroutine(&self) -> (*mut lua_State, c_int) {
        self.coroutine.get()
    }
}
