//! What coroutines, channels and waits are called: numbers that are never given to another one.

use slotmap::{Key, KeyData, new_key_type};

new_key_type! {
    /// A managed coroutine.
    pub struct TaskId;
    /// A channel.
    pub struct ChannelId;
    /// A wait that goes on.
    pub struct WaiterId;
}

impl ChannelId {
    /// A number for it, for those who know no channels.
    pub fn number(self) -> u64 {
        self.data().as_ffi()
    }

    /// The channel with this number.
    pub fn of_number(number: u64) -> Self {
        KeyData::from_ffi(number).into()
    }
}
