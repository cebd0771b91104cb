//! The entry frame of a spawned process: the place to which its thread jumps back when the process is ended in the middle of
//! whatever its code does. Nothing that the jump passes over has a destructor: user code runs in coroutines, and the Rust
//! frames between the entry and Lua keep their state in the context.

use crate::platform::signal;
use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};

/// Room for a `sigjmp_buf` (the C file checks that it is enough).
#[repr(C, align(16))]
pub struct JumpBuffer(UnsafeCell<[u64; 40]>);

impl JumpBuffer {
    /// A buffer that was not entered yet.
    pub fn new() -> Self {
        JumpBuffer(UnsafeCell::new([0; 40]))
    }
}

unsafe extern "C-unwind" {
    fn process_frame_enter(
        frame: *mut c_void,
        body: unsafe extern "C-unwind" fn(*mut c_void),
        data: *mut c_void,
    ) -> c_int;
    fn process_frame_leave(frame: *mut c_void) -> !;
}

/// How [`enter`] came back.
#[derive(Debug, PartialEq)]
pub enum Left {
    /// The body returned.
    Returned,
    /// Somebody called [`leave`].
    Jumped,
}

/// Runs `body(data)` on top of the entry frame.
///
/// Raises: any, what `body` raises
///
/// # Safety
/// `body` and everything it calls up to a call of [`leave`] own nothing that has to be dropped.
pub unsafe fn enter(
    frame: &JumpBuffer,
    body: unsafe extern "C-unwind" fn(*mut c_void),
    data: *mut c_void,
) -> Left {
    match process_frame_enter(frame.0.get().cast(), body, data) {
        0 => Left::Returned,
        _ => {
            signal::allow();
            Left::Jumped
        }
    }
}

/// Jumps back to the entry frame.
///
/// # Safety
/// The calling thread is inside the `body` of `enter` with the same buffer.
pub unsafe fn leave(frame: &JumpBuffer) -> ! {
    process_frame_leave(frame.0.get().cast())
}
