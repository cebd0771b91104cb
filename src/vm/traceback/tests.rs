//! Tracebacks as text.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::*;
use crate::vm::testing::State;

/// The traceback of its caller.
///
/// Stack: +1
/// Raises: memory
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn here(l: *mut lua_State) -> c_int {
    let text = of(l, 1);
    push_bytes(l, &text);
    1
}

fn traced(code: &str) -> String {
    let state = State::main();
    // SAFETY: under `attempt`.
    let set = state.attempt(|l| unsafe {
        lua_pushcclosure(l, here, 0);
        lua_setglobal(l, c"here".as_ptr());
    });
    set.and_then(|()| state.run(code)).expect("runs")
}

#[test]
fn functions_stand_in_it_with_their_lines_the_innermost_first() {
    let text = traced(
        "local function inner()\n  local t = here()\n  return t\nend\nfunction outer()\n  local t = inner()\n  return t\nend\nlocal t = outer()\nreturn t",
    );
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert_eq!(lines[0], "stack traceback:");
    assert!(lines[1].starts_with("test:2: in") && lines[1].contains("inner"), "{text}");
    assert!(lines[2].starts_with("test:6: in") && lines[2].contains("outer"), "{text}");
    assert!(lines[3].starts_with("test:9: in main chunk"), "{text}");
}

#[test]
fn a_deep_stack_is_told_from_both_ends() {
    let text = traced(
        "local function deep(n) if n == 0 then local t = here() return t end local t = deep(n - 1) return t end local t = deep(1000) return t",
    );
    assert!(text.lines().count() < 40, "{text}");
    assert!(text.contains("..."), "{text}");
    assert!(text.trim_end().ends_with("in main chunk"), "{text}");
}
