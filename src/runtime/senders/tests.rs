use super::*;
use crate::runtime::host::{Host, Settings, define, find};
use crate::runtime::sleeper::Sleeper;
use crate::runtime::{exit, failure::Failure, signal::Signal};
use once_cell::sync::OnceCell;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::{Duration, Instant};

/// A process on a host of its own, with this limit to its mailbox.
fn process(mailbox_limit: usize) -> Arc<Process> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("senders:h{}", COUNT.fetch_add(1, Ordering::Relaxed));
    define(name.as_bytes(), Settings { mailbox_limit, ..Settings::default() }).unwrap();
    let host: Arc<Host> = find(&name).unwrap();
    Arc::new(Process::new("t:t", host, Arc::default(), Sleeper::Thread(OnceCell::new())))
}

fn message(sender: u8, number: u32) -> Envelope {
    Envelope::message("", &[sender], &number.to_le_bytes()[..]).unwrap()
}

fn errand(process: &Arc<Process>, number: u64) -> Errand {
    Errand { process: Arc::clone(process), number }
}

/// The answers that have come so far: the number of the call, and whether its message was delivered.
fn answers(process: &Process) -> Vec<(u64, bool)> {
    let answer = |envelope: Envelope| match envelope.as_signal() {
        Some(Signal::Answer(answer)) => Some((answer.call, matches!(answer.news, News::Delivered))),
        _ => None,
    };
    process.mailbox.take().filter_map(answer).collect()
}

/// Takes all mail out: the numbers of the messages.
fn taken(process: &Process) -> Vec<u8> {
    let all: Vec<_> = process.mailbox.take().collect();
    let leave = |envelope: Envelope| {
        process.envelope_left(&envelope);
        envelope.payload()[0]
    };
    all.into_iter().map(leave).collect()
}

fn is_to_wait(result: Result<(), NotYet>) -> bool {
    matches!(result, Err(NotYet::Wait(_)))
}

#[test]
fn those_who_wait_are_served_in_order_and_pass_on_what_they_do_not_take() {
    let (receiver, sender) = (process(1), process(0));
    assert!(receiver.deliver_in_turn(message(0, 0)).is_ok());
    assert!(is_to_wait(receiver.deliver_in_turn(message(0, 1))));
    for number in 1..=3u8 {
        receiver.wait_for_room(message(0, number.into()), errand(&sender, number.into()), None);
    }
    assert!(receiver.is_waited_for() && answers(&sender).is_empty());
    assert!(receiver.give_up_room(&sender, 2) && !receiver.give_up_room(&sender, 2));
    assert_eq!(taken(&receiver), [0]);
    assert_eq!(answers(&sender), [(1, true)]);
    assert!(!receiver.give_up_room(&sender, 1));
    assert_eq!(taken(&receiver), [1]);
    assert_eq!(answers(&sender), [(3, true)]);
    assert!(!receiver.is_waited_for());
    assert_eq!(taken(&receiver), [3]);
    assert!(receiver.deliver(message(0, 4)).is_ok());
}

#[test]
fn the_end_of_the_receiver_is_told_and_that_of_a_sender_skipped() {
    let (receiver, sender, ended) = (process(1), process(0), process(0));
    assert!(receiver.deliver(message(0, 0)).is_ok());
    receiver.wait_for_room(message(0, 1), errand(&ended, 1), None);
    receiver.wait_for_room(message(0, 2), errand(&sender, 2), None);
    ended.close_mailbox();
    assert_eq!(taken(&receiver), [0]);
    assert_eq!(answers(&sender), [(2, true)]);
    receiver.wait_for_room(message(0, 3), errand(&sender, 3), None);
    assert!(answers(&sender).is_empty());
    exit::begin(&receiver, Err(Arc::new(Failure::Terminated.into())));
    assert_eq!(answers(&sender), [(3, false)]);
    receiver.wait_for_room(message(0, 4), errand(&sender, 4), None);
    assert_eq!(answers(&sender), [(4, false)]);
    assert!(!receiver.is_waited_for());
}

#[test]
fn no_room_is_overlooked_under_contention() {
    let senders: u8 = 4;
    let each: u32 = if cfg!(miri) { 20 } else { 5_000 };
    let receiver = process(2);
    let threads: Vec<_> = (0..senders)
        .map(|sender| {
            let receiver = Arc::clone(&receiver);
            thread::spawn(move || {
                let own = process(0);
                let mut sent = 0;
                for number in 0..each {
                    match receiver.deliver_in_turn(message(sender, number)) {
                        Ok(()) => sent += 1,
                        Err(NotYet::Never(_)) => panic!("the receiver is there"),
                        Err(NotYet::Wait(message)) => {
                            let call = u64::from(number);
                            receiver.wait_for_room(message, errand(&own, call), None);
                            // Every seventh is given up at once, if it still waits.
                            if number % 7 == 0 && receiver.give_up_room(&own, call) {
                                continue;
                            }
                            let begun = Instant::now();
                            let answer = loop {
                                if let Some(answer) = answers(&own).pop() {
                                    break answer;
                                }
                                assert!(begun.elapsed() < Duration::from_secs(20), "a room was overlooked");
                                thread::yield_now();
                            };
                            assert_eq!(answer, (call, true));
                            sent += 1;
                        }
                    }
                }
                sent
            })
        })
        .collect();
    let (mut next, mut got) = (vec![0u32; senders.into()], 0);
    while threads.iter().any(|thread| !thread.is_finished()) || receiver.mailbox.has_mail() {
        let all: Vec<_> = receiver.mailbox.take().collect();
        assert!(all.len() <= 2, "more than the limit");
        for envelope in all {
            receiver.envelope_left(&envelope);
            let (sender, number) =
                (envelope.topic()[0], u32::from_le_bytes(envelope.payload().try_into().unwrap()));
            assert!(number >= next[usize::from(sender)], "out of order");
            next[usize::from(sender)] = number + 1;
            got += 1;
        }
        thread::yield_now();
    }
    let sent: u32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(got, sent);
    assert!(!receiver.is_waited_for());
}
