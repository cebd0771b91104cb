//! The parts of the library that are written in Lua, loaded into every state: compiled once, then from the binary chunk.

use super::api::*;
use once_cell::sync::OnceCell;
use std::ffi::CStr;

/// The name of each: what is called so is the library's own.
pub const CHUNK: &CStr = c"=[process]";

/// A Lua source of the library's own.
pub struct Part {
    source: &'static str,
    name: &'static CStr,
    compiled: OnceCell<Vec<u8>>,
}

/// How a process runs its entry.
pub static BOOT: Part = Part::new(include_str!("boot.lua"), CHUNK);

/// The halves of blocking calls put together.
#[cfg(feature = "luajit")]
pub static BLOCKING: Part = Part::new(include_str!("blocking.lua"), CHUNK);

/// `coroutine.resume` and `wrap` of spawned processes.
#[cfg(feature = "luajit")]
pub static COROUTINE: Part = Part::new(include_str!("coroutine.lua"), CHUNK);

impl Part {
    const fn new(source: &'static str, name: &'static CStr) -> Self {
        Part { source, name, compiled: OnceCell::new() }
    }

    /// Pushes the part as a function. Raises if the VM has no memory.
    pub unsafe fn push(&self, l: *mut lua_State) {
        let status = match self.compiled.get() {
            Some(code) => load(l, code, self.name, c"b"),
            None => load(l, self.source.as_bytes(), self.name, c"t"),
        };
        if status != LUA_OK {
            lua_error(l);
        }
        if self.compiled.get().is_none() {
            let code = dump(l);
            if !code.is_empty() {
                let _ = self.compiled.set(code);
            }
        }
    }
}
