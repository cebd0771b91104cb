//! The calls that coroutines of this process wait in.
//!
//! **Invariant:** a call stands here from before its request is sent until the coroutine goes on, gives up or is gone. Its number is
//! that of the channel on which the coroutine waits; a number comes again only after billions of others. An answer that finds no
//! call is late, and is dropped. Before a process goes on with other code it gives its calls up and takes what is in its mailbox,
//! so the new code never meets answers to the calls of the old one.

use crate::runtime::call;
use crate::runtime::process::Process;
use crate::scheduling::ChannelId;
use slotmap::{Key, KeyData, SecondaryMap};
use std::cell::RefCell;
use std::sync::Arc;

/// The open calls of one process.
#[derive(Default)]
pub struct Calls(RefCell<SecondaryMap<ChannelId, OpenCall>>);

/// A call that a coroutine waits in.
pub struct OpenCall {
    /// Who is to reply.
    pub callee: Arc<Process>,
    /// How long the caller waits, in nanoseconds; as long as it takes if there is none.
    pub span: Option<i64>,
}

/// The number of the call that waits on this channel.
pub fn number_of(channel: ChannelId) -> u64 {
    channel.data().as_ffi()
}

impl Calls {
    /// A coroutine waits in this call, on the channel.
    pub fn begin(&self, channel: ChannelId, call: OpenCall) {
        self.0.borrow_mut().insert(channel, call);
    }

    /// The channel on which the caller of this number waits.
    pub fn channel_of(&self, number: u64) -> Option<ChannelId> {
        let channel = KeyData::from_ffi(number).into();
        self.is_open(channel).then_some(channel)
    }

    /// Whether a call waits on this channel.
    pub fn is_open(&self, channel: ChannelId) -> bool {
        self.0.borrow().contains_key(channel)
    }

    /// The call is over.
    pub fn end(&self, channel: ChannelId) -> Option<OpenCall> {
        self.0.borrow_mut().remove(channel)
    }

    /// All calls are over, and nobody is to answer them any more.
    pub fn give_up_all(&self, caller: &Process) {
        let calls = self.0.take();
        for (channel, call) in &calls {
            call::give_up(caller, &call.callee, number_of(channel));
        }
    }
}
