//! How the processes of the program come into a trace ([`super::trace`]): their names, and when their code runs.

use super::directory;
use super::process::Process;
use super::trace::{self, Kind, Problem};
use super::vitals::Phase;
use std::ffi::OsString;
use std::path::Path;

/// The file that the environment asks for.
pub fn wanted() -> Option<OsString> {
    std::env::var_os("PROCESS_TRACE").filter(|path| !path.is_empty())
}

/// As [`trace::start`]; `own` is the process that asks.
///
/// # Errors
/// [`Problem`]; nothing has changed then.
pub fn start(path: &Path, events: usize, own: &Process) -> Result<(), Problem> {
    trace::start(path, events)?;
    for process in directory::select(|_| true) {
        name(&process);
    }
    run_begins(own);
    Ok(())
}

/// As [`trace::stop`].
///
/// # Errors
/// [`Problem`]; the trace is over in any case.
pub fn stop() -> Result<(), Problem> {
    let running = directory::select(|process| process.vitals.phase() == Phase::Running);
    let since = |process: &Process| process.with_shown(|shown| shown.run_since);
    let running: Vec<_> = running.iter().map(|process| (process.id.number(), since(process))).collect();
    trace::stop(&running)
}

fn name(process: &Process) {
    trace::name(process.id.number(), format!("{} {}", process.entry(), process.pid));
}

/// Code of the process runs from now on, on this thread.
#[inline(always)]
pub fn run_begins(process: &Process) {
    if trace::is_on() {
        begin(process);
    }
}

#[cold]
#[inline(never)]
fn begin(process: &Process) {
    trace::set_own(process.id.number());
    process.with_shown(|shown| shown.run_since = trace::ticks());
}

/// It does so no more.
#[inline(always)]
pub fn run_ends(process: &Process) {
    if trace::is_on() {
        end(process);
    }
}

#[cold]
#[inline(never)]
fn end(process: &Process) {
    trace::set_own(0);
    trace::ran(process.id.number(), process.with_shown(|shown| shown.run_since));
}

/// The process `child` was spawned.
#[inline(always)]
pub fn spawned(child: &Process) {
    if trace::is_on() {
        note_spawned(child);
    }
}

#[cold]
#[inline(never)]
fn note_spawned(child: &Process) {
    name(child);
    trace::note(Kind::Spawn, child.id.number(), 0, b"");
}
