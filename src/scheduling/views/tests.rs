//! The views of the mailbox against a model that keeps one list of all that waits.

use super::*;
use crate::runtime::signal::ExitRecord;
use crate::scheduling::Received;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug)]
enum Act {
    Send(u8, usize),
    Listen(u8),
    Unlisten(u8),
    Inbox(usize),
    Listener(u8, usize),
    /// The process with this number ends, with two events.
    End(u8),
    Cancel,
    Retract(bool, u8),
    Event,
    /// Other code goes on with the same mail.
    Renew,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let topic = 0..5u8;
    let act = prop_oneof![
        6 => (topic.clone(), 1..12usize).prop_map(|(topic, count)| Act::Send(topic, count)),
        3 => topic.clone().prop_map(Act::Listen),
        3 => topic.clone().prop_map(Act::Unlisten),
        3 => (1..8usize).prop_map(Act::Inbox),
        3 => (topic, 1..8usize).prop_map(|(topic, count)| Act::Listener(topic, count)),
        6 => (0..40u8).prop_map(Act::End),
        1 => Just(Act::Cancel),
        4 => (any::<bool>(), 0..40u8).prop_map(|(exit, pid)| Act::Retract(exit, pid)),
        2 => Just(Act::Event),
        1 => Just(Act::Renew),
    ];
    proptest::collection::vec(act, 1..80)
}

fn number(received: Option<Received>) -> Option<u64> {
    match received {
        Some(Received::Message(envelope) | Received::Payload(envelope)) => {
            Some(u64::from_le_bytes(envelope.payload().try_into().unwrap()))
        }
        _ => None,
    }
}

/// The kind of an event and what it is about.
fn event(envelope: &Envelope) -> (char, u8) {
    let pid = envelope.subject().first().copied().unwrap_or_default();
    match envelope.as_signal() {
        Some(Signal::Exit(_)) => ('e', pid),
        Some(Signal::LinkDown(_)) => ('l', pid),
        _ => ('c', 0),
    }
}

proptest! {
    #[test]
    fn every_view_yields_what_is_its_own_in_the_order_of_arrival(acts in acts()) {
        let mut scheduler = Scheduler::default();
        let mut waiting: Vec<(u64, u8)> = Vec::new();
        let mut events: Vec<(char, u8)> = Vec::new();
        let mut open: BTreeMap<u8, Listening> = BTreeMap::new();
        let mut ended = std::collections::BTreeSet::new();
        let mut places = std::collections::BTreeSet::new();
        let mut sent = 0;
        for act in acts {
            match act {
                Act::Send(topic, count) => for _ in 0..count {
                    sent += 1;
                    waiting.push((sent, topic));
                    scheduler.route_message(Envelope::message("", &[topic], &u64::to_le_bytes(sent)[..]).unwrap());
                },
                Act::Listen(topic) => {
                    let listening = scheduler.listen(&[topic], topic > 2).unwrap();
                    prop_assert!(scheduler.listen(&[topic], topic <= 2).is_err());
                    prop_assert_eq!(listening.new, !open.contains_key(&topic));
                    prop_assert!(!listening.new || places.insert(listening.place));
                    let known = open.entry(topic).or_insert(listening);
                    prop_assert_eq!((listening.id, listening.place), (known.id, known.place));
                },
                Act::Unlisten(topic) => if let Some(listening) = open.remove(&topic) {
                    prop_assert_eq!(scheduler.unlisten(listening.id).ok(), Some(listening.place));
                    prop_assert!(scheduler.unlisten(listening.id).is_err());
                },
                Act::Inbox(count) => for _ in 0..count {
                    let place = waiting.iter().position(|(_, topic)| !open.contains_key(topic));
                    let expected = place.map(|place| waiting.remove(place).0);
                    prop_assert_eq!(number(scheduler.try_receive(scheduler.inbox())), expected);
                },
                Act::Listener(topic, count) => for _ in 0..count {
                    let Some(listening) = open.get(&topic) else { break };
                    let place = waiting.iter().position(|(_, other)| *other == topic);
                    let expected = place.map(|place| waiting.remove(place).0);
                    prop_assert_eq!(number(scheduler.try_receive(listening.id)), expected);
                },
                Act::End(pid) => if ended.insert(pid) {
                    let record = Arc::new(ExitRecord::for_tests(std::str::from_utf8(&[pid]).unwrap()));
                    for (kind, signal) in [('e', Signal::Exit(Arc::clone(&record))), ('l', Signal::LinkDown(record))] {
                        events.push((kind, pid));
                        scheduler.route_event(Envelope::signal(signal));
                    }
                },
                Act::Cancel => {
                    events.push(('c', 0));
                    scheduler.route_event(Envelope::signal(Signal::Childless));
                }
                Act::Retract(exit, pid) => {
                    let (kind, wanted) = if exit { (Event::Exit, 'e') } else { (Event::LinkDown, 'l') };
                    let place = events.iter().position(|event| *event == (wanted, pid));
                    let expected = place.map(|place| events.remove(place));
                    let retracted = scheduler.retract(kind, &[pid]);
                    prop_assert_eq!(retracted.as_ref().map(event), expected);
                }
                Act::Event => {
                    let expected = (!events.is_empty()).then(|| events.remove(0));
                    match scheduler.try_receive(scheduler.events()) {
                        Some(Received::Event(envelope)) => prop_assert_eq!(Some(event(&envelope)), expected),
                        _ => prop_assert_eq!(None, expected),
                    }
                }
                Act::Renew => {
                    let mail = scheduler.take_mail();
                    prop_assert!(scheduler.try_receive(scheduler.inbox()).is_none());
                    scheduler = Scheduler::default();
                    open.clear();
                    places.clear();
                    for envelope in mail {
                        match envelope.as_signal() {
                            None => scheduler.route_message(envelope),
                            Some(_) => scheduler.route_event(envelope),
                        }
                    }
                }
            }
        }
    }
}
