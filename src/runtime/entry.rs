//! Entries: the references `namespace:name`, and what `process.define` says about them.

use super::failure::Failure;
use once_cell::sync::Lazy;
use parking_lot::RwLock;
use rustc_hash::FxHashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// True if `text` is `namespace:name`: two parts of letters, digits, `_`, `-`, and `.` between other characters, at most 255
/// bytes in all.
pub fn is_reference(text: &[u8]) -> bool {
    let mut parts = text.split(|&byte| byte == b':');
    let (Some(namespace), Some(name), None) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    text.len() <= 255 && is_dotted_name(namespace) && is_dotted_name(name)
}

fn is_dotted_name(text: &[u8]) -> bool {
    text.split(|&byte| byte == b'.').all(|part| {
        !part.is_empty()
            && part.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    })
}

/// The module name that an entry without a definition has on `package.path`: `a.b:c` is `a.b.c`.
pub fn module_name(reference: &str) -> String {
    reference.replace(':', ".")
}

/// Where the code of an entry comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// Lua source text, compiled.
    Text(Arc<[u8]>),
    /// A binary chunk.
    Binary(Arc<[u8]>),
    /// A function, encoded with what it has captured.
    Function(Arc<[u8]>),
    /// A file, by its absolute path.
    File(PathBuf),
    /// A module on `package.path` of the process that spawns.
    Module(String),
}

/// What `process.define` said.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// Where the code comes from.
    pub source: Source,
    /// The function of the chunk's table that is called.
    pub method: String,
    /// Alias and entry reference: what `require(alias)` gives inside the process.
    pub imports: Vec<(String, String)>,
}

/// The method called unless a definition names another.
pub const DEFAULT_METHOD: &str = "main";

static DEFINITIONS: Lazy<RwLock<FxHashMap<String, Arc<Definition>>>> = Lazy::new(Default::default);

/// Checks a reference and gives it as text.
///
/// # Errors
/// It is ill-formed.
pub fn checked(reference: &[u8]) -> Result<&str, Failure> {
    match std::str::from_utf8(reference) {
        Ok(text) if is_reference(reference) => Ok(text),
        _ => Err(Failure::EntryReference(reference.to_vec())),
    }
}

/// Defines or redefines an entry for the whole program.
pub fn define(reference: &str, definition: Definition) {
    define_all([(reference.to_owned(), definition)]);
}

/// Defines or redefines entries, at once for all who look.
pub fn define_all(definitions: impl IntoIterator<Item = (String, Definition)>) {
    let definitions =
        definitions.into_iter().map(|(reference, definition)| (reference, Arc::new(definition)));
    DEFINITIONS.write().extend(definitions);
}

/// The definition of an entry, if it has one.
pub fn definition(reference: &str) -> Option<Arc<Definition>> {
    DEFINITIONS.read().get(reference).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        for good in ["app:processes", "app.test.process:echo_worker", "a-1:b.c", "A:_"] {
            assert!(is_reference(good.as_bytes()), "{good}");
        }
        let long = format!("{}:b", "a".repeat(254));
        for bad in [
            "", ":", "a:", ":b", "a", "a:b:c", "a/b:c", "a..b:c", ".a:b", "a:b.", "a\0:b", "a b:c",
            "\u{e9}:b", &long,
        ] {
            assert!(!is_reference(bad.as_bytes()), "{bad}");
        }
        assert_eq!(module_name("app.test:echo"), "app.test.echo");
    }
}
