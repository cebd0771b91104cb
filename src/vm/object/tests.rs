//! Userdata of the library: what they are known by, when they are dropped, what they weigh.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::*;
use crate::vm::class::Crossing;
use crate::vm::testing::{Spawned, State};
use std::cell::Cell;
use std::rc::Rc;

static PROBE: Class =
    Class { name: "probe", type_name: c"test.Probe", fill: fill_nothing, crossing: Crossing::Never };
static OTHER: Class =
    Class { name: "other", type_name: c"test.Other", fill: fill_nothing, crossing: Crossing::Never };

/// Adds nothing to a metatable.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// None.
unsafe fn fill_nothing(_: *mut lua_State) {}

/// Counts how often it is dropped, and has a weight.
struct Probe(Rc<Cell<u32>>, usize);

impl Object for Probe {
    const CLASS: &'static Class = &PROBE;

    fn weight(&self) -> usize {
        self.1
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

struct Other;

impl Object for Other {
    const CLASS: &'static Class = &OTHER;
}

/// Pushes a probe as values with destructors are pushed.
///
/// Stack: +1
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn push_probe(l: *mut lua_State, drops: &Rc<Cell<u32>>, weight: usize) {
    let place = reserve::<Probe>(l);
    ptr::write(place, Probe(Rc::clone(drops), weight));
    confirm::<Probe>(l);
}

#[test]
fn a_userdata_is_known_by_its_class_whatever_its_metatable() {
    let (state, drops) = (State::main(), Rc::default());
    // SAFETY: under `attempt`.
    let found = state.attempt(|l| unsafe {
        push_probe(l, &drops, 0);
        lua_createtable(l, 0, 0);
        lua_setmetatable(l, -2);
        push(l, Other);
        lua_newuserdata(l, 1);
        lua_pushlightuserdata(l, ptr::from_ref(&PROBE).cast_mut().cast());
        lua_pushinteger(l, 7);
        let probes: Vec<bool> = (1..=6).map(|index| get::<Probe>(l, index).is_some()).collect();
        (probes, get::<Other>(l, 2).is_some(), get::<Other>(l, 1).is_some())
    });
    assert_eq!(found, Ok((vec![true, false, false, false, false, false], true, false)));
}

#[test]
fn a_value_is_dropped_once_and_its_userdata_is_of_no_class_then() {
    let (state, drops) = (State::main(), Rc::new(Cell::new(0)));
    // SAFETY: under `attempt`; the finalizer may be called by anybody.
    let known = state.attempt(|l| unsafe {
        push_probe(l, &drops, 0);
        for _ in 0..2 {
            lua_getmetatable(l, 1);
            raw_field(l, -1, c"__gc");
            lua_pushvalue(l, 1);
            lua_call(l, 1, 0);
        }
        get::<Probe>(l, 1).is_some()
    });
    assert_eq!((known, drops.get()), (Ok(false), 1));
    drop(state);
    assert_eq!(drops.get(), 1);
}

#[test]
fn a_closing_state_drops_its_values() {
    let (state, drops) = (State::main(), Rc::new(Cell::new(0)));
    // SAFETY: under `attempt`.
    let pushed = state.attempt(|l| unsafe { (0..10).for_each(|_| push_probe(l, &drops, 0)) });
    drop(state);
    assert_eq!((pushed, drops.get()), (Ok(()), 10));
}

#[test]
fn a_finalizer_called_on_something_else_does_nothing() {
    let state = State::main();
    // SAFETY: under `attempt`.
    let count = state.attempt(|l| unsafe {
        push_metatable::<Probe>(l);
        for index in 0..3 {
            raw_field(l, 1, c"__gc");
            match index {
                0 => push(l, Other),
                1 => lua_pushnil(l),
                _ => drop(lua_newuserdata(l, 64)),
            }
            lua_call(l, 1, 0);
        }
        lua_gettop(l)
    });
    assert_eq!(count, Ok(1));
}

#[test]
fn what_a_value_weighs_counts_until_it_is_collected() {
    let (spawned, drops) = (Spawned::new(1_000_000), Rc::new(Cell::new(0)));
    let used = || spawned.context().budget().used();
    // SAFETY: under `attempt`; so below.
    let settled = spawned.attempt(|l| unsafe {
        push_metatable::<Probe>(l);
        lua_settop(l, 0);
        lua_gc(l, LUA_GCCOLLECT, 0)
    });
    assert_eq!(settled, Ok(0));
    let before = used();
    // SAFETY: under `attempt`.
    let grown = spawned.attempt(|l| unsafe {
        push_probe(l, &drops, 400_000);
        used() - before
    });
    assert!(grown.is_ok_and(|grown| (400_000..401_000).contains(&grown)));
    // SAFETY: under `attempt`.
    let collected = spawned.attempt(|l| unsafe {
        lua_settop(l, 0);
        lua_gc(l, LUA_GCCOLLECT, 0);
    });
    assert_eq!((collected, drops.get()), (Ok(()), 1));
    assert!(used() < before + 1_000);
}

#[test]
fn garbage_makes_way_and_what_is_too_heavy_raises_and_is_collected() {
    let (spawned, drops) = (Spawned::new(1_000_000), Rc::new(Cell::new(0)));
    for _ in 0..10 {
        // SAFETY: under `attempt`; so below.
        assert_eq!(spawned.attempt(|l| unsafe { push_probe(l, &drops, 600_000) }), Ok(()));
    }
    // SAFETY: under `attempt`.
    let refused = spawned.attempt(|l| unsafe { push_probe(l, &drops, 2_000_000) });
    assert_eq!(refused, Err("not enough memory".into()));
    drop(spawned);
    assert_eq!(drops.get(), 11);
}
