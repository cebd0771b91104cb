//! The parts of the library that are written in Lua, loaded into every state: compiled once, then from the binary chunk.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::api::*;
use super::raise::raise_failure;
use crate::runtime::failure::Failure;
use once_cell::sync::OnceCell;
use std::ffi::CStr;
#[cfg(feature = "luajit")]
use std::ffi::c_int;

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

/// What gives reports to a function.
pub static REPORTS: Part = Part::new(include_str!("reports.lua"), CHUNK);

/// What serves a channel by a function.
pub static ON: Part = Part::new(include_str!("on.lua"), CHUNK);

/// What has `process.top` run.
pub static TOP: Part = Part::new(include_str!("top.lua"), CHUNK);

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
    ///
    /// Stack: +1
    /// Raises: memory
    ///
    /// # Safety
    /// Own state.
    pub unsafe fn push(&self, l: *mut lua_State) {
        // Without memory nothing is kept: the next one tries again.
        let compile = || Some(self.compile()).filter(|code| !code.is_empty()).ok_or(());
        let Ok(code) = self.compiled.get_or_try_init(compile) else {
            raise_failure(l, 1, Failure::OutOfMemory);
        };
        if load(l, code, self.name, c"b") != LUA_OK {
            lua_error(l);
        }
    }

    /// The binary chunk, made in a state of its own. That of Lua 5.4 has its debug information, without which it would not have
    /// its name.
    ///
    /// # Safety
    /// None: the state that it uses is its own.
    #[cfg(feature = "lua54")]
    unsafe fn compile(&self) -> Vec<u8> {
        let mut code = Vec::new();
        let l = luaL_newstate();
        if !l.is_null() {
            if load(l, self.source.as_bytes(), self.name, c"t") == LUA_OK {
                code = dump(l);
            }
            lua_close(l);
        }
        code
    }

    /// The binary chunk, made in a state of its own. Without debug information, since every process has it.
    ///
    /// # Safety
    /// None: the state that it uses is its own.
    #[cfg(feature = "luajit")]
    unsafe fn compile(&self) -> Vec<u8> {
        struct Task<'a> {
            part: &'a Part,
            code: Vec<u8>,
        }
        /// Compiles the part without debug information.
        ///
        /// Stack: 0
        /// Raises: any
        ///
        /// # Safety
        /// Called by Lua, with the `Task` as light userdata.
        unsafe extern "C-unwind" fn compile(l: *mut lua_State) -> c_int {
            let task = &mut *lua_touserdata(l, 1).cast::<Task>();
            lua_pushcclosure(l, luaopen_string, 0);
            lua_pushstring(l, c"string".as_ptr());
            lua_call(l, 1, 1);
            raw_field(l, -1, c"dump");
            if load(l, task.part.source.as_bytes(), task.part.name, c"t") == LUA_OK {
                lua_pushboolean(l, 1);
                lua_call(l, 2, 1);
                task.code = to_bytes(l, -1).unwrap_or_default().to_vec();
            }
            0
        }
        let mut task = Task { part: self, code: Vec::new() };
        let l = luaL_newstate();
        if !l.is_null() {
            lua_cpcall(l, compile, std::ptr::from_mut(&mut task).cast());
            lua_close(l);
        }
        task.code
    }
}
