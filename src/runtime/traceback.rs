//! The text of a traceback: written by [`crate::vm::traceback`], and read again for `errors.call_stack` (E-16), so that an error
//! carries its stack in one form only.
//!
//! It looks like the VM's own, the innermost function first:
//!
//! ```text
//! stack traceback:
//!     [C]: in function 'error'
//!     shop/clerk.lua:9: in upvalue 'take'
//!     shop/clerk.lua:14: in function <shop/clerk.lua:12>
//! ```
//!
//! Names and sources are escaped as in error texts, so that a frame is always one line.

use super::failure::shown;
use std::io::Write;

/// The first line.
pub const HEADER: &str = "stack traceback:";

/// Stands before each frame.
const FRAME: &str = "\n\t";

/// What is known of an active function.
pub enum Described<'a> {
    /// It was called by this name; the first part says what kind of name that is.
    Named(&'a str, &'a [u8]),
    /// The main part of a chunk.
    MainChunk,
    /// It was defined in this line of its source.
    Defined(i64),
    /// Nothing.
    Unknown,
}

/// Appends a frame. Without `line`, in C for instance, only the source is shown.
pub fn put_frame(text: &mut Vec<u8>, source: &[u8], line: Option<i64>, function: &Described) {
    let source = shown(source);
    // Writing to a vector never fails.
    let _ = write!(text, "{FRAME}{source}:");
    if let Some(line) = line {
        let _ = write!(text, "{line}:");
    }
    let _ = match function {
        Described::Named(what, name) => write!(text, " in {what} '{}'", shown(name)),
        Described::MainChunk => write!(text, " in main chunk"),
        Described::Defined(line) => write!(text, " in function <{source}:{line}>"),
        Described::Unknown => write!(text, " in ?"),
    };
}

/// Appends a note between two frames.
pub fn put_note(text: &mut Vec<u8>, note: &str) {
    let _ = write!(text, "{FRAME}{note}");
}

/// A frame as `errors.call_stack` shows it.
#[derive(Debug, PartialEq)]
pub struct Frame<'a> {
    /// Name of the file, or the beginning of the source text.
    pub source: &'a str,
    /// The line that was being executed.
    pub line: u32,
    /// The name that the function was called by; that of a chunk is `main chunk`.
    pub name: Option<&'a str>,
}

/// The frames with a line, the innermost first: functions in C and notes are passed over.
pub fn frames(text: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    // Only text that was not written here can be no UTF-8.
    std::str::from_utf8(text).unwrap_or_default().split(FRAME).skip(1).filter_map(read_frame)
}

fn read_frame(text: &str) -> Option<Frame<'_>> {
    const IN: &str = ": in ";
    // A source may contain the same words; what follows the right ones describes a function up to the end of the line.
    let mut places = text.match_indices(IN);
    let (at, name) = places.find_map(|(at, _)| Some((at, read_function(&text[at + IN.len()..])?)))?;
    let (source, line) = text[..at].rsplit_once(':')?;
    Some(Frame { source, line: line.parse().ok()?, name })
}

/// The name in the description of a function, `None` if it is no description.
fn read_function(text: &str) -> Option<Option<&str>> {
    match text {
        "?" => Some(None),
        "main chunk" => Some(Some(text)),
        _ if text.starts_with("function <") && text.ends_with('>') => Some(None),
        _ => {
            let (what, rest) = text.split_once(" '")?;
            let is_kind = what.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b' ');
            is_kind.then_some(Some(rest.strip_suffix('\'')?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(put: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut text = HEADER.as_bytes().to_vec();
        put(&mut text);
        text
    }

    #[test]
    fn frames_look_like_those_of_the_vm() {
        let text = text_of(|text| {
            put_frame(text, b"[C]", None, &Described::Named("function", b"error"));
            put_frame(text, b"a.lua", Some(9), &Described::Named("upvalue", b"take"));
            put_frame(text, b"a.lua", Some(14), &Described::Defined(12));
            put_note(text, "(...tail calls...)");
            put_frame(text, b"a.lua", Some(20), &Described::MainChunk);
            put_frame(text, b"[C]", None, &Described::Unknown);
        });
        let lines: Vec<_> = std::str::from_utf8(&text).unwrap().lines().collect();
        let expected = [
            "stack traceback:",
            "\t[C]: in function 'error'",
            "\ta.lua:9: in upvalue 'take'",
            "\ta.lua:14: in function <a.lua:12>",
            "\t(...tail calls...)",
            "\ta.lua:20: in main chunk",
            "\t[C]: in ?",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_has_a_line_is_read_again() {
        let sources =
            ["a.lua", "./dir with space/b: c.lua", "[string \"x = t['a']:b() --: in ...\"]", "x:1: in y"];
        let names: [&[u8]; 4] = [b"take", b"a:1: in function 'x'", b"it's here", b""];
        for source in sources {
            for name in names {
                let text = text_of(|text| {
                    put_frame(text, b"[C]", None, &Described::Named("function", name));
                    put_frame(text, source.as_bytes(), Some(7), &Described::Named("for iterator", name));
                    put_note(text, "...\t(skipping 5 levels)");
                    put_frame(text, source.as_bytes(), Some(8), &Described::Defined(3));
                    put_frame(text, source.as_bytes(), Some(9), &Described::MainChunk);
                    put_frame(text, source.as_bytes(), None, &Described::Unknown);
                });
                let name = std::str::from_utf8(name).unwrap();
                let frame = |line, name| Frame { source, line, name };
                let expected = [frame(7, Some(name)), frame(8, None), frame(9, Some("main chunk"))];
                assert_eq!(frames(&text).collect::<Vec<_>>(), expected);
            }
        }
    }

    #[test]
    fn a_frame_is_one_line_whatever_the_name() {
        let text = text_of(|text| {
            put_frame(text, b"a\n\tb:1: in ?", Some(1), &Described::Named("field", b"x\n\ty:2: in ?\xff"));
        });
        let found: Vec<_> = frames(&text).collect();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].name, Some("x\\010\\009y:2: in ?\\255"));
    }

    #[test]
    fn strange_text_gives_no_frames() {
        for text in
            ["", HEADER, "\n\t", "\n\t: in ?", "\n\ta:99999999999: in ?", "\n\ta:1: in b", "a:1: in ?"]
        {
            assert_eq!(frames(text.as_bytes()).count(), 0, "{text:?}");
        }
        assert_eq!(frames(b"\n\t\xff:1: in ?").count(), 0);
    }
}
