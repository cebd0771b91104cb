//! What a process begins with, as plain data.

use super::api::Function;
use crate::runtime::entry::DEFAULT_METHOD;
use crate::runtime::libraries::Libraries;
use crate::runtime::needs::Needs;
use std::cell::RefCell;
use std::sync::Arc;

/// Everything a new process begins with.
pub struct Startup {
    /// Its code.
    pub code: Code,
    /// `package.path`, as the spawner has it.
    pub path: Option<Vec<u8>>,
    /// `package.cpath`, as the spawner has it.
    pub cpath: Option<Vec<u8>>,
    /// Openers of modules, for `package.preload`.
    pub preload: Vec<(Box<[u8]>, Function)>,
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

    /// The entries that it imports.
    pub fn imported(&self) -> Vec<Box<str>> {
        self.imports.iter().map(|(_, entry)| entry.as_str().into()).collect()
    }

    /// The libraries that the code names.
    pub fn needs(&self) -> Libraries {
        match &self.program {
            Program::Function(bytes) => Needs::of(bytes).libraries,
            _ => Libraries::NONE,
        }
    }
}

/// The beginning of a process, while it is under way, and the part of it that stays.
#[derive(Default)]
pub struct Start {
    /// What the process begins with, while it is set up.
    startup: RefCell<Option<Startup>>,
    /// Encoded arguments of `main`, while they are decoded.
    arguments: RefCell<Vec<u8>>,
    /// The function that the process was started from; none if it runs a chunk.
    function: RefCell<Option<Started>>,
    /// The entries that are being imported.
    importing: RefCell<Vec<Code>>,
    /// The process is to go on with this in a new state.
    upgrade: RefCell<Option<Startup>>,
}

impl Start {
    /// The process begins with this.
    pub fn begin(&self, startup: Startup) {
        *self.startup.borrow_mut() = Some(startup);
    }

    /// What the process begins with, while it is set up. Lua may raise meanwhile.
    ///
    /// # Safety
    /// The reference ends before [`Start::end`] and [`Start::arguments`] are called.
    pub unsafe fn startup(&self) -> Option<&Startup> {
        // SAFETY: nothing changes it before the reference ends, as the caller says.
        unsafe { (*self.startup.as_ptr()).as_ref() }
    }

    /// The encoded arguments of `main`, kept here while they are decoded, which may raise.
    ///
    /// # Safety
    /// The reference ends before [`Start::take_arguments`] is called.
    pub unsafe fn arguments(&self) -> &[u8] {
        let arguments =
            self.startup.borrow_mut().as_mut().map(|startup| std::mem::take(&mut startup.arguments));
        *self.arguments.borrow_mut() = arguments.unwrap_or_default();
        // SAFETY: nothing changes them before the reference ends, as the caller says.
        unsafe { &*self.arguments.as_ptr() }
    }

    /// The arguments are decoded.
    pub fn take_arguments(&self) -> Vec<u8> {
        self.arguments.take()
    }

    /// The process is set up.
    pub fn end(&self) {
        *self.startup.borrow_mut() = None;
    }

    /// The process was started from this function.
    pub fn set_function(&self, function: Started) {
        *self.function.borrow_mut() = Some(function);
    }

    /// The function that the process was started from; none if it runs a chunk. It is set once.
    ///
    /// # Safety
    /// The reference ends before [`Start::set_function`] is called.
    pub unsafe fn function(&self) -> Option<&Started> {
        // SAFETY: nothing changes it before the reference ends, as the caller says.
        unsafe { (*self.function.as_ptr()).as_ref() }
    }

    /// An entry is going to be imported: its code, which stays until [`Start::imported`].
    pub fn import(&self, code: Code) {
        self.importing.borrow_mut().push(code);
    }

    /// The code of the entry that is being imported.
    ///
    /// # Safety
    /// The reference ends before [`Start::import`] or [`Start::imported`] is called. The code that runs meanwhile may import
    /// others: the reference is not used after that.
    pub unsafe fn importing(&self) -> Option<&Code> {
        // SAFETY: nothing changes them before the reference ends, as the caller says.
        unsafe { (*self.importing.as_ptr()).last() }
    }

    /// The entry that was imported last is there.
    pub fn imported(&self) {
        self.importing.borrow_mut().pop();
    }

    /// The process is to go on with this in a new state.
    pub fn upgrade_to(&self, startup: Startup) {
        *self.upgrade.borrow_mut() = Some(startup);
    }

    /// True if the process is to go on in a new state.
    pub fn is_upgrading(&self) -> bool {
        self.upgrade.borrow().is_some()
    }

    /// What the process is to go on with in a new state.
    pub fn take_upgrade(&self) -> Option<Startup> {
        self.upgrade.borrow_mut().take()
    }
}
