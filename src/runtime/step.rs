//! What a step of a process came to, told to its host.

use std::time::Instant;

/// See the top of the page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// The process has come to its end.
    Over,
    /// It has used up its turns, and could go on.
    Ready,
    /// Nothing can go on before something comes into the mailbox, or before this moment.
    Waiting(Option<Instant>),
}
