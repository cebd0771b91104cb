//! What belongs to one Lua state: the process it runs as, its scheduler, and the buffers that calls from Lua use.
//!
//! Any C function reaches it from its `lua_State`: a spawned state's allocator carries it, a main state keeps it in its
//! registry. Only the thread that runs the state touches it. Its parts are in cells, each borrowed for one statement and
//! never while Lua runs.

use super::api::*;
#[cfg(feature = "lua54")]
use super::census::Census;
use super::chain::Chain;
use super::collector::{collector_runs, in_finalizer};
use super::frame::JumpBuffer;
use super::kind::Kept;
use super::kind::Kind;
use super::name::PlainTables;
use super::pause::Pause;
use super::startup::Startup;
use super::startup::{Code, Started};
#[cfg(feature = "luajit")]
use crate::platform;
use crate::platform::Memory;
use crate::runtime::envelope::Envelope;
use crate::runtime::failure::Failure;
use crate::runtime::pid::{self, ProcessId, looks_like_pid};
use crate::runtime::process::Process;
use crate::runtime::signal::Signal;
use crate::runtime::signal::{ExitRecord, Outcome};
use crate::runtime::spin::Patience;
use crate::runtime::{directory, registry, relations};
use crate::scheduling::{Cases, ChannelId, Event, Mail, Scheduler, TaskId};
use rustc_hash::FxHashMap;
use slotmap::SecondaryMap;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;

/// A managed coroutine in Lua: its thread, and whether it has run yet.
#[derive(Clone, Copy)]
pub struct Coroutine {
    pub thread: *mut lua_State,
    pub started: bool,
}

/// See the top of the page.
pub struct Context {
    /// The process this state runs as.
    pub process: Arc<Process>,
    /// Memory of a spawned state.
    pub memory: Memory,
    /// The VM allocates the memory of this spawned state itself (see [`super::allocator`]).
    #[cfg(feature = "luajit")]
    pub vm_allocates: Cell<bool>,
    /// How long it looks out before it sleeps.
    pub patience: Patience,
    /// Coroutines, channels, timers.
    pub scheduler: RefCell<Scheduler>,
    /// The Lua side of the scheduler's tasks.
    pub coroutines: RefCell<SecondaryMap<TaskId, Coroutine>>,
    /// Its main thread, what runs, and the coroutines that the library has resumed inside each other.
    pub chain: Chain,
    /// Whether it was asked to give way to other processes.
    pub pause: Pause,
    /// A wait may be on its way to the scheduler: coroutines yield the waiting mark one after the other. As long as none is,
    /// what a coroutine has yielded need not be looked at.
    pub wait_passes: Cell<bool>,
    /// How many values the coroutine that runs has taken since it last gave control away.
    pub served: Cell<u32>,
    /// How many coroutines the library's own `resume` and `wrap` have resumed inside each other.
    pub nested_coroutines: Cell<u32>,
    /// The C stack of the thread that runs the process. Spawned states only.
    #[cfg(feature = "luajit")]
    pub stack: Cell<platform::CStack>,
    /// The coroutine of `main`.
    pub main_task: Cell<Option<TaskId>>,
    /// How the process ends, once that is known.
    pub outcome: RefCell<Option<Outcome>>,
    /// How the state has what crosses by name.
    pub kind: Cell<Option<&'static Kind>>,
    /// What of it the state keeps, once that was asked.
    pub kept: OnceCell<Kept>,
    /// Tables that have names though no function in them shows it; none until the first table is encoded.
    pub plain_tables: Cell<Option<PlainTables>>,
    /// Where to jump when the process is ended.
    pub frame: JumpBuffer,
    /// Code of the process is running that may be left by a jump.
    pub interruptible: Cell<bool>,
    /// What runs now must not leave the process by a jump: Rust owns something further out.
    pub stays: Cell<bool>,
    /// The jump has left code that LuaJIT had compiled.
    #[cfg(feature = "luajit")]
    pub left_compiled: Cell<bool>,
    /// The coroutines of the state.
    #[cfg(feature = "lua54")]
    pub census: Census,
    /// Spawned process: its code has stopped the collector.
    pub collector_stopped: Cell<bool>,
    /// Option `wrapped` (P-64): the form of events and of `msg:payload()`.
    pub wrapped: Cell<bool>,
    /// The state is being closed: nothing can wait any more.
    pub closing: Cell<bool>,
    /// How often the closing main state has looked for what finalizers have made.
    #[cfg(feature = "luajit")]
    pub round: Cell<u32>,
    /// How many userdata point here.
    holders: Cell<usize>,
    /// The state has closed, and nothing but the holders knows of this any more.
    orphaned: Cell<bool>,
    /// Processes this one monitors, and their PIDs: they may be gone.
    pub monitored: RefCell<FxHashMap<ProcessId, Box<str>>>,
    /// The children that an `exec` waits for, and the channel on which it does.
    pub executing: RefCell<FxHashMap<ProcessId, ChannelId>>,
    /// The channel that closes when no child is left, while somebody waits for that.
    childless: Cell<Option<ChannelId>>,
    /// Main process: failures of linked processes that are still to be raised.
    pub link_failures: RefCell<Mail>,
    /// Main process: references to errors that left managed coroutines and are still to be raised.
    pub task_errors: RefCell<VecDeque<c_int>>,
    /// What a wait that has just ended is to raise.
    pub failure: RefCell<Option<Failure>>,
    /// The cases that a select is looking at.
    pub cases: RefCell<Cases>,
    /// The cases of the wait that has just ended.
    pub finished_cases: RefCell<Cases>,
    /// What the process begins with, while it is set up.
    pub startup: RefCell<Option<Startup>>,
    /// Encoded arguments of `main`, while they are decoded.
    pub arguments: RefCell<Vec<u8>>,
    /// The function that the process was started from; none if it runs a chunk.
    pub started_from: RefCell<Option<Started>>,
    /// The entries that are being imported.
    pub importing: RefCell<Vec<Code>>,
    /// The process is to go on with this in a new state.
    pub upgrade: RefCell<Option<Startup>>,
    /// The coroutine that has just ended, and its status.
    pub ending: Cell<(*mut lua_State, c_int)>,
    /// The stack of the coroutine that ends the process by an error, where that has to be noted (see [`super::traceback`]).
    pub failed: RefCell<Vec<u8>>,
    /// The stack of the coroutine that has overflowed last.
    #[cfg(feature = "luajit")]
    pub overflowed: RefCell<Vec<u8>>,
    /// The stack of the plain coroutine that has failed last.
    pub passed: RefCell<Vec<u8>>,
    /// The outcome is a failure of the code, to be reported if nobody watches.
    pub reportable: Cell<bool>,
    /// What is being decoded: decoding may raise, so it cannot be owned by the stack.
    /// A stack: a finalizer that runs meanwhile may receive as well.
    decoding: RefCell<Vec<Option<Envelope>>>,
    destinations: RefCell<Vec<Option<Destination>>>,
}

/// A destination that was used before.
struct Destination {
    text: Box<[u8]>,
    process: Arc<Process>,
    /// For a name: how many names had been released when it was looked up.
    releases: Option<u64>,
}

/// A context as a userdata of its state points to it. While the state of a main process closes, its finalizers may make userdata
/// of the library that are collected later than anything by which the library could tell that the state is gone.
pub struct Held(*const Context);

impl std::ops::Deref for Held {
    type Target = Context;

    #[inline]
    fn deref(&self) -> &Context {
        // SAFETY: the context of a spawned state outlives it; that of a main state stays as long as it is held.
        unsafe { &*self.0 }
    }
}

impl Drop for Held {
    #[inline]
    fn drop(&mut self) {
        let left = self.holders.get() - 1;
        self.holders.set(left);
        if left == 0 && self.orphaned.get() {
            // SAFETY: only `orphan` sets the mark, of a boxed context, and nobody else knows of it any more.
            drop(unsafe { Box::from_raw(self.0.cast_mut()) });
        }
    }
}

/// How many destinations are remembered at first, and at most: a process that sends to few others needs few places.
const DESTINATIONS: (usize, usize) = (4, 64);

/// Longer ones, in bytes, are not remembered.
const LONGEST_DESTINATION: usize = 255;

impl Context {
    /// A context for a state that does not exist yet.
    pub fn new(process: Arc<Process>) -> Self {
        Context {
            process,
            memory: Memory::default(),
            #[cfg(feature = "luajit")]
            vm_allocates: Cell::new(false),
            patience: Patience::default(),
            scheduler: RefCell::default(),
            coroutines: RefCell::new(SecondaryMap::new()),
            chain: Chain::default(),
            pause: Pause::default(),
            wait_passes: Cell::new(false),
            served: Cell::new(0),
            nested_coroutines: Cell::new(0),
            #[cfg(feature = "luajit")]
            stack: Cell::default(),
            main_task: Cell::new(None),
            outcome: RefCell::new(None),
            kind: Cell::new(None),
            kept: OnceCell::new(),
            plain_tables: Cell::new(None),
            frame: JumpBuffer::new(),
            interruptible: Cell::new(false),
            stays: Cell::new(false),
            #[cfg(feature = "luajit")]
            left_compiled: Cell::new(false),
            #[cfg(feature = "lua54")]
            census: Census::default(),
            collector_stopped: Cell::new(false),
            wrapped: Cell::new(false),
            closing: Cell::new(false),
            #[cfg(feature = "luajit")]
            round: Cell::new(0),
            holders: Cell::new(0),
            orphaned: Cell::new(false),
            monitored: RefCell::default(),
            executing: RefCell::default(),
            childless: Cell::new(None),
            link_failures: RefCell::default(),
            task_errors: RefCell::default(),
            failure: RefCell::new(None),
            cases: RefCell::default(),
            finished_cases: RefCell::default(),
            startup: RefCell::new(None),
            arguments: RefCell::default(),
            started_from: RefCell::new(None),
            importing: RefCell::default(),
            upgrade: RefCell::new(None),
            ending: Cell::new((ptr::null_mut(), 0)),
            failed: RefCell::default(),
            #[cfg(feature = "luajit")]
            overflowed: RefCell::default(),
            passed: RefCell::default(),
            reportable: Cell::new(false),
            decoding: RefCell::default(),
            destinations: RefCell::new(Vec::new()),
        }
    }

    /// The context that this memory is a part of.
    ///
    /// # Safety
    /// It is the memory of a context.
    pub unsafe fn of_memory<'a>(memory: *const c_void) -> &'a Context {
        &*memory.byte_sub(std::mem::offset_of!(Context, memory)).cast::<Context>()
    }

    /// A pointer to this for a userdata of the state, which keeps the context of a main state until the userdata is gone.
    #[inline]
    pub fn hold(&self) -> Held {
        self.holders.set(self.holders.get() + 1);
        Held(ptr::from_ref(self))
    }

    /// The main state has closed, and the last way to its context but by its holders is gone: frees it, now or with the last of
    /// them.
    ///
    /// # Safety
    /// It was boxed, and is not used any more but through its holders.
    #[cfg(feature = "luajit")]
    pub unsafe fn orphan(context: *const Context) {
        (*context).orphaned.set(true);
        if (*context).holders.get() == 0 {
            drop(Box::from_raw(context.cast_mut()));
        }
    }

    /// Keeps an envelope that the code of the process gets, to be decoded: its place, for [`Context::kept`] and
    /// [`Context::take_kept`].
    pub fn keep(&self, envelope: Envelope) -> usize {
        self.process.envelope_left(&envelope);
        self.weigh_charges();
        // Decoding that has raised leaves its envelope behind. What is there unless a finalizer runs was left so.
        // SAFETY: the state is open, and this is its thread.
        if !self.decoding.borrow().is_empty() && unsafe { collector_runs(self.chain.main()) } == 1 {
            self.take_kept(0);
        }
        if self.is_limited() {
            self.memory.reweigh(0, envelope.size());
        }
        let mut decoding = self.decoding.borrow_mut();
        decoding.push(Some(envelope));
        decoding.len() - 1
    }

    /// The envelope kept at this place.
    ///
    /// # Safety
    /// The reference ends before `take_kept` with this place or a lower one.
    pub unsafe fn kept<'a>(&self, place: usize) -> Option<&'a Envelope> {
        // The envelope itself does not move when the list grows.
        let envelope = self.decoding.borrow().get(place).and_then(Option::as_ref).map(ptr::from_ref);
        envelope.map(|envelope| &*envelope)
    }

    /// Takes the envelope from this place, and forgets what was left behind above it.
    pub fn take_kept(&self, place: usize) -> Option<Envelope> {
        let mut decoding = self.decoding.borrow_mut();
        if self.is_limited() {
            for kept in decoding.iter().skip(place).flatten() {
                self.memory.reweigh(kept.size(), 0);
            }
        }
        let envelope = decoding.get_mut(place).and_then(Option::take);
        decoding.truncate(place);
        envelope
    }

    /// There is a limit to the memory of the process, so that what its values keep outside its state is weighed.
    fn is_limited(&self) -> bool {
        self.process.limits.memory != 0
    }

    /// What others keep for the process counts towards its memory as it is now, on a restricted host.
    pub fn weigh_charges(&self) {
        if self.process.host.settings.restricted {
            self.memory.set_charged(self.process.charged() + self.scheduler.borrow().mail_weight());
        }
    }

    /// Takes what has arrived out of the mailbox and gives it to the views it belongs to.
    pub fn sort_mail(&self) {
        self.weigh_charges();
        if !self.process.mailbox.has_mail() {
            return;
        }
        for envelope in self.process.mailbox.take() {
            match envelope.as_signal() {
                None => self.scheduler.borrow_mut().route_message(envelope),
                Some(signal) if self.concerns_us(signal) => {
                    self.scheduler.borrow_mut().route_event(envelope);
                }
                Some(signal) => {
                    self.process.envelope_left(&envelope);
                    // A broken link that is to be raised.
                    if let Signal::LinkFailed(record) = signal
                        && self.take_link(record)
                    {
                        let stamped = self.scheduler.borrow_mut().stamp(envelope);
                        self.link_failures.borrow_mut().push(stamped);
                    }
                }
            }
        }
    }

    /// Whether a signal is an event, and the relation behind it still stands.
    fn concerns_us(&self, signal: &Signal) -> bool {
        match signal {
            Signal::Cancel(_) => true,
            Signal::Exit(record) => {
                let executing = self.executing.borrow_mut().remove(&record.id);
                if let Some(channel) = executing {
                    let event = Envelope::signal(Signal::Exit(Arc::clone(record)));
                    self.process.charge(event.size());
                    self.scheduler.borrow_mut().route_private(channel, event);
                }
                self.monitored.borrow_mut().remove(&record.id).is_some()
            }
            Signal::Childless => {
                // It may have spawned others since, even before it has begun to wait.
                let awaits = self.childless.get().is_some();
                let alone = self.process.with_relations(|relations| {
                    relations.awaits_children |= awaits && relations.children > 0;
                    relations.children == 0
                });
                if alone && let Some(channel) = self.childless.take() {
                    let mut scheduler = self.scheduler.borrow_mut();
                    scheduler.close_channel(channel);
                    scheduler.drop_channel(channel);
                }
                false
            }
            Signal::LinkDown(record) => self.take_link(record),
            Signal::LinkFailed(_) => false,
        }
    }

    fn take_link(&self, record: &ExitRecord) -> bool {
        self.process.with_relations(|relations| relations.links.remove(&record.id)).is_some()
    }

    /// A context for the same process with other code: what has arrived and what it watches go over (P-57).
    pub fn renewed(&self) -> Context {
        let next = Context::new(Arc::clone(&self.process));
        next.monitored.replace(self.monitored.take());
        next.wrapped.set(self.wrapped.get());
        let mail = self.scheduler.borrow_mut().take_mail();
        for envelope in mail {
            let is_message = envelope.as_signal().is_none();
            let mut scheduler = next.scheduler.borrow_mut();
            if is_message { scheduler.route_message(envelope) } else { scheduler.route_event(envelope) }
        }
        next
    }

    /// The channel that closes when the process has no children left.
    pub fn childless_channel(&self) -> ChannelId {
        let channel = self.childless.get().unwrap_or_else(|| self.scheduler.borrow_mut().open_channel(0));
        self.childless.set(Some(channel));
        channel
    }

    /// After `unmonitor`: no EXIT of this process can be received any more.
    pub fn forget_monitored(&self, pid: &[u8]) {
        let forgotten = pid::remove(&mut self.monitored.borrow_mut(), pid);
        drop(forgotten);
        self.retract(Event::Exit, pid);
    }

    /// The process ends: those that it monitored need not remember it any longer.
    pub fn forget_all_monitored(&self) {
        for (id, _) in self.monitored.take() {
            if let Some(process) = directory::get(id) {
                relations::unmonitor(&self.process, &process);
            }
        }
    }

    fn retract(&self, event: Event, pid: &[u8]) {
        let retracted = self.scheduler.borrow_mut().retract(event, pid);
        if let Some(envelope) = retracted {
            self.process.envelope_left(&envelope);
        }
    }

    /// After `unlink`: no LINK_DOWN of this process can be received, and its failure is not raised.
    pub fn forget_linked(&self, pid: &[u8]) {
        let broken = self.process.with_relations(|relations| pid::remove(&mut relations.links, pid));
        drop(broken);
        self.retract(Event::LinkDown, pid);
        let failures = self.link_failures.borrow_mut().take(pid);
        drop(failures);
    }

    /// The process that a PID or a name stands for now.
    ///
    /// # Errors
    /// Nobody has that PID or name.
    pub fn resolve(&self, destination: &[u8]) -> Result<Arc<Process>, Failure> {
        if looks_like_pid(destination) {
            directory::find(destination).ok_or_else(|| Failure::ProcessNotFound(destination.to_vec()))
        } else {
            registry::find(destination).ok_or_else(|| Failure::DestinationNotFound(destination.to_vec()))
        }
    }

    /// As [`Context::resolve`], and calls `act` with the process. What was resolved before costs no lock.
    ///
    /// # Errors
    /// Those of `resolve` and of `act`.
    pub fn with_destination<T>(
        &self,
        destination: &[u8],
        act: impl FnOnce(&Process) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut known = self.destinations.borrow_mut();
        if known.is_empty() {
            known.resize_with(DESTINATIONS.0, || None);
        }
        // Lua keeps one copy of a short string, so that its address tells destinations apart well enough.
        if destination.len() > LONGEST_DESTINATION {
            drop(known);
            return act(&*self.resolve(destination)?);
        }
        let place = destination.as_ptr() as usize >> 4;
        let mut places = known.len();
        if let Some(entry) = &known[place % places] {
            let same = *entry.text == *destination;
            if same && entry.releases.is_none_or(|releases| releases == registry::releases()) {
                return act(&entry.process);
            }
            if !same && places < DESTINATIONS.1 {
                places *= 2;
                known.clear();
                known.resize_with(places, || None);
            }
        }
        let slot = &mut known[place % places];
        let releases = (!looks_like_pid(destination)).then(registry::releases);
        let process = self.resolve(destination)?;
        let entry = slot.insert(Destination { text: destination.into(), process, releases });
        act(&entry.process)
    }

    /// Whether the process is to do nothing more of what it does.
    pub fn is_over(&self) -> bool {
        self.process.is_doomed() || self.outcome.borrow().is_some() || self.upgrade.borrow().is_some()
    }

    /// Whether a finalizer runs. In a spawned process on LuaJIT a collector that stands still is enough to know, unless its own
    /// code has stopped it: an error inside a coroutine makes LuaJIT forget that it is in a finalizer.
    pub unsafe fn runs_finalizer(&self, l: *mut lua_State) -> bool {
        if cfg!(feature = "luajit") && !self.process.is_main() && !self.collector_stopped.get() {
            return collector_runs(l) != 1;
        }
        in_finalizer(l)
    }
}
