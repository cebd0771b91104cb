//! The program as a whole: its main processes, everything spawned from them, and how it ends.
//!
//! A *realm* is a main process with all its descendants. When the Lua state of the main process closes:
//!
//! 1. The realm is closing: nothing can be spawned from it or registered in it any more, and it reports nothing.
//! 2. The main process is gone; that counts as a normal exit.
//! 3. Processes that have asked for their events get CANCEL and the exit grace; all others are ended at once.
//! 4. Those that overrun are ended too, and their threads get a last moment. What is still left is stuck in code that
//!    cannot be stopped; the operating system ends it with the program.

use super::clock::{Timestamp, instant_after};
use super::directory;
use super::envelope::{CancelRequest, Signal};
use super::exit;
use super::failure::Failure;
use super::host::Host;
use super::libraries::Libraries;
use super::process::Process;
use super::reaper;
use super::relations::doom;
use super::wake::Sleeper;
use crate::platform::Doorbell;
use parking_lot::{Condvar, Mutex};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long threads that were told to stop are waited for.
const LAST_MOMENT: Duration = Duration::from_millis(500);

/// Processes alive in the program, main ones included.
static LIVE: AtomicUsize = AtomicUsize::new(0);

/// Threads that run processes, and processes that wait for a worker of their pool.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// Main processes, to be woken when one of them is left alone.
static MAINS: Mutex<Vec<Arc<Process>>> = Mutex::new(Vec::new());

/// A main process and everything spawned from it.
#[derive(Default)]
pub struct Realm {
    closing: AtomicBool,
    threads: Mutex<usize>,
    thread_ended: Condvar,
}

impl Realm {
    /// True from the moment its main process closes, or the OS process exits.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire) || EXITING.load(Ordering::Acquire)
    }

    /// Counts a thread in.
    pub fn thread_started(&self) {
        THREADS.fetch_add(1, Ordering::AcqRel);
        *self.threads.lock() += 1;
    }

    /// Counts a thread out: it touches nothing of the library any more.
    pub fn thread_ended(&self) {
        THREADS.fetch_sub(1, Ordering::AcqRel);
        *self.threads.lock() -= 1;
        self.thread_ended.notify_all();
    }

    fn wait_for_threads(&self, deadline: Instant) {
        let mut threads = self.threads.lock();
        while *threads > 0 && !self.thread_ended.wait_until(&mut threads, deadline).timed_out() {}
    }
}

/// Set when the OS process exits by `exit`.
static EXITING: AtomicBool = AtomicBool::new(false);

/// Stops new work because the OS process exits; never waits.
pub extern "C" fn stop_new_work() {
    EXITING.store(true, Ordering::Release);
}

/// True while a thread of ours may run code of the user's.
pub fn has_threads() -> bool {
    THREADS.load(Ordering::Acquire) > 0
}

/// Counts a process in.
pub fn one_more() {
    LIVE.fetch_add(1, Ordering::AcqRel);
}

/// Counts a process out, and wakes a main process that is left alone: it may wait for something that cannot come.
pub fn one_less() {
    if LIVE.fetch_sub(1, Ordering::AcqRel) == 2 {
        for main in MAINS.lock().iter() {
            main.wake();
        }
    }
}

/// True if only one process is alive.
pub fn is_alone() -> bool {
    LIVE.load(Ordering::Acquire) <= 1
}

/// Makes the calling Lua state a main process.
///
/// # Errors
/// The operating system has no descriptor left.
pub fn open_main(libraries: Libraries) -> io::Result<Arc<Process>> {
    let sleeper = Sleeper::Doorbell(Doorbell::new()?);
    let host = Host::of_main(libraries);
    let main = Arc::new(Process::new("main:main", Arc::clone(&host), Arc::default(), sleeper));
    // The host of main processes has no limit.
    let _ = host.enter();
    one_more();
    directory::insert(&main);
    MAINS.lock().push(Arc::clone(&main));
    Ok(main)
}

/// How many main processes there are; `None` if one of them may be in use by another thread than the calling one.
pub fn mains_of_this_thread() -> Option<usize> {
    let mains = MAINS.lock();
    mains.iter().all(|main| main.sleeper.is_of_this_thread()).then_some(mains.len())
}

/// In the child of a fork: what main processes sleep at is no longer shared with the parent.
///
/// # Errors
/// Those of the operating system.
pub fn part_from_parent() -> io::Result<()> {
    MAINS.lock().iter().try_for_each(|main| main.sleeper.part_from_parent())
}

/// Ends a main process and everything spawned from it, in bounded time (see the top of this page).
pub fn close_main(main: &Arc<Process>) {
    let realm = &main.realm;
    if realm.closing.swap(true, Ordering::AcqRel) {
        return;
    }
    MAINS.lock().retain(|other| other != main);
    exit::begin(main, Ok(Vec::new()));
    exit::finish(main);
    let (at, now) = (Timestamp::now(), Instant::now());
    let mut end = now;
    for process in descendants(realm) {
        let asked = process.with_bonds(|bonds| bonds.reads_events)
            && process.signal(Signal::Cancel(Box::new(CancelRequest {
                from: main.pid.clone(),
                reason: Some(b"main process ended".to_vec()),
                deadline: Some(at.plus(process.host.settings.exit_grace)),
                at,
                charge: None,
            })));
        if asked {
            let own_end = now + process.host.settings.exit_grace;
            reaper::doom_at(&process, own_end, Failure::Terminated);
            end = end.max(own_end);
        } else {
            doom(&process, Failure::Terminated);
        }
    }
    realm.wait_for_threads(end);
    for process in descendants(realm) {
        doom(&process, Failure::Terminated);
    }
    if let Some(last) = instant_after(LAST_MOMENT.as_nanos() as i64) {
        realm.wait_for_threads(last);
    }
}

fn descendants(realm: &Arc<Realm>) -> Vec<Arc<Process>> {
    directory::select(|process| Arc::ptr_eq(&process.realm, realm))
}
