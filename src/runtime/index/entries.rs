//! The entries of one index file.

use super::yaml::{self, Node, Value};
use super::{Code, Entry, Host, Index, Place, Problem};
use crate::runtime::entry::{DEFAULT_METHOD, is_reference};
use crate::runtime::failure::{Failure, shown};
use crate::runtime::host::Settings;
use rustc_hash::FxHashSet;
use saphyr_parser::ScalarStyle;
use std::panic::catch_unwind;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

/// Adds what a file defines to `index`, and its references to those `seen` before.
///
/// Fields that nothing is known of are passed over: the files were written for another system, which has more of them.
///
/// # Errors
/// The first thing that is wrong.
pub fn read(
    text: &[u8],
    file: &Arc<Path>,
    seen: &mut FxHashSet<String>,
    index: &mut Index,
) -> Result<(), Problem> {
    let text = std::str::from_utf8(text).map_err(|error| {
        let lines = text[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
        Problem::new(lines + 1, "not UTF-8")
    })?;
    // The parser has assertions of its own; whatever may break one is not worth the interpreter that runs us.
    let root = catch_unwind(|| yaml::read(text))
        .unwrap_or_else(|_| Err(Problem::new(1, "the YAML parser has given up")))?;
    let root = root.ok_or_else(|| Problem::new(1, "mapping expected, got nothing"))?;
    expect_mapping(&root, None)?;
    let reader = Reader { file, namespace: required(&root, "namespace")? };
    let entries = root.field("entries").ok_or_else(|| missing(&root, "entries"))?;
    for node in items(entries, "entries")? {
        reader.entry(node, seen, index)?;
    }
    Ok(())
}

/// What all entries of a file have in common.
struct Reader<'a> {
    file: &'a Arc<Path>,
    namespace: &'a str,
}

impl Reader<'_> {
    fn place(&self, line: usize) -> Place {
        Place { file: Arc::clone(self.file), line }
    }

    fn entry(&self, node: &Node, seen: &mut FxHashSet<String>, index: &mut Index) -> Result<(), Problem> {
        expect_mapping(node, None)?;
        let reference = format!("{}:{}", self.namespace, required(node, "name")?);
        let kind = required(node, "kind")?;
        if !seen.insert(reference.clone()) {
            return Err(Problem::new(
                node.line,
                format!("stands here twice: {}", shown(reference.as_bytes())),
            ));
        }
        let well_formed = is_reference(reference.as_bytes());
        match kind {
            "process.lua" | "function.lua" | "library.lua" if well_formed => {
                index.entries.push(self.code(node, reference)?);
            }
            "process.host" if well_formed => index.hosts.push(self.host(node, reference)?),
            "pg.scope" if well_formed => index.scopes.push(reference),
            "pg.scope" => {
                return Err(Problem::new(node.line, Failure::ScopeReference(reference.into()).to_string()));
            }
            "process.lua" | "function.lua" | "library.lua" => {
                return Err(Problem::new(node.line, Failure::EntryReference(reference.into()).to_string()));
            }
            "process.host" => {
                return Err(Problem::new(node.line, Failure::HostReference(reference.into()).to_string()));
            }
            _ => index.skipped.push(format!("{reference} ({kind})")),
        }
        Ok(())
    }

    fn code(&self, node: &Node, reference: String) -> Result<Entry, Problem> {
        let source = node.field("source").ok_or_else(|| missing(node, "source"))?;
        let text = string(source, "source")?;
        let code = match text.strip_prefix("file://") {
            Some("") => return Err(wrong(source, "source", "file:// without a path")),
            Some(path) => Code::File(self.beside(path).map_err(|error| wrong(source, "source", &error))?),
            None => Code::Text { text: text.to_owned(), place: self.place(first_line(source)) },
        };
        let method = match node.field("method") {
            Some(method) => string(method, "method")?,
            None => DEFAULT_METHOD,
        };
        if let Some(modules) = node.field("modules") {
            items(modules, "modules")?;
        }
        if let Some(meta) = node.field("meta") {
            expect_mapping(meta, Some("meta"))?;
        }
        Ok(Entry { reference, code, method: method.to_owned(), imports: imports(node)? })
    }

    /// The absolute path of a file that is named relative to the index file.
    fn beside(&self, path: &str) -> Result<std::path::PathBuf, String> {
        let folder = self.file.parent().unwrap_or(Path::new(""));
        std::path::absolute(folder.join(path)).map_err(|error| crate::platform::reason(&error))
    }

    fn host(&self, node: &Node, reference: String) -> Result<Host, Problem> {
        let mut settings = Settings::default();
        if let Some(host) = node.field("host") {
            expect_mapping(host, Some("host"))?;
            if let Some(limit) = host.field("max_processes") {
                settings.max_processes = count(limit, "host.max_processes")?;
            }
            if let Some(workers) = host.field("workers") {
                let number = count(workers, "host.workers")?;
                settings.set_workers(number).map_err(|problem| wrong(workers, "host.workers", problem))?;
            }
        }
        Ok(Host { reference, settings, place: self.place(node.line) })
    }
}

fn imports(node: &Node) -> Result<Vec<(String, String)>, Problem> {
    let Some(imports) = node.field("imports") else {
        return Ok(Vec::new());
    };
    expect_mapping(imports, Some("imports"))?;
    let Value::Mapping(pairs) = &imports.value else {
        return Ok(Vec::new());
    };
    let import = |(alias, target): &(Rc<Node>, Rc<Node>)| {
        let (Some(name), Some(reference)) = (alias.text(), target.text()) else {
            return Err(wrong(alias, "imports", "must map names to entry references"));
        };
        if !is_reference(reference.as_bytes()) {
            return Err(wrong(target, "imports", &Failure::EntryReference(reference.into()).to_string()));
        }
        Ok((name.to_owned(), reference.to_owned()))
    };
    pairs.iter().map(import).collect()
}

fn wrong(node: &Node, field: &str, problem: &str) -> Problem {
    Problem::new(node.line, format!("{field}: {problem}"))
}

fn missing(node: &Node, field: &str) -> Problem {
    Problem::new(node.line, format!("{field} is missing"))
}

fn expected(node: &Node, field: Option<&str>, what: &str) -> Problem {
    let problem = format!("{what} expected, got {}", node.kind());
    match field {
        Some(field) => wrong(node, field, &problem),
        None => Problem::new(node.line, problem),
    }
}

fn expect_mapping(node: &Node, field: Option<&str>) -> Result<(), Problem> {
    match node.value {
        Value::Mapping(_) => Ok(()),
        _ => Err(expected(node, field, "mapping")),
    }
}

fn items<'a>(node: &'a Node, field: &str) -> Result<&'a [Rc<Node>], Problem> {
    match &node.value {
        Value::Sequence(items) => Ok(items),
        _ => Err(expected(node, Some(field), "sequence")),
    }
}

/// The text of a scalar, whatever it may also be taken for: `5` is "5".
fn string<'a>(node: &'a Node, field: &str) -> Result<&'a str, Problem> {
    node.text().ok_or_else(|| expected(node, Some(field), "string"))
}

fn required<'a>(node: &'a Node, field: &str) -> Result<&'a str, Problem> {
    let value = node.field(field).ok_or_else(|| missing(node, field))?;
    string(value, field)
}

fn count(node: &Node, field: &str) -> Result<usize, Problem> {
    node.count().ok_or_else(|| wrong(node, field, "must be a whole number of at least 0"))
}

/// The line that the text of a scalar begins on. The parser gives that of the first line with something on it, in the block
/// styles (`|`, `>`) though the empty lines before it are text as well.
fn first_line(node: &Node) -> usize {
    match &node.value {
        Value::Scalar { text, style: ScalarStyle::Literal | ScalarStyle::Folded } => {
            let empty = text.bytes().take_while(|&byte| byte == b'\n').count();
            node.line.saturating_sub(empty).max(1)
        }
        _ => node.line,
    }
}

#[cfg(test)]
mod tests;
