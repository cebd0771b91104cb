//! What a pool runs: a task, in steps.

use std::time::Instant;

/// What a step came to, told to the host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// The task has come to its end.
    Over,
    /// It has used up its turns, and could go on.
    Ready,
    /// Nothing can go on before something comes into the mailbox, or before this moment.
    Waiting(Option<Instant>),
}

/// Something that can be run in steps: the execution of a process, as the layers above implement it. A pool knows nothing else
/// of a process.
pub trait Task: Send {
    /// Runs until all of it waits, or until it was resumed `turns` times.
    fn step(&mut self, turns: usize) -> Step;

    /// Between two steps: announces that the task sleeps, so that whoever has something for it wakes it. `false` if there is
    /// something already.
    fn park(&self) -> bool;

    /// After the last step: the process is ended and everybody told.
    fn end(self: Box<Self>);
}
