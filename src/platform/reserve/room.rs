//! Asks beforehand whether the system has memory for what comes next.

use super::super::address_space;
use super::pool::LARGE;
use super::probe::{can_be_had, can_be_had_scattered};
use super::store::is_short;
use std::borrow::Cow;
use std::sync::Arc;

/// Bytes that a new process leaves to the rest of the program, which may need them to go on.
const BESIDE_A_BIRTH: usize = 1 << 20;

/// Whether there is memory for so many bytes of the user's that are going to be copied.
#[inline]
pub fn has_room_for(bytes: usize) -> bool {
    bytes < LARGE || can_be_had(bytes)
}

/// Whether there is memory for one more process. Looks closer only where address space is limited.
#[inline]
pub fn has_room_for_process() -> bool {
    !is_short() && (address_space::has(BESIDE_A_BIRTH) || can_be_had_scattered(BESIDE_A_BIRTH))
}

/// The bytes as one's own; `None` if there is no memory for a copy.
pub fn owned(bytes: Cow<'_, [u8]>) -> Option<Vec<u8>> {
    match bytes {
        Cow::Owned(bytes) => Some(bytes),
        Cow::Borrowed(bytes) => {
            let mut copy = Vec::new();
            copy.try_reserve_exact(bytes.len()).ok()?;
            copy.extend_from_slice(bytes);
            Some(copy)
        }
    }
}

/// The bytes for many; `None` if there is no memory for a copy.
pub fn shared(bytes: &[u8]) -> Option<Arc<[u8]>> {
    has_room_for(bytes.len()).then(|| bytes.into())
}
