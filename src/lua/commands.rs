//! `os.execute` and `io.popen` of spawned processes. Those of the interpreter call `system` and `popen` of C, which are made for
//! programs with one thread ([`crate::platform::command`]), and `io.popen` has the C library flush all streams of the program,
//! which waits for every thread that is inside one.
//!
//! The handle that `io.popen` returns is one of the interpreter's own files, so that all functions for files take it. Only its
//! closing is ours: on Lua 5.4 each file says how it is closed, on LuaJIT the functions that close files ask for it first.

use crate::platform::{self, command, errno};
use crate::vm::api::*;
#[cfg(feature = "luajit")]
use crate::vm::standard;
use std::ffi::{CStr, c_int};
use std::ptr;
#[cfg(feature = "luajit")]
use std::sync::atomic::{AtomicUsize, Ordering};

/// The name of the metatable of files in the registry.
const FILES: &CStr = c"FILE*";

/// What a file of Lua's begins with.
#[repr(C)]
struct File {
    stream: *mut libc::FILE,
    /// Null for a file that is closed.
    #[cfg(feature = "lua54")]
    close: Option<Function>,
}

/// Puts them into the table `io`, which is on top.
///
/// Stack: 0, room for 3
/// Raises: memory
///
/// # Safety
/// Own state, which is new.
#[cfg(feature = "lua54")]
pub unsafe fn replace_functions(l: *mut lua_State) {
    set_function(l, c"popen", popen);
}

/// Puts them into the table `io`, which is on top, and into the metatable of files.
///
/// Stack: 0, room for 4
/// Raises: memory
///
/// # Safety
/// Own state, which is new.
#[cfg(feature = "luajit")]
pub unsafe fn replace_functions(l: *mut lua_State) {
    set_function(l, c"popen", popen);
    lua_pushcclosure(l, close, 0);
    lua_pushvalue(l, -1);
    set_raw_field(l, -3, c"close");
    if raw_field(l, LUA_REGISTRYINDEX, FILES) == LUA_TTABLE {
        lua_insert(l, -2);
        set_raw_field(l, -2, c"close");
        raw_field(l, -1, c"__gc");
        if let Some(stock) = lua_tocfunction(l, -1) {
            STOCK_COLLECT.store(stock as usize, Ordering::Relaxed);
            lua_pushcclosure(l, collect, 0);
            set_raw_field(l, -3, c"__gc");
        }
    }
    lua_pop(l, 2);
}

/// The `__gc` of files as the interpreter has it.
#[cfg(feature = "luajit")]
static STOCK_COLLECT: AtomicUsize = AtomicUsize::new(0);

/// `os.execute([command])`.
///
/// Stack: +1 or +3
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn execute(l: *mut lua_State) -> c_int {
    let command = luaL_optstring(l, 1, ptr::null());
    let status = match command.is_null() {
        true => c_int::from(command::run(c"exit 0") == 0),
        false => command::run(CStr::from_ptr(command)),
    };
    if !compatible_with_5_2() {
        lua_pushinteger(l, status as lua_Integer);
        return 1;
    }
    if command.is_null() {
        lua_pushboolean(l, status);
        return 1;
    }
    luaL_execresult(l, status)
}

/// `io.popen(command [, mode])`.
///
/// Stack: +1 or +3
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn popen(l: *mut lua_State) -> c_int {
    let text = luaL_checklstring(l, 1, ptr::null_mut());
    let mode = CStr::from_ptr(luaL_optstring(l, 2, c"r".as_ptr())).to_bytes();
    // LuaJIT leaves the mode to the C library, which knows one letter more.
    let letters = if cfg!(feature = "luajit") { mode.strip_suffix(b"e").unwrap_or(mode) } else { mode };
    let writes = match letters {
        b"r" => false,
        b"w" => true,
        _ if cfg!(feature = "lua54") => {
            luaL_argerror(l, 2, c"invalid mode".as_ptr());
            unreachable!()
        }
        _ => return refused(l, libc::EINVAL, text),
    };
    flush_own_output(l);
    let file = match push_closed_file(l) {
        Ok(file) => file,
        Err(error) => return refused(l, error, text),
    };
    match command::open(CStr::from_ptr(text), writes) {
        Ok(stream) => {
            (*file).stream = stream;
            #[cfg(feature = "lua54")]
            {
                (*file).close = Some(close_file);
            }
            1
        }
        Err(error) => refused(l, error, text),
    }
}

/// Returns that the command could not be started.
///
/// Stack: +3, n the result
/// Raises: memory
///
/// # Safety
/// Own state; the text ends in zero.
unsafe fn refused(l: *mut lua_State, error: c_int, command: *const std::ffi::c_char) -> c_int {
    errno::set(error);
    luaL_fileresult(l, 0, command)
}

/// What the process has written before comes before what the command writes: to standard output, and to its default output. The
/// stock function flushes all streams of the program.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state.
unsafe fn flush_own_output(l: *mut lua_State) {
    platform::flush_output();
    if let Some(stream) = default_output(l) {
        libc::fflush(stream);
    }
}

/// The stream that `io.write` writes to.
///
/// Stack: 0, room for 3
/// Raises: memory
///
/// # Safety
/// Own state.
#[cfg(feature = "lua54")]
unsafe fn default_output(l: *mut lua_State) -> Option<*mut libc::FILE> {
    raw_field(l, LUA_REGISTRYINDEX, c"_IO_output");
    let file = luaL_testudata(l, -1, FILES.as_ptr()).cast::<File>();
    lua_pop(l, 1);
    file.as_ref().filter(|file| file.close.is_some()).map(|file| file.stream)
}

/// The stream that `io.write` writes to.
///
/// Stack: 0, room for 3
/// Raises: any
///
/// # Safety
/// Own state.
#[cfg(feature = "luajit")]
unsafe fn default_output(l: *mut lua_State) -> Option<*mut libc::FILE> {
    lua_pushcclosure(l, standard::stock_function(b"io.output")?, 0);
    lua_call(l, 0, 1);
    let stream = stream_at(l, -1);
    lua_pop(l, 1);
    stream
}

/// Pushes a file that is closed as yet.
///
/// Stack: +1, room for 2
/// Raises: memory
///
/// # Safety
/// Own state.
#[cfg(feature = "lua54")]
unsafe fn push_closed_file(l: *mut lua_State) -> Result<*mut File, c_int> {
    let file = lua_newuserdatauv(l, size_of::<File>(), 0).cast::<File>();
    file.write(File { stream: ptr::null_mut(), close: None });
    luaL_setmetatable(l, FILES.as_ptr());
    Ok(file)
}

/// Pushes a file that is closed as yet. Only the interpreter can make one.
///
/// Stack: +1, room for 6
/// Raises: any
///
/// # Safety
/// Own state.
#[cfg(feature = "luajit")]
unsafe fn push_closed_file(l: *mut lua_State) -> Result<*mut File, c_int> {
    let Some(open) = standard::stock_function(b"io.open") else {
        return Err(libc::ENOSYS);
    };
    lua_pushcclosure(l, open, 0);
    if raw_field(l, LUA_REGISTRYINDEX, FILES) != LUA_TTABLE {
        return Err(libc::ENOSYS);
    }
    // The environment of this function is the metatable of what it makes.
    lua_setfenv(l, -2);
    // What is there on every system, and can be opened.
    push_bytes(l, b"/");
    lua_call(l, 1, 3);
    let file = lua_touserdata(l, -3).cast::<File>();
    if file.is_null() {
        return Err(to_whole(l, -1).and_then(|error| error.try_into().ok()).unwrap_or(libc::EIO));
    }
    lua_pop(l, 2);
    libc::fclose(ptr::replace(&raw mut (*file).stream, ptr::null_mut()));
    Ok(file)
}

/// How a file that [`popen`] has made is closed: the interpreter calls it with the file.
///
/// Stack: +n, n the result
/// Raises: any
///
/// # Safety
/// Called by Lua.
#[cfg(feature = "lua54")]
unsafe extern "C-unwind" fn close_file(l: *mut lua_State) -> c_int {
    let file = luaL_checkudata(l, 1, FILES.as_ptr()).cast::<File>();
    match command::close((*file).stream) {
        Some(status) => luaL_execresult(l, status),
        None => 0,
    }
}

/// `io.close([file])` and `file:close()`.
///
/// Stack: +n, what `io.close` returns
/// Raises: any
///
/// # Safety
/// Called by Lua.
#[cfg(feature = "luajit")]
pub unsafe extern "C-unwind" fn close(l: *mut lua_State) -> c_int {
    let stream = if lua_gettop(l) == 0 { default_output(l) } else { stream_at(l, 1) };
    if let Some(stream) = stream
        && let Some(status) = command::close(stream)
    {
        if lua_gettop(l) == 0 {
            lua_pushcclosure(l, standard::stock_function(b"io.output").unwrap_or(close), 0);
            lua_call(l, 0, 1);
        }
        (*lua_touserdata(l, 1).cast::<File>()).stream = ptr::null_mut();
        if compatible_with_5_2() {
            return luaL_execresult(l, status);
        }
        return luaL_fileresult(l, c_int::from(status != -1), ptr::null());
    }
    match standard::stock_function(b"io.close") {
        Some(stock) => stock(l),
        None => 0,
    }
}

/// `__gc` of files.
///
/// Stack: +0
/// Raises: any
///
/// # Safety
/// Called by Lua, as a finalizer.
#[cfg(feature = "luajit")]
unsafe extern "C-unwind" fn collect(l: *mut lua_State) -> c_int {
    if command::are_open()
        && let Some(stream) = stream_at(l, 1)
        && command::close(stream).is_some()
    {
        (*lua_touserdata(l, 1).cast::<File>()).stream = ptr::null_mut();
        return 0;
    }
    // SAFETY: this function is set only where a C function was, and needs nothing but its argument.
    std::mem::transmute::<usize, Function>(STOCK_COLLECT.load(Ordering::Relaxed))(l)
}

/// The stream of the file at an index; none for anything else, and for a file that is closed.
///
/// Stack: 0, room for 3
/// Raises: memory
///
/// # Safety
/// Own state.
#[cfg(feature = "luajit")]
unsafe fn stream_at(l: *mut lua_State, index: c_int) -> Option<*mut libc::FILE> {
    let index = lua_absindex(l, index);
    let file = lua_touserdata(l, index).cast::<File>();
    if file.is_null() || lua_getmetatable(l, index) == 0 {
        return None;
    }
    raw_field(l, LUA_REGISTRYINDEX, FILES);
    let is_file = lua_rawequal(l, -1, -2) != 0;
    lua_pop(l, 2);
    (is_file && !(*file).stream.is_null()).then(|| (*file).stream)
}

/// Whether `os.execute` and the closing of a program return what they do since Lua 5.2: LuaJIT can be built so.
fn compatible_with_5_2() -> bool {
    #[cfg(feature = "lua54")]
    return true;
    #[cfg(feature = "luajit")]
    {
        use once_cell::sync::Lazy;
        static COMPATIBLE: Lazy<bool> = Lazy::new(|| {
            // SAFETY: a state of its own, in which nothing runs.
            unsafe {
                let l = luaL_newstate();
                // An empty statement, unknown to 5.1.
                let compatible = !l.is_null() && luaL_loadstring(l, c";".as_ptr()) == LUA_OK;
                if !l.is_null() {
                    lua_close(l);
                }
                compatible
            }
        });
        *COMPATIBLE
    }
}

#[cfg(feature = "luajit")]
unsafe extern "C-unwind" {
    fn luaL_fileresult(l: *mut lua_State, done: c_int, name: *const std::ffi::c_char) -> c_int;
    fn luaL_execresult(l: *mut lua_State, status: c_int) -> c_int;
}
