//! Error values as data: what an error object holds, and how it crosses from one process to another.

use crate::wire::plain;
use std::borrow::Cow;

/// The kinds of error that the library itself gives; users may invent others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing of that name.
    NotFound,
    /// The name is taken.
    AlreadyExists,
    /// An argument that can never be right.
    Invalid,
    /// Not permitted here.
    PermissionDenied,
    /// Not possible now.
    Unavailable,
    /// A failure of the code that ran.
    Internal,
    /// Ended on request.
    Canceled,
    /// Contradicts an earlier call.
    Conflict,
    /// Too late.
    Timeout,
    /// Too much at once.
    RateLimited,
    /// No kind given.
    Unknown,
}

impl Kind {
    /// The string that `err:kind()` returns.
    pub const fn text(self) -> &'static str {
        match self {
            Kind::NotFound => "NotFound",
            Kind::AlreadyExists => "AlreadyExists",
            Kind::Invalid => "Invalid",
            Kind::PermissionDenied => "PermissionDenied",
            Kind::Unavailable => "Unavailable",
            Kind::Internal => "Internal",
            Kind::Canceled => "Canceled",
            Kind::Conflict => "Conflict",
            Kind::Timeout => "Timeout",
            Kind::RateLimited => "RateLimited",
            Kind::Unknown => "",
        }
    }
}

/// Everything an error object holds. Immutable once made; shared by `Arc`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorData {
    /// The kind, a string of the user's or one of [`Kind`].
    pub kind: Cow<'static, [u8]>,
    /// The message without contexts.
    pub message: Vec<u8>,
    /// Contexts added by `errors.wrap`, the oldest first.
    pub contexts: Vec<Vec<u8>>,
    /// Whether trying again may help; `None` if not known.
    pub retryable: Option<bool>,
    /// Extra data as encoded by the codec.
    pub details: Option<Vec<u8>>,
    /// Traceback text, empty if there is none.
    pub stack: Vec<u8>,
    /// PID of the process that the stack is of, empty if there is none.
    pub thread: Vec<u8>,
    /// Where the call stands that has returned it, as `FILE:LINE`; only in main processes, and it does not cross.
    pub returned_at: Vec<u8>,
}

impl ErrorData {
    /// An error of the library's own: not retryable, without details and stack.
    pub fn new(kind: Kind, message: impl Into<Vec<u8>>) -> Self {
        ErrorData {
            kind: Cow::Borrowed(kind.text().as_bytes()),
            message: message.into(),
            retryable: Some(false),
            ..ErrorData::default()
        }
    }

    /// Bytes of memory it takes.
    pub fn size(&self) -> usize {
        let contexts: usize = self.contexts.iter().map(|context| context.len() + size_of::<Vec<u8>>()).sum();
        let details = self.details.as_ref().map_or(0, Vec::len);
        let texts = self.message.len() + self.stack.len() + self.thread.len() + self.kind.len();
        size_of::<ErrorData>() + contexts + details + texts
    }

    /// Sets where it happened: the stack, and the PID of its process.
    pub fn set_stack(&mut self, pid: &str, stack: Vec<u8>) {
        self.thread = if stack.is_empty() { Vec::new() } else { pid.into() };
        self.stack = stack;
    }

    /// The same error, of a process that was given up: its details say so.
    pub fn of_abandoned(self) -> Self {
        let details = Some(plain::with_flag(self.details, "abandoned"));
        ErrorData { details, ..self }
    }

    /// The text that `tostring` shows: contexts, the newest first, then the message, joined by `": "`.
    /// If there is no memory for it, it says so.
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let size = self.contexts.iter().map(|context| context.len() + 2).sum::<usize>() + self.message.len();
        if text.try_reserve_exact(size).is_err() {
            return b"not enough memory".to_vec();
        }
        for context in self.contexts.iter().rev() {
            text.extend_from_slice(context);
            text.extend_from_slice(b": ");
        }
        text.extend_from_slice(&self.message);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_stand_before_the_message_newest_first() {
        let mut error = ErrorData::new(Kind::Internal, "disk full");
        error.contexts = vec![b"writing".to_vec(), b"saving".to_vec()];
        assert_eq!(error.text(), b"saving: writing: disk full");
    }
}
