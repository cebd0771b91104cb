//! Event tables (L-30 to L-34).

use super::time;
use crate::codec::decode;
use crate::codec::function::check_taken;
use crate::runtime::error::ErrorData;
use crate::runtime::outdated;
use crate::runtime::signal::{ExitRecord, Membership, Noticed, Outdated, Report, Signal};
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::error::push as push_error;
use crate::vm::headroom;
use std::ffi::{CStr, c_int};
use std::sync::Arc;

/// The kinds of events with the names of their constants in `process.event`.
pub const KINDS: [(&CStr, &CStr); 4] = [
    (c"EXIT", c"pid.exit"),
    (c"LINK_DOWN", c"pid.link.down"),
    (c"CANCEL", c"pid.cancel"),
    (c"OUTDATED", c"pid.outdated"),
];

/// Pushes the signal that the context keeps at `place` as an event table.
///
/// Stack: +1, room for 6
/// Raises: any: a result is decoded
///
/// # Safety
/// Own state; `context` is its context.
pub unsafe fn push(l: *mut lua_State, context: &Context, place: usize) {
    match context.kept_signal(place) {
        Some(Signal::Exit(record)) => push_end(l, context, record, KINDS[0].1),
        Some(Signal::LinkDown(record) | Signal::LinkFailed(record)) => {
            push_end(l, context, record, KINDS[1].1)
        }
        Some(Signal::Cancel(request)) => {
            begin(l, KINDS[2].1, &request.from, 5);
            time::push(l, request.at);
            set_raw_field(l, -2, c"at");
            if let Some(reason) = &request.reason {
                push_bytes(l, reason);
                set_raw_field(l, -2, c"reason");
            }
            if let Some(deadline) = request.deadline {
                time::push(l, deadline);
                set_raw_field(l, -2, c"deadline");
            }
        }
        Some(Signal::Outdated(outdated)) => {
            begin(l, KINDS[3].1, &outdated.from, 4);
            time::push(l, outdated.at);
            set_raw_field(l, -2, c"at");
            push_sources(l, context, outdated);
            set_raw_field(l, -2, c"sources");
        }
        Some(Signal::Notice(notice)) => match &notice.what {
            Noticed::Membership(change) => push_change(l, change),
            Noticed::Report(report) => push_report(l, report),
            Noticed::OsSignal(name) => push_bytes(l, name.as_bytes()),
        },
        Some(Signal::Childless | Signal::Answer(_) | Signal::CallEnd(_) | Signal::Ready(_)) | None => {
            lua_pushnil(l)
        }
    }
    context.take_kept(place);
}

/// Pushes the entries that were redefined (W-7). Until the table is there the event counts as untaken.
///
/// Stack: +1, room for 4
/// Raises: memory
///
/// # Safety
/// Own state; the event is kept by the context.
unsafe fn push_sources(l: *mut lua_State, context: &Context, outdated: &Outdated) {
    lua_createtable(l, 0, 0);
    let sources = Box::into_raw(Box::new(outdated::take(context.process(), outdated)));
    for (source, position) in (*sources).iter().zip(1..) {
        headroom::unlimited(l, || push_bytes(l, source.as_bytes()));
        lua_rawseti(l, -2, position);
    }
    drop(Box::from_raw(sources));
}

/// Pushes the event of a change in a process group (G-6).
///
/// Stack: +1, room for 6
/// Raises: memory
///
/// # Safety
/// Own state; the change is kept by the context.
unsafe fn push_change(l: *mut lua_State, change: &Membership) {
    lua_createtable(l, 0, 4);
    let kind = if change.joined { c"member.joined" } else { c"member.left" };
    for (name, text) in [(c"system", c"pg"), (c"kind", kind)] {
        lua_pushstring(l, text.as_ptr());
        set_raw_field(l, -2, name);
    }
    push_bytes(l, &change.group);
    lua_pushvalue(l, -1);
    set_raw_field(l, -3, c"path");
    lua_createtable(l, 0, 2);
    lua_insert(l, -2);
    set_raw_field(l, -2, c"Group");
    lua_createtable(l, 1, 0);
    push_bytes(l, change.pid.as_bytes());
    lua_rawseti(l, -2, 1);
    set_raw_field(l, -2, c"PIDs");
    set_raw_field(l, -2, c"data");
}

/// Pushes a report (I-6).
///
/// Stack: +1, room for 6
/// Raises: memory
///
/// # Safety
/// Own state; the report is kept by the context.
unsafe fn push_report(l: *mut lua_State, report: &Report) {
    lua_createtable(l, 0, 3);
    for (name, text) in [(c"pid", &report.subject), (c"entry", &report.entry)] {
        push_bytes(l, text.as_bytes());
        set_raw_field(l, -2, name);
    }
    push_error(l, Arc::clone(&report.error));
    set_raw_field(l, -2, c"error");
}

/// Pushes the event of an end.
///
/// Stack: +1, room for 6
/// Raises: any: a result is decoded
///
/// # Safety
/// Own state; `record` is kept by the context.
unsafe fn push_end(l: *mut lua_State, context: &Context, record: &ExitRecord, kind: &CStr) {
    // The form is that of now: what runs meanwhile may change it.
    let wrapped = context.is_wrapped();
    begin(l, kind, &record.from, 5);
    time::push(l, record.at);
    set_raw_field(l, -2, c"at");
    match &record.outcome {
        Ok(result) if result.is_empty() => {
            lua_pushnil(l);
            set_result(l, wrapped);
        }
        // The copy was made when the process ended, for whoever watches it; what this host does not take is not decoded.
        Ok(result) => match check_taken(context, result, "result") {
            Ok(()) => {
                decode::push(l, result);
                set_result(l, wrapped);
            }
            Err(refusal) => set_error(l, wrapped, Arc::new(refusal.into())),
        },
        Err(data) => set_error(l, wrapped, Arc::clone(data)),
    }
}

/// Sets `result` of the event below the value on top to that value, or to a record of it (L-33). Pops it.
///
/// Stack: -1, room for 3
/// Raises: memory
///
/// # Safety
/// Own state; the event is below the result.
unsafe fn set_result(l: *mut lua_State, wrapped: bool) {
    if wrapped {
        put_into_record(l, c"value");
    }
    set_raw_field(l, -2, c"result");
}

/// Sets `error` of the event on top, and in the wrapped form `result` as well (L-33).
///
/// Stack: 0, room for 6
/// Raises: memory
///
/// # Safety
/// Own state; the event is on top.
unsafe fn set_error(l: *mut lua_State, wrapped: bool, data: Arc<ErrorData>) {
    push_error(l, data);
    if wrapped {
        lua_pushvalue(l, -1);
        put_into_record(l, c"error");
        set_raw_field(l, -3, c"result");
    }
    set_raw_field(l, -2, c"error");
}

/// Puts a record, with the value on top as its only field, in the value's place.
///
/// Stack: 0, room for 2
/// Raises: memory
///
/// # Safety
/// Own state; a value is on top.
unsafe fn put_into_record(l: *mut lua_State, field: &CStr) {
    lua_createtable(l, 0, 1);
    lua_insert(l, -2);
    set_raw_field(l, -2, field);
}

/// Pushes an event with its kind and its sender.
///
/// Stack: +1, room for 3
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn begin(l: *mut lua_State, kind: &CStr, from: &str, fields: c_int) {
    lua_createtable(l, 0, fields);
    lua_pushstring(l, kind.as_ptr());
    set_raw_field(l, -2, c"kind");
    push_bytes(l, from.as_bytes());
    set_raw_field(l, -2, c"from");
}
