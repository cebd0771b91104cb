//! What the operating system does for the library, one small module for each service.

mod address_space;
mod allowance;
mod arena;
pub mod bell;
mod budget;
pub mod caught;
pub mod command;
pub mod errno;
mod file;
pub mod fork;
#[cfg(any(test, feature = "luajit"))]
pub mod generated_code;
mod image;
mod library;
pub mod magazines;
mod memory;
mod mould;
pub mod os_signal;
mod outside;
pub mod poller;
mod pollfd;
mod processors;
mod random;
mod regions;
pub mod reserve;
mod size_class;
mod slabs;
mod stack;
mod stdio;
mod thread;
mod thread_clock;
mod waker;

pub use budget::{Budget, has_any_limit};
pub use file::bytes_to_path;
pub use file::reason;
pub use image::{Image, KNOWN_LAYOUT};
#[cfg(feature = "lua54")]
pub use library::is_of_executable;
pub use library::{at_exit, exit, pin_library};
pub use memory::Memory;
pub use mould::{Mould, allocate as allocate_in_mould};
pub use outside::{is_silent, remember_handlers};
pub use pollfd::Pollfd;
pub use processors::processors;
pub use random::random_word;
pub use stack::{CStack, release as release_stack};
pub use stdio::{flush_output, print_line};
pub use thread::claim_data;
pub use thread::{Ending as EndingThread, name as name_thread, start as start_thread};
pub use thread_clock::ThreadClock;
pub use waker::Waker;
