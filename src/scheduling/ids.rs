//! What coroutines, channels and waits are called: numbers that are never given to another one.

use slotmap::new_key_type;

new_key_type! {
    /// A managed coroutine.
    pub struct TaskId;
    /// A channel.
    pub struct ChannelId;
    /// A wait that goes on.
    pub struct WaiterId;
}
