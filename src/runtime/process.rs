//! A process as other processes see it.

use super::account::{Account, Charge};
use super::belonging::Belonging;
use super::envelope::Envelope;
use super::failure::{Failure, FullBy};
use super::host::{Host, Limits};
use super::lifecycle::{Lifecycle, Stage};
use super::mailbox::{Mailbox, Owner};
use super::needs::Taker;
use super::pid::{HasPid, ProcessId};
use super::pool::Scheduled;
use super::questions::{Question, Questions};
use super::realm::Realm;
use super::shown::Shown;
use super::signal::{Outdated, REMEMBERED, Signal};
use super::sleeper::Sleeper;
use super::trace::{self, Kind};
use super::vitals::Vitals;
use rustc_hash::FxHashMap;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

use crate::platform::Pollfd;
use crate::platform::os_signal::{self, Target};
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// Context values by key, each an encoded sequence of one value (P-81).
pub type ContextValues = BTreeMap<Vec<u8>, Arc<[u8]>>;

/// The shared part of a process. What only its own thread touches is in the context of its Lua state.
pub struct Process {
    /// Number of the process.
    pub id: ProcessId,
    /// Its PID as users see it.
    pub pid: Box<str>,
    /// The entry it was started from, or upgraded to since.
    entry: RwLock<Arc<str>>,
    /// Where it runs.
    pub host: Arc<Host>,
    /// Its own limits, at most those of the host.
    pub limits: Limits,
    /// Who spawned it.
    pub parent: Weak<Process>,
    /// The PID of that one, which may be gone.
    pub parent_pid: Option<Box<str>>,
    /// When it was spawned.
    pub born: Instant,
    /// Context values: its own and those inherited.
    pub values: Arc<ContextValues>,
    /// The main process it descends from.
    pub realm: Arc<Realm>,
    /// What waits for it.
    pub mailbox: Mailbox,
    /// What it tells of itself.
    pub vitals: Vitals,
    shown: Mutex<Shown>,
    questions: Mutex<Questions>,
    /// Where it sleeps.
    pub sleeper: Sleeper,
    /// What tells an event loop that something is to be done, once it was asked for ([`WATCHED`]).
    pollfd: Mutex<Option<Arc<Pollfd>>>,
    /// What others keep for the process: its mail, its names. Only on restricted hosts.
    account: Option<Arc<Account>>,
    /// Messages in the mailbox, counted only if there is a limit, and the mark [`WAITED_FOR`] (see [`super::senders`]).
    pub(super) waiting: AtomicUsize,
    /// Those who wait for room in the mailbox.
    pub(super) senders: Senders,
    /// When it will be ended, as [`super::reaper`] counts; 0 for never.
    pub(super) deadline: AtomicU64,
    /// What its lifecycle has become, for those who look without the lock: [`DOOMED`], [`ABANDONED`].
    marks: AtomicU8,
    /// Its own thread, as long as that can be interrupted.
    thread: Mutex<Option<Target>>,
    pub(super) relations: Mutex<Relations>,
}

/// Processes by their numbers.
pub type Processes = FxHashMap<ProcessId, Arc<Process>>;

/// A call: who calls, and which of its calls this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallId {
    /// Who calls.
    pub caller: ProcessId,
    /// Which of its calls.
    pub number: u64,
}

/// The open calls to one process, with those that wait for the replies.
pub type Callers = FxHashMap<CallId, Arc<Process>>;

/// A call that waits for something at the hands of others ([`super::errand`]).
#[derive(Debug)]
pub struct Errand {
    /// Whose call it is.
    pub process: Arc<Process>,
    /// Its number; no other call of the process has it at the same time.
    pub number: u64,
}

/// The mark in the count of waiting messages: somebody waits for room.
pub(super) const WAITED_FOR: usize = 1 << (usize::BITS - 1);

/// The senders that wait for one process, the first one first.
pub(super) type Senders = Mutex<VecDeque<Waiting>>;

/// A message that waits for room.
pub(super) struct Waiting {
    pub(super) message: Envelope,
    pub(super) errand: Errand,
    /// It counts for its sender as long as it stands here.
    pub(super) _charge: Option<Charge>,
}

/// What the lock of a process guards: whether it is still there, and its relations to others.
#[derive(Default)]
pub struct Relations {
    /// How far the process has come.
    pub life: Lifecycle,
    /// Whether a broken link is an event (or ends the process).
    pub trap_links: bool,
    /// What it has to do with new versions of its code; nothing for most.
    pub versions: Option<Box<Versions>>,
    /// Whether it has asked for its events: the end of the program gives it time then.
    pub reads_events: bool,
    /// Whether it looks after its children itself when the program ends.
    pub supervises: bool,
    /// Linked processes, on both sides.
    pub links: Processes,
    /// Processes that want an EXIT.
    pub watchers: Processes,
    /// Open calls to it.
    pub callers: Callers,
    /// Processes with a call that waits for the end. They get the same EXIT, and show it to that call alone.
    pub awaiters: Processes,
    /// Processes it monitors, and their PIDs: they may be gone. An EXIT counts if its process is still here when it is taken.
    pub monitored: FxHashMap<ProcessId, Box<str>>,
    /// Names it owns.
    pub names: HashSet<Vec<u8>>,
    /// What it has in process groups.
    pub belonging: Option<Box<Belonging>>,
    /// Live processes that it has spawned.
    pub children: usize,
    /// It wants to hear when it has no children left.
    pub awaits_children: bool,
}

/// What a process has to do with new versions of its code.
#[derive(Default)]
pub struct Versions {
    /// Whether it wants to hear that its code was redefined.
    pub upgradable: bool,
    /// The entries that its code imports.
    pub imports: Vec<Box<str>>,
    /// The event that says so, as long as it waits.
    pub outdated: Option<Arc<Outdated>>,
}

impl Relations {
    /// Whether the process wants to hear that its code was redefined.
    pub fn is_upgradable(&self) -> bool {
        self.versions.as_ref().is_some_and(|versions| versions.upgradable)
    }

    /// The process runs code that imports these entries.
    pub fn set_imports(&mut self, imports: Vec<Box<str>>) {
        if self.versions.is_some() || !imports.is_empty() {
            self.versions.get_or_insert_default().imports = imports;
        }
    }
}

/// Somebody has ended the process.
const DOOMED: u8 = 1;

/// It was asked where it is, and has not answered.
const ASKED: u8 = 4;

/// The process was given up: it can do nothing any more that others would notice.
const ABANDONED: u8 = 2;

/// An event loop may watch its descriptor.
const WATCHED: u8 = 8;

const _: () = assert!(size_of::<Process>() <= REMEMBERED);

/// Why a message was not delivered.
#[derive(Debug, PartialEq)]
pub enum Undelivered {
    /// The process is ending or gone.
    Gone,
    /// As many messages wait as the host allows, or as much.
    Full(FullBy),
}

impl Process {
    /// A process that is not known to anybody yet.
    pub fn new(entry: &str, host: Arc<Host>, realm: Arc<Realm>, sleeper: Sleeper) -> Self {
        let id = ProcessId::next();
        let account = host.settings.restricted.then(Arc::default);
        Process {
            id,
            pid: id.text(&host.name),
            entry: RwLock::new(entry.into()),
            limits: host.settings.limits(),
            host,
            parent: Weak::new(),
            parent_pid: None,
            born: Instant::now(),
            values: Arc::default(),
            realm,
            mailbox: Mailbox::default(),
            vitals: Vitals::default(),
            shown: Mutex::default(),
            questions: Mutex::default(),
            sleeper,
            pollfd: Mutex::new(None),
            account,
            waiting: AtomicUsize::new(0),
            senders: Senders::default(),
            deadline: AtomicU64::new(0),
            marks: AtomicU8::new(0),
            thread: Mutex::new(None),
            relations: Mutex::new(Relations::default()),
        }
    }

    /// The entry it was started from, or upgraded to since.
    pub fn entry(&self) -> Arc<str> {
        Arc::clone(&self.entry.read())
    }

    /// The process runs another entry from now on.
    pub fn set_entry(&self, entry: &str) {
        *self.entry.write() = entry.into();
    }

    /// True if this is the main process of a program: it cannot be ended from outside.
    pub fn is_main(&self) -> bool {
        matches!(self.sleeper, Sleeper::Main(_))
    }

    /// True once somebody has ended the process; it is to stop at the next chance.
    pub fn is_doomed(&self) -> bool {
        self.marks.load(Ordering::Acquire) & DOOMED != 0
    }

    /// True once the process was given up (see [`super::reaper`]).
    pub fn is_abandoned(&self) -> bool {
        self.marks.load(Ordering::Acquire) & ABANDONED != 0
    }

    /// True if somebody waits to be told where the process is.
    #[inline(always)]
    pub fn is_asked(&self) -> bool {
        self.marks.load(Ordering::Acquire) & ASKED != 0
    }

    /// Asks the process where it is: wakes it if it waits, and interrupts it if it computes.
    pub fn ask(&self, question: Question) {
        let unanswered = {
            let mut questions = self.questions.lock();
            self.marks.fetch_or(ASKED, Ordering::AcqRel);
            questions.put(question)
        };
        self.wake();
        drop(unanswered);
    }

    /// For the owner: what it was asked.
    pub fn take_questions(&self) -> Vec<Question> {
        let mut questions = self.questions.lock();
        self.marks.fetch_and(!ASKED, Ordering::AcqRel);
        questions.take()
    }

    /// The process is gone and answers nothing any more.
    pub(super) fn close_questions(&self) {
        let unanswered = self.questions.lock().close();
        drop(unanswered);
    }

    pub(super) fn set_abandoned(&self) {
        self.marks.fetch_or(ABANDONED, Ordering::Release);
    }

    /// Wakes the process from its present or next sleep, or the event loop in which it waits.
    pub fn wake(&self) {
        self.sleeper.wake();
        if self.marks.load(Ordering::Acquire) & WATCHED != 0 {
            self.ring();
        }
    }

    #[cold]
    fn ring(&self) {
        if let Some(pollfd) = &*self.pollfd.lock() {
            pollfd.ring();
        }
    }

    /// What tells an event loop that something is to be done, if it was asked for.
    pub fn pollfd(&self) -> Option<Arc<Pollfd>> {
        self.pollfd.lock().clone()
    }

    /// From now on this tells an event loop that something is to be done. For the owner.
    pub fn set_pollfd(&self, pollfd: Arc<Pollfd>) {
        *self.pollfd.lock() = Some(pollfd);
        self.marks.fetch_or(WATCHED, Ordering::AcqRel);
    }

    /// In the child of a fork, for a main process: what it waits at is no longer shared with the parent.
    ///
    /// # Errors
    /// Those of the operating system.
    pub(super) fn part_from_parent(&self) -> std::io::Result<()> {
        if let Some(pollfd) = &*self.pollfd.lock() {
            pollfd.part_from_parent();
        }
        self.sleeper.part_from_parent()
    }

    /// What its pool knows of it, if it is on one.
    pub fn scheduled(&self) -> Option<&Arc<Scheduled>> {
        match &self.sleeper {
            Sleeper::Pooled(scheduled) => Some(scheduled),
            _ => None,
        }
    }

    /// The calling thread runs the process and may be interrupted from now on.
    pub fn set_thread(&self) {
        self.with_shown(Shown::start_clock);
        *self.thread.lock() = Some(os_signal::current());
    }

    /// The thread is about to end.
    pub fn clear_thread(&self) {
        self.with_shown(Shown::stop_clock);
        *self.thread.lock() = None;
    }

    /// Interrupts the thread, so that code that computes notices that the process was doomed.
    pub(super) fn interrupt(&self) {
        if let Some(scheduled) = self.scheduled() {
            return scheduled.interrupt();
        }
        if let Some(thread) = *self.thread.lock() {
            // SAFETY: the thread takes itself away under the same lock before it ends.
            unsafe { os_signal::interrupt(thread) };
        }
    }

    /// Whether it lives and looks after its children.
    pub fn is_supervisor(&self) -> bool {
        self.with_relations(|relations| relations.supervises && relations.life.stage() == Stage::Alive)
    }

    /// How far the process has come.
    pub fn stage(&self) -> Stage {
        self.relations.lock().life.stage()
    }

    /// When it began to close its state.
    pub(super) fn closing_since(&self) -> Option<Instant> {
        self.relations.lock().life.closing_since()
    }

    /// Changes what the lock guards; `change` must not lock anything.
    pub fn with_relations<T>(&self, change: impl FnOnce(&mut Relations) -> T) -> T {
        change(&mut self.relations.lock())
    }

    /// Looks at, or changes, what it shows to others; `act` must not lock anything.
    pub fn with_shown<T>(&self, act: impl FnOnce(&mut Shown) -> T) -> T {
        act(&mut self.shown.lock())
    }

    pub(super) fn set_doomed(&self) {
        self.marks.fetch_or(DOOMED, Ordering::Release);
    }

    /// Puts a message into the mailbox and wakes the process if it sleeps.
    ///
    /// # Errors
    /// [`Undelivered`]; nothing was delivered then.
    pub fn deliver(&self, message: Envelope) -> Result<(), Undelivered> {
        self.make_room(1, self.cost(&message))?;
        self.push(message).map_err(|_| Undelivered::Gone)
    }

    /// As [`Process::deliver`], for several messages: all of them, or none.
    ///
    /// # Errors
    /// [`Undelivered`].
    pub fn deliver_all(&self, messages: Vec<Envelope>) -> Result<(), Undelivered> {
        self.make_room(messages.len(), messages.iter().map(|message| self.cost(message)).sum())?;
        messages.into_iter().try_for_each(|message| self.push(message).map_err(|_| Undelivered::Gone))
    }

    /// Counts messages of so many bytes as waiting, if there may be so many.
    pub(super) fn make_room(&self, count: usize, size: usize) -> Result<(), Undelivered> {
        let made = self.take_room(count, size, self.limits.memory);
        // What was taken for a moment may have been what somebody waits for.
        if made.is_err() && self.account.is_some() && self.is_waited_for() {
            self.serve_senders();
        }
        made
    }

    /// As [`Process::make_room`], as long as others keep at most `most` bytes; what it takes for a moment only is to be offered to
    /// those who wait.
    pub(super) fn take_room(&self, count: usize, size: usize, most: usize) -> Result<(), Undelivered> {
        let limit = self.limits.mailbox;
        let places = |waiting: usize| ((waiting & !WAITED_FOR) + count <= limit).then_some(waiting + count);
        if limit != 0 && self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, places).is_err() {
            return Err(if self.mailbox.is_closed() {
                Undelivered::Gone
            } else {
                Undelivered::Full(FullBy::Messages(limit))
            });
        }
        let fits = self.account.as_ref().is_none_or(|account| account.charge(size, most));
        if fits {
            return Ok(());
        }
        if limit != 0 {
            self.waiting.fetch_sub(count, Ordering::Relaxed);
        }
        if let Some(account) = &self.account {
            account.discharge(size);
        }
        Err(Undelivered::Full(FullBy::Memory(self.limits.memory)))
    }

    /// To be called by the owner for each message and signal that waits no longer.
    pub fn envelope_left(&self, envelope: &Envelope) {
        let mut waited_for = false;
        if self.limits.mailbox != 0 && envelope.as_signal().is_none() {
            waited_for = self.waiting.fetch_sub(1, Ordering::Relaxed) & WAITED_FOR != 0;
        }
        self.vitals.take();
        self.discharge(self.cost(envelope));
        if waited_for {
            self.serve_senders();
        }
    }

    /// Bytes to charge for an envelope; 0 where nothing is charged.
    pub(super) fn cost(&self, envelope: &Envelope) -> usize {
        if self.account.is_some() && !envelope.is_paid() { envelope.size() } else { 0 }
    }

    /// Counts bytes that others keep for the process towards its memory. `false`: there would be too many; they are counted
    /// all the same.
    pub fn charge(&self, size: usize) -> bool {
        self.account.as_ref().is_none_or(|account| account.charge(size, self.limits.memory))
    }

    /// Undoes [`Process::charge`].
    pub fn discharge(&self, size: usize) {
        if let Some(account) = &self.account {
            account.discharge(size);
            if self.is_waited_for() {
                self.serve_senders();
            }
        }
    }

    /// Charges the process for what it has put somewhere else, as long as that is there; `None` in the result where nothing is
    /// charged.
    ///
    /// # Errors
    /// It would be too much; nothing is charged then.
    pub fn charge_elsewhere(&self, size: usize) -> Result<Option<Charge>, Failure> {
        let Some(account) = &self.account else { return Ok(None) };
        Charge::new(account, size, self.limits.memory).map(Some).ok_or(Failure::OutOfMemory)
    }

    /// Which values the process takes.
    pub fn taker(&self) -> &Taker {
        &self.host.taker
    }

    /// The most bytes that the process may encode in one sequence: what is written twice in it can be far more than it has memory
    /// for.
    pub fn most_encoded(&self) -> usize {
        if self.host.settings.restricted { self.limits.memory } else { usize::MAX }
    }

    /// Bytes charged so far.
    pub fn charged(&self) -> usize {
        self.account.as_ref().map_or(0, |account| account.charged())
    }

    /// The limit that a sender waits for.
    pub fn full_by(&self) -> FullBy {
        match self.limits.mailbox {
            0 => FullBy::Memory(self.limits.memory),
            limit => FullBy::Messages(limit),
        }
    }

    /// Why a message to the process was not delivered, as a failure of the call.
    pub fn failure(&self, undelivered: Undelivered) -> Failure {
        match undelivered {
            Undelivered::Gone => Failure::ProcessNotFound(self.pid.as_bytes().to_vec()),
            Undelivered::Full(limit) => Failure::MailboxFull { pid: self.pid.to_string(), limit },
        }
    }

    /// Puts a signal into the mailbox; `false` if the process takes nothing any more. No limit keeps a signal away.
    pub fn signal(&self, signal: Signal) -> bool {
        let owner = self.put_signal(signal);
        if owner == Some(Owner::Parked) {
            self.wake();
        }
        owner.is_some()
    }

    /// As [`Process::signal`], but wakes nobody: whether the process sleeps, `None` if it takes nothing any more.
    pub(super) fn put_signal(&self, signal: Signal) -> Option<Owner> {
        self.put_answer(Envelope::signal(signal))
    }

    /// As [`Process::put_signal`], for the answer to a call.
    pub(super) fn put_answer(&self, answer: Envelope) -> Option<Owner> {
        self.charge(self.cost(&answer));
        self.mailbox.push(answer).ok()
    }

    pub(super) fn push(&self, envelope: Envelope) -> Result<(), Envelope> {
        let address = envelope.address() as u64;
        trace::note(Kind::Send, self.id.number(), address, envelope.topic());
        if self.mailbox.push(envelope)? == Owner::Parked {
            self.wake();
        }
        Ok(())
    }

    /// Refuses all messages from now on and wakes the process if it sleeps. Those who wait for room are told.
    pub(super) fn close_mailbox(&self) {
        if self.mailbox.close() == Owner::Parked {
            self.wake();
        }
        if self.limits.mailbox != 0 || self.account.is_some() {
            self.serve_senders();
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pid)
    }
}

impl HasPid for Arc<Process> {
    fn pid(&self) -> &str {
        &self.pid
    }
}

impl PartialEq for Process {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}
