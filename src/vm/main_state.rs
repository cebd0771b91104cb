//! Lua states of main processes. The library neither makes nor closes them. It learns of their end from two objects in the
//! registry, and then gives everything back:
//!
//! 1. When the state closes, the *guard* is collected: the main process ends, and everything that was spawned from it.
//! 2. Finalizers that run later may still call the library, so the context stays until none is left. On Lua 5.4 that is when the
//!    closing state frees its last block, itself. The library sees that because it stands in for the state's allocator from step
//!    1 on. LuaJIT frees its memory in another way, but collects what finalizers have made in another round, up to ten times:
//!    there each guard makes the next one, and the last releases the context. Userdata that are collected even later hold the
//!    context themselves ([`super::context::Held`]).
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::api::*;
use super::context::Context;
use super::context_field::{context_of, set_context};
use crate::platform;
use crate::runtime::{lookout, program};
use std::ffi::c_int;
use std::ptr;

/// Makes `l`'s state a main process, if it is no process yet.
///
/// # Errors
/// The operating system has no descriptor left.
///
/// Stack: 0, room for 8
/// Raises: memory
///
/// # Safety
/// Own state, which the library has not made.
pub unsafe fn open(l: *mut lua_State) -> std::io::Result<()> {
    if Context::find(l).is_some() {
        return Ok(());
    }
    platform::remember_handlers();
    // All that can raise comes first.
    push_guard(l, state_closes);
    lua_rawsetp(l, LUA_REGISTRYINDEX, guard_key());
    set_context(l, ptr::null());
    let main = main_thread(l);
    let libraries = super::standard::libraries_of_main(l);
    let context = Box::new(Context::new(program::open_main(libraries)?));
    context.chain().begin(main);
    set_context(l, Box::into_raw(context));
    Ok(())
}

/// Ends the main process whose state closes.
///
/// # Safety
/// On the thread that closes the state.
unsafe fn close(context: &Context) {
    context.write_reports();
    lookout::forget(context.process());
    context.forget_errands();
    context.forget_all_monitored();
    program::close_main(context.process());
}

/// First step of the end. In the severed child of a fork the state is a copy of one whose main process lives on elsewhere.
///
/// Stack: 0
/// Raises: memory
///
/// # Safety
/// Called by Lua, as a finalizer.
unsafe extern "C-unwind" fn state_closes(l: *mut lua_State) -> c_int {
    if let Some(context) = context_of(l)
        && !context.close()
        && !platform::fork::is_severed()
    {
        close(context);
        release_at_end(l, context);
    }
    0
}

/// Second step, on Lua 5.4: the state's allocator as it was, and what goes with the last block.
#[cfg(feature = "lua54")]
struct Remains {
    allocator: lua_Alloc,
    data: *mut std::ffi::c_void,
    context: *const Context,
}

/// Has the context go with the last block of the state.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state, which closes.
#[cfg(feature = "lua54")]
unsafe fn release_at_end(l: *mut lua_State, context: *const Context) {
    let mut data = ptr::null_mut();
    let allocator = lua_getallocf(l, &mut data);
    let remains = Box::new(Remains { allocator, data, context });
    lua_setallocf(l, allocate_at_end, Box::into_raw(remains).cast());
}

/// The allocator of a state that closes: as before, but the last block takes the context along.
///
/// # Safety
/// Called by Lua, as the allocator of a state that closes.
#[cfg(feature = "lua54")]
unsafe extern "C" fn allocate_at_end(
    remains: *mut std::ffi::c_void,
    block: *mut std::ffi::c_void,
    old: usize,
    new: usize,
) -> *mut std::ffi::c_void {
    let &Remains { allocator, data, context } = &*remains.cast::<Remains>();
    let state = (*context).chain().main() as usize;
    // For a block that does not exist yet, `old` is no size.
    let last = new == 0 && !block.is_null() && (block as usize..block as usize + old).contains(&state);
    let given = allocator(data, block, old, new);
    if last {
        // SAFETY: both were boxed on this page; the state is gone, and only it knew them.
        drop(Box::from_raw(context.cast_mut()));
        drop(Box::from_raw(remains.cast::<Remains>()));
    }
    given
}

/// Second step, on LuaJIT.
///
/// Stack: 0, room for 4
/// Raises: memory
///
/// # Safety
/// Own state, which closes.
#[cfg(feature = "luajit")]
unsafe fn release_at_end(l: *mut lua_State, _: *const Context) {
    // Collected in the next round, so that nothing has to refer to it. Raises without memory; then the context stays for ever.
    push_guard(l, state_has_closed);
    lua_pop(l, 1);
}

/// How many rounds of finalizers LuaJIT makes when it closes a state.
#[cfg(feature = "luajit")]
const ROUNDS: u32 = 10;

/// Another round of finalizers is over; the last takes the context along.
///
/// Stack: 0
/// Raises: memory
///
/// # Safety
/// Called by Lua, as a finalizer.
#[cfg(feature = "luajit")]
unsafe extern "C-unwind" fn state_has_closed(l: *mut lua_State) -> c_int {
    if let Some(context) = context_of(l) {
        // The first round was that of `state_closes`.
        let round = context.count_round();
        if round + 1 < ROUNDS {
            release_at_end(l, context);
            return 0;
        }
        let context = ptr::from_ref(context);
        set_context(l, ptr::null());
        // SAFETY: it was boxed by `open`, and the field was the only way to it beside its holders.
        Context::orphan(context);
    }
    0
}

/// The main thread of the state; on LuaJIT, which does not tell, the thread that asks, kept alive: any will do there.
///
/// Stack: 0, room for 1
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn main_thread(l: *mut lua_State) -> *mut lua_State {
    #[cfg(feature = "lua54")]
    {
        lua_rawgeti(l, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
        let main = lua_tothread(l, -1);
        lua_pop(l, 1);
        main
    }
    #[cfg(feature = "luajit")]
    {
        lua_pushthread(l);
        lua_rawsetp(l, LUA_REGISTRYINDEX, thread_key());
        l
    }
}

#[cfg(feature = "luajit")]
fn thread_key() -> *const std::ffi::c_void {
    static KEY: u8 = 2;
    ptr::from_ref(&KEY).cast()
}

fn guard_key() -> *const std::ffi::c_void {
    static KEY: u8 = 1;
    ptr::from_ref(&KEY).cast()
}

#[cfg(test)]
mod tests;
