//! Which descriptors are ready: asked at once of one of them, or waited for by one thread for any number of them. `epoll` on Linux.
//!
//! A descriptor is watched for one report: it must be armed anew afterwards. So one that is ready for ever, and that nobody
//! asks for, costs nothing. The system itself forgets a descriptor that is closed everywhere.

use super::file::reason;
use std::io;
use std::os::fd::RawFd;

/// What a descriptor can be ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Directions {
    /// There is something to read, the end of the stream included.
    pub read: bool,
    /// There is room to write.
    pub write: bool,
}

impl Directions {
    /// What `"r"`, `"w"` or `"rw"` stands for.
    pub fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"r" => Some(Directions { read: true, write: false }),
            b"w" => Some(Directions { read: false, write: true }),
            b"rw" => Some(Directions { read: true, write: true }),
            _ => None,
        }
    }

    /// `"r"`, `"w"` or `"rw"`.
    pub fn name(self) -> &'static str {
        match (self.read, self.write) {
            (true, true) => "rw",
            (false, true) => "w",
            _ => "r",
        }
    }

    /// Those of either.
    pub fn or(self, other: Self) -> Self {
        Directions { read: self.read || other.read, write: self.write || other.write }
    }

    /// Those of both.
    pub fn and(self, other: Self) -> Self {
        Directions { read: self.read && other.read, write: self.write && other.write }
    }

    /// True if there is none.
    pub fn is_empty(self) -> bool {
        !self.read && !self.write
    }
}

/// How a descriptor is.
#[derive(Debug, PartialEq)]
pub enum Look {
    /// Ready for these.
    Ready(Directions),
    /// Not yet.
    NotReady,
    /// It is not open.
    Closed,
}

/// Asks the system whether the descriptor is ready for any of these. A hang-up and an error count for each of them.
pub fn look(fd: RawFd, wanted: Directions) -> Look {
    let asked = if wanted.read { libc::POLLIN } else { 0 } | if wanted.write { libc::POLLOUT } else { 0 };
    let mut poll = libc::pollfd { fd, events: asked, revents: 0 };
    // SAFETY: one pollfd; it does not wait.
    let count = unsafe { libc::poll(&mut poll, 1, 0) };
    if count < 1 {
        return Look::NotReady;
    }
    if poll.revents & libc::POLLNVAL != 0 {
        return Look::Closed;
    }
    let broken = poll.revents & (libc::POLLHUP | libc::POLLERR) != 0;
    let ready = Directions {
        read: broken || poll.revents & libc::POLLIN != 0,
        write: broken || poll.revents & libc::POLLOUT != 0,
    };
    Look::Ready(ready.and(wanted))
}

/// Another number for the same, which programs that are started do not inherit.
///
/// # Errors
/// Why there is none, as the system says it.
pub fn duplicate(fd: RawFd) -> Result<RawFd, String> {
    // SAFETY: only asks for a new descriptor; whoever calls owns it.
    match unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) } {
        -1 => Err(reason(&io::Error::last_os_error())),
        number => Ok(number),
    }
}

#[cfg(target_os = "linux")]
pub use epoll::Poller;

#[cfg(not(target_os = "linux"))]
pub use elsewhere::Poller;

#[cfg(target_os = "linux")]
mod epoll {
    use super::Directions;
    use std::ffi::c_int;
    use std::io;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
    use std::ptr;

    /// How many reports are taken at once.
    const BATCH: usize = 256;

    /// The number that stands for the bell; no descriptor has it.
    const BELL: u64 = u64::MAX;

    /// Descriptors that one thread waits for.
    pub struct Poller {
        epoll: OwnedFd,
        bell: OwnedFd,
    }

    fn owned(fd: c_int) -> io::Result<OwnedFd> {
        match fd {
            -1 => Err(io::Error::last_os_error()),
            // SAFETY: the caller has just got it from the system.
            fd => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        }
    }

    impl Poller {
        /// Without descriptors.
        ///
        /// # Errors
        /// The system has none left for its own.
        pub fn new() -> io::Result<Self> {
            // SAFETY: neither has preconditions.
            let (epoll, bell) = unsafe {
                (
                    owned(libc::epoll_create1(libc::EPOLL_CLOEXEC))?,
                    owned(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK))?,
                )
            };
            let poller = Poller { epoll, bell };
            let bell = poller.bell.as_raw_fd();
            poller.control(libc::EPOLL_CTL_ADD, bell, (libc::EPOLLIN | libc::EPOLLET) as u32, BELL)?;
            Ok(poller)
        }

        fn control(&self, operation: c_int, fd: RawFd, events: u32, data: u64) -> io::Result<()> {
            let mut event = libc::epoll_event { events, u64: data };
            // SAFETY: the event lives through the call; the system checks the number.
            match unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, fd, &mut event) } {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        }

        /// Takes a descriptor in, armed for nothing.
        ///
        /// # Errors
        /// It is not open, cannot be waited for, or the system has no room for it.
        pub fn add(&self, fd: RawFd) -> io::Result<()> {
            match self.control(libc::EPOLL_CTL_ADD, fd, libc::EPOLLONESHOT as u32, fd as u64) {
                Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
                added => added,
            }
        }

        /// Has the next readiness for these reported, once. What a report before has asked for is forgotten.
        ///
        /// # Errors
        /// As [`Poller::add`].
        pub fn arm(&self, fd: RawFd, directions: Directions) -> io::Result<()> {
            let read = if directions.read { libc::EPOLLIN | libc::EPOLLRDHUP } else { 0 };
            let write = if directions.write { libc::EPOLLOUT } else { 0 };
            let events = (libc::EPOLLONESHOT | read | write) as u32;
            match self.control(libc::EPOLL_CTL_MOD, fd, events, fd as u64) {
                // What had the number before was closed, and its number given to something else.
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                    self.control(libc::EPOLL_CTL_ADD, fd, events, fd as u64)
                }
                armed => armed,
            }
        }

        /// Forgets a descriptor.
        pub fn remove(&self, fd: RawFd) {
            let _ = self.control(libc::EPOLL_CTL_DEL, fd, 0, 0);
        }

        /// False if the program has closed what is the library's, as daemons do; the numbers may be somebody else's by now.
        pub fn is_whole(&self) -> bool {
            let bell = self.bell.as_raw_fd();
            self.control(libc::EPOLL_CTL_MOD, bell, (libc::EPOLLIN | libc::EPOLLET) as u32, BELL).is_ok()
        }

        /// Waits until something is ready, or the bell rings. Gives each descriptor with what it is ready for. `false`: the poller is of
        /// no use any more.
        pub fn wait(&self, mut report: impl FnMut(RawFd, Directions)) -> bool {
            let mut events = [libc::epoll_event { events: 0, u64: 0 }; BATCH];
            // SAFETY: writes at most as many events as there is room for.
            let count =
                unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), events.as_mut_ptr(), BATCH as c_int, -1) };
            if count < 0 {
                return io::Error::last_os_error().kind() == io::ErrorKind::Interrupted;
            }
            for event in events.iter().take(usize::try_from(count).unwrap_or(0)) {
                let libc::epoll_event { events, u64: data } = *event;
                if data == BELL {
                    let mut count = 0u64;
                    // SAFETY: reads eight bytes from an eventfd that never blocks.
                    unsafe { libc::read(self.bell.as_raw_fd(), ptr::from_mut(&mut count).cast(), 8) };
                    continue;
                }
                let broken = events & (libc::EPOLLHUP | libc::EPOLLERR) as u32 != 0;
                let read = events & (libc::EPOLLIN | libc::EPOLLRDHUP) as u32 != 0;
                let write = events & libc::EPOLLOUT as u32 != 0;
                report(data as RawFd, Directions { read: broken || read, write: broken || write });
            }
            true
        }

        /// The number to write to by which a signal handler rings the bell ([`super::ring`]).
        pub fn bell(&self) -> RawFd {
            self.bell.as_raw_fd()
        }
    }
}

/// Rings the bell of a poller: ends its present or next wait. May be called in a signal handler.
pub fn ring(bell: RawFd) {
    let one = 1u64.to_ne_bytes();
    // SAFETY: eight bytes are what an eventfd takes; a full one rings anyway. A number that is not open is refused.
    unsafe { libc::write(bell, one.as_ptr().cast(), one.len()) };
}

/// Where there is no `epoll` nothing can be watched yet.
#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use super::Directions;
    use std::io;
    use std::os::fd::RawFd;

    /// None can be made.
    pub enum Poller {}

    impl Poller {
        /// Always fails.
        ///
        /// # Errors
        /// The system is not supported.
        pub fn new() -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        /// See the one of Linux.
        ///
        /// # Errors
        /// None: there is no poller.
        pub fn add(&self, _: RawFd) -> io::Result<()> {
            match *self {}
        }

        /// See the one of Linux.
        ///
        /// # Errors
        /// None: there is no poller.
        pub fn arm(&self, _: RawFd, _: Directions) -> io::Result<()> {
            match *self {}
        }

        /// See the one of Linux.
        pub fn remove(&self, _: RawFd) {
            match *self {}
        }

        /// See the one of Linux.
        pub fn is_whole(&self) -> bool {
            match *self {}
        }

        /// See the one of Linux.
        pub fn wait(&self, _: impl FnMut(RawFd, Directions)) -> bool {
            match *self {}
        }

        /// See the one of Linux.
        pub fn bell(&self) -> RawFd {
            match *self {}
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    const READ: Directions = Directions { read: true, write: false };

    fn reports(poller: &Poller) -> Vec<(RawFd, Directions)> {
        let mut all = Vec::new();
        poller.wait(|fd, ready| all.push((fd, ready)));
        all
    }

    #[test]
    fn one_arming_gives_one_report() {
        let poller = Poller::new().unwrap();
        let (mut a, mut b) = UnixStream::pair().unwrap();
        let fd = a.as_raw_fd();
        poller.add(fd).unwrap();
        b.write_all(b"x").unwrap();
        ring(poller.bell());
        assert_eq!(reports(&poller), [], "it was not armed");
        poller.arm(fd, READ).unwrap();
        assert_eq!(reports(&poller), [(fd, READ)]);
        ring(poller.bell());
        assert_eq!(reports(&poller), []);
        assert_eq!(look(fd, READ), Look::Ready(READ));
        a.read_exact(&mut [0]).unwrap();
        assert_eq!(look(fd, READ), Look::NotReady);
        drop(b);
        assert_eq!(look(fd, Directions { read: true, write: true }).clone_name(), "rw");
    }

    impl Look {
        fn clone_name(&self) -> &'static str {
            match self {
                Look::Ready(directions) => directions.name(),
                _ => "",
            }
        }
    }

    #[test]
    fn what_took_over_a_number_is_armed_all_the_same() {
        let poller = Poller::new().unwrap();
        let (a, _b) = UnixStream::pair().unwrap();
        let fd = a.as_raw_fd();
        poller.add(fd).unwrap();
        drop(a);
        assert_eq!(look(fd, READ), Look::Closed);
        let (c, mut d) = UnixStream::pair().unwrap();
        let moved = duplicate(c.as_raw_fd()).unwrap();
        poller.arm(moved, READ).unwrap();
        d.write_all(b"x").unwrap();
        assert_eq!(reports(&poller), [(moved, READ)]);
        // SAFETY: the number is the test's own.
        unsafe { libc::close(moved) };
        assert!(duplicate(-1).is_err());
    }
}
