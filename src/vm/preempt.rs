//! Having code that computes on a pool host give way to other processes, at no cost while nobody asks.
//!
//! The overseer of the pool asks a step that goes on while others are ready ([`crate::runtime::pool`]): the thread gets the
//! library's signal, whose handler sets a count hook on the coroutine that runs, unless the process has set a hook of its own.
//! The hook removes itself and yields, once. Such a coroutine is *paused*: whoever has resumed it in the library
//! (`coroutine.resume`, `wrap`) passes the pause outwards like a wait, up to the scheduler, which resumes it first in the next
//! step. So no other code of the process runs meanwhile, and nobody there can notice.
//!
//! Where the hook cannot yield (callbacks of `table.sort`) it tries again a little later. A pause that cannot be passed on ends
//! at once. Finalizers and closing states are never interrupted.

use super::api::*;
use super::context::Context;
use std::cell::Cell;
use std::ptr;

/// After how many instructions a hook that cannot yield tries again.
const RETRY: i32 = 1000;

/// What a context knows about being asked to give way.
pub struct Pause {
    /// The coroutine that the hook was set on; on LuaJIT, where hooks belong to the whole state, its main thread.
    hooked: Cell<*mut lua_State>,
    /// The coroutine that the hook has paused, until it goes on.
    paused: Cell<*mut lua_State>,
    /// The pause is on its way to the scheduler.
    passing: Cell<bool>,
}

impl Default for Pause {
    fn default() -> Self {
        Pause {
            hooked: Cell::new(ptr::null_mut()),
            paused: Cell::new(ptr::null_mut()),
            passing: Cell::new(false),
        }
    }
}

impl Pause {
    /// In the signal handler, while code of the process runs: sets the hook.
    pub unsafe fn ask(&self, context: &Context) {
        let l = hooked_by(context, context.running.get());
        let between = cfg!(feature = "lua54") && l == context.main_thread.get();
        if !between && lua_gethook(l).is_none() {
            self.hooked.set(l);
            lua_sethook(l, Some(give_way), LUA_MASKCOUNT, 1);
        }
    }

    /// The coroutine `co` does not run any more: it must not keep the hook.
    #[cfg(feature = "lua54")]
    #[inline]
    pub unsafe fn left(&self, co: *mut lua_State) {
        if self.hooked.get() == co && !co.is_null() {
            self.unhook();
        }
    }

    /// Nothing of the process runs any more.
    pub unsafe fn unhook(&self) {
        let l = self.hooked.replace(ptr::null_mut());
        if !l.is_null() && lua_gethook(l).is_some_and(|hook| hook as usize == give_way as *const () as usize)
        {
            lua_sethook(l, None, 0, 0);
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

/// The hook. A coroutine inherits the hook of the one that has made it; there it was not asked for.
unsafe extern "C-unwind" fn give_way(l: *mut lua_State, _: *mut lua_Debug) {
    let Some(context) = Context::find(l) else { return };
    let pause = &context.pause;
    let asked = pause.hooked.get() == hooked_by(context, l);
    let own = asked && context.interruptible.get() && context.running.get() == l;
    if own && !can_yield(l) {
        lua_sethook(l, Some(give_way), LUA_MASKCOUNT, RETRY);
        return;
    }
    lua_sethook(l, None, 0, 0);
    if asked {
        pause.hooked.set(ptr::null_mut());
    }
    if own {
        pause.paused.set(l);
        pause.passing.set(true);
        // The last thing here: on LuaJIT it does not return.
        lua_yield(l, 0);
    }
}

/// Where a hook for the coroutine `l` is set.
fn hooked_by(context: &Context, l: *mut lua_State) -> *mut lua_State {
    if cfg!(feature = "luajit") { context.main_thread.get() } else { l }
}
