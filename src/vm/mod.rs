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
#[cfg(feature = "luajit")]
pub mod compiled;
pub mod context;
pub mod fields;
pub mod frame;
pub mod headroom;
pub mod interrupt;
pub mod kind;
pub mod main_state;
pub mod names;
pub mod object;
pub mod preempt;
#[cfg(feature = "luajit")]
mod refusal;
pub mod standard;
pub mod state;
