//! A trace of what processes do (I-5): while it is on, what happens is noted in a ring, which is written to a file when it stops.
//! Processes are numbers here; [`super::tracing`] knows them.
//!
//! Off, a trace costs one load and one branch at each place that would note something, and nothing else: [`is_on`] is all
//! that is inlined there. On, notes come from the threads that run processes; each of these knows whose code it runs.

mod file;
mod ring;

use super::clock;
use parking_lot::{Mutex, RwLock};
pub use ring::Kind;
use ring::{Event, Ring};
use rustc_hash::FxHashMap;
use std::cell::Cell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Events are noted.
static ON: AtomicBool = AtomicBool::new(false);

/// Where, while they are.
static TRACE: RwLock<Option<Trace>> = RwLock::new(None);

/// How many events are kept unless somebody says.
pub const USUAL: usize = 1_000_000;

/// A trace that is on.
struct Trace {
    ring: Ring,
    /// When it was begun.
    start: u64,
    names: Mutex<Names>,
    file: File,
    path: Vec<u8>,
}

/// The names of rows: of those processes that were alive, or came into being, last.
struct Names {
    of: FxHashMap<u64, Box<str>>,
    order: VecDeque<u64>,
    most: usize,
}

/// Why a trace was not begun, or not written.
#[derive(Debug)]
pub enum Problem {
    /// There is one.
    AlreadyOn,
    /// There is none.
    NotOn,
    /// No memory for the ring.
    NoMemory,
    /// The system does not write the file.
    File(Vec<u8>, io::Error),
}

thread_local! {
    /// Whose code the thread runs; 0 for none.
    static OWN: Cell<u64> = const { Cell::new(0) };
}

/// Whether anything is noted.
#[inline(always)]
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Nanoseconds of the monotonic clock.
pub fn ticks() -> u64 {
    clock::monotonic().unsigned_abs()
}

/// From now on events are noted, the last `events` of them, for a file that is opened at once.
///
/// # Errors
/// [`Problem`]; nothing has changed then.
pub fn start(path: &Path, events: usize) -> Result<(), Problem> {
    let mut trace = TRACE.write();
    if trace.is_some() {
        return Err(Problem::AlreadyOn);
    }
    let name = path.as_os_str().as_encoded_bytes().to_vec();
    let ring = Ring::new(events).ok_or(Problem::NoMemory)?;
    let file = File::create(path).map_err(|error| Problem::File(name.clone(), error))?;
    let most = (events / 4).clamp(1000, 1_000_000);
    let names = Names { of: FxHashMap::default(), order: VecDeque::new(), most };
    *trace = Some(Trace { ring, start: ticks(), names: Mutex::new(names), file, path: name });
    ON.store(true, Ordering::Release);
    Ok(())
}

/// Stops, and writes the file. `running` are processes that run now, and since when.
///
/// # Errors
/// [`Problem`]; the trace is over in any case.
pub fn stop(running: &[(u64, u64)]) -> Result<(), Problem> {
    ON.store(false, Ordering::Release);
    let trace = TRACE.write().take().ok_or(Problem::NotOn)?;
    for &(process, since) in running {
        trace.note_run(process, since);
    }
    let Trace { ring, start, names, file, path } = trace;
    let names = names.into_inner().of;
    let mut out = BufWriter::new(file);
    file::write(&mut out, &ring.events(), start, &names)
        .and_then(|()| out.flush())
        .map_err(|error| Problem::File(path, error))
}

impl Trace {
    /// The process has run since then, if that is no mark of before the trace; else since before.
    fn note_run(&self, process: u64, since: u64) {
        let begun = since.max(self.start);
        let span = ticks().saturating_sub(begun);
        self.ring.put(Event::new(begun, Kind::Run, process, 0, span, b""));
    }
}

fn with(act: impl FnOnce(&Trace)) {
    if let Some(trace) = &*TRACE.read() {
        act(trace);
    }
}

/// The name of a process.
pub fn name(process: u64, name: String) {
    with(|trace| {
        let mut names = trace.names.lock();
        if names.order.len() >= names.most
            && let Some(oldest) = names.order.pop_front()
        {
            names.of.remove(&oldest);
        }
        names.of.insert(process, name.into());
        names.order.push_back(process);
    });
}

/// The thread runs code of this process from now on, 0 for none.
pub fn set_own(process: u64) {
    OWN.set(process);
}

/// Code of the process has run since then.
pub fn ran(process: u64, since: u64) {
    with(|trace| trace.note_run(process, since));
}

/// Notes something about the process that the thread runs, if a trace is on; what, see [`Kind`].
#[inline(always)]
pub fn note(kind: Kind, other: u64, span: u64, text: &[u8]) {
    if is_on() {
        put(None, kind, other, span, text);
    }
}

/// Notes something about this process, if a trace is on.
#[inline(always)]
pub fn note_of(process: u64, kind: Kind, other: u64, span: u64, text: &[u8]) {
    if is_on() {
        put(Some(process), kind, other, span, text);
    }
}

#[cold]
#[inline(never)]
fn put(process: Option<u64>, kind: Kind, other: u64, span: u64, text: &[u8]) {
    let process = process.unwrap_or_else(|| OWN.get());
    if process != 0 {
        with(|trace| trace.ring.put(Event::new(ticks(), kind, process, other, span, text)));
    }
}
