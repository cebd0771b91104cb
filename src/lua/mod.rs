//! What Lua sees. Each function reads its arguments, asks the layers below, and pushes the results. Its comment names the ids of
//! the reference that say what it promises.
// Nearly every line calls Lua, under the rules of `vm/mod.rs`; a block around each would hide what is special.
#![allow(unsafe_op_in_unsafe_fn)]

pub mod arguments;
pub mod birth;
pub mod blocking;
pub mod bundled;
pub mod call;
pub mod channel;
pub mod commands;
pub mod control;
pub mod coroutine;
pub mod ctx;
mod descriptors;
pub mod error_methods;
pub mod errors;
pub mod event;
pub mod exec;
pub mod faces;
pub mod guarded;
mod guest;
pub mod hosts;
pub mod imports;
mod inspection;
pub mod install;
#[cfg(feature = "yaml")]
pub mod load;
pub mod mail;
pub mod message;
pub mod modules;
mod on;
pub mod on_report;
pub mod options;
mod os_signals;
pub mod payload;
pub mod permissions;
pub mod pg;
pub mod plan;
mod preload;
pub mod registry;
pub mod restricted;
pub mod select;
pub mod send_receive;
mod send_wait;
mod shutdown;
pub mod spawn;
pub mod spawn_builder;
pub mod stock;
mod supervision;
pub mod time;
pub mod trace;
pub mod traceback;
#[cfg(feature = "lua54")]
mod uncaught;
pub mod upgrade;
