//! Whether and where code of a process may be left by a jump ([`super::interrupt`]). The signal handler reads it on the thread
//! that runs the state, so each change is a single store.

use super::frame::JumpBuffer;
use std::cell::Cell;

/// The entry frame of one state, and whether it may be jumped to.
pub struct Leaving {
    /// The entry frame, where a jump goes.
    frame: JumpBuffer,
    /// Code of the process is running that may be left by a jump.
    open: Cell<bool>,
    /// The running code must not leave the process by a jump: Rust owns something further out.
    stays: Cell<bool>,
    /// The jump has left code that LuaJIT had compiled.
    #[cfg(feature = "luajit")]
    left_compiled: Cell<bool>,
}

impl Default for Leaving {
    fn default() -> Self {
        Leaving {
            frame: JumpBuffer::new(),
            open: Cell::new(false),
            stays: Cell::new(false),
            #[cfg(feature = "luajit")]
            left_compiled: Cell::new(false),
        }
    }
}

impl Leaving {
    /// The entry frame.
    pub fn frame(&self) -> &JumpBuffer {
        &self.frame
    }

    /// True while code of the process is running that may be left by a jump.
    #[inline(always)]
    pub fn is_open(&self) -> bool {
        self.open.get()
    }

    /// Code of the process runs from now on.
    #[inline(always)]
    pub fn open(&self) {
        self.open.set(true);
        self.stays.set(false);
    }

    /// It does not run any more.
    #[inline(always)]
    pub fn close(&self) {
        self.open.set(false);
    }

    /// True if the running code must not leave the process by a jump.
    #[inline(always)]
    pub fn stays(&self) -> bool {
        self.stays.get()
    }

    /// Whether the running code must not leave the process by a jump, from now on. Returns the value before.
    #[inline(always)]
    pub fn set_stays(&self, stays: bool) -> bool {
        self.stays.replace(stays)
    }

    /// A jump leaves compiled code.
    #[cfg(feature = "luajit")]
    pub fn leave_compiled(&self) {
        self.open.set(false);
        self.left_compiled.set(true);
    }

    /// Whether a jump has left compiled code since this was asked.
    #[cfg(feature = "luajit")]
    pub fn take_left_compiled(&self) -> bool {
        self.left_compiled.replace(false)
    }
}
