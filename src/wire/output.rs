//! The bytes of an encoding while they are written: a buffer that never panics and never grows beyond a limit. A write that
//! finds no room leaves a mark behind, which the encoder looks at from time to time.

use std::borrow::Cow;
use std::ptr;

/// Payloads from this size on, in bytes, leave with the buffer they were written into instead of being copied.
const LARGE: usize = 16 << 10;

/// A buffer larger than this, in bytes, is not kept for the next encoding.
const KEPT: usize = 1 << 20;

/// The bytes of one encoding.
pub struct Output {
    bytes: Vec<u8>,
    limit: usize,
    failed: bool,
}

impl Default for Output {
    /// An empty buffer without memory and without a limit.
    fn default() -> Self {
        Output { bytes: Vec::new(), limit: usize::MAX, failed: false }
    }
}

impl Output {
    /// From now on it takes at most `limit` bytes.
    pub fn limit_to(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Empties it for the next encoding.
    pub fn clear(&mut self) {
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.failed = false;
    }

    /// Frees its memory.
    pub fn release(&mut self) {
        self.bytes = Vec::new();
    }

    /// Bytes written so far.
    #[inline(always)]
    pub fn written(&self) -> usize {
        self.bytes.len()
    }

    /// True if something could not be written.
    #[inline(always)]
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// What was written. A large sequence is moved out.
    pub fn finished(&mut self) -> Cow<'_, [u8]> {
        let spare = self.bytes.capacity() - self.bytes.len();
        if self.bytes.len() >= LARGE && spare <= self.bytes.len() / 4 {
            Cow::Owned(std::mem::take(&mut self.bytes))
        } else {
            Cow::Borrowed(&self.bytes)
        }
    }

    /// Whether so many bytes can be written.
    #[inline(always)]
    pub fn has_room(&mut self, count: usize) -> bool {
        self.bytes.capacity() - self.bytes.len() >= count || self.grow(count)
    }

    #[cold]
    fn grow(&mut self, count: usize) -> bool {
        count <= self.limit.saturating_sub(self.bytes.len()) && self.bytes.try_reserve(count).is_ok()
    }

    /// Writes a few bytes whose number is known when this is compiled.
    #[inline(always)]
    pub fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        if self.has_room(N) {
            let len = self.bytes.len();
            // SAFETY: there is room for N bytes behind the end.
            unsafe {
                self.bytes.as_mut_ptr().add(len).cast::<[u8; N]>().write(bytes);
                self.bytes.set_len(len + N);
            }
        } else {
            self.failed = true;
        }
    }

    /// Writes a tag and a number behind it.
    #[inline(always)]
    pub fn put_tagged(&mut self, tag: u8, number: u32) {
        let [a, b, c, d] = number.to_le_bytes();
        self.put([tag, a, b, c, d]);
    }

    /// Writes bytes.
    #[inline(always)]
    pub fn put_slice(&mut self, bytes: &[u8]) {
        if self.has_room(bytes.len()) {
            let len = self.bytes.len();
            // SAFETY: there is room for the bytes behind the end.
            unsafe {
                ptr::copy_nonoverlapping(bytes.as_ptr(), self.bytes.as_mut_ptr().add(len), bytes.len());
                self.bytes.set_len(len + bytes.len());
            }
        } else {
            self.failed = true;
        }
    }

    /// Replaces a byte that was written before.
    #[inline(always)]
    pub fn patch(&mut self, at: usize, byte: u8) {
        if let Some(place) = self.bytes.get_mut(at) {
            *place = byte;
        }
    }

    /// Replaces four bytes that were written before by a number.
    #[inline(always)]
    pub fn patch_u32(&mut self, at: usize, value: u32) {
        if let Some(place) = self.bytes.get_mut(at..at + 4) {
            place.copy_from_slice(&value.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_up_to_its_limit_and_no_further() {
        let mut output = Output::default();
        output.limit_to(100);
        output.put_slice(&[1; 90]);
        assert!(!output.has_failed());
        output.put_slice(&[2; 11]);
        assert!(output.has_failed() && output.written() == 90);
        output.clear();
        output.put_tagged(7, 0x0403_0201);
        output.patch(0, 8);
        assert_eq!(&*output.finished(), [8, 1, 2, 3, 4]);
    }

    #[test]
    fn only_what_is_large_and_fills_its_buffer_is_moved_out() {
        let mut output = Output::default();
        output.put_slice(&[1; LARGE]);
        assert!(matches!(output.finished(), Cow::Owned(bytes) if bytes.len() == LARGE));
        assert_eq!(output.written(), 0);
        assert!(output.has_room(2 * LARGE));
        output.put_slice(&[1; LARGE]);
        assert!(matches!(output.finished(), Cow::Borrowed(bytes) if bytes.len() == LARGE));
    }
}
