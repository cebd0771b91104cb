//! Environments of functions that are not the globals but fall back to them (V-27): those of busted, of sandboxes, of strict scripts.
//! They arrive as tables with their own fields, which fall back to the receiver's globals.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::decode::Decoder;
use super::encode::Encoder;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::object;
use crate::vm::standard;
use crate::wire::tag;

/// How many tables may stand between an environment and the globals.
const STEPS: usize = 16;

impl Encoder {
    /// The value on top is the environment of a function: says so if it falls back to the globals.
    ///
    /// Stack: 0
    /// Raises: memory, if the VM has none for a stack
    ///
    /// # Safety
    /// Own state.
    pub(super) unsafe fn begin_environment(&mut self, l: *mut lua_State) {
        if lua_type(l, -1) != LUA_TTABLE || lua_checkstack(l, 8) == 0 {
            return;
        }
        let top = lua_gettop(l);
        if falls_back(l) {
            self.at_environment = true;
            self.out.put([tag::ENVIRONMENT]);
        }
        lua_settop(l, top);
    }
}

impl Encoder {
    /// Whether the value on top, a field of an environment, does not cross with it: an object of the program's, which the function may
    /// never use. What uses it finds a global in its place, or nil.
    ///
    /// Stack: 0
    /// Raises: memory, if the VM has none for a stack
    ///
    /// # Safety
    /// Own state; a value is on top.
    #[cold]
    pub(super) unsafe fn is_left_out(&mut self, l: *mut lua_State) -> bool {
        if lua_checkstack(l, 14) == 0 {
            return false;
        }
        let named = || standard::name_at(l, Context::of_state(l), lua_gettop(l)).is_some();
        match lua_type(l, -1) {
            LUA_TTHREAD => true,
            LUA_TUSERDATA => object::class_of(l, -1).is_none(),
            LUA_TFUNCTION => lua_iscfunction(l, -1) != 0 && !named(),
            LUA_TTABLE => {
                let object = lua_getmetatable(l, -1) != 0;
                if object {
                    lua_settop(l, -2);
                }
                object && !named() && !self.is_known_module(l)
            }
            LUA_TNUMBER | LUA_TSTRING | LUA_TBOOLEAN | LUA_TLIGHTUSERDATA => false,
            // A cdata of LuaJIT.
            _ => true,
        }
    }
}

/// Whether the table on top, which is not the globals, leads to them by `__index`, or to a function, which may.
///
/// Stack: +n, room for 8
/// Raises: never
///
/// # Safety
/// Own state.
unsafe fn falls_back(l: *mut lua_State) -> bool {
    push_globals(l);
    let globals = lua_gettop(l);
    lua_pushvalue(l, globals - 1);
    for step in 0..STEPS {
        if lua_rawequal(l, -1, globals) != 0 {
            return step > 0;
        }
        match lua_type(l, -1) {
            LUA_TFUNCTION => return step > 0,
            LUA_TTABLE if lua_getmetatable(l, -1) != 0 => {}
            _ => return false,
        }
        if !find_index(l) {
            return false;
        }
        // Only the fallback is looked at next.
        lua_replace(l, globals + 1);
        lua_settop(l, globals + 1);
    }
    false
}

/// Pushes `__index` of the table on top. Makes no string, so that the collector need not run.
///
/// Stack: +1, or +n if there is none; room for 3
/// Raises: never
///
/// # Safety
/// Own state; a table is on top.
unsafe fn find_index(l: *mut lua_State) -> bool {
    lua_pushnil(l);
    while lua_next(l, -2) != 0 {
        if lua_type(l, -2) == LUA_TSTRING && to_bytes(l, -2) == Some(b"__index") {
            return true;
        }
        lua_settop(l, -2);
    }
    false
}

impl Decoder<'_> {
    /// Pushes the environment that comes next.
    ///
    /// Raises: any
    ///
    /// # Safety
    /// As [`super::decode::push`].
    pub(super) unsafe fn environment(&mut self) -> Option<()> {
        let l = self.l;
        self.value()?;
        if lua_type(l, -1) != LUA_TTABLE {
            return None;
        }
        luaL_checkstack(l, 4, std::ptr::null());
        lua_createtable(l, 0, 1);
        push_globals(l);
        set_raw_field(l, -2, c"__index");
        lua_setmetatable(l, -2);
        Some(())
    }
}

/// The name of the captured local that is the environment of a function.
pub(super) fn is_environment(name: &[u8]) -> bool {
    cfg!(feature = "lua54") && name == b"_ENV"
}
