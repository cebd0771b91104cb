//! The one signal of the library: asked of a thread, it runs a function of ours in the middle of whatever the thread does.
//!
//! `SIGURG` unless the environment variable `PROCESS_SIGNAL` names another number. The handler is installed at the first
//! spawn and calls an earlier one for signals that we did not send.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};

/// What runs on the thread that was asked: gets the address of the interrupted instruction, 0 if the system does not tell.
/// Only async-signal-safe calls are allowed. `false`: there was nothing to do, the signal may be somebody else's.
pub type Handler = unsafe fn(interrupted: usize) -> bool;

/// A thread that can be asked; must not be used after the thread has ended.
#[derive(Clone, Copy)]
pub struct Target(libc::pthread_t);

static SIGNAL: AtomicI32 = AtomicI32::new(libc::SIGURG);
static HANDLER: AtomicUsize = AtomicUsize::new(0);
static INSTALLED: AtomicBool = AtomicBool::new(false);
/// The handler before ours, as `sa_sigaction` and `sa_flags`.
static EARLIER: (AtomicUsize, AtomicI32) = (AtomicUsize::new(libc::SIG_DFL), AtomicI32::new(0));

/// The number of the signal.
pub fn number() -> c_int {
    SIGNAL.load(Ordering::Relaxed)
}

/// Installs the handler, once.
pub fn install(handler: Handler) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let chosen = std::env::var("PROCESS_SIGNAL").ok().and_then(|text| text.parse().ok());
        SIGNAL.store(
            chosen.filter(|signal| (1..=64).contains(signal)).unwrap_or(libc::SIGURG),
            Ordering::Relaxed,
        );
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
    let mut now: libc::sigaction = std::mem::zeroed();
    let ours = INSTALLED.load(Ordering::Acquire)
        && libc::sigaction(number(), std::ptr::null(), &mut now) == 0
        && now.sa_sigaction == on_signal as *const () as usize;
    if ours {
        libc::pthread_kill(target.0, number());
    }
}

unsafe extern "C" fn on_signal(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let errno = *libc::__errno_location();
    let handler = HANDLER.load(Ordering::Acquire);
    // SAFETY: only `install` sets it, to a `Handler`.
    let handled = handler != 0 && std::mem::transmute::<usize, Handler>(handler)(interrupted_at(context));
    let own = ASKABLE.with(Cell::get) && is_directed(info);
    if !handled && !own {
        call_earlier(signal, info, context);
    }
    *libc::__errno_location() = errno;
}

/// Whether the signal was sent to this very thread: nobody else does that to threads of the library. One that was meant for
/// what the thread ran a moment ago is such a signal.
#[cfg(target_os = "linux")]
unsafe fn is_directed(info: *mut libc::siginfo_t) -> bool {
    (*info).si_code == libc::SI_TKILL
}

#[cfg(not(target_os = "linux"))]
unsafe fn is_directed(_: *mut libc::siginfo_t) -> bool {
    true
}

unsafe fn call_earlier(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let earlier = EARLIER.0.load(Ordering::Acquire);
    if earlier == libc::SIG_DFL || earlier == libc::SIG_IGN {
        return;
    }
    if EARLIER.1.load(Ordering::Acquire) & libc::SA_SIGINFO != 0 {
        // SAFETY: a handler installed with SA_SIGINFO takes these three.
        std::mem::transmute::<usize, extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void)>(earlier)(
            signal, info, context,
        );
    } else {
        // SAFETY: a handler installed without SA_SIGINFO takes the number.
        std::mem::transmute::<usize, extern "C" fn(c_int)>(earlier)(signal);
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
unsafe fn interrupted_at(context: *mut c_void) -> usize {
    (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs[libc::REG_RIP as usize] as usize
}

#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
unsafe fn interrupted_at(context: *mut c_void) -> usize {
    (*context.cast::<libc::ucontext_t>()).uc_mcontext.pc as usize
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
unsafe fn interrupted_at(_: *mut c_void) -> usize {
    0
}
