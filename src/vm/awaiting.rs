//! What the blocking calls of one process wait for elsewhere: the end of a process, a name, room in a mailbox, a reply.
//!
//! Each such call has a private channel, on which its answer comes, and an entry here. **Invariant:** the entry goes with the
//! wait, however that ends: by the second half of the call ([`Context::finish_errand`]), by an error that leaves the wait
//! ([`Context::forget_wait`]), by the end of the process or an upgrade ([`Context::forget_errands`]). What others keep for the call
//! goes with the entry, so nothing is left behind anywhere.
//!
//! `process.await` takes the EXIT of a process that its caller monitors. If all calls that are to have it are given up before
//! they have read it, it is due to `events()` again: the calls share a mark ([`super::errands`]) that says so.

use super::context::Context;
use super::errands::{Awaited, Owed, Subject};
use crate::runtime::envelope::Envelope;
use crate::runtime::pid::ProcessId;
use crate::runtime::process::{Errand, Process};
use crate::runtime::signal::{ExitRecord, Signal};
use crate::runtime::{call, directory, emptiness, registry, relations, vitals};
use crate::scheduling::{Case, ChannelId, WaiterId};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

impl Context {
    /// Opens the channel on which a call gets its answer. Its errand is to be given away by [`Context::errand_on`] and
    /// [`Context::await_end`] at once.
    pub fn begin_errand(&self, subject: Subject, within: Option<i64>) -> ChannelId {
        let channel = self.scheduler().open_private();
        if let Subject::End { id, .. } = &subject {
            self.errands().ends.borrow_mut().entry(*id).or_default().push(channel);
        }
        self.errands().calls.borrow_mut().insert(channel, Awaited { subject, within, owed: None });
        channel
    }

    /// What the call that waits on this channel is on, for those who look from outside.
    pub fn errand_shown(&self, channel: ChannelId) -> vitals::Subject {
        match self.errands().calls.borrow().get(&channel).map(|call| &call.subject) {
            Some(Subject::End { id, .. }) => vitals::Subject::Process(id.number()),
            Some(Subject::Room(process) | Subject::Reply(process) | Subject::Place(process)) => {
                vitals::Subject::Process(process.id.number())
            }
            Some(Subject::Name(_) | Subject::Emptiness(_)) | None => vitals::Subject::None,
        }
    }

    /// The errand of the call that waits on this channel, for those who keep it.
    pub fn errand_on(&self, channel: ChannelId) -> Errand {
        Errand { process: Arc::clone(self.process()), number: channel.number() }
    }

    /// A call of this process waits for the end of `target`: the channel on which it is told. `None` if that is gone.
    pub fn await_end(&self, target: &Process, takes_event: bool, within: Option<i64>) -> Option<ChannelId> {
        let subject = Subject::End { id: target.id, pid: target.pid.clone(), takes_event };
        let channel = self.begin_errand(subject, within);
        if relations::await_end(self.process(), target) {
            return Some(channel);
        }
        self.finish_errand(channel, false);
        None
    }

    /// A process is gone: tells the calls that wait for that. `true` if one of them takes the event.
    pub fn tell_end(&self, record: &Arc<ExitRecord>, monitored: bool) -> bool {
        let Some(channels) = self.errands().ends.borrow_mut().remove(&record.id) else { return false };
        let mut owed: Option<Owed> = None;
        for channel in channels {
            if let Some(call) = self.errands().calls.borrow_mut().get_mut(&channel)
                && monitored
                && matches!(call.subject, Subject::End { takes_event: true, .. })
            {
                call.owed = Some(Rc::clone(owed.get_or_insert_with(|| Rc::new(Cell::new(true)))));
            }
            let event = Envelope::signal(Signal::Exit(Arc::clone(record)));
            self.process().charge(event.size());
            self.process().vitals.sort(1);
            self.scheduler().route_private(channel, event);
        }
        owed.is_some()
    }

    /// Gives an answer to the call that waits for it, if it still does.
    pub fn tell_answer(&self, number: u64, answer: Envelope) {
        let channel = ChannelId::of_number(number);
        if self.errands().calls.borrow().contains_key(&channel) {
            self.scheduler().route_private(channel, answer);
        } else {
            self.process().envelope_left(&answer);
        }
    }

    /// The call that waits on this channel does so no more; `read`: it has its answer. What it has waited for.
    pub fn finish_errand(&self, channel: ChannelId, read: bool) -> Option<Awaited> {
        let mut call = self.errands().calls.borrow_mut().remove(&channel)?;
        match &call.subject {
            Subject::End { id, .. } => self.give_up_end(*id, channel),
            Subject::Name(_) | Subject::Room(_) if read => {}
            Subject::Name(name) => {
                registry::give_up_name(name, self.process(), channel.number());
            }
            Subject::Room(receiver) => {
                receiver.give_up_room(self.process(), channel.number());
            }
            // The question is dropped when nobody can wait for its answer any more.
            Subject::Place(_) => {}
            Subject::Emptiness(main) => {
                emptiness::give_up(main, channel.number());
                main.realm.end_shutdown();
            }
            Subject::Reply(callee) => call::give_up(self.process(), callee, channel.number()),
        }
        let unread = self.scheduler().close_private(channel);
        let owed = call.owed.take();
        if let (Some(owed), true) = (&owed, read) {
            owed.set(false);
        }
        if let Some(envelope) = unread {
            match owed {
                Some(owed) if owed.get() && Rc::strong_count(&owed) == 1 => {
                    self.scheduler().route_event(envelope);
                }
                _ => self.process().envelope_left(&envelope),
            }
        }
        Some(call)
    }

    /// Gives up the wait for room of the call on this channel. `false` if it has its answer already.
    pub fn gives_up_room(&self, channel: ChannelId) -> bool {
        let receiver = match self.errands().calls.borrow().get(&channel).map(|call| &call.subject) {
            Some(Subject::Room(receiver)) => Arc::clone(receiver),
            _ => return false,
        };
        receiver.give_up_room(self.process(), channel.number())
    }

    fn give_up_end(&self, id: ProcessId, channel: ChannelId) {
        let last = {
            let mut ends = self.errands().ends.borrow_mut();
            let Some(channels) = ends.get_mut(&id) else { return };
            channels.retain(|other| *other != channel);
            channels.is_empty() && ends.remove(&id).is_some()
        };
        if last && let Some(process) = directory::get(id) {
            relations::give_up_end(self.process(), &process);
        }
    }

    /// A wait is given up by an error that leaves it: it takes nothing, and nothing of it stays.
    pub fn forget_wait(&self, waiter: WaiterId) {
        let cases = self.scheduler().forget(waiter);
        self.forget_cases(&cases);
    }

    /// The errands of a wait that was given up.
    pub fn forget_cases(&self, cases: &[Case]) {
        for case in cases {
            if let Case::Receive(channel) = case {
                self.finish_errand(*channel, false);
            }
        }
    }

    /// No call waits any more: the process ends, or goes on with other code.
    pub fn forget_errands(&self) {
        let channels: Vec<_> = self.errands().calls.borrow().keys().copied().collect();
        for channel in channels {
            self.finish_errand(channel, false);
        }
    }
}
