//! YAML as a tree whose nodes know their lines.
//!
//! The parser gives events and has no recursion. What is built here shares a node between all aliases of it, and is limited
//! as if each had a copy: in height, so that nothing that walks the tree (the drop does) runs out of stack, and in nodes, so
//! that it ends in time.

use super::Problem;
use crate::runtime::failure::shown;
use rustc_hash::{FxHashMap, FxHashSet};
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::rc::Rc;

/// How many collections may be nested.
const MOST_LEVELS: usize = 100;

/// How many nodes a document may have.
const MOST_NODES: usize = 1_000_000;

/// A node.
#[derive(Debug)]
pub struct Node {
    /// The line it begins on, from 1.
    pub line: usize,
    /// What it is.
    pub value: Value,
    size: Size,
}

/// How much there is to walk from a node, each alias counted as what it stands for.
#[derive(Clone, Copy, Debug)]
struct Size {
    /// Collections inside each other, 0 for a scalar.
    levels: usize,
    nodes: usize,
}

/// What a node is.
#[derive(Debug)]
pub enum Value {
    /// Text. `style` tells `5` from `"5"`.
    Scalar {
        /// Without quotes, escapes resolved.
        text: String,
        /// How it was written.
        style: ScalarStyle,
    },
    /// A list.
    Sequence(Vec<Rc<Node>>),
    /// Keys and values in the order of the file.
    Mapping(Vec<(Rc<Node>, Rc<Node>)>),
}

impl Node {
    /// The text of a scalar other than null.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    /// True for an empty value, `~` and `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, style: ScalarStyle::Plain }
            if matches!(&**text, "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The whole number, at least 0, that an unquoted scalar stands for.
    pub fn count(&self) -> Option<usize> {
        let Value::Scalar { text, style: ScalarStyle::Plain } = &self.value else {
            return None;
        };
        let (digits, radix) = match (text.strip_prefix("0o"), text.strip_prefix("0x")) {
            (Some(octal), _) => (octal, 8),
            (_, Some(hex)) => (hex, 16),
            _ => (text.strip_prefix('+').unwrap_or(text), 10),
        };
        let is_digits = digits.chars().all(|digit| digit.is_digit(radix));
        is_digits.then(|| usize::from_str_radix(digits, radix).ok()).flatten()
    }

    /// The value of a key of a mapping; none if it is absent or null, or if this is no mapping.
    pub fn field(&self, name: &str) -> Option<&Node> {
        let Value::Mapping(pairs) = &self.value else {
            return None;
        };
        let (_, value) = pairs.iter().find(|(key, _)| key.text() == Some(name))?;
        (!value.is_null()).then_some(&**value)
    }

    /// What error texts call it.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar { .. } if self.is_null() => "null",
            Value::Scalar { .. } => "scalar",
            Value::Sequence(_) => "sequence",
            Value::Mapping(_) => "mapping",
        }
    }
}

/// A collection that is being read.
struct Open {
    line: usize,
    anchor: usize,
    size: Size,
    content: Content,
}

enum Content {
    Sequence(Vec<Rc<Node>>),
    Mapping { pairs: Vec<(Rc<Node>, Rc<Node>)>, names: FxHashSet<String>, key: Option<Rc<Node>> },
}

impl Open {
    fn new(line: usize, anchor: usize, content: Content) -> Self {
        Open { line, anchor, size: Size { levels: 1, nodes: 1 }, content }
    }

    /// Takes the next node in; the collection itself is inside `depth` others.
    fn take(&mut self, node: Rc<Node>, line: usize, depth: usize) -> Result<(), Problem> {
        self.size.levels = self.size.levels.max(node.size.levels + 1);
        self.size.nodes += node.size.nodes;
        if depth + self.size.levels > MOST_LEVELS {
            return Err(Problem::new(line, format!("nested too deeply (limit {MOST_LEVELS})")));
        }
        if self.size.nodes > MOST_NODES {
            return Err(Problem::new(line, format!("too many values (limit {MOST_NODES})")));
        }
        match &mut self.content {
            Content::Sequence(items) => items.push(node),
            Content::Mapping { pairs, names, key } => match key.take() {
                Some(key) => pairs.push((key, node)),
                None => {
                    if let Some(name) = node.text()
                        && !names.insert(name.to_owned())
                    {
                        return Err(Problem::new(line, format!("duplicate key: {}", shown(name.as_bytes()))));
                    }
                    *key = Some(node);
                }
            },
        }
        Ok(())
    }

    fn close(self) -> Node {
        let value = match self.content {
            Content::Sequence(items) => Value::Sequence(items),
            Content::Mapping { pairs, .. } => Value::Mapping(pairs),
        };
        Node { line: self.line, value, size: self.size }
    }
}

/// Reads a text of at most one document; nothing for none.
///
/// # Errors
/// What the parser says; an alias inside its own anchor; a key that stands twice; too many levels or documents.
pub fn read(text: &str) -> Result<Option<Rc<Node>>, Problem> {
    let mut parser = Parser::new_from_str(text);
    let mut open: Vec<Open> = Vec::new();
    let mut anchored: FxHashMap<usize, Rc<Node>> = FxHashMap::default();
    let mut root = None;
    while let Some(event) = parser.next_event() {
        let (event, span) =
            event.map_err(|error| Problem::new(error.marker().line(), shown(error.info().as_bytes())))?;
        let line = span.start.line();
        let (node, anchor) = match event {
            Event::DocumentStart(_) if root.is_some() => {
                return Err(Problem::new(line, "only one document expected"));
            }
            Event::SequenceStart(anchor, _) => {
                open.push(Open::new(line, anchor, Content::Sequence(Vec::new())));
                continue;
            }
            Event::MappingStart(anchor, _) => {
                let content = Content::Mapping { pairs: Vec::new(), names: FxHashSet::default(), key: None };
                open.push(Open::new(line, anchor, content));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(collection) => {
                    let anchor = collection.anchor;
                    (Rc::new(collection.close()), anchor)
                }
                None => continue,
            },
            Event::Scalar(text, style, anchor, _) => {
                let value = Value::Scalar { text: text.into_owned(), style };
                (Rc::new(Node { line, value, size: Size { levels: 0, nodes: 1 } }), anchor)
            }
            Event::Alias(anchor) => match anchored.get(&anchor) {
                Some(node) => (Rc::clone(node), 0),
                None => return Err(Problem::new(line, "alias inside the node that it stands for")),
            },
            _ => continue,
        };
        if anchor != 0 {
            anchored.insert(anchor, Rc::clone(&node));
        }
        let depth = open.len().saturating_sub(1);
        match open.last_mut() {
            Some(collection) => collection.take(node, line, depth)?,
            None => root = Some(node),
        }
    }
    Ok(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Rc<Node> {
        read(text).expect("is YAML").expect("has a document")
    }

    fn problem(text: &str) -> String {
        let Problem { line, text } = read(text).expect_err("is wrong");
        format!("{line}: {text}")
    }

    #[test]
    fn nodes_know_their_lines() {
        let root = tree("# comment\na: 1\nb:\n  - x\n  - y: |\n      text\n    z: 2\n");
        assert_eq!(root.field("a").map(|node| node.line), Some(2));
        let list = root.field("b").expect("a list");
        let Value::Sequence(items) = &list.value else { panic!("{}", list.kind()) };
        assert_eq!((items[0].line, items[1].line), (4, 5));
        assert_eq!(items[1].field("z").map(|node| node.line), Some(7));
        assert_eq!(items[1].field("y").and_then(Node::text), Some("text\n"));
    }

    #[test]
    fn scalars() {
        let root = tree(
            "{a: ~, b: , c: null, d: '', e: 'null', f: 16, g: '16', h: -1, i: 0x1F, j: 1.5, k: +7, l: 0o17}",
        );
        let text = |name| root.field(name).and_then(Node::text);
        let count = |name| root.field(name).and_then(Node::count);
        assert_eq!((text("a"), text("b"), text("c")), (None, None, None));
        assert_eq!((text("d"), text("e"), text("f")), (Some(""), Some("null"), Some("16")));
        assert_eq!(
            ["f", "g", "h", "i", "j", "k", "l", "d"].map(count),
            [Some(16), None, None, Some(31), None, Some(7), Some(15), None]
        );
        assert_eq!(tree("18446744073709551616").count(), None);
        assert_eq!(tree("+-5").count(), None);
        assert_eq!(tree("0x").count(), None);
    }

    #[test]
    fn nothing_and_too_much() {
        assert!(read("").expect("is YAML").is_none());
        assert!(read("# only a comment\n").expect("is YAML").is_none());
        assert_eq!(problem("a: 1\n---\nb: 2\n"), "2: only one document expected");
        assert_eq!(problem("a: 1\nb: 2\na: 3\n"), "3: duplicate key: a");
        assert_eq!(problem("a: &x\n  b: *x\n"), "2: alias inside the node that it stands for");
        assert!(problem("a: [1, 2\nb: 3\n").starts_with("2: "));
    }

    #[test]
    fn depth_is_limited_also_through_aliases() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&nested(100)).is_ok());
        assert_eq!(problem(&nested(101)), "1: nested too deeply (limit 100)");
        for opening in ["? ", "- "] {
            assert!(problem(&opening.repeat(100_000)).ends_with(": nested too deeply (limit 100)"));
        }
        let mut chain = String::from("- &a0 []\n");
        for link in 1..1000 {
            chain.push_str(&format!("- &a{link} [*a{}]\n", link - 1));
        }
        assert_eq!(problem(&chain), "100: nested too deeply (limit 100)");
    }

    #[test]
    fn aliases_of_aliases_do_not_explode() {
        let mut bomb = String::from("a0: &a0 [x]\n");
        for level in 1..50 {
            let below = level - 1;
            bomb.push_str(&format!("a{level}: &a{level} [*a{below}, *a{below}, *a{below}, *a{below}]\n"));
        }
        assert_eq!(problem(&bomb), "11: too many values (limit 1000000)");
    }
}
