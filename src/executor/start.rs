//! Starting a process on its host. A thread host has a thread for each process, which steps it and sleeps in between; on a
//! pool host ([`crate::runtime::pool`]) the workers step it.

use super::execution::Execution;
use super::sleep;
use crate::platform;
use crate::runtime::exit;
use crate::runtime::pool::{Step, Task};
use crate::runtime::process::Process;
use crate::runtime::spare_threads;
use crate::runtime::tracing;
use crate::runtime::vitals::Phase;
use crate::vm::interrupt;
use crate::vm::startup::Startup;
use std::io;
use std::sync::Arc;

/// Starts a process that is known already.
///
/// # Errors
/// The operating system grants no thread; the process has not run then.
pub fn start(process: &Arc<Process>, startup: Startup) -> io::Result<()> {
    exit::open_reaper()?;
    interrupt::install();
    process.realm.thread_started();
    let started = match (process.host.pool(), process.scheduled()) {
        (Some(pool), Some(scheduled)) => pool.start(scheduled, Box::new(Execution::new(process, startup))),
        _ => {
            let own = Arc::clone(process);
            spare_threads::run(process.limits.stack, move || live(own, startup))
        }
    };
    if started.is_err() {
        process.realm.thread_ended();
    }
    started
}

fn live(process: Arc<Process>, startup: Startup) {
    platform::name_thread(&process.entry());
    process.sleeper.adopt_thread();
    let realm = Arc::clone(&process.realm);
    let mut execution = Execution::new(&process, startup);
    interrupt::adopt(execution.context());
    process.set_thread();
    process.vitals.set_phase(Phase::Running);
    tracing::run_begins(&process);
    let mut rested = false;
    loop {
        match execution.step(usize::MAX) {
            Step::Over => break,
            Step::Ready => {}
            Step::Waiting(deadline) => {
                // Its birth needs more stack than what most processes do later.
                if !rested {
                    platform::release_stack();
                    rested = true;
                }
                sleep::sleep(execution.context(), deadline, || false);
            }
        }
    }
    process.clear_thread();
    interrupt::release();
    execution.end();
    drop(process);
    realm.thread_ended();
}

impl Task for Execution {
    fn step(&mut self, turns: usize) -> Step {
        self.context().process().mailbox.unpark();
        interrupt::adopt(self.context());
        self.context().memory().wake();
        self.context().process().vitals.set_phase(Phase::Running);
        tracing::run_begins(self.context().process());
        let step = Execution::step(self, turns);
        tracing::run_ends(self.context().process());
        interrupt::release();
        if matches!(step, Step::Waiting(_)) {
            self.context().memory().sleep();
        }
        // SAFETY: nothing of the state runs.
        unsafe { sleep::tell(self.context()) };
        step
    }

    fn park(&self) -> bool {
        self.context().process().mailbox.park()
    }

    fn end(self: Box<Self>) {
        let realm = Arc::clone(&self.context().process().realm);
        tracing::run_begins(self.context().process());
        Execution::end(*self);
        realm.thread_ended();
    }
}
