//! Why a call failed: one variant for each condition of the contract's page on limits, and the one place where its text,
//! kind and details are made.

use super::duration;
use super::error::{ErrorData, Kind};
use super::near::suggestion;
use crate::wire::plain::{self, Plain};
use std::fmt;
use thiserror::Error;

/// A value as error texts show it: at most 100 bytes, control bytes (and bytes that are no UTF-8) as `\ddd`.
pub fn shown(value: &[u8]) -> String {
    const LIMIT: usize = 100;
    if value.len() <= LIMIT {
        return escaped(value);
    }
    escaped(&value[..LIMIT]) + "..."
}

/// As [`shown`], however long.
pub fn escaped(value: &[u8]) -> String {
    let mut rest = value;
    let mut text = String::with_capacity(rest.len());
    let escape = |text: &mut String, byte: u8| text.push_str(&format!("\\{byte:03}"));
    while !rest.is_empty() {
        let (valid, broken) = match std::str::from_utf8(rest) {
            Ok(valid) => (valid, 0),
            Err(error) => {
                let (good, bad) = rest.split_at(error.valid_up_to());
                (std::str::from_utf8(good).unwrap_or(""), error.error_len().unwrap_or(bad.len()))
            }
        };
        for character in valid.chars() {
            if character.is_ascii_control() {
                escape(&mut text, character as u8);
            } else {
                text.push(character);
            }
        }
        for &byte in &rest[valid.len()..valid.len() + broken] {
            escape(&mut text, byte);
        }
        rest = &rest[valid.len() + broken..];
    }
    text
}

/// What was looked for, if anything was.
fn looked_for(module: &str, tried: &[Vec<u8>]) -> String {
    if tried.is_empty() {
        return String::new();
    }
    format!(" (no {}.lua on package.path)", module.replace('.', "/"))
}

/// What is wrong with a bare number of nanoseconds where waiting is meant.
pub fn bare_number(number: i64) -> String {
    format!("{number} is {number} nanoseconds; write \"{number}s\", \"{number}ms\" or {number} * time.SECOND")
}

/// What a full mailbox is full by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FullBy {
    /// So many messages wait.
    Messages(usize),
    /// What waits takes the memory that the process may use, in bytes.
    Memory(usize),
}

impl fmt::Display for FullBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FullBy::Messages(limit) => write!(f, "limit {limit}"),
            FullBy::Memory(limit) => write!(f, "memory limit {limit}"),
        }
    }
}

/// A failure that a function returns as an error object, or raises where its page says so.
#[derive(Clone, Debug, Error)]
#[allow(missing_docs)] // The text of each variant says what it is.
pub enum Failure {
    #[error("destination not found: {}", shown(.0))]
    DestinationNotFound(Vec<u8>),
    #[error("process not found: {}", shown(.0))]
    ProcessNotFound(Vec<u8>),
    #[error("reserved topic (begins with @): {}", shown(.0))]
    ReservedTopic(Vec<u8>),
    #[error("topic too long ({0} bytes, limit 65535)")]
    TopicTooLong(usize),
    #[error("empty topic")]
    EmptyTopic,
    #[error("already listening to {} with message = {message}", shown(.topic))]
    OtherMode { topic: Vec<u8>, message: bool },
    #[error("channel is not an open listener")]
    NotAListener,
    #[error("not possible for the main process")]
    MainProcess,
    #[error("mailbox full: {pid} ({limit})")]
    MailboxFull { pid: String, limit: FullBy },
    #[error("cannot monitor own process")]
    MonitorSelf,
    #[error("cannot send a {what} ({place})")]
    CannotSend { what: &'static str, place: String },
    #[error("cannot send a {what} ({place}): require it inside the function")]
    CannotSendModule { what: &'static str, place: String },
    #[error("cannot send a table with a metatable ({place}): require the module inside the function")]
    CapturedObject { place: String },
    #[error("cannot send a {what} ({place}) to host {host}")]
    CannotSendTo { what: &'static str, place: String, host: String },
    #[error("cannot send a message field ({place}): call it, as in msg:topic()")]
    UncalledField { place: String },
    #[error("{function}: {missing} missing")]
    MissingArguments { function: &'static str, missing: &'static str },
    #[error("not an entry reference (namespace:name): {}", shown(.0))]
    EntryReference(Vec<u8>),
    #[error("not a host reference (namespace:name): {}", shown(.0))]
    HostReference(Vec<u8>),
    #[error("not a scope reference (namespace:name): {}", shown(.0))]
    ScopeReference(Vec<u8>),
    #[error("not a member of {}", shown(.0))]
    NotAMember(Vec<u8>),
    #[error("group name cannot be empty")]
    EmptyGroup,
    #[error("group name too long ({0} bytes, limit 65535)")]
    GroupTooLong(usize),
    #[error("entry not found: {entry}{}", looked_for(.module, .tried))]
    EntryNotFound { entry: String, module: String, tried: Vec<Vec<u8>> },
    #[error("entry {entry}: cannot open {file}: {reason}")]
    CannotOpen { entry: String, file: String, reason: String },
    #[error("entry {entry}: {message}")]
    Syntax { entry: String, message: String },
    #[error("host not found: {}", shown(.0))]
    HostNotFound(Vec<u8>),
    #[error("host is full: {host} (limit {limit})")]
    HostFull { host: String, limit: usize },
    #[error("cannot start process: {0}")]
    CannotStart(String),
    #[error("{field}: {problem}")]
    BadField { field: String, problem: String },
    #[error("{file}:{line}: {problem}")]
    BadIndex { file: String, line: usize, problem: String },
    #[error("host already in use: {0}")]
    HostInUse(String),
    #[error("{function}: invalid duration: {}", shown(.value))]
    InvalidDuration { function: &'static str, value: Vec<u8> },
    #[error("{function}: {}", bare_number(*.number))]
    BareNumber { function: &'static str, number: i64 },
    #[error("{function}: duration must be greater than zero")]
    NotPositive { function: &'static str },
    #[error("{function}: duration must not be negative")]
    Negative { function: &'static str },
    #[error("time.parse: cannot parse {} as {}: {reason}", shown(.value), shown(.layout))]
    CannotParse { layout: Vec<u8>, value: Vec<u8>, reason: String },
    #[error("time.load_location: empty zone name")]
    EmptyZoneName,
    #[error("time.load_location: no such zone: {}", shown(.0))]
    NoSuchZone(Vec<u8>),
    #[error("deadlock: nothing can wake the main process")]
    MainDeadlock,
    #[error("{function} would block the event loop")]
    WouldBlock { function: &'static str },
    #[error("not available on a pool host: {function}")]
    OnPoolHost { function: &'static str },
    #[error("{function}: {reason}: {fd}")]
    BadDescriptor { function: &'static str, reason: String, fd: i64 },
    #[error("poll: unknown mode: {}", shown(.0))]
    UnknownPollMode(Vec<u8>),
    #[error("pollfd: {0}")]
    NoPollfd(String),
    #[error("signals: {0}")]
    CannotCatch(String),
    #[error("signals: no names")]
    NoSignals,
    #[error("signals: unknown signal {}", shown(.0))]
    UnknownSignal(Vec<u8>),
    #[error("signals: used by the library: {0}")]
    OwnSignal(&'static str),
    #[error("cannot wait in a finalizer")]
    WaitInFinalizer,
    #[error("cannot wait in a debug hook while there are other coroutines")]
    WaitInHook,
    #[error("too many nested waits")]
    TooManyWaits,
    #[error("deadlock: waiting for a coroutine that is held up by this wait")]
    HeldUp,
    #[error("set_options: options must be a table")]
    OptionsNotATable,
    #[error("option {name} must be a {wanted}")]
    BadOption { name: String, wanted: &'static str },
    #[error("option stack_size must be a whole number of at most {limit} on host {host}")]
    StackTooLarge { limit: usize, host: String },
    #[error("unknown option: {}{}", shown(.name), suggestion(.name, .known.iter().copied()))]
    UnknownOption { name: Vec<u8>, known: &'static [&'static str] },
    #[error("stack overflow")]
    StackOverflow,
    #[error("process terminated")]
    Terminated,
    #[error("process terminated: cancel deadline passed")]
    DeadlinePassed,
    #[error("entry {entry}: no function {method}")]
    NoMethod { entry: String, method: String },
    #[error("linked process failed: {from}: {}", String::from_utf8_lossy(.reason))]
    LinkedProcessFailed { from: String, origin: String, reason: Vec<u8> },
    #[error("name already registered: {}", shown(.name))]
    NameTaken { name: Vec<u8>, owner: String },
    #[error("name cannot be empty")]
    EmptyName,
    #[error("name too long ({0} bytes, limit 65535)")]
    NameTooLong(usize),
    #[error("name must not look like a PID: {}", shown(.0))]
    NameLikePid(Vec<u8>),
    #[error("scope not available: {0} (single node)")]
    ScopeNotAvailable(&'static str),
    #[error("unknown scope: {0}")]
    UnknownScope(String),
    #[error("invalid pid: {}", shown(.0))]
    InvalidPid(Vec<u8>),
    #[error("name not registered: {}", shown(.0))]
    NameNotRegistered(Vec<u8>),
    #[error("process has not ended within {}: {pid}", duration::format(*.within))]
    NotEnded { pid: String, within: i64 },
    #[error("name not registered within {}: {}", duration::format(*.within), shown(.name))]
    NotRegisteredInTime { name: Vec<u8>, within: i64 },
    #[error("entry function must not be a C function")]
    CFunctionEntry,
    #[error("context key not found: {}", shown(.0))]
    ContextKeyNotFound(Vec<u8>),
    #[error("context key cannot be empty")]
    EmptyContextKey,
    #[error("not allowed on host {host}: {function}")]
    NotAllowed { host: String, function: &'static str },
    #[error(
        "PROCESS_SIGNAL: not the number of a signal that can be used: {} (12 or 23 on Linux, for instance)",
        shown(.0)
    )]
    BadSignal(Vec<u8>),
    #[error("already replied")]
    AlreadyReplied,
    #[error("not a request: {}", shown(.0))]
    NotARequest(Vec<u8>),
    #[error("the caller no longer waits")]
    CallerGone,
    #[error("process ended before it replied: {from}: {}", String::from_utf8_lossy(.reason))]
    CalleeEnded { from: String, reason: Vec<u8>, normal: bool },
    #[error("request dropped without a reply: {}", shown(.0))]
    RequestDropped(Vec<u8>),
    #[error("the listener of {} takes payloads only and cannot reply", shown(.0))]
    PayloadsOnly(Vec<u8>),
    #[error("no reply within {}: {} {}", duration::format(*.within), shown(.destination), shown(.topic))]
    NoReply { within: i64, destination: Vec<u8>, topic: Vec<u8> },
    #[error("process does not stop for a traceback: {pid}")]
    NoTraceback { pid: String, known: Vec<(&'static str, Plain)> },
    #[error("PROCESS_DUMP: not a signal that can be used: {} (QUIT or 3, for instance)", shown(.0))]
    BadDump(Vec<u8>),
    #[error("trace: {}: {reason}", shown(.file))]
    TraceFile { file: Vec<u8>, reason: String },
    #[error("trace: already tracing")]
    AlreadyTracing,
    #[error("trace: not tracing")]
    NotTracing,
    #[error("{function}: only in the main process")]
    OnlyInMain { function: &'static str },
    #[error("not available after fork")]
    AfterFork,
    #[error("not enough memory")]
    OutOfMemory,
    #[error("internal error: {0}")]
    Panic(String),
}

impl Failure {
    /// The kind that `err:kind()` returns.
    pub fn kind(&self) -> Kind {
        use Failure::*;
        match self {
            DestinationNotFound(_)
            | ProcessNotFound(_)
            | NotAListener
            | EntryNotFound { .. }
            | CannotOpen { .. }
            | HostNotFound(_)
            | NoMethod { .. }
            | ContextKeyNotFound(_)
            | NoSuchZone(_)
            | NameNotRegistered(_) => Kind::NotFound,
            OtherMode { .. } | AlreadyReplied | AlreadyTracing | NotTracing => Kind::Conflict,
            NotAllowed { .. } => Kind::PermissionDenied,
            MailboxFull { .. } => Kind::RateLimited,
            HostFull { .. }
            | CannotStart(_)
            | ScopeNotAvailable(_)
            | OnPoolHost { .. }
            | NoPollfd(_)
            | CannotCatch(_)
            | OnlyInMain { .. }
            | AfterFork
            | CalleeEnded { .. }
            | RequestDropped(_) => Kind::Unavailable,
            NameTaken { .. } => Kind::AlreadyExists,
            Terminated | CallerGone => Kind::Canceled,
            DeadlinePassed
            | NoReply { .. }
            | NotEnded { .. }
            | NotRegisteredInTime { .. }
            | NoTraceback { .. } => Kind::Timeout,
            LinkedProcessFailed { .. }
            | StackOverflow
            | OutOfMemory
            | Panic(_)
            | MainDeadlock
            | WaitInFinalizer
            | WaitInHook
            | WouldBlock { .. }
            | TooManyWaits
            | HeldUp => Kind::Internal,
            _ => Kind::Invalid,
        }
    }

    /// Whether the same call may succeed later.
    pub fn retryable(&self) -> bool {
        matches!(
            self,
            Failure::MailboxFull { .. }
                | Failure::HostFull { .. }
                | Failure::CannotStart(_)
                | Failure::NoTraceback { .. }
        )
    }

    fn details(&self) -> Option<Vec<u8>> {
        let fields = self.detail_fields();
        (!fields.is_empty()).then(|| plain::encode(&Plain::Record(fields)))
    }

    fn detail_fields(&self) -> Vec<(&'static str, Plain)> {
        let text = |value: &str| Plain::Text(value.as_bytes().to_vec());
        match self {
            Failure::EntryNotFound { tried, .. } => {
                vec![("tried", Plain::List(tried.iter().cloned().map(Plain::Text).collect()))]
            }
            Failure::NoTraceback { known, .. } => known.clone(),
            Failure::NameTaken { owner, .. } => vec![("existing_pid", text(owner))],
            Failure::LinkedProcessFailed { from, origin, reason } => {
                vec![("from", text(from)), ("origin", text(origin)), ("reason", Plain::Text(reason.clone()))]
            }
            Failure::CalleeEnded { from, reason, normal } => {
                let mut fields = vec![("from", text(from)), ("reason", Plain::Text(reason.clone()))];
                if *normal {
                    fields.push(("normal", Plain::True));
                }
                fields
            }
            _ => Vec::new(),
        }
    }
}

impl From<Failure> for ErrorData {
    fn from(failure: Failure) -> Self {
        let message = match &failure {
            // Quotes bytes of the user's, which need not be UTF-8.
            Failure::LinkedProcessFailed { from, reason, .. } => {
                [format!("linked process failed: {from}: ").as_bytes(), reason].concat()
            }
            Failure::CalleeEnded { from, reason, .. } => {
                [format!("process ended before it replied: {from}: ").as_bytes(), reason].concat()
            }
            other => other.to_string().into_bytes(),
        };
        ErrorData {
            retryable: Some(failure.retryable()),
            details: failure.details(),
            ..ErrorData::new(failure.kind(), message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_cut_and_control_bytes_escaped() {
        assert_eq!(shown(b"plain"), "plain");
        assert_eq!(shown("caf\u{e9}".as_bytes()), "caf\u{e9}");
        assert_eq!(shown(b"a\0b\n\xff"), "a\\000b\\010\\255");
        assert_eq!(shown(&[b'x'; 101]), format!("{}...", "x".repeat(100)));
        assert_eq!(shown(&[b'x'; 100]), "x".repeat(100));
    }

    #[test]
    fn a_number_is_shown_three_times() {
        let failure = Failure::BareNumber { function: "time.sleep", number: 5 };
        assert_eq!(
            failure.to_string(),
            "time.sleep: 5 is 5 nanoseconds; write \"5s\", \"5ms\" or 5 * time.SECOND"
        );
    }
}
