//! The processor time that a thread has used, as any thread can ask for it.

use std::time::Duration;

/// The clock of one thread. It stands still, or is not to be had, when the thread has ended.
#[derive(Clone, Copy)]
pub struct ThreadClock(libc::clockid_t);

impl ThreadClock {
    /// That of the calling thread.
    #[cfg(target_os = "linux")]
    pub fn current() -> Self {
        /// A clock of one thread that counts what the scheduler gives it: as the system's header `posix-timers.h` makes the number.
        const OF_THREAD: libc::clockid_t = 4 | 2;
        // Made from the number of the thread, not by `pthread_getcpuclockid`: that may not be called for one that has ended.
        // SAFETY: has no preconditions.
        let thread = unsafe { libc::syscall(libc::SYS_gettid) } as libc::clockid_t;
        ThreadClock(!thread << 3 | OF_THREAD)
    }

    /// That of the calling thread. Elsewhere only the thread itself can read it.
    #[cfg(not(target_os = "linux"))]
    pub fn current() -> Self {
        ThreadClock(libc::CLOCK_THREAD_CPUTIME_ID)
    }

    /// What the thread has used so far; nothing if it has ended.
    #[cfg(target_os = "linux")]
    pub fn read(self) -> Option<Duration> {
        read(self.0)
    }

    /// Elsewhere the system does not tell others.
    #[cfg(not(target_os = "linux"))]
    pub fn read(self) -> Option<Duration> {
        None
    }
}

#[cfg(target_os = "linux")]
fn read(clock: libc::clockid_t) -> Option<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes into a structure of ours.
    let known = unsafe { libc::clock_gettime(clock, &mut time) } == 0;
    known.then(|| {
        Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::time::Instant;

    #[test]
    fn another_thread_reads_what_a_thread_uses() {
        let (tell, hear) = channel();
        let (end, ended) = channel::<()>();
        let worker = std::thread::spawn(move || {
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(20) {}
            tell.send(ThreadClock::current()).unwrap();
            let _ = ended.recv();
        });
        let clock = hear.recv().unwrap();
        let used = clock.read().unwrap();
        assert!(used >= Duration::from_millis(1), "{used:?}");
        drop(end);
        worker.join().unwrap();
        assert!(clock.read().is_none_or(|later| later >= used));
    }
}
