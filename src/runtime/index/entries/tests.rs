//! What index files with right, wrong and mutilated entries give.

use super::super::*;
use super::read;
use std::path::Path;

fn index(text: &[u8]) -> Result<Index, String> {
    let file: Arc<Path> = Path::new("/shop/_index.yaml").into();
    let mut index = Index::default();
    match read(text, &file, &mut FxHashSet::default(), &mut index) {
        Ok(()) => Ok(index),
        Err(Problem { line, text }) => Err(format!("{line}: {text}")),
    }
}

/// What is wrong with an entry of these lines, which begin on line 3.
fn problem(entry: &str) -> String {
    index(format!("namespace: shop\nentries:\n{entry}").as_bytes()).expect_err("is wrong")
}

const SHOP: &str = "\
version: \"1.0\"
namespace: shop

entries:
  - name: clerk
    kind: process.lua
    meta: {comment: sells}
    source: file://clerk.lua
    method: run
    modules: [time]
    imports:
      util: shop:util
  - name: util
    kind: library.lua
    source: |
      return { tax = 7 }
  - name: tax
    kind: function.lua
    source: file:///lib/tax.lua
  - name: workers
    kind: process.host
    lifecycle: {auto_start: true}
    host: {workers: 0, max_processes: 100, queue_size: 1024}
  - name: door
    kind: http.service
";

#[test]
fn a_whole_file() {
    let index = index(SHOP.as_bytes()).expect("is right");
    let place = |line| Place { file: Path::new("/shop/_index.yaml").into(), line };
    let entry = |name: &str, code, method: &str, imports: &[(&str, &str)]| Entry {
        reference: format!("shop:{name}"),
        code,
        method: method.into(),
        imports: imports.iter().map(|&(alias, target)| (alias.into(), target.into())).collect(),
    };
    let text = Code::Text { text: "return { tax = 7 }\n".into(), place: place(16) };
    assert_eq!(
        index.entries,
        [
            entry("clerk", Code::File("/shop/clerk.lua".into()), "run", &[("util", "shop:util")]),
            entry("util", text, "main", &[]),
            entry("tax", Code::File("/lib/tax.lua".into()), "main", &[]),
        ]
    );
    let settings = Settings { max_processes: 100, ..Settings::default() };
    assert_eq!(index.hosts, [Host { reference: "shop:workers".into(), settings, place: place(20) }]);
    assert_eq!(index.skipped, ["shop:door (http.service)"]);
}

#[test]
fn source_text_knows_where_it_begins() {
    let line = |source: &str| {
        let text = format!("namespace: a\nentries:\n- name: b\n  kind: library.lua\n  source: {source}\n");
        match &index(text.as_bytes()).expect("is right").entries[0].code {
            Code::Text { place, .. } => place.line,
            Code::File(path) => panic!("{}", path.display()),
        }
    };
    assert_eq!((line("return 1"), line("'return 1'")), (5, 5));
    assert_eq!((line("|\n    return 1"), line("|\n\n\n    return 1")), (6, 6));
    assert_eq!((line(">-\n    return\n    1"), line("|\n")), (6, 5));
}

#[test]
fn files_that_are_no_index() {
    assert_eq!(index(b"").unwrap_err(), "1: mapping expected, got nothing");
    assert_eq!(index(b"\n\n- a\n").unwrap_err(), "3: mapping expected, got sequence");
    assert_eq!(index(b"version: 1\nentries: []\n").unwrap_err(), "1: namespace is missing");
    assert_eq!(index(b"namespace: a\n").unwrap_err(), "1: entries is missing");
    assert_eq!(
        index(b"namespace: a\nentries: b\n").unwrap_err(),
        "2: entries: sequence expected, got scalar"
    );
    assert_eq!(index(b"namespace: a\nentries: [] #\xff\n").unwrap_err(), "2: not UTF-8");
    assert!(index(b"\xef\xbb\xbfnamespace: a\nentries: []\n").is_ok());
}

#[test]
fn entries_that_are_wrong() {
    for (entry, expected) in [
        ("- 5", "3: mapping expected, got scalar"),
        ("- kind: process.lua", "3: name is missing"),
        ("- name: a", "3: kind is missing"),
        ("- {name: [], kind: process.lua}", "3: name: string expected, got sequence"),
        ("- {name: a, kind: process.lua}", "3: source is missing"),
        ("- name: a\n  kind: process.lua\n  source: file://", "5: source: file:// without a path"),
        ("- name: a\n  kind: process.lua\n  source: {}", "5: source: string expected, got mapping"),
        (
            "- {name: a, kind: process.lua, source: x}\n- {name: a, kind: other}",
            "4: stands here twice: shop:a",
        ),
        (
            "- {name: a b, kind: library.lua, source: x}",
            "3: not an entry reference (namespace:name): shop:a b",
        ),
        ("- {name: \"a\\0\", kind: process.host}", "3: not a host reference (namespace:name): shop:a\\000"),
    ] {
        assert_eq!(problem(entry), expected);
    }
    for (field, expected) in [
        ("method: [run]", "method: string expected, got sequence"),
        ("modules: time", "modules: sequence expected, got scalar"),
        ("meta: []", "meta: mapping expected, got sequence"),
        ("imports: [a:b]", "imports: mapping expected, got sequence"),
        ("imports: {util: util}", "imports: not an entry reference (namespace:name): util"),
        ("imports: {util: ~}", "imports: must map names to entry references"),
        ("imports: {[]: a:b}", "imports: must map names to entry references"),
    ] {
        let entry = format!("- name: a\n  kind: library.lua\n  source: return 1\n  {field}\n");
        assert_eq!(problem(&entry), format!("6: {expected}"));
    }
    for (host, expected) in [
        ("5", "host: mapping expected, got scalar"),
        ("{workers: four}", "host.workers: must be a whole number of at least 0"),
        ("{max_processes: -1}", "host.max_processes: must be a whole number of at least 0"),
        ("{max_processes: 1.5}", "host.max_processes: must be a whole number of at least 0"),
        ("{max_processes: \"5\"}", "host.max_processes: must be a whole number of at least 0"),
    ] {
        assert_eq!(
            problem(&format!("- name: a\n  kind: process.host\n  host: {host}\n")),
            format!("5: {expected}")
        );
    }
}

#[test]
fn null_is_as_if_it_was_not_there() {
    let text = "- {name: a, kind: library.lua, source: x, method: ~, imports: , modules: null, meta: }\n\
                - {name: b, kind: process.host, host: }\n";
    let text = format!("namespace: shop\nentries:\n{text}");
    let index = index(text.as_bytes()).expect("is right");
    assert_eq!((&*index.entries[0].method, index.hosts.len()), ("main", 1));
}

#[test]
fn many_imports_through_aliases_are_refused() {
    let mut text = String::from("namespace: a\nall: &all\n");
    for import in 0..2000 {
        text.push_str(&format!("  i{import}: a:b\n"));
    }
    text.push_str("entries:\n");
    for entry in 0..2000 {
        text.push_str(&format!("- {{name: e{entry}, kind: library.lua, source: x, imports: *all}}\n"));
    }
    let problem = index(text.as_bytes()).unwrap_err();
    assert!(problem.ends_with(": too many values (limit 1000000)"), "{problem}");
}

#[test]
fn no_text_breaks_the_reader() {
    const PIECES: [&[u8]; 24] = [
        b"- ",
        b"? ",
        b": ",
        b"[",
        b"]",
        b"{",
        b"}",
        b",",
        b"\n",
        b"  ",
        b"'",
        b"\"",
        b"| ",
        b">-\n",
        b"&a ",
        b"*a",
        b"!!str ",
        b"#",
        b"---\n",
        b"\t",
        b"\\",
        b"\0",
        b"\xff",
        "\u{2028}".as_bytes(),
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize % limit
    };
    let mut right = 0;
    for _ in 0..if cfg!(miri) { 50 } else { 5_000 } {
        let mut text = SHOP.as_bytes().to_vec();
        for _ in 0..below(5) {
            let at = below(text.len());
            match below(4) {
                0 => drop(text.remove(at)),
                1 => text.truncate(at + 1),
                2 => text[at] = below(256) as u8,
                _ => drop(text.splice(at..at, PIECES[below(PIECES.len())].iter().copied())),
            }
        }
        match index(&text) {
            Ok(_) => right += 1,
            Err(problem) => assert!(!problem.contains("given up"), "{problem}: {}", text.escape_ascii()),
        }
    }
    assert!(
        cfg!(miri) || right > 250,
        "{right} texts were right, so the others may not have come far either"
    );
}
