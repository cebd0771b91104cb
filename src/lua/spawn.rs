//! `process.spawn` and its variants (P-10 to P-17).

use super::arguments::string;
use super::error::return_failure;
use super::messages::raise_no_memory;
use crate::codec::encode::Origin;
use crate::runtime::failure::Failure;
use crate::runtime::process::Process;
use crate::runtime::wake::Sleeper;
use crate::runtime::{directory, entry, exit, host, program, relations};
use crate::vm::api::*;
use crate::vm::birth::Startup;
use crate::vm::chunk;
use crate::vm::context::Context;
use crate::vm::run;
use std::ffi::c_int;
use std::sync::Arc;

/// Which relations to the spawner are set up before the child runs.
#[derive(Clone, Copy)]
struct Relations {
    monitored: bool,
    linked: bool,
}

/// `process.spawn(entry, host, ...)`.
pub unsafe extern "C-unwind" fn spawn(l: *mut lua_State) -> c_int {
    spawn_with(l, "spawn", Relations { monitored: false, linked: false })
}

/// `process.spawn_monitored(entry, host, ...)`.
pub unsafe extern "C-unwind" fn spawn_monitored(l: *mut lua_State) -> c_int {
    spawn_with(l, "spawn_monitored", Relations { monitored: true, linked: false })
}

/// `process.spawn_linked(entry, host, ...)`.
pub unsafe extern "C-unwind" fn spawn_linked(l: *mut lua_State) -> c_int {
    spawn_with(l, "spawn_linked", Relations { monitored: false, linked: true })
}

/// `process.spawn_linked_monitored(entry, host, ...)`.
pub unsafe extern "C-unwind" fn spawn_linked_monitored(l: *mut lua_State) -> c_int {
    spawn_with(l, "spawn_linked_monitored", Relations { monitored: true, linked: true })
}

unsafe fn spawn_with(l: *mut lua_State, function: &'static str, relations: Relations) -> c_int {
    let count = lua_gettop(l);
    if count < 2 {
        let missing = if count == 0 { "entry and host are" } else { "host is" };
        return return_failure(l, Failure::MissingArguments { function, missing });
    }
    let entry = string(l, 1, function);
    let host = string(l, 2, function);
    luaL_checkstack(l, 8, std::ptr::null());
    let context = Context::of(l);
    let result = prepare(l, context, entry, host, count - 2)
        .and_then(|(host, startup)| launch(context, entry, host, startup, relations));
    raise_no_memory(l, &result);
    match result {
        Ok(child) => {
            push_bytes(l, child.pid.as_bytes());
            1
        }
        Err(failure) => return_failure(l, failure),
    }
}

/// Everything that can be wrong before anything is started.
unsafe fn prepare(
    l: *mut lua_State,
    context: &Context,
    entry: &[u8],
    host: &[u8],
    arguments: c_int,
) -> Result<(Arc<host::Host>, Startup), Failure> {
    let entry = entry::checked(entry)?;
    let host = host::lookup(host)?;
    let code = chunk::find(l, entry)?;
    let arguments = context.encoder().encode(l, 3, arguments, Origin::Argument(3))?.to_vec();
    let (path, cpath) = (chunk::package_field(l, c"path"), chunk::package_field(l, c"cpath"));
    Ok((host, Startup { code, path, cpath, arguments }))
}

fn launch(
    context: &Context,
    entry: &[u8],
    host: Arc<host::Host>,
    startup: Startup,
    wanted: Relations,
) -> Result<Arc<Process>, Failure> {
    let parent = &context.process;
    if parent.realm.is_closing() {
        return Err(Failure::CannotStart("the program is ending".into()));
    }
    host.enter()?;
    program::one_more();
    let entry = String::from_utf8_lossy(entry);
    let sleeper = Sleeper::on(&host);
    let child = Process::new(&entry, host, Arc::clone(&parent.realm), sleeper);
    let child = Arc::new(child);
    directory::insert(&child);
    if wanted.monitored {
        relations::monitor(parent, &child);
        context.monitored.borrow_mut().insert(child.id);
    }
    if wanted.linked {
        relations::link(parent, &child);
    }
    if let Err(error) = run::start(&child, startup) {
        context.monitored.borrow_mut().remove(&child.id);
        relations::unlink(parent, &child);
        exit::never_started(&child);
        return Err(Failure::CannotStart(crate::platform::reason(&error)));
    }
    Ok(child)
}
