//! What the layers below have of this one ([`crate::vm::faces`]).

use super::{
    birth, blocking, channel, coroutine, error_methods, message, modules, payload, pg, spawn_builder, time,
};
use crate::vm::api::*;
use crate::vm::class::Class;
use crate::vm::error::ERROR;
use crate::vm::faces::{Faces, Method};

/// For [`crate::vm::faces::set`].
pub static FACES: Faces = Faces {
    classes: &CLASSES,
    methods,
    functions: modules::module_functions,
    spawn_coroutine: coroutine::spawn,
    push_process: modules::push_process,
    push_blocking: blocking::push_blocking,
    #[cfg(feature = "lua54")]
    blocking_function: blocking::blocking_function,
    #[cfg(feature = "luajit")]
    blocking_at: blocking::blocking_at,
    fill_error: error_methods::fill,
    fill: birth::fill,
    begin: birth::begin,
    #[cfg(feature = "lua54")]
    raiser: crate::executor::resume_lua54::call_wrapped,
    #[cfg(feature = "luajit")]
    raiser: crate::executor::resume_luajit::raise_passed,
};

/// Every class of userdata that users can get hold of.
static CLASSES: [&Class; 14] = [
    &spawn_builder::SPAWNER,
    &channel::CHANNEL,
    &channel::CASE,
    &message::MESSAGE,
    &message::FIELD,
    &payload::PAYLOAD,
    &ERROR,
    &time::TIME,
    &time::DURATION,
    &time::LOCATION,
    &time::TIMER,
    &time::TICKER,
    &pg::SCOPE,
    &pg::SUBSCRIPTION,
];

/// The methods and operators of the classes, with what stands behind them: C functions that need no captured value. Those that
/// may wait are not among them.
fn methods() -> Vec<Method> {
    const LISTS: [(&Class, Functions); 12] = [
        (&spawn_builder::SPAWNER, spawn_builder::METHODS),
        (&channel::CHANNEL, channel::METHODS),
        (&channel::CHANNEL, channel::OPERATORS),
        (&message::MESSAGE, message::METHODS),
        (&message::MESSAGE, message::OPERATORS),
        (&message::FIELD, message::FIELD_OPERATORS),
        (&payload::PAYLOAD, payload::METHODS),
        (&payload::PAYLOAD, payload::OPERATORS),
        (&ERROR, error_methods::METHODS),
        (&ERROR, error_methods::OPERATORS),
        (&pg::SCOPE, pg::SCOPE_METHODS),
        (&pg::SUBSCRIPTION, pg::SUBSCRIPTION_METHODS),
    ];
    let of = |(class, functions): (&'static Class, Functions)| {
        functions.iter().map(move |(name, function)| (class, *name, *function))
    };
    LISTS.into_iter().flat_map(of).chain(time::methods()).collect()
}
