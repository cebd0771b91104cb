//! What a Lua state has of the layers above, handed in once, when the library is loaded: the classes of its objects, the
//! functions that have names, how the tables and the blocking functions of the library are pushed. So nothing here imports those
//! layers.

use super::api::*;
use super::class::Class;
use once_cell::sync::OnceCell;
use std::ffi::CStr;
#[cfg(feature = "luajit")]
use std::ffi::c_int;

/// A method or an operator of a class.
pub type Method = (&'static Class, &'static CStr, Function);

/// The layers above, as a state sees them.
pub struct Faces {
    /// Every class of userdata that users can get hold of.
    pub classes: &'static [&'static Class],
    /// Their methods and operators: C functions that need no captured value. Those that may wait are not among them.
    pub methods: fn() -> Vec<Method>,
    /// The C functions of the modules, with what stands before their names.
    pub functions: fn() -> Vec<(&'static str, &'static CStr, Function)>,
    /// `coroutine.spawn`.
    pub spawn_coroutine: Function,
    /// Pushes the table `process`.
    pub push_process: unsafe fn(*mut lua_State),
    /// Pushes a function that may wait, by its name.
    pub push_blocking: unsafe fn(*mut lua_State, &CStr),
    /// A function that may wait: on Lua 5.4 it is the C function itself.
    #[cfg(feature = "lua54")]
    pub blocking_function: fn(&CStr) -> Function,
    /// Which function that may wait is at an index, if any. Allocates nothing in the state.
    #[cfg(feature = "luajit")]
    pub blocking_at: unsafe fn(*mut lua_State, c_int) -> Option<&'static CStr>,
    /// Fills the metatable of error objects, which is on top.
    pub fill_error: unsafe fn(*mut lua_State),
    /// Fills a new state with what all processes of its host have in common; may raise.
    pub fill: Function,
    /// Gives a filled state what its process begins with; may raise.
    pub begin: Function,
    /// The function that raises the error of an inner coroutine again.
    pub raiser: Function,
}

static FACES: OnceCell<&'static Faces> = OnceCell::new();

/// Hands them in, before the library makes or reads any state.
pub fn set(faces: &'static Faces) {
    let _ = FACES.set(faces);
}

/// Those that were handed in.
pub fn get() -> &'static Faces {
    // Loading the library begins with `set`, and nothing of this folder runs before.
    FACES.get().expect("the library is loaded")
}
