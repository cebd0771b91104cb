//! Room in the memory of a process for what Rust gives to Lua. Pushing it must not raise while Rust owns it, since a raise passes
//! over Rust's stack without dropping anything.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::api::*;
use super::collector::collector_runs;
use super::context::Context;
use std::ffi::{c_int, c_void};

/// Whether so many bytes more are within the limit, after collecting garbage if need be. Finalizers may run: an allocation that
/// runs short collects without them, and what values keep outside the state is freed by theirs.
///
/// Stack: 0
/// Raises: memory
///
/// # Safety
/// Own state. No borrow: finalizers run.
pub unsafe fn make(l: *mut lua_State, bytes: usize) -> bool {
    let Some(context) = Context::find(l) else { return true };
    context.budget().has_room(bytes) || {
        collect(l, context);
        context.budget().has_room(bytes)
    }
}

/// What values keep outside the state has changed from `old` bytes to `new`. `false` if there is no room for that.
///
/// Stack: 0
/// Raises: memory
///
/// # Safety
/// Own state. No borrow: finalizers run.
pub unsafe fn reweigh(l: *mut lua_State, old: usize, new: usize) -> bool {
    let Some(context) = Context::find(l) else { return true };
    if context.budget().reweigh(old, new) {
        collect(l, context);
    } else if new > old {
        // The VM's collector takes it for so much more that was allocated.
        let outside = context.budget().grew_outside(new - old);
        if outside > 0 && collector_runs(l) == 1 {
            lua_gc(l, LUA_GCSTEP, (outside >> 10) as c_int);
        }
    }
    new <= old || context.budget().has_room(0)
}

/// Collects all garbage if so much is used that it should be: before an object is made whose finalizer gives memory back.
///
/// Stack: 0
/// Raises: memory
///
/// # Safety
/// Own state. No borrow: finalizers run.
pub unsafe fn collect_if_due(l: *mut lua_State) {
    if let Some(context) = Context::find(l)
        && context.budget().is_to_be_collected()
    {
        collect(l, context);
    }
}

/// Collects all garbage, unless the collector is stopped.
///
/// Stack: 0
/// Raises: memory
///
/// # Safety
/// Own state; `context` is its context. No borrow: finalizers run.
unsafe fn collect(l: *mut lua_State, context: &Context) {
    if collector_runs(l) == 1 {
        // An error in a finalizer leaves LuaJIT's collection. On Lua 5.4 none does.
        if cfg!(feature = "lua54") {
            context.budget().begin_to_collect();
        }
        lua_gc(l, LUA_GCCOLLECT, 0);
    }
    context.budget().collected();
}

/// What the memory of a context calls with itself when all garbage should be collected.
///
/// # Safety
/// It is the memory of a context, on the thread that runs its state.
pub unsafe fn on_memory_asks(memory: *const c_void) {
    ask_for_collection(Context::of_memory(memory));
}

/// Has all garbage of the process collected at the next chance, from within the allocator, which cannot do it: by a hook before
/// the next instruction. Without this the limit could be reached by garbage alone: what objects with finalizers hold is not freed
/// by the collection that Lua 5.4 makes when an allocation fails, and LuaJIT makes none.
///
/// # Safety
/// On the thread that runs the state of `context`; the VM may be in the middle of an allocation.
unsafe fn ask_for_collection(context: &Context) {
    let l = context.chain().main();
    if l.is_null() || context.is_closing() || context.is_collector_stopped() {
        return;
    }
    // Code that is compiled looks at no hook, but at this.
    #[cfg(feature = "luajit")]
    if collector_runs(l) == 1 {
        lua_gc(l, LUA_GCRESTART, 0);
    }
    let running = if cfg!(feature = "luajit") { l } else { context.chain().running() };
    let between = cfg!(feature = "lua54") && running == l;
    if context.leaving().is_open() && !between && lua_gethook(running).is_none() {
        lua_sethook(running, Some(collect_now), LUA_MASKCOUNT, 1);
    }
}

/// The hook: collects all garbage.
///
/// Stack: 0
/// Raises: memory
///
/// # Safety
/// Called by Lua, as a hook.
unsafe extern "C-unwind" fn collect_now(l: *mut lua_State, _: *mut lua_Debug) {
    lua_sethook(l, None, 0, 0);
    if let Some(context) = Context::find(l) {
        collect(l, context);
    }
}

/// Runs `push`, which pushes values of the library, so that no limit makes it raise. On Lua 5.4 no finalizer runs meanwhile,
/// which would have no limit either. What the finalizers do that run before this returns does not leave the process by a jump:
/// Rust may own something here.
///
/// Stack: as `push`
/// Raises: memory, and what `push` raises
///
/// # Safety
/// Own state. `push` runs no code of the user's.
pub unsafe fn unlimited<T>(l: *mut lua_State, push: impl FnOnce() -> T) -> T {
    let Some(context) = Context::find(l).filter(|context| context.budget().is_limited()) else {
        return push();
    };
    let stays = context.leaving().set_stays(true);
    let limit = context.budget().set_limit(0);
    let credit = Credit::give(l);
    let pushed = push();
    context.budget().set_limit(limit);
    credit.take_back(l);
    context.leaving().set_stays(stays);
    pushed
}

/// Keeps the collector from running for a while, and leaves no trace: it may stand still or be at work, in either of its modes.
///
/// To stop and restart it would have it begin a step at once, whatever it was waiting for. So Lua 5.4 is told that so much less
/// was allocated since the last step, and afterwards that it was not. If a step is due by then it is made. LuaJIT has no such
/// call: there the collector runs.
struct Credit(bool);

/// In KiB: more than any call allocates.
const CREDIT: c_int = if cfg!(target_pointer_width = "64") { 1 << 30 } else { 1 << 19 };

impl Credit {
    /// Gives the collector credit.
    ///
    /// Stack: 0
    /// Raises: never
    ///
    /// # Safety
    /// Own state.
    unsafe fn give(l: *mut lua_State) -> Self {
        let given = cfg!(feature = "lua54") && collector_runs(l) == 1;
        if given {
            lua_gc(l, LUA_GCSTEP, -CREDIT);
        }
        Credit(given)
    }

    /// Takes the credit back.
    ///
    /// Stack: 0
    /// Raises: never
    ///
    /// # Safety
    /// Own state, the one that got the credit.
    unsafe fn take_back(self, l: *mut lua_State) {
        if self.0 {
            lua_gc(l, LUA_GCSTEP, CREDIT);
        }
    }
}

/// As [`make`], for a string or a userdata with so many bytes that is to be pushed next. Raises, when `owned` is dropped, if
/// there is no room.
///
/// Stack: 0, room for 1
/// Raises: memory
///
/// # Safety
/// Own state. Nothing to drop but `owned`.
pub unsafe fn make_or_raise<T>(l: *mut lua_State, bytes: usize, owned: T) -> T {
    /// What the VM adds to either.
    const HEADER: usize = 128;
    if !make(l, bytes + HEADER) {
        drop(owned);
        out_of_memory(l);
    }
    owned
}

/// Pushes bytes that Rust owns. Raises, when they are freed, if there is no room for them.
///
/// Stack: +1
/// Raises: memory
///
/// # Safety
/// Own state. Nothing to drop but `bytes`.
pub unsafe fn push_owned(l: *mut lua_State, bytes: impl AsRef<[u8]>) {
    let bytes = make_or_raise(l, bytes.as_ref().len(), bytes);
    push_bytes(l, bytes.as_ref());
}

#[cfg(test)]
mod tests;
