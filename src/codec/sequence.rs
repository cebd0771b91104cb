//! A sequence of values as bytes: its beginning, its end, and the second look that functions take.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::encode::Encoder;
pub use super::place::Origin;
use super::place::{self, Place};
use crate::platform::reserve;
use crate::runtime::failure::Failure;
use crate::runtime::needs::Taker;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::wire::{HEADER, LEVELS, NEEDS};
use std::borrow::Cow;
use std::ffi::c_int;

impl Encoder {
    /// Encodes the `count` values from `first` on. Borrowed bytes are valid until the next encoding, or until the thread sleeps.
    ///
    /// `origin` says where the first of them comes from; arguments are counted on from it.
    ///
    /// # Errors
    /// A value that cannot cross, with its place; or no memory.
    ///
    /// Stack: 0
    /// Raises: memory
    ///
    /// # Safety
    /// The stack holds these values. Runs no Lua code; may raise only if the VM has no memory for a stack.
    pub unsafe fn encode(
        &mut self,
        l: *mut lua_State,
        first: c_int,
        count: c_int,
        origin: Origin,
    ) -> Result<Cow<'_, [u8]>, Failure> {
        let start = |index: c_int| {
            Place::begun(place::start(match origin {
                Origin::Argument(number) => Origin::Argument(number + index - first),
                // The host stands between a function as an entry and its arguments.
                Origin::Entry if index == first => Origin::Argument(1),
                Origin::Entry => Origin::Argument(2 + index - first),
                Origin::OwnEntry => Origin::Argument(1 + index - first),
                other => other,
            }))
        };
        self.entries = origin.entries();
        let encoded = self.encode_from(l, first, count, &start);
        self.entries = 0;
        encoded.map(|()| self.out.finished())
    }

    /// Encodes the one value at `index`, which stands under the key below it in a table that is itself no value.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    ///
    /// Stack: 0
    /// Raises: memory
    ///
    /// # Safety
    /// As [`Encoder::encode`].
    pub unsafe fn encode_field(
        &mut self,
        l: *mut lua_State,
        index: c_int,
        origin: Origin,
    ) -> Result<Cow<'_, [u8]>, Failure> {
        let mut text = place::start(origin) + ", ";
        place::step(&mut text, l, index - 1);
        self.encode_from(l, index, 1, &|_| Place { text: text.clone(), under_way: true })?;
        Ok(self.out.finished())
    }

    /// As [`Encoder::encode`], with what says where a value stands.
    ///
    /// Stack: 0
    /// Raises: memory
    ///
    /// # Safety
    /// As [`Encoder::encode`].
    unsafe fn encode_from(
        &mut self,
        l: *mut lua_State,
        first: c_int,
        count: c_int,
        start: &dyn Fn(c_int) -> Place,
    ) -> Result<(), Failure> {
        self.functions = self.receiver.is_some();
        match self.encode_once(l, first, count, start) {
            // What cannot cross by itself may stand in a table that crosses by its name.
            Err(Failure::CannotSend { .. }) if !self.functions => {}
            Err(failure) => return Err(self.with_advice(failure)),
            Ok(()) => return Ok(()),
        }
        // A limit of the process's memory must not raise while functions are looked at. The collector need not be held: nothing
        // that runs it is called.
        self.functions = true;
        let budget = Context::of_state(l).budget();
        let limit = budget.set_limit(0);
        let result = self.encode_once(l, first, count, start);
        budget.set_limit(limit);
        result.map_err(|failure| self.with_advice(failure))
    }

    /// A refusal inside a module says what to do.
    fn with_advice(&self, failure: Failure) -> Failure {
        match failure {
            Failure::CannotSend { what, place } if self.in_module => {
                Failure::CannotSendModule { what, place }
            }
            other => other,
        }
    }

    /// Why `taker` does not take these values, which can be encoded as such.
    ///
    /// Stack: 0
    /// Raises: memory
    ///
    /// # Safety
    /// As [`Encoder::encode`].
    pub unsafe fn refusal_by(
        &mut self,
        l: *mut lua_State,
        first: c_int,
        count: c_int,
        origin: Origin,
        taker: Taker,
    ) -> Failure {
        let host = taker.name.to_string();
        self.receiver = Some(taker);
        let refused = self.encode(l, first, count, origin).map(|_| ());
        self.receiver = None;
        refused.err().unwrap_or(Failure::CannotSendTo { what: "function", place: "inside".into(), host })
    }

    /// Encodes with or without functions, as `functions` says.
    ///
    /// Stack: 0
    /// Raises: memory
    ///
    /// # Safety
    /// As [`Encoder::encode`].
    unsafe fn encode_once(
        &mut self,
        l: *mut lua_State,
        first: c_int,
        count: c_int,
        start: &dyn Fn(c_int) -> Place,
    ) -> Result<(), Failure> {
        self.reset();
        self.out.put([0; HEADER]);
        self.out.patch_u32(5, count as u32);
        let top = lua_gettop(l);
        for index in first..first + count {
            if self.functions {
                self.of_entry = index - first < self.entries;
                self.at_entry = self.of_entry;
            }
            if let Err(failure) = self.value(l, index, || start(index)) {
                lua_settop(l, top);
                self.forget_aside(l);
                return Err(failure);
            }
        }
        if !self.aside.is_empty() {
            let filled = self.fill_aside(l, top);
            lua_settop(l, top);
            filled?;
        }
        if self.out.has_failed() {
            self.out.release();
            return Err(Failure::OutOfMemory);
        }
        self.out.patch(0, self.strings.slots());
        self.out.patch_u32(1, self.shared);
        let [low, high] = (self.deepest as u16).to_le_bytes();
        self.out.patch(LEVELS, low);
        self.out.patch(LEVELS + 1, high);
        if !self.needs.is_nothing() {
            let [needs, from] = self.needs.words();
            self.out.patch_u32(NEEDS, needs);
            self.out.patch_u32(NEEDS + 4, from);
        }
        Ok(())
    }
}

/// Encodes details of an error, or anything else outside a call: the one value at `index`.
///
/// # Errors
/// As [`Encoder::encode`].
///
/// Stack: 0
/// Raises: memory
///
/// # Safety
/// As [`Encoder::encode`]; `encoder` is not in use.
pub unsafe fn encode_one(
    encoder: &mut Encoder,
    l: *mut lua_State,
    index: c_int,
    origin: Origin,
) -> Result<Vec<u8>, Failure> {
    let index = lua_absindex(l, index);
    reserve::owned(encoder.encode(l, index, 1, origin)?).ok_or(Failure::OutOfMemory)
}

/// Encodes the value at `index` as the details `{ value = … }` of an error, `None` if it cannot cross.
///
/// Stack: 0, room for 3
/// Raises: memory
///
/// # Safety
/// As [`encode_one`], for the encoder of the context. May raise.
pub unsafe fn encode_value_detail(context: &Context, l: *mut lua_State, index: c_int) -> Option<Vec<u8>> {
    lua_pushvalue(l, index);
    lua_createtable(l, 0, 1);
    lua_insert(l, -2);
    set_raw_field(l, -2, c"value");
    let details = encode_one(context.encoder(), l, -1, Origin::Details).ok();
    lua_pop(l, 1);
    details
}
