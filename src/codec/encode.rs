//! From the Lua stack to bytes (the format is described in [`crate::wire`]): what an encoding keeps, and which thread has it.
//! Sequences are written by [`super::sequence`], their values by [`super::walk`], [`super::scalar`] and [`super::function`].

use crate::platform::fork;
use crate::runtime::needs::{Needs, Taker};
use crate::vm::context::Context;
use crate::vm::kind::Kept;
use crate::vm::name::PlainTables;
use crate::wire::output::Output;
use crate::wire::strings::Strings;
use crate::wire::tables::Tables;
use crossbeam::queue::ArrayQueue;
use once_cell::sync::Lazy;
use rustc_hash::FxHashMap;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr;

/// The buffers of encoding, kept from one use to the next. A thread has one for all processes that it runs, and leaves it to
/// others while it sleeps in a wait.
#[derive(Default)]
pub struct Encoder {
    pub(super) out: Output,
    pub(super) levels: Vec<Level>,
    /// The most levels that stood inside each other.
    pub(super) deepest: usize,
    pub(super) tables: Tables,
    pub(super) shared: u32,
    pub(super) strings: Strings,
    /// Tables and functions put aside (see [`super::aside`]).
    pub(super) aside: Vec<Aside>,
    /// How many of the values are entries, the first ones.
    pub(super) entries: c_int,
    /// What is walked through belongs to an entry.
    pub(super) of_entry: bool,
    /// The function of an entry itself begins: it is no module, even if one is that function.
    pub(super) at_entry: bool,
    /// The environment of a function begins, as a value.
    pub(super) at_environment: bool,
    /// The table that is walked through next is an environment.
    pub(super) walks_environment: bool,
    /// Tables with a metatable are refused (option `strict_values`).
    pub(super) strict: bool,
    /// The modules of the state by their addresses, once one was looked for (see [`super::modules`]).
    pub(super) required: Option<FxHashMap<usize, Vec<u8>>>,
    /// What was refused stands inside a module.
    pub(super) in_module: bool,
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
    pub(super) receiver: Option<Taker>,
    /// How many strings were kept by number, if they are to be (see [`super::again`]).
    pub(super) kept_strings: Option<u32>,
}

/// What was put aside.
pub(super) struct Aside {
    /// Its id.
    pub id: u32,
    /// Where it stands.
    pub place: String,
    /// It belongs to an entry.
    pub of_entry: bool,
}

/// How many that belong to no thread are kept for the next ones.
const SPARE: usize = 16;

static SPARES: Lazy<ArrayQueue<Box<Encoder>>> = Lazy::new(|| ArrayQueue::new(SPARE));

thread_local! {
    /// The encoder of a thread: null, or made by `Box::into_raw`. **Invariant:** a thread has at most one, and leaves it to
    /// others when it ends: [`LAST`] sees to that. This variable has no destructor, so it still serves finalizers of a state that
    /// is closed after [`LAST`] is gone. What they make is the only encoder that can get lost, once for such a thread.
    static OWN: Cell<*mut Encoder> = const { Cell::new(ptr::null_mut()) };

    /// Dropped when the thread ends.
    static LAST: Last = const { Last };
}

struct Last;

impl Drop for Last {
    fn drop(&mut self) {
        Encoder::rest();
    }
}

impl Encoder {
    /// The calling thread is going to sleep, or to end: leaves its encoder to others. Nobody uses it, nor what it has written.
    pub fn rest() {
        let own = OWN.replace(ptr::null_mut());
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

    /// The one of the calling thread, for sequences of the process that has this context.
    ///
    /// # Safety
    /// Nobody else on this thread uses it until the reference ends, and no Lua code runs.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn of_this_thread(context: &Context) -> &mut Encoder {
        if OWN.get().is_null() {
            let spare = if fork::is_severed() { None } else { SPARES.pop() };
            OWN.set(Box::into_raw(spare.unwrap_or_default()));
            // From now on the end of the thread is noticed, unless it is ending already.
            let _ = LAST.try_with(|_| ());
        }
        let own = OWN.get();
        // SAFETY: made above, or by an earlier call; the caller is the only one who uses it.
        let (own, process) = (unsafe { &mut *own }, context.process());
        // What is written twice in a sequence can be far more than the process has memory for.
        own.out.limit_to(process.most_encoded());
        own.plain_tables = context.names().plain_tables();
        // An encoding that the VM has left by a raise may have left it behind.
        own.receiver = None;
        own.kept_strings = None;
        own.entries = 0;
        own.strict = context.is_strict();
        own
    }

    /// What only an encoding with an eye for functions looks at.
    #[cold]
    #[inline(never)]
    fn reset_for_functions(&mut self) {
        self.of_entry = false;
        self.at_entry = false;
        self.at_environment = false;
        self.walks_environment = false;
        self.in_module = false;
        self.required = None;
    }

    pub(super) fn reset(&mut self) {
        self.out.clear();
        self.levels.clear();
        self.deepest = 0;
        self.tables.clear();
        self.strings.clear();
        self.shared = 0;
        self.aside.clear();
        self.needs = Needs::default();
        self.modules = None;
        if self.functions {
            self.reset_for_functions();
        }
    }

    /// The id of what stands at this address, if it was written before under one.
    pub(super) fn shared_id(&mut self, address: *const c_void) -> Option<u32> {
        let at = self.out.written();
        self.tables.find_or_insert(address, at).map(|known| known.id)
    }

    /// Gives an id to what was just looked up.
    pub(super) fn share(&mut self, address: *const c_void) -> u32 {
        self.shared += 1;
        self.tables.set_id(address, self.shared);
        self.shared
    }
}

/// A table that is being written.
pub(super) struct Level {
    /// Where its counts stand.
    pub(super) counts: usize,
    pub(super) items: u32,
    pub(super) pairs: u32,
}

impl Context {
    /// The encoder, for one encoding; nothing else may use it meanwhile.
    ///
    /// # Safety
    /// The reference ends before Lua code can run.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn encoder(&self) -> &mut Encoder {
        // SAFETY: as the caller says.
        unsafe { Encoder::of_this_thread(self) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::testing::State;

    #[test]
    fn the_end_of_a_thread_takes_its_encoder_away_and_the_next_encoding_finds_another() {
        let state = State::main();
        let send = "return process.send(process.pid(), 'topic', 'value')";
        assert_eq!(state.run(send), Ok("true".into()));
        assert!(!OWN.get().is_null());
        drop(Last);
        assert!(OWN.get().is_null());
        assert_eq!(state.run(send), Ok("true".into()));
    }

    #[test]
    fn resting_twice_or_without_an_encoder_does_nothing() {
        Encoder::rest();
        Encoder::rest();
        assert!(OWN.get().is_null());
    }
}
