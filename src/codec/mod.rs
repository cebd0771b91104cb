//! Values of a Lua state to and from the bytes of [`crate::wire`]. Encoding reads the sender's Lua stack, decoding fills the
//! receiver's; neither runs Lua code.

pub mod again;
mod aside;
pub mod decode;
pub mod encode;
mod environment;
pub mod error;
pub mod function;
mod kept_strings;
pub mod modules;
mod place;
mod scalar;
pub mod sequence;
pub mod time;
mod walk;

/// Tables inside each other up to this number of levels are worked on with room on the C stack.
const FLAT: usize = 16;

#[cfg(test)]
mod tests;
