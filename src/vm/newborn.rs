//! The states of newborn processes: empty ones, or copies of an image that has everything which the processes of a host have in
//! common when they begin.
//!
//! The image of a host ([`crate::runtime::nursery`]) is made by its second birth, in a state of its own whose blocks all stand in
//! one [`Mould`]: the libraries are opened, garbage is collected, and the bytes are kept. A copy costs a tenth of what filling a
//! state costs. It is a state of its own if four things hold, which are checked before the image is used:
//!
//! - *Nothing stands by its address.* Tables whose keys are objects of the state would have them in the wrong places
//!   ([`likeness`]).
//! - *Nothing leads out.* No block stands outside the mould, no object of the library holds the context, and nothing is compiled.
//! - *Only addresses look like addresses.* The mould has no stale bytes, and a copy at another address is compared with its
//!   original value by value, collected, used and closed.
//! - *Nothing random is copied for good.* Each copy gets random numbers of its own (`random.rs`, and `math.randomseed` when the
//!   process begins). The seed by which strings are hashed is that of the image, which is made anew after thousands of births.
//!
//! If one does not hold, the host has no image, and its states are filled as ever. `PROCESS_IMAGE=off` in the environment has all
//! of them filled.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

mod likeness;
#[cfg(feature = "luajit")]
mod random;

#[cfg(feature = "luajit")]
use super::allocator;
use super::api::*;
use super::collector::grant_first_bytes;
use super::context::Context;
use super::context_field::set_context;
use super::faces;
use super::state;
use crate::platform::{Image, KNOWN_LAYOUT, Mould, allocate_in_mould};
use crate::runtime::process::Process;
use once_cell::sync::Lazy;
use std::ffi::c_int;
use std::ptr;
use std::sync::Arc;

/// What a new state has.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Newborn {
    /// Nothing.
    Empty,
    /// What all processes of its host have in common.
    Filled,
}

/// Bytes of small blocks that a process has beside what every process of its host is born with: its entry and the coroutine
/// of `main`.
const OF_ITS_OWN: usize = 2560;

/// Makes the state of `context`, `None` if there is no memory.
///
/// # Safety
/// The context stays where it is until [`state::close`].
pub unsafe fn open(context: &Context) -> Option<Newborn> {
    let host = &context.process().host;
    if is_wanted() {
        if host.nursery.count_birth() {
            match make(context.process(), fill) {
                Ok(image) => host.nursery.set(image),
                Err(Lack::OfMemory) => {}
                Err(Lack::OfLikeness) => host.nursery.refuse(),
            }
        }
        if host.nursery.with(|image| copy(image, context)) == Some(true) {
            return Some(Newborn::Filled);
        }
    }
    let born_with = host.born_with();
    let room = if born_with > 0 { born_with + OF_ITS_OWN } else { 0 };
    state::open(context, room).map(|_| Newborn::Empty)
}

/// Whether images are wanted, and the VM has what they need.
fn is_wanted() -> bool {
    static WANTED: Lazy<bool> = Lazy::new(|| {
        let wanted = std::env::var_os("PROCESS_IMAGE").is_none_or(|value| value != "off");
        #[cfg(feature = "luajit")]
        // LuaJIT takes an allocator if its pointers have 64 bits.
        let wanted = wanted && allocator::can_be_given() && random::place().is_ok();
        wanted && KNOWN_LAYOUT
    });
    *WANTED
}

/// Why there is no image.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Lack {
    /// Another try may have more luck.
    OfMemory,
    /// A copy of such a state is not like it.
    OfLikeness,
}

/// The state that an image is made of.
struct Original<'a> {
    context: &'a Context,
    mould: &'a Mould,
    l: *mut lua_State,
}

/// Makes the image of what the processes have in common that live where this one does, and `fill` puts into a state.
///
/// # Safety
/// `fill` leaves its state at rest, and raises only under protection. The states that are used are of no concern to others.
unsafe fn make(process: &Arc<Process>, fill: Function) -> Result<Image, Lack> {
    let mould = Mould::new().ok_or(Lack::OfMemory)?;
    let context = Context::new(Arc::clone(process));
    let l = lua_newstate(allocate_in_mould, ptr::from_ref(&mould).cast_mut().cast());
    if l.is_null() {
        return Err(Lack::OfLikeness);
    }
    context.chain().begin(l);
    let filled = protected_with(l, fill, ptr::from_ref(&context).cast_mut().cast());
    lua_settop(l, 0);
    context.chain().end();
    let original = Original { context: &context, mould: &mould, l };
    // It is never closed: nothing of it stands outside the mould.
    match filled {
        LUA_OK => take(&original),
        LUA_ERRMEM => Err(Lack::OfMemory),
        _ => Err(Lack::OfLikeness),
    }
}

/// Fills the state in the mould, and brings it to rest.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Called by Lua, with its context as light userdata, in a new state.
unsafe extern "C-unwind" fn fill(l: *mut lua_State) -> c_int {
    /// More values than the stack of a new state has room for.
    const STALE: c_int = 100;
    set_context(l, lua_touserdata(l, 1).cast());
    lua_settop(l, 0);
    lua_pushcclosure(l, faces::get().fill, 0);
    lua_call(l, 0, 0);
    set_context(l, ptr::null());
    // Nothing of what stood on the stack stays there: not even the address of the context.
    luaL_checkstack(l, STALE, ptr::null());
    (0..STALE).for_each(|_| lua_pushnumber(l, 0.0));
    lua_settop(l, 0);
    // Twice, so that what finalizers held goes too.
    lua_gc(l, LUA_GCCOLLECT, 0);
    lua_gc(l, LUA_GCCOLLECT, 0);
    grant_first_bytes(l);
    0
}

/// Takes the image of the original, if it can be copied.
///
/// # Safety
/// The original is at rest.
unsafe fn take(original: &Original) -> Result<Image, Lack> {
    let image = Image::of(original.mould, original.l as usize).ok_or(Lack::OfMemory)?;
    let holder = ptr::from_ref(original.context) as usize;
    if original.context.is_held() || !image.knows_nothing_of(holder, size_of::<Context>()) {
        return Err(Lack::OfLikeness);
    }
    let trial = Context::new(Arc::clone(original.context.process()));
    if !copy(&image, &trial) {
        return Err(Lack::OfMemory);
    }
    let alike = likeness::check(original.l, trial.chain().main(), original.mould.extent());
    if !alike {
        // Its condition is not known, so it is not closed. All of it stands in the memory of the context.
        return Err(Lack::OfLikeness);
    }
    state::close(&trial);
    if trial.budget().used() == 0 { Ok(image) } else { Err(Lack::OfLikeness) }
}

/// Makes the state of `context` as a copy. `false` if there is no memory.
///
/// # Safety
/// As for [`open`].
unsafe fn copy(image: &Image, context: &Context) -> bool {
    let Some(copy) = context.memory().adopt(image, OF_ITS_OWN) else { return false };
    let l = copy.entry as *mut lua_State;
    #[cfg(feature = "luajit")]
    random::renew(copy.start);
    state::begin_copy(context, l, copy.start);
    true
}

#[cfg(test)]
mod tests;
