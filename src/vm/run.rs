//! The life of a spawned process on a thread of its own: birth, steps, end.
//!
//! 1. `start` makes the thread; from then on the process exists for everybody.
//! 2. `set_up` fills the new state and makes the coroutine of `main`. It runs under `lua_pcall`.
//! 3. `run_steps` resumes coroutines while any can go on, and sleeps while none can. Code that waits where nothing can
//!    yield sleeps inside (see [`super::wait`]) and leaves by a jump when the process is ended.
//! 4. The end, in the order of [`crate::runtime::exit`].

use super::api::*;
use super::boot::BOOT;
use super::chunk::Code;
use super::context::Context;
use super::{coroutine, frame, interrupt, state, wait};
use crate::codec::decode;
use crate::codec::encode::Origin;
use crate::lua::error::ErrorObject;
use crate::lua::install;
use crate::platform;
use crate::runtime::error::{ErrorData, Kind};
use crate::runtime::exit;
use crate::runtime::failure::Failure;
use crate::runtime::process::Process;
use crate::scheduling::TaskId;
use std::ffi::{CString, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::{io, ptr};

/// Everything a new process begins with.
pub struct Startup {
    /// Its code.
    pub code: Code,
    /// `package.path` and `package.cpath`, as the spawner has them.
    pub path: Option<Vec<u8>>,
    /// See `path`.
    pub cpath: Option<Vec<u8>>,
    /// Encoded arguments of `main`.
    pub arguments: Vec<u8>,
}

/// Starts the thread of a process that is known already.
///
/// # Errors
/// The operating system grants no thread; the process has not run then.
pub fn start(process: &Arc<Process>, startup: Startup) -> io::Result<()> {
    interrupt::install();
    process.realm.thread_started();
    let own = Arc::clone(process);
    let builder = std::thread::Builder::new().stack_size(process.host.settings.stack_size);
    let started = platform::block_signals(|| builder.spawn(move || live(own, startup)));
    if started.is_err() {
        process.realm.thread_ended();
    }
    started.map(drop)
}

fn live(process: Arc<Process>, startup: Startup) {
    platform::name_thread(&process.entry);
    process.sleeper.adopt_thread();
    let realm = Arc::clone(&process.realm);
    if run(&process, startup) {
        write_report(&process);
    }
    exit::finish(&process);
    drop(process);
    realm.thread_ended();
}

/// Runs the process to its end, its state closed: whether its end is to be reported if nobody watches.
fn run(process: &Arc<Process>, startup: Startup) -> bool {
    let context = Box::new(Context::new(Arc::clone(process)));
    *context.startup.borrow_mut() = Some(startup);
    // SAFETY: the context is boxed and outlives the state.
    if unsafe { state::open(&context) }.is_none() {
        exit::begin(process, Err(Arc::new(Failure::OutOfMemory.into())));
        return true;
    }
    interrupt::adopt(&context);
    let data = ptr::from_ref(&*context).cast_mut().cast();
    // SAFETY: `run_body` and what it calls keep what they own in the context (rule of `frame`).
    let left = catch_unwind(AssertUnwindSafe(|| unsafe { frame::enter(&context.frame, run_body, data) }));
    context.interruptible.set(false);
    interrupt::release(&context);
    if platform::fork::is_child() {
        // The rest of the program is not there, and its locks may be held for ever.
        platform::exit(0);
    }
    match left {
        Err(panic) => {
            // The state may be in any condition: it is left alone.
            let outcome = Err(Arc::new(Failure::Panic(panic_text(&*panic)).into()));
            std::mem::forget(context);
            exit::begin(process, outcome);
            return true;
        }
        // SAFETY: no code of the state runs any more.
        Ok(frame::Left::Jumped) => unsafe { interrupt::repair(context.main_thread.get()) },
        Ok(frame::Left::Returned) => {}
    }
    let outcome = context.outcome.borrow_mut().take();
    let outcome = outcome.unwrap_or_else(|| Err(Arc::new(Failure::Terminated.into())));
    let report = context.reportable.get() && !process.is_doomed();
    exit::begin(process, outcome);
    // SAFETY: no code of the state runs any more.
    unsafe { state::close(&context) };
    context.forget_all_monitored();
    report
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".into())
}

/// Tells standard error of a failure that nobody else hears of.
fn write_report(process: &Process) {
    use io::Write;
    let (alone, outcome) = process
        .with_bonds(|bonds| (bonds.watchers.is_empty() && bonds.links.is_empty(), bonds.outcome.clone()));
    let wanted = alone && process.host.settings.report && !process.realm.is_closing();
    if let (true, Some(Err(error))) = (wanted, outcome) {
        let mut text = format!("process {} ({}) failed: ", process.pid, process.entry).into_bytes();
        text.extend_from_slice(&error.text());
        text.push(b'\n');
        if !error.stack.is_empty() {
            text.extend_from_slice(&error.stack);
            text.push(b'\n');
        }
        let _ = io::stderr().write_all(&text);
    }
}

unsafe extern "C-unwind" fn run_body(data: *mut c_void) {
    let context = &*data.cast::<Context>();
    let l = context.main_thread.get();
    match protected(l, set_up) {
        LUA_OK => run_steps(l, context),
        LUA_ERRMEM => end_as(context, Failure::OutOfMemory.into()),
        _ => {
            let text = to_bytes(l, -1).unwrap_or(b"the process cannot be set up");
            end_as(context, ErrorData::new(Kind::Internal, text));
        }
    }
}

unsafe fn run_steps(l: *mut lua_State, context: &Context) {
    loop {
        if context.process.is_doomed() || context.outcome.borrow().is_some() {
            return;
        }
        context.sort_mail();
        context.scheduler.borrow_mut().fire_timers();
        let next = context.scheduler.borrow_mut().next_task();
        match next {
            Some(task) => {
                context.interruptible.set(true);
                coroutine::run(l, context, task);
                context.interruptible.set(false);
                context.scheduler.borrow_mut().set_current(None);
                context.running.set(l);
            }
            None if platform::fork::is_child() => platform::exit(0),
            None => {
                let deadline = context.scheduler.borrow_mut().next_deadline();
                wait::sleep(context, deadline, || false);
            }
        }
    }
}

/// Fills the new state; called by Lua, may raise.
unsafe extern "C-unwind" fn set_up(l: *mut lua_State) -> c_int {
    let context = Context::of_state(l);
    context.memory.set_limit(context.process.host.settings.memory_limit);
    let held = CollectorHeld::hold(l);
    luaL_openlibs(l);
    install::into_spawned(l, context);
    #[cfg(feature = "luajit")]
    if !context.process.host.settings.jit {
        interrupt::set_compiler(l, false);
    }
    held.release(l);
    // The function that runs the entry, the chunk, its method, its names, and the arguments of `main`.
    BOOT.push(l);
    lua_pushcclosure(l, crate::lua::error::missing_method, 0);
    lua_call(l, 1, 1);
    let startup = context.startup.borrow_mut().take();
    let Some(startup) = startup else { return 0 };
    // The code lives in the context while Lua may raise.
    *context.startup.borrow_mut() = Some(startup);
    push_entry(l, context);
    let arguments =
        context.startup.borrow_mut().as_mut().map(|startup| std::mem::take(&mut startup.arguments));
    *context.arguments.borrow_mut() = arguments.unwrap_or_default();
    let bytes: &[u8] = &*context.arguments.as_ptr();
    luaL_checkstack(l, decode::count(bytes) + 8, c"too many arguments".as_ptr());
    let count = decode::push(l, bytes);
    *context.arguments.borrow_mut() = Vec::new();
    let task = coroutine::spawn(l, context, count + 5);
    context.main_task.set(Some(task));
    0
}

/// Pushes the chunk, the method, the module name and the file name.
unsafe fn push_entry(l: *mut lua_State, context: &Context) {
    let startup: &Option<Startup> = &*context.startup.as_ptr();
    let Some(Startup { code, .. }) = startup else { return };
    if load(l, &code.chunk, c"=entry", c"b") != LUA_OK {
        lua_error(l);
    }
    push_bytes(l, code.method.as_bytes());
    push_bytes(l, code.module.as_bytes());
    match &code.file {
        Some(file) => push_bytes(l, file),
        None => lua_pushnil(l),
    }
}

/// A managed coroutine has ended; `co` holds its results or its error.
pub unsafe fn task_ended(
    from: *mut lua_State,
    context: &Context,
    task: TaskId,
    co: *mut lua_State,
    status: c_int,
) {
    let main = context.main_task.get() == Some(task);
    if status == LUA_OK {
        if main {
            context.ending.set((co, status));
            if protected(from, take_result) != LUA_OK {
                lua_pop(from, 1);
                end_as(context, Failure::OutOfMemory.into());
            }
        }
        return;
    }
    if context.process.is_main() {
        lua_xmove(co, from, 1);
        let reference = luaL_ref(from, LUA_REGISTRYINDEX);
        context.task_errors.borrow_mut().push_back(reference);
        return;
    }
    end_with_error(from, context, co, status);
}

/// The process ends with the error on top of `co`.
unsafe fn end_with_error(l: *mut lua_State, context: &Context, co: *mut lua_State, status: c_int) {
    context.ending.set((co, status));
    // What the process used up must not keep it from telling why.
    context.memory.set_limit(0);
    if protected(l, take_error) != LUA_OK {
        lua_pop(l, 1);
        end_as(context, Failure::OutOfMemory.into());
    }
}

/// The process has failed like this.
fn end_as(context: &Context, error: ErrorData) {
    context.reportable.set(true);
    *context.outcome.borrow_mut() = Some(Err(Arc::new(error)));
}

/// What the values that `main` returned mean; called by Lua, may raise.
unsafe extern "C-unwind" fn take_result(l: *mut lua_State) -> c_int {
    let context = Context::of_state(l);
    let (co, _) = context.ending.get();
    let count = lua_gettop(co);
    if count == 0 {
        lua_pushnil(co);
    }
    let refused = count >= 2 && lua_toboolean(co, 1) == 0;
    let outcome = if let (true, Some(message)) = (refused, to_bytes(co, 2)) {
        Err(Arc::new(ErrorData::new(Kind::Internal, message)))
    } else if let (true, Some(error)) = (refused, super::object::get::<ErrorObject>(co, 2)) {
        Err(Arc::clone(&error.0))
    } else {
        match context.encoder().encode(co, 1, 1, Origin::Result) {
            Ok(bytes) => Ok(bytes.to_vec()),
            Err(failure) => {
                context.reportable.set(true);
                Err(Arc::new(failure.into()))
            }
        }
    };
    *context.outcome.borrow_mut() = Some(outcome);
    0
}

/// What the error that left a coroutine means; called by Lua, may raise.
unsafe extern "C-unwind" fn take_error(l: *mut lua_State) -> c_int {
    let context = Context::of_state(l);
    let (co, status) = context.ending.get();
    if status == LUA_ERRMEM {
        end_as(context, Failure::OutOfMemory.into());
        return 0;
    }
    context.reportable.set(true);
    // The value, its traceback, its text: all on `l`, where they stay until the error is made. Nothing is pushed on `co`: its
    // stack may be what has overflowed.
    if lua_gettop(co) == 0 {
        lua_pushnil(l);
    } else {
        lua_xmove(co, l, 1);
    }
    if let Some(error) = super::object::get::<ErrorObject>(l, -1) {
        *context.outcome.borrow_mut() = Some(Err(Arc::clone(&error.0)));
        return 0;
    }
    luaL_traceback(l, co, ptr::null(), 0);
    let is_text = lua_type(l, -2) == LUA_TSTRING;
    if is_text {
        lua_pushvalue(l, -2);
    } else {
        push_description(l, -2);
    }
    let details = match is_text {
        true => None,
        false => crate::codec::encode::encode_value_detail(context.encoder(), l, -3),
    };
    let mut error = ErrorData::new(Kind::Internal, to_bytes(l, -1).unwrap_or_default());
    error.stack = to_bytes(l, -2).unwrap_or_default().to_vec();
    error.details = details;
    end_as(context, error);
    0
}

/// Pushes `tostring` of the value at `index`, or what type it has if that fails.
unsafe fn push_description(l: *mut lua_State, index: c_int) {
    unsafe extern "C-unwind" fn describe(l: *mut lua_State) -> c_int {
        luaL_tolstring(l, 1, ptr::null_mut());
        1
    }
    let index = lua_absindex(l, index);
    lua_pushcclosure(l, describe, 0);
    lua_pushvalue(l, index);
    if lua_pcall(l, 1, 1, 0) != LUA_OK {
        lua_pop(l, 1);
        let name = std::ffi::CStr::from_ptr(luaL_typename(l, index)).to_string_lossy();
        let text = CString::new(format!("(error object is a {name} value)")).unwrap_or_default();
        lua_pushstring(l, text.as_ptr());
    }
}
