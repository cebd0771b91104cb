//! Userdata of the library: a Rust value behind a word that says what it is.
//!
//! The first word of every userdata of ours is the address of its [`Class`]; no userdata of others begins with that. So a
//! userdata is recognised without looking at its metatable, which `debug.setmetatable` can exchange.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::api::*;
use super::class::{Class, class_at};
use super::context::Context;
use super::faces;
use super::finalizer;
use super::headroom;
use crate::platform;
use std::ffi::c_int;
use std::ptr;

/// A Rust value that lives in a userdata of its own class.
pub trait Object: Sized + 'static {
    /// The class.
    const CLASS: &'static Class;

    /// Bytes that the value keeps outside the Lua state. They count towards the memory of the process.
    fn weight(&self) -> usize {
        0
    }
}

#[repr(C)]
struct Block<T> {
    class: *const Class,
    value: T,
}

/// Creates a userdata and pushes it. May raise; `value` must have no destructor that matters then (see [`super::api`]).
///
/// Stack: +1, room for 6
/// Raises: memory
///
/// # Safety
/// Own state. `value` needs no destructor.
pub unsafe fn push<T: Object>(l: *mut lua_State, value: T) {
    let place = reserve::<T>(l);
    ptr::write(place, value);
    confirm::<T>(l);
}

/// Pushes a userdata that is not yet of any class and gives the place for its value. For values with destructors: write
/// the value there, then call [`confirm`], with nothing in between that can raise.
///
/// Stack: +1, room for 6
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn reserve<T: Object>(l: *mut lua_State) -> *mut T {
    if std::mem::needs_drop::<T>() && platform::has_any_limit() {
        headroom::collect_if_due(l);
    }
    push_metatable::<T>(l);
    #[cfg(feature = "lua54")]
    let block = lua_newuserdatauv(l, size_of::<Block<T>>(), 1).cast::<Block<T>>();
    #[cfg(feature = "luajit")]
    let block = lua_newuserdata(l, size_of::<Block<T>>()).cast::<Block<T>>();
    (*block).class = ptr::null();
    lua_insert(l, -2);
    lua_setmetatable(l, -2);
    &raw mut (*block).value
}

/// Makes the userdata from [`reserve`] one of its class. Once everything is in order, it raises if the value weighs more than the
/// process may use.
///
/// Stack: 0
/// Raises: memory
///
/// # Safety
/// Own state; what `reserve` pushed is on top, and its value is written.
pub unsafe fn confirm<T: Object>(l: *mut lua_State) {
    let block = lua_touserdata(l, -1).cast::<Block<T>>();
    (*block).class = T::CLASS;
    let weight = (*block).value.weight();
    if weight > 0 {
        change_weight(l, 0, weight);
    }
}

/// What the values of a process keep outside its Lua state has changed. Raises if it has become more than the process may use,
/// and garbage is not to blame.
///
/// Stack: 0
/// Raises: memory
///
/// # Safety
/// Own state. Nothing to drop.
pub unsafe fn change_weight(l: *mut lua_State, old: usize, new: usize) {
    if !headroom::reweigh(l, old, new) {
        out_of_memory(l);
    }
}

/// The value in the userdata at `index`, `None` if it is anything else. It lives as long as the userdata.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state. Values stay.
pub unsafe fn get<'a, T: Object>(l: *mut lua_State, index: c_int) -> Option<&'a T> {
    if class_at(l, index)? != ptr::from_ref(T::CLASS) {
        return None;
    }
    Some(&(*lua_touserdata(l, index).cast::<Block<T>>()).value)
}

/// The class of the userdata at `index`, `None` if it is not one of ours.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state.
pub unsafe fn class_of(l: *mut lua_State, index: c_int) -> Option<&'static Class> {
    let found = class_at(l, index)?;
    faces::get().classes.iter().copied().find(|class| ptr::from_ref(*class) == found)
}

/// Pushes the metatable of the class, made at first use.
///
/// Stack: +1, room for 5
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn push_metatable<T: Object>(l: *mut lua_State) {
    if lua_rawgetp(l, LUA_REGISTRYINDEX, ptr::from_ref(T::CLASS).cast()) == LUA_TTABLE {
        return;
    }
    lua_pop(l, 1);
    headroom::unlimited(l, || make_metatable::<T>(l));
}

/// Pushes a new metatable of the class and keeps it in the registry.
///
/// Stack: +1, room for 5
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn make_metatable<T: Object>(l: *mut lua_State) {
    lua_createtable(l, 0, 8);
    lua_pushstring(l, T::CLASS.type_name.as_ptr());
    lua_pushvalue(l, -1);
    set_raw_field(l, -3, c"__name");
    set_raw_field(l, -2, c"__metatable");
    if std::mem::needs_drop::<T>() {
        finalizer::push(l, T::CLASS, drop_value::<T>);
        set_raw_field(l, -2, c"__gc");
    }
    (T::CLASS.fill)(l);
    lua_pushvalue(l, -1);
    lua_rawsetp(l, LUA_REGISTRYINDEX, ptr::from_ref(T::CLASS).cast());
}

/// Drops the value of the userdata at 1.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Called by the finalizer, for a userdata of the class of `T`.
unsafe fn drop_value<T: Object>(l: *mut lua_State) {
    let block = lua_touserdata(l, 1).cast::<Block<T>>();
    // Of no class any more: whoever still reaches it in another finalizer finds a strange userdata.
    (*block).class = ptr::null();
    let weight = (*block).value.weight();
    if weight > 0
        && let Some(context) = Context::find(l)
    {
        context.budget().reweigh(weight, 0);
    }
    ptr::drop_in_place(&raw mut (*block).value);
}

#[cfg(test)]
mod tests;
