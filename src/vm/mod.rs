//! One Lua state: its interface, objects, errors, allocator, context, and how running code is interrupted.
//!
//! # Rules for code that calls Lua
//!
//! The C API of Lua knows no types, raises by jumping or unwinding, and runs code of the user's at many places: metamethods,
//! finalizers, hooks. So every `unsafe fn` here and in the layers above keeps these rules. Their names are used in comments.
//!
//! - **Own state.** A `lua_State` is used by the thread that runs the process it belongs to, and by no other. The same holds for
//!   its [`context::Context`]. A function gets `l` from Lua, or from the context of the state that its thread runs; `l` is alive
//!   as long as the function runs.
//! - **Room.** Whoever pushes needs free places on the Lua stack. Lua gives a C function 20. A function says by `Stack:` how many
//!   values it leaves more or less than it found, and how much room it needs if that is more than four. Its caller sees to that,
//!   by what Lua gives or by `luaL_checkstack`.
//! - **No borrow.** While Lua may run code of the user's, no cell of the context is borrowed. What runs may call the library,
//!   which borrows the same cell. So each borrow lasts for one statement that calls nothing of Lua.
//! - **Nothing to drop.** A raise passes over Rust's frames without dropping anything; so does the jump that ends a process. When
//!   either can happen, no value with a destructor is on Rust's stack: it is in the context, in a userdata, or a raw pointer. A
//!   function says by `Raises:` what it can raise: `never`; `memory`, the error of a refused allocation, and of a finalizer that
//!   the collector runs meanwhile; `any`, whatever code of the user's can raise.
//! - **No catching frame.** A raise or a jump never crosses a frame of Rust's that catches panics. The two that do are in
//!   `executor/execution.rs` and at the borders to C; Lua runs there under `lua_pcall` or above an entry frame ([`frame`]).
//! - **Values stay.** A pointer or a slice from the Lua stack lives as long as its value stands there. A reference to the value
//!   of a userdata lives as long as the userdata does.
//! - **Interrupts.** The signal handler reads the context of its own thread: only plain cells, only while [`leaving`] is open.
//!   What it reads is changed by single stores.

#[cfg(feature = "luajit")]
pub mod allocator;
pub mod api;
pub mod array_part;
pub mod awaiting;
#[cfg(feature = "lua54")]
pub mod census;
pub mod chain;
pub mod class;
pub mod collector;
#[cfg(feature = "luajit")]
pub mod compiled;
pub mod context;
pub mod context_field;
mod decoding;
pub mod destinations;
pub mod ending;
pub mod errands;
pub mod error;
pub mod faces;
pub mod fields;
mod finalizer;
pub mod frame;
pub mod guest;
pub mod headroom;
pub mod inquiry;
pub mod interrupt;
pub mod kind;
pub mod leaving;
pub mod lookup;
pub mod lua_parts;
mod mail;
pub mod main_state;
pub mod name;
pub mod name_list;
pub mod newborn;
pub mod object;
pub mod own_names;
pub mod paths;
pub mod pause;
pub mod preempt;
pub mod raise;
#[cfg(feature = "luajit")]
mod refusal;
pub mod standard;
pub mod startup;
pub mod state;
#[cfg(test)]
pub mod testing;
pub mod traceback;
pub mod traces;
pub mod waits;
pub mod watched;
