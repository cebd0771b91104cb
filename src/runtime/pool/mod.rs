//! Pool hosts: any number of processes on a few threads.
//!
//! A process on a pool is a thing that can be stepped ([`Body`]). It lies in exactly one place at a time, and its [`Turn`], one
//! atomic word, says in which:
//!
//! | turn        | where it is                                                                        |
//! |-------------|------------------------------------------------------------------------------------|
//! | `IDLE`      | nowhere: it waits for mail, or for an alarm                                          |
//! | `SCHEDULED` | in one queue, once, or in the slot of one worker                                     |
//! | `RUNNING`   | in a step on one worker, which alone touches its body                                |
//! | `NOTIFIED`  | the same, and somebody has woken it since: it must look again before it is idle       |
//! | `BLOCKED`   | inside a step, asleep: a wait where nothing can yield keeps its worker               |
//! | `OVER`      | nowhere, for ever                                                                    |
//!
//! **No wake-up is lost.** A worker leaves a process idle in this order: it sets the alarm, announces in the mailbox that the
//! owner sleeps (`Mailbox::park`, which fails if there is mail), and changes `RUNNING` to `IDLE`, which fails if the turn is
//! `NOTIFIED`. Whoever pushes first after the announcement has to wake, and waking either finds `IDLE` and queues the process,
//! or leaves `NOTIFIED` behind. Everybody else who wakes finds a turn that leads to another step anyhow.
//!
//! **Nothing is counted.** The pool has one reference to each of its processes, from its start until it is over. Queues and
//! slots hold bare pointers: what lies in them is `SCHEDULED`, so it is not over.
//!
//! **Workers** ([`worker`]) take from: their slot (the process that the last step has woken, so that two partners hand a
//! message over without any system call), their own queue, the common queue, the queues of others. One that finds nothing
//! looks out for a moment and parks. Whoever puts something into a queue wakes one parked worker, unless one is searching
//! already; a worker that stops searching because it has found something passes the duty on ([`crew`]).
//!
//! **The overseer** ([`overseer`]) is one thread for a pool. It keeps the alarms, and while workers are busy it looks at
//! them: it moves on what lies in the slot of a worker whose step goes on, asks code that computes to give way when others
//! are ready, and where that does not help counts its worker as away. While all workers are parked, or away, and nothing
//! waits in a queue, the overseer sleeps too.
//!
//! **Away** is a worker that sleeps inside a step, because code waits where nothing can yield, or that is stuck there. `active`
//! counts all others but the spares. As long as it is below the size of the pool and something waits that nobody looks for,
//! relief comes: a spare, or a new thread. Both who goes away and who queues something see to that, so that the pool goes on
//! however many processes wait inside callbacks, each with a thread. If none can be started the overseer tries again. A worker
//! that comes back goes on with its step at once; while too many are in steps those that take long are asked to give way, and
//! the first to end its step leaves, to wait as a spare for a second.
//!
//! **Before a fork** all of them end if nothing is left to do; the next process that starts finds the pool not open.
//!
//! Locks: [`crew`]'s list, the alarms, and a seat's thread, each for a few instructions, one at a time.

mod alarms;
mod idle;
#[cfg(test)]
mod interleavings;
mod member;
mod overseer;
mod run_state;
#[cfg(test)]
mod tests;
mod worker;
mod worker_slot;

pub use member::Member;
pub use worker::is_asked_to_give_way;

use super::process::Process;
use super::step::Step;
use alarms::Alarms;
use crossbeam::deque::Injector;
use idle::Crew;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;

/// What a pool steps: the life of a process, as the VM implements it.
pub trait Body: Send {
    /// Runs the process until all of it waits, or it was resumed `turns` times.
    fn step(&mut self, turns: usize) -> Step;

    /// After the last step: the process is ended and everybody told.
    fn end(self: Box<Self>);
}

/// A process in a queue: `SCHEDULED`, hence alive (see the top of the page).
#[derive(Clone, Copy, PartialEq)]
struct Entry(*const Process);

// SAFETY: a process may be used by any thread.
unsafe impl Send for Entry {}

/// All pools.
static POOLS: Mutex<Vec<&'static Pool>> = Mutex::new(Vec::new());

/// Wakes all threads of all pools that wait: they are dismissed ([`super::staff`]). Nothing is in any queue, nor will be.
pub(super) fn rouse() {
    for pool in POOLS.lock().iter() {
        pool.rouse();
    }
}

/// The threads of one host.
pub struct Pool {
    /// How many processes may run at a time.
    size: usize,
    /// Bytes of C stack for each worker.
    stack_size: usize,
    /// What the workers are called.
    name: Box<str>,
    /// Processes that belong to no worker yet.
    queue: Injector<Entry>,
    crew: Crew,
    alarms: Alarms,
    /// The system grants no thread.
    #[cfg(test)]
    refuses_threads: std::sync::atomic::AtomicBool,
}

impl Pool {
    /// A pool without threads yet; it stays for ever.
    pub fn new(name: &str, size: usize, stack_size: usize) -> &'static Pool {
        let pool: &'static Pool = Box::leak(Box::new(Pool {
            size,
            stack_size,
            name: name.into(),
            queue: Injector::new(),
            crew: Crew::default(),
            alarms: Alarms::default(),
            #[cfg(test)]
            refuses_threads: Default::default(),
        }));
        POOLS.lock().push(pool);
        pool
    }

    /// Hands a process over to the pool, which starts its threads for the first one.
    ///
    /// # Errors
    /// The operating system grants no thread; the process has not run then.
    pub fn start(&'static self, process: &Arc<Process>, body: Box<dyn Body>) -> io::Result<()> {
        self.open()?;
        let Some(member) = process.member() else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        member.begin(body);
        process.realm.thread_started();
        self.schedule(Entry(Arc::into_raw(Arc::clone(process))));
        Ok(())
    }

    /// True if something lies in a queue that an idle worker could take.
    fn has_work(&self) -> bool {
        !self.queue.is_empty() || self.crew.seats().iter().any(|seat| seat.has_queued())
    }

    /// True if every active worker is parked, and nothing waits for one.
    fn is_asleep(&self) -> bool {
        self.crew.is_asleep() && !self.has_work()
    }

    /// Puts a process that has just become `SCHEDULED` where a worker finds it.
    #[inline(always)]
    fn schedule(&'static self, entry: Entry) {
        let left = worker::of_this_thread(self, |worker| worker.put_in_slot(entry));
        if left.is_none() {
            self.queue.push(entry);
            self.notify();
        }
    }
}
