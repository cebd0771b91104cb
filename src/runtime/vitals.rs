//! What a process tells of itself while it runs: counters and marks that others read without asking it.
//!
//! The owner writes them by plain stores, and nobody else does. So they cost an instruction or two where the process does
//! something anyhow, and they have a line of the processor's cache for themselves: nobody who sends to the process fetches it.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// What code of a process waits in, as `waits_for` shows it (I-2).
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
#[allow(missing_docs)] // Each is the name of the function that waits.
pub enum Call {
    Receive,
    Send,
    Select,
    Sleep,
    Exec,
    Call,
    Await,
    Wait,
    Traceback,
    Shutdown,
}

impl Call {
    const ALL: [(Call, &'static str); 10] = [
        (Call::Receive, "receive"),
        (Call::Send, "send"),
        (Call::Select, "select"),
        (Call::Sleep, "sleep"),
        (Call::Exec, "exec"),
        (Call::Call, "call"),
        (Call::Await, "await"),
        (Call::Wait, "wait"),
        (Call::Traceback, "traceback"),
        (Call::Shutdown, "shutdown"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Call::ALL[self as usize].1
    }
}

/// What a wait is on, as far as there is a text for people.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Subject {
    /// Nothing that has a name, or several things.
    None,
    /// Messages without a listener.
    Inbox,
    /// Events.
    Events,
    /// A channel of the process itself.
    Channel,
    /// The listener with this number.
    Listener(u64),
    /// The process with this number.
    Process(u64),
}

/// A wait as one word: the call in the lowest byte, the kind of the subject in the next, its number above.
#[derive(Clone, Copy)]
pub struct Waiting(u64);

impl Waiting {
    /// A wait in this call, on this subject.
    #[inline(always)]
    pub fn new(call: Call, subject: Subject) -> Self {
        let (kind, number) = match subject {
            Subject::None => (0, 0),
            Subject::Inbox => (1, 0),
            Subject::Events => (2, 0),
            Subject::Channel => (3, 0),
            Subject::Listener(number) => (4, number),
            Subject::Process(number) => (5, number),
        };
        Waiting(number << 16 | kind << 8 | call as u64)
    }

    /// The call.
    pub fn call(self) -> Call {
        let place = (self.0 & 0xff) as usize;
        Call::ALL.get(place).map_or(Call::Receive, |(call, _)| *call)
    }

    /// The subject.
    pub fn subject(self) -> Subject {
        match (self.0 >> 8 & 0xff, self.0 >> 16) {
            (1, _) => Subject::Inbox,
            (2, _) => Subject::Events,
            (3, _) => Subject::Channel,
            (4, number) => Subject::Listener(number),
            (5, number) => Subject::Process(number),
            _ => Subject::None,
        }
    }
}

/// What the thread of a process does.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
pub enum Phase {
    /// Nothing yet.
    Starting,
    /// It runs the process.
    Running,
    /// It sleeps until something comes for the process. On a pool its run state tells more.
    Asleep,
}

/// The counters and marks of one process. All are changed by its owner only.
#[repr(align(64))]
pub struct Vitals {
    phase: AtomicU8,
    /// A [`Waiting`]: what `main` waits in now, or has waited in last.
    waiting: AtomicU64,
    /// How often a coroutine, or the main script, went on.
    resumed: AtomicU64,
    /// Messages sent.
    messages: AtomicU64,
    /// Bytes of their payloads.
    bytes: AtomicU64,
    /// Messages and events that were taken out of the mailbox, and by no code yet.
    sorted: AtomicUsize,
    /// Live managed coroutines.
    coroutines: AtomicU32,
    /// Pending timers.
    timers: AtomicU32,
    /// Bytes of the Lua state of a main process, as its VM told last.
    memory: AtomicUsize,
}

impl Default for Vitals {
    fn default() -> Self {
        Vitals {
            phase: AtomicU8::new(Phase::Starting as u8),
            waiting: AtomicU64::new(0),
            resumed: AtomicU64::new(0),
            messages: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            sorted: AtomicUsize::new(0),
            coroutines: AtomicU32::new(0),
            timers: AtomicU32::new(0),
            memory: AtomicUsize::new(0),
        }
    }
}

/// Adds to a counter that nobody else changes.
#[inline(always)]
fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(count), Relaxed);
}

impl Vitals {
    // ---- for the owner

    /// The thread does this from now on.
    #[inline(always)]
    pub fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    /// `main` begins to wait. What it waited in before.
    #[inline(always)]
    pub fn begin_wait(&self, waiting: Waiting) -> Waiting {
        let before = self.waiting.load(Relaxed);
        self.waiting.store(waiting.0, Relaxed);
        Waiting(before)
    }

    /// A coroutine, or the main script, goes on after a wait or an interruption.
    #[inline(always)]
    pub fn resume(&self) {
        add(&self.resumed, 1);
    }

    /// A message with so many bytes was sent.
    #[inline(always)]
    pub fn sent(&self, bytes: usize) {
        add(&self.messages, 1);
        add(&self.bytes, bytes as u64);
    }

    /// So many pieces of mail wait in views now.
    #[inline(always)]
    pub fn sort(&self, count: usize) {
        self.sorted.store(self.sorted.load(Relaxed).wrapping_add(count), Relaxed);
    }

    /// One of them was taken, or is dropped.
    #[inline(always)]
    pub fn take(&self) {
        self.sorted.store(self.sorted.load(Relaxed).wrapping_sub(1), Relaxed);
    }

    /// No mail waits in views any more.
    pub fn empty(&self) {
        self.sorted.store(0, Relaxed);
    }

    /// There are so many managed coroutines and so many pending timers.
    #[inline(always)]
    pub fn count(&self, coroutines: usize, timers: u32) {
        self.coroutines.store(coroutines as u32, Relaxed);
        self.timers.store(timers, Relaxed);
    }

    /// The Lua state of a main process has so many bytes.
    #[inline(always)]
    pub fn set_memory(&self, bytes: usize) {
        self.memory.store(bytes, Relaxed);
    }

    // ---- for those who look

    /// What the thread does.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::Starting,
            1 => Phase::Running,
            _ => Phase::Asleep,
        }
    }

    /// What `main` waits in, if the process waits.
    pub fn waiting(&self) -> Waiting {
        Waiting(self.waiting.load(Relaxed))
    }

    /// How often it went on.
    pub fn resumed(&self) -> u64 {
        self.resumed.load(Relaxed)
    }

    /// Messages and bytes sent.
    pub fn traffic(&self) -> Traffic {
        Traffic { messages: self.messages.load(Relaxed), bytes: self.bytes.load(Relaxed) }
    }

    /// Mail that waits in views.
    pub fn mail(&self) -> usize {
        self.sorted.load(Relaxed)
    }

    /// Live managed coroutines.
    pub fn coroutines(&self) -> u32 {
        self.coroutines.load(Relaxed)
    }

    /// Bytes of the Lua state of a main process.
    pub fn memory(&self) -> usize {
        self.memory.load(Relaxed)
    }

    /// Pending timers.
    pub fn timers(&self) -> u32 {
        self.timers.load(Relaxed)
    }
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Traffic {
    /// Messages.
    pub messages: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
}

impl std::ops::AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_read_as_it_was_written() {
        let subjects = [
            Subject::None,
            Subject::Inbox,
            Subject::Events,
            Subject::Channel,
            Subject::Listener(7),
            Subject::Process(0x1234_5678_9abc),
        ];
        for (call, name) in Call::ALL {
            for subject in subjects {
                let waiting = Waiting::new(call, subject);
                assert_eq!((waiting.call(), waiting.subject()), (call, subject));
                assert_eq!(call.name(), name);
            }
        }
    }
}
