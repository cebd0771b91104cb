//! Starting programs: what `system` and `popen` of C do, made for a program with many threads.
//!
//! `system` and `popen` would pass on the OS signals that the calling thread blocks, and `system` makes the whole program deaf to
//! Ctrl-C while it runs. Here a started program gets what the main process would give it ([`os_signal::inherited`]), nothing
//! changes for the other threads, and programs that are started at the same time do not inherit each other's pipes.

use super::{errno, fork, os_signal};
use parking_lot::{Mutex, MutexGuard};
use rustc_hash::FxHashMap;
use std::ffi::{CStr, c_char, c_int, c_short};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The programs at the other end of streams, by the address of the stream.
static STREAMS: Mutex<Option<Streams>> = Mutex::new(None);

type Streams = FxHashMap<usize, libc::pid_t>;

/// How many there are.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// The lock of [`STREAMS`]; none if it may never be given back, in the child of a fork.
fn streams() -> Option<MutexGuard<'static, Option<Streams>>> {
    if fork::is_severed() { STREAMS.try_lock() } else { Some(STREAMS.lock()) }
}

/// The wait status of a shell that could not be started, as of one that has ended with code 127.
const NO_SHELL: c_int = 127 << 8;

/// Runs a command to its end: the wait status, -1 if the system does not tell it, with the error number set; else that is 0,
/// or says why there was no shell.
pub fn run(command: &CStr) -> c_int {
    match start(command, None) {
        Ok(program) => {
            errno::set(0);
            wait(program)
        }
        Err(error) => {
            errno::set(error);
            NO_SHELL
        }
    }
}

/// Starts a command with one end of a pipe as its standard input (`writes`) or output: a stream at the other end, which
/// [`close`] closes.
///
/// # Errors
/// The error number of the operating system.
pub fn open(command: &CStr, writes: bool) -> Result<*mut libc::FILE, c_int> {
    let (read, write) = pipe()?;
    let (own, its, place, mode) = if writes {
        (write, read, libc::STDIN_FILENO, c"w")
    } else {
        (read, write, libc::STDOUT_FILENO, c"r")
    };
    // SAFETY: the descriptor is ours, and goes over to the stream.
    let stream = unsafe { libc::fdopen(own.as_raw_fd(), mode.as_ptr()) };
    if stream.is_null() {
        return Err(errno::get());
    }
    let _ = own.into_raw_fd();
    let started = make_place(stream).and_then(|()| start(command, Some((its.as_raw_fd(), place))));
    if let Some(place) = streams().as_deref_mut().and_then(Option::as_mut) {
        match started {
            Ok(program) => *place.entry(stream.addr()).or_default() = program,
            Err(_) => {
                if place.remove(&stream.addr()).is_some() {
                    OPEN.fetch_sub(1, Ordering::AcqRel);
                }
            }
        }
    }
    if let Err(error) = started {
        // SAFETY: the stream was made above, and nobody else knows it.
        unsafe { libc::fclose(stream) };
        return Err(error);
    }
    Ok(stream)
}

/// Whether [`close`] would find any stream.
#[cfg(feature = "luajit")]
pub fn are_open() -> bool {
    OPEN.load(Ordering::Acquire) > 0
}

/// Closes a stream that [`open`] has made and waits for its program: as [`run`]. None, and nothing is done, for any other stream.
///
/// # Safety
/// The stream is not used afterwards.
pub unsafe fn close(stream: *mut libc::FILE) -> Option<c_int> {
    let program = streams()?.as_mut()?.remove(&stream.addr())?;
    OPEN.fetch_sub(1, Ordering::AcqRel);
    // SAFETY: `open` has made the stream; it was not closed before, since its program was still in the list.
    unsafe { libc::fclose(stream) };
    errno::set(0);
    Some(wait(program))
}

/// Makes the place at which the program behind a stream will stand, so that no memory is needed once it runs.
fn make_place(stream: *mut libc::FILE) -> Result<(), c_int> {
    let mut streams = streams().ok_or(libc::EAGAIN)?;
    let streams = streams.get_or_insert_default();
    streams.try_reserve(1).map_err(|_| libc::ENOMEM)?;
    streams.insert(stream.addr(), 0);
    OPEN.fetch_add(1, Ordering::AcqRel);
    Ok(())
}

fn wait(program: libc::pid_t) -> c_int {
    let mut status = 0;
    loop {
        // SAFETY: writes the status into a local.
        let ended = unsafe { libc::waitpid(program, &mut status, 0) };
        if ended == program {
            errno::set(0);
            return status;
        }
        if errno::get() != libc::EINTR {
            return -1;
        }
    }
}

/// The two ends of a pipe, which programs that are started do not inherit.
fn pipe() -> Result<(OwnedFd, OwnedFd), c_int> {
    let mut ends = [0 as RawFd; 2];
    // SAFETY: both calls write two descriptors, which are ours.
    let (read, write) = unsafe {
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
        let made = libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC);
        #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
        let made = libc::pipe(ends.as_mut_ptr());
        if made != 0 {
            return Err(errno::get());
        }
        (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]))
    };
    Ok((apart(read)?, apart(write)?))
}

/// The descriptor as one that is not inherited, and none of the standard ones, which a program may have closed: those are about
/// to be replaced in the program that is started.
fn apart(end: OwnedFd) -> Result<OwnedFd, c_int> {
    if cfg!(any(target_os = "linux", target_os = "android", target_os = "freebsd"))
        && end.as_raw_fd() > libc::STDERR_FILENO
    {
        return Ok(end);
    }
    // SAFETY: the descriptor is open; the new one is ours.
    unsafe {
        match libc::fcntl(end.as_raw_fd(), libc::F_DUPFD_CLOEXEC, libc::STDERR_FILENO + 1) {
            -1 => Err(errno::get()),
            other => Ok(OwnedFd::from_raw_fd(other)),
        }
    }
}

/// Attributes and actions for one start, given back in the end.
struct Plan {
    attributes: libc::posix_spawnattr_t,
    actions: libc::posix_spawn_file_actions_t,
}

impl Plan {
    fn new() -> Result<Self, c_int> {
        // SAFETY: both are initialised here before anything else; `drop` gives them back.
        unsafe {
            let mut plan: Plan = std::mem::zeroed();
            match libc::posix_spawnattr_init(&mut plan.attributes) {
                0 => {}
                error => {
                    std::mem::forget(plan);
                    return Err(error);
                }
            }
            match libc::posix_spawn_file_actions_init(&mut plan.actions) {
                0 => Ok(plan),
                error => {
                    libc::posix_spawnattr_destroy(&mut plan.attributes);
                    std::mem::forget(plan);
                    Err(error)
                }
            }
        }
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        // SAFETY: `new` has initialised both.
        unsafe {
            libc::posix_spawnattr_destroy(&mut self.attributes);
            libc::posix_spawn_file_actions_destroy(&mut self.actions);
        }
    }
}

/// Starts `sh -c COMMAND`; with `(from, to)` its descriptor `to` is what `from` is here.
fn start(command: &CStr, stream: Option<(RawFd, RawFd)>) -> Result<libc::pid_t, c_int> {
    let mut plan = Plan::new()?;
    let arguments: [*const c_char; 5] =
        [c"sh".as_ptr(), c"-c".as_ptr(), c"--".as_ptr(), command.as_ptr(), ptr::null()];
    let mut program = 0;
    // SAFETY: the plan is initialised, all texts end in zero, and the lists in null.
    let error = unsafe {
        if let Some(inherited) = os_signal::inherited() {
            let flags = libc::POSIX_SPAWN_SETSIGMASK | libc::POSIX_SPAWN_SETSIGDEF;
            libc::posix_spawnattr_setflags(&mut plan.attributes, flags as c_short);
            libc::posix_spawnattr_setsigmask(&mut plan.attributes, &inherited.mask);
            libc::posix_spawnattr_setsigdefault(&mut plan.attributes, &inherited.defaults);
        }
        let added = match stream {
            Some((from, to)) => libc::posix_spawn_file_actions_adddup2(&mut plan.actions, from, to),
            None => 0,
        };
        if added != 0 {
            return Err(added);
        }
        libc::posix_spawn(
            &mut program,
            c"/bin/sh".as_ptr(),
            &plan.actions,
            &plan.attributes,
            arguments.as_ptr().cast(),
            environment(),
        )
    };
    if error == 0 { Ok(program) } else { Err(error) }
}

/// The environment of this OS process, for a program that is started.
#[cfg(not(target_vendor = "apple"))]
fn environment() -> *const *mut c_char {
    unsafe extern "C" {
        static environ: *const *mut c_char;
    }
    // SAFETY: the C library has it from the start. What others change meanwhile is their fault, as with `system`.
    unsafe { environ }
}

/// The environment of this OS process, for a program that is started.
#[cfg(target_vendor = "apple")]
fn environment() -> *const *mut c_char {
    unsafe extern "C" {
        fn _NSGetEnviron() -> *const *const *mut c_char;
    }
    // SAFETY: the address of the C library's variable.
    unsafe { *_NSGetEnviron() }
}
