//! One thing that crosses from one state to another by its name.

use super::api::*;
use crate::runtime::libraries::Libraries;
#[cfg(feature = "luajit")]
use std::ffi::CStr;

/// Tables of ours in which nothing shows that they are more than data: they hold no function, or none as yet.
pub const PLAIN_TABLES: [&str; 3] = ["process.time", "process.errors", "process.event"];

/// The addresses of [`PLAIN_TABLES`] in a state.
pub type PlainTables = [usize; PLAIN_TABLES.len()];

/// What a name stands for.
#[derive(Clone, Copy)]
pub enum Of {
    /// Something of the interpreter's.
    Standard,
    /// Something of the interpreter's that is there only after this module was loaded: `ffi`, `table.new`.
    Module(usize),
    /// A table of ours.
    OwnTable,
    /// A C function of ours.
    Own(Function),
    /// A function of ours that may wait, put together for each state.
    #[cfg(feature = "luajit")]
    Blocking(&'static CStr),
    /// This function of `string`, as a method of errors.
    ErrorMethod(usize),
}

impl Of {
    /// It comes with this module.
    pub fn is_of_module(self, module: usize) -> bool {
        matches!(self, Of::Module(own) if own == module)
    }
}

/// Something that crosses by name.
pub struct Name {
    /// The name.
    pub text: Vec<u8>,
    /// The standard libraries that it belongs to, none for this one.
    pub library: Libraries,
    /// What it stands for.
    pub of: Of,
    /// The C function of the interpreter's own that has this name.
    pub function: Option<Function>,
    /// That function works without captured values and in any environment.
    pub plain: bool,
}

#[cfg(feature = "luajit")]
impl Name {
    /// It is that of the function with this blocking part.
    pub fn is_blocking(&self, part: &CStr) -> bool {
        matches!(self.of, Of::Blocking(own) if own == part)
    }
}

/// A module that is there only after it was loaded.
pub struct Module {
    /// What `require` calls it.
    pub name: Vec<u8>,
    /// What loads it.
    pub opener: Function,
}
