//! A descriptor that is readable while something is to be done: for event loops that know nothing of the library. On Linux it is
//! an `epoll` descriptor over an eventfd, which anybody rings, and a timerfd.

#[cfg(not(target_os = "linux"))]
pub use elsewhere::Pollfd;
#[cfg(target_os = "linux")]
pub use linux::Pollfd;

#[cfg(target_os = "linux")]
mod linux {
    use parking_lot::Mutex;
    use std::ffi::c_int;
    use std::io;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
    use std::ptr;
    use std::time::Instant;

    /// Readable from a ring, or from the deadline on, until that is acknowledged.
    pub struct Pollfd {
        /// None in the child of a fork: the descriptors were its parent's.
        ends: Mutex<Option<Ends>>,
    }

    struct Ends {
        epoll: OwnedFd,
        bell: OwnedFd,
        timer: OwnedFd,
        /// When the timer goes off.
        deadline: Option<Instant>,
    }

    fn owned(fd: c_int) -> io::Result<OwnedFd> {
        match fd {
            -1 => Err(io::Error::last_os_error()),
            // SAFETY: the caller has just got it from the system.
            fd => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        }
    }

    impl Pollfd {
        /// One that nothing was told yet.
        ///
        /// # Errors
        /// The system has no descriptor left.
        pub fn new() -> io::Result<Self> {
            // SAFETY: none of the three has preconditions.
            let (epoll, bell, timer) = unsafe {
                (
                    owned(libc::epoll_create1(libc::EPOLL_CLOEXEC))?,
                    owned(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK))?,
                    owned(libc::timerfd_create(
                        libc::CLOCK_MONOTONIC,
                        libc::TFD_CLOEXEC | libc::TFD_NONBLOCK,
                    ))?,
                )
            };
            for end in [&bell, &timer] {
                let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 0 };
                // SAFETY: both are open, and the event lives through the call.
                let added = unsafe {
                    libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, end.as_raw_fd(), &mut event)
                };
                if added != 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(Pollfd { ends: Mutex::new(Some(Ends { epoll, bell, timer, deadline: None })) })
        }

        /// The number, `None` in the child of a fork.
        pub fn number(&self) -> Option<RawFd> {
            self.ends.lock().as_ref().map(|ends| ends.epoll.as_raw_fd())
        }

        /// In the child of a fork: closes what is its parent's.
        pub fn part_from_parent(&self) {
            self.ends.lock().take();
        }

        /// Something is to be done. For any thread.
        pub fn ring(&self) {
            if let Some(ends) = &*self.ends.lock() {
                let one = 1u64.to_ne_bytes();
                // SAFETY: eight bytes are what an eventfd takes; a full one is readable anyway.
                unsafe { libc::write(ends.bell.as_raw_fd(), one.as_ptr().cast(), one.len()) };
            }
        }

        /// What has rung so far is going to be done.
        pub fn acknowledge(&self) {
            if let Some(ends) = &mut *self.ends.lock() {
                clear(&ends.bell);
                if ends.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                    clear(&ends.timer);
                    ends.deadline = None;
                }
            }
        }

        /// Something is to be done then; `None`: at no known time.
        pub fn set_deadline(&self, deadline: Option<Instant>) {
            if let Some(ends) = &mut *self.ends.lock()
                && ends.deadline != deadline
            {
                ends.set_timer(deadline);
            }
        }

        /// Something is to be done then, if not before.
        pub fn set_earlier(&self, deadline: Instant) {
            if let Some(ends) = &mut *self.ends.lock()
                && ends.deadline.is_none_or(|present| deadline < present)
            {
                ends.set_timer(Some(deadline));
            }
        }
    }

    impl Ends {
        fn set_timer(&mut self, deadline: Option<Instant>) {
            self.deadline = deadline;
            let none = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            let value = deadline.map_or(none, |deadline| {
                let span = deadline.saturating_duration_since(Instant::now());
                let seconds = libc::time_t::try_from(span.as_secs()).unwrap_or(libc::time_t::MAX >> 1);
                // Zero would stop it. It is not to go off before the clock of `Instant` says so.
                libc::timespec { tv_sec: seconds, tv_nsec: libc::c_long::from(span.subsec_nanos()).max(1) }
            });
            let spec = libc::itimerspec { it_interval: none, it_value: value };
            // SAFETY: the timer is open, and the structure lives through the call.
            unsafe { libc::timerfd_settime(self.timer.as_raw_fd(), 0, &spec, ptr::null_mut()) };
        }
    }

    fn clear(end: &OwnedFd) {
        let mut count = 0u64;
        // SAFETY: reads eight bytes from a descriptor that never blocks.
        unsafe { libc::read(end.as_raw_fd(), ptr::from_mut(&mut count).cast(), 8) };
    }
}

/// Where there is no `epoll` there is none yet.
#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::io;
    use std::os::fd::RawFd;
    use std::time::Instant;

    /// None can be made.
    pub enum Pollfd {}

    impl Pollfd {
        /// Always fails.
        ///
        /// # Errors
        /// The system is not supported.
        pub fn new() -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        /// See the one of Linux.
        pub fn number(&self) -> Option<RawFd> {
            match *self {}
        }

        /// See the one of Linux.
        pub fn part_from_parent(&self) {
            match *self {}
        }

        /// See the one of Linux.
        pub fn ring(&self) {
            match *self {}
        }

        /// See the one of Linux.
        pub fn acknowledge(&self) {
            match *self {}
        }

        /// See the one of Linux.
        pub fn set_deadline(&self, _: Option<Instant>) {
            match *self {}
        }

        /// See the one of Linux.
        pub fn set_earlier(&self, _: Instant) {
            match *self {}
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::platform::poller::{Directions, Look, look};
    use std::time::{Duration, Instant};

    #[test]
    fn is_readable_until_it_is_acknowledged() {
        let pollfd = Pollfd::new().unwrap();
        let read = Directions { read: true, write: false };
        let readable = || look(pollfd.number().unwrap(), read) == Look::Ready(read);
        assert!(!readable());
        pollfd.ring();
        pollfd.ring();
        assert!(readable() && readable());
        pollfd.acknowledge();
        assert!(!readable());
        pollfd.set_deadline(Some(Instant::now() + Duration::from_secs(60)));
        pollfd.set_earlier(Instant::now());
        std::thread::sleep(Duration::from_millis(2));
        assert!(readable());
        pollfd.acknowledge();
        assert!(!readable());
        pollfd.part_from_parent();
        pollfd.ring();
        assert_eq!(pollfd.number(), None);
    }
}
