//! From the Lua stack to bytes (the format is described in [`super`]): what an encoding keeps, and its beginning and end. The
//! values themselves are written by [`super::walk`], [`super::scalar`] and [`super::function`].

pub use super::place::Origin;
use super::place::{self, Place};
use super::walk::Level;
use crate::platform::{fork, reserve};
use crate::runtime::failure::Failure;
use crate::runtime::host::Host;
use crate::runtime::needs::Needs;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::standard::{Kept, PlainTables};
use crate::wire::output::Output;
use crate::wire::strings::Strings;
use crate::wire::tables::Tables;
use crate::wire::{HEADER, LEVELS, NEEDS};
use crossbeam::queue::ArrayQueue;
use once_cell::sync::Lazy;
use std::borrow::Cow;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;

/// Levels of nesting that are written inside each other.
pub const DEPTH: usize = 1000;

/// The buffers of encoding, kept from one use to the next. A thread has one for all processes that it runs, and leaves it to
/// others while it sleeps in a wait.
#[derive(Default)]
pub struct Encoder {
    pub(super) out: Output,
    pub(super) levels: Vec<Level>,
    /// The most levels that stood inside each other.
    pub(super) deepest: usize,
    pub(super) tables: Tables,
    shared: u32,
    pub(super) strings: Strings,
    /// Tables and functions put aside: id and where they stand (see [`super::aside`]).
    pub(super) aside: Vec<(u32, String)>,
    /// Functions may be met: everything is looked up for having a name. Only from the first function on, since without one
    /// there is nothing of the standard library either.
    pub(super) functions: bool,
    /// Tables of the state that have names though no function in them shows it; none until the first table is met.
    pub(super) plain_tables: Option<PlainTables>,
    /// The modules of the interpreter's that are loaded in the state, once a table was met among functions.
    pub(super) modules: Option<Kept>,
    /// What the sequence needs so far.
    pub(super) needs: Needs,
    /// The encoding is made to find out what this host refuses.
    pub(super) receiver: Option<Arc<Host>>,
    /// How many strings were kept by number, if they are to be (see [`super::again`]).
    pub(super) kept_strings: Option<u32>,
}

/// How many that belong to no thread are kept for the next ones.
const SPARE: usize = 16;

static SPARES: Lazy<ArrayQueue<Box<Encoder>>> = Lazy::new(|| ArrayQueue::new(SPARE));

/// The encoder of a thread: null, or made by `Box::into_raw`.
struct Own(Cell<*mut Encoder>);

thread_local! {
    static OWN: Own = const { Own(Cell::new(ptr::null_mut())) };
}

impl Own {
    fn give_up(&self) {
        let own = self.0.replace(ptr::null_mut());
        // In the severed child of a fork another thread may have been at the queue when it was copied, and will never be done.
        if own.is_null() || fork::is_severed() {
            return;
        }
        // SAFETY: it came from `Box::into_raw`, and nobody knows it any more.
        let mut own = unsafe { Box::from_raw(own) };
        own.reset();
        own.receiver = None;
        own.kept_strings = None;
        drop(SPARES.push(own));
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl Encoder {
    /// The calling thread is going to sleep: leaves its encoder to others. Nobody uses it, nor what it has written.
    pub fn rest() {
        let _ = OWN.try_with(Own::give_up);
    }

    /// The one of the calling thread, for sequences of the process that has this context.
    ///
    /// # Safety
    /// Nobody else on this thread uses it until the reference ends, and no Lua code runs.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn of_this_thread(context: &Context) -> &mut Encoder {
        let spare = || if fork::is_severed() { None } else { SPARES.pop() };
        let new = || Box::into_raw(spare().unwrap_or_default());
        let own = OWN.try_with(|own| {
            if own.0.get().is_null() {
                own.0.set(new());
            }
            own.0.get()
        });
        // A thread that ends has no more variables of its own; what still encodes there has to do with a new encoder.
        let own = own.unwrap_or_else(|_| new());
        let (own, process) = (&mut *own, &context.process);
        // What is written twice in a sequence can be far more than the process has memory for.
        own.out.limit_to(if process.host.settings.restricted { process.limits.memory } else { usize::MAX });
        own.plain_tables = context.plain_tables.get();
        // An encoding that the VM has left by a raise may have left it behind.
        own.receiver = None;
        own.kept_strings = None;
        own
    }

    /// Encodes the `count` values from `first` on. Borrowed bytes are valid until the next encoding, or until the thread sleeps.
    ///
    /// `origin` says where the first of them comes from; arguments are counted on from it.
    ///
    /// # Errors
    /// A value that cannot cross, with its place; or no memory.
    ///
    /// # Safety
    /// The stack holds these values. Runs no Lua code; may raise only if the VM has no memory for a stack.
    pub unsafe fn encode(
        &mut self,
        l: *mut lua_State,
        first: c_int,
        count: c_int,
        origin: Origin,
    ) -> Result<Cow<'_, [u8]>, Failure> {
        let start = |index: c_int| {
            Place::begun(place::start(match origin {
                Origin::Argument(number) => Origin::Argument(number + index - first),
                // The host stands between a function as an entry and its arguments.
                Origin::Entry if index == first => Origin::Argument(1),
                Origin::Entry => Origin::Argument(2 + index - first),
                other => other,
            }))
        };
        self.encode_from(l, first, count, &start)
    }

    /// Encodes the one value at `index`, which stands under the key below it in a table that is itself no value.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    ///
    /// # Safety
    /// As [`Encoder::encode`].
    pub unsafe fn encode_field(
        &mut self,
        l: *mut lua_State,
        index: c_int,
        origin: Origin,
    ) -> Result<Cow<'_, [u8]>, Failure> {
        let mut text = place::start(origin) + ", ";
        place::step(&mut text, l, index - 1);
        self.encode_from(l, index, 1, &|_| Place { text: text.clone(), under_way: true })
    }

    unsafe fn encode_from(
        &mut self,
        l: *mut lua_State,
        first: c_int,
        count: c_int,
        start: &dyn Fn(c_int) -> Place,
    ) -> Result<Cow<'_, [u8]>, Failure> {
        self.functions = self.receiver.is_some();
        match self.encode_once(l, first, count, start) {
            // What cannot cross by itself may stand in a table that crosses by its name.
            Err(Failure::FunctionMet | Failure::CannotSend { .. }) if !self.functions => {}
            Err(failure) => return Err(failure),
            Ok(()) => return Ok(self.out.finished()),
        }
        // A limit of the process's memory must not raise while functions are looked at. The collector need not be held: nothing
        // that runs it is called.
        self.functions = true;
        let memory = &Context::of_state(l).memory;
        let limit = memory.set_limit(0);
        let result = self.encode_once(l, first, count, start);
        memory.set_limit(limit);
        result.map(|()| self.out.finished())
    }

    /// Why processes of `host` do not take these values, which can be encoded as such.
    ///
    /// # Safety
    /// As [`Encoder::encode`].
    pub unsafe fn refusal_by(
        &mut self,
        l: *mut lua_State,
        first: c_int,
        count: c_int,
        origin: Origin,
        host: &Arc<Host>,
    ) -> Failure {
        self.receiver = Some(Arc::clone(host));
        let refused = self.encode(l, first, count, origin).map(|_| ());
        self.receiver = None;
        let name = host.name.to_string();
        refused.err().unwrap_or(Failure::CannotSendTo {
            what: "function",
            place: "inside".into(),
            host: name,
        })
    }

    unsafe fn encode_once(
        &mut self,
        l: *mut lua_State,
        first: c_int,
        count: c_int,
        start: &dyn Fn(c_int) -> Place,
    ) -> Result<(), Failure> {
        self.reset();
        self.out.put([0; HEADER]);
        self.out.patch_u32(5, count as u32);
        let top = lua_gettop(l);
        for index in first..first + count {
            if let Err(failure) = self.value(l, index, || start(index)) {
                lua_settop(l, top);
                self.forget_aside(l);
                return Err(failure);
            }
        }
        if !self.aside.is_empty() {
            let filled = self.fill_aside(l, top);
            lua_settop(l, top);
            filled?;
        }
        if self.out.has_failed() {
            self.out.release();
            return Err(Failure::OutOfMemory);
        }
        self.out.patch(0, self.strings.slots());
        self.out.patch_u32(1, self.shared);
        let [low, high] = (self.deepest as u16).to_le_bytes();
        self.out.patch(LEVELS, low);
        self.out.patch(LEVELS + 1, high);
        if !self.needs.is_nothing() {
            let [needs, from] = self.needs.words();
            self.out.patch_u32(NEEDS, needs);
            self.out.patch_u32(NEEDS + 4, from);
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.out.clear();
        self.levels.clear();
        self.deepest = 0;
        self.tables.clear();
        self.strings.clear();
        self.shared = 0;
        self.aside.clear();
        self.needs = Needs::default();
        self.modules = None;
    }

    /// The id of what stands at this address, if it was written before under one.
    pub(super) fn shared_id(&mut self, address: *const c_void) -> Option<u32> {
        let at = self.out.len();
        self.tables.find_or_insert(address, at).map(|known| known.id)
    }

    /// Gives an id to what was just looked up.
    pub(super) fn share(&mut self, address: *const c_void) -> u32 {
        self.shared += 1;
        self.tables.set_id(address, self.shared);
        self.shared
    }
}

/// Encodes details of an error, or anything else outside a call: the one value at `index`.
///
/// # Errors
/// As [`Encoder::encode`].
///
/// # Safety
/// As [`Encoder::encode`]; `encoder` is not in use.
pub unsafe fn encode_one(
    encoder: &mut Encoder,
    l: *mut lua_State,
    index: c_int,
    origin: Origin,
) -> Result<Vec<u8>, Failure> {
    let index = lua_absindex(l, index);
    reserve::owned(encoder.encode(l, index, 1, origin)?).ok_or(Failure::OutOfMemory)
}

/// Encodes the value at `index` as the details `{ value = … }` of an error, `None` if it cannot cross.
///
/// # Safety
/// As [`encode_one`], for the encoder of the context. May raise.
pub unsafe fn encode_value_detail(context: &Context, l: *mut lua_State, index: c_int) -> Option<Vec<u8>> {
    lua_pushvalue(l, index);
    lua_createtable(l, 0, 1);
    lua_insert(l, -2);
    set_raw_field(l, -2, c"value");
    let details = encode_one(context.encoder(), l, -1, Origin::Details).ok();
    lua_pop(l, 1);
    details
}
