//! Running a process: its code, its coroutines, how a call waits, and how the process ends.

pub mod code;
pub mod ctrl_c;
pub mod description;
pub mod execution;
pub mod frames;
pub mod managed;
pub mod outcome;
#[cfg(feature = "lua54")]
pub mod resume_lua54;
#[cfg(feature = "luajit")]
pub mod resume_luajit;
pub mod sleep;
pub mod start;
pub mod step;
pub mod wait;
#[cfg(feature = "luajit")]
pub mod xpcall;

#[cfg(test)]
mod tests;
