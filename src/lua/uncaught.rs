//! Whether the stock interpreter asks for the text of an error that nobody has caught (W-8). It prints that text without a traceback,
//! so that nobody would learn where the error came from.
//!
//! Its message handler is a C function of the executable that has no name in any library: nothing else that asks for the text of a
//! value is.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use crate::platform;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::standard;

/// Whether the running function, an `__tostring`, was called by that handler.
///
/// Stack: 0, room for 14
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn is_shown(l: *mut lua_State) -> bool {
    let context = Context::of_state(l);
    let mut frame: lua_Debug = std::mem::zeroed();
    if !context.process().is_main() || lua_getstack(l, 1, &mut frame) == 0 {
        return false;
    }
    lua_getinfo(l, c"f".as_ptr(), &mut frame);
    let handler = lua_tocfunction(l, -1)
        .is_some_and(|function| platform::is_of_executable(function as usize))
        && lua_checkstack(l, 14) != 0
        && standard::name_at(l, context, lua_gettop(l)).is_none();
    lua_pop(l, 1);
    handler
}
