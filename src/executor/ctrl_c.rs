//! The hook by which a stock interpreter learns of Ctrl-C.
//!
//! The interpreter's signal handler only sets a hook on its main state, and the hook raises `interrupted!` before the next
//! instruction. While a call of the library waits there is no next instruction. So the wait checks whether a hook has appeared,
//! and runs a function that the hook can stop. Hooks of the user's are left alone.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use crate::vm::api::*;
use crate::vm::context::Context;
use std::ffi::c_int;

/// A debug hook as it is set: function, mask and count.
#[derive(Clone, Copy)]
pub struct Hook {
    function: Option<lua_Hook>,
    mask: c_int,
    count: c_int,
}

impl Hook {
    /// The hook of a coroutine.
    ///
    /// Stack: 0
    /// Raises: never
    ///
    /// # Safety
    /// Own state.
    unsafe fn of(l: *mut lua_State) -> Self {
        Hook { function: lua_gethook(l), mask: lua_gethookmask(l), count: lua_gethookcount(l) }
    }

    /// Sets it on a coroutine.
    ///
    /// Stack: 0
    /// Raises: never
    ///
    /// # Safety
    /// Own state.
    unsafe fn set(self, l: *mut lua_State) {
        lua_sethook(l, self.function, self.mask, self.count);
    }

    fn address(self) -> usize {
        self.function.map_or(0, |function| function as usize)
    }

    fn same_as(self, other: Hook) -> bool {
        self.address() == other.address() && self.mask == other.mask && self.count == other.count
    }

    /// Whether it wants to be called at the very next instruction, whatever that is, as a signal handler's does.
    fn is_urgent(self) -> bool {
        const ANYTHING: c_int = LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT;
        self.mask & ANYTHING == ANYTHING && self.count == 1
    }
}

/// What the hook of a main process was when a wait began.
pub struct Watch(Option<Hook>);

impl Watch {
    /// Begins to watch. Nothing is watched in a spawned process: the interpreter does not know its state.
    ///
    /// # Safety
    /// Own state.
    pub unsafe fn begin(context: &Context) -> Self {
        if !context.process().is_main() {
            return Watch(None);
        }
        let hook = Hook::of(context.chain().main());
        // One that a handler set on the way here counts as having appeared since.
        let nothing = Hook { function: None, mask: 0, count: 0 };
        Watch(Some(if hook.is_urgent() { nothing } else { hook }))
    }

    /// True if another hook has appeared. None is missed if signals are held back meanwhile.
    ///
    /// # Safety
    /// Own state.
    pub unsafe fn has_news(&self, context: &Context) -> bool {
        self.0.is_some_and(|before| {
            let now = Hook::of(context.chain().main());
            now.function.is_some() && !now.same_as(before)
        })
    }

    /// Gives the new hook a function to stop in, and counts it as known if it lets that pass. A status other than `LUA_OK`:
    /// what it has raised is on top.
    ///
    /// Stack: 0, or +1 the error
    /// Raises: never
    ///
    /// # Safety
    /// Own state.
    pub unsafe fn run(&mut self, l: *mut lua_State, context: &Context) -> c_int {
        // On Lua 5.4 the hook is on the main thread of the state, which may not be the one that waits.
        let main = context.chain().main();
        let moved = cfg!(feature = "lua54") && main != l;
        let (new, own) = (Hook::of(main), Hook::of(l));
        if moved {
            Hook { function: None, mask: 0, count: 0 }.set(main);
            new.set(l);
        }
        let status = match load(l, b"return", c"=waiting", c"t") {
            LUA_OK => lua_pcall(l, 0, 0, 0),
            status => status,
        };
        if moved {
            if Hook::of(l).same_as(new) {
                new.set(main);
            }
            own.set(l);
        }
        self.0 = Some(Hook::of(main));
        status
    }
}
