//! The code of entries: found, compiled in the process that spawns (so that it learns of a syntax error), and shared as a
//! binary chunk with debug information by all processes that run it.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use crate::platform::{bytes_to_path, reason, reserve};
use crate::runtime::entry::{self, DEFAULT_METHOD, Definition, Source};
use crate::runtime::failure::{Failure, shown};
use crate::vm::api::*;
use crate::vm::startup::{Code, Program};
use once_cell::sync::Lazy;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::ffi::{CString, c_int};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use std::{fs, io};

/// `SOURCE:LINE` of the Lua function at `index`.
///
/// Stack: 0, room for 1
/// Raises: never
///
/// # Safety
/// The stack has room for a value.
pub unsafe fn function_name(l: *mut lua_State, index: c_int) -> String {
    let mut debug = std::mem::zeroed::<lua_Debug>();
    lua_pushvalue(l, index);
    lua_getinfo(l, c">S".as_ptr(), &mut debug);
    let source = std::ffi::CStr::from_ptr(debug.short_src.as_ptr()).to_string_lossy();
    format!("{source}:{}", debug.linedefined)
}

/// Finds and compiles the code of an entry. `text_only`: it must not be a binary chunk, which could do harm.
///
/// # Errors
/// Unknown entry, unreadable file, syntax error, or a binary chunk where only text is allowed.
///
/// Stack: 0, room for 4
/// Raises: memory
///
/// # Safety
/// The stack has room for four values; nothing is left on it.
pub unsafe fn find(l: *mut lua_State, reference: &str, text_only: bool) -> Result<Code, Failure> {
    let definition = entry::definition(reference);
    let (method, imports) = match definition.as_deref() {
        Some(Definition { method, imports, .. }) => (method.clone(), imports.clone()),
        None => (DEFAULT_METHOD.to_owned(), Vec::new()),
    };
    let module = match definition.as_deref().map(|definition| &definition.source) {
        Some(Source::Binary(_)) if text_only => return Err(binary_chunk(reference)),
        Some(Source::Text(chunk) | Source::Binary(chunk)) => {
            let module = entry::module_name(reference);
            let program = Program::Chunk(Arc::clone(chunk));
            return Ok(Code { module, file: None, program, method, imports });
        }
        Some(Source::Function(function)) => {
            let program = Program::Function(Arc::clone(function));
            return Ok(Code::of_function(entry::module_name(reference), program));
        }
        Some(Source::File(path)) => {
            let chunk = compile_file(l, reference, path, text_only)?;
            let file = path.to_string_lossy().into_owned().into_bytes();
            let program = Program::Chunk(chunk);
            return Ok(Code {
                module: entry::module_name(reference),
                file: Some(file),
                program,
                method,
                imports,
            });
        }
        Some(Source::Module(name)) => name.clone(),
        None => entry::module_name(reference),
    };
    let path = package_field(l, c"path").unwrap_or_default();
    match search(&module, &path) {
        Ok(file) => {
            let chunk = compile_file(l, reference, &bytes_to_path(&file), text_only)?;
            Ok(Code { module, file: Some(file), program: Program::Chunk(chunk), method, imports })
        }
        Err(tried) => Err(Failure::EntryNotFound { entry: shown(reference.as_bytes()), module, tried }),
    }
}

/// `package.path` or another string of the table `package`, whatever global names stand for now.
///
/// Stack: 0, room for 3
/// Raises: memory
///
/// # Safety
/// The stack has room for three values.
pub unsafe fn package_field(l: *mut lua_State, name: &std::ffi::CStr) -> Option<Vec<u8>> {
    let top = lua_gettop(l);
    push_loaded_modules(l);
    let mut found = None;
    if lua_type(l, -1) == LUA_TTABLE && raw_field(l, -1, c"package") == LUA_TTABLE {
        raw_field(l, -1, name);
        found = to_bytes(l, -1).map(<[u8]>::to_vec);
    }
    lua_settop(l, top);
    found
}

/// The file that `package.searchpath(module, path)` would find, or all that were tried.
///
/// # Errors
/// The files tried, if none can be read.
pub fn search(module: &str, path: &[u8]) -> Result<Vec<u8>, Vec<Vec<u8>>> {
    let name = module.replace('.', std::path::MAIN_SEPARATOR_STR);
    let mut tried = Vec::new();
    for template in path.split(|&byte| byte == b';').filter(|template| !template.is_empty()) {
        let mut file = Vec::new();
        for (position, part) in template.split(|&byte| byte == b'?').enumerate() {
            if position > 0 {
                file.extend_from_slice(name.as_bytes());
            }
            file.extend_from_slice(part);
        }
        if fs::File::open(bytes_to_path(&file)).is_ok() {
            return Ok(file);
        }
        tried.push(file);
    }
    Err(tried)
}

/// A compiled file, valid as long as the file looks the same.
struct Compiled {
    len: u64,
    modified: Option<SystemTime>,
    binary: bool,
    chunk: Arc<[u8]>,
}

static FILES: Lazy<Mutex<FxHashMap<PathBuf, Compiled>>> = Lazy::new(Default::default);

/// Whether code is a binary chunk.
pub fn is_binary(code: &[u8]) -> bool {
    code.starts_with(b"\x1b")
}

fn binary_chunk(reference: &str) -> Failure {
    let message = "attempt to load a binary chunk (mode is 't')".into();
    Failure::Syntax { entry: reference.into(), message }
}

/// The chunk of a file, compiled unless it is known.
///
/// Stack: 0, room for 1
/// Raises: never
///
/// # Safety
/// Own state.
unsafe fn compile_file(
    l: *mut lua_State,
    reference: &str,
    path: &Path,
    text_only: bool,
) -> Result<Arc<[u8]>, Failure> {
    let cannot_open = |error: io::Error| Failure::CannotOpen {
        entry: reference.into(),
        file: shown(path.as_os_str().as_encoded_bytes()),
        reason: reason(&error),
    };
    let data = fs::metadata(path).map_err(cannot_open)?;
    let (len, modified) = (data.len(), data.modified().ok());
    if let Some(known) = FILES.lock().get(path)
        && known.len == len
        && known.modified == modified
    {
        return if known.binary && text_only {
            Err(binary_chunk(reference))
        } else {
            Ok(Arc::clone(&known.chunk))
        };
    }
    let text = fs::read(path).map_err(cannot_open)?;
    let name = [b"@", path.as_os_str().as_encoded_bytes()].concat();
    let code = without_first_comment(&text);
    let binary = is_binary(code);
    if binary && text_only {
        return Err(binary_chunk(reference));
    }
    let chunk = compile(l, reference, code, &name, c"bt")?;
    // A file that changes while we look at it is read anew next time: its time stamp is newer than ours.
    FILES.lock().insert(path.to_owned(), Compiled { len, modified, binary, chunk: Arc::clone(&chunk) });
    Ok(chunk)
}

/// As `loadfile` does: a byte order mark and a first line that begins with `#` are passed over; the line stays counted.
fn without_first_comment(text: &[u8]) -> &[u8] {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    if !text.starts_with(b"#") {
        return text;
    }
    let line = text.iter().position(|&byte| byte == b'\n').unwrap_or(text.len());
    match text.get(line + 1..) {
        // A binary chunk must begin at once.
        Some(rest) if rest.starts_with(b"\x1b") => rest,
        _ => &text[line..],
    }
}

/// Compiles a chunk of the name (with `@` or `=` before it) to its binary form.
///
/// # Errors
/// A syntax error.
///
/// Stack: 0, room for 1
/// Raises: never
///
/// # Safety
/// The stack has room for a value; nothing is left on it.
pub unsafe fn compile(
    l: *mut lua_State,
    reference: &str,
    text: &[u8],
    name: &[u8],
    mode: &std::ffi::CStr,
) -> Result<Arc<[u8]>, Failure> {
    let name = CString::new(name).unwrap_or_default();
    let status: c_int = load(l, text, &name, mode);
    let result = match status {
        LUA_OK => {
            let chunk = dump(l);
            let chunk = if chunk.is_empty() { None } else { reserve::shared(&chunk) };
            chunk.ok_or(Failure::OutOfMemory)
        }
        LUA_ERRMEM => Err(Failure::OutOfMemory),
        _ => Err(Failure::Syntax {
            entry: reference.into(),
            message: String::from_utf8_lossy(to_bytes(l, -1).unwrap_or_default()).into_owned(),
        }),
    };
    lua_pop(l, 1);
    result
}
