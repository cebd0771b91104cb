//! Values that the runtime itself puts together, without a Lua state: the details of its own errors.

use super::{HEADER, LEVELS, put_bytes, put_varint, tag, zigzag};

/// A simple value.
#[derive(Clone, Debug, PartialEq)]
pub enum Plain {
    /// `true`.
    True,
    /// `false`.
    False,
    /// A whole number.
    Whole(i64),
    /// A Duration, in nanoseconds.
    Duration(i64),
    /// A string.
    Text(Vec<u8>),
    /// A table from 1 on.
    List(Vec<Plain>),
    /// A table with string keys.
    Record(Vec<(&'static str, Plain)>),
    /// A table with string keys that are not known before.
    Map(Vec<(Vec<u8>, Plain)>),
}

/// An encoded sequence of this one value.
pub fn encode(value: &Plain) -> Vec<u8> {
    let mut out = vec![0; HEADER];
    out[5..9].copy_from_slice(&1u32.to_le_bytes());
    out[LEVELS] = levels(value);
    put(&mut out, value);
    out
}

/// The encoded table `details` with the field `name = true` as well; a table of its own if there is none, or a list.
pub fn with_flag(details: Option<Vec<u8>>, name: &'static str) -> Vec<u8> {
    // The tag, and the number of items before that of pairs.
    const PAIRS: usize = HEADER + 1 + 4;
    const BODY: usize = HEADER + 1 + 12;
    let is_record = |bytes: &[u8]| {
        bytes.len() >= BODY
            && matches!(bytes[HEADER], tag::TABLE | tag::TABLE_DEF)
            && bytes[HEADER + 1..PAIRS] == [0; 4]
    };
    let Some(mut bytes) = details.filter(|bytes| is_record(bytes)) else {
        return encode(&Plain::Record(vec![(name, Plain::True)]));
    };
    let mut field = Vec::new();
    put_text(&mut field, name.as_bytes());
    field.push(tag::TRUE);
    let mut pairs = [0; 4];
    pairs.copy_from_slice(&bytes[PAIRS..PAIRS + 4]);
    bytes[PAIRS..PAIRS + 4].copy_from_slice(&(u32::from_le_bytes(pairs) + 1).to_le_bytes());
    bytes.splice(BODY..BODY, field);
    bytes
}

/// How many tables stand inside each other at most: a few.
fn levels(value: &Plain) -> u8 {
    match value {
        Plain::True | Plain::False | Plain::Whole(_) | Plain::Duration(_) | Plain::Text(_) => 0,
        Plain::List(items) => 1 + items.iter().map(levels).max().unwrap_or(0),
        Plain::Record(fields) => 1 + fields.iter().map(|(_, value)| levels(value)).max().unwrap_or(0),
        Plain::Map(pairs) => 1 + pairs.iter().map(|(_, value)| levels(value)).max().unwrap_or(0),
    }
}

fn put(out: &mut Vec<u8>, value: &Plain) {
    match value {
        Plain::True => out.push(tag::TRUE),
        Plain::False => out.push(tag::FALSE),
        Plain::Whole(number) => {
            out.push(tag::INTEGER);
            put_varint(out, zigzag(*number));
        }
        Plain::Duration(length) => {
            out.push(tag::DURATION);
            out.extend_from_slice(&length.to_le_bytes());
        }
        Plain::Text(text) => put_text(out, text),
        Plain::List(items) => {
            put_table(out, items.len(), 0);
            items.iter().for_each(|item| put(out, item));
        }
        Plain::Record(fields) => {
            put_table(out, 0, fields.len());
            for (name, value) in fields {
                put_text(out, name.as_bytes());
                put(out, value);
            }
        }
        Plain::Map(pairs) => {
            put_table(out, 0, pairs.len());
            for (key, value) in pairs {
                put_text(out, key);
                put(out, value);
            }
        }
    }
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(&[tag::STRING, 0]);
    put_bytes(out, text);
}

fn put_table(out: &mut Vec<u8>, items: usize, pairs: usize) {
    out.push(tag::TABLE);
    for count in [items, pairs, 0] {
        out.extend_from_slice(&(count as u32).to_le_bytes());
    }
}
