//! One Lua state: its interface, objects, allocator, context, and how running code is interrupted.
//!
//! All `unsafe` of the Lua C API lives here and in what stands above. A function that Lua calls reads its
//! arguments, lets safe code decide, and pushes the results; between reading and pushing nothing of Lua runs.

#[cfg(feature = "luajit")]
pub mod allocator;
pub mod api;
#[cfg(feature = "lua54")]
pub mod census;
pub mod chain;
pub mod class;
pub mod collector;
#[cfg(feature = "luajit")]
pub mod compiled;
pub mod context;
pub mod error;
pub mod faces;
pub mod fields;
pub mod frame;
pub mod headroom;
pub mod interrupt;
pub mod kind;
pub mod lookup;
pub mod lua_parts;
pub mod main_state;
pub mod name;
pub mod names;
pub mod object;
pub mod paths;
pub mod pause;
pub mod preempt;
pub mod raise;
#[cfg(feature = "luajit")]
mod refusal;
pub mod registry_field;
pub mod standard;
pub mod startup;
pub mod state;
pub mod traceback;
