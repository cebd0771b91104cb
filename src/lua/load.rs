//! `process.load`: defining what index files say (H-10 to H-12, H-28).

use super::arguments::string;
use crate::executor::code;
use crate::platform::bytes_to_path;
use crate::runtime::entry::{self, Definition, Source};
use crate::runtime::failure::Failure;
use crate::runtime::groups;
use crate::runtime::host;
use crate::runtime::index::{self, Code, Entry, Host, Place};
use crate::runtime::outdated;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::error::return_failure;
use crate::vm::raise::raise_no_memory;
use std::ffi::c_int;
use std::sync::Arc;

/// What was done.
struct Summary {
    entries: usize,
    hosts: usize,
    skipped: Vec<String>,
}

/// `process.load(path)`.
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn load(l: *mut lua_State) -> c_int {
    let path = string(l, 1, "load");
    luaL_checkstack(l, 8, std::ptr::null());
    if let Err(failure) = super::permissions::allowed(Context::with_memory(l), "load") {
        return return_failure(l, failure);
    }
    let result = define(l, path);
    raise_no_memory(l, &result);
    match result {
        Ok(summary) => push_summary(l, Box::new(summary)),
        Err(failure) => return return_failure(l, failure),
    }
    1
}

/// Everything is read, checked and compiled before anything is defined: a call that fails has no effect (B-3).
///
/// Stack: 0, room for 1
/// Raises: never
///
/// # Safety
/// Own state.
unsafe fn define(l: *mut lua_State, path: &[u8]) -> Result<Summary, Failure> {
    let index = index::load(&bytes_to_path(path))?;
    let mut definitions = Vec::with_capacity(index.entries.len());
    for Entry { reference, code, method, imports } in index.entries {
        let source = match code {
            Code::File(path) => Source::File(path),
            Code::Text { text, place } => Source::Text(compiled(l, &reference, &text, &place)?),
        };
        definitions.push((reference, Definition { source, method, imports }));
    }
    let summary = Summary { entries: definitions.len(), hosts: index.hosts.len(), skipped: index.skipped };
    let hosts = index.hosts.iter().map(|host| (host.reference.clone(), host.settings.clone()));
    host::define_all(hosts.collect()).map_err(|position| {
        let Host { reference, place, .. } = &index.hosts[position];
        place.failure(Failure::HostInUse(reference.clone()).to_string())
    })?;
    let entries: Vec<String> = definitions.iter().map(|(reference, _)| reference.clone()).collect();
    entry::define_all(definitions);
    outdated::tell(Context::of(l).process(), &entries);
    for scope in &index.scopes {
        groups::open(scope);
    }
    Ok(summary)
}

/// Compiles source text as `process.define` does. Binary chunks are refused: nobody writes them in YAML.
///
/// Stack: 0, room for 1
/// Raises: never
///
/// # Safety
/// Own state.
unsafe fn compiled(
    l: *mut lua_State,
    reference: &str,
    text: &str,
    place: &Place,
) -> Result<Arc<[u8]>, Failure> {
    let name = format!("={reference}");
    let result = code::compile(l, reference, text.as_bytes(), name.as_bytes(), c"t");
    if let Err(Failure::Syntax { .. }) = result {
        // Once more, so that the compiler names the index file and the line there.
        let text = format!("{}{text}", "\n".repeat(place.line - 1));
        let name = [b"@", place.file.as_os_str().as_encoded_bytes()].concat();
        return code::compile(l, reference, text.as_bytes(), &name, c"t");
    }
    result
}

/// Pushes the table that tells what was done. It is a raw pointer while Lua allocates and can raise.
///
/// Stack: +1, room for 4
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn push_summary(l: *mut lua_State, summary: Box<Summary>) {
    let summary = Box::into_raw(summary);
    lua_createtable(l, 0, 3);
    for (name, count) in [(c"entries", (*summary).entries), (c"hosts", (*summary).hosts)] {
        push_whole(l, count as i64);
        set_raw_field(l, -2, name);
    }
    lua_createtable(l, 0, 0);
    let skipped = &(*summary).skipped;
    for (position, text) in skipped.iter().enumerate() {
        push_bytes(l, text.as_bytes());
        lua_rawseti(l, -2, position as lua_Integer + 1);
    }
    set_raw_field(l, -2, c"skipped");
    drop(Box::from_raw(summary));
}
