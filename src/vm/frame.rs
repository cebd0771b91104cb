//! The entry frame of a spawned process: the place to which its thread jumps back when the process is ended in the middle of
//! whatever its code does. Nothing that the jump passes over has a destructor: user code runs in coroutines, and the Rust
//! frames between the entry and Lua keep their state in the context.

use crate::platform::os_signal;
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
    // SAFETY: as the caller says.
    match unsafe { process_frame_enter(frame.0.get().cast(), body, data) } {
        0 => Left::Returned,
        _ => {
            os_signal::allow();
            Left::Jumped
        }
    }
}

/// Jumps back to the entry frame.
///
/// # Safety
/// The calling thread is inside the `body` of `enter` with the same buffer.
pub unsafe fn leave(frame: &JumpBuffer) -> ! {
    // SAFETY: as the caller says.
    unsafe { process_frame_leave(frame.0.get().cast()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a body does: how deep it goes before it leaves, if it leaves.
    struct Task<'a> {
        frame: &'a JumpBuffer,
        leaves_at: Option<u32>,
        depth: u32,
    }

    /// # Safety
    /// Called by `enter` with a `Task`.
    unsafe extern "C-unwind" fn go_deeper(task: *mut c_void) {
        // SAFETY: the test's task, on the entry frame.
        unsafe {
            let own = &mut *task.cast::<Task>();
            own.depth += 1;
            if own.leaves_at == Some(own.depth) {
                leave(own.frame);
            }
            if own.depth < 100 {
                go_deeper(task);
            }
        }
    }

    fn run(leaves_at: Option<u32>) -> (Left, u32) {
        let frame = JumpBuffer::new();
        let mut task = Task { frame: &frame, leaves_at, depth: 0 };
        // SAFETY: the body owns nothing.
        let left = unsafe { enter(&frame, go_deeper, (&raw mut task).cast()) };
        (left, task.depth)
    }

    #[test]
    fn a_body_that_returns_has_returned() {
        assert_eq!(run(None), (Left::Returned, 100));
    }

    #[test]
    fn a_jump_leaves_all_that_is_above_the_frame() {
        assert_eq!(run(Some(1)), (Left::Jumped, 1));
        assert_eq!(run(Some(60)), (Left::Jumped, 60));
    }

    #[test]
    fn a_frame_serves_again_and_lets_the_signal_through_after_a_jump() {
        for _ in 0..1000 {
            assert_eq!(run(Some(3)).0, Left::Jumped);
        }
        // SAFETY: only asks for the mask of this thread.
        let blocked = unsafe {
            let mut mask: libc::sigset_t = std::mem::zeroed();
            libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &mut mask);
            libc::sigismember(&mask, os_signal::number())
        };
        assert_eq!(blocked, 0);
    }
}
