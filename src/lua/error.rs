//! Error objects (E-3 to E-9).

use super::arguments::raise_text;
use super::{Functions, arguments, set_functions};
use crate::codec::decode;
use crate::codec::function::check_taken;
use crate::platform::reserve;
use crate::runtime::error::ErrorData;
use crate::runtime::failure::Failure;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::headroom;
use crate::vm::object::{self, Class, Object};
use std::ffi::c_int;
use std::ptr;
use std::sync::Arc;

/// An error object of Lua.
pub struct ErrorObject(pub Arc<ErrorData>);

/// Its class.
pub static ERROR: Class = Class { name: "error", type_name: c"process.error", fill };

impl Object for ErrorObject {
    const CLASS: &'static Class = &ERROR;

    fn weight(&self) -> usize {
        self.0.size()
    }
}

/// Its methods, besides those of strings.
pub const METHODS: Functions = &[
    (c"kind", kind),
    (c"message", message),
    (c"retryable", retryable),
    (c"details", details),
    (c"stack", stack),
];

/// Its operators.
pub const OPERATORS: Functions = &[(c"__tostring", to_string), (c"__concat", concat), (c"__len", length)];

unsafe fn fill(l: *mut lua_State) {
    lua_createtable(l, 0, METHODS.len() as c_int);
    set_functions(l, METHODS);
    lua_pushcclosure(l, index, 1);
    set_raw_field(l, -2, c"__index");
    set_functions(l, OPERATORS);
}

/// Pushes an error object.
pub unsafe fn push(l: *mut lua_State, error: Arc<ErrorData>) {
    let error = headroom::make_or_raise(l, size_of::<ErrorObject>(), error);
    let place = object::reserve::<ErrorObject>(l);
    ptr::write(place, ErrorObject(error));
    object::confirm::<ErrorObject>(l);
}

/// What the object holds, to be changed. Raises if there is no memory for a copy.
pub unsafe fn copied(l: *mut lua_State, error: &ErrorObject) -> ErrorData {
    if !reserve::has_room_for(2 * error.0.size()) {
        raise_failure(l, 1, Failure::OutOfMemory);
    }
    (*error.0).clone()
}

/// Returns `nil` and the failure as an error object.
pub unsafe fn return_failure(l: *mut lua_State, failure: Failure) -> c_int {
    lua_pushnil(l);
    push(l, Arc::new(failure.into()));
    2
}

/// Returns `false` and the failure as an error object.
pub unsafe fn return_false(l: *mut lua_State, failure: Failure) -> c_int {
    lua_pushboolean(l, 0);
    push(l, Arc::new(failure.into()));
    2
}

/// Returns `true`, or `nil` and the failure.
pub unsafe fn return_done(l: *mut lua_State, result: Result<(), Failure>) -> c_int {
    match result {
        Ok(()) => {
            lua_pushboolean(l, 1);
            1
        }
        Err(failure) => return_failure(l, failure),
    }
}

/// Raises the text of a failure with the position of the function at `level` (E-2). Memory that is missing is raised as the
/// VM does.
pub unsafe fn raise_failure(l: *mut lua_State, level: c_int, failure: Failure) -> ! {
    if matches!(failure, Failure::OutOfMemory) {
        drop(failure);
        lua_pushstring(l, c"not enough memory".as_ptr());
        lua_error(l)
    }
    raise_text(l, level, ErrorData::from(failure).message)
}

/// The error object for an entry without its method; its name is the argument.
pub unsafe extern "C-unwind" fn missing_method(l: *mut lua_State) -> c_int {
    let context = Context::of(l);
    let method = String::from_utf8_lossy(to_bytes(l, 1).unwrap_or_default()).into_owned();
    let failure = Failure::NoMethod { entry: context.process.entry().to_string(), method };
    push(l, Arc::new(failure.into()));
    1
}

unsafe fn text_at(l: *mut lua_State, index: c_int) -> bool {
    if let Some(error) = object::get::<ErrorObject>(l, index) {
        headroom::push_owned(l, error.0.text());
        return true;
    }
    false
}

/// Methods first; then the functions of `string`, which act on the text (E-5).
unsafe extern "C-unwind" fn index(l: *mut lua_State) -> c_int {
    lua_settop(l, 2);
    lua_pushvalue(l, 2);
    if lua_rawget(l, lua_upvalueindex(1)) != LUA_TNIL {
        return 1;
    }
    raw_field(l, LUA_REGISTRYINDEX, c"_LOADED");
    if lua_type(l, -1) == LUA_TTABLE && raw_field(l, -1, c"string") == LUA_TTABLE {
        lua_pushvalue(l, 2);
        if lua_rawget(l, -2) == LUA_TFUNCTION {
            lua_pushcclosure(l, string_method, 1);
        }
        return 1;
    }
    lua_pushnil(l);
    1
}

/// A function of `string` as a method of errors: the function is captured.
pub unsafe extern "C-unwind" fn string_method(l: *mut lua_State) -> c_int {
    if text_at(l, 1) {
        lua_replace(l, 1);
    }
    let count = lua_gettop(l);
    lua_pushvalue(l, lua_upvalueindex(1));
    lua_insert(l, 1);
    lua_call(l, count, LUA_MULTRET);
    lua_gettop(l)
}

unsafe fn own<'a>(l: *mut lua_State, name: &str) -> &'a ErrorData {
    &arguments::receiver::<ErrorObject>(l, 1, name).0
}

unsafe extern "C-unwind" fn kind(l: *mut lua_State) -> c_int {
    push_bytes(l, &own(l, "kind").kind);
    1
}

unsafe extern "C-unwind" fn message(l: *mut lua_State) -> c_int {
    push_bytes(l, &own(l, "message").message);
    1
}

unsafe extern "C-unwind" fn retryable(l: *mut lua_State) -> c_int {
    match own(l, "retryable").retryable {
        Some(value) => lua_pushboolean(l, c_int::from(value)),
        None => lua_pushnil(l),
    }
    1
}

unsafe extern "C-unwind" fn details(l: *mut lua_State) -> c_int {
    match &own(l, "details").details {
        Some(bytes) if check_taken(Context::of_state(l), bytes, "details").is_ok() => decode::push(l, bytes),
        _ => {
            lua_pushnil(l);
            1
        }
    }
}

unsafe extern "C-unwind" fn stack(l: *mut lua_State) -> c_int {
    push_bytes(l, &own(l, "stack").stack);
    1
}

unsafe extern "C-unwind" fn to_string(l: *mut lua_State) -> c_int {
    own(l, "tostring");
    text_at(l, 1);
    1
}

unsafe extern "C-unwind" fn length(l: *mut lua_State) -> c_int {
    own(l, "len");
    text_at(l, 1);
    push_whole(l, lua_rawlen(l, -1) as i64);
    1
}

unsafe extern "C-unwind" fn concat(l: *mut lua_State) -> c_int {
    lua_settop(l, 2);
    for index in 1..=2 {
        if text_at(l, index) {
            lua_replace(l, index);
        }
    }
    arguments::concat_operands(l)
}
