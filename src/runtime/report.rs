//! Failures that nobody else hears of (L-16): they go to standard error, or to the function that the program has for them (I-6).

use super::directory;
use super::process::{Process, Relations};
use super::realm::{Realm, Reporter};
use super::signal::{Notice, Noticed, Report, Signal};
use crate::platform::reserve;
use std::io::{self, Write};

/// Reports the failure of a process that has ended, if nobody else hears of it.
pub fn report_end(process: &Process) {
    let (alone, outcome) = process.with_relations(|relations| {
        let Relations { watchers, awaiters, links, .. } = &*relations;
        let alone = watchers.is_empty() && awaiters.is_empty() && links.is_empty();
        (alone, relations.life.outcome().cloned())
    });
    if let (true, Some(Err(error))) = (alone && process.host.settings.report, outcome) {
        let (subject, entry) = (process.pid.clone(), (*process.entry()).into());
        tell(&process.realm, Report { subject, entry, error });
    }
}

/// Gives a report to whoever wants it; nobody does when the program ends.
pub fn tell(realm: &Realm, report: Report) {
    if realm.is_closing() {
        return;
    }
    let reporter = realm.reporter.lock();
    let wanting = (*reporter).and_then(|Reporter { main, channel }| Some((directory::get(main)?, channel)));
    match wanting {
        Some((main, channel)) if !main.mailbox.is_closed() => {
            main.signal(Signal::Notice(Box::new(Notice { channel, what: Noticed::Report(report) })));
        }
        _ => {
            drop(reporter);
            write(&report);
        }
    }
}

/// Writes it to standard error.
pub fn write(report: &Report) {
    let Report { subject, entry, error } = report;
    let mut text = format!("process {subject} ({entry}) failed: ").into_bytes();
    let fits = reserve::has_room_for(2 * error.size());
    text.extend_from_slice(&if fits { error.text() } else { b"not enough memory".to_vec() });
    text.push(b'\n');
    if fits && !error.stack.is_empty() {
        text.extend_from_slice(&error.stack);
        text.push(b'\n');
    }
    let _ = io::stderr().write_all(&text);
}
