//! Reading arguments, and the stock messages for wrong ones (B-1).

use crate::runtime::failure::shown;
use crate::runtime::near::suggestion;
use crate::vm::api::*;
use crate::vm::object::{self, Object};
use crate::vm::raise::{copyable, raise_text};
use std::ffi::{CStr, c_int};
use std::fmt::Display;

/// Raises `bad argument #N to 'NAME' (PROBLEM)`.
///
/// Stack: never returns, room for 3
/// Raises: any
///
/// # Safety
/// Own state. Nothing to drop but `problem`.
pub unsafe fn bad_argument(
    l: *mut lua_State,
    level: c_int,
    number: c_int,
    name: &str,
    problem: impl Display,
) -> ! {
    let text = format!("bad argument #{number} to '{name}' ({problem})");
    drop(problem);
    raise_text(l, level, text)
}

/// As [`bad_argument`], with more behind it that helps.
///
/// Stack: never returns, room for 3
/// Raises: any
///
/// # Safety
/// Own state. Nothing to drop but `problem`.
pub unsafe fn bad_argument_and(
    l: *mut lua_State,
    level: c_int,
    number: c_int,
    name: &str,
    problem: String,
    hint: &str,
) -> ! {
    let text = format!("bad argument #{number} to '{name}' ({problem}){hint}");
    drop(problem);
    raise_text(l, level, text)
}

/// Raises `bad argument #N to 'NAME' (WANTED expected, got OTHER)` for the value at `index`.
///
/// Stack: never returns, room for 3
/// Raises: any
///
/// # Safety
/// Own state. Nothing to drop.
pub unsafe fn wrong_type(l: *mut lua_State, index: c_int, number: c_int, name: &str, wanted: &str) -> ! {
    wrong_type_at(l, 1, index, number, name, wanted)
}

/// As [`wrong_type`], with the position of the function at `level`.
///
/// Stack: never returns, room for 3
/// Raises: any
///
/// # Safety
/// Own state. Nothing to drop.
pub unsafe fn wrong_type_at(
    l: *mut lua_State,
    level: c_int,
    index: c_int,
    number: c_int,
    name: &str,
    wanted: &str,
) -> ! {
    let problem = format!("{wanted} expected, got {}", type_name(l, index));
    bad_argument(l, level, number, name, problem)
}

/// Raises `calling 'NAME' on bad self (WANTED expected, got OTHER)`.
///
/// Stack: never returns, room for 3
/// Raises: any
///
/// # Safety
/// Own state. Nothing to drop.
pub unsafe fn bad_self(l: *mut lua_State, level: c_int, name: &str, wanted: &str) -> ! {
    raise_text(l, level, format!("calling '{name}' on bad self ({wanted} expected, got {})", type_name(l, 1)))
}

/// What stock messages call the value at `index`.
///
/// Stack: 0, room for 2
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn type_name(l: *mut lua_State, index: c_int) -> String {
    if lua_type(l, index) == LUA_TUSERDATA && lua_getmetatable(l, index) != 0 {
        raw_field(l, -1, c"__name");
        let name = to_bytes(l, -1).map(|name| String::from_utf8_lossy(name).into_owned());
        lua_pop(l, 2);
        if let Some(name) = name {
            return name;
        }
    }
    if lua_type(l, index) == LUA_TLIGHTUSERDATA {
        return "light userdata".into();
    }
    CStr::from_ptr(lua_typename(l, lua_type(l, index))).to_string_lossy().into_owned()
}

/// The string at `index`; numbers are not taken for strings.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state. Values stay. Nothing to drop.
pub unsafe fn string<'a>(l: *mut lua_State, index: c_int, name: &str) -> &'a [u8] {
    match to_bytes(l, index) {
        Some(bytes) => copyable(l, bytes),
        None => wrong_type(l, index, index, name, "string"),
    }
}

/// As [`string`], of a function that may wait.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state. Values stay. Nothing to drop.
pub unsafe fn waiting_string<'a>(l: *mut lua_State, index: c_int, name: &str) -> &'a [u8] {
    match to_bytes(l, index) {
        Some(bytes) => copyable(l, bytes),
        None => wrong_type_at(l, BLOCKING_LEVEL, index, index, name, "string"),
    }
}

/// Raises if the table of options at `index` has any field but this one; `level` is that of the function.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state. Nothing to drop.
pub unsafe fn only_field(l: *mut lua_State, level: c_int, index: c_int, name: &str, field: &CStr) {
    luaL_checkstack(l, 6, std::ptr::null());
    lua_pushnil(l);
    while lua_next(l, index) != 0 {
        if to_bytes(l, -2) != Some(field.to_bytes()) {
            let option = shown(&shown_value(l, -2));
            let near = suggestion(option.as_bytes(), field.to_str().ok());
            let text = format!("{name}: unknown option {option}{near}");
            drop(near);
            drop(option);
            raise_text(l, level, text);
        }
        lua_pop(l, 1);
    }
}

/// The table of options at `index`, which counts as argument `number`, may have this field alone, a boolean: whether it is true.
///
/// Stack: 0, room for 4
/// Raises: any
///
/// # Safety
/// Own state. Nothing to drop.
pub unsafe fn only_flag(l: *mut lua_State, index: c_int, number: c_int, name: &str, field: &CStr) -> bool {
    if lua_type(l, index) <= LUA_TNIL {
        return false;
    }
    if lua_type(l, index) != LUA_TTABLE {
        wrong_type(l, index, number, name, "table");
    }
    only_field(l, 1, index, name, field);
    raw_field(l, index, field);
    if !matches!(lua_type(l, -1), LUA_TNIL | LUA_TBOOLEAN) {
        let (field, got) = (field.to_string_lossy(), type_name(l, -1));
        bad_argument(l, 1, number, name, format!("field '{field}': boolean expected, got {got}"));
    }
    let flag = lua_toboolean(l, -1) != 0;
    lua_pop(l, 1);
    flag
}

/// The string at `index`, which counts as argument `number`.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state. Values stay. Nothing to drop.
pub unsafe fn string_at<'a>(l: *mut lua_State, index: c_int, number: c_int, name: &str) -> &'a [u8] {
    match to_bytes(l, index) {
        Some(bytes) => copyable(l, bytes),
        None => wrong_type(l, index, number, name, "string"),
    }
}

/// The string at `index`, `None` for nil.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state. Values stay. Nothing to drop.
pub unsafe fn optional_string<'a>(l: *mut lua_State, index: c_int, name: &str) -> Option<&'a [u8]> {
    if lua_type(l, index) <= LUA_TNIL { None } else { Some(string(l, index, name)) }
}

/// The whole number at `index`, which counts as argument `number`.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state. Nothing to drop.
pub unsafe fn whole(l: *mut lua_State, index: c_int, number: c_int, name: &str) -> i64 {
    if lua_type(l, index) != LUA_TNUMBER {
        wrong_type(l, index, number, name, "number");
    }
    match to_whole(l, index) {
        Some(whole) => whole,
        None => bad_argument(l, 1, number, name, "number has no integer representation"),
    }
}

/// The whole number at `index`, `None` for nil.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state. Nothing to drop.
pub unsafe fn optional_whole(l: *mut lua_State, index: c_int, name: &str) -> Option<i64> {
    if lua_type(l, index) <= LUA_TNIL { None } else { Some(whole(l, index, index, name)) }
}

/// Raises unless there is a table at `index`.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state. Nothing to drop.
pub unsafe fn table(l: *mut lua_State, index: c_int, name: &str) {
    if lua_type(l, index) != LUA_TTABLE {
        wrong_type(l, index, index, name, "table");
    }
}

/// The object that a method was called on.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state. Values stay. Nothing to drop.
pub unsafe fn receiver<'a, T: Object>(l: *mut lua_State, level: c_int, name: &str) -> &'a T {
    match object::get::<T>(l, 1) {
        Some(value) => value,
        None => bad_self(l, level, name, T::CLASS.name),
    }
}

/// The object at `index`, which counts as argument `number`.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state. Values stay. Nothing to drop.
pub unsafe fn object_at<'a, T: Object>(l: *mut lua_State, index: c_int, number: c_int, name: &str) -> &'a T {
    match object::get::<T>(l, index) {
        Some(value) => value,
        None => wrong_type(l, index, number, name, T::CLASS.name),
    }
}

/// The value at `index` as an error text shows it, without running Lua code.
///
/// Stack: 0, room for 2
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn shown_value(l: *mut lua_State, index: c_int) -> Vec<u8> {
    match lua_type(l, index) {
        LUA_TSTRING => copyable(l, to_bytes(l, index).unwrap_or_default()).to_vec(),
        LUA_TNUMBER => {
            lua_pushvalue(l, index);
            let mut len = 0;
            let start = lua_tolstring(l, -1, &mut len);
            let text = std::slice::from_raw_parts(start.cast(), len).to_vec();
            lua_pop(l, 1);
            text
        }
        LUA_TBOOLEAN => (lua_toboolean(l, index) != 0).to_string().into_bytes(),
        _ => type_name(l, index).into_bytes(),
    }
}

/// Concatenates the values at 1 and 2, after the library's own ones were replaced by their text.
///
/// `lua_concat` of LuaJIT crashes when it meets a metamethod, so that is called here.
///
/// Stack: +1
/// Raises: any
///
/// # Safety
/// Called by Lua's concatenation; the operands are at 1 and 2.
pub unsafe fn concat_operands(l: *mut lua_State) -> c_int {
    for index in 1..=2 {
        if !matches!(lua_type(l, index), LUA_TSTRING | LUA_TNUMBER) {
            if luaL_getmetafield(l, index, c"__concat".as_ptr()) == LUA_TNIL {
                raise_text(l, 1, format!("attempt to concatenate a {} value", type_name(l, index)));
            }
            lua_insert(l, 1);
            lua_call(l, 2, 1);
            return 1;
        }
    }
    lua_concat(l, 2);
    1
}
