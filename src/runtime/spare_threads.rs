//! The threads of thread hosts. When its process is gone, a thread waits a second for another process: making and ending a thread
//! costs about as much as everything that a short process does.

use super::spin::AdaptiveSpin;
use super::staff;
use parking_lot::{Condvar, Mutex};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many threads wait at most.
const SPARE: usize = 8;

/// How long they do.
const WAIT: Duration = Duration::from_secs(1);

/// What a thread is to do.
type Work = Box<dyn FnOnce() + Send>;

/// A thread that waits, or is about to get work.
struct Place {
    stack: usize,
    work: Mutex<Option<Work>>,
    given: Condvar,
}

static SPARES: Mutex<Vec<Arc<Place>>> = Mutex::new(Vec::new());

/// Runs `work` on a thread with so many bytes of C stack, on which no signal handler of the program runs. `work` must not
/// panic, and must leave nothing behind on its thread.
///
/// # Errors
/// The operating system grants no thread.
pub fn run(stack: usize, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let work: Work = Box::new(work);
    let spare = {
        let mut spares = SPARES.lock();
        // The one that has waited least is most awake.
        spares.iter().rposition(|place| place.stack == stack).map(|position| spares.remove(position))
    };
    if let Some(place) = spare {
        *place.work.lock() = Some(work);
        place.given.notify_one();
        return Ok(());
    }
    staff::start(stack, move || serve(stack, work))
}

/// Wakes the threads that wait: they are dismissed.
pub(super) fn rouse() {
    for place in SPARES.lock().iter() {
        // The lock is free only while the thread really waits, or before it has looked.
        drop(place.work.lock());
        place.given.notify_one();
    }
}

fn serve(stack: usize, work: Work) {
    let place = Arc::new(Place { stack, work: Mutex::new(None), given: Condvar::new() });
    let patience = AdaptiveSpin::default();
    let mut next = Some(work);
    while let Some(work) = next {
        work();
        next = place.wait(&patience);
    }
}

impl Place {
    /// The next work of the calling thread; none if nobody has any, or if enough others wait.
    fn wait(self: &Arc<Self>, patience: &AdaptiveSpin) -> Option<Work> {
        {
            let mut spares = SPARES.lock();
            if spares.len() >= SPARE || staff::is_dismissed() {
                return None;
            }
            spares.push(Arc::clone(self));
        }
        let given = || self.work.try_lock().is_some_and(|work| work.is_some());
        patience.wait(None, given, || {
            let end = Instant::now() + WAIT;
            let mut work = self.work.lock();
            while work.is_none()
                && !staff::is_dismissed()
                && !self.given.wait_until(&mut work, end).timed_out()
            {}
        });
        if let Some(work) = self.work.lock().take() {
            return Some(work);
        }
        let mut spares = SPARES.lock();
        if let Some(position) = spares.iter().position(|place| Arc::ptr_eq(place, self)) {
            spares.remove(position);
            return None;
        }
        drop(spares);
        // Somebody has chosen this thread and is about to hand over.
        let mut work = self.work.lock();
        while work.is_none() {
            self.given.wait(&mut work);
        }
        work.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread::{self, ThreadId};

    /// Runs on a thread with a stack of this size what tells the thread, and ends when it is told to.
    fn start(stack: usize) -> (ThreadId, mpsc::Sender<()>) {
        let (say, hear) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        run(stack, move || {
            say.send(thread::current().id()).unwrap();
            let _ = ended.recv();
        })
        .unwrap();
        (hear.recv().unwrap(), end)
    }

    fn waiting(stack: usize) -> usize {
        SPARES.lock().iter().filter(|place| place.stack == stack).count()
    }

    #[test]
    fn a_thread_serves_again_those_that_want_a_stack_like_its_own() {
        const STACK: usize = 300 << 10;
        let (first, end) = start(STACK);
        let (beside, end_beside) = start(STACK);
        assert_ne!(first, beside);
        drop(end);
        while waiting(STACK) == 0 {
            thread::yield_now();
        }
        let (other, _) = start(STACK + 4096);
        assert_ne!(other, first);
        let (again, end_again) = start(STACK);
        assert_eq!(again, first);
        drop((end_beside, end_again));
        while waiting(STACK) < 2 {
            thread::yield_now();
        }
        while waiting(STACK) > 0 {
            thread::sleep(Duration::from_millis(10));
        }
    }
}
