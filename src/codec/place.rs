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
    /// Context values.
    Context,
}

/// The beginning of a place.
pub fn start(origin: Origin) -> String {
    match origin {
        Origin::Argument(number) => format!("argument {number}"),
        Origin::Result => "result".into(),
        Origin::Details => "details".into(),
        Origin::Entry => "argument 1".into(),
        Origin::Context => "context".into(),
    }
}

/// The place of a part of what stands at `place`.
pub fn inside(place: &str, part: &str) -> String {
    if place.len() > LONG_ENOUGH { place.to_owned() } else { format!("{place}, {part}") }
}

/// Appends the step to the value under the key at `index`.
///
/// # Safety
/// `index` is valid. Nothing is pushed, nothing raises.
pub unsafe fn step(path: &mut String, l: *mut lua_State, index: c_int) {
    let key = match lua_type(l, index) {
        LUA_TSTRING => {
            let bytes = to_bytes(l, index).unwrap_or_default();
            if bytes.len() <= 100 && is_name(bytes) {
                path.push('.');
                path.push_str(&String::from_utf8_lossy(bytes));
                return;
            }
            format!("{:?}", crate::runtime::failure::shown(bytes))
        }
        LUA_TNUMBER => match to_whole(l, index) {
            Some(whole) => whole.to_string(),
            None => lua_tonumber(l, index).to_string(),
        },
        LUA_TBOOLEAN => (lua_toboolean(l, index) != 0).to_string(),
        _ => "table".into(),
    };
    path.push_str(&format!("[{key}]"));
}

fn is_name(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && !bytes[0].is_ascii_digit()
        && bytes.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
