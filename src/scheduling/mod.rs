//! What goes on inside one process: its coroutines, channels, timers, and who waits for what. Pure bookkeeping: coroutines
//! are numbers here and values are tickets; `vm` resumes the ones and stores the others.
//!
//! A wait never hands anything over. A coroutine that can go on is only *marked*; it takes its value when it runs again, and
//! if nothing is left for it, it goes on waiting in its old place.
#![forbid(unsafe_code)]

mod alarms;
mod channel;
mod ids;
mod mail;
mod scheduler;
mod transfer;
mod views;
mod waiting;

pub use alarms::Stopped;
pub use channel::{Received, Sending, Ticket};
pub use ids::{ChannelId, TaskId, WaiterId};
pub use mail::{Mail, Stamped};
pub use scheduler::{Case, Cases, Completion, Event, Finish, Owner, Scheduler};
pub use views::Listening;
