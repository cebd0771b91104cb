//! Message objects and their fields (P-42 to P-45).

use super::{arguments, payload};
use crate::codec::decode;
use crate::codec::sequence::Origin;
use crate::executor::outcome::{self, Values};
use crate::runtime::call::{Request, take_request};
use crate::runtime::envelope::Envelope;
use crate::runtime::failure::{Failure, shown};
use crate::runtime::needs::{Needs, Taker};
use crate::vm::api::*;
use crate::vm::api::{Functions, set_functions};
use crate::vm::class::{Class, Crossing};
use crate::vm::context::{Context, Held};
use crate::vm::error::{return_done, return_failure};
use crate::vm::headroom;
use crate::vm::object::{self, Object};
use crate::vm::raise::raise_no_memory;
use std::cell::{Cell, UnsafeCell};
use std::ffi::c_int;
use std::ptr;

/// A message as Lua holds it. Its companion, made when it is first needed, holds the decoded payload, so that calling again
/// gives the same value, and the message itself for its fields.
pub struct MessageObject {
    envelope: UnsafeCell<Envelope>,
    has_companion: Cell<bool>,
    decoded: Cell<bool>,
    /// The right to reply, if the message is a request.
    request: Reply,
    /// How many values were decoded.
    values: Cell<c_int>,
    /// Calls that decode the payload right now: a finalizer may call again while one does.
    decoders: Cell<u32>,
    /// The context of the state.
    context: Held,
}

/// What a message may be replied.
enum Reply {
    /// Nothing: it asks for no reply.
    Never,
    /// As long as it was not replied to.
    Open(UnsafeCell<Option<Request>>),
}

/// Place of the payload in the companion.
const PAYLOAD: lua_Integer = 1;

/// Place of the message in the companion.
const OWN_MESSAGE: lua_Integer = 2;

/// Place of the wrapped payload in the companion, once it was asked for.
const WRAPPED: lua_Integer = 3;

/// Its class.
pub static MESSAGE: Class =
    Class { name: "message", type_name: c"process.Message", fill, crossing: Crossing::Never };

impl Object for MessageObject {
    const CLASS: &'static Class = &MESSAGE;

    fn weight(&self) -> usize {
        self.envelope().size()
    }
}

/// Its operators.
pub const OPERATORS: Functions = &[(c"__index", index), (c"__tostring", to_string)];

/// Its methods; the other fields of a message are values that can be called.
pub const METHODS: Functions = &[(c"reply", reply), (c"waiting", waiting)];

/// Fills the metatable of messages.
///
/// Stack: 0, room for 3
/// Raises: memory
///
/// # Safety
/// Own state; the metatable is on top.
unsafe fn fill(l: *mut lua_State) {
    set_functions(l, OPERATORS);
    set_functions(l, METHODS);
}

impl MessageObject {
    /// The right to reply, as long as nobody has used it. `None` in the inside: it was used.
    fn request(&self) -> Option<Option<&Request>> {
        match &self.request {
            Reply::Never => None,
            // SAFETY: changed only by `reply`, which holds no reference meanwhile.
            Reply::Open(request) => Some(unsafe { &*request.get() }.as_ref()),
        }
    }

    /// The message itself.
    pub fn envelope(&self) -> &Envelope {
        // SAFETY: changed only by `push_payload`, which holds no reference meanwhile.
        unsafe { &*self.envelope.get() }
    }
}

/// Pushes the message that the context keeps at `kept` as an object.
///
/// Stack: +1, room for 6
/// Raises: memory
///
/// # Safety
/// Own state; `context` is its context.
pub unsafe fn push(l: *mut lua_State, context: &Context, kept: usize) {
    let place = object::reserve::<MessageObject>(l);
    if let Some(mut envelope) = context.take_kept(kept) {
        let request = match take_request(&mut envelope) {
            Some(request) => Reply::Open(UnsafeCell::new(Some(request))),
            None => Reply::Never,
        };
        let message = MessageObject {
            request,
            envelope: UnsafeCell::new(envelope),
            has_companion: Cell::new(false),
            decoded: Cell::new(false),
            values: Cell::new(0),
            decoders: Cell::new(0),
            context: context.hold(),
        };
        ptr::write(place, message);
        object::confirm::<MessageObject>(l);
    }
}

/// Pushes the payload of the message, which is the object at `index`, decoded once.
///
/// Stack: +1, room for 4
/// Raises: any: the payload is decoded
///
/// # Safety
/// Own state; `message` is the object at `index`.
pub unsafe fn push_payload(l: *mut lua_State, message: &MessageObject, index: c_int) {
    push_own_companion(l, message, index);
    if !message.decoded.get() {
        message.decoders.set(message.decoders.get() + 1);
        let bytes = message.envelope().payload();
        let values = decode::count(bytes);
        decode::push_packed(l, bytes);
        message.decoders.set(message.decoders.get() - 1);
        if message.decoded.replace(true) {
            lua_pop(l, 1);
        } else {
            lua_rawseti(l, -2, PAYLOAD);
            message.values.set(values);
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

/// Pushes what `msg:payload()` returns: as [`push_payload`], in the form that the process has chosen (P-64).
///
/// Stack: +1, room for 8
/// Raises: any: the payload is decoded
///
/// # Safety
/// Own state; `message` is the object at `index`.
pub unsafe fn push_result(l: *mut lua_State, message: &MessageObject, index: c_int) {
    if message.context.is_wrapped() {
        push_wrapped(l, message, index);
    } else {
        push_payload(l, message, index);
    }
}

/// Pushes the payload in the wrapped form (P-43): a Payload object, `nil` if there is no value, an array of Payload objects if
/// there are several. Made once.
///
/// Stack: +1, room for 8
/// Raises: any: the payload is decoded
///
/// # Safety
/// Own state; `message` is the object at `index`.
unsafe fn push_wrapped(l: *mut lua_State, message: &MessageObject, index: c_int) {
    push_own_companion(l, message, index);
    if lua_rawgeti(l, -1, WRAPPED) == LUA_TNIL {
        lua_pop(l, 1);
        push_payload(l, message, index);
        match message.values.get() {
            0 => {}
            1 => payload::wrap(l),
            count => wrap_each(l, count),
        }
        // A finalizer may have asked meanwhile: what was made first stays.
        if lua_rawgeti(l, -2, WRAPPED) == LUA_TNIL {
            lua_pop(l, 1);
            lua_pushvalue(l, -1);
            lua_rawseti(l, -3, WRAPPED);
        } else {
            lua_remove(l, -2);
        }
    }
    lua_remove(l, -2);
}

/// Puts an array of Payload objects in the place of the packed values on top.
///
/// Stack: 0, room for 6
/// Raises: memory
///
/// # Safety
/// Own state; a table of `count` values is on top.
unsafe fn wrap_each(l: *mut lua_State, count: c_int) {
    lua_createtable(l, count, 0);
    for position in 1..=lua_Integer::from(count) {
        lua_rawgeti(l, -2, position);
        payload::wrap(l);
        lua_rawseti(l, -2, position);
    }
    lua_remove(l, -2);
}

/// Pushes the companion of the message, made at first use.
///
/// Stack: +1, room for 3
/// Raises: memory
///
/// # Safety
/// Own state; `message` is the object at `index`.
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

/// `__index`: the fields of a message, as objects.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn index(l: *mut lua_State) -> c_int {
    let Some(message) = object::get::<MessageObject>(l, 1) else {
        arguments::bad_self(l, 1, "index", MESSAGE.name);
    };
    let part = match to_bytes(l, 2) {
        Some(b"from") => Part::From,
        Some(b"topic") => Part::Topic,
        Some(b"payload") => Part::Payload,
        Some(name @ (b"reply" | b"waiting")) => {
            lua_getmetatable(l, 1);
            push_bytes(l, name);
            lua_rawget(l, -2);
            return 1;
        }
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

/// `msg:waiting()`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn waiting(l: *mut lua_State) -> c_int {
    let message = arguments::receiver::<MessageObject>(l, 1, "waiting");
    match message.request() {
        None => lua_pushnil(l),
        Some(request) => {
            let waits = request.is_some_and(|request| request.caller().is_some());
            lua_pushboolean(l, c_int::from(waits));
        }
    }
    1
}

/// `msg:reply([value [, err]])`.
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn reply(l: *mut lua_State) -> c_int {
    let message = arguments::receiver::<MessageObject>(l, 1, "reply");
    let context = Context::with_memory(l);
    if lua_gettop(l) == 1 {
        lua_pushnil(l);
    }
    // Encoding may raise; nothing is borrowed or to be dropped meanwhile.
    let values = match message.request() {
        None => Err(Failure::NotARequest(message.envelope().topic().to_vec())),
        Some(None) => Err(Failure::AlreadyReplied),
        Some(Some(_)) => outcome::of_values(l, context, l, 2, Origin::Argument(1)),
    };
    let result = values.and_then(|values| answer(message, values));
    if let Ok(Some(taker)) = result {
        let refusal = context.encoder().refusal_by(l, 2, 1, Origin::Argument(1), taker);
        return return_failure(l, refusal);
    }
    raise_no_memory(l, &result);
    return_done(l, result.map(|_| ()))
}

/// Sends the answer to the caller that waits, unless its host does not take it: then the taker, and the request stays open.
///
/// # Errors
/// The caller waits no longer, or there is no memory.
fn answer(message: &MessageObject, values: Values) -> Result<Option<Taker>, Failure> {
    let Some(Some(request)) = message.request() else { return Err(Failure::AlreadyReplied) };
    let answered = match values {
        Values::Refused(error) => request.fail(error),
        Values::Encoded(payload) => {
            let caller = request.caller().ok_or(Failure::CallerGone)?;
            if !caller.taker().takes(Needs::of(&payload)) {
                return Ok(Some(caller.taker().clone()));
            }
            request.reply(payload).map_err(|_| Failure::OutOfMemory)?
        }
    };
    if !answered {
        return Err(Failure::CallerGone);
    }
    if let Reply::Open(request) = &message.request {
        // SAFETY: the reference from above is not used any more.
        drop(unsafe { (*request.get()).take() });
    }
    Ok(None)
}

/// `__tostring`.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn to_string(l: *mut lua_State) -> c_int {
    let message = arguments::receiver::<MessageObject>(l, 1, "tostring");
    let text = format!("process.Message{{topic={}}}", shown(message.envelope().topic()));
    headroom::push_owned(l, text);
    1
}

// ---- fields: the uncalled `msg.topic`, `msg.payload`, `msg.from` (P-44), which can be called, and show as their value

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
pub static FIELD: Class = Class {
    name: "message field",
    type_name: c"process.MessageField",
    fill: fill_field,
    crossing: Crossing::Uncalled,
};

impl Object for FieldObject {
    const CLASS: &'static Class = &FIELD;
}

/// Its operators.
pub const FIELD_OPERATORS: Functions =
    &[(c"__call", call_field), (c"__tostring", field_to_string), (c"__concat", concat_field)];

/// Fills the metatable of fields.
///
/// Stack: 0, room for 3
/// Raises: memory
///
/// # Safety
/// Own state; the metatable is on top.
unsafe fn fill_field(l: *mut lua_State) {
    set_functions(l, FIELD_OPERATORS);
}

/// Pushes the value that the field at `index` stands for, a payload by `push_payload`; `false` and nothing if it is no field.
///
/// Stack: +1 or 0
/// Raises: any: the payload is decoded
///
/// # Safety
/// Own state.
unsafe fn push_field(
    l: *mut lua_State,
    index: c_int,
    push_payload: unsafe fn(*mut lua_State, &MessageObject, c_int),
) -> bool {
    let Some(FieldObject(part)) = object::get::<FieldObject>(l, index) else {
        return false;
    };
    push_companion(l, index);
    lua_rawgeti(l, -1, OWN_MESSAGE);
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

/// `__call` of a field: its value.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn call_field(l: *mut lua_State) -> c_int {
    if !push_field(l, 1, push_result) {
        arguments::bad_self(l, 1, "message field", FIELD.name);
    }
    1
}

/// `__tostring` of a field: that of its value.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn field_to_string(l: *mut lua_State) -> c_int {
    if !push_field(l, 1, push_payload) {
        arguments::bad_self(l, 1, "tostring", FIELD.name);
    }
    luaL_tolstring(l, -1, ptr::null_mut());
    1
}

/// `__concat` of a field: with its value.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn concat_field(l: *mut lua_State) -> c_int {
    lua_settop(l, 2);
    for index in 1..=2 {
        if push_field(l, index, push_payload) {
            lua_replace(l, index);
        }
    }
    arguments::concat_operands(l)
}
