//! Memory set aside for the day when the system has none left. An allocation of Rust's that fails ends the program, so within
//! this library none does: small blocks come from a *pool* then ([`pool`]), large tables from a *ballast* of address space
//! ([`ballast`]). [`store`] keeps both behind one lock; [`allocator`] is Rust's allocator in front of them.
//!
//! Neither lasts. From the first such block on memory [`is_short`], and whatever would make the library keep more is refused
//! at the border to Lua, as an error of that call, until the system has memory again. So the reserve has to do for what is
//! under way at one moment in all threads, and for the ends of processes, which must be told.
//!
//! - The pool lies among the zeroed data of the library: address space that no memory stands behind until it is used. It has
//!   blocks of 32 bytes to 32 KiB, each a power of two.
//! - The ballast is mapped without access. It has room for all large tables of the library to double at the same moment. Long
//!   strings of the user's are not among them: whatever copies one asks [`has_room_for`] first ([`room`]).
//!
//! Only the library's own code allocates through this page; the rest of the program does not notice it.

mod allocator;
mod ballast;
mod pool;
mod probe;
mod room;
mod store;

#[cfg(not(test))]
pub use allocator::Allocator;
pub use pool::{LARGE, holds};
pub use room::{has_room_for, has_room_for_process, owned, shared};
pub use store::{allocate, free, is_short, open};
