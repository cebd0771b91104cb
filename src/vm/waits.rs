//! What the waits of one state need between their two halves: a wait begins in one call of Lua's and ends in another.

use crate::runtime::failure::Failure;
use crate::scheduling::Cases;
use std::cell::{Cell, Ref, RefCell, RefMut};
use std::collections::VecDeque;
use std::ffi::c_int;

/// What is between the halves of the waits of one state.
#[derive(Default)]
pub struct Waits {
    /// A wait may be on its way to the scheduler: coroutines yield the waiting mark one after the other. As long as none is, the
    /// values that a coroutine has yielded need not be looked at.
    passes: Cell<bool>,
    /// How many values the running coroutine has taken since it last gave control away.
    served: Cell<u32>,
    /// The failure that the wait which has just ended is to raise.
    failure: RefCell<Option<Failure>>,
    /// The cases that a select is looking at.
    cases: RefCell<Cases>,
    /// The cases of the wait that has just ended.
    finished: RefCell<Cases>,
    /// Main process: references to errors that left managed coroutines and are still to be raised.
    errors: RefCell<VecDeque<c_int>>,
}

impl Waits {
    /// True if a wait may be on its way to the scheduler.
    #[inline(always)]
    pub fn may_pass(&self) -> bool {
        self.passes.get()
    }

    /// A wait sets out for the scheduler, or none is on its way. Returns the value before.
    #[inline(always)]
    pub fn set_passing(&self, passes: bool) -> bool {
        self.passes.replace(passes)
    }

    /// How many values the running coroutine has taken since it last gave control away.
    #[inline(always)]
    pub fn served(&self) -> u32 {
        self.served.get()
    }

    /// The running coroutine takes one more.
    #[inline(always)]
    pub fn serve(&self) {
        self.served.set(self.served.get() + 1);
    }

    /// The running coroutine gives control away, or another one runs.
    #[inline(always)]
    pub fn serve_anew(&self) {
        self.served.set(0);
    }

    /// The wait that has just ended is to raise this.
    pub fn fail(&self, failure: Failure) {
        *self.failure.borrow_mut() = Some(failure);
    }

    /// The failure that the wait which has just ended is to raise.
    pub fn take_failure(&self) -> Option<Failure> {
        self.failure.borrow_mut().take()
    }

    /// The cases that a select is looking at. For one statement.
    pub fn cases(&self) -> RefMut<'_, Cases> {
        self.cases.borrow_mut()
    }

    /// The wait that has just ended had these cases.
    pub fn finish(&self, cases: Cases) {
        *self.finished.borrow_mut() = cases;
    }

    /// The select ends without a wait: its cases count as those of a wait that has just ended.
    pub fn finish_select(&self) {
        std::mem::swap(&mut *self.finished.borrow_mut(), &mut *self.cases.borrow_mut());
    }

    /// The cases of the wait that has just ended. For one statement.
    pub fn finished(&self) -> Ref<'_, Cases> {
        self.finished.borrow()
    }

    /// As [`Waits::finished`], to be changed.
    pub fn finished_mut(&self) -> RefMut<'_, Cases> {
        self.finished.borrow_mut()
    }

    /// An error has left a managed coroutine of the main process: a reference to it.
    pub fn push_error(&self, reference: c_int) {
        self.errors.borrow_mut().push_back(reference);
    }

    /// The reference to the first error that is still to be raised.
    pub fn pop_error(&self) -> Option<c_int> {
        self.errors.borrow_mut().pop_front()
    }

    /// True if an error is still to be raised.
    pub fn has_errors(&self) -> bool {
        !self.errors.borrow().is_empty()
    }
}
