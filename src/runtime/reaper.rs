//! Makes sure that what was ended does end: one thread for the program, asleep while there is nothing to do.
//!
//! - A process that computes when it is doomed is interrupted again and again until it notices. A single OS signal can be lost to
//!   code that changes hooks at the same moment.
//! - A process that is not gone when the grace of its host is over (a C function that does not return, a finalizer that loops) is
//!   *given up*: it is gone for everybody else, and its thread ends when that code returns.
//! - The deadlines of `cancel` are kept here.
//!
//! Before a fork the thread ends. The next process that needs it starts it anew.

use super::failure::Failure;
use super::inspect::State;
use super::lifecycle::Stage;
use super::process::Process;
use super::{directory, staff};
use once_cell::sync::{Lazy, OnceCell};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// What the reaper does to processes, handed in by the page that knows how ([`super::exit`]).
#[derive(Clone, Copy)]
pub struct Actions {
    /// Ends a process for this reason. `false` if it is gone.
    pub doom: fn(&Arc<Process>, Failure) -> bool,
    /// Does without the thread of a process.
    pub give_up: fn(&Arc<Process>),
}

static ACTIONS: OnceCell<Actions> = OnceCell::new();

/// Between two signals to the same process: at first, after 10 ms, after a second.
const PAUSES: [Duration; 3] =
    [Duration::from_micros(200), Duration::from_millis(1), Duration::from_millis(10)];

/// A process that was given up is interrupted for so long: what it computes may be put to sleep.
const LAST_SIGNALS: Duration = Duration::from_millis(100);

struct Work {
    /// Processes to be interrupted or given up.
    doomed: Vec<Doomed>,
    /// Cancel deadlines, the earliest on top.
    deadlines: BinaryHeap<Reverse<Deadline>>,
    asked: Vec<Asked>,
    /// How many deadlines there may be before those that do not count any more are taken out.
    deadlines_kept: usize,
}

/// One that was asked something, and is interrupted until it answers.
struct Asked {
    process: Arc<Process>,
    until: Instant,
}

struct Doomed {
    process: Arc<Process>,
    since: Instant,
}

struct Deadline {
    at: Instant,
    /// The same as in [`Process::deadline`], if it still counts.
    number: u64,
    reason: Failure,
    process: Weak<Process>,
}

impl Deadline {
    /// The process, if it is there and was given no earlier deadline since.
    fn target(&self) -> Option<Arc<Process>> {
        self.process.upgrade().filter(|process| process.deadline.load(Ordering::Relaxed) == self.number)
    }
}

impl PartialEq for Deadline {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Deadline {}

impl PartialOrd for Deadline {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Deadline {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

static WORK: Mutex<Work> = Mutex::new(Work {
    doomed: Vec::new(),
    asked: Vec::new(),
    deadlines: BinaryHeap::new(),
    deadlines_kept: 64,
});
static MORE: Condvar = Condvar::new();

/// Processes that close their state, so that somebody looks at how long that takes.
static CLOSING: AtomicUsize = AtomicUsize::new(0);

/// How often closing states are looked at.
const TICK: Duration = Duration::from_millis(100);

/// The thread was started, and has not ended.
static STARTED: AtomicBool = AtomicBool::new(false);

fn wake() {
    // Without the thread nothing is interrupted; processes still end when they look at their flag.
    if let Some(actions) = ACTIONS.get() {
        let _ = open(*actions);
    }
    MORE.notify_one();
}

/// Starts the thread, if it does not run yet: before the first process does, so that there is memory for it.
///
/// # Errors
/// Those of the operating system.
pub fn open(actions: Actions) -> io::Result<()> {
    static STARTING: Mutex<()> = Mutex::new(());
    if STARTED.load(Ordering::Acquire) {
        return Ok(());
    }
    let actions = *ACTIONS.get_or_init(|| actions);
    let _one_at_a_time = STARTING.lock();
    if !STARTED.swap(true, Ordering::AcqRel) {
        // It takes the mark away itself when it ends.
        staff::start(256 << 10, move || work(actions))
            .inspect_err(|_| STARTED.store(false, Ordering::Release))?;
    }
    Ok(())
}

/// Wakes the thread if it waits: it is dismissed.
pub(super) fn rouse() {
    drop(WORK.lock());
    MORE.notify_one();
}

/// What deadlines are counted from, in nanoseconds.
static START: Lazy<Instant> = Lazy::new(Instant::now);

/// Has a process that was just doomed interrupted until it is gone, or given up.
pub fn watch(process: &Arc<Process>) {
    WORK.lock().doomed.push(Doomed { process: Arc::clone(process), since: Instant::now() });
    wake();
}

/// Has a process that was asked something interrupted until it answers, at most until then. One that waits was woken, and answers
/// by itself.
pub fn insist(process: &Arc<Process>, until: Instant) {
    WORK.lock().asked.push(Asked { process: Arc::clone(process), until });
    wake();
}

/// How often one that was asked is interrupted.
const INSIST: Duration = Duration::from_millis(5);

/// Interrupts what computes. `false`: it has answered, or will not.
fn is_to_answer(asked: &Asked) -> bool {
    let waits = asked.process.is_asked() && !asked.process.is_doomed() && Instant::now() < asked.until;
    if waits && !asked.process.is_main() && State::of(&asked.process) == State::Running {
        asked.process.interrupt();
    }
    waits
}

/// Dooms a process for this reason at `at`, unless it is gone by then. It has one deadline: an earlier one takes the place of
/// a later one, and a later one is ignored.
pub fn doom_at(process: &Arc<Process>, at: Instant, reason: Failure) {
    let nanoseconds = at.saturating_duration_since(*START).as_nanos();
    let number = u64::try_from(nanoseconds).unwrap_or(u64::MAX).max(1);
    let earlier = |present| (present == 0 || number < present).then_some(number);
    if process.deadline.fetch_update(Ordering::Relaxed, Ordering::Relaxed, earlier).is_err() {
        return;
    }
    let mut work = WORK.lock();
    work.deadlines.push(Reverse(Deadline { at, number, reason, process: Arc::downgrade(process) }));
    if work.deadlines.len() > work.deadlines_kept {
        work.deadlines.retain(|Reverse(deadline)| deadline.target().is_some());
        work.deadlines_kept = 64.max(2 * work.deadlines.len());
    }
    drop(work);
    wake();
}

/// A process begins to close its state.
pub fn closing() {
    if CLOSING.fetch_add(1, Ordering::SeqCst) == 0 && IDLE.swap(0, Ordering::SeqCst) == 1 {
        // The lock is free only while the thread really waits, so that the wake-up cannot come too early.
        drop(WORK.lock());
        wake();
    }
}

/// A process has closed its state.
pub fn closed() {
    CLOSING.fetch_sub(1, Ordering::AcqRel);
}

/// 1 while the thread sleeps without looking at closing states. It begins so, not being started.
static IDLE: AtomicUsize = AtomicUsize::new(1);

fn work(actions: Actions) {
    crate::platform::name_thread("reaper");
    let mut quiet = 0;
    let mut work = WORK.lock();
    loop {
        let now = Instant::now();
        while let Some(Reverse(next)) = work.deadlines.peek()
            && next.at <= now
        {
            let due = work.deadlines.pop().map(|Reverse(deadline)| deadline);
            if let Some((process, reason)) = due.and_then(|due| Some((due.target()?, due.reason))) {
                MutexGuard::unlocked(&mut work, || (actions.doom)(&process, reason));
            }
        }
        let asked = std::mem::take(&mut work.asked);
        let unanswered =
            MutexGuard::unlocked(&mut work, || asked.into_iter().filter(is_to_answer).collect::<Vec<_>>());
        work.asked.extend(unanswered);
        let doomed = std::mem::take(&mut work.doomed);
        let left = MutexGuard::unlocked(&mut work, || {
            let left: Vec<Doomed> =
                doomed.into_iter().filter(|doomed| still_there(doomed, actions)).collect();
            if CLOSING.load(Ordering::Acquire) > 0 {
                give_up_closing(actions);
            }
            left
        });
        work.doomed.extend(left);
        if staff::is_dismissed() {
            STARTED.store(false, Ordering::Release);
            IDLE.store(1, Ordering::SeqCst);
            return;
        }
        quiet = if CLOSING.load(Ordering::Acquire) > 0 { 0 } else { quiet + 1 };
        let ticks = quiet < 10;
        let mut pause = ticks.then_some(TICK);
        if !work.asked.is_empty() {
            pause = Some(pause.map_or(INSIST, |pause| pause.min(INSIST)));
        }
        for doomed in &work.doomed {
            let next = pause_after(doomed.since.elapsed());
            pause = Some(pause.map_or(next, |pause| pause.min(next)));
        }
        if let Some(Reverse(next)) = work.deadlines.peek() {
            let until = next.at.saturating_duration_since(Instant::now());
            pause = Some(pause.map_or(until, |pause| pause.min(until)));
        }
        if !ticks {
            IDLE.store(1, Ordering::SeqCst);
        }
        if ticks || CLOSING.load(Ordering::SeqCst) == 0 {
            match pause {
                Some(pause) => {
                    MORE.wait_for(&mut work, pause);
                }
                None => MORE.wait(&mut work),
            }
        }
        if !ticks {
            IDLE.store(0, Ordering::SeqCst);
            quiet = 0;
        }
    }
}

fn pause_after(elapsed: Duration) -> Duration {
    match elapsed.as_millis() {
        0..10 => PAUSES[0],
        10..1000 => PAUSES[1],
        _ => PAUSES[2],
    }
}

/// Interrupts a process, or gives it up when its grace is over. `false` if it is gone.
fn still_there(doomed: &Doomed, actions: Actions) -> bool {
    let process = &doomed.process;
    let over = doomed.since.elapsed().checked_sub(process.host.settings.terminate_grace);
    if over.is_some() {
        (actions.give_up)(process);
    }
    if process.stage() == Stage::Gone && !process.is_abandoned() {
        return false;
    }
    process.interrupt();
    over.is_none_or(|over| over < LAST_SIGNALS)
}

/// Gives up processes whose state has been closing for too long.
fn give_up_closing(actions: Actions) {
    let overdue = directory::select(|process| {
        process.closing_since().is_some_and(|since| since.elapsed() >= process.host.settings.terminate_grace)
    });
    for process in overdue {
        (actions.give_up)(&process);
    }
}
