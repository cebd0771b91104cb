//! Lua states of spawned processes: their allocator, which counts memory and leads to the context, and their birth.

use super::api::*;
use super::context::Context;
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

/// Bytes that a state uses, and may use.
#[derive(Default)]
pub struct Memory {
    used: Cell<usize>,
    /// Bytes that values of the state keep outside it.
    outside: Cell<usize>,
    /// 0 for no limit. Set only while failures are caught: what has to be done in any case must not fail.
    limit: Cell<usize>,
}

impl Memory {
    /// From now on the state gets no more than `limit` bytes, 0 for any number. Gives the limit before.
    pub fn set_limit(&self, limit: usize) -> usize {
        self.limit.replace(limit)
    }

    /// What values keep outside the state has changed by this: whether it is more than allowed now.
    pub fn reweigh(&self, old: usize, new: usize) -> bool {
        self.outside.set(self.outside.get().saturating_sub(old).saturating_add(new));
        let limit = self.limit.get();
        new > old && limit != 0 && self.used.get().saturating_add(self.outside.get()) > limit
    }
}

/// The allocator of spawned states; `data` is the context.
unsafe extern "C" fn allocate(data: *mut c_void, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
    // SAFETY: a state is closed before its context is dropped, and only one thread at a time runs it.
    let context = &*data.cast::<Context>();
    let memory = &context.memory;
    let old = if block.is_null() { 0 } else { old };
    if new == 0 {
        libc::free(block);
        memory.used.set(memory.used.get() - old);
        return ptr::null_mut();
    }
    let used = memory.used.get() - old + new;
    if new > old && memory.limit.get() != 0 {
        let outside = memory.outside.get().saturating_add(context.process.charged());
        if used.saturating_add(outside) > memory.limit.get() {
            return ptr::null_mut();
        }
    }
    let grown = libc::realloc(block, new);
    if !grown.is_null() {
        memory.used.set(used);
    }
    grown
}

/// The context of a spawned state, `None` for any other state.
#[inline]
pub unsafe fn context_behind_allocator<'a>(l: *mut lua_State) -> Option<&'a Context> {
    let mut data = ptr::null_mut();
    let allocator = lua_getallocf(l, &mut data);
    if allocator as usize == allocate as *const () as usize { Some(&*data.cast::<Context>()) } else { None }
}

/// Makes an empty state for `context`, `None` if there is no memory.
///
/// # Safety
/// The context stays where it is until [`close`].
pub unsafe fn open(context: &Context) -> Option<*mut lua_State> {
    let data = ptr::from_ref(context).cast_mut().cast::<c_void>();
    let l = lua_newstate(allocate, data);
    if l.is_null() {
        return None;
    }
    context.main_thread.set(l);
    context.running.set(l);
    Some(l)
}

/// Closes the state; finalizers run.
///
/// # Safety
/// Nothing of the state is used afterwards, and none of its code is running.
pub unsafe fn close(context: &Context) {
    let l = context.main_thread.replace(ptr::null_mut());
    context.closing.set(true);
    context.memory.set_limit(0);
    lua_settop(l, 0);
    lua_close(l);
}
