//! What a context knows about being asked to give way ([`super::preempt`]).

use super::api::*;
use std::cell::Cell;
use std::ptr;

/// What a context knows about being asked to give way.
pub struct Pause {
    /// The coroutine that the hook was set on; on LuaJIT, where hooks belong to the whole state, its main thread.
    hooked: Cell<*mut lua_State>,
    /// The hook that was set.
    hook: Cell<Option<lua_Hook>>,
    /// The coroutine that the hook has paused, until it goes on.
    paused: Cell<*mut lua_State>,
    /// The pause is on its way to the scheduler.
    passing: Cell<bool>,
}

impl Default for Pause {
    fn default() -> Self {
        Pause {
            hooked: Cell::new(ptr::null_mut()),
            hook: Cell::new(None),
            paused: Cell::new(ptr::null_mut()),
            passing: Cell::new(false),
        }
    }
}

impl Pause {
    /// Sets the hook on `l`, to be called before the next instruction. For the signal handler, too.
    ///
    /// Stack: 0
    /// Raises: never
    ///
    /// # Safety
    /// In the signal handler of the thread that runs `l`, or on that thread.
    pub unsafe fn hook(&self, l: *mut lua_State, hook: Option<lua_Hook>) {
        self.hooked.set(l);
        self.hook.set(hook);
        // SAFETY: own state; the handler may set hooks, too.
        unsafe { lua_sethook(l, hook, LUA_MASKCOUNT, 1) };
    }

    /// True if the hook was asked for on `l`.
    pub fn is_hooked(&self, l: *mut lua_State) -> bool {
        self.hooked.get() == l
    }

    /// The hook runs, and has taken itself away.
    pub fn hook_ran(&self) {
        self.hooked.set(ptr::null_mut());
    }

    /// The coroutine is about to yield, because it was asked to give way.
    pub fn pause(&self, co: *mut lua_State) {
        self.paused.set(co);
        self.passing.set(true);
    }

    /// The coroutine `co` does not run any more: it must not keep the hook.
    ///
    /// Stack: 0
    /// Raises: never
    ///
    /// # Safety
    /// Own state.
    #[cfg(feature = "lua54")]
    #[inline]
    pub unsafe fn left(&self, co: *mut lua_State) {
        if self.hooked.get() == co && !co.is_null() {
            // SAFETY: as the caller says.
            unsafe { self.unhook() };
        }
    }

    /// Nothing of the process runs any more.
    ///
    /// # Safety
    /// Own state.
    pub unsafe fn unhook(&self) {
        let l = self.hooked.replace(ptr::null_mut());
        let address = |hook: Option<lua_Hook>| hook.map_or(0, |hook| hook as usize);
        // SAFETY: a coroutine of the own state, which is alive as long as it is noted here.
        unsafe {
            if !l.is_null() && address(lua_gethook(l)) == address(self.hook.get()) {
                lua_sethook(l, None, 0, 0);
            }
        }
    }

    /// True if a coroutine that has just yielded did so because it, or one inside it, was paused.
    #[inline]
    pub fn is_passing(&self) -> bool {
        self.passing.get()
    }

    /// The pause has arrived at the scheduler, or cannot be passed on.
    pub fn arrive(&self) {
        self.passing.set(false);
    }

    /// True if `co` is the one that was paused: it goes on now.
    #[inline]
    pub fn goes_on(&self, co: *mut lua_State) -> bool {
        let own = self.paused.get() == co;
        if own {
            self.paused.set(ptr::null_mut());
        }
        own
    }
}
