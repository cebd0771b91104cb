//! `process.registry` (P-70 to P-77, W-4).

use super::arguments::{optional_string, string, waiting_string, wrong_type};
use super::guarded::or_failure;
use super::permissions::allowed_on;
use super::spawn::push_pid;
use super::time::optional_time_out;
use crate::executor::wait::second_half;
use crate::executor::wait::{self, Done};
use crate::runtime::clock::instant_after;
use crate::runtime::failure::{Failure, shown};
use crate::runtime::pid::looks_like_pid;
use crate::runtime::process::Process;
use crate::runtime::signal::{News, Signal};
use crate::runtime::vitals::{Call, Waiting};
use crate::runtime::{directory, registry};
use crate::scheduling::{Case, ChannelId};
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::errands::{Awaited, Subject};
use crate::vm::error::{return_done, return_failure};
use crate::vm::faces;
use crate::vm::fields::{self, Field};
use crate::vm::headroom;
use std::ffi::{CStr, c_int};
use std::sync::Arc;

static FIELDS: fields::Fields = fields::Fields(&[
    &[
        (c"register", Field::Function(or_failure!(register))),
        (c"lookup", Field::Function(or_failure!(lookup))),
        (c"unregister", Field::Function(or_failure!(unregister))),
        (c"await", Field::Made(push_await)),
    ],
    NUMBERS,
]);

const NUMBERS: &[(&CStr, Field)] = &{
    let mut fields = [const { (c"", Field::Whole(0)) }; SCOPES.len()];
    let mut next = 0;
    while next < fields.len() {
        fields[next] = (SCOPES[next].0, Field::Whole(next as i64));
        next += 1;
    }
    fields
};

/// The C functions of the module.
pub fn functions() -> impl Iterator<Item = (&'static CStr, Function)> {
    FIELDS.functions()
}

/// The scopes, by number; only the first is to be had in a program of one node.
const SCOPES: [(&CStr, &str); 4] =
    [(c"LOCAL", "LOCAL"), (c"EVENTUAL", "EVENTUAL"), (c"CONSISTENT", "CONSISTENT"), (c"STRONG", "STRONG")];

/// Pushes the table.
///
/// Stack: +1, room for 6
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn push_module(l: *mut lua_State) {
    fields::push_filled(l, &FIELDS, 0);
}

/// Raises unless the scope is a number or nil; an error unless it is LOCAL.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state.
unsafe fn check_scope(l: *mut lua_State, index: c_int, name: &str) -> Result<(), Failure> {
    if lua_type(l, index) <= LUA_TNIL {
        return Ok(());
    }
    if lua_type(l, index) != LUA_TNUMBER {
        wrong_type(l, index, index, name, "number");
    }
    match to_whole(l, index).and_then(|number| SCOPES.get(usize::try_from(number).ok()?)) {
        Some((_, "LOCAL")) => Ok(()),
        Some((_, scope)) => Err(Failure::ScopeNotAvailable(scope)),
        None => Err(Failure::UnknownScope(shown(&super::arguments::shown_value(l, index)))),
    }
}

/// `process.registry.register(name [, pid [, scope]])` (P-71 to P-73).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn register(l: *mut lua_State) -> c_int {
    let name = string(l, 1, "register");
    let pid = optional_string(l, 2, "register");
    let scope = check_scope(l, 3, "register");
    let context = Context::with_memory(l);
    let result = scope.and_then(|()| {
        if context.process().realm.is_closing() {
            return Err(Failure::CannotStart("the program is ending".into()));
        }
        let process = match pid {
            None => Arc::clone(context.process()),
            Some(pid) if !looks_like_pid(pid) => return Err(Failure::InvalidPid(pid.to_vec())),
            Some(pid) => directory::find(pid).ok_or_else(|| Failure::ProcessNotFound(pid.to_vec()))?,
        };
        allowed_on(context, &process, "register")?;
        registry::register(name, &process)
    });
    crate::vm::raise::raise_no_memory(l, &result);
    return_done(l, result)
}

/// `process.registry.lookup(name)` (P-74).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn lookup(l: *mut lua_State) -> c_int {
    let name = string(l, 1, "lookup");
    match registry::find(name) {
        Some(process) => {
            push_pid(l, &process);
            1
        }
        None => return_failure(l, Failure::NameNotRegistered(name.to_vec())),
    }
}

/// `process.registry.unregister(name [, scope])` (P-75).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
unsafe extern "C-unwind" fn unregister(l: *mut lua_State) -> c_int {
    let name = string(l, 1, "unregister");
    if let Err(failure) = check_scope(l, 2, "unregister") {
        return return_failure(l, failure);
    }
    let context = Context::of(l);
    match registry::unregister(name, |owner| allowed_on(context, owner, "unregister")) {
        Ok(taken) => lua_pushboolean(l, c_int::from(taken)),
        Err(failure) => return return_failure(l, failure),
    }
    1
}

/// How long `await` waits if nothing was said, in nanoseconds.
const USUAL_TIME_OUT: i64 = 5_000_000_000;

/// Pushes `process.registry.await`.
///
/// Stack: +1, room for 4
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn push_await(l: *mut lua_State) {
    (faces::get().push_blocking)(l, c"await_name");
}

/// `process.registry.await(name [, timeout])` (W-4), first half.
///
/// Stack: +1 or +2
/// Raises: any: waits
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn await_name(l: *mut lua_State) -> c_int {
    let context = Context::with_memory(l);
    let name = waiting_string(l, 1, "await");
    wait::enter(l, context);
    wait::check(l, context, Call::Await);
    let forever = lua_type(l, 2) == LUA_TBOOLEAN && lua_toboolean(l, 2) == 0;
    let time_out = if forever { Ok(None) } else { optional_time_out(l, 2, "process.registry.await") };
    let within = match time_out {
        Ok(within) if forever => within,
        Ok(within) => within.or(Some(USUAL_TIME_OUT)),
        Err(failure) => return return_failure(l, failure),
    };
    let begun = begin_await(context, name, within);
    crate::vm::raise::raise_no_memory(l, &begun);
    match begun {
        Ok(Begun::Registered(owner)) => {
            push_pid(l, &owner);
            1
        }
        Ok(Begun::Waits(channel)) => {
            let deadline = within.and_then(instant_after);
            let waiting = Waiting::new(Call::Await, context.errand_shown(channel));
            wait::wait(
                l,
                context,
                waiting,
                [Case::Receive(channel)].into(),
                deadline,
                await_name_again,
                named,
            )
        }
        Err(failure) => return_failure(l, failure),
    }
}

/// How the wait for a name begins.
enum Begun {
    /// It has this owner.
    Registered(Arc<Process>),
    /// It will be told on this channel.
    Waits(ChannelId),
}

/// Finds the owner of a name, or begins to wait for one.
///
/// # Errors
/// Nobody can ever have the name, or there is no memory.
fn begin_await(context: &Context, name: &[u8], within: Option<i64>) -> Result<Begun, Failure> {
    registry::check_name(name)?;
    if let Some(owner) = registry::find(name) {
        return Ok(Begun::Registered(owner));
    }
    let charge = context.process().charge_elsewhere(registry::cost(name))?;
    let channel = context.begin_errand(Subject::Name(name.to_vec()), within);
    match registry::find_or_wait(name, context.errand_on(channel), charge) {
        Some(owner) => {
            context.finish_errand(channel, true);
            Ok(Begun::Registered(owner))
        }
        None => Ok(Begun::Waits(channel)),
    }
}

second_half!(await_name_again, named);

/// The second half of `await`.
///
/// Stack: +n, n the result
/// Raises: any
///
/// # Safety
/// As a second half: see `wait::SecondHalf`.
unsafe fn named(l: *mut lua_State, context: &Context, _: usize, done: Done) -> c_int {
    let ended = context.finish_errand(wait::waited_on(context), matches!(done, Done::Event(_)));
    match (done, ended) {
        (Done::Event(place), ended) => {
            drop(ended);
            // A PID is short: no limit makes this raise.
            match context.kept_signal(place) {
                Some(Signal::Answer(answer)) => match &answer.news {
                    News::Registered(pid) => headroom::unlimited(l, || push_bytes(l, pid.as_bytes())),
                    _ => lua_pushnil(l),
                },
                _ => lua_pushnil(l),
            }
            context.take_kept(place);
            1
        }
        (Done::Elapsed, Some(Awaited { subject: Subject::Name(name), within, .. })) => {
            return_failure(l, Failure::NotRegisteredInTime { name, within: within.unwrap_or_default() })
        }
        (_, ended) => {
            drop(ended);
            wait::raise_failure(l, context)
        }
    }
}
