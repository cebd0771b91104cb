//! Waiting for one of several cases: which coroutine stands in which row, which one is marked, and how a wait ends.

use super::channel::{Sending, Source, WaitingSend};
use super::ids::{ChannelId, TaskId, WaiterId};
use super::scheduler::{Alarm, Case, Cases, Completion, Finish, Owner, Scheduler, Waiter};
use crate::runtime::failure::Failure;
use slotmap::Key;
use std::time::Instant;

impl Scheduler {
    /// Performs one of the cases if that needs no wait: the one whose channel a select has served least recently.
    pub fn poll(&mut self, cases: &[Case]) -> Option<(usize, Finish)> {
        self.unfold();
        self.poll_as(cases, None, None)
    }

    /// As [`Scheduler::poll`], for the wait `own`, which holds a claim on this channel.
    pub(super) fn poll_as(
        &mut self,
        cases: &[Case],
        own: Option<WaiterId>,
        claim: Option<ChannelId>,
    ) -> Option<(usize, Finish)> {
        if self.watches > 0 {
            self.look_at_all(cases);
        }
        let mut best: Option<(u64, usize)> = None;
        let mut ties = 0;
        for (position, case) in cases.iter().enumerate() {
            let Some(served) = self.served_if_ready(*case, own, claim) else {
                continue;
            };
            match best {
                Some((oldest, _)) if served > oldest => {}
                Some((oldest, _)) if served == oldest => {
                    // Cases of the same channel tie for ever: they take turns by the count of selects.
                    ties += 1;
                    if self.selects % (ties + 1) == ties {
                        best = Some((served, position));
                    }
                }
                _ => {
                    ties = 0;
                    best = Some((served, position));
                }
            }
        }
        let (_, position) = best?;
        self.selects += 1;
        let case = cases[position];
        let (Case::Receive(id) | Case::Send(id, _)) = case;
        let selects = self.selects;
        if let Some(channel) = self.channels.get_mut(id) {
            channel.served[usize::from(matches!(case, Case::Send(..)))] = selects;
        }
        let finish = match case {
            Case::Receive(id) => Finish::Received(self.take(id, own)),
            Case::Send(id, ticket) => match self.send_as(id, ticket, own) {
                Sending::Done => Finish::Sent,
                _ => Finish::SendOnClosed,
            },
        };
        Some((position, finish))
    }

    /// When the channel of a case was last served, if the case can go on.
    pub(super) fn served_if_ready(
        &self,
        case: Case,
        own: Option<WaiterId>,
        claim: Option<ChannelId>,
    ) -> Option<u64> {
        match case {
            Case::Receive(id) => {
                let claimed = usize::from(claim == Some(id));
                match self.channels.get(id) {
                    Some(channel) => channel.can_receive(own, claimed).then_some(channel.served[0]),
                    None => Some(0),
                }
            }
            Case::Send(id, _) => {
                let Some(channel) = self.channels.get(id) else {
                    return Some(0);
                };
                let closed = matches!(&channel.source, Source::Plain(plain) if plain.closed);
                (closed || channel.has_room() || self.free_receiver(id, own).is_some())
                    .then_some(channel.served[1])
            }
        }
    }

    /// Begins to wait for one of the cases, and for `deadline` if there is one. A frame becomes the innermost one.
    #[inline(always)]
    pub fn wait(&mut self, owner: Owner, cases: Cases, deadline: Option<Instant>) -> WaiterId {
        self.unfold();
        let timed = deadline.is_some();
        self.pending += u32::from(timed);
        let copy = Cases::from_slice(&cases);
        let waiter =
            Waiter { owner, cases: copy, settled: None, claim: None, marked: false, timed, overdue: false };
        let id = self.waiters.insert(waiter);
        for (position, case) in cases.into_iter().enumerate() {
            match case {
                Case::Receive(channel) => {
                    if let Some(channel) = self.channels.get_mut(channel) {
                        channel.receivers.push_back(id);
                    }
                }
                Case::Send(channel, ticket) => {
                    if let Some(Source::Plain(plain)) =
                        self.channels.get_mut(channel).map(|channel| &mut channel.source)
                    {
                        plain.senders.push_back(WaitingSend { waiter: id, case: position, ticket });
                    }
                }
            }
        }
        if let Some(at) = deadline {
            self.start_alarm(at, Alarm::Waiter(id));
        }
        if self.watches > 0 {
            self.arm_all(id);
        }
        match owner {
            Owner::Task(task) => {
                if let Some(wait) = self.tasks.get_mut(task) {
                    *wait = Some(id);
                }
                // Whatever has come since the caller looked.
                if self.can_complete(id) {
                    self.mark(id);
                }
            }
            Owner::Frame => self.enter_frame(id),
        }
        id
    }

    /// The wait of a suspended coroutine holds the OS thread from now on: nothing above it can yield.
    pub fn hold_thread(&mut self, id: WaiterId) {
        let Some(waiter) = self.waiters.get_mut(id) else {
            return;
        };
        if let Owner::Task(task) = std::mem::replace(&mut waiter.owner, Owner::Frame) {
            self.ready.remove(task);
        }
        self.enter_frame(id);
    }

    pub(super) fn enter_frame(&mut self, id: WaiterId) {
        let held_up = self.frames.last().copied();
        self.frames.push(id);
        // A wait that is held up gives its claim back: it could not use it before we are done.
        if let Some(held_up) = held_up {
            self.drop_claim(held_up);
        }
    }

    /// The wait that holds the OS thread now.
    pub fn innermost_frame(&self) -> WaiterId {
        self.frames.last().copied().unwrap_or_default()
    }

    /// True for a wait that holds the OS thread.
    pub fn is_frame(&self, id: WaiterId) -> bool {
        self.frames.contains(&id)
    }

    /// How many waits hold the OS thread.
    pub fn frame_count(&self) -> usize {
        self.frames.len()
    }

    /// Ends a wait if it can end. If not, it goes on waiting in its old place.
    pub fn complete(&mut self, id: WaiterId) -> Option<Completion> {
        if id.is_null() {
            return self.complete_lone();
        }
        let waiter = self.waiters.get_mut(id)?;
        let claim = waiter.claim;
        if let ([Case::Receive(channel)], Some(claimed), None) = (&*waiter.cases, claim, &waiter.settled)
            && *channel == claimed
            && !waiter.overdue
        {
            return self.complete_claimed(id, claimed);
        }
        let cases = std::mem::take(&mut waiter.cases);
        let overdue = waiter.overdue;
        let settled = match waiter.settled.take() {
            Some(settled) => Some(settled),
            None => self.poll_as(&cases, Some(id), claim).or_else(|| overdue.then_some((0, Finish::Elapsed))),
        };
        let Some((case, finish)) = settled else {
            if let Some(waiter) = self.waiters.get_mut(id) {
                waiter.cases = cases;
            }
            self.unmark(id);
            return None;
        };
        let taken = !matches!(finish, Finish::Elapsed | Finish::Failed(_));
        self.leave(id, &cases, taken.then_some(case));
        Some(Completion { case, finish, cases })
    }

    /// As [`Scheduler::complete`], for a wait that receives from one channel only and holds a claim there.
    fn complete_claimed(&mut self, id: WaiterId, channel: ChannelId) -> Option<Completion> {
        self.look_at(channel);
        if !self.channels.get(channel)?.can_receive(Some(id), 1) {
            self.unmark(id);
            return None;
        }
        let received = self.take(channel, Some(id));
        self.selects += 1;
        if let Some(state) = self.channels.get_mut(channel) {
            state.served[0] = self.selects;
            state.claims -= 1;
        }
        let waiter = self.waiters.remove(id)?;
        self.pending -= u32::from(waiter.timed);
        match waiter.owner {
            Owner::Task(task) => {
                if let Some(wait) = self.tasks.get_mut(task) {
                    *wait = None;
                }
            }
            Owner::Frame => self.frames.retain(|frame| *frame != id),
        }
        self.rebalance(channel);
        Some(Completion { case: 0, finish: Finish::Received(received), cases: waiter.cases })
    }

    /// A wait that is given up takes nothing. Returns what it waited for.
    pub fn forget(&mut self, id: WaiterId) -> Cases {
        let Some(waiter) = self.waiters.get_mut(id) else { return Cases::new() };
        let cases = std::mem::take(&mut waiter.cases);
        self.leave(id, &cases, None);
        cases
    }

    /// True if `complete` would end the wait.
    pub fn can_complete(&self, id: WaiterId) -> bool {
        if id.is_null() {
            return self.lone.as_ref().is_none_or(|lone| lone.handed.is_some());
        }
        self.waiters.get(id).is_none_or(|waiter| {
            waiter.settled.is_some()
                || waiter.overdue
                || waiter
                    .cases
                    .iter()
                    .any(|case| self.served_if_ready(*case, Some(id), waiter.claim).is_some())
        })
    }

    /// A coroutine was marked but nothing is left for it: it goes on waiting in its old place.
    pub fn unmark(&mut self, id: WaiterId) {
        if let Some(waiter) = self.waiters.get_mut(id) {
            waiter.marked = false;
        }
        self.drop_claim(id);
        if self.watches > 0 {
            self.arm_all(id);
        }
    }

    /// Ends a wait when the other coroutines that are ready have had their turn.
    pub fn elapse(&mut self, id: WaiterId) {
        self.settle(id, 0, Finish::Elapsed);
    }

    /// The wait of a suspended coroutine ends without anything.
    pub fn give_up_wait(&mut self, task: TaskId) {
        self.unfold();
        if let Some(waiter) = self.wait_of(task) {
            self.elapse(waiter);
        }
    }

    /// As [`Scheduler::elapse`], for a call that begins only then.
    pub fn give_turn(&mut self, id: WaiterId) {
        self.settle(id, 0, Finish::HadTurn);
    }

    /// The time of a wait is over. What has come for it counts all the same, up to the moment when it runs.
    pub(super) fn expire(&mut self, id: WaiterId) {
        if let Some(waiter) = self.waiters.get_mut(id) {
            waiter.overdue = true;
            self.mark(id);
        }
    }

    /// Has the wait raise `failure` when it is looked at next.
    pub fn fail(&mut self, id: WaiterId, failure: Failure) {
        self.settle(id, 0, Finish::Failed(failure));
    }

    /// Ends a wait: it stands in no list any more, and the tickets of sends that were not taken are free again.
    pub(super) fn leave(&mut self, id: WaiterId, cases: &[Case], taken: Option<usize>) {
        self.withdraw(id, cases);
        let Some(waiter) = self.waiters.remove(id) else {
            return;
        };
        self.pending -= u32::from(waiter.timed);
        match waiter.owner {
            Owner::Task(task) => {
                if let Some(wait) = self.tasks.get_mut(task) {
                    *wait = None;
                }
            }
            Owner::Frame => self.frames.retain(|frame| *frame != id),
        }
        for (position, case) in cases.iter().enumerate() {
            match *case {
                Case::Send(channel, ticket) if taken != Some(position) => self.release(channel, ticket),
                Case::Receive(channel) => self.rebalance(channel),
                Case::Send(..) => {}
            }
        }
    }

    /// Takes a wait out of the lists of all its channels, and its claim back. A wait that is settled stands in none.
    pub(super) fn withdraw(&mut self, id: WaiterId, cases: &[Case]) {
        let mut claim = self.waiters.get_mut(id).and_then(|waiter| waiter.claim.take());
        if let Some(channel) = claim.and_then(|id| self.channels.get_mut(id)) {
            channel.claims -= 1;
        }
        for case in cases {
            match *case {
                // The first case on the claimed channel left its row when it was claimed.
                Case::Receive(channel) if claim.take_if(|claimed| *claimed == channel).is_some() => {}
                Case::Receive(channel) => {
                    if let Some(channel) = self.channels.get_mut(channel)
                        && let Some(place) = channel.receivers.iter().position(|other| *other == id)
                    {
                        channel.receivers.remove(place);
                    }
                }
                Case::Send(channel, _) => {
                    if let Some(Source::Plain(plain)) =
                        self.channels.get_mut(channel).map(|channel| &mut channel.source)
                    {
                        plain.senders.retain(|send| send.waiter != id);
                    }
                }
            }
        }
    }

    /// Decides how a wait ends, unless that is decided; nobody else can meet it any more.
    pub(super) fn settle(&mut self, id: WaiterId, case: usize, finish: Finish) {
        let Some(waiter) = self.waiters.get_mut(id) else {
            return;
        };
        if waiter.settled.is_some() {
            return;
        }
        waiter.settled = Some((case, finish));
        let cases = waiter.cases.clone();
        self.withdraw(id, &cases);
        for case in cases {
            if let Case::Receive(channel) = case {
                self.rebalance(channel);
            }
        }
        self.mark(id);
    }

    pub(super) fn mark(&mut self, id: WaiterId) {
        if let Some(waiter) = self.waiters.get_mut(id)
            && !std::mem::replace(&mut waiter.marked, true)
            && let Owner::Task(task) = waiter.owner
        {
            self.ready.push_back(task);
        }
    }

    pub(super) fn claim(&mut self, id: WaiterId, channel: ChannelId) {
        if let (Some(waiter), Some(channel_state)) =
            (self.waiters.get_mut(id), self.channels.get_mut(channel))
        {
            waiter.claim = Some(channel);
            channel_state.claims += 1;
            // A waiter with a claim leaves the row, so that finding the next stays cheap.
            match channel_state.receivers.iter().position(|other| *other == id) {
                Some(0) => drop(channel_state.receivers.pop_front()),
                Some(place) => drop(channel_state.receivers.remove(place)),
                None => {}
            }
        }
        self.mark(id);
    }

    /// Gives a claim back and steps into the row again, at its head: nobody there has waited longer.
    pub(super) fn drop_claim(&mut self, id: WaiterId) {
        let Some(channel) = self.waiters.get_mut(id).and_then(|waiter| waiter.claim.take()) else {
            return;
        };
        if let Some(state) = self.channels.get_mut(channel) {
            state.claims -= 1;
            state.receivers.push_front(id);
        }
        self.rebalance(channel);
    }

    /// The longest waiting receiver, other than `own`, that nothing has come for yet and that could go on.
    pub(super) fn free_receiver(&self, id: ChannelId, own: Option<WaiterId>) -> Option<WaiterId> {
        let channel = self.channels.get(id)?;
        channel.receivers.iter().copied().find(|&receiver| {
            own != Some(receiver)
                && self.waiters.get(receiver).is_some_and(|waiter| {
                    let held_up = waiter.owner == Owner::Frame && self.frames.last() != Some(&receiver);
                    waiter.claim.is_none() && waiter.settled.is_none() && !held_up
                })
        })
    }

    /// What [`Scheduler::rebalance`] does most: a coroutine stands first in the row, and there is a value for it.
    #[inline(always)]
    fn claim_first(&mut self, id: ChannelId) -> Row {
        let Some(channel) = self.channels.get_mut(id) else { return Row::Empty };
        let Some(&first) = channel.receivers.front() else { return Row::Empty };
        let Some(waiter) = self.waiters.get_mut(first) else { return Row::Unclear };
        let Owner::Task(task) = waiter.owner else { return Row::Unclear };
        if waiter.claim.is_some()
            || waiter.settled.is_some()
            || channel.available_to(Some(first)) <= channel.claims
            || channel.is_finished()
        {
            return Row::Unclear;
        }
        channel.receivers.pop_front();
        channel.claims += 1;
        waiter.claim = Some(id);
        if !std::mem::replace(&mut waiter.marked, true) {
            self.ready.push_back(task);
        }
        if channel.receivers.is_empty() { Row::Empty } else { Row::More }
    }

    /// Marks as many receivers as there are values that nobody has claimed; all of them at the end of the channel.
    pub(super) fn rebalance(&mut self, id: ChannelId) {
        loop {
            match self.claim_first(id) {
                Row::More => {}
                Row::Empty => return,
                Row::Unclear => break,
            }
        }
        while let Some(channel) = self.channels.get(id) {
            if channel.receivers.is_empty() {
                return;
            }
            if channel.is_finished() {
                for receiver in channel.receivers.clone() {
                    self.mark(receiver);
                }
                return;
            }
            let Some(receiver) = self.free_receiver(id, None) else {
                return;
            };
            if channel.available_to(Some(receiver)) <= channel.claims {
                return;
            }
            self.claim(receiver, id);
        }
    }
}

/// What is left of the receivers of a channel.
enum Row {
    /// Nobody.
    Empty,
    /// Others, after one has claimed a value.
    More,
    /// It has to be looked at more closely.
    Unclear,
}
