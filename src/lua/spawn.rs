//! `process.spawn` and its variants (P-10 to P-18), with and without a builder.

use super::arguments::{bad_argument_and, type_name, wrong_type_at};
use super::permissions::allowed_to_run;
use super::plan::Plan;
use super::preload;
use crate::codec::sequence::Origin;
use crate::executor::code;
use crate::executor::start;
use crate::platform::reserve;
use crate::runtime::envelope::Envelope;
use crate::runtime::failure::Failure;
use crate::runtime::host::Host;
use crate::runtime::lifecycle::Stage;
use crate::runtime::needs::Needs;
use crate::runtime::process::{ContextValues, Process};
use crate::runtime::{directory, entry, exit, host, live, registry, relations, tracing};
use crate::scheduling::ChannelId;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::error::return_failure;
use crate::vm::raise::raise_no_memory;
use crate::vm::startup::Code;
use crate::vm::startup::Startup;
use crate::vm::{headroom, standard};
use std::ffi::c_int;
use std::sync::Arc;

/// Behind the complaint about a host that is none (W-8).
const HOST_HINT: &str = "; a host, such as \"app:processes\"";

/// One way of spawning: the function that was called, and which relations to the spawner are set up before the child runs.
#[derive(Clone, Copy)]
pub struct Way {
    /// Name of the function, for errors.
    pub function: &'static str,
    /// The spawner gets an EXIT.
    pub monitored: bool,
    /// Both fail together.
    pub linked: bool,
    /// The spawner waits for the result.
    pub executed: bool,
}

/// Why a process cannot be started for which there is no memory.
const NO_MEMORY: &str = "not enough memory";

/// `spawn`.
pub const SPAWN: Way = Way { function: "spawn", monitored: false, linked: false, executed: false };
/// `spawn_monitored`.
pub const SPAWN_MONITORED: Way =
    Way { function: "spawn_monitored", monitored: true, linked: false, executed: false };
/// `spawn_linked`.
pub const SPAWN_LINKED: Way =
    Way { function: "spawn_linked", monitored: false, linked: true, executed: false };
/// `spawn_linked_monitored`.
pub const SPAWN_LINKED_MONITORED: Way =
    Way { function: "spawn_linked_monitored", monitored: true, linked: true, executed: false };

/// `process.spawn(entry, host, ...)`.
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn spawn(l: *mut lua_State) -> c_int {
    spawn_with(l, SPAWN, 0, &Plan::EMPTY)
}

/// `process.spawn_monitored(entry, host, ...)`.
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn spawn_monitored(l: *mut lua_State) -> c_int {
    spawn_with(l, SPAWN_MONITORED, 0, &Plan::EMPTY)
}

/// `process.spawn_linked(entry, host, ...)`.
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn spawn_linked(l: *mut lua_State) -> c_int {
    spawn_with(l, SPAWN_LINKED, 0, &Plan::EMPTY)
}

/// `process.spawn_linked_monitored(entry, host, ...)`.
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn spawn_linked_monitored(l: *mut lua_State) -> c_int {
    spawn_with(l, SPAWN_LINKED_MONITORED, 0, &Plan::EMPTY)
}

/// Spawns from the arguments behind the `receiver` values of a method call, as `plan` says, and returns the PID.
///
/// Stack: +1 or +2, n the result
/// Raises: any
///
/// # Safety
/// Own state; the result is returned to Lua. Values stay: `plan` is that of an object on the stack.
pub unsafe fn spawn_with(l: *mut lua_State, way: Way, receiver: c_int, plan: &Plan) -> c_int {
    match begin(l, way, receiver, plan) {
        Ok(spawned) => {
            push_pid(l, &spawned.process);
            1
        }
        Err(failure) => return_failure(l, failure),
    }
}

/// Pushes the PID of a process that Rust owns: no limit makes it raise.
///
/// Stack: +1
/// Raises: memory
///
/// # Safety
/// Own state.
pub unsafe fn push_pid(l: *mut lua_State, process: &Process) {
    headroom::unlimited(l, || push_bytes(l, process.pid.as_bytes()));
}

/// What came of spawning.
pub struct Spawned {
    /// The child, or the owner of the name that it was to have.
    pub process: Arc<Process>,
    /// Where its end is told to the call that executes it; `None` if nothing was started.
    pub executed_on: Option<ChannelId>,
}

/// Reads the arguments and starts the process. Raises for arguments of a wrong type.
///
/// # Errors
/// Everything that the contract lists for `spawn`; nothing was started then.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state. Values stay: `plan` is that of an object on the stack.
pub unsafe fn begin(l: *mut lua_State, way: Way, receiver: c_int, plan: &Plan) -> Result<Spawned, Failure> {
    let function = way.function;
    let count = lua_gettop(l) - receiver;
    if count < 2 {
        let missing = if count <= 0 { "entry and host are" } else { "host is" };
        return Err(Failure::MissingArguments { function, missing });
    }
    let (entry, host) = (receiver + 1, receiver + 2);
    let level = if way.executed { BLOCKING_LEVEL } else { 1 };
    if !matches!(lua_type(l, entry), LUA_TSTRING | LUA_TFUNCTION) {
        wrong_type_at(l, level, entry, 1, function, "string");
    }
    let Some(host) = to_bytes(l, host) else {
        let problem = format!("string expected, got {}", type_name(l, host));
        bad_argument_and(l, level, 2, function, problem, HOST_HINT);
    };
    luaL_checkstack(l, 12, std::ptr::null());
    let context = Context::of(l);
    // Ends of children that it does not read must not pile up.
    context.weigh_charges();
    if !reserve::has_room_for_process() {
        return Err(Failure::CannotStart(NO_MEMORY.into()));
    }
    let result = match headroom::make(l, 0) {
        false => Err(Failure::OutOfMemory),
        true => headroom::unlimited(l, || prepare(l, context, receiver, host, function, plan))
            .and_then(|order| order.carry_out(context, way, plan)),
    };
    raise_no_memory(l, &result);
    result
}

/// A process that could be started.
struct Order {
    entry: String,
    host: Arc<Host>,
    startup: Startup,
    values: Arc<ContextValues>,
}

/// Everything that can be wrong before anything is started.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state. Runs under `headroom::unlimited`.
unsafe fn prepare(
    l: *mut lua_State,
    context: &Context,
    receiver: c_int,
    host: &[u8],
    function: &'static str,
    plan: &Plan,
) -> Result<Order, Failure> {
    let entry = receiver + 1;
    let reference = match to_bytes(l, entry) {
        Some(text) => entry::checked(text)?.to_owned(),
        None if standard::is_native(l, context, entry) => return Err(Failure::CFunctionEntry),
        None => code::function_name(l, entry),
    };
    let host = host::lookup(host)?;
    plan.check(&host)?;
    let defined = to_bytes(l, entry).is_some().then_some(&*reference);
    allowed_to_run(context, defined, &host.name, function)?;
    let (code, first, origin) = if lua_type(l, entry) == LUA_TFUNCTION {
        // Encoded together with its arguments, so that what they share with it stays shared. The host stands in between.
        lua_pushvalue(l, entry);
        lua_replace(l, entry + 1);
        (Code::of_first_argument(), entry + 1, Origin::Entry)
    } else {
        (code::find(l, &reference, host.settings.restricted)?, entry + 2, Origin::Argument(3))
    };
    if let Some(failure) = &plan.failure {
        return Err(failure.clone());
    }
    if plan.timeout.is_some() && function != "exec" {
        return Err(Failure::UnknownOption { name: b"timeout".to_vec(), known: &[] });
    }
    let count = lua_gettop(l) - first + 1;
    let arguments = context.encoder().encode(l, first, count, origin)?;
    let arguments = reserve::owned(arguments).ok_or(Failure::OutOfMemory)?;
    if !host.taker.takes(Needs::of(&arguments)) {
        return Err(context.encoder().refusal_by(l, first, count, origin, host.taker.clone()));
    }
    if !host.settings.libraries.contain(code.needs()) {
        return Err(Failure::CannotSend { what: "function", place: "argument 1".into() });
    }
    let values = plan.values_over(&context.process().values);
    if values.values().any(|bytes| !host.taker.takes(Needs::of(bytes))) {
        let host = host.name.to_string();
        return Err(Failure::CannotSendTo { what: "function", place: "context".into(), host });
    }
    let (path, cpath) = (code::package_field(l, c"path"), code::package_field(l, c"cpath"));
    let preload = preload::collect(l, &host.settings.preload);
    Ok(Order { entry: reference, host, startup: Startup { code, path, cpath, preload, arguments }, values })
}

impl Order {
    /// Starts the process, or hands its first messages to the live owner of its name.
    fn carry_out(self, context: &Context, way: Way, plan: &Plan) -> Result<Spawned, Failure> {
        let parent = context.process();
        if parent.realm.is_closing() {
            return Err(Failure::CannotStart("the program is ending".into()));
        }
        let leave = parent.realm.may_spawn();
        if leave.is_none() {
            return Err(Failure::CannotStart("shutting down".into()));
        }
        let owner = plan.name.as_deref().and_then(registry::find);
        if let Some(owner) = owner.filter(|owner| owner.stage() == Stage::Alive) {
            match send_first(parent, &owner, plan) {
                Err(Failure::ProcessNotFound(_)) => {}
                sent => return sent.map(|()| Spawned { process: owner, executed_on: None }),
            }
        }
        self.host.enter()?;
        live::one_more();
        self.host.count_spawned();
        let realm = Arc::clone(&parent.realm);
        realm.one_more();
        let sleeper = self.host.sleeper();
        let mut child = Process::new(&self.entry, Arc::clone(&self.host), realm, sleeper);
        child.parent = Arc::downgrade(parent);
        child.parent_pid = Some(parent.pid.clone());
        child.limits = plan.limits(child.limits);
        child.values = self.values;
        let child = Arc::new(child);
        parent.with_relations(|relations| relations.children += 1);
        // It may have inherited more than it may use.
        let context_fits =
            child.charge(child.values.iter().map(|(key, value)| key.len() + value.len() + 64).sum());
        let fits = if context_fits { Ok(()) } else { Err(Failure::CannotStart(NO_MEMORY.into())) };
        let settled = fits.and_then(|()| send_first(parent, &child, plan)).and_then(|()| {
            directory::insert(&child);
            tracing::spawned(&child);
            plan.name.as_deref().map_or(Ok(()), |name| registry::register(name, &child))
        });
        if let Err(failure) = settled {
            exit::never_started(&child);
            return match failure {
                // Somebody else was faster.
                Failure::NameTaken { .. } => match registry::find(plan.name.as_deref().unwrap_or_default()) {
                    Some(owner) => send_first(parent, &owner, plan)
                        .map(|()| Spawned { process: owner, executed_on: None }),
                    None => Err(failure),
                },
                other => Err(other),
            };
        }
        let mut executed_on = None;
        if way.executed {
            executed_on = context.await_end(&child, false, plan.timeout);
        }
        if way.monitored {
            relations::monitor(parent, &child);
            relations::note_monitored(parent, &child);
        }
        if way.linked {
            relations::link(parent, &child);
        }
        if let Err(error) = start::start(&child, self.startup) {
            relations::forget_monitored(parent, child.id);
            if let Some(channel) = executed_on {
                context.finish_errand(channel, false);
            }
            relations::unmonitor(parent, &child);
            relations::unlink(parent, &child);
            exit::never_started(&child);
            return Err(Failure::CannotStart(crate::platform::reason(&error)));
        }
        Ok(Spawned { process: child, executed_on })
    }
}

/// Puts the first messages of a plan into a mailbox (P-84), all or none.
fn send_first(from: &Process, to: &Process, plan: &Plan) -> Result<(), Failure> {
    for (_, payload) in &plan.messages {
        if !to.taker().takes(Needs::of(payload)) {
            let host = to.host.name.to_string();
            return Err(Failure::CannotSendTo { what: "function", place: "argument 2".into(), host });
        }
    }
    let envelope = |(topic, payload): &(Vec<u8>, Vec<u8>)| Envelope::message(&from.pid, topic, &payload[..]);
    let messages = plan.messages.iter().map(envelope).collect::<Result<_, _>>();
    to.deliver_all(messages.map_err(|_| Failure::OutOfMemory)?).map_err(|undelivered| to.failure(undelivered))
}
