//! Values that hold no other values as bytes: numbers, strings, truth values, and the library's own objects.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::encode::Encoder;
use super::error::put_error;
use crate::runtime::failure::{Failure, shown};
use crate::runtime::needs::Needs;
use crate::vm::api::*;
use crate::vm::class::Crossing;
use crate::vm::error::ErrorObject;
use crate::vm::object;
use crate::wire::strings::{Met, SHORT};
use crate::wire::{put_varint, tag, zigzag};
use std::ffi::c_int;

/// Why a value cannot be encoded.
pub(super) enum Refusal {
    /// A value of this type name.
    Type(&'static str),
    /// A view of a message that was not called.
    Field,
    /// No memory for the bytes.
    Memory,
    /// A function, the first one: to be encoded again with an eye for functions and names.
    Again,
}

impl Refusal {
    #[cold]
    pub(super) fn failure(self, place: String) -> Failure {
        match self {
            Refusal::Type(what) => Failure::CannotSend { what, place: shown(place.as_bytes()) },
            Refusal::Field => Failure::UncalledField { place: shown(place.as_bytes()) },
            Refusal::Memory => Failure::OutOfMemory,
            Refusal::Again => Failure::CannotSend { what: "function", place: shown(place.as_bytes()) },
        }
    }
}

impl Encoder {
    /// Writes the value at `index`, which is not a table, of the type `kind`. Whether there was memory for it is seen later,
    /// unless it is long.
    ///
    /// Stack: 0
    /// Raises: memory
    ///
    /// # Safety
    /// Own state; a value of this type is at `index`. Values stay.
    #[inline(always)]
    pub(super) unsafe fn scalar(
        &mut self,
        l: *mut lua_State,
        index: c_int,
        kind: c_int,
    ) -> Result<(), Refusal> {
        match kind {
            LUA_TSTRING => {
                let mut len = 0;
                let start = lua_tolstring(l, index, &mut len);
                // SAFETY: a string, which stays on the stack.
                let bytes = std::slice::from_raw_parts(start.cast(), len);
                return if len > SHORT { self.long_string(l, index, bytes) } else { self.string(bytes) };
            }
            LUA_TNUMBER => self.number(l, index),
            LUA_TBOOLEAN => self.out.put([if lua_toboolean(l, index) != 0 { tag::TRUE } else { tag::FALSE }]),
            LUA_TNIL => self.out.put([tag::NIL]),
            _ => return self.rare(l, index, kind),
        }
        Ok(())
    }

    /// Writes a userdata, or refuses what cannot cross.
    ///
    /// Stack: 0
    /// Raises: memory
    ///
    /// # Safety
    /// Own state; a value of this type is at `index`.
    #[cold]
    unsafe fn rare(&mut self, l: *mut lua_State, index: c_int, kind: c_int) -> Result<(), Refusal> {
        match kind {
            LUA_TUSERDATA => match self.userdata(l, index) {
                // It may be of a library, whose table crosses by its name.
                Err(_) if !self.functions => Err(Refusal::Again),
                written => written,
            },
            LUA_TFUNCTION => Err(Refusal::Again),
            LUA_TTHREAD => Err(Refusal::Type("thread")),
            LUA_TLIGHTUSERDATA if lua_touserdata(l, index).is_null() => {
                self.out.put([tag::NULL]);
                Ok(())
            }
            LUA_TLIGHTUSERDATA => Err(Refusal::Type("lightuserdata")),
            // The only type left is LuaJIT's own.
            _ => Err(Refusal::Type("cdata")),
        }
    }

    /// Writes a number.
    ///
    /// Stack: 0
    /// Raises: never
    ///
    /// # Safety
    /// Own state; a number is at `index`.
    #[inline(always)]
    pub(super) unsafe fn number(&mut self, l: *mut lua_State, index: c_int) {
        #[cfg(feature = "lua54")]
        let whole = if lua_isinteger(l, index) != 0 {
            Ok(lua_tointeger(l, index))
        } else {
            Err(lua_tonumber(l, index))
        };
        #[cfg(feature = "luajit")]
        let whole = whole_of(lua_tonumber(l, index));
        match whole {
            Ok(whole) => self.integer(zigzag(whole)),
            Err(number) => {
                let [a, b, c, d, e, f, g, h] = number.to_le_bytes();
                self.out.put([tag::FLOAT, a, b, c, d, e, f, g, h]);
            }
        }
    }

    #[inline(always)]
    fn integer(&mut self, number: u64) {
        match number {
            0..0x80 => self.out.put([tag::INTEGER, number as u8]),
            0x80..0x4000 => self.out.put([tag::INTEGER, number as u8 | 0x80, (number >> 7) as u8]),
            _ => self.large_integer(number),
        }
    }

    fn large_integer(&mut self, mut number: u64) {
        let mut bytes = [tag::INTEGER; 11];
        let mut len = 1;
        while number >= 0x80 {
            bytes[len] = number as u8 | 0x80;
            number >>= 7;
            len += 1;
        }
        bytes[len] = number as u8;
        self.out.put_slice(&bytes[..=len]);
    }

    #[inline(always)]
    fn string(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        match self.strings.meet(bytes.as_ptr() as usize, self.out.written()) {
            Met::New => {
                // Room for all of it at once.
                if self.out.has_room(SHORT + 3) {
                    self.out.put([tag::STRING, 0, bytes.len() as u8]);
                    self.out.put_slice(bytes);
                } else {
                    return Err(Refusal::Memory);
                }
            }
            Met::Known { slot } => self.out.put([tag::STRING_REF, slot]),
            Met::Again { first, slot } => {
                self.out.patch(first, tag::STRING_DEF);
                self.out.patch(first + 1, slot);
                self.out.put([tag::STRING_REF, slot]);
            }
        }
        Ok(())
    }

    /// Writes a string that gets no slot.
    ///
    /// Stack: 0, room for 4
    /// Raises: memory
    ///
    /// # Safety
    /// Own state; `bytes` is the string at `index`.
    unsafe fn long_string(&mut self, l: *mut lua_State, index: c_int, bytes: &[u8]) -> Result<(), Refusal> {
        if self.keep_string(l, index, bytes.len()) {
            return Ok(());
        }
        let mut length = Vec::new();
        put_varint(&mut length, bytes.len() as u64);
        self.out.put([tag::STRING, 0]);
        self.out.put_slice(&length);
        self.out.put_slice(bytes);
        if self.out.has_failed() { Err(Refusal::Memory) } else { Ok(()) }
    }

    /// Writes an object of a class that crosses.
    ///
    /// Stack: 0
    /// Raises: memory
    ///
    /// # Safety
    /// Own state; a userdata is at `index`.
    unsafe fn userdata(&mut self, l: *mut lua_State, index: c_int) -> Result<(), Refusal> {
        let mut bytes = Vec::new();
        if let Some(error) = object::get::<ErrorObject>(l, index) {
            if let Some(details) = &error.0.details {
                self.needs = self.needs.and(Needs::of(details));
            }
            bytes.push(tag::ERROR);
            put_error(&mut bytes, &error.0);
        } else {
            let Some(class) = object::class_of(l, index) else { return Err(Refusal::Type("userdata")) };
            match class.crossing {
                Crossing::Value { tag, put, .. } => {
                    bytes.push(tag);
                    put(l, index, &mut bytes);
                }
                Crossing::Uncalled => return Err(Refusal::Field),
                Crossing::Never | Crossing::Wrapped(_) => return Err(Refusal::Type(class.name)),
            }
        }
        self.out.put_slice(&bytes);
        if self.out.has_failed() { Err(Refusal::Memory) } else { Ok(()) }
    }
}

/// Doubles that are whole and exact travel as integers, except minus zero.
#[cfg(feature = "luajit")]
#[inline(always)]
fn whole_of(number: f64) -> Result<i64, f64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let whole = number as i64;
    let same = whole as f64 == number && number.abs() < EXACT && (whole != 0 || number.is_sign_positive());
    if same { Ok(whole) } else { Err(number) }
}
