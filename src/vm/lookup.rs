//! From a `lua_State` to its context: a spawned state's allocator carries it, a main state keeps it in its registry.

use super::api::*;
use super::context::Context;
use super::context_field::context_of;
use super::raise::raise_failure;
use super::state;
use crate::platform;
use crate::runtime::failure::Failure;

impl Context {
    /// The context of the state that `l` belongs to, for functions that do something for a process: in the severed child of a
    /// fork they raise.
    ///
    /// Stack: 0
    /// Raises: any
    ///
    /// # Safety
    /// Own state.
    pub unsafe fn of<'a>(l: *mut lua_State) -> &'a Context {
        if platform::fork::is_severed() {
            // SAFETY: own state; nothing to drop.
            unsafe { raise_failure(l, BLOCKING_LEVEL, Failure::AfterFork) };
        }
        // SAFETY: own state.
        unsafe { Self::of_state(l) }
    }

    /// As [`Context::of`], for functions that make the library keep more than before: they raise while memory is short.
    ///
    /// Stack: 0
    /// Raises: any
    ///
    /// # Safety
    /// Own state.
    #[inline]
    pub unsafe fn with_memory<'a>(l: *mut lua_State) -> &'a Context {
        if platform::reserve::is_short() {
            // SAFETY: own state; nothing to drop.
            unsafe { raise_failure(l, BLOCKING_LEVEL, Failure::OutOfMemory) };
        }
        // SAFETY: own state.
        unsafe { Self::of(l) }
    }

    /// The context of the state that `l` belongs to.
    ///
    /// Stack: 0
    /// Raises: any, in a state that is no process
    ///
    /// # Safety
    /// Own state.
    #[inline]
    pub unsafe fn of_state<'a>(l: *mut lua_State) -> &'a Context {
        // SAFETY: own state.
        match unsafe { Self::find(l) } {
            Some(context) => context,
            // SAFETY: own state; nothing to drop.
            None => unsafe { raise(l, 1, b"the process module is not loaded in this state") },
        }
    }

    /// The context of the state that `l` belongs to, `None` if the library was never loaded there.
    ///
    /// Stack: 0, room for 1
    /// Raises: never
    ///
    /// # Safety
    /// Own state.
    #[inline]
    pub unsafe fn find<'a>(l: *mut lua_State) -> Option<&'a Context> {
        // SAFETY: own state.
        if let Some(context) = unsafe { state::context_behind_allocator(l) } {
            return Some(context);
        }
        // SAFETY: own state.
        unsafe { context_of(l) }
    }
}
