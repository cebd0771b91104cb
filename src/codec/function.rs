//! Functions as bytes: their binary chunk and what they have captured, or the name of one of the standard library.
//!
//! Captured locals are written behind the values, like tables that were put aside: so a function may capture itself, and
//! nesting needs no recursion.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::decode::Decoder;
use super::encode::Encoder;
use super::environment::is_environment;
use super::place::{self, Place};
use super::scalar::Refusal;
use crate::runtime::failure::{Failure, shown};
use crate::runtime::libraries::Libraries;
use crate::runtime::needs::Needs;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::kind::Kept;
use crate::vm::standard;
use crate::wire::{put_bytes, tag};
use std::ffi::{CStr, c_int};

/// What is known of a captured local in the decoder's table of shared things: under its id the function that has it, under the
/// negative id its number there.
const NUMBER_OF: lua_Integer = -1;

impl Encoder {
    /// Writes the function at `index`; what it has captured is put aside.
    ///
    /// Stack: 0, room for 12
    /// Raises: memory
    ///
    /// # Safety
    /// Own state; a function is at `index`.
    pub(super) unsafe fn function(
        &mut self,
        l: *mut lua_State,
        index: c_int,
        place: impl Fn() -> String,
    ) -> Result<(), Failure> {
        let index = lua_absindex(l, index);
        let is_entry = std::mem::take(&mut self.at_entry);
        if self.named(l, index, &place)? || !is_entry && self.is_module(l, lua_topointer(l, index)) {
            return Ok(());
        }
        if lua_iscfunction(l, index) != 0 || standard::is_ours(l, index) {
            self.note_module(l, lua_topointer(l, index));
            return Err(Refusal::Type("function").failure(place()));
        }
        if self.reference(lua_topointer(l, index)) {
            return Ok(());
        }
        self.refuse_function(l, &place)?;
        self.need(l, Libraries::NONE);
        lua_pushvalue(l, index);
        let chunk = dump(l);
        lua_pop(l, 1);
        if chunk.is_empty() {
            return Err(Refusal::Type("function").failure(place()));
        }
        let id = self.share(lua_topointer(l, index));
        self.out.put_tagged(tag::FUNCTION, id);
        let mut bytes = Vec::with_capacity(chunk.len() + 10);
        put_bytes(&mut bytes, &chunk);
        self.out.put_slice(&bytes);
        if has_captures(l, index) {
            self.keep_aside(l, index, id, place());
        }
        Ok(())
    }

    /// Writes what stands at `index` by its name, if it is of the standard library or of this one, or is the table of globals.
    ///
    /// Stack: 0
    /// Raises: memory
    ///
    /// # Safety
    /// Own state.
    pub(super) unsafe fn named(
        &mut self,
        l: *mut lua_State,
        index: c_int,
        place: &impl Fn() -> String,
    ) -> Result<bool, Failure> {
        let context = Context::of_state(l);
        let index = lua_absindex(l, index);
        if lua_checkstack(l, 12) == 0 {
            return Err(Failure::OutOfMemory);
        }
        push_globals(l);
        let globals = lua_rawequal(l, -1, index) != 0;
        lua_pop(l, 1);
        if globals {
            self.refuse_function(l, place)?;
            self.need(l, Libraries::NONE);
            self.out.put([tag::GLOBALS]);
            return Ok(true);
        }
        let known = standard::name_at(l, context, index).or_else(|| self.module_at(l, context, index));
        let Some((name, library)) = known else {
            return Ok(false);
        };
        self.refuse_function(l, place)?;
        if self.receiver.as_ref().is_some_and(|receiver| !receiver.libraries.contain(library)) {
            let what = if lua_type(l, index) == LUA_TTABLE { "table" } else { "function" };
            return Err(Refusal::Type(what).failure(place()));
        }
        self.need(l, library);
        self.out.put([tag::NAMED]);
        let mut bytes = Vec::with_capacity(name.len() + 2);
        put_bytes(&mut bytes, name);
        self.out.put_slice(&bytes);
        Ok(true)
    }

    /// The module that the table at `index` is, if it is one of those that the interpreter's `require` loads without a file.
    ///
    /// Stack: 0, room for 8
    /// Raises: memory
    ///
    /// # Safety
    /// Own state; `context` is its context.
    unsafe fn module_at(
        &mut self,
        l: *mut lua_State,
        context: &Context,
        index: c_int,
    ) -> Option<(&'static [u8], Libraries)> {
        if cfg!(feature = "lua54") || lua_type(l, index) != LUA_TTABLE {
            return None;
        }
        let modules = self.modules.get_or_insert_with(|| {
            let mut modules = Kept::default();
            standard::loaded_modules(l, context, &mut modules);
            modules
        });
        modules.get(&(lua_topointer(l, index) as usize)).map(|&place| standard::name_of(place))
    }

    /// A function of this process is in the sequence, which names one of these libraries.
    ///
    /// Stack: 0
    /// Raises: never
    ///
    /// # Safety
    /// Own state.
    unsafe fn need(&mut self, l: *mut lua_State, libraries: Libraries) {
        self.needs = self.needs.and(own_function(l, libraries));
    }

    /// Refuses a function that the receiver does not take, if this encoding is made to find out why.
    ///
    /// Stack: 0
    /// Raises: never
    ///
    /// # Safety
    /// Own state.
    unsafe fn refuse_function(&self, l: *mut lua_State, place: &impl Fn() -> String) -> Result<(), Failure> {
        match &self.receiver {
            Some(taker) if !taker.takes(own_function(l, Libraries::NONE)) => {
                let place = shown(place().as_bytes());
                Err(Failure::CannotSendTo { what: "function", place, host: taker.name.to_string() })
            }
            _ => Ok(()),
        }
    }

    /// Writes what the function on top, known by `id`, has captured. Pops it.
    ///
    /// Stack: -1
    /// Raises: memory
    ///
    /// # Safety
    /// Own state; the function is on top.
    pub(super) unsafe fn fill_function(
        &mut self,
        l: *mut lua_State,
        id: u32,
        place: &str,
    ) -> Result<(), Failure> {
        let function = lua_gettop(l);
        self.out.put_tagged(tag::FILL_FUNCTION, id);
        let mut number = 1;
        loop {
            let name = lua_getupvalue(l, function, number);
            if name.is_null() {
                break;
            }
            let local = upvalue_id(l, function, number);
            let known = self.shared_id(local);
            let id = known.unwrap_or_else(|| self.share(local));
            self.out.put_tagged(1, id);
            if known.is_none() {
                let name = CStr::from_ptr(name).to_string_lossy();
                let name = if name.is_empty() || name.starts_with('(') { "?".into() } else { name };
                if is_environment(name.as_bytes()) {
                    self.begin_environment(l);
                }
                self.value_inside(l, lua_gettop(l), &|| {
                    Place::begun(place::inside(place, &format!("local {}", shown(name.as_bytes()))))
                })?;
            }
            lua_settop(l, function);
            number += 1;
        }
        self.out.put([0]);
        #[cfg(feature = "luajit")]
        {
            lua_getfenv(l, function);
            push_globals(l);
            let usual = lua_rawequal(l, -1, -2) != 0;
            lua_pop(l, 1);
            self.out.put([u8::from(!usual)]);
            if !usual {
                self.begin_environment(l);
                let environment = || Place::begun(place::inside(place, "environment"));
                self.value_inside(l, lua_gettop(l), &environment)?;
            }
        }
        lua_settop(l, function - 1);
        Ok(())
    }
}

/// What a function of the process that encodes needs, if it names these libraries.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state.
unsafe fn own_function(l: *mut lua_State, libraries: Libraries) -> Needs {
    Needs { functions: true, libraries, origin: Context::of_state(l).process().taker().origin() }
}

/// Whether a function has anything to be filled in.
///
/// Stack: 0, room for 2
/// Raises: never
///
/// # Safety
/// Own state; a function is at `index`.
unsafe fn has_captures(l: *mut lua_State, index: c_int) -> bool {
    if !lua_getupvalue(l, index, 1).is_null() {
        lua_pop(l, 1);
        return true;
    }
    #[cfg(feature = "luajit")]
    {
        lua_getfenv(l, index);
        push_globals(l);
        let usual = lua_rawequal(l, -1, -2) != 0;
        lua_pop(l, 2);
        !usual
    }
    #[cfg(feature = "lua54")]
    false
}

impl Decoder<'_> {
    /// Pushes a function without what it has captured.
    ///
    /// Raises: any
    ///
    /// # Safety
    /// As [`super::decode::push`].
    pub(super) unsafe fn function(&mut self) -> Option<()> {
        let l = self.l;
        let id = self.reader.u32()?;
        let chunk = self.reader.bytes()?;
        if lua_checkstack(l, 8) == 0 {
            raise(l, 0, b"stack overflow (a message is nested too deeply here)");
        }
        if load(l, chunk, c"=function", c"b") != LUA_OK {
            lua_error(l);
        }
        lua_pushvalue(l, -1);
        lua_rawseti(l, self.shared, lua_Integer::from(id));
        Some(())
    }

    /// Pushes what has this name here.
    ///
    /// Raises: any: a module may be loaded
    ///
    /// # Safety
    /// As [`super::decode::push`].
    pub(super) unsafe fn named(&mut self) -> Option<()> {
        let name = self.reader.bytes()?;
        if lua_checkstack(self.l, 12) == 0 {
            raise(self.l, 0, b"stack overflow (a message is nested too deeply here)");
        }
        standard::push_named(self.l, Context::of_state(self.l), name).then_some(())
    }

    /// Gives the function on top what it has captured, and pops it.
    ///
    /// Raises: any
    ///
    /// # Safety
    /// As [`super::decode::push`]; the function is on top.
    pub(super) unsafe fn fill_function(&mut self) -> Option<()> {
        let l = self.l;
        lua_checkstack(l, 8);
        let function = lua_gettop(l);
        let mut number = 1;
        while self.reader.byte()? != 0 {
            let id = lua_Integer::from(self.reader.u32()?);
            if lua_rawgeti(l, self.shared, id) == LUA_TFUNCTION {
                lua_rawgeti(l, self.shared, NUMBER_OF * id);
                let first = lua_tonumber(l, -1) as c_int;
                lua_pop(l, 1);
                lua_upvaluejoin(l, function, number, function + 1, first);
            } else {
                lua_pop(l, 1);
                // Known before its value is decoded: that may be a function which has captured it too.
                lua_pushvalue(l, function);
                lua_rawseti(l, self.shared, id);
                push_whole(l, i64::from(number));
                lua_rawseti(l, self.shared, NUMBER_OF * id);
                self.value()?;
                lua_setupvalue(l, function, number);
            }
            lua_settop(l, function);
            number += 1;
        }
        #[cfg(feature = "luajit")]
        if self.reader.byte()? != 0 {
            self.value()?;
            lua_setfenv(l, function);
        }
        lua_settop(l, function - 1);
        Some(())
    }
}

/// Whether bytes from elsewhere may be decoded in this process, and why not.
///
/// # Errors
/// They need what its host does not give.
pub fn check_taken(context: &Context, bytes: &[u8], place: &'static str) -> Result<(), Failure> {
    let taker = context.process().taker();
    if taker.takes(Needs::of(bytes)) {
        return Ok(());
    }
    Err(Failure::CannotSendTo { what: "function", place: place.into(), host: taker.name.to_string() })
}
