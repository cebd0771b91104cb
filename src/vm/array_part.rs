//! How many items of a table stand in its array part, so that a walk through all of it meets them first and in order. The C
//! interface does not tell.
//!
//! Both VMs note the size of the array part in the table itself, as a number of 32 bits. Where differs from build to build, so it is
//! found once for the program: as the only place that has the right number in tables of several sizes. If there is no such place,
//! or more than one, the answer is always 0. The number is read and never written; the worst that a wrong one could do is to make
//! a walk begin at the wrong key.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

#[cfg(feature = "luajit")]
use super::allocator;
use super::api::*;
use once_cell::sync::OnceCell;
use std::ffi::c_int;

/// Sizes of the tables that are looked at.
const SIZES: [u32; 5] = [0, 37, 91, 1000, 12345];

/// Numbers of 32 bits that a table has at least, where pointers in it have 64 bits.
const NUMBERS: usize = 14;

/// The same where they have 32.
const FEW_NUMBERS: usize = 8;

/// Numbers of 32 bits that a table of this VM has at least.
fn numbers() -> usize {
    #[cfg(feature = "luajit")]
    let wide = allocator::can_be_given();
    #[cfg(feature = "lua54")]
    let wide = true;
    if wide && cfg!(target_pointer_width = "64") { NUMBERS } else { FEW_NUMBERS }
}

/// What is noted is larger by so much than the highest key in the array part: LuaJIT has a place for the key 0.
const EXTRA: u32 = if cfg!(feature = "luajit") { 1 } else { 0 };

/// How many items from 1 on stand in the array part of the table at `index`, empty places included; 0 if it cannot be told.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state; a table is at `index`.
#[inline]
pub unsafe fn size(l: *mut lua_State, index: c_int) -> u32 {
    static PLACE: OnceCell<Option<usize>> = OnceCell::new();
    match *PLACE.get_or_init(find) {
        // SAFETY: a table has so many numbers.
        Some(place) => number_at(l, index, place).saturating_sub(EXTRA),
        None => 0,
    }
}

/// The number at this place of the table at `index`.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state; a table is at `index`, and has so many numbers.
#[inline]
unsafe fn number_at(l: *mut lua_State, index: c_int, place: usize) -> u32 {
    lua_topointer(l, index).cast::<u32>().add(place).read()
}

/// Looks at tables of known sizes, in a state of its own: the place where all of them have theirs.
fn find() -> Option<usize> {
    // SAFETY: a new state.
    let l = unsafe { luaL_newstate() };
    if l.is_null() {
        return None;
    }
    /// Pushes the tables.
    ///
    /// Stack: +5
    /// Raises: memory
    ///
    /// # Safety
    /// Called by Lua, with the places that fit as light userdata, a `[bool; NUMBERS]`.
    unsafe extern "C-unwind" fn look(l: *mut lua_State) -> c_int {
        let fits = lua_touserdata(l, 1).cast::<[bool; NUMBERS]>();
        for size in SIZES {
            lua_createtable(l, size as c_int, 0);
            let noted = if size == 0 { 0 } else { size + EXTRA };
            for place in 0..numbers() {
                (*fits)[place] &= number_at(l, -1, place) == noted;
            }
        }
        0
    }
    let mut fits = [true; NUMBERS];
    // SAFETY: the state is this function's.
    unsafe {
        let status = protected_with(l, look, (&raw mut fits).cast());
        lua_close(l);
        if status != LUA_OK {
            return None;
        }
    }
    let mut places = (0..numbers()).filter(|&place| fits[place]);
    places.next().filter(|_| places.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::testing::State;

    /// The size for the table that this code gives.
    fn size_of(code: &str) -> u32 {
        let state = State::bare();
        let l = state.l();
        // SAFETY: the state is this test's; the code raises nothing.
        unsafe {
            assert_eq!(load(l, code.as_bytes(), c"=test", c"t"), LUA_OK);
            assert_eq!(lua_pcall(l, 0, 1, 0), LUA_OK);
            size(l, -1)
        }
    }

    #[test]
    fn what_is_in_the_array_part_counts_and_nothing_else() {
        assert!(find().is_some());
        assert_eq!(size_of("return {}"), 0);
        assert!((3..=4).contains(&size_of("return { 1, 2, 3 }")));
        assert_eq!(size_of("local t = {} t[3] = 1 t[2] = 2 return t"), 0);
        assert_eq!(size_of("return { a = 1, b = 2 }"), 0);
        assert!((4..=5).contains(&size_of("local t = { 1, 2, 3, 4, x = 1 } t[2] = nil return t")));
        let grown = size_of("local t = {} for i = 1, 100 do t[i] = i end return t");
        assert!((64..=256).contains(&grown), "{grown}");
        let shrunk = size_of(
            "local t = {} for i = 1, 100 do t[i] = i end for i = 100, 3, -1 do t[i] = nil end local _ = #t return t",
        );
        assert!(shrunk <= 256, "{shrunk}");
    }

    #[test]
    fn a_walk_meets_the_array_part_first_and_in_order() {
        let state = State::bare();
        let l = state.l();
        for code in [
            "local t = {} for i = 1, 40 do t[i] = i end t.x = 1 t[0] = 0 t[-1] = 1 t[2.5] = 1 return t",
            "local t = { n = 1 } for i = 40, 1, -1 do t[i] = i end return t",
            "local t = {} for i = 1, 40 do t[i] = i end for i = 3, 40, 2 do t[i] = nil end local _ = #t t[100] = 1 return t",
        ] {
            // SAFETY: the state is this test's; nothing raises.
            unsafe {
                assert_eq!(load(l, code.as_bytes(), c"=test", c"t"), LUA_OK);
                assert_eq!(lua_pcall(l, 0, 1, 0), LUA_OK);
                let size = f64::from(super::size(l, -1));
                let (mut last, mut outside) = (-1.0, false);
                lua_pushnil(l);
                while lua_next(l, -2) != 0 {
                    let key = if lua_type(l, -2) == LUA_TNUMBER { lua_tonumber(l, -2) } else { -1.0 };
                    let inside =
                        key.fract() == 0.0 && (0.0..=size).contains(&key) && (key > 0.0 || EXTRA == 1);
                    assert!(!inside || (!outside && key > last), "{code}: {key} of {size}");
                    outside |= !inside;
                    last = key;
                    lua_pop(l, 1);
                }
                lua_settop(l, 0);
            }
        }
    }
}
