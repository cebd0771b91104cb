//! Raised texts and where they say they come from.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::*;
use crate::vm::testing::State;

/// Raises a failure with the position of its caller.
///
/// Stack: never returns
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn fail(l: *mut lua_State) -> c_int {
    let failure = if lua_gettop(l) == 0 { Failure::Terminated } else { Failure::OutOfMemory };
    raise_failure(l, 1, failure)
}

fn raised(code: &'static str) -> Result<(), String> {
    let state = State::main();
    // SAFETY: under `attempt`.
    state.attempt(|l| unsafe {
        lua_pushcclosure(l, fail, 0);
        lua_setglobal(l, c"fail".as_ptr());
        if luaL_loadbuffer(l, code.as_ptr().cast(), code.len(), c"=test".as_ptr()) != LUA_OK {
            lua_error(l);
        }
        lua_call(l, 0, 0);
    })
}

#[test]
fn a_failure_is_raised_with_the_position_of_the_caller() {
    assert_eq!(raised("\n\nfail()"), Err(format!("test:3: {}", Failure::Terminated)));
}

#[test]
fn a_lack_of_memory_is_raised_as_the_vm_raises_it() {
    assert_eq!(raised("fail(1)"), Err("not enough memory".into()));
}
