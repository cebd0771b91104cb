//! Message objects (P-42, P-44, P-45).

use super::field::{FieldObject, Part};
use super::{Functions, arguments, set_functions};
use crate::codec::decode;
use crate::runtime::envelope::Envelope;
use crate::runtime::failure::shown;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::object::{self, Class, Object};
use std::cell::{Cell, UnsafeCell};
use std::ffi::c_int;
use std::ptr;

/// A message as Lua holds it. Its companion, made when it is first needed, holds the decoded payload, so that calling again
/// gives the same value, and the message itself for its fields.
pub struct MessageObject {
    envelope: UnsafeCell<Envelope>,
    has_companion: Cell<bool>,
    decoded: Cell<bool>,
    /// Calls that decode the payload right now: a finalizer may call again while one does.
    decoders: Cell<u32>,
}

/// Place of the payload in the companion.
const PAYLOAD: lua_Integer = 1;

/// Place of the message in the companion.
pub const OWN_MESSAGE: lua_Integer = 2;

/// Its class.
pub static MESSAGE: Class = Class { name: "message", type_name: c"process.Message", fill };

impl Object for MessageObject {
    const CLASS: &'static Class = &MESSAGE;

    fn weight(&self) -> usize {
        self.envelope().size()
    }
}

const OPERATORS: Functions = &[(c"__index", index), (c"__tostring", to_string)];

unsafe fn fill(l: *mut lua_State) {
    set_functions(l, OPERATORS);
}

impl MessageObject {
    /// The message itself.
    pub fn envelope(&self) -> &Envelope {
        // SAFETY: changed only by `push_payload`, which holds no reference meanwhile.
        unsafe { &*self.envelope.get() }
    }
}

/// Pushes the message that the context keeps at `kept` as an object.
pub unsafe fn push(l: *mut lua_State, context: &Context, kept: usize) {
    let place = object::reserve::<MessageObject>(l);
    if let Some(envelope) = context.take_kept(kept) {
        let message = MessageObject {
            envelope: UnsafeCell::new(envelope),
            has_companion: Cell::new(false),
            decoded: Cell::new(false),
            decoders: Cell::new(0),
        };
        ptr::write(place, message);
        object::confirm::<MessageObject>(l);
    }
}

/// Pushes the payload of the message at `index`, decoded once.
pub unsafe fn push_payload(l: *mut lua_State, index: c_int) {
    let Some(message) = object::get::<MessageObject>(l, index) else {
        lua_pushnil(l);
        return;
    };
    let index = lua_absindex(l, index);
    push_own_companion(l, message, index);
    if !message.decoded.get() {
        message.decoders.set(message.decoders.get() + 1);
        decode::push_packed(l, message.envelope().payload());
        message.decoders.set(message.decoders.get() - 1);
        if message.decoded.replace(true) {
            lua_pop(l, 1);
        } else {
            lua_rawseti(l, -2, PAYLOAD);
        }
        // The bytes are of no more use, once nobody decodes them.
        if message.decoders.get() == 0
            && let Ok(bare) = message.envelope().without_payload()
        {
            object::change_weight(l, message.weight(), bare.size());
            *message.envelope.get() = bare;
        }
    }
    lua_rawgeti(l, -1, PAYLOAD);
    lua_remove(l, -2);
}

unsafe fn push_own_companion(l: *mut lua_State, message: &MessageObject, index: c_int) {
    if message.has_companion.get() {
        push_companion(l, index);
        return;
    }
    lua_createtable(l, 2, 0);
    lua_pushvalue(l, index);
    lua_rawseti(l, -2, OWN_MESSAGE);
    lua_pushvalue(l, -1);
    set_companion(l, index);
    message.has_companion.set(true);
}

unsafe extern "C-unwind" fn index(l: *mut lua_State) -> c_int {
    let Some(message) = object::get::<MessageObject>(l, 1) else {
        arguments::bad_self(l, 1, "index", MESSAGE.name);
    };
    let part = match to_bytes(l, 2) {
        Some(b"from") => Part::From,
        Some(b"topic") => Part::Topic,
        Some(b"payload") => Part::Payload,
        _ => {
            lua_pushnil(l);
            return 1;
        }
    };
    object::push(l, FieldObject(part));
    let field = lua_gettop(l);
    push_own_companion(l, message, 1);
    set_companion(l, field);
    1
}

unsafe extern "C-unwind" fn to_string(l: *mut lua_State) -> c_int {
    let message = arguments::receiver::<MessageObject>(l, 1, "tostring");
    let text = format!("process.Message{{topic={}}}", shown(message.envelope().topic()));
    push_bytes(l, text.as_bytes());
    1
}
