//! What the scheduler promises, without a VM.

use super::*;
use crate::runtime::envelope::Envelope;
use crate::scheduling::{Listening, Sending};
use std::time::Instant;

fn send(scheduler: &mut Scheduler, id: ChannelId) -> (Ticket, Sending) {
    let ticket = scheduler.reserve(id);
    let sending = scheduler.try_send(id, ticket);
    (ticket, sending)
}

fn waiting_task(scheduler: &mut Scheduler, cases: Vec<Case>) -> (TaskId, WaiterId) {
    let task = scheduler.start_task();
    assert_eq!(scheduler.next_task(), Some(task));
    let waiter = scheduler.wait(Owner::Task(task), cases.into(), None);
    (task, waiter)
}

fn received(completion: Option<Completion>) -> Option<Ticket> {
    match completion?.finish {
        Finish::Received(Received::Stored(ticket)) => Some(ticket),
        _ => None,
    }
}

#[test]
fn an_unbuffered_send_needs_a_receiver() {
    let mut scheduler = Scheduler::default();
    let id = scheduler.open_channel(0);
    assert_eq!(send(&mut scheduler, id).1, Sending::MustWait);
    let (task, waiter) = waiting_task(&mut scheduler, vec![Case::Receive(id)]);
    let (ticket, sending) = send(&mut scheduler, id);
    assert_eq!(sending, Sending::Done);
    assert!(scheduler.try_receive(id).is_none(), "the value is claimed");
    assert_eq!(scheduler.next_task(), Some(task));
    assert_eq!(received(scheduler.complete(waiter)), Some(ticket));
}

#[test]
fn a_waiting_send_moves_into_the_room_that_a_receive_makes() {
    let mut scheduler = Scheduler::default();
    let id = scheduler.open_channel(1);
    let (first, sending) = send(&mut scheduler, id);
    assert_eq!(sending, Sending::Done);
    let second = scheduler.reserve(id);
    assert_eq!(scheduler.try_send(id, second), Sending::MustWait);
    let (task, waiter) = waiting_task(&mut scheduler, vec![Case::Send(id, second)]);
    assert!(matches!(scheduler.try_receive(id), Some(Received::Stored(ticket)) if ticket == first));
    assert_eq!(scheduler.next_task(), Some(task));
    assert!(matches!(scheduler.complete(waiter), Some(Completion { finish: Finish::Sent, .. })));
    assert!(matches!(scheduler.try_receive(id), Some(Received::Stored(ticket)) if ticket == second));
}

#[test]
fn a_select_leaves_no_trace_on_the_channels_it_did_not_take() {
    let mut scheduler = Scheduler::default();
    let (a, b) = (scheduler.open_channel(0), scheduler.open_channel(0));
    let (_, waiter) = waiting_task(&mut scheduler, vec![Case::Receive(a), Case::Receive(b)]);
    assert_eq!(send(&mut scheduler, b).1, Sending::Done);
    assert!(matches!(scheduler.complete(waiter), Some(Completion { case: 1, .. })));
    assert!(scheduler.channels.values().all(|channel| channel.receivers.is_empty() && channel.claims == 0));
    assert_eq!(send(&mut scheduler, a).1, Sending::MustWait);
}

#[test]
fn a_task_that_ends_while_it_is_marked_takes_nothing() {
    let mut scheduler = Scheduler::default();
    let id = scheduler.open_channel(0);
    let (first, _) = waiting_task(&mut scheduler, vec![Case::Receive(id)]);
    let (second, waiter) = waiting_task(&mut scheduler, vec![Case::Receive(id)]);
    let (ticket, _) = send(&mut scheduler, id);
    scheduler.end_task(first);
    assert_eq!(scheduler.next_task(), Some(second), "the next in the row is marked instead");
    assert_eq!(received(scheduler.complete(waiter)), Some(ticket));
}

#[test]
fn closing_wakes_everybody() {
    let mut scheduler = Scheduler::default();
    let (a, b) = (scheduler.open_channel(0), scheduler.open_channel(0));
    let (_, receiver) = waiting_task(&mut scheduler, vec![Case::Receive(a)]);
    let ticket = scheduler.reserve(b);
    let (_, sender) = waiting_task(&mut scheduler, vec![Case::Send(b, ticket)]);
    scheduler.close_channel(a);
    scheduler.close_channel(b);
    assert_eq!(scheduler.ready_count(), 2);
    assert!(matches!(
        scheduler.complete(receiver),
        Some(Completion { finish: Finish::Received(Received::Closed), .. })
    ));
    assert!(matches!(scheduler.complete(sender), Some(Completion { finish: Finish::SendOnClosed, .. })));
}

#[test]
fn selects_take_turns_between_ready_channels() {
    let mut scheduler = Scheduler::default();
    let channels: Vec<_> = (0..3).map(|_| scheduler.open_channel(100)).collect();
    for &id in &channels {
        for _ in 0..50 {
            assert_eq!(send(&mut scheduler, id).1, Sending::Done);
        }
    }
    let cases: Vec<_> = channels.iter().map(|&id| Case::Receive(id)).collect();
    let mut counts = [0; 3];
    for _ in 0..30 {
        counts[scheduler.poll(&cases).unwrap().0] += 1;
    }
    assert_eq!(counts, [10; 3]);
}

#[test]
fn messages_go_back_to_the_inbox_in_the_order_of_arrival() {
    let mut scheduler = Scheduler::default();
    let message = |topic: &str, n: u8| Envelope::message("", topic.as_bytes(), &[n]).unwrap();
    scheduler.route_message(message("a", 1));
    scheduler.route_message(message("b", 2));
    let Listening { id: listener, place: 1, new: true } = scheduler.listen(b"a", false).unwrap() else {
        panic!("not new")
    };
    assert!(scheduler.listen(b"a", true).is_err());
    scheduler.route_message(message("a", 3));
    scheduler.route_message(message("b", 4));
    scheduler.unlisten(listener).unwrap();
    assert!(scheduler.unlisten(listener).is_err());
    let inbox = scheduler.inbox();
    let order: Vec<u8> = std::iter::from_fn(|| match scheduler.try_receive(inbox) {
        Some(Received::Message(envelope)) => Some(envelope.payload()[0]),
        _ => None,
    })
    .collect();
    assert_eq!(order, [1, 2, 3, 4]);
    assert!(matches!(scheduler.try_receive(listener), Some(Received::Closed)));
}

#[test]
fn a_wait_that_only_the_held_up_one_could_serve_is_found() {
    let mut scheduler = Scheduler::default();
    let (a, b) = (scheduler.open_channel(1), scheduler.open_channel(0));
    let outer = scheduler.wait(Owner::Frame, [Case::Receive(a)].into(), None);
    let inner = scheduler.wait(Owner::Frame, [Case::Receive(b)].into(), None);
    assert!(!scheduler.is_held_up(), "the outer wait could not go on either");
    assert_eq!(send(&mut scheduler, a).1, Sending::Done);
    assert!(scheduler.is_held_up());
    let timer = scheduler.start_timer(Some(Instant::now()));
    assert!(!scheduler.is_held_up(), "a timer may wake somebody");
    scheduler.drop_channel(timer);
    scheduler.fail(inner, Failure::HeldUp);
    assert!(matches!(scheduler.complete(inner), Some(Completion { finish: Finish::Failed(_), .. })));
    assert!(received(scheduler.complete(outer)).is_some());
    assert_eq!(scheduler.frame_count(), 0);
}
