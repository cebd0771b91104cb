//! The random numbers by which LuaJIT chooses where it puts compiled code. States that draw the same ones get into each other's
//! way: after some dozens of them no place is found any more, and nothing is compiled.
//!
//! The generator stands in the first block of a state, as four words in a row. They are what differs between two bare states, but
//! for their addresses.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use crate::platform::{Mould, allocate_in_mould, random_word};
use crate::vm::api::*;
use once_cell::sync::OnceCell;
use std::ptr;

/// Words of the generator.
const WORDS: usize = 4;

/// Words of the first block at most.
const FIRST_BLOCK: usize = 1 << 10;

/// Where the generator of a state stands, in words from its first block; `None` if no two states differ. An error if it could not
/// be found.
pub fn place() -> Result<Option<usize>, ()> {
    static PLACE: OnceCell<Result<Option<usize>, ()>> = OnceCell::new();
    // SAFETY: the states are its own.
    *PLACE.get_or_init(|| unsafe { find() })
}

/// Gives a state a random generator of its own.
///
/// # Safety
/// The first block of a state that is at rest.
pub unsafe fn renew(first_block: *mut u8) {
    let Ok(Some(place)) = place() else { return };
    for word in place..place + WORDS {
        // The generator asks for more than its lowest bits.
        first_block.cast::<u64>().add(word).write(random_word() | 1 << 62);
    }
}

/// As [`place`].
///
/// # Safety
/// None: the states that it uses are its own.
unsafe fn find() -> Result<Option<usize>, ()> {
    let (one, other) = (Mould::new().ok_or(())?, Mould::new().ok_or(())?);
    let states =
        [&one, &other].map(|mould| lua_newstate(allocate_in_mould, ptr::from_ref(mould).cast_mut().cast()));
    let found = if states.contains(&ptr::null_mut()) { Err(()) } else { differing(&one, &other) };
    for l in states {
        if !l.is_null() {
            lua_close(l);
        }
    }
    found
}

/// Where as many words in a row as the generator has differ.
fn differing(one: &Mould, other: &Mould) -> Result<Option<usize>, ()> {
    let moved = (other.start() as u64).wrapping_sub(one.start() as u64);
    let pairs = one.words().iter().zip(other.words()).take(FIRST_BLOCK);
    let differ: Vec<bool> =
        pairs.map(|(one, other)| one != other && other.wrapping_sub(*one) != moved).collect();
    let (mut start, mut places) = (0, Vec::new());
    for run in differ.chunk_by(|one, other| one == other) {
        if run[0] && run.len() >= WORDS {
            places.push((start, run.len()));
        }
        start += run.len();
    }
    // Shorter runs are others' seeds, and the allocator's data.
    match *places {
        [] => Ok(None),
        [(place, WORDS)] => Ok(Some(place)),
        _ => Err(()),
    }
}
