//! `process.poll`, `process.dup` (M-20 to M-22).

use super::arguments::{string, whole};
use super::channel;
use super::permissions::allowed;
use crate::platform::poller::{self, Directions};
use crate::runtime::failure::Failure;
use crate::runtime::lookout::Watch;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::error::return_failure;
use std::ffi::c_int;

/// What the system says of a number that cannot be a descriptor.
const NO_DESCRIPTOR: &str = "Bad file descriptor";

/// `process.poll(fd, mode)`.
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn poll(l: *mut lua_State) -> c_int {
    let context = Context::with_memory(l);
    let fd = whole(l, 1, 1, "poll");
    let mode = string(l, 2, "poll");
    if let Err(failure) = allowed(context, "poll") {
        return return_failure(l, failure);
    }
    let Some(wanted) = Directions::named(mode) else {
        return return_failure(l, Failure::UnknownPollMode(mode.to_vec()));
    };
    // Opened when all is there that a raise could leave behind.
    let channel = channel::push_unopened(l, context, 0);
    let opened = match c_int::try_from(fd) {
        Ok(number) => Watch::open(context.process(), number, wanted),
        Err(_) => Err(NO_DESCRIPTOR.into()),
    };
    match opened {
        Ok(watch) => {
            (*channel).id = context.scheduler().open_watch(watch);
            1
        }
        Err(reason) => return_failure(l, Failure::BadDescriptor { function: "poll", reason, fd }),
    }
}

/// `process.dup(fd)`.
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn dup(l: *mut lua_State) -> c_int {
    let context = Context::of(l);
    let fd = whole(l, 1, 1, "dup");
    if let Err(failure) = allowed(context, "dup") {
        return return_failure(l, failure);
    }
    let duplicated = match c_int::try_from(fd) {
        Ok(number) => poller::duplicate(number),
        Err(_) => Err(NO_DESCRIPTOR.into()),
    };
    match duplicated {
        Ok(number) => {
            push_whole(l, i64::from(number));
            1
        }
        Err(reason) => return_failure(l, Failure::BadDescriptor { function: "dup", reason, fd }),
    }
}
