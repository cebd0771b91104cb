//! Mail against a model that does everything the plain way: one list in the order of arrival, looked through each time.

use super::*;
use proptest::prelude::*;
use std::collections::hash_map::Entry;

#[derive(Clone, Debug)]
enum Act {
    /// So many pieces arrive for one subject, or for one subject each from there on.
    Push(u8, usize, bool),
    Pop(usize),
    Take(u8),
    /// Puts a subject back that was taken, but for so many of its first pieces.
    PutBack(u8, usize),
    MoveAll,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (0..12u8, 1..24usize, any::<bool>()).prop_map(|(subject, count, each)| Act::Push(subject, count, each)),
        4 => (1..30usize).prop_map(Act::Pop),
        5 => (0..12u8).prop_map(Act::Take),
        5 => (0..12u8, 0..4usize).prop_map(|(subject, gone)| Act::PutBack(subject, gone)),
        1 => Just(Act::MoveAll),
    ];
    proptest::collection::vec(act, 1..60)
}

fn piece(arrival: u64, subject: u8) -> Stamped {
    let envelope = Envelope::message("", &[subject], &arrival.to_le_bytes()[..]).unwrap();
    Stamped { arrival, envelope }
}

fn shown(piece: &Stamped) -> (u64, u8) {
    assert_eq!(piece.envelope.payload(), piece.arrival.to_le_bytes());
    (piece.arrival, piece.envelope.subject()[0])
}

/// What the top of the page of `mail.rs` says is true.
fn check(mail: &Mail) {
    let Some(filed) = &mail.filed else { return };
    assert!(filed.count > 0);
    assert_eq!((filed.queues.len(), filed.queues.len()), (filed.subjects.len(), filed.oldest.len()));
    assert_eq!(filed.count, filed.queues.values().map(Queue::len).sum::<usize>());
    for (&arrival, &id) in &filed.oldest {
        let queue = &filed.queues[id];
        let subject = queue[0].envelope.subject();
        assert_eq!((queue[0].arrival, filed.subjects.get(subject)), (arrival, Some(&id)));
        assert!(queue.iter().all(|piece| piece.envelope.subject() == subject));
        let last = queue.iter().reduce(|before, piece| {
            assert!(before.arrival < piece.arrival);
            piece
        });
        let fresh = mail.fresh.iter().filter(|piece| piece.envelope.subject() == subject);
        assert!(fresh.into_iter().all(|piece| piece.arrival > last.unwrap().arrival));
    }
    assert_eq!(mail.weight(), filed.subjects.keys().map(|subject| QUEUE + subject.len()).sum::<usize>());
}

proptest! {
    #[test]
    fn yields_what_a_plain_list_yields(acts in acts()) {
        let mut mail = Mail::default();
        let mut model: Vec<(u64, u8)> = Vec::new();
        let mut taken: HashMap<u8, Queue> = HashMap::new();
        let mut arrivals = 0;
        for act in acts {
            match act {
                Act::Push(subject, count, each) => for n in 0..count {
                    let subject = if each { (subject + n as u8) % 40 } else { subject };
                    arrivals += 1;
                    let piece = piece(arrivals, subject);
                    // While a subject is taken, what arrives goes where it is.
                    match taken.get_mut(&subject) {
                        Some(queue) => queue.push_back(piece),
                        None => {
                            model.push(shown(&piece));
                            mail.push(piece);
                        }
                    }
                },
                Act::Pop(count) => for _ in 0..count {
                    let oldest = (!model.is_empty()).then(|| model.remove(0));
                    prop_assert_eq!(mail.pop().as_ref().map(shown), oldest);
                },
                Act::Take(subject) => if let Entry::Vacant(place) = taken.entry(subject) {
                    let (ours, rest): (Vec<_>, Vec<_>) = model.iter().partition(|piece| piece.1 == subject);
                    model = rest;
                    let queue = mail.take(&[subject]);
                    prop_assert_eq!(queue.iter().map(shown).collect::<Vec<_>>(), ours);
                    place.insert(queue);
                },
                Act::PutBack(subject, gone) => if let Some(mut queue) = taken.remove(&subject) {
                    queue.drain(..gone.min(queue.len()));
                    model.extend(queue.iter().map(shown));
                    model.sort_unstable();
                    mail.put_back(&[subject], queue);
                },
                Act::MoveAll => {
                    let mut all = Vec::new();
                    mail.move_all(&mut all);
                    all.sort_unstable_by_key(|piece| piece.arrival);
                    prop_assert_eq!(all.iter().map(shown).collect::<Vec<_>>(), std::mem::take(&mut model));
                }
            }
            check(&mail);
            prop_assert_eq!((mail.len(), mail.is_empty()), (model.len(), model.is_empty()));
        }
    }
}

#[test]
fn mail_that_nobody_asks_for_is_not_filed() {
    let mut mail = Mail::default();
    for n in 1..=1000 {
        mail.push(piece(n, n as u8));
    }
    assert!(mail.pop().is_some() && mail.filed.is_none() && mail.weight() == 0);
    assert!(mail.take(b"nobody's").is_empty());
    assert!(mail.weight() > 0 && mail.fresh.capacity() <= KEPT);
    while mail.pop().is_some() {}
    assert!(mail.filed.is_none(), "what was for filing is given back");
}

#[test]
fn a_subject_comes_and_goes_as_a_whole() {
    let mut mail = Mail::default();
    for n in 1..=100_000 {
        mail.push(piece(n, 1));
    }
    for n in 1..=50_000 {
        let mut queue = mail.take(&[1]);
        // Neither moves a piece: the queue keeps its block.
        let place = queue.as_slices().0.as_ptr();
        assert_eq!(queue.pop_front().map(|piece| piece.arrival), Some(n));
        mail.put_back(&[1], queue);
        let filed = mail.filed.as_ref().unwrap();
        let queue = &filed.queues[filed.oldest[&(n + 1)]];
        assert_eq!(queue.as_slices().0.as_ptr(), place.wrapping_add(1));
    }
    assert_eq!(mail.len(), 50_000);
}
