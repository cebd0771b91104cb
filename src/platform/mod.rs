//! What the operating system does for the library, one small module for each service.

mod address_space;
mod allowance;
mod arena;
#[cfg(not(test))]
pub mod command;
pub mod errno;
mod file;
pub mod fork;
#[cfg(any(test, feature = "luajit"))]
pub mod generated_code;
#[cfg(not(test))]
mod library;
pub mod magazines;
mod memory;
mod outside;
pub mod reserve;
pub mod signal;
#[cfg(not(test))]
mod stack;
#[cfg(not(test))]
mod stdio;
mod thread;
mod waker;

#[cfg(not(test))]
pub use file::bytes_to_path;
#[cfg(any(feature = "yaml", not(test)))]
pub use file::reason;
#[cfg(not(test))]
pub use library::{at_exit, exit, pin_library};
#[cfg(not(test))]
pub use memory::{Memory, has_any_limit};
#[cfg(not(test))]
pub use outside::{is_silent, remember_handlers};
#[cfg(not(test))]
pub use stack::{CStack, release as release_stack};
#[cfg(not(test))]
pub use stdio::{flush_output, print_line};
#[cfg(not(test))]
pub use thread::claim_data;
pub use thread::{Ending as EndingThread, name as name_thread, start as start_thread};
pub use waker::Waker;
