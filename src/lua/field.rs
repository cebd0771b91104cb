//! The uncalled `msg.topic`, `msg.payload`, `msg.from` (P-44): they can be called, and show as their value.

use super::message::{self, MessageObject};
use super::{Functions, arguments, set_functions};
use crate::vm::api::*;
use crate::vm::object::{self, Class, Object};
use std::ffi::c_int;
use std::ptr;

/// Which part of the message.
#[derive(Clone, Copy)]
pub enum Part {
    From,
    Topic,
    Payload,
}

/// A view of a message. Its companion is that of the message.
pub struct FieldObject(pub Part);

/// Its class.
pub static FIELD: Class = Class { name: "message field", type_name: c"process.MessageField", fill };

impl Object for FieldObject {
    const CLASS: &'static Class = &FIELD;
}

/// Its operators.
pub const OPERATORS: Functions = &[(c"__call", call), (c"__tostring", to_string), (c"__concat", concat)];

unsafe fn fill(l: *mut lua_State) {
    set_functions(l, OPERATORS);
}

/// Pushes the value that the field at `index` stands for, a payload by `push_payload`; `false` and nothing if it is no field.
unsafe fn push_value(
    l: *mut lua_State,
    index: c_int,
    push_payload: unsafe fn(*mut lua_State, &MessageObject, c_int),
) -> bool {
    let Some(FieldObject(part)) = object::get::<FieldObject>(l, index) else {
        return false;
    };
    push_companion(l, index);
    lua_rawgeti(l, -1, message::OWN_MESSAGE);
    lua_remove(l, -2);
    let message = lua_gettop(l);
    match (part, object::get::<MessageObject>(l, message)) {
        (Part::From, Some(object)) => push_bytes(l, object.envelope().sender()),
        (Part::Topic, Some(object)) => push_bytes(l, object.envelope().topic()),
        (Part::Payload, Some(object)) => push_payload(l, object, message),
        (_, None) => lua_pushnil(l),
    }
    lua_remove(l, message);
    true
}

unsafe extern "C-unwind" fn call(l: *mut lua_State) -> c_int {
    if !push_value(l, 1, message::push_result) {
        arguments::bad_self(l, 1, "message field", FIELD.name);
    }
    1
}

unsafe extern "C-unwind" fn to_string(l: *mut lua_State) -> c_int {
    if !push_value(l, 1, message::push_payload) {
        arguments::bad_self(l, 1, "tostring", FIELD.name);
    }
    luaL_tolstring(l, -1, ptr::null_mut());
    1
}

unsafe extern "C-unwind" fn concat(l: *mut lua_State) -> c_int {
    lua_settop(l, 2);
    for index in 1..=2 {
        if push_value(l, index, message::push_payload) {
            lua_replace(l, index);
        }
    }
    arguments::concat_operands(l)
}
