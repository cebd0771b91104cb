//! One Lua state and the thread that steps it: creating, limiting and closing it, its coroutines, and how a call waits.
//!
//! All `unsafe` of the Lua C API lives here, in [`crate::codec`] and in [`crate::lua`]. A function that Lua calls reads its
//! arguments, lets safe code decide, and pushes the results; between reading and pushing nothing of Lua runs.

#[cfg(feature = "luajit")]
mod allocator;
pub mod api;
pub mod birth;
pub mod boot;
#[cfg(feature = "lua54")]
pub mod census;
pub mod chain;
pub mod chunk;
#[cfg(feature = "luajit")]
pub mod compiled;
pub mod context;
pub mod coroutine;
pub mod ending;
pub mod frame;
#[cfg(feature = "luajit")]
pub mod guard;
pub mod hook;
pub mod interrupt;
pub mod kind;
pub mod life;
pub mod main_state;
pub mod names;
pub mod object;
pub mod preempt;
#[cfg(feature = "luajit")]
mod refusal;
#[cfg(feature = "luajit")]
pub mod resume;
pub mod room;
pub mod run;
pub mod standard;
pub mod state;
pub mod traceback;
pub mod wait;
