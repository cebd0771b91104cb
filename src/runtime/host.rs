//! Hosts: where processes run, and the limits they run under.

use super::entry::is_reference;
use super::failure::Failure;
use super::libraries::Libraries;
use super::needs::Taker;
use super::nursery::Nursery;
use super::pool::Pool;
use super::sleeper::Sleeper;
use once_cell::sync::{Lazy, OnceCell};
use parking_lot::RwLock;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// The host that always exists.
pub const DEFAULT_HOST: &str = "app:processes";

/// The least C stack a thread needs so that endless recursion is an error of Lua's and not a crash (see `docs`), in bytes.
pub const LEAST_STACK: usize = if cfg!(feature = "luajit") { 64 << 20 } else { 1 << 20 };

/// The most threads a pool may have.
const MOST_WORKERS: usize = 1024;

/// What `process.define_host` sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Threads that share the processes, 0 for one for each process.
    pub workers: usize,
    /// Live processes at a time, 0 for no limit.
    pub max_processes: usize,
    /// Waiting messages for each process, 0 for no limit.
    pub mailbox_limit: usize,
    /// Bytes of Lua memory for each process, 0 for no limit.
    pub memory_limit: usize,
    /// C stack for each thread, in bytes of address space.
    pub stack_size: usize,
    /// How long a process that was ended may take until it is given up.
    pub terminate_grace: Duration,
    /// How long a process that reads its events may go on when the program ends.
    pub exit_grace: Duration,
    /// Whether LuaJIT compiles.
    pub jit: bool,
    /// Whether a failure that nobody watches is written to standard error.
    pub report: bool,
    /// The standard libraries that its processes get.
    pub libraries: Libraries,
    /// Its processes were given few libraries and may do little to others (H-31).
    pub restricted: bool,
    /// The module that its processes require first.
    pub init: Option<Vec<u8>>,
    /// Whether its processes take functions in messages and arguments.
    pub functions: bool,
    /// Which openers of the spawner's `package.preload` its processes get.
    pub preload: Preload,
    /// The scopes of process groups that its processes may open though they are restricted.
    pub scopes: Vec<Box<str>>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            workers: 0,
            max_processes: 0,
            mailbox_limit: 0,
            memory_limit: 0,
            stack_size: LEAST_STACK,
            terminate_grace: Duration::from_secs(2),
            exit_grace: Duration::from_secs(1),
            jit: true,
            report: true,
            libraries: Libraries::ALL,
            restricted: false,
            init: None,
            functions: true,
            preload: Preload::None,
            scopes: Vec::new(),
        }
    }
}

/// Names in `package.preload` (H-33).
#[derive(Clone, Debug, PartialEq)]
pub enum Preload {
    /// None of them.
    None,
    /// All.
    All,
    /// These.
    Named(Vec<Vec<u8>>),
}

impl Preload {
    /// Whether the name is among them.
    pub fn has(&self, name: &[u8]) -> bool {
        match self {
            Preload::None => false,
            Preload::All => true,
            Preload::Named(names) => names.iter().any(|other| other == name),
        }
    }
}

/// The limits of one process, 0 for none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Waiting messages.
    pub mailbox: usize,
    /// Bytes of Lua memory.
    pub memory: usize,
    /// C stack, in bytes of address space.
    pub stack: usize,
}

impl Limits {
    /// The lower of both for each limit that is not `None`, and the stack that is asked for.
    pub fn lowered(self, mailbox: Option<usize>, memory: Option<usize>, stack: Option<usize>) -> Self {
        let lower = |own: usize, wanted: Option<usize>| match wanted {
            Some(wanted) if own == 0 || (wanted != 0 && wanted < own) => wanted,
            _ => own,
        };
        Limits {
            mailbox: lower(self.mailbox, mailbox),
            memory: lower(self.memory, memory),
            stack: stack.unwrap_or(self.stack),
        }
    }
}

impl Settings {
    /// Whether options that belong together are there together.
    ///
    /// # Errors
    /// The option that is missing or does not fit, and why.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let limits = [
            ("max_processes", self.max_processes),
            ("mailbox_limit", self.mailbox_limit),
            ("memory_limit", self.memory_limit),
        ];
        for (name, limit) in limits {
            if self.restricted && limit == 0 {
                return Err((name, "must be set on a host with libs"));
            }
        }
        if self.restricted && self.preload != Preload::None {
            return Err(("preload", "not possible on a host with libs"));
        }
        let package = Libraries::named(b"package").unwrap_or(Libraries::NONE);
        if self.init.is_some() && !self.libraries.contain(package) {
            return Err(("init", "needs the library package"));
        }
        Ok(())
    }

    /// The limits that a process has unless it is given lower ones.
    pub fn limits(&self) -> Limits {
        Limits { mailbox: self.mailbox_limit, memory: self.memory_limit, stack: self.stack_size }
    }

    /// Sets the number of threads that share the processes, 0 for a thread for each process.
    ///
    /// # Errors
    /// What is wrong with the number.
    pub fn set_workers(&mut self, count: usize) -> Result<(), &'static str> {
        if count > MOST_WORKERS {
            return Err("must be at most 1024");
        }
        self.workers = count;
        Ok(())
    }
}

/// One host.
pub struct Host {
    /// Its reference, `namespace:name`; `main` for that of main processes.
    pub name: Box<str>,
    /// Its limits.
    pub settings: Settings,
    /// Which values its processes take.
    pub taker: Taker,
    pool: OnceCell<&'static Pool>,
    live: AtomicUsize,
    abandoned: AtomicUsize,
    /// As [`Lives`], counted.
    spawned: AtomicU64,
    ended: AtomicU64,
    failed: AtomicU64,
    used: AtomicBool,
    /// Bytes of small blocks that the last state of it was born with.
    born_with: AtomicUsize,
    /// What its states are copied from.
    pub nursery: Nursery,
}

impl Host {
    fn new(name: &str, settings: Settings) -> Arc<Self> {
        let taker = Taker {
            name: name.into(),
            functions: settings.functions,
            libraries: settings.libraries,
            restricted: settings.restricted,
        };
        Arc::new(Host {
            name: name.into(),
            taker,
            settings,
            pool: OnceCell::new(),
            live: AtomicUsize::new(0),
            abandoned: AtomicUsize::new(0),
            spawned: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            used: AtomicBool::new(false),
            born_with: AtomicUsize::new(0),
            nursery: Nursery::default(),
        })
    }

    /// The host of a main process that has something of these libraries; nothing can be spawned there.
    pub fn of_main(libraries: Libraries) -> Arc<Self> {
        static MAIN: Lazy<Arc<Host>> = Lazy::new(|| Host::new("main", Settings::default()));
        if libraries == MAIN.settings.libraries {
            return Arc::clone(&MAIN);
        }
        Host::new("main", Settings { libraries, ..Settings::default() })
    }

    /// Whether a process can have a C stack of so many bytes: on a pool the threads are there already, and a restricted host
    /// gives nothing beyond its own limits.
    ///
    /// # Errors
    /// It cannot.
    pub fn check_stack(&self, wanted: usize) -> Result<(), Failure> {
        let Settings { workers, restricted, stack_size: limit, .. } = self.settings;
        if wanted > limit && (workers > 0 || restricted) {
            return Err(Failure::StackTooLarge { limit, host: self.name.to_string() });
        }
        Ok(())
    }

    /// The pool that runs its processes, `None` on a thread host.
    pub fn pool(&self) -> Option<&'static Pool> {
        let Settings { workers, stack_size, .. } = self.settings;
        (workers > 0).then(|| *self.pool.get_or_init(|| Pool::new(&self.name, workers, stack_size)))
    }

    /// Where a process that is to be spawned here will sleep.
    pub fn sleeper(&self) -> Sleeper {
        match self.pool() {
            Some(pool) => Sleeper::Pooled(pool.admit()),
            None => Sleeper::Thread(OnceCell::new()),
        }
    }

    /// Takes a place for one more process.
    ///
    /// # Errors
    /// The host is full.
    pub fn enter(&self) -> Result<(), Failure> {
        let limit = self.settings.max_processes;
        // On a restricted host one that was given up, and still uses its thread and memory, keeps its place.
        let abandoned = if self.settings.restricted { self.abandoned() } else { 0 };
        let admit = |live: usize| (limit == 0 || live + abandoned < limit).then_some(live + 1);
        match self.live.fetch_update(Ordering::AcqRel, Ordering::Acquire, admit) {
            Ok(_) => {
                self.used.store(true, Ordering::Release);
                Ok(())
            }
            Err(_) => Err(Failure::HostFull { host: self.name.to_string(), limit }),
        }
    }

    /// Gives a place back.
    pub fn leave(&self) {
        self.live.fetch_sub(1, Ordering::AcqRel);
    }

    /// A process is being started here.
    pub fn count_spawned(&self) {
        self.spawned.fetch_add(1, Ordering::Relaxed);
    }

    /// It could not be started.
    pub fn uncount_spawned(&self) {
        self.spawned.fetch_sub(1, Ordering::Relaxed);
    }

    /// A spawned process has ended.
    pub fn count_ended(&self, failed: bool) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.failed.fetch_add(u64::from(failed), Ordering::Relaxed);
    }

    /// What came and went here since the program began.
    pub fn lives(&self) -> Lives {
        // In this order: who has ended was spawned before.
        let failed = self.failed.load(Ordering::Relaxed);
        let ended = self.ended.load(Ordering::Relaxed);
        Lives { spawned: self.spawned.load(Ordering::Relaxed), ended, failed }
    }

    /// One of its processes was given up: its thread is still there.
    pub fn gave_up(&self) {
        self.abandoned.fetch_add(1, Ordering::AcqRel);
    }

    /// The thread of a process that was given up has come to its end after all.
    pub fn came_back(&self) {
        self.abandoned.fetch_sub(1, Ordering::AcqRel);
    }

    /// Processes that were given up and whose threads are still there.
    pub fn abandoned(&self) -> usize {
        self.abandoned.load(Ordering::Acquire)
    }

    /// Bytes of small blocks that the state of a process here is born with, as far as is known.
    pub fn born_with(&self) -> usize {
        self.born_with.load(Ordering::Relaxed)
    }

    /// The state of a process was born with so many.
    pub fn note_birth(&self, bytes: usize) {
        // Seldom another number, and many threads look at it.
        if self.born_with() != bytes {
            self.born_with.store(bytes, Ordering::Relaxed);
        }
    }

    /// Live processes on this host.
    pub fn processes(&self) -> usize {
        self.live.load(Ordering::Acquire)
    }
}

/// Counts of processes since the program began.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lives {
    /// Started.
    pub spawned: u64,
    /// Ended.
    pub ended: u64,
    /// Of these, abnormally.
    pub failed: u64,
}

impl std::ops::AddAssign for Lives {
    fn add_assign(&mut self, other: Self) {
        self.spawned += other.spawned;
        self.ended += other.ended;
        self.failed += other.failed;
    }
}

/// All hosts that are defined.
pub fn all() -> Vec<Arc<Host>> {
    HOSTS.read().values().cloned().collect()
}

static HOSTS: Lazy<RwLock<FxHashMap<Box<str>, Arc<Host>>>> = Lazy::new(|| {
    let default = Host::new(DEFAULT_HOST, Settings::default());
    RwLock::new([(default.name.clone(), default)].into_iter().collect())
});

/// The host of this reference.
///
/// # Errors
/// An ill-formed reference, or no such host.
pub fn lookup(reference: &[u8]) -> Result<Arc<Host>, Failure> {
    if !is_reference(reference) {
        return Err(Failure::HostReference(reference.to_vec()));
    }
    std::str::from_utf8(reference)
        .ok()
        .and_then(find)
        .ok_or_else(|| Failure::HostNotFound(reference.to_vec()))
}

/// True if there is a process on any host that was given up and whose thread is still there.
pub fn has_abandoned() -> bool {
    HOSTS.read().values().any(|host| host.abandoned() > 0)
}

/// The host of this name.
pub fn find(name: &str) -> Option<Arc<Host>> {
    HOSTS.read().get(name).cloned()
}

/// Makes a host, or changes one that no process ever used.
///
/// # Errors
/// An ill-formed reference, or a host in use.
pub fn define(reference: &[u8], settings: Settings) -> Result<(), Failure> {
    let name = match std::str::from_utf8(reference) {
        Ok(name) if is_reference(reference) => name,
        _ => return Err(Failure::HostReference(reference.to_vec())),
    };
    define_all(vec![(name.to_owned(), settings)]).map_err(|_| Failure::HostInUse(name.into()))
}

/// Makes or changes hosts with well-formed references, all or none of them.
///
/// # Errors
/// The place in the list of a host that is in use.
pub fn define_all(list: Vec<(String, Settings)>) -> Result<(), usize> {
    let mut hosts = HOSTS.write();
    let in_use = |(name, _): &(String, Settings)| {
        hosts.get(name.as_str()).is_some_and(|host| host.used.load(Ordering::Acquire))
    };
    if let Some(place) = list.iter().position(in_use) {
        return Err(place);
    }
    for (name, settings) in list {
        let host = Host::new(&name, settings);
        hosts.insert(name.into(), host);
    }
    Ok(())
}
