//! What an encoding puts aside: tables that serve as keys or stand deeper than the walk goes, and what functions have captured.
//! They wait in a Lua table that every state has, behind what it keeps, and are written behind the values. Filling in may put
//! more aside. Nothing on the way lets the collector run: no object is made, and growing a table does not.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::encode::{Aside, Encoder};
use super::place::Place;
use crate::runtime::failure::Failure;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::standard;
use crate::wire::tag;
use std::ffi::c_int;

/// The table is made small again if more than so many have waited there.
const FEW: usize = 256;

impl Encoder {
    /// Writes a reference to the table at `index`, which comes later. `reference` has just remembered it.
    ///
    /// Stack: 0, room for 4
    /// Raises: memory, if the VM has none for a stack
    ///
    /// # Safety
    /// Own state; a table is at `index`.
    pub(super) unsafe fn put_aside(
        &mut self,
        l: *mut lua_State,
        index: c_int,
        place: impl FnOnce() -> String,
    ) {
        let id = self.share(lua_topointer(l, index));
        self.keep_aside(l, index, id, place());
        self.out.put_tagged(tag::TABLE_REF, id);
    }

    /// Keeps what stands at `index` to be filled in behind the values.
    ///
    /// Stack: 0, room for 4
    /// Raises: memory, if the VM has none for a stack
    ///
    /// # Safety
    /// Own state.
    pub(super) unsafe fn keep_aside(&mut self, l: *mut lua_State, index: c_int, id: u32, place: String) {
        let index = lua_absindex(l, index);
        // A limit of the process's memory must not raise.
        let context = Context::of_state(l);
        let limit = context.budget().set_limit(0);
        lua_checkstack(l, 4);
        self.aside.push(Aside { id, place, of_entry: self.of_entry });
        standard::push_kept(l);
        lua_pushvalue(l, index);
        lua_rawseti(l, -2, position(context, self.aside.len()));
        lua_pop(l, 1);
        context.budget().set_limit(limit);
    }

    /// Fills in what was put aside, and what is put aside meanwhile.
    ///
    /// Stack: 0
    /// Raises: memory
    ///
    /// # Safety
    /// Own state; `top` is the top of its stack.
    pub(super) unsafe fn fill_aside(&mut self, l: *mut lua_State, top: c_int) -> Result<(), Failure> {
        let mut done = 0;
        let mut result = Ok(());
        while result.is_ok() && done < self.aside.len() {
            let Aside { id, place, of_entry } = &self.aside[done];
            let (id, place) = (*id, place.clone());
            self.of_entry = *of_entry;
            done += 1;
            lua_settop(l, top);
            standard::push_kept(l);
            lua_rawgeti(l, -1, position(Context::of_state(l), done));
            lua_remove(l, -2);
            if lua_type(l, -1) == LUA_TFUNCTION {
                result = self.fill_function(l, id, &place);
                continue;
            }
            self.out.put_tagged(tag::FILL, id);
            result = self.walk(l, || Place { text: place.clone(), under_way: true });
        }
        self.forget_aside(l);
        result
    }

    /// Forgets what was put aside.
    ///
    /// Stack: 0, room for 4
    /// Raises: memory
    ///
    /// # Safety
    /// Own state.
    pub(super) unsafe fn forget_aside(&mut self, l: *mut lua_State) {
        if self.aside.is_empty() {
            return;
        }
        let context = Context::of_state(l);
        lua_checkstack(l, 4);
        standard::push_kept(l);
        for number in 1..=self.aside.len() {
            lua_pushnil(l);
            lua_rawseti(l, -2, position(context, number));
        }
        if self.aside.len() > FEW {
            let limit = context.budget().set_limit(0);
            shrink(l);
            context.budget().set_limit(limit);
        }
        lua_pop(l, 1);
        self.aside.clear();
    }
}

/// Where what was put aside as this one, counted from 1, waits.
fn position(context: &Context, number: usize) -> lua_Integer {
    (standard::kept_count(context) + number) as lua_Integer
}

/// Has the table on top give back the room that it does not need: it does so when a new key finds none free.
///
/// Stack: 0, room for 1
/// Raises: memory
///
/// # Safety
/// Own state; a table of the library's is on top.
unsafe fn shrink(l: *mut lua_State) {
    const KEYS: lua_Integer = 4;
    for key in -KEYS..0 {
        lua_pushboolean(l, 1);
        lua_rawseti(l, -2, key);
    }
    for key in -KEYS..0 {
        lua_pushnil(l);
        lua_rawseti(l, -2, key);
    }
}
