//! Memory set aside for the moment when the system has none left. A failed allocation of Rust's ends the program, so within this
//! library none fails: small blocks then come from a *pool* ([`pool`]), large tables from a *ballast* of address space
//! ([`ballast`]). [`store`] keeps both behind one lock; [`allocator`] is Rust's allocator in front of them.
//!
//! Neither lasts. From the first such block on memory [`is_short`]. Then every call that would make the library keep more is
//! refused at the border to Lua, as an error of that call, until the system has memory again. So the reserve has to be enough for
//! what all threads are doing at one moment, and for telling the ends of processes.
//!
//! - The pool lies in the zeroed data of the library: address space that takes no memory until it is used. Its blocks have 32
//!   bytes to 32 KiB, each a power of two.
//! - The ballast is mapped without access. It has room for all large tables of the library to double at the same moment. Long
//!   strings of the user's do not count: code that copies one asks [`has_room_for`] first ([`room`]).
//!
//! Only the library's own code uses this allocator. The rest of the program does not notice it.

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
