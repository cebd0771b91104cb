//! The Lua C API as both VMs have it, and the few places where they differ.
//!
//! Everything in `mlua::ffi` may be called under Lua's own rules. What can raise (most of what allocates) must not be called
//! while a value with a destructor is alive on the Rust stack, nor under a borrow of a `RefCell`.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

pub use mlua::ffi::*;
use std::ffi::{CStr, c_int, c_void};
use std::ptr;

/// A function that Lua can call.
pub type Function = unsafe extern "C-unwind" fn(*mut lua_State) -> c_int;

/// Where the position of an error raised by a blocking function is found: LuaJIT calls these through a function of
/// `blocking.lua`.
pub const BLOCKING_LEVEL: c_int = if cfg!(feature = "luajit") { 2 } else { 1 };

/// Pushed by a coroutine that waits: what yields this belongs to the library.
pub fn waiting_mark() -> *mut c_void {
    static MARK: u8 = 0;
    ptr::from_ref(&MARK).cast_mut().cast()
}

/// Given to a coroutine of LuaJIT that is to look again whether its wait is over.
#[cfg(feature = "luajit")]
pub fn again_mark() -> *mut c_void {
    static MARK: u8 = 1;
    ptr::from_ref(&MARK).cast_mut().cast()
}

#[cfg(feature = "luajit")]
unsafe extern "C-unwind" {
    /// Gives a state another allocator.
    pub fn lua_setallocf(l: *mut lua_State, allocator: lua_Alloc, data: *mut c_void);
    fn lua_upvalueid(l: *mut lua_State, function: c_int, number: c_int) -> *mut c_void;
    /// Makes one captured local of a function the same as one of another function.
    pub fn lua_upvaluejoin(l: *mut lua_State, function: c_int, number: c_int, other: c_int, its: c_int);
    #[link_name = "lua_isyieldable"]
    fn isyieldable(l: *mut lua_State) -> c_int;
    #[link_name = "lua_loadx"]
    fn loadx(
        l: *mut lua_State,
        reader: lua_Reader,
        data: *mut c_void,
        name: *const std::ffi::c_char,
        mode: *const std::ffi::c_char,
    ) -> c_int;
}

/// Whether the running function may yield.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state; `l` runs.
pub unsafe fn can_yield(l: *mut lua_State) -> bool {
    #[cfg(feature = "lua54")]
    return lua_isyieldable(l) != 0;
    #[cfg(feature = "luajit")]
    return isyieldable(l) != 0;
}

/// Yields the `count` values on top; where Lua has continuations `next` runs when the coroutine goes on.
///
/// Stack: -count
/// Raises: any
///
/// # Safety
/// Own state; the result is returned to Lua at once.
#[cfg(feature = "lua54")]
pub unsafe fn yield_with(l: *mut lua_State, count: c_int, context: isize, next: lua_KFunction) -> c_int {
    lua_yieldk(l, count, context, Some(next))
}

/// Resumes a coroutine with the `args` values on top of it: status and number of results.
///
/// Stack: -args, and the results or the error on `co`
/// Raises: never
///
/// # Safety
/// Own state; `co` can be resumed. No borrow.
pub unsafe fn resume(co: *mut lua_State, from: *mut lua_State, args: c_int) -> (c_int, c_int) {
    let mut results = 0;
    let status = lua_resume(co, from, args, &mut results);
    (status, results)
}

/// Makes `l` the running coroutine again after others were resumed from it. LuaJIT forgets to do so if a C function raises
/// after a resume, and its compiled code then works on the wrong coroutine; a call from `l` repairs that.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state; `l` is the coroutine that runs.
pub unsafe fn make_current(l: *mut lua_State) {
    #[cfg(feature = "luajit")]
    {
        /// Does nothing.
        ///
        /// Stack: 0
        /// Raises: never
        ///
        /// # Safety
        /// Called by Lua.
        unsafe extern "C-unwind" fn nothing(_: *mut lua_State) -> c_int {
            0
        }
        lua_pushcclosure(l, nothing, 0);
        lua_call(l, 0, 0);
    }
    #[cfg(feature = "lua54")]
    let _ = l;
}

/// What identifies a captured local of the function at an index.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state; there is a function at `function`, which has so many captured locals.
pub unsafe fn upvalue_id(l: *mut lua_State, function: c_int, number: c_int) -> *const c_void {
    lua_upvalueid(l, function, number).cast_const()
}

/// Pushes a Rust string.
///
/// Stack: +1
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn push_bytes(l: *mut lua_State, bytes: &[u8]) {
    lua_pushlstring(l, bytes.as_ptr().cast(), bytes.len());
}

/// The bytes of the string at `index`, `None` for any other type. They live as long as the string is on the stack.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state. Values stay: the bytes are not used longer than the string stands there.
pub unsafe fn to_bytes<'a>(l: *mut lua_State, index: c_int) -> Option<&'a [u8]> {
    if lua_type(l, index) != LUA_TSTRING {
        return None;
    }
    let mut len = 0;
    let start = lua_tolstring(l, index, &mut len);
    Some(std::slice::from_raw_parts(start.cast(), len))
}

/// Pushes the field `name` of the table at `index`, raw.
///
/// Stack: +1, room for 2
/// Raises: memory
///
/// # Safety
/// Own state; `index` is that of a table.
pub unsafe fn raw_field(l: *mut lua_State, index: c_int, name: &CStr) -> c_int {
    let index = lua_absindex(l, index);
    lua_pushstring(l, name.as_ptr());
    lua_rawget(l, index)
}

/// Sets the field `name` of the table at `index` to the value on top, raw, and pops it.
///
/// Stack: -1, room for 1
/// Raises: memory
///
/// # Safety
/// Own state; `index` is that of a table.
pub unsafe fn set_raw_field(l: *mut lua_State, index: c_int, name: &CStr) {
    let index = lua_absindex(l, index);
    lua_pushstring(l, name.as_ptr());
    lua_insert(l, -2);
    lua_rawset(l, index);
}

/// Sets the field `name` of the table on top to a function without upvalues.
///
/// Stack: 0, room for 2
/// Raises: memory
///
/// # Safety
/// Own state; a table is on top.
pub unsafe fn set_function(l: *mut lua_State, name: &CStr, function: Function) {
    lua_pushcclosure(l, function, 0);
    set_raw_field(l, -2, name);
}

/// Raises `text` with the position of the function at `level`.
///
/// Stack: never returns, room for 2
/// Raises: any
///
/// # Safety
/// Own state. Nothing to drop.
pub unsafe fn raise(l: *mut lua_State, level: c_int, text: &[u8]) -> ! {
    luaL_where(l, level);
    push_bytes(l, text);
    lua_concat(l, 2);
    lua_error(l)
}

/// A whole number if the number at `index` is one: an integer of Lua 5.4, a double without fraction of LuaJIT.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state.
pub unsafe fn to_whole(l: *mut lua_State, index: c_int) -> Option<i64> {
    if lua_type(l, index) != LUA_TNUMBER {
        return None;
    }
    #[cfg(feature = "lua54")]
    if lua_isinteger(l, index) != 0 {
        return Some(lua_tointeger(l, index));
    }
    let number = lua_tonumber(l, index);
    // 2^63 as a double; below it every whole double is an i64.
    (number.fract() == 0.0 && number.abs() < 9_223_372_036_854_775_808.0).then_some(number as i64)
}

/// Pushes a whole number: an integer of Lua 5.4, the nearest double of LuaJIT.
///
/// Stack: +1
/// Raises: never
///
/// # Safety
/// Own state.
pub unsafe fn push_whole(l: *mut lua_State, number: i64) {
    #[cfg(feature = "lua54")]
    lua_pushinteger(l, number);
    #[cfg(feature = "luajit")]
    lua_pushnumber(l, number as f64);
}

/// Pushes the table of the library's own under `key` in the registry, made at first use.
///
/// Stack: +1, room for 2
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn push_own_table(l: *mut lua_State, key: &'static u8) {
    let key = ptr::from_ref(key).cast();
    if lua_rawgetp(l, LUA_REGISTRYINDEX, key) != LUA_TTABLE {
        lua_pop(l, 1);
        lua_createtable(l, 0, 0);
        lua_pushvalue(l, -1);
        lua_rawsetp(l, LUA_REGISTRYINDEX, key);
    }
}

/// As [`push_own_table`], for a table that does not keep its keys alive.
///
/// Stack: +1, room for 4
/// Raises: memory
///
/// # Safety
/// Own state.
#[cfg(feature = "luajit")]
pub unsafe fn push_own_weak_table(l: *mut lua_State, key: &'static u8) {
    push_own_table(l, key);
    if lua_getmetatable(l, -1) != 0 {
        lua_pop(l, 1);
        return;
    }
    lua_createtable(l, 0, 1);
    lua_pushstring(l, c"k".as_ptr());
    set_raw_field(l, -2, c"__mode");
    lua_setmetatable(l, -2);
}

/// Pushes the table of globals.
///
/// Stack: +1
/// Raises: never
///
/// # Safety
/// Own state.
pub unsafe fn push_globals(l: *mut lua_State) {
    #[cfg(feature = "lua54")]
    lua_rawgeti(l, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    #[cfg(feature = "luajit")]
    lua_pushvalue(l, LUA_GLOBALSINDEX);
}

/// The table that belongs to the userdata at `index` is pushed; [`set_companion`] must have set one.
///
/// Stack: +1
/// Raises: never
///
/// # Safety
/// Own state; `index` is that of a userdata of the library.
pub unsafe fn push_companion(l: *mut lua_State, index: c_int) {
    #[cfg(feature = "lua54")]
    lua_getiuservalue(l, index, 1);
    #[cfg(feature = "luajit")]
    lua_getfenv(l, index);
}

/// Makes the table on top belong to the userdata at `index`, and pops it.
///
/// Stack: -1
/// Raises: never
///
/// # Safety
/// Own state; `index` is that of a userdata of the library, and a table is on top.
pub unsafe fn set_companion(l: *mut lua_State, index: c_int) {
    #[cfg(feature = "lua54")]
    lua_setiuservalue(l, index, 1);
    #[cfg(feature = "luajit")]
    lua_setfenv(l, index);
}

/// Loads a chunk, text or binary as `mode` says (`"t"`, `"b"`, `"bt"`). Pushes the function or the message.
///
/// Stack: +1: the function or the error
/// Raises: never
///
/// # Safety
/// Own state.
pub unsafe fn load(l: *mut lua_State, code: &[u8], name: &CStr, mode: &CStr) -> c_int {
    struct Part<'a>(Option<&'a [u8]>);
    /// Gives the whole chunk, then nothing.
    ///
    /// Stack: 0
    /// Raises: never
    ///
    /// # Safety
    /// Called by Lua, with the `Part` that `load` gave it.
    unsafe extern "C-unwind" fn read(
        _: *mut lua_State,
        data: *mut c_void,
        size: *mut usize,
    ) -> *const std::ffi::c_char {
        let part = (*data.cast::<Part<'_>>()).0.take().unwrap_or_default();
        *size = part.len();
        part.as_ptr().cast()
    }
    let mut part = Part(Some(code));
    let data = ptr::from_mut(&mut part).cast();
    #[cfg(feature = "lua54")]
    return lua_load(l, read, data, name.as_ptr(), mode.as_ptr());
    #[cfg(feature = "luajit")]
    return loadx(l, read, data, name.as_ptr(), mode.as_ptr());
}

/// Dumps the Lua function on top as a binary chunk with debug information; empty for a C function.
///
/// Stack: 0
/// Raises: memory on LuaJIT, never on Lua 5.4
///
/// # Safety
/// Own state; a Lua function is on top.
pub unsafe fn dump(l: *mut lua_State) -> Vec<u8> {
    /// Takes the next part of the chunk.
    ///
    /// Stack: 0
    /// Raises: never
    ///
    /// # Safety
    /// Called by Lua, with the bytes that `dump` gave it.
    unsafe extern "C-unwind" fn write(
        _: *mut lua_State,
        part: *const c_void,
        size: usize,
        data: *mut c_void,
    ) -> c_int {
        let out = &mut *data.cast::<Vec<u8>>();
        if out.try_reserve(size).is_err() {
            return 1;
        }
        out.extend_from_slice(std::slice::from_raw_parts(part.cast(), size));
        0
    }
    let mut out = Vec::new();
    // Neither VM raises while it dumps: the writer reports failure by its result.
    if lua_dump(l, write, ptr::from_mut(&mut out).cast(), 0) != 0 {
        out.clear();
    }
    out
}

/// Calls `function` without arguments and results so that it may raise: the status, with the error on top unless `LUA_OK`.
///
/// Stack: 0, +1 the error if it fails
/// Raises: memory, before the call
///
/// # Safety
/// Own state.
#[cfg(feature = "lua54")]
pub unsafe fn protected(l: *mut lua_State, function: Function) -> c_int {
    // A function without upvalues needs no memory.
    lua_pushcclosure(l, function, 0);
    lua_pcall(l, 0, 0, 0)
}

/// Calls `function` without arguments and results so that it may raise: the status, with the error on top unless `LUA_OK`.
///
/// Stack: 0, +1 the error if it fails
/// Raises: never
///
/// # Safety
/// Own state.
#[cfg(feature = "luajit")]
pub unsafe fn protected(l: *mut lua_State, function: Function) -> c_int {
    /// Calls the function.
    ///
    /// Stack: 0
    /// Raises: any
    ///
    /// # Safety
    /// Called by Lua, with the address of a `Function` as light userdata.
    unsafe extern "C-unwind" fn call(l: *mut lua_State) -> c_int {
        let function: Function = std::mem::transmute(lua_touserdata(l, 1));
        lua_settop(l, 0);
        function(l)
    }
    lua_cpcall(l, call, function as *const () as *mut c_void)
}

/// As [`protected`], with `data` as the argument of `function`, light userdata.
///
/// Stack: 0, room for 2, +1 the error if it fails
/// Raises: never
///
/// # Safety
/// Own state.
pub unsafe fn protected_with(l: *mut lua_State, function: Function, data: *mut c_void) -> c_int {
    #[cfg(feature = "luajit")]
    return lua_cpcall(l, function, data);
    #[cfg(feature = "lua54")]
    {
        // A function without upvalues needs no memory.
        lua_pushcclosure(l, function, 0);
        lua_pushlightuserdata(l, data);
        lua_pcall(l, 1, 0, 0)
    }
}

/// Functions of a table, by name.
pub type Functions = &'static [(&'static CStr, Function)];

/// Puts functions into the table on top.
///
/// Stack: 0, room for 3
/// Raises: memory
///
/// # Safety
/// Own state; a table is on top.
pub unsafe fn set_functions(l: *mut lua_State, functions: Functions) {
    for (name, function) in functions {
        set_function(l, name, *function);
    }
}

/// Fills a metatable: `methods` behind `__index`, `operators` in the metatable itself.
///
/// Stack: 0, room for 4
/// Raises: memory
///
/// # Safety
/// Own state; the metatable is on top.
pub unsafe fn fill_metatable(l: *mut lua_State, methods: Functions, operators: Functions) {
    lua_createtable(l, 0, methods.len() as i32);
    set_functions(l, methods);
    set_raw_field(l, -2, c"__index");
    set_functions(l, operators);
}

/// Raises the VM's own error for a lack of memory. Whoever calls this owns nothing.
///
/// Stack: never returns, room for 1
/// Raises: memory
///
/// # Safety
/// Own state. Nothing to drop.
pub unsafe fn out_of_memory(l: *mut lua_State) -> ! {
    lua_pushstring(l, c"not enough memory".as_ptr());
    lua_error(l)
}

/// Pushes the table of loaded modules.
///
/// Stack: +1, room for 2
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn push_loaded_modules(l: *mut lua_State) {
    raw_field(l, LUA_REGISTRYINDEX, c"_LOADED");
}

/// Pushes the library `name` as `require` knows it; nil if there is none.
///
/// Stack: +1, room for 3
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn push_library(l: *mut lua_State, name: &CStr) {
    push_loaded_modules(l);
    if lua_type(l, -1) == LUA_TTABLE {
        raw_field(l, -1, name);
        lua_remove(l, -2);
    }
}

/// Pushes an object that does nothing but to have `collected` called.
///
/// Stack: +1, room for 4
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn push_guard(l: *mut lua_State, collected: Function) {
    #[cfg(feature = "lua54")]
    lua_newuserdatauv(l, 0, 0);
    #[cfg(feature = "luajit")]
    lua_newuserdata(l, 0);
    lua_createtable(l, 0, 1);
    set_function(l, c"__gc", collected);
    lua_setmetatable(l, -2);
}
