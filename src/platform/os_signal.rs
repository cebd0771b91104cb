//! The one OS signal of the library. When a thread is asked, the signal runs a function of ours in the middle of what the thread
//! does.
//!
//! It is `SIGURG` unless the environment variable `PROCESS_SIGNAL` has another number. The first spawn installs the handler,
//! which calls the earlier handler for signals that the library did not send.
//!
//! This file also decides which OS signals our threads let through, and what started programs get instead.

use super::errno;
use std::cell::Cell;
use std::ffi::{OsString, c_int, c_void};
use std::os::unix::ffi::OsStringExt;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Once, OnceLock};

/// Where a thread was when the signal came; zeros if the system does not tell.
#[derive(Clone, Copy)]
#[cfg_attr(feature = "lua54", allow(dead_code))]
pub struct Interrupted {
    /// The address of the instruction.
    pub instruction: usize,
    /// The stack pointer.
    pub stack: usize,
}

/// What runs on the thread that was asked. Only async-signal-safe calls are allowed. `false`: there was nothing to do, the
/// signal may be somebody else's.
pub type Handler = unsafe fn(interrupted: Interrupted) -> bool;

/// A thread that can be asked; must not be used after the thread has ended.
#[derive(Clone, Copy)]
pub struct Target(libc::pthread_t);

static SIGNAL: AtomicI32 = AtomicI32::new(libc::SIGURG);
static HANDLER: AtomicUsize = AtomicUsize::new(0);
static INSTALLED: AtomicBool = AtomicBool::new(false);
/// The handler before ours, as `sa_sigaction` and `sa_flags`.
static EARLIER: (AtomicUsize, AtomicI32) = (AtomicUsize::new(libc::SIG_DFL), AtomicI32::new(0));

/// Signals that report a fault of the thread itself. Blocking one would turn a crash into a silent end.
pub(super) const FAULTS: [c_int; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGABRT, libc::SIGSYS];

/// Signals by which the system answers a call of the thread itself: it has written to a pipe that nobody reads, or beyond the
/// size that a file may have, or has used the terminal from the background. Where they are blocked the program goes on.
const ANSWERS: [c_int; 4] = [libc::SIGPIPE, libc::SIGXFSZ, libc::SIGTTIN, libc::SIGTTOU];

/// Signals that `system` of C ignores in the whole program while it waits for the one it has started.
const FROM_KEYBOARD: [c_int; 2] = [libc::SIGINT, libc::SIGQUIT];

/// Reads from the environment which signal is to be used. Once for the program, before anything else of this page.
///
/// # Errors
/// What stands there instead of the number of a signal that can be used.
pub fn choose() -> Result<(), Vec<u8>> {
    static CHOSEN: OnceLock<Result<(), Vec<u8>>> = OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| {
        let text = std::env::var_os("PROCESS_SIGNAL").map(OsString::into_vec).unwrap_or_default();
        if text.is_empty() {
            return Ok(());
        }
        let number = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
        match number.filter(|&signal| is_usable(signal)) {
            Some(signal) => {
                SIGNAL.store(signal, Ordering::Relaxed);
                Ok(())
            }
            None => Err(text),
        }
    });
    chosen.clone()
}

/// Whether a program can catch the signal, and nothing else needs it on the threads of ours.
pub(super) fn is_usable(signal: c_int) -> bool {
    let taken = [libc::SIGKILL, libc::SIGSTOP];
    let known = !taken.iter().chain(&FAULTS).chain(&ANSWERS).any(|&other| other == signal);
    known && disposition(signal).is_some()
}

/// What the program does about a signal: the address of a handler, `SIG_DFL` or `SIG_IGN`; none if there is no such signal.
fn disposition(signal: c_int) -> Option<usize> {
    // SAFETY: only reads, into a structure of ours.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        (libc::sigaction(signal, std::ptr::null(), &mut action) == 0).then_some(action.sa_sigaction)
    }
}

/// All signals but the library's own and those that report faults.
pub fn of_others() -> libc::sigset_t {
    // SAFETY: the set is initialised before it is used.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut set);
        libc::sigdelset(&mut set, number());
        for fault in FAULTS {
            libc::sigdelset(&mut set, fault);
        }
        set
    }
}

/// What threads of ours block. What answers their own calls acts as in the main thread, unless the program has a handler for it
/// when the first thread starts: that may expect to run in the main thread and nowhere else.
pub fn blocked_in_threads() -> &'static libc::sigset_t {
    static BLOCKED: OnceLock<libc::sigset_t> = OnceLock::new();
    BLOCKED.get_or_init(|| {
        let mut set = of_others();
        for answer in ANSWERS {
            if disposition(answer).is_some_and(|action| action == libc::SIG_DFL || action == libc::SIG_IGN) {
                // SAFETY: the set is initialised.
                unsafe { libc::sigdelset(&mut set, answer) };
            }
        }
        set
    })
}

/// What a program gets that a thread of ours starts: what one that the main process starts would get.
pub struct Inherited {
    /// The signals that it blocks.
    pub mask: libc::sigset_t,
    /// The signals that act as usual there, even if they are ignored here at the moment.
    pub defaults: libc::sigset_t,
}

static INHERITED: OnceLock<Inherited> = OnceLock::new();

/// As the thread that spawned first had it then: a main process, and not inside `system`. None if nothing was spawned.
pub fn inherited() -> Option<&'static Inherited> {
    INHERITED.get()
}

fn note_inherited() -> Inherited {
    // SAFETY: the sets are initialised before they are read.
    unsafe {
        let mut inherited: Inherited = std::mem::zeroed();
        libc::sigemptyset(&mut inherited.mask);
        libc::sigemptyset(&mut inherited.defaults);
        libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &mut inherited.mask);
        for signal in FROM_KEYBOARD {
            if disposition(signal) != Some(libc::SIG_IGN) {
                libc::sigaddset(&mut inherited.defaults, signal);
            }
        }
        inherited
    }
}

/// The number of the signal.
pub fn number() -> c_int {
    SIGNAL.load(Ordering::Relaxed)
}

/// Installs the handler, once.
pub fn install(handler: Handler) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        INHERITED.get_or_init(note_inherited);
        HANDLER.store(handler as usize, Ordering::Release);
        // SAFETY: both structures are initialised before they are used; the handler lives as long as the library, which is
        // pinned.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            let mut earlier: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_signal as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
            libc::sigemptyset(&mut action.sa_mask);
            if libc::sigaction(number(), &action, &mut earlier) == 0 {
                EARLIER.0.store(earlier.sa_sigaction, Ordering::Release);
                EARLIER.1.store(earlier.sa_flags, Ordering::Release);
                INSTALLED.store(true, Ordering::Release);
            }
        }
    });
}

/// True for the address of the library's own handler.
pub fn is_own(handler: usize) -> bool {
    handler == on_signal as *const () as usize
}

/// Lets the signal through again, on a thread that has left the handler by a jump.
pub fn allow() {
    // SAFETY: the set is initialised before it is used.
    unsafe {
        let mut own: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut own);
        libc::sigaddset(&mut own, number());
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &own, std::ptr::null_mut());
    }
}

/// In the handler: the thread goes no further. It holds nothing that others need, or this must not be called.
#[cfg(feature = "luajit")]
pub fn sleep_for_ever() -> ! {
    loop {
        // SAFETY: has no preconditions, and is async-signal-safe.
        unsafe { libc::pause() };
    }
}

thread_local! {
    /// This thread can be asked. Constant and without destructor, so that the signal handler may read it.
    static ASKABLE: Cell<bool> = const { Cell::new(false) };
}

/// The calling thread.
pub fn current() -> Target {
    ASKABLE.with(|askable| askable.set(true));
    // SAFETY: has no preconditions.
    Target(unsafe { libc::pthread_self() })
}

/// Interrupts a thread, if the handler is still ours. A host program may have installed its own since.
///
/// # Safety
/// The thread has not ended.
pub unsafe fn interrupt(target: Target) {
    if INSTALLED.load(Ordering::Acquire) && disposition(number()).is_some_and(is_own) {
        // SAFETY: the thread has not ended.
        unsafe { libc::pthread_kill(target.0, number()) };
    }
}

/// What the system calls when the signal comes.
///
/// # Safety
/// Called by the system, with what `SA_SIGINFO` promises.
unsafe extern "C" fn on_signal(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let error = errno::get();
    let handler = HANDLER.load(Ordering::Acquire);
    // SAFETY: only `install` sets the handler, to a `Handler`; the other two are the system's.
    let handled =
        handler != 0 && unsafe { std::mem::transmute::<usize, Handler>(handler)(interrupted_at(context)) };
    // SAFETY: the system's.
    let own = ASKABLE.with(Cell::get) && unsafe { is_directed(info) };
    if !handled && !own {
        // SAFETY: as this function was called.
        unsafe { call_earlier(signal, info, context) };
    }
    errno::set(error);
}

/// Whether the signal was sent to this very thread: nobody else does that to threads of the library. One that was meant for
/// what the thread ran a moment ago is such a signal.
///
/// # Safety
/// `info` is what the system gave the handler.
#[cfg(target_os = "linux")]
unsafe fn is_directed(info: *mut libc::siginfo_t) -> bool {
    // SAFETY: the system's, as long as the handler runs.
    unsafe { (*info).si_code == libc::SI_TKILL }
}

/// Elsewhere the system does not tell.
///
/// # Safety
/// None; elsewhere there is one.
#[cfg(not(target_os = "linux"))]
unsafe fn is_directed(_: *mut libc::siginfo_t) -> bool {
    true
}

/// Calls the handler that was there before ours.
///
/// # Safety
/// The arguments are those that the system gave our handler.
unsafe fn call_earlier(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let earlier = EARLIER.0.load(Ordering::Acquire);
    if earlier == libc::SIG_DFL || earlier == libc::SIG_IGN {
        return;
    }
    if EARLIER.1.load(Ordering::Acquire) & libc::SA_SIGINFO != 0 {
        // SAFETY: a handler installed with SA_SIGINFO takes these three.
        let earlier = unsafe {
            std::mem::transmute::<usize, extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void)>(earlier)
        };
        earlier(signal, info, context);
    } else {
        // SAFETY: a handler installed without SA_SIGINFO takes the number.
        let earlier = unsafe { std::mem::transmute::<usize, extern "C" fn(c_int)>(earlier) };
        earlier(signal);
    }
}

/// Where the thread was.
///
/// # Safety
/// `context` is what the system gave the handler.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
unsafe fn interrupted_at(context: *mut c_void) -> Interrupted {
    // SAFETY: the system's, as long as the handler runs.
    let registers = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    Interrupted {
        instruction: registers[libc::REG_RIP as usize] as usize,
        stack: registers[libc::REG_RSP as usize] as usize,
    }
}

/// Where the thread was.
///
/// # Safety
/// `context` is what the system gave the handler.
#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
unsafe fn interrupted_at(context: *mut c_void) -> Interrupted {
    // SAFETY: the system's, as long as the handler runs.
    let registers = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext };
    Interrupted { instruction: registers.pc as usize, stack: registers.sp as usize }
}

/// Elsewhere the library does not look.
///
/// # Safety
/// None; elsewhere there is one.
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
unsafe fn interrupted_at(_: *mut c_void) -> Interrupted {
    Interrupted { instruction: 0, stack: 0 }
}
