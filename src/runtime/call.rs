//! Calls: messages that ask for a reply.
//!
//! **Invariant:** a call is open exactly as long as it stands among the `callers` of its callee, behind the callee's lock. Whoever
//! takes it out there ends it: the reply, the request that is dropped, the caller that gives up, the end of the callee. So a call
//! ends once. The answer goes into the mailbox of the caller under the same lock: once a caller has given up, no answer to it is
//! on its way any more, and what is in its mailbox by then belongs to no call (`vm/calls.rs`).

use super::envelope::{Envelope, NoMemory};
use super::error::ErrorData;
use super::lifecycle::Stage;
use super::mailbox::Owner;
use super::process::{CallId, Callers, Process};
use super::signal::{CallEnd, ExitRecord};
use std::borrow::Cow;
use std::sync::Arc;

/// The right to answer one call. It travels in the request and belongs then to its message. Dropped, it answers that nobody will
/// reply; unless the callee is ending, which answers by its end.
#[derive(Debug)]
pub struct Request {
    id: CallId,
    callee: Arc<Process>,
}

impl Drop for Request {
    fn drop(&mut self) {
        if !self.callee.mailbox.is_closed() {
            self.end(Envelope::answer(CallEnd::Dropped(self.id.number), self.id.number));
        }
    }
}

/// The message that asks for a reply, as [`Envelope::message`].
///
/// # Errors
/// [`NoMemory`] if the allocation fails; the request is dropped then.
pub fn ask(request: Request, sender: &str, topic: &[u8], payload: Cow<[u8]>) -> Result<Envelope, NoMemory> {
    Envelope::asking(Box::new(request), sender, topic, payload)
}

/// Takes the right to reply out of a message that asks for one; it is a message like any other then.
pub fn take_request(message: &mut Envelope) -> Option<Request> {
    message.take_right()?.downcast().ok().map(|request| *request)
}

/// Opens a call of `caller` to `callee`. `None` if that is ending or gone.
pub fn open(caller: &Arc<Process>, callee: &Arc<Process>, number: u64) -> Option<Request> {
    let id = CallId { caller: caller.id, number };
    let alive = callee.with_relations(|relations| {
        let alive = relations.life.stage() == Stage::Alive;
        if alive {
            relations.callers.insert(id, Arc::clone(caller));
        }
        alive
    });
    alive.then(|| Request { id, callee: Arc::clone(callee) })
}

/// The caller waits no longer.
pub fn give_up(caller: &Process, callee: &Process, number: u64) {
    let id = CallId { caller: caller.id, number };
    let caller = callee.with_relations(|relations| relations.callers.remove(&id));
    drop(caller);
}

/// Tells the callers of a process that it has ended; those that sleep have to be woken. Under the lock of the process.
pub fn end_all(callers: &Callers, record: &Arc<ExitRecord>, mut asleep: impl FnMut(&Arc<Process>)) {
    for (id, caller) in callers {
        let answer = Envelope::answer(CallEnd::Ended(Arc::clone(record)), id.number);
        if caller.put_answer(answer) == Some(Owner::Parked) {
            asleep(caller);
        }
    }
}

impl Request {
    /// The caller, as long as it waits.
    pub fn caller(&self) -> Option<Arc<Process>> {
        let caller = self.callee.with_relations(|relations| relations.callers.get(&self.id).cloned());
        caller.filter(|caller| !caller.mailbox.is_closed())
    }

    /// Replies with an encoded value. `false`: the caller waits no longer.
    ///
    /// # Errors
    /// There is no memory for it; the call stays open.
    pub fn reply(&self, payload: Cow<[u8]>) -> Result<bool, NoMemory> {
        Ok(self.end(Envelope::reply(self.id.number, payload)?))
    }

    /// Replies with an error. `false`: the caller waits no longer.
    pub fn fail(&self, error: Arc<ErrorData>) -> bool {
        self.end(Envelope::answer(CallEnd::Failed(error), self.id.number))
    }

    /// A listener has taken the request that yields payloads only.
    pub fn refuse(&self) {
        self.end(Envelope::answer(CallEnd::TakenAsPayload(self.id.number), self.id.number));
    }

    /// Ends the call with this answer, if it is open. `false`: nobody waits.
    fn end(&self, answer: Envelope) -> bool {
        let told = self.callee.with_relations(|relations| {
            let caller = relations.callers.remove(&self.id)?;
            let owner = caller.put_answer(answer)?;
            Some((caller, owner))
        });
        if let Some((caller, Owner::Parked)) = &told {
            caller.wake();
        }
        told.is_some()
    }
}
