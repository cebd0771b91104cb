//! What timers and tickers promise, without a VM and without waiting.

use super::*;
use crate::scheduling::{Case, Completion, Owner, Received, Sending, WaiterId};

const SECOND: u64 = 1_000_000_000;

fn after(start: Instant, milliseconds: u64) -> Instant {
    start + Duration::from_millis(milliseconds)
}

fn fired(scheduler: &mut Scheduler, id: ChannelId) -> bool {
    matches!(scheduler.try_receive(id), Some(Received::Fired(_)))
}

fn waiting_task(scheduler: &mut Scheduler, id: ChannelId) -> WaiterId {
    let task = scheduler.start_task();
    assert_eq!(scheduler.next_task(), Some(task));
    scheduler.wait(Owner::Task(task), [Case::Receive(id)].into(), None)
}

fn ticker(scheduler: &mut Scheduler, start: Instant) -> ChannelId {
    scheduler.start_ticker(start, NonZeroU64::new(SECOND).unwrap())
}

#[test]
fn a_timer_fires_once() {
    let (mut scheduler, start) = (Scheduler::default(), Instant::now());
    let id = scheduler.start_timer(Some(after(start, 10)));
    assert_eq!(scheduler.next_deadline(), Some(after(start, 10)));
    scheduler.fire_due(after(start, 9));
    assert!(!fired(&mut scheduler, id));
    scheduler.fire_due(after(start, 10));
    assert!(fired(&mut scheduler, id));
    scheduler.fire_due(after(start, 1000));
    assert!(!fired(&mut scheduler, id));
    assert_eq!(scheduler.next_deadline(), None);
    assert_eq!(scheduler.stop_timer(id), Stopped::default());
}

#[test]
fn a_stop_prevents_what_is_pending_and_what_has_fired() {
    let (mut scheduler, start) = (Scheduler::default(), Instant::now());
    let id = scheduler.start_timer(Some(after(start, 10)));
    assert_eq!(scheduler.stop_timer(id), Stopped { pending: true, unreceived: false });
    assert_eq!(scheduler.next_deadline(), None);
    assert!(!scheduler.stop_timer(id).prevented());
    assert!(!scheduler.reset_timer(id, Some(after(start, 20))));
    scheduler.fire_due(after(start, 30));
    assert_eq!(scheduler.stop_timer(id), Stopped { pending: false, unreceived: true });
    assert!(!fired(&mut scheduler, id));
}

#[test]
fn a_reset_leaves_nothing_of_the_earlier_arming() {
    let (mut scheduler, start) = (Scheduler::default(), Instant::now());
    let id = scheduler.start_timer(Some(after(start, 10)));
    assert!(scheduler.reset_timer(id, Some(after(start, 20))));
    scheduler.fire_due(after(start, 15));
    assert!(!fired(&mut scheduler, id));
    scheduler.fire_due(after(start, 20));
    assert!(scheduler.reset_timer(id, Some(after(start, 40))), "it had fired, nobody had received that");
    assert!(!fired(&mut scheduler, id));
    scheduler.fire_due(after(start, 40));
    assert!(fired(&mut scheduler, id));
    assert!(!scheduler.reset_timer(id, None), "the value was received");
    assert!(scheduler.stop_timer(id).prevented(), "armed, though the clock cannot express when");
}

#[test]
fn a_marked_receiver_of_a_stopped_timer_waits_on() {
    let (mut scheduler, start) = (Scheduler::default(), Instant::now());
    let id = scheduler.start_timer(Some(after(start, 10)));
    let waiter = waiting_task(&mut scheduler, id);
    scheduler.fire_due(after(start, 10));
    assert_eq!(scheduler.ready_count(), 1, "the receiver is marked");
    assert!(scheduler.reset_timer(id, Some(after(start, 20))));
    assert!(scheduler.next_task().is_some());
    assert!(scheduler.complete(waiter).is_none(), "nothing is left for it");
    scheduler.fire_due(after(start, 20));
    assert!(scheduler.next_task().is_some());
    assert!(matches!(
        scheduler.complete(waiter),
        Some(Completion { finish: Finish::Received(Received::Fired(_)), .. })
    ));
}

#[test]
fn a_ticker_keeps_its_pace_and_holds_one_tick() {
    let (mut scheduler, start) = (Scheduler::default(), Instant::now());
    let id = ticker(&mut scheduler, start);
    assert_eq!(scheduler.next_deadline(), Some(after(start, 1000)));
    scheduler.fire_due(after(start, 1003));
    assert!(fired(&mut scheduler, id));
    assert_eq!(scheduler.next_deadline(), Some(after(start, 2000)), "late, but no drift");
    scheduler.fire_due(after(start, 2000));
    scheduler.fire_due(after(start, 7500));
    assert!(fired(&mut scheduler, id));
    assert!(!fired(&mut scheduler, id), "at most one waits");
    scheduler.fire_due(after(start, 8000));
    assert_eq!(scheduler.stop_timer(id), Stopped { pending: true, unreceived: true });
    scheduler.fire_due(after(start, 20_000));
    assert!(!fired(&mut scheduler, id));
    assert_eq!(scheduler.next_deadline(), None);
    assert!(!scheduler.stop_timer(id).pending);
}

#[test]
fn a_tick_that_nobody_takes_is_the_last_that_the_ticker_wakes_for() {
    let (mut scheduler, start) = (Scheduler::default(), Instant::now());
    let id = ticker(&mut scheduler, start);
    scheduler.fire_due(after(start, 1000));
    assert_eq!(scheduler.next_deadline(), None);
    assert!(scheduler.has_timers(), "it goes on when that is taken");
    scheduler.resume_ticker(id, after(start, 7500));
    assert_eq!(scheduler.next_deadline(), Some(after(start, 8000)), "missed ticks are not made up for");
    scheduler.stop_timer(id);
    assert!(!scheduler.has_timers());
    scheduler.resume_ticker(id, after(start, 9000));
    assert_eq!(scheduler.next_deadline(), None, "a ticker that was stopped stays so");
}

#[test]
fn a_wait_whose_time_is_over_takes_what_is_there_when_it_runs() {
    let (mut scheduler, start) = (Scheduler::default(), Instant::now());
    let id = scheduler.open_channel(1);
    for value in [false, true] {
        let task = scheduler.start_task();
        assert_eq!(scheduler.next_task(), Some(task));
        let waiter = scheduler.wait(Owner::Task(task), [Case::Receive(id)].into(), Some(after(start, 10)));
        scheduler.fire_due(after(start, 9));
        assert_eq!(scheduler.ready_count(), 0);
        scheduler.fire_due(after(start, 10));
        assert_eq!(scheduler.ready_count(), 1);
        if value {
            let ticket = scheduler.reserve(id);
            assert_eq!(scheduler.try_send(id, ticket), Sending::Done);
        }
        assert!(scheduler.next_task().is_some());
        match scheduler.complete(waiter) {
            Some(Completion { finish: Finish::Received(Received::Stored(_)), .. }) => assert!(value),
            Some(Completion { finish: Finish::Elapsed, .. }) => assert!(!value),
            _ => panic!("the time is over"),
        }
        scheduler.end_task(task);
        assert!(scheduler.try_receive(id).is_none());
    }
}

#[test]
fn a_send_whose_time_is_over_leaves_nothing_behind() {
    let (mut scheduler, start) = (Scheduler::default(), Instant::now());
    let id = scheduler.open_channel(0);
    for _ in 0..3 {
        let ticket = scheduler.reserve(id);
        assert_eq!(ticket, 1, "the ticket is free again");
        let task = scheduler.start_task();
        assert_eq!(scheduler.next_task(), Some(task));
        let waiter =
            scheduler.wait(Owner::Task(task), [Case::Send(id, ticket)].into(), Some(after(start, 10)));
        scheduler.fire_due(after(start, 10));
        assert!(scheduler.next_task().is_some());
        assert!(matches!(scheduler.complete(waiter), Some(Completion { finish: Finish::Elapsed, .. })));
        scheduler.end_task(task);
        assert!(scheduler.try_receive(id).is_none(), "nobody sends any more");
    }
}

#[test]
fn a_tick_takes_a_whole_number_of_intervals() {
    let start = Instant::now();
    let third = NonZeroU64::new(3).unwrap();
    assert_eq!(next_tick(start, third, start), Some(start + Duration::from_nanos(3)));
    assert_eq!(
        next_tick(start, third, start + Duration::from_nanos(6)),
        Some(start + Duration::from_nanos(9))
    );
    assert_eq!(next_tick(start, NonZeroU64::MAX, start + Duration::from_nanos(u64::MAX)), None);
}

#[test]
fn timers_of_channels_that_are_gone_are_forgotten() {
    let (mut scheduler, start) = (Scheduler::default(), Instant::now());
    for n in 0..1000 {
        let id = match n % 2 {
            0 => scheduler.start_timer(Some(after(start, 10))),
            _ => ticker(&mut scheduler, start),
        };
        scheduler.drop_channel(id);
    }
    assert_eq!(scheduler.next_deadline(), None);
    scheduler.fire_due(after(start, 60_000));
    assert!(!scheduler.reset_timer(ChannelId::default(), None));
}

#[test]
fn resets_do_not_pile_up() {
    let (mut scheduler, start) = (Scheduler::default(), Instant::now());
    let id = scheduler.start_timer(Some(after(start, 10)));
    for n in 0..10_000 {
        assert!(scheduler.reset_timer(id, Some(after(start, 60_000 + n))));
    }
    assert!(scheduler.timers.kept() <= 64);
    assert_eq!(scheduler.next_deadline(), Some(after(start, 69_999)));
}

#[test]
fn time_outs_of_waits_that_were_served_do_not_pile_up() {
    let (mut scheduler, start) = (Scheduler::default(), Instant::now());
    let id = scheduler.open_channel(0);
    for _ in 0..10_000 {
        let task = scheduler.start_task();
        assert_eq!(scheduler.next_task(), Some(task));
        let waiter =
            scheduler.wait(Owner::Task(task), [Case::Receive(id)].into(), Some(after(start, 60_000)));
        let ticket = scheduler.reserve(id);
        assert_eq!(scheduler.try_send(id, ticket), Sending::Done);
        assert_eq!(scheduler.next_task(), Some(task));
        assert!(matches!(scheduler.complete(waiter), Some(Completion { finish: Finish::Received(_), .. })));
        scheduler.release(id, ticket);
        scheduler.end_task(task);
    }
    assert!(scheduler.timers.kept() <= 64);
    assert_eq!(scheduler.next_deadline(), None);
}

#[test]
fn who_waits_to_send_into_the_channel_of_a_timer_moves_into_the_room_that_a_stop_makes() {
    let (mut scheduler, start) = (Scheduler::default(), Instant::now());
    let id = scheduler.start_timer(Some(start));
    scheduler.fire_due(start);
    let ticket = scheduler.reserve(id);
    assert_eq!(scheduler.try_send(id, ticket), Sending::MustWait);
    let task = scheduler.start_task();
    scheduler.next_task();
    let waiter = scheduler.wait(Owner::Task(task), [Case::Send(id, ticket)].into(), None);
    assert!(scheduler.stop_timer(id).prevented());
    assert!(matches!(scheduler.complete(waiter), Some(Completion { finish: Finish::Sent, .. })));
    assert!(matches!(scheduler.try_receive(id), Some(Received::Stored(got)) if got == ticket));
}

#[test]
fn a_closed_channel_hears_nothing_more_of_its_timer() {
    let (mut scheduler, start) = (Scheduler::default(), Instant::now());
    let id = scheduler.start_timer(Some(after(start, 10)));
    scheduler.close_channel(id);
    assert_eq!(scheduler.next_deadline(), None);
    assert!(!scheduler.reset_timer(id, Some(after(start, 10))));
    scheduler.fire_due(after(start, 10));
    assert!(matches!(scheduler.try_receive(id), Some(Received::Closed)));
}
