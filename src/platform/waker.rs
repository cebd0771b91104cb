//! A descriptor that one thread polls and any thread can ring: `eventfd` on Linux, a pipe elsewhere.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Rings before and during a wait end it; several rings count as one.
pub struct Waker {
    ends: Ends,
    /// The thread that has made it, or waited at it last.
    thread: AtomicUsize,
}

/// The descriptors.
struct Ends {
    listen: OwnedFd,
    #[cfg(not(target_os = "linux"))]
    ring: OwnedFd,
}

impl Ends {
    /// Opens them, not inherited by programs that are started.
    ///
    /// # Errors
    /// The error of the operating system, for instance if there are too many open files.
    #[cfg(target_os = "linux")]
    fn open() -> io::Result<Self> {
        // SAFETY: `eventfd` has no preconditions; a descriptor it returns is ours.
        unsafe {
            match libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) {
                -1 => Err(io::Error::last_os_error()),
                fd => Ok(Ends { listen: OwnedFd::from_raw_fd(fd) }),
            }
        }
    }

    /// Opens the two ends of a pipe, not inherited by programs that are started.
    ///
    /// # Errors
    /// The error of the operating system, for instance if there are too many open files.
    #[cfg(not(target_os = "linux"))]
    fn open() -> io::Result<Self> {
        let mut ends = [0 as RawFd; 2];
        // SAFETY: `pipe` writes two descriptors, which are ours; `fcntl` only changes their flags.
        unsafe {
            if libc::pipe(ends.as_mut_ptr()) == -1 {
                return Err(io::Error::last_os_error());
            }
            for end in ends {
                libc::fcntl(end, libc::F_SETFD, libc::FD_CLOEXEC);
                libc::fcntl(end, libc::F_SETFL, libc::O_NONBLOCK);
            }
            Ok(Ends { listen: OwnedFd::from_raw_fd(ends[0]), ring: OwnedFd::from_raw_fd(ends[1]) })
        }
    }

    #[cfg(target_os = "linux")]
    fn all(&self) -> [&OwnedFd; 1] {
        [&self.listen]
    }

    #[cfg(not(target_os = "linux"))]
    fn all(&self) -> [&OwnedFd; 2] {
        [&self.listen, &self.ring]
    }

    #[cfg(target_os = "linux")]
    fn write_end(&self) -> RawFd {
        self.listen.as_raw_fd()
    }

    #[cfg(not(target_os = "linux"))]
    fn write_end(&self) -> RawFd {
        self.ring.as_raw_fd()
    }
}

impl Waker {
    /// A new one, which programs that are started do not inherit.
    ///
    /// # Errors
    /// The error of the operating system, for instance if there are too many open files.
    pub fn new() -> io::Result<Self> {
        Ok(Waker { ends: Ends::open()?, thread: AtomicUsize::new(this_thread()) })
    }

    /// True if the calling thread has made it, or waited at it last.
    pub fn is_of_this_thread(&self) -> bool {
        self.thread.load(Ordering::Relaxed) == this_thread()
    }

    /// Puts new descriptors in the place of the old ones, for the child of a fork, which shares those with its parent.
    ///
    /// # Errors
    /// Those of the operating system; the old ones are still there then.
    pub fn renew(&self) -> io::Result<()> {
        let old = self.ends.all().map(AsRawFd::as_raw_fd);
        // The old ones may be closed already, and their numbers given to the new ones: those are moved above all of them.
        let above = old.into_iter().max().unwrap_or(0) + 1;
        let opened = Ends::open()?;
        let new = opened.all().map(|end| duplicate_from(above, end));
        drop(opened);
        for (old, new) in old.into_iter().zip(new) {
            // SAFETY: the number of `old` is ours; what it stood for is closed.
            if unsafe { libc::dup2(new?.as_raw_fd(), old) } == -1 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: the descriptor is open, and only its flags change.
            unsafe { libc::fcntl(old, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
        Ok(())
    }

    /// Ends the present or next wait.
    pub fn wake(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: the descriptor is open as long as `self`; eight bytes are what an eventfd takes. A full one rings anyway.
        unsafe {
            libc::write(self.ends.write_end(), one.as_ptr().cast(), one.len());
        }
    }

    /// Waits for a ring, at most `limit`, or until a signal handler has run on this thread. Does not wait at all if
    /// `signalled`, which is asked when handlers can only run inside the wait.
    pub fn wait(&self, limit: Option<Duration>, signalled: impl Fn() -> bool) {
        self.thread.store(this_thread(), Ordering::Relaxed);
        let listen = self.ends.listen.as_raw_fd();
        let mut poll = libc::pollfd { fd: listen, events: libc::POLLIN, revents: 0 };
        if poll_unless(&mut poll, limit, signalled) {
            if poll.revents & libc::POLLNVAL != 0 {
                // Closed by the program, as daemons close whatever they do not know. Rings were lost; the caller looks.
                let _ = self.renew();
                return;
            }
            let mut bytes = [0u8; 64];
            // SAFETY: reads at most the length of the buffer from a descriptor that is open and never blocks.
            unsafe { while libc::read(listen, bytes.as_mut_ptr().cast(), bytes.len()) == 64 {} }
        }
    }
}

/// Another descriptor for the same, its number not below `least`.
fn duplicate_from(least: RawFd, end: &OwnedFd) -> io::Result<OwnedFd> {
    // SAFETY: the descriptor is open; the one that `fcntl` returns is ours.
    unsafe {
        match libc::fcntl(end.as_raw_fd(), libc::F_DUPFD_CLOEXEC, least) {
            -1 => Err(io::Error::last_os_error()),
            number => Ok(OwnedFd::from_raw_fd(number)),
        }
    }
}

/// A number for the calling thread that no other has at the same time.
fn this_thread() -> usize {
    // SAFETY: has no preconditions.
    unsafe { libc::pthread_self() as usize }
}

/// Polls unless `signalled`: true if something can be read. Signals are held back while that is asked, and let through for the
/// poll alone, so that none is missed in between.
#[cfg(target_os = "linux")]
fn poll_unless(poll: &mut libc::pollfd, limit: Option<Duration>, signalled: impl Fn() -> bool) -> bool {
    let time = limit.map(|limit| libc::timespec {
        tv_sec: libc::time_t::try_from(limit.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: limit.subsec_nanos() as _,
    });
    let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    super::thread::hold_back_signals(|mask| {
        // SAFETY: one pollfd, a time that lives through the call or none, the thread's own mask.
        !signalled() && unsafe { libc::ppoll(poll, 1, time, mask) } > 0
    })
}

/// Polls unless `signalled`: true if something can be read.
#[cfg(not(target_os = "linux"))]
fn poll_unless(poll: &mut libc::pollfd, limit: Option<Duration>, signalled: impl Fn() -> bool) -> bool {
    // Rounded up: a timer is never early.
    let limit = limit.map_or(-1, |limit| i32::try_from(limit.as_millis() + 1).unwrap_or(i32::MAX));
    // SAFETY: one pollfd.
    !signalled() && unsafe { libc::poll(poll, 1, limit) } > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_renewed_one_shares_nothing_with_what_it_was() {
        let waker = Waker::new().unwrap();
        let (number, twin) = (waker.ends.listen.as_raw_fd(), waker.ends.listen.try_clone().unwrap());
        waker.renew().unwrap();
        assert_eq!(waker.ends.listen.as_raw_fd(), number);
        waker.wake();
        let mut poll = libc::pollfd { fd: twin.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd.
        assert_eq!(unsafe { libc::poll(&mut poll, 1, 0) }, 0, "the old one is not rung any more");
        waker.wait(None, || false);
    }

    #[test]
    fn rings_before_the_wait_end_it_once() {
        let waker = Waker::new().unwrap();
        waker.wake();
        waker.wake();
        waker.wait(None, || false);
        let start = Instant::now();
        waker.wait(Some(Duration::from_secs(20)), || true);
        assert!(start.elapsed() < Duration::from_secs(10));
        waker.wait(Some(Duration::from_millis(20)), || false);
        assert!(start.elapsed() >= Duration::from_millis(20));
    }
}
