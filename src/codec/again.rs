//! What a process keeps of the function that it was started from, to start it again (P-56): the function with its captured locals
//! as they were, without the arguments. Long strings are not kept a second time. They stand in a Lua table, and the bytes refer
//! to them by number.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::encode::Encoder;
use super::sequence::Origin;
use super::{decode, kept_strings};
use crate::runtime::failure::Failure;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::raise::raise_failure;
use crate::vm::startup::Started;
use std::ffi::c_int;

/// A sequence up to this length, in bytes, is kept as it came, with the arguments.
const SMALL: usize = 8 << 10;

/// Keeps the function at `index`, which was just decoded from `sequence` and has not run. May raise.
///
/// Stack: 0, room for 4
/// Raises: any
///
/// # Safety
/// Own state; a function is at `index`. Nothing to drop but `sequence`.
pub unsafe fn keep(l: *mut lua_State, context: &Context, index: c_int, sequence: Vec<u8>) {
    let kept = if sequence.len() <= SMALL {
        Ok(sequence)
    } else {
        drop(sequence);
        kept_strings::make_place(l);
        context.encoder().encode_to_keep(l, index)
    };
    match kept {
        Ok(bytes) => context.start().set_function(Started::Own(bytes.into_boxed_slice())),
        Err(failure) => raise_failure(l, 0, failure),
    }
}

/// Pushes the function that [`keep`] has kept, as it was then; `false` and nothing if there is none. May raise.
///
/// Stack: +1, or 0 if none was kept
/// Raises: any: the chunk may name modules
///
/// # Safety
/// Own state.
pub unsafe fn push(l: *mut lua_State, context: &Context) -> bool {
    let Some(Started::Own(bytes)) = context.start().function() else { return false };
    let top = lua_gettop(l);
    luaL_checkstack(l, decode::count(bytes) + 8, c"too many arguments".as_ptr());
    decode::push(l, bytes);
    lua_settop(l, top + 1);
    true
}

impl Encoder {
    /// Encodes the function with its long strings kept by number.
    ///
    /// Stack: 0, room for 12
    /// Raises: memory
    ///
    /// # Safety
    /// Own state; a function is at `index`.
    unsafe fn encode_to_keep(&mut self, l: *mut lua_State, index: c_int) -> Result<Vec<u8>, Failure> {
        self.kept_strings = Some(0);
        let encoded = self.encode(l, index, 1, Origin::Entry).map(std::borrow::Cow::into_owned);
        self.kept_strings = None;
        encoded
    }
}
