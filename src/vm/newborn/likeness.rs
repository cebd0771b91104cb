//! Whether a copy of a state is like its original, value by value, and lives as a state does.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use crate::vm::api::*;
use rustc_hash::FxHashMap;
use std::ffi::{c_int, c_void};
use std::ops::Range;
use std::ptr;

/// Two states that are compared.
struct Likeness {
    original: *mut lua_State,
    copy: *mut lua_State,
    /// Where the blocks of the original stand.
    extent: Range<usize>,
    /// What in the copy stands for what in the original, by address.
    known: FxHashMap<usize, usize>,
    /// The code of the functions that are being compared.
    code: [Vec<u8>; 2],
    alike: bool,
}

/// Whether the copy is like its original, whose blocks all stand in `extent`, and can be used. If not, the condition of both is
/// unknown.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Both are the own states of the caller, and at rest.
pub unsafe fn check(original: *mut lua_State, copy: *mut lua_State, extent: Range<usize>) -> bool {
    let mut likeness = Likeness {
        original,
        copy,
        extent,
        known: FxHashMap::default(),
        code: Default::default(),
        alike: false,
    };
    let data: *mut c_void = ptr::from_mut(&mut likeness).cast();
    let status = protected_with(original, under_original, data);
    likeness.alike && status == LUA_OK
}

/// What raises in the original is caught here.
///
/// Stack: 0
/// Raises: memory
///
/// # Safety
/// Called by Lua, with a `Likeness` as light userdata.
unsafe extern "C-unwind" fn under_original(l: *mut lua_State) -> c_int {
    let likeness = lua_touserdata(l, 1).cast::<Likeness>();
    let status = protected_with((*likeness).copy, under_copy, likeness.cast());
    (*likeness).alike &= status == LUA_OK;
    0
}

/// What raises in the copy is caught here.
///
/// Stack: 0
/// Raises: memory
///
/// # Safety
/// Called by Lua, with a `Likeness` as light userdata.
unsafe extern "C-unwind" fn under_copy(l: *mut lua_State) -> c_int {
    let likeness = &mut *lua_touserdata(l, 1).cast::<Likeness>();
    likeness.alike = likeness.roots_alike() && lives(l);
    0
}

/// Collects, runs code, and collects again. Whether the code worked.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state.
unsafe fn lives(l: *mut lua_State) -> bool {
    const CODE: &[u8] = b"local all = {}
        for i = 1, 300 do all['key ' .. i] = { i, function() return i end } end
        for i = 1, 300 do if all['key ' .. i][2]() ~= i then return false end end
        return true";
    lua_gc(l, LUA_GCCOLLECT, 0);
    let works = load(l, CODE, c"=check", c"t") == LUA_OK && {
        lua_call(l, 0, 1);
        lua_toboolean(l, -1) != 0
    };
    lua_settop(l, 0);
    lua_gc(l, LUA_GCCOLLECT, 0);
    lua_gc(l, LUA_GCCOLLECT, 0);
    works
}

impl Likeness {
    /// Compares everything that can be reached.
    ///
    /// Stack: 0
    /// Raises: memory
    ///
    /// # Safety
    /// Under protection in both states.
    unsafe fn roots_alike(&mut self) -> bool {
        let both = [self.original, self.copy];
        let mut alike = true;
        for l in both {
            lua_pushvalue(l, LUA_REGISTRYINDEX);
        }
        alike = alike && self.alike();
        for l in both {
            push_globals(l);
        }
        alike = alike && self.alike();
        // Each type has a metatable in common.
        let pushes: [unsafe fn(*mut lua_State); 5] = [
            |l| lua_pushnil(l),
            |l| lua_pushboolean(l, 1),
            |l| push_whole(l, 1),
            |l| push_bytes(l, b"text"),
            |l| lua_pushlightuserdata(l, waiting_mark()),
        ];
        for push in pushes {
            both.iter().for_each(|&l| push(l));
            alike = alike && self.metatables_alike();
        }
        alike
    }

    /// Compares the values on top.
    ///
    /// Stack: 0
    /// Raises: memory
    ///
    /// # Safety
    /// Under protection in both states.
    unsafe fn alike(&mut self) -> bool {
        let (a, b) = (self.original, self.copy);
        if lua_checkstack(a, 8) == 0 || lua_checkstack(b, 8) == 0 {
            return false;
        }
        let kind = lua_type(a, -1);
        if kind != lua_type(b, -1) {
            return false;
        }
        match kind {
            LUA_TNIL => return true,
            LUA_TBOOLEAN => return lua_toboolean(a, -1) == lua_toboolean(b, -1),
            LUA_TNUMBER => return numbers_alike(a, b),
            LUA_TSTRING => return to_bytes(a, -1) == to_bytes(b, -1),
            LUA_TLIGHTUSERDATA => {
                let address = lua_touserdata(a, -1);
                return address == lua_touserdata(b, -1) && !self.extent.contains(&(address as usize));
            }
            _ => {}
        }
        let (from, to) = (lua_topointer(a, -1) as usize, lua_topointer(b, -1) as usize);
        if lua_tocfunction(a, -1).is_some_and(|function| function as usize == from) {
            // A C function of Lua 5.4 that has captured nothing is no object.
            return from == to;
        }
        if let Some(&known) = self.known.get(&from) {
            return known == to;
        }
        self.known.insert(from, to);
        if !self.extent.contains(&from) || self.extent.contains(&to) {
            return false;
        }
        match kind {
            LUA_TTABLE => self.metatables_alike() && self.fields_alike(),
            LUA_TFUNCTION => self.functions_alike(),
            LUA_TUSERDATA => {
                lua_rawlen(a, -1) == lua_rawlen(b, -1) && self.metatables_alike() && self.companions_alike()
            }
            // Only the main thread: others have stacks, which nothing here looks at.
            LUA_TTHREAD => lua_tothread(a, -1) == a && lua_tothread(b, -1) == b,
            // C data of LuaJIT.
            _ => true,
        }
    }

    /// Compares the values on top, and pops them.
    ///
    /// Stack: -1
    /// Raises: memory
    ///
    /// # Safety
    /// Under protection in both states.
    unsafe fn popped_alike(&mut self) -> bool {
        let alike = self.alike();
        lua_pop(self.original, 1);
        lua_pop(self.copy, 1);
        alike
    }

    /// Compares the metatables of the values on top.
    ///
    /// Stack: 0
    /// Raises: memory
    ///
    /// # Safety
    /// Under protection in both states.
    unsafe fn metatables_alike(&mut self) -> bool {
        match (lua_getmetatable(self.original, -1) != 0, lua_getmetatable(self.copy, -1) != 0) {
            (true, true) => self.popped_alike(),
            (false, false) => true,
            _ => false,
        }
    }

    /// Compares the fields of the tables on top: each key finds its value in the copy, too. No key may stand by its address.
    ///
    /// Stack: 0
    /// Raises: memory
    ///
    /// # Safety
    /// Under protection in both states.
    unsafe fn fields_alike(&mut self) -> bool {
        let (a, b) = (self.original, self.copy);
        let mut count = 0usize;
        lua_pushnil(a);
        while lua_next(a, -2) != 0 {
            match lua_type(a, -2) {
                LUA_TSTRING => push_bytes(b, to_bytes(a, -2).unwrap_or_default()),
                LUA_TBOOLEAN => lua_pushboolean(b, lua_toboolean(a, -2)),
                LUA_TLIGHTUSERDATA if !self.extent.contains(&(lua_touserdata(a, -2) as usize)) => {
                    lua_pushlightuserdata(b, lua_touserdata(a, -2));
                }
                LUA_TNUMBER => match to_whole(a, -2) {
                    Some(number) => push_whole(b, number),
                    None => lua_pushnumber(b, lua_tonumber(a, -2)),
                },
                _ => return false,
            }
            lua_rawget(b, -2);
            if !self.popped_alike() {
                return false;
            }
            count += 1;
        }
        lua_pushnil(b);
        while lua_next(b, -2) != 0 {
            lua_pop(b, 1);
            count = count.wrapping_sub(1);
        }
        count == 0
    }

    /// Compares the functions on top: their code, and what they have captured.
    ///
    /// Stack: 0
    /// Raises: memory
    ///
    /// # Safety
    /// Under protection in both states.
    unsafe fn functions_alike(&mut self) -> bool {
        let (a, b) = (self.original, self.copy);
        let address_of = |l| lua_tocfunction(l, -1).map(|function| function as usize);
        if lua_iscfunction(a, -1) != lua_iscfunction(b, -1) || address_of(a) != address_of(b) {
            return false;
        }
        if lua_iscfunction(a, -1) == 0 {
            self.code[0] = dump(a);
            self.code[1] = dump(b);
            if self.code[0].is_empty() || self.code[0] != self.code[1] {
                return false;
            }
        }
        for number in 1.. {
            match (lua_getupvalue(a, -1, number).is_null(), lua_getupvalue(b, -1, number).is_null()) {
                (true, true) => break,
                (false, false) if self.popped_alike() => {}
                _ => return false,
            }
        }
        self.companions_alike()
    }

    /// Compares the tables that belong to the userdata on top, or to the functions of LuaJIT.
    ///
    /// Stack: 0
    /// Raises: memory
    ///
    /// # Safety
    /// Under protection in both states.
    unsafe fn companions_alike(&mut self) -> bool {
        let (a, b) = (self.original, self.copy);
        if cfg!(feature = "lua54") && lua_type(a, -1) == LUA_TFUNCTION {
            return true;
        }
        push_companion(a, -1);
        push_companion(b, -1);
        self.popped_alike()
    }
}

/// Whether the numbers on top are the same, bit by bit.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own states, with numbers on top.
unsafe fn numbers_alike(a: *mut lua_State, b: *mut lua_State) -> bool {
    lua_tonumber(a, -1).to_bits() == lua_tonumber(b, -1).to_bits() && to_whole(a, -1) == to_whole(b, -1)
}
