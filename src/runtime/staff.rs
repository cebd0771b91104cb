//! Every thread of the library is started here, and before a fork the threads that only wait for work can be made to end.
//!
//! The child of a fork has one thread. What other threads were doing at that moment stays half done there, so the child can use
//! the library only if there were none. A thread exists until it has been joined: its thread-local variables are dropped last,
//! and some of them leave their memory to others. So each thread that ends joins the one that ended before it, and a fork joins
//! the last.
//!
//! Threads that wait for work look at [`is_dismissed`] before they sleep and whenever they wake, and end. A new thread is started
//! when it is needed again.

use crate::platform::{self, EndingThread};
use parking_lot::{Condvar, Mutex};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a fork waits for threads that have nothing to do: they need a few instructions each, and a processor.
const LIMIT: Duration = Duration::from_secs(2);

struct Staff {
    /// Threads that have not come to their end.
    present: usize,
    /// The one that has come to its end last.
    last: Option<EndingThread>,
}

static STAFF: Mutex<Staff> = Mutex::new(Staff { present: 0, last: None });
static LEFT: Condvar = Condvar::new();
static DISMISSED: AtomicBool = AtomicBool::new(false);

/// Runs `body` on a thread of its own with so many bytes of C stack, on which no signal handler of the program runs.
///
/// # Errors
/// The operating system grants no thread.
pub fn start(stack: usize, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    STAFF.lock().present += 1;
    let started = platform::start_thread(stack, move || {
        let _leaving = Leaving;
        body();
    });
    if started.is_err() {
        STAFF.lock().present -= 1;
    }
    started
}

/// The last thing that a thread does, whatever has ended it.
struct Leaving;

impl Drop for Leaving {
    fn drop(&mut self) {
        let before = {
            let mut staff = STAFF.lock();
            staff.present -= 1;
            staff.last.replace(EndingThread::this())
        };
        LEFT.notify_all();
        if let Some(before) = before {
            before.join();
        }
    }
}

/// True while threads that have nothing to do are to end.
pub fn is_dismissed() -> bool {
    DISMISSED.load(Ordering::SeqCst)
}

/// Has all threads end, which must have nothing to do, and get nothing before [`recall`]. `rouse` wakes all that wait for work.
/// `false` if that takes too long; nothing is to be recalled then.
pub fn dismiss(rouse: impl FnOnce()) -> bool {
    DISMISSED.store(true, Ordering::SeqCst);
    rouse();
    let end = Instant::now() + LIMIT;
    let mut staff = STAFF.lock();
    while staff.present > 0 && !LEFT.wait_until(&mut staff, end).timed_out() {}
    let all = staff.present == 0;
    let last = if all { staff.last.take() } else { None };
    drop(staff);
    if let Some(last) = last {
        last.join();
    }
    if !all {
        recall();
    }
    all
}

/// Lets threads wait for work again.
pub fn recall() {
    DISMISSED.store(false, Ordering::SeqCst);
}
