//! Wippy's `_index.yaml`: what such files say about entries and hosts, as plain data (H-10, H-11, H-28).
//!
//! `process.load` calls [`load`] and defines what that returns. Nothing here compiles, defines or starts anything.

mod entries;
mod files;
mod yaml;

use crate::platform::reserve;
use crate::runtime::failure::{Failure, shown};
use crate::runtime::host::Settings;
use rustc_hash::FxHashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What one or several index files define.
#[derive(Debug, Default)]
pub struct Index {
    /// Entries of the kinds `process.lua`, `function.lua`, `library.lua`.
    pub entries: Vec<Entry>,
    /// Hosts: entries of the kind `process.host`.
    pub hosts: Vec<Host>,
    /// Scopes of process groups: references of entries of the kind `pg.scope`.
    pub scopes: Vec<String>,
    /// All others, as `namespace:name (kind)`.
    pub skipped: Vec<String>,
}

/// An entry with code.
#[derive(Debug, PartialEq)]
pub struct Entry {
    /// `namespace:name`, well-formed.
    pub reference: String,
    /// Where its code is.
    pub code: Code,
    /// The function of the chunk's table that is called.
    pub method: String,
    /// Alias and entry reference.
    pub imports: Vec<(String, String)>,
}

/// The code of an entry.
#[derive(Debug, PartialEq)]
pub enum Code {
    /// A file, by its absolute path; it need not exist yet.
    File(PathBuf),
    /// Source text that stands in the index file.
    Text {
        /// The text.
        text: String,
        /// Where it begins.
        place: Place,
    },
}

/// A host.
#[derive(Debug, PartialEq)]
pub struct Host {
    /// `namespace:name`, well-formed.
    pub reference: String,
    /// Its limits.
    pub settings: Settings,
    /// Where it stands.
    pub place: Place,
}

/// A line of an index file.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The file, as error texts name it.
    pub file: Arc<Path>,
    /// The line, from 1.
    pub line: usize,
}

impl Place {
    /// The failure that says what is wrong there.
    pub fn failure(&self, problem: impl Into<String>) -> Failure {
        let file = shown(self.file.as_os_str().as_encoded_bytes());
        Failure::BadIndex { file, line: self.line, problem: problem.into() }
    }
}

/// What is wrong in a file, and in which line.
#[derive(Debug)]
struct Problem {
    line: usize,
    text: String,
}

impl Problem {
    fn new(line: usize, text: impl Into<String>) -> Self {
        Problem { line, text: text.into() }
    }
}

/// Bytes that the tree of a file takes at most for each of its bytes, about.
const TREE: usize = 32;

/// Reads an index file, or every `_index.yaml` below a directory, in the order of their paths.
///
/// # Errors
/// The first thing that is wrong: a file or directory that cannot be read, a file that is no index, a reference that stands
/// there twice.
pub fn load(path: &Path) -> Result<Index, Failure> {
    let mut index = Index::default();
    let mut seen = FxHashSet::default();
    for file in files::find(path)? {
        let text = files::read(&file)?;
        if !reserve::has_room_for(TREE * text.len()) {
            return Err(Failure::OutOfMemory);
        }
        let file: Arc<Path> = file.into();
        entries::read(&text, &file, &mut seen, &mut index)
            .map_err(|Problem { line, text }| Place { file: Arc::clone(&file), line }.failure(text))?;
    }
    Ok(index)
}
