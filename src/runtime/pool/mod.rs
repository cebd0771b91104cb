//! Pool hosts: any number of processes on a few threads.
//!
//! A pool runs tasks that can be stepped ([`Task`]). A task lies in exactly one place at a time, and its run state
//! ([`run_state`]), one atomic word, says in which:
//!
//! | run state   | where it is                                                                           |
//! |-------------|---------------------------------------------------------------------------------------|
//! | `IDLE`      | nowhere: it waits for mail, or for an alarm                                           |
//! | `SCHEDULED` | in one queue, once, or in the next place of one worker                                |
//! | `RUNNING`   | in a step on one worker, which alone touches its task                                 |
//! | `NOTIFIED`  | the same, and it was woken since: it must look again before it is idle                |
//! | `BLOCKED`   | inside a step, asleep: a wait where nothing can yield keeps its worker                |
//! | `OVER`      | nowhere, for ever                                                                     |
//!
//! **No wake-up is lost.** A worker leaves a process idle in this order: it sets the alarm, announces in the mailbox that the
//! owner sleeps (`Mailbox::park`, which fails if there is mail), and changes `RUNNING` to `IDLE`, which fails if the state is
//! `NOTIFIED`. The first push after the announcement has to wake the process. Waking either finds `IDLE` and queues the process,
//! or leaves `NOTIFIED` behind. Every other wake-up finds a state that leads to another step anyhow.
//!
//! **Nothing is counted.** The pool has one reference to each [`Scheduled`], from its start until it is over. Queues and
//! next places hold bare pointers ([`scheduled::Entry`]): what lies in them is `SCHEDULED`, so it is not over.
//!
//! **Workers** ([`worker`]) take from their next place (the process that the last step has woken, so that two partners hand a
//! message over without any system call), from their own queue, the common queue, and the queues of others. A worker that finds
//! nothing polls for a moment and parks. A thread that puts something into a queue wakes one parked worker, unless one is
//! searching already. A worker that stops searching because it has found something passes the duty on ([`idle`], [`shared`]).
//!
//! **The overseer** ([`overseer`]) is one thread for a pool. It keeps the alarms, and it looks at the workers while they are
//! busy. It moves on what lies in the next place of a worker whose step goes on. It asks computing code to give way when others
//! are ready. Where that does not help, it counts the worker as away. While all workers are parked or away and nothing waits in a
//! queue, the overseer sleeps too.
//!
//! **Away** is a worker that sleeps inside a step, because code waits where nothing can yield, or that is stuck there. `active`
//! counts all workers but these and the spares. As long as it is below the size of the pool, and something waits that no worker
//! looks for, relief comes: a spare, or a new thread. Both the worker that goes away and the thread that queues something see to
//! that. So the pool goes on however many processes wait inside callbacks, each with a thread. If no thread can be started, the
//! overseer tries again. A worker that comes back goes on with its step at once. While too many workers are in steps, long steps
//! are asked to give way; the first worker whose step ends becomes a spare and waits a second.
//!
//! **Before a fork** all threads end if nothing is left to do. The next process that starts opens the pool again.
//!
//! Locks: the list of idle workers, the alarms, and a slot's thread, each for a few instructions, one at a time.
#![deny(unsafe_code)]

mod alarms;
mod idle;
#[cfg(test)]
mod interleavings;
mod overseer;
mod run_state;
// Its task belongs to the worker that runs it.
#[allow(unsafe_code)]
mod scheduled;
mod shared;
mod task;
#[cfg(test)]
mod tests;
// Entries of its queues are raw.
#[allow(unsafe_code)]
mod worker;
mod worker_slot;
// Asks a thread by an OS signal.
#[allow(unsafe_code)]
mod worker_thread;

pub use run_state::Rest;
pub use scheduled::Scheduled;
pub use shared::{Load, Pool};
pub use task::{Step, Task};
pub use worker::is_asked_to_give_way;

use alarms::Alarms;
use crossbeam::deque::Injector;
use idle::IdleWorkers;
use parking_lot::Mutex;
use scheduled::{Entry, Scheduler};
use std::io;
use std::sync::Arc;

/// All pools.
static POOLS: Mutex<Vec<&'static Pool>> = Mutex::new(Vec::new());

/// Wakes all threads of all pools that wait: they are dismissed ([`super::staff`]). Nothing is in any queue, nor will be.
pub(super) fn rouse() {
    for pool in POOLS.lock().iter() {
        pool.rouse();
    }
}

impl Pool {
    /// A pool without threads yet; it stays for ever.
    pub fn new(name: &str, size: usize, stack_size: usize) -> &'static Pool {
        let pool: &'static Pool = Box::leak(Box::new(Pool {
            size,
            stack_size,
            name: name.into(),
            work: worker::work,
            oversee: overseer::oversee,
            queue: Injector::new(),
            workers: IdleWorkers::default(),
            alarms: Alarms::default(),
            #[cfg(test)]
            refuses_threads: Default::default(),
        }));
        POOLS.lock().push(pool);
        pool
    }

    /// Makes a place in the pool for a process that is going to be started.
    pub fn admit(&'static self) -> Arc<Scheduled> {
        Arc::new(Scheduled::new(self))
    }

    /// Takes over the task of a process that was admitted. The pool starts its threads for the first one.
    ///
    /// # Errors
    /// The operating system grants no thread; the task has not run then.
    pub fn start(&'static self, process: &Arc<Scheduled>, task: Box<dyn Task>) -> io::Result<()> {
        self.open()?;
        process.begin(task);
        self.schedule(Entry(Arc::into_raw(Arc::clone(process))));
        Ok(())
    }
}
