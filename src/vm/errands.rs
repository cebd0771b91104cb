//! The calls of one process that wait for something elsewhere: what for, and where their answers come. What is done with them is in
//! [`super::awaiting`].

use crate::runtime::pid::ProcessId;
use crate::runtime::process::Process;
use crate::scheduling::ChannelId;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

/// An EXIT that calls have taken out of the events, until one of them has read it.
pub(super) type Owed = Rc<Cell<bool>>;

/// What a call waits for.
pub enum Subject {
    /// The end of a process.
    End {
        /// Its number.
        id: ProcessId,
        /// Its PID.
        pid: Box<str>,
        /// The call takes its EXIT out of the events.
        takes_event: bool,
    },
    /// That this name is registered.
    Name(Vec<u8>),
    /// Room in the mailbox of this process.
    Room(Arc<Process>),
    /// The reply of this process.
    Reply(Arc<Process>),
    /// That this process says where it is.
    Place(Arc<Process>),
    /// That nothing is left of what was spawned from this main process.
    Emptiness(Arc<Process>),
}

/// A call that waits.
pub struct Awaited {
    /// For what.
    pub subject: Subject,
    /// How long at most, in nanoseconds.
    pub within: Option<i64>,
    pub(super) owed: Option<Owed>,
}

/// The calls of one process that wait for something elsewhere.
#[derive(Default)]
pub struct Errands {
    /// By the channels on which their answers come.
    pub(super) calls: RefCell<FxHashMap<ChannelId, Awaited>>,
    /// Of those that wait for an end that is not told yet.
    pub(super) ends: RefCell<FxHashMap<ProcessId, SmallVec<[ChannelId; 1]>>>,
}
