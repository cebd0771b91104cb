//! The mail of a process on its way from the mailbox to the code that takes it.

use super::collector::collector_runs;
use super::context::Context;
use crate::runtime::envelope::Envelope;
use crate::runtime::pid;
use crate::runtime::shown::Shown;
use crate::runtime::signal::{ExitRecord, Noticed, Signal};
use crate::runtime::{directory, groups, relations, report, trace};
use crate::scheduling::{ChannelId, Event, Queue};
use std::sync::Arc;

impl Context {
    /// Keeps an envelope that the code of the process gets, to be decoded: its place, for [`Context::kept_payload`],
    /// [`Context::kept_signal`] and [`Context::take_kept`].
    pub fn keep(&self, envelope: Envelope) -> usize {
        let own = self.process().id.number();
        trace::note_of(own, trace::Kind::Receive, 0, envelope.address() as u64, b"");
        self.process().envelope_left(&envelope);
        self.weigh_charges();
        self.keep_own(envelope)
    }

    /// As [`Context::keep`], for what was never in the mailbox.
    pub fn keep_own(&self, envelope: Envelope) -> usize {
        // Decoding that has raised leaves its envelope behind. What is there unless a finalizer runs was left so.
        // SAFETY: the state is open, and this is its thread.
        if !self.decoding().is_empty() && unsafe { collector_runs(self.chain().main()) } == 1 {
            self.take_kept(0);
        }
        if self.is_limited() {
            self.budget().reweigh(0, envelope.size());
        }
        self.decoding().push(envelope)
    }

    /// The payload of the envelope kept at this place.
    ///
    /// # Safety
    /// The reference ends before `take_kept` with this place or a lower one.
    pub unsafe fn kept_payload<'a>(&self, place: usize) -> Option<&'a [u8]> {
        // SAFETY: as the caller says.
        unsafe { self.decoding().payload(place) }
    }

    /// The signal in the envelope kept at this place, `None` if it is a message.
    ///
    /// # Safety
    /// As for `kept_payload`.
    pub unsafe fn kept_signal<'a>(&self, place: usize) -> Option<&'a Signal> {
        // SAFETY: as the caller says.
        unsafe { self.decoding().signal(place) }
    }

    /// Takes the envelope from this place, and forgets what was left behind above it.
    pub fn take_kept(&self, place: usize) -> Option<Envelope> {
        if self.is_limited() {
            self.budget().reweigh(self.decoding().size_from(place), 0);
        }
        self.decoding().take(place)
    }

    /// There is a limit to the memory of the process, so that what its values keep outside its state is weighed.
    fn is_limited(&self) -> bool {
        self.process().limits.memory != 0
    }

    /// What others keep for the process counts towards its memory as it is now, on a restricted host.
    pub fn weigh_charges(&self) {
        if self.process().host.settings.restricted {
            self.budget().set_charged(self.process().charged() + self.scheduler_ref().mail_weight());
            // What others have kept for it may be gone.
            if self.process().is_waited_for() {
                self.process().serve_senders();
            }
        }
    }

    /// Takes what has arrived out of the mailbox and gives it to the views it belongs to.
    pub fn sort_mail(&self) {
        self.weigh_charges();
        if !self.process().mailbox.has_mail() {
            return;
        }
        let batch = self.process().mailbox.take();
        self.guest().listen_on(self.process());
        self.process().vitals.sort(batch.count_taken());
        for envelope in batch {
            match envelope.as_signal() {
                None => self.scheduler().route_message(envelope),
                Some(Signal::Answer(answer)) => {
                    let number = answer.call;
                    self.tell_answer(number, envelope);
                }
                Some(Signal::CallEnd(_)) => {
                    let number = envelope.call_number().unwrap_or_default();
                    self.tell_answer(number, envelope);
                }
                Some(Signal::Notice(notice)) => {
                    let channel = ChannelId::of_number(notice.channel);
                    let unwanted = self.scheduler().route_notice(channel, envelope);
                    if let Some(notice) = unwanted {
                        self.process().envelope_left(&notice);
                    }
                }
                Some(&Signal::Ready(channel)) => {
                    self.process().envelope_left(&envelope);
                    self.scheduler().note_ready(ChannelId::of_number(channel));
                }
                Some(signal) if self.concerns_us(signal) => {
                    self.scheduler().route_event(envelope);
                }
                Some(signal) => {
                    self.process().envelope_left(&envelope);
                    // A broken link that is to be raised.
                    if let Signal::LinkFailed(record) = signal
                        && self.take_link(record)
                    {
                        let stamped = self.scheduler().stamp(envelope);
                        self.watched().push_link_failure(stamped);
                    }
                }
            }
        }
    }

    /// The main state closes: writes the reports that nobody has taken, and has others write theirs themselves.
    pub fn write_reports(&self) {
        let reporter = self.process().realm.reporter.lock().take();
        if reporter.is_some() {
            self.sort_mail();
            let left = self.scheduler().flush_all_notices();
            for stamped in &left {
                if let Some(Signal::Notice(notice)) = stamped.envelope.as_signal()
                    && let Noticed::Report(report) = &notice.what
                {
                    report::write(report);
                }
            }
            self.forget_mail(left);
        }
    }

    /// Forgets mail that nobody takes any more.
    pub fn forget_mail(&self, mail: Queue) {
        for stamped in mail {
            self.process().envelope_left(&stamped.envelope);
        }
    }

    /// Whether a signal is an event, and the relation behind it still stands.
    fn concerns_us(&self, signal: &Signal) -> bool {
        match signal {
            Signal::Cancel(_) | Signal::Outdated(_) => true,
            Signal::Exit(record) => {
                let monitored = relations::forget_monitored(self.process(), record.id);
                !self.tell_end(record, monitored) && monitored
            }
            Signal::Childless => {
                // It may have spawned others since, even before it has begun to wait.
                let awaits = self.watched().childless().is_some();
                let alone = self.process().with_relations(|relations| {
                    relations.awaits_children |= awaits && relations.children > 0;
                    relations.children == 0
                });
                if alone && let Some(channel) = self.watched().childless() {
                    self.watched().set_childless(None);
                    let mut scheduler = self.scheduler();
                    scheduler.close_channel(channel);
                    scheduler.drop_channel(channel);
                }
                false
            }
            Signal::LinkDown(record) => self.take_link(record),
            Signal::LinkFailed(_)
            | Signal::Answer(_)
            | Signal::CallEnd(_)
            | Signal::Notice(_)
            | Signal::Ready(_) => false,
        }
    }

    fn take_link(&self, record: &ExitRecord) -> bool {
        self.process().with_relations(|relations| relations.links.remove(&record.id)).is_some()
    }

    /// A context for the same process with other code: what has arrived and what it watches go over (P-57).
    pub fn renewed(&self) -> Context {
        self.forget_errands();
        groups::unsubscribe_all(self.process());
        // Answers to calls of the old code mean nothing to the new one.
        self.sort_mail();
        let next = Context::new(Arc::clone(self.process()));
        next.set_wrapped(self.is_wrapped());
        next.set_strict(self.is_strict());
        next.guest().set_never_blocks(self.guest().never_blocks());
        if let Some(pollfd) = self.guest().pollfd() {
            next.guest().watch(self.process(), Arc::clone(&pollfd));
            next.scheduler().attend(pollfd);
        }
        let notices = self.scheduler().flush_all_notices();
        self.forget_mail(notices);
        let mail = self.scheduler().take_mail();
        self.process().with_shown(Shown::unlisten_all);
        self.process().vitals.empty();
        self.process().vitals.sort(mail.len());
        for envelope in mail {
            let is_message = envelope.as_signal().is_none();
            let mut scheduler = next.scheduler();
            if is_message { scheduler.route_message(envelope) } else { scheduler.route_event(envelope) }
        }
        next
    }

    /// The channel that closes when the process has no children left.
    pub fn childless_channel(&self) -> ChannelId {
        let channel = self.watched().childless().unwrap_or_else(|| self.scheduler().open_channel(0));
        self.watched().set_childless(Some(channel));
        channel
    }

    /// After `unmonitor`: no EXIT of this process can be received any more.
    pub fn forget_monitored(&self, pid: &[u8]) {
        let forgotten = self.process().with_relations(|relations| pid::remove(&mut relations.monitored, pid));
        drop(forgotten);
        self.retract(Event::Exit, pid);
    }

    /// The process ends: those that it monitored need not remember it any longer.
    pub fn forget_all_monitored(&self) {
        let monitored = self.process().with_relations(|relations| std::mem::take(&mut relations.monitored));
        for (id, _) in monitored {
            if let Some(process) = directory::get(id) {
                relations::unmonitor(self.process(), &process);
            }
        }
    }

    fn retract(&self, event: Event, pid: &[u8]) {
        let retracted = self.scheduler().retract(event, pid);
        if let Some(envelope) = retracted {
            self.process().envelope_left(&envelope);
        }
    }

    /// After `unlink`: no LINK_DOWN of this process can be received, and its failure is not raised.
    pub fn forget_linked(&self, pid: &[u8]) {
        let broken = self.process().with_relations(|relations| pid::remove(&mut relations.links, pid));
        drop(broken);
        self.retract(Event::LinkDown, pid);
        self.watched().retract_link_failure(pid);
    }
}
