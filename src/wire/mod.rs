//! Values as bytes. Encoding reads the sender's Lua stack, decoding fills the receiver's; neither runs Lua code.
//!
//! An encoded sequence is
//!
//! ```text
//! header   string slots (u8), shared tables (u32), number of values (u32), what it needs ([`Needs`], twice u32),
//!          levels of tables inside each other (u16)
//! values   one after the other
//! fills    FILL id table-body, for tables that stand further down or serve as keys,
//!          or FILL_FUNCTION id captured-locals environment, until the end
//! ```
//!
//! A *string slot* holds a string that occurs again: its first occurrence is marked when the second is met, so that strings
//! which occur once cost nothing. A *shared table* likewise. A reference to a table that is not yet known makes an empty
//! one, which a fill completes later: this is how keys that are tables, and nesting beyond [`DEPTH`], are written
//! without recursion.
//!
//! A *function* of Lua is its binary chunk, and is shared like a table. What it has captured follows in a fill, each captured
//! local under an id of its own, so that two functions that share one share it in the copy. Functions and tables of the standard
//! library and of this one are written by name ([`crate::vm`]'s `standard`).
//!
//! The bytes never leave the program, so there is no version and no promise about them; chunks are never read from elsewhere.
#![deny(unsafe_code)]

// Writes without looking at the room twice.
#[allow(unsafe_code)]
pub mod output;
pub mod plain;
pub mod strings;
pub mod tables;

/// Bytes of the header.
pub const HEADER: usize = 19;

/// Where the needs stand in the header.
pub const NEEDS: usize = 9;

/// Where the levels stand in the header.
pub const LEVELS: usize = 17;

/// Levels of nesting that are written inside each other.
pub const DEPTH: usize = 1000;

/// The first byte of a value. The byte after `STRING` and `STRING_DEF` is the slot; the twelve bytes after `TABLE` and
/// `TABLE_DEF` are the number of items from 1 on, the number of other pairs, and the id, each a `u32`.
#[allow(missing_docs)]
pub mod tag {
    pub const NIL: u8 = 0;
    pub const FALSE: u8 = 1;
    pub const TRUE: u8 = 2;
    pub const INTEGER: u8 = 3;
    pub const FLOAT: u8 = 4;
    pub const STRING: u8 = 5;
    pub const STRING_DEF: u8 = 6;
    pub const STRING_REF: u8 = 7;
    pub const TABLE: u8 = 8;
    pub const TABLE_DEF: u8 = 9;
    pub const TABLE_REF: u8 = 10;
    pub const ERROR: u8 = 11;
    pub const TIME: u8 = 12;
    pub const DURATION: u8 = 13;
    pub const FILL: u8 = 14;
    pub const LOCATION: u8 = 15;
    pub const FUNCTION: u8 = 16;
    pub const NAMED: u8 = 17;
    pub const GLOBALS: u8 = 18;
    pub const FILL_FUNCTION: u8 = 19;
    /// Only in what a process keeps for itself.
    pub const KEPT_STRING: u8 = 20;
    /// The null pointer as a light userdata, with which modules for JSON write `null`.
    pub const NULL: u8 = 21;
    /// A module by its name.
    pub const MODULE: u8 = 22;
    /// The table behind it is the environment of a function: what it lacks is a global.
    pub const ENVIRONMENT: u8 = 23;
}

/// Appends a number of any size, seven bits to a byte, the lowest first (LEB128).
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A signed number such that small ones of either sign are small.
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Undoes [`zigzag`].
pub fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Appends bytes with their length before them.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads what the functions above wrote. Every method gives `None` at the end of the bytes.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the beginning of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// True if everything was read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// One byte.
    #[inline]
    pub fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// The next byte, which stays unread.
    #[inline]
    pub fn next(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// So many bytes.
    #[inline]
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    /// A `u32`.
    #[inline]
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Three `u32`, one after the other.
    #[inline]
    pub fn three(&mut self) -> Option<(u32, u32, u32)> {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = self.array()?;
        Some((
            u32::from_le_bytes([a, b, c, d]),
            u32::from_le_bytes([e, f, g, h]),
            u32::from_le_bytes([i, j, k, l]),
        ))
    }

    /// An `i64`.
    pub fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// A double.
    #[inline]
    pub fn f64(&mut self) -> Option<f64> {
        self.array().map(f64::from_le_bytes)
    }

    /// What [`put_varint`] wrote.
    #[inline]
    pub fn varint(&mut self) -> Option<u64> {
        let first = self.byte()?;
        if first < 0x80 { Some(u64::from(first)) } else { self.rest_of_varint(first) }
    }

    fn rest_of_varint(&mut self, first: u8) -> Option<u64> {
        let mut value = u64::from(first & 0x7f);
        for shift in (7..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// What [`put_bytes`] wrote.
    #[inline]
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.varint()?;
        self.take(usize::try_from(len).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_back() {
        for value in [0, 1, -1, 63, -64, 64, 1 << 40, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            put_varint(&mut out, zigzag(value));
            assert_eq!(Reader::new(&out).varint().map(unzigzag), Some(value));
        }
        assert_eq!(Reader::new(&[0xff; 3]).varint(), None);
        assert_eq!(Reader::new(&[5, 1]).bytes(), None);
    }
}
