//! `channel.select` (C-20 to C-28).

use super::arguments::{shown_value, wrong_type_at};
use super::channel::{self, CASE_CHANNEL, CASE_VALUE, CaseObject, ChannelObject};
use super::send_receive::push_received;
use crate::executor::wait::{self, Done, second_half};
use crate::runtime::failure::shown;
use crate::runtime::near::suggestion;
use crate::runtime::vitals::{Call, Subject, Waiting};
use crate::scheduling::{Case, Ticket};
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::object;
use crate::vm::raise::raise_text;
use std::ffi::c_int;

/// Where the copy of the cases stands on the stack. Behind the cases it holds the tickets of those that send. The caller's
/// table is read once: finalizers, or other coroutines, may change it at any time.
const CASES: c_int = 2;

/// `channel.select(cases [, default])`, first half.
///
/// Stack: +1
/// Raises: any: waits
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn select(l: *mut lua_State) -> c_int {
    let context = Context::of(l);
    if lua_type(l, 1) != LUA_TTABLE {
        wrong_type_at(l, BLOCKING_LEVEL, 1, 1, "select", "table");
    }
    if !matches!(lua_type(l, 2), LUA_TNONE | LUA_TNIL | LUA_TBOOLEAN) {
        wrong_type_at(l, BLOCKING_LEVEL, 2, 2, "select", "boolean");
    }
    lua_settop(l, 2);
    let keys = look_at_keys(l);
    wait::enter(l, context);
    match wait::give_turn(l, context, select_again, waited) {
        Some(results) => results,
        None => select_now(l, context, &keys),
    }
}

/// Selects from the arguments, which are all that is on the stack.
///
/// Stack: +1, n the result
/// Raises: any: waits
///
/// # Safety
/// Own state; the result is returned to Lua.
#[inline(always)]
unsafe fn select_now(l: *mut lua_State, context: &Context, keys: &Keys) -> c_int {
    let default = keys.default || lua_toboolean(l, 2) != 0;
    let count = copy_cases(l);
    if count == 0 && !default {
        raise(l, BLOCKING_LEVEL, b"select: no cases");
    }
    // What is behind the first nil does not count, but a case there was meant to.
    if keys.last_case > i64::from(count) {
        not_a_case(l, count + 1);
    }
    store_values(l, context, count);
    #[cfg(feature = "luajit")]
    if !default {
        keep_cases(l);
    }
    // From here to the end of the wait nothing allocates in Lua.
    context.sort_mail();
    collect_cases(l, context, count);
    let ready = context.scheduler().poll(&context.waits().cases());
    if ready.is_none() && !default {
        let cases = context.waits().cases().clone();
        let waiting = Waiting::new(Call::Select, Subject::None);
        return wait::wait(l, context, waiting, cases, None, select_again, waited);
    }
    context.waits().finish_select();
    let Some((case, finish)) = ready else {
        release_unsent(context, usize::MAX);
        forget_unsent(l, context, usize::MAX);
        lua_createtable(l, 0, 2);
        lua_pushboolean(l, 1);
        set_raw_field(l, -2, c"default");
        lua_pushboolean(l, 1);
        set_raw_field(l, -2, c"ok");
        return 1;
    };
    release_unsent(context, case);
    let done = wait::settle(context, finish);
    finish_select(l, context, case, done)
}

second_half!(select_again, waited);

/// What the keys of the table of cases say.
struct Keys {
    /// `default` is set.
    default: bool,
    /// The highest whole number that has a case, 0 if none has.
    last_case: i64,
}

/// Looks at the keys of the table; a string other than `default` is refused, and so is what has a case though it counts nothing.
///
/// Stack: 0, room for 2
/// Raises: any
///
/// # Safety
/// Own state; the table of cases is at 1.
unsafe fn look_at_keys(l: *mut lua_State) -> Keys {
    let mut keys = Keys { default: false, last_case: 0 };
    lua_pushnil(l);
    while lua_next(l, 1) != 0 {
        let number = if lua_type(l, -2) == LUA_TNUMBER { to_whole(l, -2) } else { None };
        match (to_bytes(l, -2), number) {
            (Some(b"default"), _) => keys.default = lua_toboolean(l, -1) != 0,
            (Some(_), _) => unknown_key(l),
            _ if object::get::<CaseObject>(l, -1).is_none() => {}
            (_, Some(number)) if number > 0 => keys.last_case = keys.last_case.max(number),
            _ => unknown_key(l),
        }
        lua_pop(l, 1);
    }
    keys
}

/// Refuses the key below the top.
///
/// Stack: never returns
/// Raises: any
///
/// # Safety
/// Own state. Nothing to drop.
unsafe fn unknown_key(l: *mut lua_State) -> ! {
    let key = shown(&shown_value(l, -2));
    let text = format!("select: unknown key {key}{}", suggestion(key.as_bytes(), ["default"]));
    drop(key);
    raise_text(l, BLOCKING_LEVEL, text)
}

/// Refuses the entry of this number.
///
/// Stack: never returns
/// Raises: any
///
/// # Safety
/// Own state. Nothing to drop.
unsafe fn not_a_case(l: *mut lua_State, entry: c_int) -> ! {
    raise_text(l, BLOCKING_LEVEL, format!("select: entry {entry} is not a case"))
}

/// Copies the cases, from 1 to the first nil, into a table at `CASES`: their number. A case whose channel is gone (a finalizer
/// can get hold of one) is none.
///
/// Stack: 0, room for 4
/// Raises: any
///
/// # Safety
/// Own state; the table of cases is at 1.
unsafe fn copy_cases(l: *mut lua_State) -> c_int {
    lua_createtable(l, 4, 0);
    lua_replace(l, CASES);
    let mut count = 0;
    loop {
        if lua_rawgeti(l, 1, lua_Integer::from(count + 1)) == LUA_TNIL {
            lua_pop(l, 1);
            return count;
        }
        let mut usable = object::get::<CaseObject>(l, -1).is_some();
        if usable {
            push_companion(l, -1);
            lua_rawgeti(l, -1, CASE_CHANNEL);
            usable = object::get::<ChannelObject>(l, -1).is_some();
            lua_pop(l, 2);
        }
        if !usable {
            not_a_case(l, count + 1);
        }
        count += 1;
        lua_rawseti(l, CASES, lua_Integer::from(count));
    }
}

/// Stores the values of send cases with their channels, and the tickets behind the cases.
///
/// Stack: 0, room for 8
/// Raises: memory
///
/// # Safety
/// Own state; the copy of the cases is at `CASES`.
unsafe fn store_values(l: *mut lua_State, context: &Context, count: c_int) {
    let top = lua_gettop(l);
    for position in 1..=lua_Integer::from(count) {
        lua_rawgeti(l, CASES, position);
        if object::get::<CaseObject>(l, -1).is_some_and(|case| case.sends) {
            push_companion(l, -1);
            lua_rawgeti(l, -1, CASE_CHANNEL);
            lua_rawgeti(l, -2, CASE_VALUE);
            if let Some(channel) = object::get::<ChannelObject>(l, -2) {
                let ticket = channel::store(l, context, -2, channel, -1);
                push_whole(l, i64::from(ticket));
                lua_rawseti(l, CASES, lua_Integer::from(count) + position);
            }
        }
        lua_settop(l, top);
    }
}

/// Fills `context.cases`.
///
/// Stack: 0, room for 4
/// Raises: never
///
/// # Safety
/// Own state; the copy of the cases is at `CASES`.
unsafe fn collect_cases(l: *mut lua_State, context: &Context, count: c_int) {
    let mut cases = context.waits().cases();
    cases.clear();
    for position in 1..=lua_Integer::from(count) {
        lua_rawgeti(l, CASES, position);
        let sends = object::get::<CaseObject>(l, -1).is_some_and(|case| case.sends);
        push_companion(l, -1);
        lua_rawgeti(l, -1, CASE_CHANNEL);
        if let Some(channel) = object::get::<ChannelObject>(l, -1) {
            let id = channel.id;
            cases.push(if sends {
                lua_rawgeti(l, CASES, lua_Integer::from(count) + position);
                let ticket = to_whole(l, -1).unwrap_or(0);
                lua_pop(l, 1);
                Case::Send(id, ticket as Ticket)
            } else {
                Case::Receive(id)
            });
        }
        lua_pop(l, 3);
    }
}

/// Gives the tickets of sends that were not taken back, if the scheduler has not done so.
fn release_unsent(context: &Context, taken: usize) {
    for (position, case) in context.waits().finished().iter().enumerate() {
        if let Case::Send(id, ticket) = *case
            && position != taken
        {
            context.scheduler().release(id, ticket);
        }
    }
}

/// Forgets the values of sends that were not taken.
///
/// Stack: 0, room for 6
/// Raises: never
///
/// # Safety
/// Own state; the copy of the cases is at `CASES`.
unsafe fn forget_unsent(l: *mut lua_State, context: &Context, taken: usize) {
    let count = context.waits().finished().len();
    for position in 0..count {
        let case = context.waits().finished().get(position).copied();
        if let Some(Case::Send(_, ticket)) = case
            && position != taken
        {
            let top = lua_gettop(l);
            push_channel(l, position);
            channel::forget(l, -1, ticket);
            lua_settop(l, top);
        }
    }
}

/// Pushes the channel of a case.
///
/// Stack: +1, room for 3
/// Raises: never
///
/// # Safety
/// Own state; the copy of the cases is at `CASES`.
unsafe fn push_channel(l: *mut lua_State, position: usize) {
    lua_rawgeti(l, CASES, position as lua_Integer + 1);
    push_companion(l, -1);
    lua_rawgeti(l, -1, CASE_CHANNEL);
    lua_replace(l, -3);
    lua_pop(l, 1);
}

/// Pushes the table of copied cases by coroutine: on LuaJIT the stack of a call does not outlive a wait. It keeps no coroutine
/// alive.
///
/// Stack: +1, room for 4
/// Raises: memory
///
/// # Safety
/// Own state.
#[cfg(feature = "luajit")]
unsafe fn push_kept(l: *mut lua_State) {
    static KEY: u8 = 0;
    push_own_weak_table(l, &KEY);
}

/// Remembers the copy of the cases for the running coroutine.
///
/// Stack: 0, room for 5
/// Raises: memory
///
/// # Safety
/// Own state; `l` runs, and the copy of the cases is at `CASES`.
#[cfg(feature = "luajit")]
unsafe fn keep_cases(l: *mut lua_State) {
    push_kept(l);
    lua_pushthread(l);
    lua_pushvalue(l, CASES);
    lua_rawset(l, -3);
    lua_pop(l, 1);
}

/// Puts the copy of the cases back at `CASES`.
///
/// Stack: -n, to `CASES`, room for 5
/// Raises: memory
///
/// # Safety
/// Own state; `l` runs.
#[cfg(feature = "luajit")]
unsafe fn restore_cases(l: *mut lua_State) {
    lua_settop(l, 1);
    push_kept(l);
    lua_pushthread(l);
    lua_rawget(l, -2);
    lua_replace(l, CASES);
}

/// The second half of `select`.
///
/// Stack: +1, n the result
/// Raises: any: waits
///
/// # Safety
/// As a second half: see `wait::SecondHalf`.
unsafe fn waited(l: *mut lua_State, context: &Context, case: usize, done: Done) -> c_int {
    if matches!(done, Done::HadTurn) {
        lua_settop(l, 2);
        let keys = look_at_keys(l);
        return select_now(l, context, &keys);
    }
    #[cfg(feature = "luajit")]
    restore_cases(l);
    lua_settop(l, CASES);
    finish_select(l, context, case, done)
}

/// The result table.
///
/// Stack: +1, n the result, room for 8
/// Raises: any
///
/// # Safety
/// Own state; the copy of the cases is at `CASES`.
unsafe fn finish_select(l: *mut lua_State, context: &Context, case: usize, done: Done) -> c_int {
    if matches!(done, Done::Failed) {
        forget_unsent(l, context, usize::MAX);
        wait::raise_failure(l, context);
    }
    forget_unsent(l, context, case);
    let sent = matches!(done, Done::Sent);
    if matches!(done, Done::SendOnClosed) {
        let case_sent = context.waits().finished().get(case).copied();
        if let Some(Case::Send(id, ticket)) = case_sent {
            context.scheduler().release(id, ticket);
            push_channel(l, case);
            channel::forget(l, -1, ticket);
        }
        raise(l, BLOCKING_LEVEL, b"send on closed channel");
    }
    push_channel(l, case);
    let channel = lua_gettop(l);
    lua_createtable(l, 0, 3);
    let result = lua_gettop(l);
    lua_pushvalue(l, channel);
    set_raw_field(l, result, c"channel");
    let ok = if sent {
        lua_rawgeti(l, CASES, case as lua_Integer + 1);
        push_companion(l, -1);
        lua_rawgeti(l, -1, CASE_VALUE);
        lua_remove(l, -2);
        lua_remove(l, -2);
        true
    } else {
        push_received(l, context, channel, done)
    };
    set_raw_field(l, result, c"value");
    lua_pushboolean(l, c_int::from(ok));
    set_raw_field(l, result, c"ok");
    1
}
