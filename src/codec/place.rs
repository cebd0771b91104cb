//! Where inside a value something stands, as error texts show it: `argument 3, [1].on_sale`.

use crate::vm::api::*;
use std::ffi::c_int;

/// Places are followed up to about this length, in bytes: error texts cut them anyway, and a chain of a million functions that
/// capture each other must not cost a million long texts.
pub const LONG_ENOUGH: usize = 200;

/// Where a value that is encoded comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Origin {
    /// This argument of the call, counted from 1.
    Argument(c_int),
    /// What `main` returned.
    Result,
    /// Details of an error.
    Details,
    /// A function that is the entry of a process, and the arguments after it.
    Entry,
    /// The function that a process goes on with, and its arguments.
    OwnEntry,
    /// A function that an entry is defined by.
    Definition,
    /// Context values.
    Context,
}

impl Origin {
    /// How many of the values, from the first one on, are entries: what these capture crosses by other rules (V-25, V-26).
    pub fn entries(self) -> c_int {
        c_int::from(matches!(self, Origin::Entry | Origin::OwnEntry | Origin::Definition))
    }
}

/// The beginning of a place.
pub fn start(origin: Origin) -> String {
    match origin {
        Origin::Argument(number) => format!("argument {number}"),
        Origin::Result => "result".into(),
        Origin::Details => "details".into(),
        Origin::Entry | Origin::OwnEntry => "argument 1".into(),
        Origin::Definition => "argument 2".into(),
        Origin::Context => "context".into(),
    }
}

/// The place of a part of what stands at `place`.
pub fn inside(place: &str, part: &str) -> String {
    if place.len() > LONG_ENOUGH { place.to_owned() } else { format!("{place}, {part}") }
}

/// Appends the step to the value under the key at `index`.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// `index` is valid. Nothing is pushed, nothing raises.
pub unsafe fn step(path: &mut String, l: *mut lua_State, index: c_int) {
    // SAFETY: own state; so below.
    let key = match unsafe { lua_type(l, index) } {
        LUA_TSTRING => {
            // SAFETY: the bytes are used while the string stands there.
            let bytes = unsafe { to_bytes(l, index) }.unwrap_or_default();
            if bytes.len() <= 100 && is_name(bytes) {
                path.push('.');
                path.push_str(&String::from_utf8_lossy(bytes));
                return;
            }
            format!("{:?}", crate::runtime::failure::shown(bytes))
        }
        // SAFETY: as above.
        LUA_TNUMBER => match unsafe { to_whole(l, index) } {
            Some(whole) => whole.to_string(),
            // SAFETY: as above.
            None => unsafe { lua_tonumber(l, index) }.to_string(),
        },
        // SAFETY: as above.
        LUA_TBOOLEAN => (unsafe { lua_toboolean(l, index) } != 0).to_string(),
        _ => "table".into(),
    };
    path.push_str(&format!("[{key}]"));
}

/// The place of the value on top of a walk through the table at `base`: the keys on the stack are the way to it.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// As [`step`], for the keys of `depth` levels from `base` on.
pub unsafe fn path(l: *mut lua_State, base: c_int, depth: usize, start: Place) -> String {
    let mut steps = String::new();
    for level in 0..depth {
        // SAFETY: the keys stand there.
        unsafe { step(&mut steps, l, base + 1 + 2 * level as c_int) };
        if steps.len() > LONG_ENOUGH {
            break;
        }
    }
    start.followed_by(&steps)
}

/// The place of a key in such a walk: the way to its table.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// As [`path`].
pub unsafe fn key_path(l: *mut lua_State, base: c_int, depth: usize, start: Place) -> String {
    let mut steps = String::new();
    for level in 0..depth - 1 {
        // SAFETY: the keys stand there.
        unsafe { step(&mut steps, l, base + 1 + 2 * level as c_int) };
        if steps.len() > LONG_ENOUGH {
            break;
        }
    }
    if start.text.len() > LONG_ENOUGH {
        return start.text;
    }
    let start = start.text;
    if steps.is_empty() { format!("{start}, key of the table") } else { format!("{start}, key of {steps}") }
}

/// Where a walk begins, as error texts show it.
pub struct Place {
    /// `argument 3`, or how far the path has come.
    pub text: String,
    /// The path inside tables has begun: further steps follow without a comma.
    pub under_way: bool,
}

impl Place {
    /// A place inside which a path of its own begins.
    pub fn begun(text: String) -> Self {
        Place { text, under_way: false }
    }

    fn followed_by(self, steps: &str) -> String {
        if self.text.len() > LONG_ENOUGH {
            return self.text;
        }
        let comma = if self.under_way || steps.is_empty() { "" } else { ", " };
        format!("{}{comma}{steps}", self.text)
    }
}

fn is_name(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && !bytes[0].is_ascii_digit()
        && bytes.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
