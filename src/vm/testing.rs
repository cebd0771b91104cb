//! Lua states for unit tests. The feature `test-vm` builds the VM into the test binary.
//!
//! A test must not panic while a function of Lua's is on the stack: LuaJIT ends the whole program when a panic reaches its
//! frames. So what runs inside [`State::attempt`] returns what it has found, and the test asserts outside.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::api::*;
use super::context::Context;
use super::{headroom, state};
use crate::runtime::host;
use crate::runtime::process::Process;
use std::ffi::{c_int, c_void};
use std::sync::{Arc, Once};

unsafe extern "C-unwind" {
    /// The entry point that an interpreter would look up.
    fn luaopen_process(l: *mut lua_State) -> c_int;
}

/// A Lua state that is closed at its end. The test's own thread uses it.
pub struct State(*mut lua_State);

impl State {
    /// A state with the standard libraries, which the library does not know.
    pub fn bare() -> State {
        // SAFETY: a new state; opening the libraries raises only without memory.
        unsafe {
            let l = luaL_newstate();
            assert!(!l.is_null(), "no memory for a Lua state");
            luaL_openlibs(l);
            State(l)
        }
    }

    /// A main process: a state in which `require "process"` has run. The module is the global `process`.
    pub fn main() -> State {
        let state = State::bare();
        state
            .attempt(|l| {
                // SAFETY: under `attempt`, on this state's thread.
                unsafe {
                    lua_pushcclosure(l, luaopen_process, 0);
                    lua_call(l, 0, 1);
                    lua_setglobal(l, c"process".as_ptr());
                }
            })
            .expect("the module loads");
        state
    }

    /// The state. What raises is called inside [`State::attempt`].
    pub fn l(&self) -> *mut lua_State {
        self.0
    }

    /// Runs `code` and gives its results as text, `, ` between them, or its error.
    pub fn run(&self, code: &str) -> Result<String, String> {
        self.attempt(|l| {
            // SAFETY: under `attempt`; the chunk runs in a stack of its own.
            unsafe {
                let status = match luaL_loadbuffer(l, code.as_ptr().cast(), code.len(), c"=test".as_ptr()) {
                    LUA_OK => lua_pcall(l, 0, LUA_MULTRET, 0),
                    status => status,
                };
                let text: Vec<String> = (1..=lua_gettop(l)).map(|index| describe(l, index)).collect();
                if status == LUA_OK { Ok(text.join(", ")) } else { Err(text.join(", ")) }
            }
        })?
    }

    /// Runs `body`, which may raise, and gives what it returns, or the error as text. Its stack is empty, and the
    /// stack of the state as it was before.
    /// What `body` owns is lost if it raises. It must not panic.
    pub fn attempt<R>(&self, body: impl FnOnce(*mut lua_State) -> R) -> Result<R, String> {
        attempt(self.0, body)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // SAFETY: the state is this thread's, and nothing runs in it.
        unsafe { lua_close(self.0) }
    }
}

/// The bare state of a spawned process, which nobody steps: its allocator, its budget and its context are as in every other.
pub struct Spawned(Box<Context>);

impl Spawned {
    /// A state that may use so many bytes more than it is born with, 0 for any number. It has the standard libraries.
    pub fn new(limit: usize) -> Spawned {
        static LOADED: Once = Once::new();
        // The first main process hands in the classes and functions of the layers above.
        LOADED.call_once(|| drop(State::main()));
        let host = host::lookup(b"app:processes").expect("the host of every program");
        let sleeper = host.sleeper();
        let mut process = Process::new("test:entry", host, Arc::default(), sleeper);
        process.limits.memory = limit;
        let spawned = Spawned(Box::new(Context::new(Arc::new(process))));
        let context = spawned.context();
        // SAFETY: the context is boxed, and closes the state before it goes; opening libraries raises only without memory.
        unsafe {
            let l = state::open(context, 0).expect("memory for a Lua state");
            luaL_openlibs(l);
        }
        context.memory().ask_by(headroom::on_memory_asks);
        if limit > 0 {
            context.budget().set_limit(context.budget().used() + limit);
        }
        spawned
    }

    /// Its context.
    pub fn context(&self) -> &Context {
        &self.0
    }

    /// The state. What raises is called inside [`Spawned::attempt`].
    pub fn l(&self) -> *mut lua_State {
        self.0.chain().main()
    }

    /// As [`State::attempt`].
    pub fn attempt<R>(&self, body: impl FnOnce(*mut lua_State) -> R) -> Result<R, String> {
        attempt(self.l(), body)
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        // SAFETY: the state is this thread's, and nothing runs in it.
        unsafe { state::close(&self.0) }
    }
}

/// As [`State::attempt`], in any state of the calling thread.
fn attempt<R, F: FnOnce(*mut lua_State) -> R>(l: *mut lua_State, body: F) -> Result<R, String> {
    struct Call<F, R> {
        body: Option<F>,
        result: Option<R>,
    }

    /// Runs the body in a stack of its own, which is empty.
    ///
    /// Stack: 0
    /// Raises: any
    ///
    /// # Safety
    /// Called by Lua; the argument is a `Call<F, R>`.
    unsafe extern "C-unwind" fn call<F: FnOnce(*mut lua_State) -> R, R>(l: *mut lua_State) -> c_int {
        // SAFETY: `attempt` waits for this function while it owns the call.
        let call = unsafe { &mut *lua_touserdata(l, -1).cast::<Call<F, R>>() };
        // SAFETY: that argument.
        unsafe { lua_settop(l, 0) };
        if let Some(body) = call.body.take() {
            call.result = Some(body(l));
        }
        0
    }

    let mut made = Call { body: Some(body), result: None };
    let data = (&raw mut made).cast::<c_void>();
    // SAFETY: the state is this thread's.
    unsafe {
        let top = lua_gettop(l);
        let status = protected_with(l, call::<F, R>, data);
        if status == LUA_OK {
            return made.result.ok_or_else(|| "nothing came back".into());
        }
        let text = to_bytes(l, -1).unwrap_or(b"an error that is no text");
        let text = String::from_utf8_lossy(text).into_owned();
        lua_settop(l, top);
        Err(text)
    }
}

/// The value at `index` as text: strings as they are, everything else as `tostring` shows it.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state.
unsafe fn describe(l: *mut lua_State, index: c_int) -> String {
    let mut length = 0;
    let text = luaL_tolstring(l, index, &mut length);
    let text = String::from_utf8_lossy(std::slice::from_raw_parts(text.cast(), length)).into_owned();
    lua_pop(l, 1);
    text
}

mod tests {
    use super::*;

    #[test]
    fn code_runs_and_its_results_and_errors_come_back() {
        let state = State::bare();
        assert_eq!(state.run("return 1, 'two', nil"), Ok("1, two, nil".into()));
        assert_eq!(state.run("error('wrong', 0)"), Err("wrong".into()));
        assert!(state.run("return +").is_err());
    }

    #[test]
    fn a_raise_inside_an_attempt_is_its_error() {
        let state = State::bare();
        // SAFETY: under `attempt`.
        let raised: Result<(), String> = state.attempt(|l| unsafe {
            push_bytes(l, b"raised");
            lua_error(l);
        });
        assert_eq!(raised, Err("raised".into()));
        // SAFETY: no value was left behind.
        assert_eq!(unsafe { lua_gettop(state.l()) }, 0);
    }

    #[test]
    fn the_library_runs_in_the_test_binary() {
        let state = State::main();
        assert_eq!(
            state.run("local c = process.spawn and channel.new(1); c:send(7); return (c:receive())"),
            Ok("7".into())
        );
    }

    #[test]
    fn a_process_answers_the_test() {
        let state = State::main();
        let code = "return process.exec(function(a) return a + 1 end, 'app:processes', 41)";
        assert_eq!(state.run(code), Ok("42".into()));
    }

    #[test]
    fn a_spawned_state_has_a_context_and_a_limit() {
        let spawned = Spawned::new(100_000);
        // SAFETY: the state is this test's.
        let found = unsafe { Context::find(spawned.l()) }.map(std::ptr::from_ref);
        assert_eq!(found, Some(std::ptr::from_ref(spawned.context())));
        let text = vec![b'x'; 200_000];
        // SAFETY: under `attempt`.
        let refused = spawned.attempt(|l| unsafe { push_bytes(l, &text) });
        assert_eq!(refused, Err("not enough memory".into()));
        // SAFETY: under `attempt`.
        assert_eq!(spawned.attempt(|l| unsafe { push_bytes(l, b"short") }), Ok(()));
    }
}
