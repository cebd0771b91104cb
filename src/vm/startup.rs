//! What a process begins with, as plain data.

use crate::runtime::entry::DEFAULT_METHOD;
use crate::runtime::libraries::Libraries;
use crate::runtime::needs::Needs;
use std::sync::Arc;

/// Everything a new process begins with.
pub struct Startup {
    /// Its code.
    pub code: Code,
    /// `package.path` and `package.cpath`, as the spawner has them.
    pub path: Option<Vec<u8>>,
    /// See `path`.
    pub cpath: Option<Vec<u8>>,
    /// Encoded arguments of `main`; before them the function itself if the code says so.
    pub arguments: Vec<u8>,
}

/// What a process runs.
#[derive(Clone)]
pub enum Program {
    /// A binary chunk, which gives the function to call.
    Chunk(Arc<[u8]>),
    /// An encoded function; what the sequence has behind it is passed over.
    Function(Arc<[u8]>),
    /// The function that is the first of the arguments.
    FirstArgument,
}

/// The function that a process was started from, in front of a sequence.
#[derive(Clone)]
pub enum Started {
    /// That of a definition, which has it too.
    Defined(Arc<[u8]>),
    /// Its own (see [`crate::codec::again`]).
    Own(Box<[u8]>),
}

/// What an entry runs.
#[derive(Clone)]
pub struct Code {
    /// Module name, the first argument of the chunk.
    pub module: String,
    /// File name, the second argument of the chunk; none for source text.
    pub file: Option<Vec<u8>>,
    /// The code itself.
    pub program: Program,
    /// The function of the chunk's table to call.
    pub method: String,
    /// Alias and entry: what `require(alias)` gives.
    pub imports: Vec<(String, String)>,
}

impl Code {
    /// A function that comes with the arguments.
    pub fn of_first_argument() -> Self {
        Code::of_function(String::new(), Program::FirstArgument)
    }

    /// The function of a definition that a process was started from.
    pub fn of_defined_function(function: Arc<[u8]>) -> Self {
        Code::of_function(String::new(), Program::Function(function))
    }

    /// A function of this module.
    pub fn of_function(module: String, program: Program) -> Self {
        Code { module, file: None, program, method: DEFAULT_METHOD.into(), imports: Vec::new() }
    }

    /// The libraries that the code names.
    pub fn needs(&self) -> Libraries {
        match &self.program {
            Program::Function(bytes) => Needs::of(bytes).libraries,
            _ => Libraries::NONE,
        }
    }
}
