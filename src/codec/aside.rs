//! What an encoding puts aside: tables that serve as keys or stand deeper than the walk goes, and what functions have captured.
//! It waits in a Lua table, under the ids by which it was referred to, and is written behind the values. Filling in may put
//! more aside.

use super::encode::Encoder;
use super::place::Place;
use super::tag;
use crate::runtime::failure::Failure;
use crate::vm::api::*;
use crate::vm::context::Context;
use std::ffi::c_int;
use std::ptr;

/// Where it waits.
static ASIDE: u8 = 0;

impl Encoder {
    /// Writes a reference to the table at `index`, which comes later. `reference` has just remembered it.
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
    pub(super) unsafe fn keep_aside(&mut self, l: *mut lua_State, index: c_int, id: u32, place: String) {
        let index = lua_absindex(l, index);
        // The table of tables allocates: the collector, and with it Lua code, must not run meanwhile, and a limit of the
        // process's memory must not raise.
        let limit = Context::find(l).map(|context| (context, context.memory.set_limit(0)));
        let held = CollectorHeld::hold(l);
        lua_checkstack(l, 4);
        push_own_table(l, &ASIDE);
        lua_pushvalue(l, index);
        lua_rawseti(l, -2, lua_Integer::from(id));
        lua_pop(l, 1);
        held.release(l);
        if let Some((context, limit)) = limit {
            context.memory.set_limit(limit);
        }
        self.aside.push((id, place));
    }

    /// Fills in what was put aside, and what is put aside meanwhile.
    pub(super) unsafe fn fill_aside(&mut self, l: *mut lua_State, top: c_int) -> Result<(), Failure> {
        let mut done = 0;
        let mut result = Ok(());
        while result.is_ok() && done < self.aside.len() {
            let (id, place) = (self.aside[done].0, self.aside[done].1.clone());
            done += 1;
            lua_settop(l, top);
            push_own_table(l, &ASIDE);
            lua_rawgeti(l, -1, lua_Integer::from(id));
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

    pub(super) unsafe fn forget_aside(&mut self, l: *mut lua_State) {
        if !self.aside.is_empty() {
            lua_pushnil(l);
            lua_rawsetp(l, LUA_REGISTRYINDEX, ptr::from_ref(&ASIDE).cast());
            self.aside.clear();
        }
    }
}
