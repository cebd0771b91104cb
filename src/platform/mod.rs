//! What the operating system does for the library, one small module for each service.

mod doorbell;
#[cfg(not(test))]
mod library;
#[cfg(all(not(test), feature = "lua54"))]
mod stack;
#[cfg(not(test))]
mod stdio;
#[cfg(not(test))]
mod thread;

pub use doorbell::Doorbell;
#[cfg(not(test))]
pub use library::{at_exit, exit, pin_library};
#[cfg(all(not(test), feature = "lua54"))]
pub use stack::remaining as remaining_stack;
#[cfg(not(test))]
pub use stdio::print_line;
#[cfg(not(test))]
pub use thread::{block_signals, name_thread};
