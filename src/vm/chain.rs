//! Which coroutine of a spawned process runs, and whether what lies below it on the C stack may be left by a jump.
//!
//! The library resumes the coroutines of a spawned process by itself and notes each in a chain of links on the C stack. A C
//! module may resume one, too, and the library is not told: a *stranger*. Such a module (cqueues) may keep a record of what runs
//! on the C stack, so that its frames must not be jumped over. From a stranger an error is raised instead.

use super::api::*;
use super::context::Context;
use super::frame;
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

impl Context {
    /// `from` is about to resume `co`: what has to be given to [`Context::enter`], and back to [`Context::back`].
    #[inline(always)]
    pub unsafe fn link(&self, from: *mut lua_State, co: *mut lua_State) -> Link {
        let running = self.running.get();
        let by_stranger = running != from && self.is_stranger(from);
        Link { co, before: self.chain.get(), running, by_stranger }
    }

    /// The coroutine of the link runs now.
    #[inline(always)]
    pub fn enter(&self, link: &Link) {
        self.strangers.set(self.strangers.get() + u32::from(link.by_stranger));
        self.chain.set(link);
        self.running.set(link.co);
    }

    /// It has come back.
    #[inline(always)]
    pub fn back(&self, link: &Link) {
        self.running.set(link.running);
        self.chain.set(link.before);
        self.strangers.set(self.strangers.get() - u32::from(link.by_stranger));
    }

    /// After a jump nothing of the chain is there any more.
    pub fn forget_chain(&self) {
        self.chain.set(ptr::null());
        self.strangers.set(0);
        self.running.set(self.main_thread.get());
    }

    /// Whether a C module has resumed `l`, which runs. One that a module calls without having resumed it is none: it waits,
    /// or is in the chain.
    #[cold]
    unsafe fn is_stranger(&self, l: *mut lua_State) -> bool {
        l != self.main_thread.get() && lua_status(l) == LUA_OK && !self.has_resumed(|co| co == l)
    }

    /// Whether the library has resumed a coroutine, not come back yet, for which this is true. For the signal handler, too.
    pub fn has_resumed(&self, mut test: impl FnMut(*mut lua_State) -> bool) -> bool {
        let mut link = self.chain.get();
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
    unsafe fn may_be_left(&self, l: *mut lua_State) -> bool {
        self.strangers.get() == 0 && (self.running.get() == l || !self.is_stranger(l))
    }

    /// Whether the process is to do nothing more of what it does.
    pub fn is_over(&self) -> bool {
        self.process.is_doomed() || self.outcome.borrow().is_some() || self.upgrade.borrow().is_some()
    }
}

/// Leaves everything that the process does, by a jump or, where that is not possible, by an error in `l`, again and again until
/// it is.
///
/// # Safety
/// `l` runs, inside a step of a spawned process that is over.
pub unsafe fn leave(l: *mut lua_State, context: &Context) -> ! {
    if context.may_be_left(l) {
        context.interruptible.set(false);
        // SAFETY: a step runs on top of the entry frame.
        frame::leave(&context.frame);
    }
    super::interrupt::insist(l, context);
    let text = if context.upgrade.borrow().is_some() { c"process upgraded" } else { c"process terminated" };
    lua_pushstring(l, text.as_ptr());
    lua_error(l)
}
