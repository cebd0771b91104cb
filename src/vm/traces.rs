//! Stacks of coroutines that have failed, noted before the VM forgets them ([`super::traceback`]).

use std::cell::RefCell;

/// Tracebacks as text; empty where none was noted.
#[derive(Default)]
pub struct Traces {
    /// Of the managed coroutine that has failed last.
    failed: RefCell<Vec<u8>>,
    /// Of the plain coroutine that has failed last.
    passed: RefCell<Vec<u8>>,
    /// Of the coroutine whose stack has overflowed last.
    #[cfg(feature = "luajit")]
    overflowed: RefCell<Vec<u8>>,
}

impl Traces {
    /// A managed coroutine has failed.
    #[cfg(feature = "luajit")]
    pub fn note_failed(&self, text: Vec<u8>) {
        self.failed.replace(text);
    }

    /// Takes the stack of the managed coroutine that has failed last.
    pub fn take_failed(&self) -> Vec<u8> {
        self.failed.take()
    }

    /// True if the stack of a managed coroutine that has failed was noted.
    #[cfg(feature = "luajit")]
    pub fn has_failed(&self) -> bool {
        !self.failed.borrow().is_empty()
    }

    /// A plain coroutine has failed.
    pub fn note_passed(&self, text: Vec<u8>) {
        self.passed.replace(text);
    }

    /// A plain coroutine could not be resumed, so that it has no stack.
    pub fn clear_passed(&self) {
        self.passed.borrow_mut().clear();
    }

    /// Takes the stack of the plain coroutine that has failed last.
    pub fn take_passed(&self) -> Vec<u8> {
        self.passed.take()
    }

    /// The stack of a coroutine is overflowing.
    #[cfg(feature = "luajit")]
    pub fn note_overflowed(&self, text: Vec<u8>) {
        self.overflowed.replace(text);
    }

    /// Takes the stack of the coroutine whose stack has overflowed last.
    #[cfg(feature = "luajit")]
    pub fn take_overflowed(&self) -> Vec<u8> {
        self.overflowed.take()
    }
}
