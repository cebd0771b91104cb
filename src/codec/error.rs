//! Error objects as bytes.

use crate::platform::reserve;
use crate::runtime::error::ErrorData;
use crate::wire::{Reader, put_bytes, put_varint};
use std::borrow::Cow;

/// Appends an error object, without a tag.
pub fn put_error(out: &mut Vec<u8>, error: &ErrorData) {
    for part in [&*error.kind, &error.message, &error.stack, &error.thread] {
        put_bytes(out, part);
    }
    put_varint(out, error.contexts.len() as u64);
    for context in &error.contexts {
        put_bytes(out, context);
    }
    out.push(match error.retryable {
        None => 0,
        Some(false) => 1,
        Some(true) => 2,
    });
    match &error.details {
        None => out.push(0),
        Some(details) => {
            out.push(1);
            put_bytes(out, details);
        }
    }
}

/// Bytes that are kept; `None` if there is no memory for them, too.
fn own_bytes(reader: &mut Reader<'_>) -> Option<Vec<u8>> {
    reserve::owned(Cow::Borrowed(reader.bytes()?))
}

/// Reads what [`put_error`] wrote. `None` if there is no memory for it, too.
pub fn read_error(reader: &mut Reader<'_>) -> Option<ErrorData> {
    let kind = Cow::Owned(own_bytes(reader)?);
    let message = own_bytes(reader)?;
    let stack = own_bytes(reader)?;
    let thread = own_bytes(reader)?;
    let count = reader.varint()?;
    let contexts = (0..count).map(|_| own_bytes(reader)).collect::<Option<_>>()?;
    let retryable = match reader.byte()? {
        0 => None,
        code => Some(code == 2),
    };
    let details = match reader.byte()? {
        0 => None,
        _ => Some(own_bytes(reader)?),
    };
    Some(ErrorData { kind, message, contexts, retryable, details, stack, thread, ..ErrorData::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::error::Kind;

    #[test]
    fn an_error_keeps_everything() {
        let mut error = ErrorData::new(Kind::RateLimited, "slow \0 down");
        error.contexts = vec![b"inner".to_vec(), b"outer".to_vec()];
        error.details = Some(vec![1, 2, 3]);
        error.set_stack("{main|1}", b"stack traceback:".to_vec());
        let mut out = Vec::new();
        put_error(&mut out, &error);
        let mut reader = Reader::new(&out);
        assert_eq!(read_error(&mut reader), Some(error));
        assert!(reader.is_empty());
    }
}
