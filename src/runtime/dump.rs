//! Everything that runs, on standard error, when an OS signal asks for it (`PROCESS_DUMP`): who is there, what each waits for, and
//! where it is. A thread of its own writes it, so that it comes even while the main process is stuck. The program goes on.

use super::directory;
use super::inspect::{self, State};
use super::pid::ProcessId;
use super::process::Process;
use super::questions::Question;
use super::reaper;
use super::staff;
use crate::platform::{self, bell};
use parking_lot::{Condvar, Mutex};
use rustc_hash::FxHashMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long all processes together may take to answer.
const LIMIT: Duration = Duration::from_millis(500);

/// Bytes of C stack for the thread.
const STACK: usize = 256 << 10;

/// The signal was chosen and its handler installed.
static ENABLED: AtomicBool = AtomicBool::new(false);

/// The thread was started, and has not ended.
static OPEN: AtomicBool = AtomicBool::new(false);

/// Reads from the environment which signal asks, and has it do so. Once for the program.
///
/// # Errors
/// What stands there instead of a signal that can be used.
pub fn enable() -> Result<(), Vec<u8>> {
    static ONCE: Mutex<bool> = Mutex::new(false);
    let mut done = ONCE.lock();
    if *done {
        return Ok(());
    }
    if let Some(signal) = bell::chosen("PROCESS_DUMP")? {
        ENABLED.store(bell::install(signal).is_ok(), Ordering::Release);
        open();
    }
    *done = true;
    Ok(())
}

/// Starts the thread, if there is to be one and it does not run.
pub(super) fn open() {
    if ENABLED.load(Ordering::Acquire)
        && !OPEN.swap(true, Ordering::AcqRel)
        && staff::start(STACK, work).is_err()
    {
        OPEN.store(false, Ordering::Release);
    }
}

fn work() {
    platform::name_thread("dump");
    while !staff::is_dismissed() {
        if bell::wait() {
            let _ = io::stderr().write_all(&text());
        }
    }
    OPEN.store(false, Ordering::Release);
}

/// The stacks that have been told, and whether one more has come.
#[derive(Default)]
struct Answers {
    texts: Mutex<FxHashMap<ProcessId, Option<Arc<[u8]>>>>,
    one_more: Condvar,
}

/// Asks all processes where they are, and waits for them for a while.
fn text() -> Vec<u8> {
    let mut all = directory::select(|_| true);
    all.sort_unstable_by_key(|process| process.id);
    // Before anybody is woken to answer.
    let lines: Vec<_> = all.iter().map(line_of).collect();
    let until = Instant::now() + LIMIT;
    let answers: Arc<Answers> = Arc::default();
    for process in &all {
        let (answers, id) = (Arc::clone(&answers), process.id);
        process.ask(Question::new(Some(until), move |text| {
            answers.texts.lock().insert(id, text);
            answers.one_more.notify_one();
        }));
        reaper::insist(process, until);
    }
    let mut texts = answers.texts.lock();
    while texts.len() < all.len() && !answers.one_more.wait_until(&mut texts, until).timed_out() {}
    let mut out = format!("process dump: {} processes\n", all.len()).into_bytes();
    for (process, line) in all.iter().zip(lines) {
        out.extend_from_slice(line.as_bytes());
        match texts.get(&process.id) {
            Some(Some(text)) => out.extend_from_slice(text),
            Some(None) => out.extend_from_slice(b"gone meanwhile"),
            None => out.extend_from_slice(b"does not stop for a traceback"),
        }
        out.push(b'\n');
    }
    out
}

/// A line that says what a process does.
fn line_of(process: &Arc<Process>) -> String {
    let state = State::of(process);
    let mut line = format!("\n{} {}: {}", process.pid, process.entry(), state.name());
    if state == State::Waiting {
        let (call, on) = inspect::wait_of(process);
        line.push_str(&format!(" in {call}"));
        if let Some(on) = on {
            line.push_str(&format!(" ({})", super::failure::shown(&on)));
        }
    }
    let (mailbox, memory) = (inspect::mailbox_of(process), inspect::memory_of(process));
    let time = inspect::processor_time_of(process).as_millis();
    line.push_str(&format!(", mailbox {mailbox}, memory {memory}, processor time {time} ms, "));
    line.push_str(&format!("resumed {}\n", process.vitals.resumed()));
    line
}
