//! What comes from outside the library: descriptors that become ready, and OS signals that the program has asked for. One thread
//! of the program looks out for all of it, from the first watch on, and puts a signal into the mailbox of whoever waits.
//!
//! **Invariants.** A descriptor is in the poller as long as a [`Watch`] of it is open. A watch is *armed* from the moment its owner
//! waits until the owner was told, once. A descriptor of which watches are armed is armed in the poller, for all that they wait for.
//! What is told is a hint: whoever is told asks the system. So one report too many does no harm, and none is missed: the system
//! reports at once what is ready when it is armed.
//!
//! Before a fork the thread ends, and each side starts it anew ([`super::fork`]). The poller of the parent is no longer the child's,
//! which makes one of its own.

use super::process::Process;
use super::signal::{Notice, Noticed, Signal};
use super::staff;
use crate::platform::caught::{self, Caught};
use crate::platform::poller::{self, Directions, Look, Poller};
use crate::platform::{self, reason};
use parking_lot::Mutex;
use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::SmallVec;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of C stack for the thread.
const STACK: usize = 256 << 10;

/// A watch that is armed.
struct Armed {
    watch: u64,
    wanted: Directions,
    process: Arc<Process>,
    channel: u64,
}

/// A descriptor in the poller.
#[derive(Default)]
struct Descriptor {
    /// Open watches.
    watches: usize,
    armed: SmallVec<[Armed; 1]>,
}

impl Descriptor {
    /// What the armed watches wait for.
    fn wanted(&self) -> Directions {
        self.armed.iter().fold(Directions::default(), |all, armed| all.or(armed.wanted))
    }
}

/// Who is told of an OS signal.
struct Listener {
    signal: Caught,
    process: Arc<Process>,
    channel: u64,
}

struct Lookout {
    poller: Option<Arc<Poller>>,
    /// The thread was started, and has not ended.
    runs: bool,
    descriptors: FxHashMap<RawFd, Descriptor>,
    listeners: Vec<Listener>,
}

static LOOKOUT: Mutex<Lookout> = Mutex::new(Lookout {
    poller: None,
    runs: false,
    descriptors: FxHashMap::with_hasher(FxBuildHasher),
    listeners: Vec::new(),
});

impl Lookout {
    /// The poller, with the thread that waits at it.
    fn open(&mut self) -> std::io::Result<Arc<Poller>> {
        if self.poller.as_ref().is_some_and(|poller| !poller.is_whole()) {
            self.replace();
        }
        let poller = match &self.poller {
            Some(poller) => Arc::clone(poller),
            None => {
                let poller = Arc::new(Poller::new()?);
                caught::set_bell(poller.bell());
                self.poller = Some(Arc::clone(&poller));
                poller
            }
        };
        if !self.runs {
            let own = Arc::clone(&poller);
            staff::start(STACK, move || work(own))?;
            self.runs = true;
        }
        Ok(poller)
    }

    /// The program has closed what is the library's: another poller in its place, with another thread. That of the old one may wait
    /// there for ever.
    fn replace(&mut self) {
        // Its numbers may be somebody else's by now: they are not closed.
        std::mem::forget(self.poller.take());
        self.runs = false;
        if let Some(poller) = self.renew() {
            self.runs = staff::start(STACK, move || work(poller)).is_ok();
        }
    }

    /// Another poller, which watches the same; `None` if the system has no descriptor left.
    fn renew(&mut self) -> Option<Arc<Poller>> {
        caught::set_bell(-1);
        let poller = Arc::new(Poller::new().ok()?);
        caught::set_bell(poller.bell());
        for (fd, descriptor) in &self.descriptors {
            let wanted = descriptor.wanted();
            let _ = if wanted.is_empty() { poller.add(*fd) } else { poller.arm(*fd, wanted) };
        }
        self.poller = Some(Arc::clone(&poller));
        Some(poller)
    }

    /// The watches that are to be told that the descriptor is ready for these. The others stay armed.
    fn take_ready(&mut self, fd: RawFd, ready: Directions, told: &mut Vec<Armed>) {
        let (Some(descriptor), Some(poller)) = (self.descriptors.get_mut(&fd), &self.poller) else { return };
        let (due, left): (SmallVec<_>, SmallVec<_>) =
            descriptor.armed.drain(..).partition(|armed: &Armed| !armed.wanted.and(ready).is_empty());
        told.extend(due as SmallVec<[Armed; 1]>);
        descriptor.armed = left;
        let wanted = descriptor.wanted();
        if !wanted.is_empty() && poller.arm(fd, wanted).is_err() {
            told.extend(descriptor.armed.drain(..));
        }
    }
}

fn work(poller: Arc<Poller>) {
    platform::name_thread("lookout");
    let mut told = Vec::new();
    let mut ready = Vec::new();
    loop {
        {
            let mut lookout = LOOKOUT.lock();
            // Under the lock: whoever finds that it does not run starts it anew.
            if staff::is_dismissed() {
                lookout.runs = false;
                return;
            }
        }
        let works = poller.wait(|fd, directions| ready.push((fd, directions)));
        let mut lookout = LOOKOUT.lock();
        if !lookout.poller.as_ref().is_some_and(|present| Arc::ptr_eq(present, &poller)) {
            // Another thread waits at another one.
            return;
        }
        if !works {
            lookout.replace();
            return;
        }
        for (fd, directions) in ready.drain(..) {
            lookout.take_ready(fd, directions, &mut told);
        }
        let heard: Vec<_> = caught::take().flat_map(|signal| lookout.listeners_of(signal)).collect();
        drop(lookout);
        for Armed { process, channel, .. } in told.drain(..) {
            process.signal(Signal::Ready(channel));
        }
        for Listener { signal, process, channel } in heard {
            let what = Noticed::OsSignal(signal.name());
            process.signal(Signal::Notice(Box::new(Notice { channel, what })));
        }
    }
}

/// Descriptor and directions of one channel that shows when it is ready. The descriptor itself stays the user's.
pub struct Watch {
    number: u64,
    fd: RawFd,
    wanted: Directions,
    process: Arc<Process>,
}

impl Watch {
    /// Begins to watch a descriptor.
    ///
    /// # Errors
    /// It is not open, cannot be waited for, or the system has no room: its reason.
    pub fn open(process: &Arc<Process>, fd: RawFd, wanted: Directions) -> Result<Self, String> {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let mut lookout = LOOKOUT.lock();
        let added = lookout.open().and_then(|poller| poller.add(fd));
        added.map_err(|error| reason(&error))?;
        lookout.descriptors.entry(fd).or_default().watches += 1;
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        Ok(Watch { number, fd, wanted, process: Arc::clone(process) })
    }

    /// What it is ready for now.
    pub fn look(&self) -> Look {
        poller::look(self.fd, self.wanted)
    }

    /// Has the owner told, by [`Signal::Ready`] with this channel, when it is ready the next time. `false`: the descriptor is not
    /// open, or can no longer be waited for.
    pub fn arm(&self, channel: u64) -> bool {
        let mut lookout = LOOKOUT.lock();
        let Lookout { poller: Some(poller), descriptors, .. } = &mut *lookout else { return false };
        let Some(descriptor) = descriptors.get_mut(&self.fd) else { return false };
        let process = Arc::clone(&self.process);
        descriptor.armed.push(Armed { watch: self.number, wanted: self.wanted, process, channel });
        let armed = poller.arm(self.fd, descriptor.wanted()).is_ok();
        if !armed {
            descriptor.armed.retain(|armed| armed.watch != self.number);
        }
        armed
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut lookout = LOOKOUT.lock();
        let Lookout { poller, descriptors, .. } = &mut *lookout;
        let Some(descriptor) = descriptors.get_mut(&self.fd) else { return };
        descriptor.armed.retain(|armed| armed.watch != self.number);
        descriptor.watches -= 1;
        if descriptor.watches == 0 {
            descriptors.remove(&self.fd);
            if let Some(poller) = poller {
                poller.remove(self.fd);
            }
        }
    }
}

// ---- OS signals

impl Lookout {
    fn listeners_of(&self, signal: Caught) -> Vec<Listener> {
        let own = self.listeners.iter().filter(|listener| listener.signal == signal);
        own.map(|listener| Listener {
            signal,
            process: Arc::clone(&listener.process),
            channel: listener.channel,
        })
        .collect()
    }

    /// Takes listeners away, and leaves signals alone that nobody listens to any more.
    fn remove_listeners(&mut self, gone: impl Fn(&Listener) -> bool) {
        let (removed, left): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.listeners).into_iter().partition(gone);
        self.listeners = left;
        for listener in removed {
            if self.listeners.iter().all(|other| other.signal != listener.signal) {
                caught::release(listener.signal);
            }
        }
    }
}

/// Has a main process told of these OS signals on this channel of notices, in place of what they did.
///
/// # Errors
/// The system's reason; nothing has changed then.
pub fn listen(process: &Arc<Process>, channel: u64, signals: &[Caught]) -> Result<(), String> {
    let mut lookout = LOOKOUT.lock();
    let opened = lookout.open().map(drop);
    for &signal in signals {
        lookout.listeners.push(Listener { signal, process: Arc::clone(process), channel });
    }
    let caught = opened.and_then(|()| signals.iter().try_for_each(|&signal| caught::catch(signal)));
    if caught.is_err() {
        lookout.remove_listeners(|listener| listener.process == *process && listener.channel == channel);
    }
    caught.map_err(|error| reason(&error))
}

/// The channel is closed.
pub fn unlisten(process: &Arc<Process>, channel: u64) {
    LOOKOUT.lock().remove_listeners(|listener| listener.process == *process && listener.channel == channel);
}

/// True if one of the channels of a main process listens to OS signals.
pub fn listens(process: &Arc<Process>) -> bool {
    LOOKOUT.lock().listeners.iter().any(|listener| listener.process == *process)
}

/// The main process ends.
pub fn forget(process: &Arc<Process>) {
    LOOKOUT.lock().remove_listeners(|listener| listener.process == *process);
}

// ---- forks

/// Wakes the thread: it is dismissed.
pub(super) fn rouse() {
    if let Some(poller) = &LOOKOUT.lock().poller {
        poller::ring(poller.bell());
    }
}

/// After a fork: starts the thread again if it has anything to do.
pub(super) fn open_again() {
    let mut lookout = LOOKOUT.lock();
    if !lookout.runs && (!lookout.descriptors.is_empty() || !lookout.listeners.is_empty()) {
        // Without it watches are silent, and the next one tries again.
        let _ = lookout.open();
    }
}

/// In the child of a fork: watches the same with a poller of its own.
pub(super) fn part_from_parent() {
    let mut lookout = LOOKOUT.lock();
    if lookout.poller.take().is_some() {
        lookout.renew();
    }
}
