//! What goes on inside one process: its coroutines, channels, timers and waits. This is pure bookkeeping: coroutines are numbers
//! and values are tickets. The executor resumes the coroutines, and Lua tables hold the values.
//!
//! A wait never hands a value over. A coroutine that can go on is only *marked*. It takes its value when it runs again. If
//! nothing is left for it, it waits on in its old place.
#![forbid(unsafe_code)]

mod alarms;
mod attending;
mod channel;
mod descriptor;
mod descriptors;
mod ids;
mod lone;
mod mail;
mod notices;
mod ready;
mod scheduler;
mod transfer;
mod views;
mod waiting;

pub use alarms::Stopped;
pub use channel::{Received, Sending, Ticket};
pub use ids::{ChannelId, TaskId, WaiterId};
pub use mail::{Mail, Queue, Stamped};
pub use scheduler::{Case, Cases, Completion, Event, Finish, Owner, Scheduler};
pub use views::Listening;
