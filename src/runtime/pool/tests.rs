//! Processes without Lua on a pool: every wake-up arrives, alarms ring, stuck workers are replaced.

use super::*;
use crate::runtime::envelope::Envelope;
use crate::runtime::exit::doom;
use crate::runtime::failure::Failure;
use crate::runtime::host::{self, Host, Settings};
use crate::runtime::process::Process;
use crate::runtime::{exit, live};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// What the process does in a step; called until it says that it is over.
type Act = Box<dyn FnMut(&Process) -> Step + Send>;

struct Scripted {
    process: Arc<Process>,
    act: Act,
}

impl Task for Scripted {
    fn step(&mut self, _: usize) -> Step {
        let process = Arc::clone(&self.process);
        process.mailbox.unpark();
        if process.is_doomed() { Step::Over } else { (self.act)(&process) }
    }

    fn park(&self) -> bool {
        Arc::clone(&self.process).mailbox.park()
    }

    fn end(self: Box<Self>) {
        let process = Arc::clone(&self.process);
        exit::begin(&process, Ok(Vec::new()));
        exit::finish(&process);
    }
}

fn host(workers: usize) -> Arc<Host> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("pool:h{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let settings = Settings { workers, stack_size: 1 << 20, ..Settings::default() };
    host::define(name.as_bytes(), settings).unwrap();
    host::find(&name).unwrap()
}

fn start(host: &Arc<Host>, act: impl FnMut(&Process) -> Step + Send + 'static) -> Arc<Process> {
    host.enter().unwrap();
    live::one_more();
    let process = Arc::new(Process::new("t:t", Arc::clone(host), Arc::default(), host.sleeper()));
    let body = Scripted { process: Arc::clone(&process), act: Box::new(act) };
    host.pool().unwrap().start(process.scheduled().unwrap(), Box::new(body)).unwrap();
    process
}

fn number(process: &Process) -> Vec<u32> {
    process
        .mailbox
        .take()
        .map(|envelope| u32::from_le_bytes(envelope.payload().try_into().unwrap()))
        .collect()
}

fn send(to: &Process, number: u32) {
    let _ = to.deliver(Envelope::message("", b"t", &number.to_le_bytes()).unwrap());
}

const LONG: Duration = Duration::from_secs(30);

/// A token goes round a ring; in each hop the process that has it waits for it first.
fn ring(workers: usize, members: usize, tokens: u32, hops: u32) {
    let host = host(workers);
    let (done, over) = mpsc::channel();
    let places: Arc<once_cell::sync::OnceCell<Vec<Arc<Process>>>> = Arc::default();
    let all = (0..members)
        .map(|place| {
            let (places, done) = (Arc::clone(&places), done.clone());
            start(&host, move |own| {
                for left in number(own) {
                    match left {
                        0 => done.send(()).unwrap(),
                        left => send(&places.wait()[(place + 1) % members], left - 1),
                    }
                }
                Step::Waiting(None)
            })
        })
        .collect();
    let all = places.get_or_init(|| all);
    for token in 0..tokens {
        send(&all[token as usize % members], hops);
    }
    for _ in 0..tokens {
        over.recv_timeout(LONG).expect("a wake-up was lost");
    }
    for process in all {
        doom(process, Failure::Terminated);
    }
    let start = Instant::now();
    while host.processes() > 0 {
        assert!(start.elapsed() < LONG, "a doomed process was not woken");
        std::thread::yield_now();
    }
}

#[test]
fn no_wake_up_is_lost() {
    ring(1, 2, 1, 20_000);
    ring(2, 2, 2, 20_000);
    ring(2, 50, 7, 5_000);
    ring(4, 10, 9, 5_000);
}

#[test]
fn alarms_ring_in_time_whatever_was_set_before() {
    let host = host(2);
    let (done, over) = mpsc::channel();
    for delay in [30, 5, 80, 1, 50] {
        let done = done.clone();
        let mut due = None;
        start(&host, move |_| {
            let due = *due.get_or_insert_with(|| Instant::now() + Duration::from_millis(delay));
            if Instant::now() < due {
                return Step::Waiting(Some(due));
            }
            done.send((delay, due.elapsed())).unwrap();
            Step::Over
        });
    }
    let mut order = Vec::new();
    for _ in 0..5 {
        order.push(over.recv_timeout(LONG).unwrap().0);
    }
    order.sort_unstable();
    assert_eq!(order, [1, 5, 30, 50, 80]);
}

#[test]
fn an_earlier_deadline_counts() {
    let host = host(1);
    let (done, over) = mpsc::channel();
    let process = start(&host, move |own| match number(own).first() {
        None => Step::Waiting(Some(Instant::now() + LONG)),
        Some(_) => {
            let done = done.clone();
            let soon = Instant::now() + Duration::from_millis(5);
            let _ = done.send(soon);
            Step::Waiting(Some(soon))
        }
    });
    send(&process, 1);
    let _ = over.recv_timeout(LONG).unwrap();
    let start = Instant::now();
    // The alarm that counts is the one of five milliseconds; it leaves the later one behind.
    while process.scheduled().unwrap().alarm.load(Ordering::Acquire) == 0 {
        assert!(start.elapsed() < LONG);
        std::thread::yield_now();
    }
    doom(&process, Failure::Terminated);
    while host.processes() > 0 {
        assert!(start.elapsed() < LONG);
        std::thread::yield_now();
    }
}

#[test]
fn a_worker_that_sleeps_inside_a_step_is_replaced() {
    let host = host(1);
    let (done, over) = mpsc::channel();
    // Each waits inside its step for the next one, which has not run yet.
    let mut next: Option<Arc<Process>> = None;
    for place in 0..5u32 {
        let (done, partner) = (done.clone(), next.take());
        next = Some(start(&host, move |own| {
            if let Some(partner) = &partner {
                send(partner, place);
            }
            while !own.mailbox.has_mail() && place != 4 {
                if own.mailbox.park() {
                    own.sleeper.sleep(None, || false);
                    own.mailbox.unpark();
                }
            }
            done.send(place).unwrap();
            Step::Over
        }));
    }
    for _ in 0..5 {
        over.recv_timeout(LONG).expect("the pool stands still");
    }
    let start = Instant::now();
    let pool = host.pool().unwrap();
    while pool.workers.slots().len() > 1 {
        assert!(start.elapsed() < LONG, "workers that are not needed stay");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_worker_that_is_stuck_is_replaced_while_others_are_ready() {
    let host = host(1);
    let (release, stuck) = mpsc::channel::<()>();
    let (done, over) = mpsc::channel();
    start(&host, move |_| {
        stuck.recv_timeout(LONG).expect("nobody else has run");
        Step::Over
    });
    start(&host, move |_| {
        done.send(()).unwrap();
        Step::Over
    });
    over.recv_timeout(LONG).expect("nobody has taken the place of the stuck worker");
    release.send(()).unwrap();
}

/// Waits until the pool has nothing to do, and nobody looks at its workers any more.
fn fall_asleep(pool: &Pool) {
    let start = Instant::now();
    while !pool.is_asleep() || pool.alarms.watching.load(Ordering::SeqCst) {
        assert!(start.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Keeps the worker asleep until something is in the mailbox.
fn sleep_inside(own: &Process) {
    while !own.mailbox.has_mail() {
        if own.mailbox.park() {
            own.sleeper.sleep(None, || false);
            own.mailbox.unpark();
        }
    }
}

#[test]
fn a_pool_asleep_whose_workers_are_all_away_goes_on() {
    let host = host(2);
    let pool = host.pool().unwrap();
    let (done, over) = mpsc::channel();
    let mut sleepers = Vec::new();
    for _ in 0..6 {
        let slept = done.clone();
        sleepers.push(start(&host, move |own| {
            slept.send(()).unwrap();
            sleep_inside(own);
            slept.send(()).unwrap();
            Step::Over
        }));
        over.recv_timeout(LONG).expect("the pool stands still");
        fall_asleep(pool);
    }
    for sleeper in sleepers {
        send(&sleeper, 1);
        over.recv_timeout(LONG).unwrap();
    }
    let start = Instant::now();
    while pool.workers.slots().len() > 2 {
        assert!(start.elapsed() < LONG, "workers that are not needed stay");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_thread_that_is_not_granted_is_asked_for_again() {
    let host = host(1);
    let pool = host.pool().unwrap();
    let (done, over) = mpsc::channel();
    let slept = done.clone();
    let sleeper = start(&host, move |own| {
        slept.send(()).unwrap();
        sleep_inside(own);
        Step::Over
    });
    over.recv_timeout(LONG).unwrap();
    fall_asleep(pool);
    pool.refuses_threads.store(true, Ordering::Relaxed);
    start(&host, move |_| {
        done.send(()).unwrap();
        Step::Over
    });
    // The overseer looks again and again.
    assert!(over.recv_timeout(Duration::from_millis(20)).is_err());
    pool.refuses_threads.store(false, Ordering::Relaxed);
    over.recv_timeout(LONG).expect("nobody has asked again");
    send(&sleeper, 1);
}

#[test]
fn what_a_stuck_worker_wakes_is_taken_by_others() {
    let host = host(1);
    let pool = host.pool().unwrap();
    let (done, over) = mpsc::channel();
    let woken = done.clone();
    let idle = start(&host, move |own| {
        number(own).iter().for_each(|_| woken.send(()).unwrap());
        Step::Waiting(None)
    });
    let (go, stuck) = mpsc::channel::<()>();
    let partner = Arc::clone(&idle);
    start(&host, move |_| {
        stuck.recv_timeout(LONG).expect("nobody has taken its place");
        send(&partner, 1);
        stuck.recv_timeout(LONG).expect("nobody has stepped the process that it has woken");
        Step::Over
    });
    start(&host, move |_| {
        done.send(()).unwrap();
        Step::Over
    });
    over.recv_timeout(LONG).unwrap();
    fall_asleep(pool);
    go.send(()).unwrap();
    over.recv_timeout(LONG).expect("it lies in the slot of a worker that is stuck");
    go.send(()).unwrap();
    doom(&idle, Failure::Terminated);
}

#[test]
fn too_many_in_steps_are_asked_to_give_way() {
    let host = host(1);
    let (done, over) = mpsc::channel();
    // Until one of them is asked; then they are not too many any more.
    let asked = Arc::new(AtomicBool::new(false));
    let compute = {
        let asked = Arc::clone(&asked);
        move || {
            let start = Instant::now();
            while !asked.load(Ordering::Relaxed) && start.elapsed() < LONG {
                asked.fetch_or(is_asked_to_give_way(), Ordering::Relaxed);
                std::thread::yield_now();
            }
        }
    };
    let compute_too = compute.clone();
    let ready = done.clone();
    let sleeper = start(&host, move |own| {
        ready.send(()).unwrap();
        sleep_inside(own);
        compute();
        Step::Over
    });
    over.recv_timeout(LONG).unwrap();
    let ready = done.clone();
    start(&host, move |_| {
        ready.send(()).unwrap();
        compute_too();
        Step::Over
    });
    over.recv_timeout(LONG).unwrap();
    // Nothing waits in a queue, but two compute on a pool of one.
    send(&sleeper, 1);
    let start = Instant::now();
    while host.processes() > 0 {
        assert!(start.elapsed() < 2 * LONG);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(asked.load(Ordering::Relaxed), "nobody was asked");
}

#[test]
fn an_answer_does_not_wait_for_those_who_compute() {
    let host = host(1);
    let steps = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&steps);
    let busy = start(&host, move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        Step::Ready
    });
    let (done, over) = mpsc::channel();
    let asker: Arc<once_cell::sync::OnceCell<Arc<Process>>> = Arc::default();
    let to = Arc::clone(&asker);
    let echo = start(&host, move |own| {
        number(own).into_iter().for_each(|number| send(to.wait(), number));
        Step::Waiting(None)
    });
    let (partner, mut asked_at) = (Arc::clone(&echo), 0);
    let asker = asker.get_or_init(|| {
        start(&host, move |own| {
            for number in number(own) {
                let now = steps.load(Ordering::Relaxed);
                match number {
                    0 => {
                        asked_at = now;
                        send(&partner, 1);
                    }
                    _ => done.send(now - asked_at).unwrap(),
                }
            }
            Step::Waiting(None)
        })
    });
    let mut interrupted = 0;
    for _ in 0..500 {
        // So that the asker seldom gets the next one while it still runs: a process that goes on and on gives way.
        std::thread::sleep(Duration::from_micros(200));
        send(asker, 0);
        interrupted += usize::from(over.recv_timeout(LONG).unwrap() > 0);
    }
    // The overseer moves on what lies in the slot while the system lets the worker wait.
    assert!(interrupted < 10, "{interrupted} answers had to wait");
    for process in [&busy, &echo, asker] {
        doom(process, Failure::Terminated);
    }
}

#[test]
fn everybody_sleeps_when_there_is_nothing_to_do() {
    let host = host(2);
    let process = start(&host, |own| {
        drop(own.mailbox.take());
        Step::Waiting(None)
    });
    send(&process, 1);
    let pool = host.pool().unwrap();
    fall_asleep(pool);
    doom(&process, Failure::Terminated);
}
