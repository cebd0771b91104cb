//! The last events of a trace, in a ring that many threads write at the same time.
//!
//! **Invariant.** The writer of event number `n` has the slot `n % slots` for itself while the slot's sequence is `2n + 1`, which it
//! sets by one exchange, from an even sequence of an older event only; when the words are written it sets `2n + 2`. Whoever finds
//! the slot taken, or used by a newer event, drops its own event. So a slot with an even sequence, before and after its words were
//! read, holds one event as a whole.

use once_cell::sync::OnceCell;
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// Bytes of text that an event carries, at most.
pub const TEXT: usize = 23;

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
pub enum Kind {
    /// Code of the process ran, for `span` nanoseconds.
    Run,
    /// It has spawned the process `other`.
    Spawn,
    /// It has ended. The text says how.
    Exit,
    /// It has sent the message at the address `span` to `other`. The text is the topic.
    Send,
    /// It has taken the message at the address `span`.
    Receive,
    /// Its call number `span`, to `other`, begins. The text is the topic.
    Call,
    /// Its call number `span` is over.
    CallEnd,
    /// A timer of it, or a time-out, was due.
    Timer,
    /// It has got the name in the text.
    Name,
    /// It has lost the name in the text.
    Unname,
}

impl Kind {
    const ALL: [Kind; 10] = [
        Kind::Run,
        Kind::Spawn,
        Kind::Exit,
        Kind::Send,
        Kind::Receive,
        Kind::Call,
        Kind::CallEnd,
        Kind::Timer,
        Kind::Name,
        Kind::Unname,
    ];
}

/// Something that has happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// When it has begun, in nanoseconds from any moment on.
    pub at: u64,
    /// What it is.
    pub kind: Kind,
    /// The process.
    pub process: u64,
    /// Another one, 0 for none.
    pub other: u64,
    /// See [`Kind`].
    pub span: u64,
    text: [u8; TEXT + 1],
}

impl Event {
    /// An event with the first bytes of this text.
    pub fn new(at: u64, kind: Kind, process: u64, other: u64, span: u64, text: &[u8]) -> Self {
        let length = text.len().min(TEXT);
        let mut own = [0; TEXT + 1];
        own[..length].copy_from_slice(&text[..length]);
        own[TEXT] = length as u8;
        Event { at, kind, process, other, span, text: own }
    }

    /// Its text.
    pub fn text(&self) -> &[u8] {
        &self.text[..usize::from(self.text[TEXT]).min(TEXT)]
    }

    fn words(&self) -> [u64; WORDS] {
        let text = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| self.text[at + byte]));
        let subject = self.process << 8 | self.kind as u64;
        [self.at, subject, self.other, self.span, text(0), text(8), text(16)]
    }

    fn of_words([at, subject, other, span, parts @ ..]: [u64; WORDS]) -> Option<Self> {
        let kind = *Kind::ALL.get((subject & 0xff) as usize)?;
        let mut text = [0; TEXT + 1];
        for (place, part) in text.chunks_mut(8).zip(parts) {
            place.copy_from_slice(&part.to_le_bytes());
        }
        Some(Event { at, kind, process: subject >> 8, other, span, text })
    }
}

const WORDS: usize = 7;

#[repr(align(64))]
struct Slot {
    sequence: AtomicU64,
    words: [AtomicU64; WORDS],
}

const _: () = assert!(size_of::<Slot>() == 64);

/// Slots that come into being together, when the first of them is used.
const PART: usize = 4096;

type Part = Box<[Slot]>;

/// A ring of so many events.
pub struct Ring {
    parts: Vec<OnceCell<Part>>,
    slots: u64,
    next: AtomicU64,
}

impl Ring {
    /// An empty one for `events` events, rounded up; `None` if there is no memory.
    pub fn new(events: usize) -> Option<Self> {
        let count = events.div_ceil(PART).max(1);
        let mut parts = Vec::new();
        parts.try_reserve_exact(count).ok()?;
        parts.resize_with(count, OnceCell::new);
        Some(Ring { parts, slots: (count * PART) as u64, next: AtomicU64::new(0) })
    }

    fn part(&self, slot: u64) -> Option<&Part> {
        let make = || {
            let mut slots = Vec::new();
            slots.try_reserve_exact(PART).map_err(|_| ())?;
            let slot = || Slot { sequence: AtomicU64::new(0), words: [const { AtomicU64::new(0) }; WORDS] };
            slots.resize_with(PART, slot);
            Ok::<_, ()>(slots.into_boxed_slice())
        };
        self.parts.get(slot as usize / PART)?.get_or_try_init(make).ok()
    }

    /// Adds an event in the place of the oldest one.
    pub fn put(&self, event: Event) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let place = number % self.slots;
        let Some(part) = self.part(place) else { return };
        let slot = &part[place as usize % PART];
        let before = slot.sequence.load(Ordering::Relaxed);
        if before % 2 == 1 || before > 2 * number {
            return;
        }
        let claimed =
            slot.sequence.compare_exchange(before, 2 * number + 1, Ordering::Acquire, Ordering::Relaxed);
        if claimed.is_err() {
            return;
        }
        fence(Ordering::Release);
        for (word, value) in slot.words.iter().zip(event.words()) {
            word.store(value, Ordering::Relaxed);
        }
        slot.sequence.store(2 * number + 2, Ordering::Release);
    }

    /// What is in it, by time.
    pub fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for slot in self.parts.iter().filter_map(OnceCell::get).flat_map(|part| part.iter()) {
            let before = slot.sequence.load(Ordering::Acquire);
            if before == 0 || before % 2 == 1 {
                continue;
            }
            let words = std::array::from_fn(|word| slot.words[word].load(Ordering::Relaxed));
            fence(Ordering::Acquire);
            if slot.sequence.load(Ordering::Relaxed) == before
                && let Some(event) = Event::of_words(words)
                && events.try_reserve(1).is_ok()
            {
                events.push(event);
            }
        }
        events.sort_by_key(|event| event.at);
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_as_it_was_written() {
        for kind in Kind::ALL {
            let event = Event::new(1 << 40, kind, 7, u64::MAX, 9, b"a topic that is far too long");
            assert_eq!(Event::of_words(event.words()), Some(event));
            assert_eq!(event.text(), b"a topic that is far too");
        }
    }

    #[test]
    fn the_newest_events_stay() {
        let ring = Ring::new(1).unwrap();
        for number in 0..10_000 {
            ring.put(Event::new(number, Kind::Timer, 1, 0, 0, b""));
        }
        let events = ring.events();
        let times: Vec<u64> = events.iter().map(|event| event.at).collect();
        assert_eq!(times, (10_000 - PART as u64..10_000).collect::<Vec<_>>());
    }

    #[test]
    fn no_event_is_torn_however_many_write() {
        let ring = Ring::new(1).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4u64 {
                let ring = &ring;
                scope.spawn(move || {
                    for number in 0..50_000u64 {
                        let value = thread << 32 | number;
                        ring.put(Event::new(value, Kind::Send, value, value, value, &value.to_le_bytes()));
                    }
                });
            }
            for _ in 0..20 {
                for event in ring.events() {
                    let value = event.at;
                    assert_eq!((event.process, event.other, event.span), (value, value, value));
                    assert_eq!(event.text(), value.to_le_bytes());
                }
            }
        });
        assert!(ring.events().len() > PART / 2);
    }
}
