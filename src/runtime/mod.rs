//! Processes as the program sees them: who exists, how to reach them, who watches whom, how they end.
//!
//! Nothing here knows Lua. A message is an [`envelope::Envelope`] of bytes that goes into a [`mailbox::Mailbox`]; what
//! wakes the receiver is in [`sleeper`]. Relations between processes are in [`relations`], the order of an end in [`exit`].
#![deny(unsafe_code)]

pub mod account;
pub mod belonging;
pub mod call;
pub mod clock;
pub mod directory;
pub mod dump;
pub mod duration;
pub mod emptiness;
pub mod entry;
// One allocation of varying size.
#[allow(unsafe_code)]
pub mod envelope;
pub mod errand;
pub mod error;
pub mod exit;
pub mod failure;
pub mod fork;
pub mod groups;
pub mod host;
#[cfg(feature = "yaml")]
pub mod index;
pub mod inspect;
pub mod libraries;
pub mod lifecycle;
pub mod live;
pub mod lookout;
// A lock-free list of envelopes.
#[allow(unsafe_code)]
pub mod mailbox;
pub mod near;
pub mod needs;
pub mod nursery;
pub mod outdated;
pub mod pid;
pub mod pool;
// Asks a thread by an OS signal.
#[allow(unsafe_code)]
pub mod process;
pub mod program;
pub mod questions;
pub mod realm;
pub mod reaper;
pub mod registry;
pub mod relations;
pub mod report;
pub mod senders;
// Reads a counter of its owner's.
#[allow(unsafe_code)]
pub mod shown;
pub mod signal;
pub mod sleeper;
pub mod spare_threads;
pub mod spin;
pub mod staff;
pub mod timers;
pub mod trace;
pub mod traceback;
pub mod tracing;
pub mod vitals;
