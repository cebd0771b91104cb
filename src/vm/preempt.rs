//! Makes computing code on a pool host give way to other processes, at no cost while nobody asks.
//!
//! When others are ready, the overseer of the pool asks a step that goes on too long ([`crate::runtime::pool`]). The thread gets
//! the library's OS signal, and its handler sets a count hook on the running coroutine, unless the process has set a hook of its
//! own. The hook removes itself and yields, once. Such a coroutine is *paused*. The library's `coroutine.resume` and `wrap` pass
//! the pause outwards like a wait, up to the scheduler, which resumes the coroutine first in the next step. So no other code of
//! the process runs meanwhile, and nobody there can notice.
//!
//! If the hook cannot yield (callbacks of `table.sort`), it tries again a little later. A pause that cannot be passed on ends at
//! once. Finalizers and closing states are never interrupted.

use super::api::*;
use super::context::Context;
use super::inquiry;

/// After how many instructions a hook that cannot yield tries again.
const RETRY: i32 = 1000;

/// In the signal handler, while code of the process runs: sets the hook.
///
/// # Safety
/// In the signal handler, on the thread that runs the state of `context`.
pub unsafe fn ask(context: &Context) {
    let l = hooked_by(context, context.chain().running());
    let between = cfg!(feature = "lua54") && l == context.chain().main();
    // SAFETY: the coroutine that the handler has interrupted; hooks may be set in a handler.
    unsafe {
        if !between && lua_gethook(l).is_none() {
            context.pause().hook(l, Some(give_way));
        }
    }
}

/// The hook. A coroutine inherits the hook of the one that has made it; there it was not asked for.
///
/// Stack: 0
/// Raises: any: yields
///
/// # Safety
/// Called by Lua, as a hook.
unsafe extern "C-unwind" fn give_way(l: *mut lua_State, _: *mut lua_Debug) {
    // SAFETY: own state.
    let Some(context) = (unsafe { Context::find(l) }) else { return };
    let pause = context.pause();
    let asked = pause.is_hooked(hooked_by(context, l));
    let own = asked && context.leaving().is_open() && context.chain().running() == l;
    // SAFETY: own state; `l` runs.
    unsafe {
        if own {
            inquiry::answer_if_asked(context);
        }
        if own && !can_yield(l) {
            lua_sethook(l, Some(give_way), LUA_MASKCOUNT, RETRY);
            return;
        }
        lua_sethook(l, None, 0, 0);
    }
    if asked {
        pause.hook_ran();
    }
    if own {
        pause.pause(l);
        // SAFETY: `l` may yield. The last thing here: on LuaJIT it does not return.
        unsafe { lua_yield(l, 0) };
    }
}

/// Where a hook for the coroutine `l` is set.
fn hooked_by(context: &Context, l: *mut lua_State) -> *mut lua_State {
    if cfg!(feature = "luajit") { context.chain().main() } else { l }
}
