//! The life of a process as one state machine. It stands behind the lock of the process ([`super::process::Relations`]), and
//! every change of state is one of the methods below.
//!
//! | state     | meaning                                                     | next state, by                                   |
//! |-----------|-------------------------------------------------------------|--------------------------------------------------|
//! | `Running` | the process starts, or its code runs                        | `Doomed` ([`doom`]), `Closing` ([`close`])       |
//! | `Doomed`  | somebody has ended it: its code stops at the next chance    | `Closing` ([`close`])                            |
//! | `Closing` | its code is over: the Lua state is being closed             | `Telling` ([`finish`])                           |
//! | `Telling` | it is over: everybody concerned is being told               | `Gone` ([`leave`])                               |
//! | `Gone`    | nothing is left of it but the events that it caused         |                                                  |
//!
//! A process whose thread does not come back skips states: [`give_up`] leads from each of the first three to `Telling`. When the
//! thread does come back, `close` and `finish` find that, and change nothing. A process that could not be started goes from
//! `Running` to `Telling` at once ([`never_started`]).
//!
//! Others need only the [`Stage`]: `Running` is alive, `Gone` is gone, all between is ending.
//!
//! [`doom`]: Lifecycle::doom
//! [`close`]: Lifecycle::close
//! [`finish`]: Lifecycle::finish
//! [`leave`]: Lifecycle::leave
//! [`give_up`]: Lifecycle::give_up
//! [`never_started`]: Lifecycle::never_started

use super::error::ErrorData;
use super::failure::Failure;
use super::signal::Outcome;
use std::sync::Arc;
use std::time::Instant;

/// How far a process has come, as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Starting or running.
    Alive,
    /// `main` is over, or somebody ended it; it cleans up.
    Ending,
    /// Nothing of it is left but the events it caused.
    Gone,
}

/// Where one process stands in its life.
#[derive(Debug, Default)]
pub struct Lifecycle(State);

#[derive(Debug, Default)]
enum State {
    #[default]
    Running,
    Doomed(Failure),
    Closing {
        since: Instant,
        /// Why somebody else ended it, if that came first.
        cause: Option<Failure>,
        outcome: Outcome,
    },
    Telling {
        cause: Option<Failure>,
    },
    Gone,
}

/// An end that is to be told.
#[derive(Debug)]
pub struct Ended {
    /// How the process ended.
    pub outcome: Outcome,
    /// It was closing its state until now.
    pub was_closing: bool,
}

impl Lifecycle {
    /// How far the process has come.
    pub fn stage(&self) -> Stage {
        match self.0 {
            State::Running => Stage::Alive,
            State::Gone => Stage::Gone,
            _ => Stage::Ending,
        }
    }

    /// Why somebody else ended the process, if somebody did.
    pub fn cause(&self) -> Option<&Failure> {
        match &self.0 {
            State::Doomed(cause) => Some(cause),
            State::Closing { cause, .. } | State::Telling { cause } => cause.as_ref(),
            State::Running | State::Gone => None,
        }
    }

    /// When the process began to close its Lua state, while it does.
    pub fn closing_since(&self) -> Option<Instant> {
        match self.0 {
            State::Closing { since, .. } => Some(since),
            _ => None,
        }
    }

    /// How the process ends, once that is settled and not told yet.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.0 {
            State::Closing { outcome, .. } => Some(outcome),
            _ => None,
        }
    }

    /// Somebody ends the process for this reason. Returns the stage it was in: one that was not alive stays as it is.
    pub fn doom(&mut self, reason: Failure) -> Stage {
        let stage = self.stage();
        if stage == Stage::Alive {
            self.0 = State::Doomed(reason);
        }
        stage
    }

    /// The code of the process is over: it ends as `outcome` says, unless somebody ended it before; then `place` is where it was, a
    /// traceback with its PID. `false` if it was given up meanwhile.
    pub fn close(&mut self, outcome: Outcome, place: (&str, Vec<u8>)) -> bool {
        let cause = match std::mem::take(&mut self.0) {
            State::Running => None,
            State::Doomed(cause) => Some(cause),
            later => {
                self.0 = later;
                return false;
            }
        };
        let outcome = match &cause {
            Some(reason) => {
                let mut error = ErrorData::from(reason.clone());
                error.set_stack(place.0, place.1);
                Err(Arc::new(error))
            }
            None => outcome,
        };
        self.0 = State::Closing { since: Instant::now(), cause, outcome };
        true
    }

    /// The Lua state is closed. `None` if the process was given up meanwhile, and everybody was told.
    pub fn finish(&mut self) -> Option<Ended> {
        match std::mem::take(&mut self.0) {
            State::Closing { cause, outcome, .. } => {
                self.0 = State::Telling { cause };
                Some(Ended { outcome, was_closing: true })
            }
            other => {
                self.0 = other;
                None
            }
        }
    }

    /// The thread of the process does not come back. `None` if everybody is or was told already.
    pub fn give_up(&mut self) -> Option<Ended> {
        let abandoned = |error: ErrorData| Err(Arc::new(error.of_abandoned()));
        let (cause, outcome, was_closing) = match std::mem::take(&mut self.0) {
            State::Running => (None, abandoned(Failure::Terminated.into()), false),
            State::Doomed(cause) => (Some(cause.clone()), abandoned(cause.into()), false),
            State::Closing { cause, outcome, .. } => {
                (cause, outcome.or_else(|error| abandoned((*error).clone())), true)
            }
            other => {
                self.0 = other;
                return None;
            }
        };
        self.0 = State::Telling { cause };
        Some(Ended { outcome, was_closing })
    }

    /// The process could not be started.
    pub fn never_started(&mut self) -> Ended {
        self.0 = State::Telling { cause: None };
        Ended { outcome: Err(Arc::new(Failure::Terminated.into())), was_closing: false }
    }

    /// The process is gone, and everybody is told at this moment.
    pub fn leave(&mut self) {
        self.0 = State::Gone;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(ended: Option<Ended>) -> Option<String> {
        let error = ended?.outcome.err()?;
        Some(String::from_utf8(error.text()).unwrap())
    }

    #[test]
    fn the_first_who_ends_it_decides() {
        let mut life = Lifecycle::default();
        assert_eq!(life.doom(Failure::Terminated), Stage::Alive);
        assert_eq!(life.doom(Failure::DeadlinePassed), Stage::Ending);
        assert!(life.close(Ok(Vec::new()), ("", Vec::new())));
        assert!(life.outcome().is_some_and(Result::is_err) && life.closing_since().is_some());
        assert_eq!(text(life.finish()).as_deref(), Some("process terminated"));
        assert!(matches!(life.cause(), Some(Failure::Terminated)));
        life.leave();
        assert_eq!(life.stage(), Stage::Gone);
        assert_eq!(life.doom(Failure::Terminated), Stage::Gone);
    }

    #[test]
    fn one_that_has_ended_by_itself_is_not_doomed_any_more() {
        let mut life = Lifecycle::default();
        assert!(life.close(Ok(vec![1]), ("", Vec::new())));
        assert_eq!(life.doom(Failure::Terminated), Stage::Ending);
        assert!(life.cause().is_none());
        assert!(matches!(life.finish(), Some(Ended { outcome: Ok(result), .. }) if result == [1]));
    }

    #[test]
    fn one_that_was_given_up_is_told_of_once() {
        for doomed in [false, true] {
            for closing in [false, true] {
                let mut life = Lifecycle::default();
                if doomed {
                    life.doom(Failure::DeadlinePassed);
                }
                if closing {
                    life.close(Ok(Vec::new()), ("", Vec::new()));
                }
                let ended = life.give_up().unwrap();
                assert_eq!(ended.was_closing, closing);
                assert_eq!(ended.outcome.is_ok(), closing && !doomed);
                assert!(life.give_up().is_none());
                life.leave();
                assert!(!life.close(Ok(Vec::new()), ("", Vec::new())) && life.finish().is_none());
                assert_eq!(life.stage(), Stage::Gone);
            }
        }
    }
}
