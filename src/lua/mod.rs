//! The faces that Lua sees. Each function reads its arguments, asks the layers below, and pushes the results; what it
//! promises is in the contract under the id that its comment names.

pub mod arguments;
pub mod birth;
pub mod channel;
pub mod commands;
pub mod control;
pub mod coroutine;
pub mod ctx;
pub mod error;
pub mod errors;
pub mod event;
pub mod exec;
pub mod field;
pub mod hosts;
pub mod imports;
pub mod install;
#[cfg(feature = "yaml")]
pub mod load;
pub mod message;
pub mod messages;
pub mod options;
pub mod payload;
pub mod registry;
pub mod restricted;
pub mod select;
pub mod spawn;
pub mod spawner;
pub mod stock;
pub mod time;
pub mod upgrade;

use crate::vm::api::*;
use crate::vm::object::Class;
use std::ffi::CStr;

/// Every class of userdata that users can get hold of.
pub static CLASSES: [&Class; 12] = [
    &spawner::SPAWNER,
    &channel::CHANNEL,
    &select::CASE,
    &message::MESSAGE,
    &field::FIELD,
    &payload::PAYLOAD,
    &error::ERROR,
    &time::TIME,
    &time::DURATION,
    &time::LOCATION,
    &time::TIMER,
    &time::TICKER,
];

/// A function for a module's table that returns its failures: in the severed child of a fork it returns that it is not available
/// (L-69). The others raise that when they ask for their context.
macro_rules! or_failure {
    ($function:path) => {
        or_failure!($function, return_failure)
    };
    ($function:path, $return:ident) => {{
        unsafe extern "C-unwind" fn guarded(l: *mut lua_State) -> std::ffi::c_int {
            if crate::platform::fork::is_severed() {
                return crate::lua::error::$return(l, crate::runtime::failure::Failure::AfterFork);
            }
            $function(l)
        }
        guarded
    }};
}
pub(crate) use or_failure;

/// As [`or_failure`], for a function that raises its failures and never asks for its context.
macro_rules! or_raise {
    ($function:path) => {{
        unsafe extern "C-unwind" fn guarded(l: *mut lua_State) -> std::ffi::c_int {
            if crate::platform::fork::is_severed() {
                crate::lua::error::raise_failure(l, 1, crate::runtime::failure::Failure::AfterFork);
            }
            $function(l)
        }
        guarded
    }};
}
pub(crate) use or_raise;

/// Functions of a table, by name.
pub type Functions = &'static [(&'static CStr, Function)];

/// The methods and operators of the classes, with what stands behind them: C functions that need no captured value. Those that
/// may wait are not among them.
pub fn methods() -> impl Iterator<Item = (&'static Class, &'static CStr, Function)> {
    const LISTS: [(&Class, Functions); 9] = [
        (&spawner::SPAWNER, spawner::METHODS),
        (&channel::CHANNEL, channel::METHODS),
        (&channel::CHANNEL, channel::OPERATORS),
        (&message::MESSAGE, message::OPERATORS),
        (&field::FIELD, field::OPERATORS),
        (&payload::PAYLOAD, payload::METHODS),
        (&payload::PAYLOAD, payload::OPERATORS),
        (&error::ERROR, error::METHODS),
        (&error::ERROR, error::OPERATORS),
    ];
    let of = |(class, functions): (&'static Class, Functions)| {
        functions.iter().map(move |(name, function)| (class, *name, *function))
    };
    LISTS.into_iter().flat_map(of).chain(time::methods())
}

/// Puts functions into the table on top.
pub unsafe fn set_functions(l: *mut lua_State, functions: Functions) {
    for (name, function) in functions {
        set_function(l, name, *function);
    }
}

/// Fills a metatable: `methods` behind `__index`, `operators` in the metatable itself.
pub unsafe fn fill_metatable(l: *mut lua_State, methods: Functions, operators: Functions) {
    lua_createtable(l, 0, methods.len() as i32);
    set_functions(l, methods);
    set_raw_field(l, -2, c"__index");
    set_functions(l, operators);
}
