//! Finding and reading index files.

use crate::platform::reason;
use crate::runtime::failure::{Failure, shown};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What index files are called.
const INDEX: &str = "_index.yaml";

/// The largest file that is read, in bytes.
const MOST_BYTES: u64 = 4 << 20;

fn failure(path: &Path, problem: impl Into<String>) -> Failure {
    Failure::BadField { field: shown(path.as_os_str().as_encoded_bytes()), problem: problem.into() }
}

fn cannot_open(path: &Path, error: &io::Error) -> Failure {
    failure(path, format!("cannot open: {}", reason(error)))
}

/// The path itself unless it is a directory, else all index files below it, sorted.
///
/// Links to directories below it are not followed, so that links in a circle are no matter; links to files are.
///
/// # Errors
/// The path, or a directory below it, cannot be read.
pub fn find(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !fs::metadata(path).map_err(|error| cannot_open(path, &error))?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let unreadable = |error: io::Error| cannot_open(&folder, &error);
        for item in fs::read_dir(&folder).map_err(unreadable)? {
            let item = item.map_err(unreadable)?;
            if item.file_type().map_err(unreadable)?.is_dir() {
                folders.push(item.path());
            } else if item.file_name() == INDEX {
                found.push(item.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The bytes of an index file.
///
/// # Errors
/// It cannot be read, is no regular file (a pipe would make the caller wait), or is too large.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: io::Error| cannot_open(path, &error);
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(failure(path, "not a regular file"));
    }
    let mut text = Vec::new();
    File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut text)).map_err(unreadable)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(failure(path, format!("too large (limit {MOST_BYTES} bytes)")));
    }
    Ok(text)
}
