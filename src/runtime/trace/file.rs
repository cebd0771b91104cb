//! A trace as a file in the format of Chrome's `about:tracing`, which Perfetto reads: JSON, one row for each process.

use super::ring::{Event, Kind};
use crate::runtime::failure::shown;
use rustc_hash::{FxHashMap, FxHashSet};
use std::io::{self, Write};

/// A text as JSON writes it.
fn quoted(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            character if character < ' ' => out.push_str(&format!("\\u{:04x}", character as u32)),
            character => out.push(character),
        }
    }
    out.push('"');
    out
}

/// Nanoseconds as the microseconds of the format.
fn micros(nanos: u64) -> String {
    format!("{}.{:03}", nanos / 1000, nanos % 1000)
}

/// Writes the events, which are sorted by time, counted from `start` on. `names` are those of the processes.
///
/// # Errors
/// Those of the system.
pub fn write(
    out: &mut impl Write,
    events: &[Event],
    start: u64,
    names: &FxHashMap<u64, Box<str>>,
) -> io::Result<()> {
    writeln!(out, "{{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")?;
    write!(out, "{{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{{\"name\":\"process\"}}}}")?;
    let mut rows = FxHashSet::default();
    for event in events {
        if rows.insert(event.process) {
            let name = names
                .get(&event.process)
                .map_or_else(|| format!("{:x}", event.process), |name| name.to_string());
            let common = format!("\"ph\":\"M\",\"pid\":1,\"tid\":{}", event.process);
            let name = quoted(name.as_bytes());
            write!(out, ",\n{{{common},\"name\":\"thread_name\",\"args\":{{\"name\":{name}}}}}")?;
            let order = event.process;
            write!(
                out,
                ",\n{{{common},\"name\":\"thread_sort_index\",\"args\":{{\"sort_index\":{order}}}}}"
            )?;
        }
    }
    let mut arrows = Arrows::default();
    for event in events {
        write_event(out, event, start, names, &mut arrows)?;
    }
    writeln!(out, "\n]}}")
}

/// Messages that were sent and not received yet, by their addresses: the number of the arrow, and the receiver.
#[derive(Default)]
struct Arrows {
    under_way: FxHashMap<u64, (u64, u64)>,
    last: u64,
}

fn write_event(
    out: &mut impl Write,
    event: &Event,
    start: u64,
    names: &FxHashMap<u64, Box<str>>,
    arrows: &mut Arrows,
) -> io::Result<()> {
    let at = micros(event.at.saturating_sub(start));
    let own = format!("\"pid\":1,\"tid\":{},\"ts\":{at}", event.process);
    let other =
        || names.get(&event.other).map_or_else(|| format!("{:x}", event.other), |name| name.to_string());
    let text = || shown(event.text());
    let mut instant = |name: String, key: &str, value: String| {
        let (name, value) = (quoted(name.as_bytes()), quoted(value.as_bytes()));
        write!(out, ",\n{{\"ph\":\"i\",\"s\":\"t\",{own},\"name\":{name},\"args\":{{\"{key}\":{value}}}}}")
    };
    match event.kind {
        Kind::Run => write!(out, ",\n{{\"ph\":\"X\",{own},\"dur\":{},\"name\":\"run\"}}", micros(event.span)),
        Kind::Spawn => instant("spawn".into(), "process", other()),
        Kind::Exit => instant("exit".into(), "how", text()),
        Kind::Timer => instant("timer".into(), "what", "due".into()),
        Kind::Name => instant("name".into(), "name", text()),
        Kind::Unname => instant("name released".into(), "name", text()),
        Kind::Send => {
            instant(format!("send {}", text()), "to", other())?;
            arrows.last += 1;
            let number = arrows.last;
            arrows.under_way.insert(event.span, (number, event.other));
            write!(out, ",\n{{\"ph\":\"s\",{own},\"id\":{number},\"cat\":\"message\",\"name\":\"message\"}}")
        }
        Kind::Receive => {
            let arrow = arrows.under_way.remove(&event.span).filter(|(_, to)| *to == event.process);
            let Some((number, _)) = arrow else { return Ok(()) };
            write!(
                out,
                ",\n{{\"ph\":\"f\",\"bp\":\"e\",{own},\"id\":{number},\"cat\":\"message\",\"name\":\"message\"}}"
            )
        }
        Kind::Call | Kind::CallEnd => {
            let begins = event.kind == Kind::Call;
            let id = quoted(format!("{:x}-{:x}", event.process, event.span).as_bytes());
            let name = quoted(b"call");
            let phase = if begins { "b" } else { "e" };
            write!(out, ",\n{{\"ph\":\"{phase}\",{own},\"id\":{id},\"cat\":\"call\",\"name\":{name}")?;
            if begins {
                let (topic, other) = (quoted(event.text()), quoted(other().as_bytes()));
                write!(out, ",\"args\":{{\"topic\":{topic},\"to\":{other}}}")?;
            }
            write!(out, "}}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        assert_eq!(quoted(b"a \"b\" \\ \n \xff"), "\"a \\\"b\\\" \\\\ \\u000a \u{fffd}\"");
        assert_eq!(micros(1_234_567), "1234.567");
    }

    #[test]
    fn an_arrow_joins_a_message_with_its_receiver() {
        let event = |at, kind, process, other, span| Event::new(at, kind, process, other, span, b"t");
        let events = [
            event(10, Kind::Send, 1, 2, 100),
            event(20, Kind::Receive, 2, 0, 100),
            event(30, Kind::Send, 2, 1, 100),
            event(40, Kind::Receive, 3, 0, 100),
            event(50, Kind::Receive, 3, 0, 100),
        ];
        let mut out = Vec::new();
        write(&mut out, &events, 10, &FxHashMap::default()).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches("\"ph\":\"s\"").count(), 2);
        assert_eq!(text.matches("\"ph\":\"f\"").count(), 1);
        assert!(text.contains("\"ph\":\"f\",\"bp\":\"e\",\"pid\":1,\"tid\":2,\"ts\":0.010,\"id\":1"));
    }
}
