//! Values of a Lua state to and from the bytes of [`crate::wire`]. Encoding reads the sender's Lua stack, decoding fills the
//! receiver's; neither runs Lua code.

#[cfg(not(test))]
pub mod again;
#[cfg(not(test))]
mod aside;
#[cfg(not(test))]
pub mod decode;
#[cfg(not(test))]
pub mod encode;
pub mod error;
#[cfg(not(test))]
pub mod function;
#[cfg(not(test))]
mod kept_strings;
#[cfg(not(test))]
mod place;
#[cfg(not(test))]
mod scalar;
#[cfg(not(test))]
pub mod sequence;
pub mod time;
#[cfg(not(test))]
mod walk;

/// Tables inside each other up to this number of levels are worked on with room on the C stack.
#[cfg(not(test))]
const FLAT: usize = 16;
