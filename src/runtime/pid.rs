//! Names of processes: a number that is never used again, and the text `{host|number}` that users see.

use rustc_hash::FxHashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of one process, unique for the life of the OS process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId(u64);

impl ProcessId {
    /// Draws the next number; the first is 1.
    pub fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        ProcessId(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// The number itself, for spreading over shards.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The process number that [`ProcessId::number`] gave.
    pub(super) fn of_number(number: u64) -> Self {
        ProcessId(number)
    }

    /// The PID text of this process on `host`.
    pub fn text(self, host: &str) -> Box<str> {
        format!("{{{host}|{self}}}").into_boxed_str()
    }

    /// The number inside a PID text, `None` if the text is not of the form `{host|number}`.
    fn parse(text: &[u8]) -> Option<Self> {
        let inner = text.strip_prefix(b"{")?.strip_suffix(b"}")?;
        let bar = inner.iter().rposition(|&byte| byte == b'|')?;
        let digits = std::str::from_utf8(&inner[bar + 1..]).ok()?;
        if digits.starts_with('+') {
            return None;
        }
        u64::from_str_radix(digits, 16).ok().map(ProcessId)
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// What is known of a process that has a PID.
pub trait HasPid {
    /// The PID text.
    fn pid(&self) -> &str;
}

impl HasPid for Box<str> {
    fn pid(&self) -> &str {
        self
    }
}

/// What `find` knows of the process that a PID stands for. A PID is read in one way everywhere: the number finds the process,
/// the whole text decides.
pub fn resolve<P: HasPid>(text: &[u8], find: impl FnOnce(ProcessId) -> Option<P>) -> Option<P> {
    find(ProcessId::parse(text)?).filter(|found| found.pid().as_bytes() == text)
}

/// The host in a PID text.
pub fn host_of(text: &[u8]) -> Option<&str> {
    let inner = text.strip_prefix(b"{")?.strip_suffix(b"}")?;
    let bar = inner.iter().rposition(|&byte| byte == b'|')?;
    std::str::from_utf8(&inner[..bar]).ok()
}

/// As [`resolve`], takes it out of what is `known`.
pub fn remove<P: HasPid>(known: &mut FxHashMap<ProcessId, P>, text: &[u8]) -> Option<P> {
    let id = ProcessId::parse(text)?;
    known.get(&id).filter(|found| found.pid().as_bytes() == text)?;
    known.remove(&id)
}

/// True if a destination is meant as a PID: it begins with `{` and ends with `}`.
pub fn looks_like_pid(text: &[u8]) -> bool {
    text.len() >= 2 && text.starts_with(b"{") && text.ends_with(b"}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_in_a_text() {
        assert_eq!(host_of(b"{app:a|b|1f}"), Some("app:a|b"));
        for bad in ["", "{}", "{a:b}", "a:b|1"] {
            assert_eq!(host_of(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn text_and_back() {
        let id = ProcessId(0x1f);
        assert_eq!(&*id.text("app:processes"), "{app:processes|1f}");
        assert_eq!(ProcessId::parse(b"{app:processes|1f}"), Some(id));
        for bad in ["", "{}", "{a:b|}", "{a:b|zz}", "a:b|1", "{a:b|+1}", "{a:b|1}x", "{|fffffffffffffffff}"] {
            assert_eq!(ProcessId::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
