//! What belongs to one Lua state: the process it runs as, its scheduler, and the buffers that calls from Lua use.
//!
//! Any C function reaches it from its `lua_State`: a spawned state's allocator carries it, a main state keeps it in its
//! registry. Only the thread that runs the state touches it. Each of its parts is a type with methods of its own, which keep the
//! invariant of that part; nothing of them is borrowed while Lua runs (rule *No borrow* of [`super`]).

use super::api::*;
#[cfg(feature = "lua54")]
use super::census::Census;
use super::chain::Chain;
use super::collector::{collector_runs, in_finalizer};
use super::decoding::Decoding;
use super::destinations::Destinations;
use super::ending::Ending;
use super::errands::Errands;
use super::guest::Guest;
use super::leaving::Leaving;
use super::own_names::OwnNames;
use super::pause::Pause;
use super::startup::Start;
use super::traces::Traces;
use super::waits::Waits;
use super::watched::Watched;
use crate::platform::{Budget, Memory};
use crate::runtime::process::Process;
use crate::runtime::spin::AdaptiveSpin;
use crate::scheduling::{Scheduler, TaskId};
use slotmap::SecondaryMap;
use std::cell::{Cell, Ref, RefCell, RefMut};
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

/// A managed coroutine in Lua: its thread, and whether it has run yet.
#[derive(Clone, Copy)]
pub struct Coroutine {
    /// The thread.
    pub thread: *mut lua_State,
    /// It has run.
    pub started: bool,
}

/// All that belongs to one state.
pub struct Context {
    process: Arc<Process>,
    /// Memory of a spawned state.
    memory: Memory,
    /// The VM allocates the memory of this spawned state itself (see [`super::allocator`]).
    #[cfg(feature = "luajit")]
    vm_allocates: Cell<bool>,
    spin: AdaptiveSpin,
    scheduler: RefCell<Scheduler>,
    /// The Lua side of the scheduler's tasks.
    coroutines: RefCell<SecondaryMap<TaskId, Coroutine>>,
    chain: Chain,
    pause: Pause,
    waits: Waits,
    names: OwnNames,
    leaving: Leaving,
    start: Start,
    ending: Ending,
    traces: Traces,
    watched: Watched,
    errands: Errands,
    guest: Guest,
    decoding: Decoding,
    destinations: Destinations,
    /// The coroutines of the state.
    #[cfg(feature = "lua54")]
    census: Census,
    /// Spawned process: its code has stopped the collector.
    collector_stopped: Cell<bool>,
    /// Option `wrapped` (P-64): the form of events and of `msg:payload()`.
    wrapped: Cell<bool>,
    /// Option `strict_values` (V-26): tables with a metatable are refused.
    strict: Cell<bool>,
    /// The state is being closed: nothing can wait any more.
    closing: Cell<bool>,
    /// How often the closing main state has looked for objects that finalizers have made.
    #[cfg(feature = "luajit")]
    rounds: Cell<u32>,
    /// How many userdata point here.
    holders: Cell<usize>,
    /// The state has closed, and only the holders know of the context any more.
    orphaned: Cell<bool>,
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

impl Context {
    /// A context for a state that does not exist yet.
    pub fn new(process: Arc<Process>) -> Self {
        Context {
            process,
            memory: Memory::default(),
            #[cfg(feature = "luajit")]
            vm_allocates: Cell::new(false),
            spin: AdaptiveSpin::default(),
            scheduler: RefCell::default(),
            coroutines: RefCell::new(SecondaryMap::new()),
            chain: Chain::default(),
            pause: Pause::default(),
            waits: Waits::default(),
            names: OwnNames::default(),
            leaving: Leaving::default(),
            start: Start::default(),
            ending: Ending::default(),
            traces: Traces::default(),
            watched: Watched::default(),
            errands: Errands::default(),
            guest: Guest::default(),
            decoding: Decoding::default(),
            destinations: Destinations::default(),
            #[cfg(feature = "lua54")]
            census: Census::default(),
            collector_stopped: Cell::new(false),
            wrapped: Cell::new(false),
            strict: Cell::new(false),
            closing: Cell::new(false),
            #[cfg(feature = "luajit")]
            rounds: Cell::new(0),
            holders: Cell::new(0),
            orphaned: Cell::new(false),
        }
    }

    // ---- its parts

    /// The process that the state runs as.
    #[inline(always)]
    pub fn process(&self) -> &Arc<Process> {
        &self.process
    }

    /// The memory of a spawned state.
    #[inline(always)]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// What a spawned state uses and may use, in bytes.
    #[inline(always)]
    pub fn budget(&self) -> &Budget {
        self.memory.budget()
    }

    /// How long the process looks out before it sleeps.
    pub fn spin(&self) -> &AdaptiveSpin {
        &self.spin
    }

    /// Coroutines, channels, timers, to be changed. For one statement that calls nothing of Lua.
    #[inline(always)]
    pub fn scheduler(&self) -> RefMut<'_, Scheduler> {
        self.scheduler.borrow_mut()
    }

    /// As [`Context::scheduler`], to be read.
    #[inline(always)]
    pub fn scheduler_ref(&self) -> Ref<'_, Scheduler> {
        self.scheduler.borrow()
    }

    /// The main thread, the running coroutine, and the coroutines that the library has resumed inside each other.
    #[inline(always)]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Whether the process was asked to give way to others.
    #[inline(always)]
    pub fn pause(&self) -> &Pause {
        &self.pause
    }

    /// What waits need between their two halves.
    #[inline(always)]
    pub fn waits(&self) -> &Waits {
        &self.waits
    }

    /// The values of the state that cross by name.
    pub fn names(&self) -> &OwnNames {
        &self.names
    }

    /// Whether and where code of the process may be left by a jump.
    #[inline(always)]
    pub fn leaving(&self) -> &Leaving {
        &self.leaving
    }

    /// The beginning of the process.
    pub fn start(&self) -> &Start {
        &self.start
    }

    /// How the code of the process ends.
    pub fn ending(&self) -> &Ending {
        &self.ending
    }

    /// Stacks of coroutines that have failed.
    pub fn traces(&self) -> &Traces {
        &self.traces
    }

    /// The processes that this one wants to hear of.
    pub fn watched(&self) -> &Watched {
        &self.watched
    }

    /// What its calls wait for elsewhere.
    pub(super) fn errands(&self) -> &Errands {
        &self.errands
    }

    /// How the process lives in an event loop that is not the library's.
    #[inline(always)]
    pub fn guest(&self) -> &Guest {
        &self.guest
    }

    /// Envelopes that are being decoded.
    pub(super) fn decoding(&self) -> &Decoding {
        &self.decoding
    }

    /// The processes that messages were sent to.
    #[inline(always)]
    pub fn destinations(&self) -> &Destinations {
        &self.destinations
    }

    /// The coroutines of the state.
    #[cfg(feature = "lua54")]
    pub fn census(&self) -> &Census {
        &self.census
    }

    // ---- managed coroutines

    /// The managed coroutine of this task.
    pub fn coroutine(&self, task: TaskId) -> Option<Coroutine> {
        self.coroutines.borrow().get(task).copied()
    }

    /// All managed coroutines, those that are the oldest first as far as places are not used again.
    pub fn all_coroutines(&self) -> Vec<(TaskId, *mut lua_State)> {
        self.coroutines.borrow().iter().map(|(task, coroutine)| (task, coroutine.thread)).collect()
    }

    /// The task runs in this coroutine, which has not run yet.
    pub fn add_coroutine(&self, task: TaskId, thread: *mut lua_State) {
        self.coroutines.borrow_mut().insert(task, Coroutine { thread, started: false });
    }

    /// The coroutine of this task runs for the first time.
    pub fn start_coroutine(&self, task: TaskId) {
        if let Some(coroutine) = self.coroutines.borrow_mut().get_mut(task) {
            coroutine.started = true;
        }
    }

    /// Forgets the coroutine of this task.
    pub fn remove_coroutine(&self, task: TaskId) -> Option<Coroutine> {
        self.coroutines.borrow_mut().remove(task)
    }

    // ---- marks

    /// True if the option `wrapped` is set (P-64).
    pub fn is_wrapped(&self) -> bool {
        self.wrapped.get()
    }

    /// Sets the option `wrapped`.
    pub fn set_wrapped(&self, wrapped: bool) {
        self.wrapped.set(wrapped);
    }

    /// True if the option `strict_values` is set (V-26).
    pub fn is_strict(&self) -> bool {
        self.strict.get()
    }

    /// Sets the option `strict_values`.
    pub fn set_strict(&self, strict: bool) {
        self.strict.set(strict);
    }

    /// True once the state is being closed: nothing can wait any more.
    #[inline(always)]
    pub fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// The state is being closed. Returns whether that was known.
    pub fn close(&self) -> bool {
        self.closing.replace(true)
    }

    /// True if code of the spawned process has stopped the collector.
    pub fn is_collector_stopped(&self) -> bool {
        self.collector_stopped.get()
    }

    /// Code of the spawned process has stopped the collector, or lets it run again.
    pub fn set_collector_stopped(&self, stopped: bool) {
        self.collector_stopped.set(stopped);
    }

    /// True if the VM allocates the memory of this spawned state itself (see [`super::allocator`]).
    #[cfg(feature = "luajit")]
    pub fn vm_allocates(&self) -> bool {
        self.vm_allocates.get()
    }

    /// The VM allocates the memory of this spawned state itself.
    #[cfg(feature = "luajit")]
    pub fn let_vm_allocate(&self) {
        self.vm_allocates.set(true);
    }

    /// How often the closing main state has looked for objects that finalizers have made, this time included.
    #[cfg(feature = "luajit")]
    pub fn count_round(&self) -> u32 {
        self.rounds.set(self.rounds.get() + 1);
        self.rounds.get()
    }

    // ---- finding and holding it

    /// The context that this memory is a part of.
    ///
    /// # Safety
    /// It is the memory of a context.
    pub unsafe fn of_memory<'a>(memory: *const c_void) -> &'a Context {
        // SAFETY: as the caller says.
        unsafe { &*memory.byte_sub(std::mem::offset_of!(Context, memory)).cast::<Context>() }
    }

    /// A pointer to this for a userdata of the state, which keeps the context of a main state until the userdata is gone.
    #[inline]
    pub fn hold(&self) -> Held {
        self.holders.set(self.holders.get() + 1);
        Held(ptr::from_ref(self))
    }

    /// Whether a userdata of the state points here.
    pub fn is_held(&self) -> bool {
        self.holders.get() > 0
    }

    /// The main state has closed, and the last way to its context but by its holders is gone: frees it, now or with the last of
    /// them.
    ///
    /// # Safety
    /// It was boxed, and is not used any more but through its holders.
    #[cfg(feature = "luajit")]
    pub unsafe fn orphan(context: *const Context) {
        // SAFETY: as the caller says; without holders nobody else knows of it.
        unsafe {
            (*context).orphaned.set(true);
            if (*context).holders.get() == 0 {
                drop(Box::from_raw(context.cast_mut()));
            }
        }
    }

    /// Whether the process is to do nothing more of what it does.
    pub fn is_over(&self) -> bool {
        self.process.is_doomed() || self.ending.is_over() || self.start.is_upgrading()
    }

    /// Whether a finalizer runs. In a spawned process on LuaJIT a collector that stands still is enough to know, unless its own
    /// code has stopped it: an error inside a coroutine makes LuaJIT forget that it is in a finalizer.
    ///
    /// Stack: 0, room for 2
    /// Raises: never
    ///
    /// # Safety
    /// Own state.
    pub unsafe fn runs_finalizer(&self, l: *mut lua_State) -> bool {
        if cfg!(feature = "luajit") && !self.process.is_main() && !self.collector_stopped.get() {
            // SAFETY: own state.
            return unsafe { collector_runs(l) } != 1;
        }
        // SAFETY: own state.
        unsafe { in_finalizer(l) }
    }
}
