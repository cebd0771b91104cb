//! Which coroutine of a spawned process runs, and whether what lies below it on the C stack may be left by a jump.
//!
//! The library resumes the coroutines of a spawned process by itself and notes each in a chain of links on the C stack. A C
//! module may resume one, too, and the library is not told: a *stranger*. Such a module (cqueues) may keep a record of what runs
//! on the C stack, so that its frames must not be jumped over. From a stranger an error is raised instead.

use super::api::*;
#[cfg(feature = "luajit")]
use crate::platform::CStack;
use std::cell::Cell;
use std::ptr;

/// A coroutine that the library has resumed, and the one before.
pub struct Link {
    co: *mut lua_State,
    before: *const Link,
    /// What was noted as running.
    running: *mut lua_State,
    /// A stranger has resumed it.
    by_stranger: bool,
}

/// The coroutines of one state that the library has resumed. The signal handler reads it on the thread that runs the state.
pub struct Chain {
    /// The state's main thread; null while there is no state.
    main: Cell<*mut lua_State>,
    /// The coroutine whose code runs now. Spawned states only, kept by the library's `resume` and `wrap`.
    running: Cell<*mut lua_State>,
    /// The coroutines that the library has resumed inside each other. Spawned states only.
    top: Cell<*const Link>,
    /// How many of them a coroutine has resumed that a C module had resumed.
    strangers: Cell<u32>,
    /// How many coroutines the library's own `resume` and `wrap` have resumed inside each other.
    depth: Cell<u32>,
    /// The C stack of the thread that runs the process. Spawned states only.
    #[cfg(feature = "luajit")]
    stack: Cell<CStack>,
}

impl Default for Chain {
    fn default() -> Self {
        Chain {
            main: Cell::new(ptr::null_mut()),
            running: Cell::new(ptr::null_mut()),
            top: Cell::new(ptr::null()),
            strangers: Cell::new(0),
            depth: Cell::new(0),
            #[cfg(feature = "luajit")]
            stack: Cell::default(),
        }
    }
}

impl Chain {
    /// The state with this main thread is there.
    pub fn begin(&self, main: *mut lua_State) {
        self.main.set(main);
        self.running.set(main);
    }

    /// The state is going to be closed: its main thread.
    pub fn end(&self) -> *mut lua_State {
        self.main.replace(ptr::null_mut())
    }

    /// The state's main thread; null while there is no state.
    #[inline(always)]
    pub fn main(&self) -> *mut lua_State {
        self.main.get()
    }

    /// The coroutine whose code runs now, in a spawned state.
    #[inline(always)]
    pub fn running(&self) -> *mut lua_State {
        self.running.get()
    }

    /// The coroutine whose code runs now is this one.
    #[inline(always)]
    pub fn set_running(&self, co: *mut lua_State) {
        self.running.set(co);
    }

    /// How many coroutines the library's own `resume` and `wrap` have resumed inside each other.
    #[inline(always)]
    pub fn depth(&self) -> u32 {
        self.depth.get()
    }

    /// So many coroutines are resumed inside each other now.
    #[inline(always)]
    pub fn set_depth(&self, depth: u32) {
        self.depth.set(depth);
    }

    /// The calling thread runs the process from now on.
    #[cfg(feature = "luajit")]
    pub fn set_stack(&self, stack: CStack) {
        self.stack.set(stack);
    }

    /// Bytes that are left of the C stack of the thread that runs the process.
    #[cfg(feature = "luajit")]
    pub fn stack_left(&self) -> usize {
        self.stack.get().remaining()
    }

    /// No stranger has resumed anything that the library has resumed in turn.
    pub fn has_no_strangers(&self) -> bool {
        self.strangers.get() == 0
    }

    /// `from` is about to resume `co`: what has to be given to [`Chain::enter`], and back to [`Chain::back`].
    ///
    /// Stack: 0
    /// Raises: never
    ///
    /// # Safety
    /// Own state; `from` runs, and `co` can be resumed.
    #[inline(always)]
    pub unsafe fn link(&self, from: *mut lua_State, co: *mut lua_State) -> Link {
        let running = self.running.get();
        // SAFETY: as the caller says.
        let by_stranger = running != from && unsafe { self.is_stranger(from) };
        Link { co, before: self.top.get(), running, by_stranger }
    }

    /// The coroutine of the link runs now.
    #[inline(always)]
    pub fn enter(&self, link: &Link) {
        self.strangers.set(self.strangers.get() + u32::from(link.by_stranger));
        self.top.set(link);
        self.running.set(link.co);
    }

    /// It has come back.
    #[inline(always)]
    pub fn back(&self, link: &Link) {
        self.running.set(link.running);
        self.top.set(link.before);
        self.strangers.set(self.strangers.get() - u32::from(link.by_stranger));
    }

    /// After a jump nothing of the chain is there any more.
    pub fn forget(&self) {
        self.top.set(ptr::null());
        self.strangers.set(0);
        self.running.set(self.main.get());
    }

    /// Whether a C module has resumed `l`, which runs. One that a module calls without having resumed it is none: it waits,
    /// or is in the chain.
    ///
    /// Stack: 0
    /// Raises: never
    ///
    /// # Safety
    /// Own state.
    #[cold]
    unsafe fn is_stranger(&self, l: *mut lua_State) -> bool {
        // SAFETY: own state.
        l != self.main.get() && unsafe { lua_status(l) } == LUA_OK && !self.has_resumed(|co| co == l)
    }

    /// Whether the library has resumed a coroutine, not come back yet, for which this is true. For the signal handler, too.
    pub fn has_resumed(&self, mut test: impl FnMut(*mut lua_State) -> bool) -> bool {
        let mut link = self.top.get();
        // SAFETY: a link stays where it is until it is taken off.
        while let Some(&Link { co, before, .. }) = unsafe { link.as_ref() } {
            if test(co) {
                return true;
            }
            link = before;
        }
        false
    }

    /// Whether a jump from `l`, which runs, to the entry frame crosses only what the library has resumed itself.
    ///
    /// Stack: 0
    /// Raises: never
    ///
    /// # Safety
    /// Own state; `l` runs.
    pub unsafe fn may_be_left(&self, l: *mut lua_State) -> bool {
        // SAFETY: as the caller says.
        self.strangers.get() == 0 && (self.running.get() == l || !unsafe { self.is_stranger(l) })
    }
}

#[cfg(test)]
mod tests;
