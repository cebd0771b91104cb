//! A lone wait cannot be told from any other: whatever happens, both give the same.

use super::*;
use crate::runtime::envelope::Envelope;
use crate::runtime::signal::Signal;
use std::fmt::Write;

/// What can happen to a coroutine that waits for the topic `a`.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A message of the topic arrives.
    Message,
    /// One of another topic arrives.
    Other,
    /// An event arrives.
    Event,
    /// The next coroutine that is ready runs; it waits again if its wait is over.
    Run,
    /// The topic is closed.
    Unlisten,
    /// Another coroutine is started.
    Start,
    /// The first coroutine ends.
    End,
    /// Somebody takes from the view without waiting.
    Take,
    /// Somebody selects from the view and the inbox.
    Poll,
    /// Another wait begins, which keeps the thread; then it is given up.
    Frame,
}

const STEPS: [Step; 10] = [
    Step::Message,
    Step::Other,
    Step::Event,
    Step::Run,
    Step::Unlisten,
    Step::Start,
    Step::End,
    Step::Take,
    Step::Poll,
    Step::Frame,
];

/// A process whose first coroutine waits for `a`, and what could be seen of it.
struct Model {
    scheduler: Scheduler,
    /// Whether waits may be lone.
    lone: bool,
    task: TaskId,
    view: ChannelId,
    sent: u32,
    seen: String,
}

fn message(topic: &str, number: u32) -> Envelope {
    Envelope::message("{test|1}", topic.as_bytes(), &[number as u8]).unwrap()
}

fn text(finish: &Finish) -> String {
    let number = |envelope: &Envelope| envelope.payload()[0];
    match finish {
        Finish::Received(Received::Payload(envelope)) => format!("payload {}", number(envelope)),
        Finish::Received(Received::Message(envelope)) => format!("message {}", number(envelope)),
        Finish::Received(Received::Closed) => "closed".into(),
        _ => "something else".into(),
    }
}

impl Model {
    fn new(lone: bool) -> Self {
        let mut scheduler = Scheduler::default();
        let view = scheduler.listen(b"a", false).unwrap().id;
        let task = scheduler.start_task();
        let mut model = Model { scheduler, lone, task, view, sent: 0, seen: String::new() };
        assert_eq!(model.scheduler.next_task(), Some(task));
        model.wait();
        assert_eq!(model.scheduler.lone.is_some(), lone);
        model
    }

    fn wait(&mut self) {
        if self.scheduler.can_receive_now(self.view) {
            // A call that need not wait takes at once.
            let taken =
                self.scheduler.try_receive(self.view).map(|received| text(&Finish::Received(received)));
            let _ = write!(self.seen, "[{taken:?}]");
        } else if !(self.lone && self.scheduler.wait_alone(self.task, self.view)) {
            self.scheduler.wait(Owner::Task(self.task), [Case::Receive(self.view)].into(), None);
        }
        self.scheduler.set_current(None);
    }

    fn run(&mut self) {
        let Some(task) = self.scheduler.next_task() else { return };
        let _ = write!(self.seen, "(runs {})", task == self.task);
        if let Some(id) = self.scheduler.wait_of(task) {
            let ready = self.scheduler.can_complete(id);
            let completion = if ready { self.scheduler.complete(id) } else { None };
            let _ = write!(self.seen, "{ready} {:?}", completion.as_ref().map(|done| text(&done.finish)));
            match completion {
                Some(_) => self.wait(),
                None => self.scheduler.unmark(id),
            }
        }
        self.scheduler.set_current(None);
    }

    fn make(&mut self, step: Step) {
        self.sent += 1;
        match step {
            Step::Message => self.scheduler.route_message(message("a", self.sent)),
            Step::Other => self.scheduler.route_message(message("b", self.sent)),
            Step::Event => self.scheduler.route_event(Envelope::signal(Signal::Childless)),
            Step::Run => self.run(),
            Step::Unlisten => {
                let place = self.scheduler.unlisten(self.view).ok();
                let _ = write!(self.seen, "<{place:?}>");
            }
            Step::Start => drop(self.scheduler.start_task()),
            Step::End => drop(self.scheduler.end_task(self.task)),
            Step::Take => {
                let taken = self.scheduler.try_receive(self.view);
                let taken = taken.map(|received| text(&Finish::Received(received)));
                let _ = write!(self.seen, "{{{taken:?}}}");
            }
            Step::Poll => {
                let cases = [Case::Receive(self.view), Case::Receive(self.scheduler.inbox())];
                let polled = self.scheduler.poll(&cases).map(|(case, finish)| (case, text(&finish)));
                let _ = write!(self.seen, "{polled:?}");
            }
            Step::Frame => {
                let id = self.scheduler.wait(Owner::Frame, [Case::Receive(self.view)].into(), None);
                let _ = write!(self.seen, "frame {}", self.scheduler.can_complete(id));
                self.scheduler.forget(id);
            }
        }
        let _ = write!(self.seen, " {};", self.scheduler.ready_count());
    }

    /// What can be seen, and what is left in the end.
    fn end(mut self) -> String {
        let left = self.scheduler.take_mail();
        let left: Vec<u8> = left.iter().filter_map(|mail| mail.payload().first().copied()).collect();
        let _ = write!(self.seen, " left {left:?}");
        for channel in self.scheduler.channels.values() {
            let _ = write!(self.seen, " {} {} {:?}", channel.receivers.len(), channel.claims, channel.served);
        }
        self.seen
    }
}

impl Scheduler {
    fn can_receive_now(&self, id: ChannelId) -> bool {
        self.channels.get(id).is_none_or(|channel| channel.can_receive(None, 0))
    }
}

#[test]
fn a_lone_wait_gives_what_any_other_gives() {
    const LONGEST: u32 = 5;
    for number in 0..(STEPS.len() as u32).pow(LONGEST) {
        let steps: Vec<Step> =
            (0..LONGEST).map(|place| STEPS[(number / 10u32.pow(place) % 10) as usize]).collect();
        let [alone, ordinary] = [true, false].map(|lone| {
            let mut model = Model::new(lone);
            steps.iter().for_each(|step| model.make(*step));
            model.end()
        });
        assert_eq!(alone, ordinary, "{steps:?}");
    }
}

#[test]
fn its_message_is_handed_over_and_the_next_wait_is_lone_again() {
    let mut model = Model::new(true);
    for number in 1..4 {
        model.scheduler.route_message(message("a", number));
        model.scheduler.route_message(message("b", 77));
        assert!(model.scheduler.waiters.is_empty());
        assert_eq!(model.scheduler.next_task(), Some(model.task));
        let done = model.scheduler.complete(WaiterId::null()).unwrap();
        assert_eq!((text(&done.finish), done.case), (format!("payload {number}"), 0));
        assert!(model.scheduler.wait_alone(model.task, model.view));
        assert!(model.scheduler.complete(WaiterId::null()).is_none());
    }
}
