//! Every interleaving of a process that goes idle with those who wake it: no wake-up is lost, none queues it twice. What the
//! real types do is one atomic operation each, so that taking turns between them shows everything that can happen on a
//! machine that keeps one order of all changes of a word.

use super::run_state::{RunState, Wake};
use crate::runtime::envelope::Envelope;
use crate::runtime::mailbox::{Mailbox, Owner};

const SENDERS: usize = 2;

/// What the process and the others share.
struct World {
    turn: RunState,
    mailbox: Mailbox,
    queued: usize,
    taken: usize,
}

/// What the process does next.
#[derive(Clone, Copy, PartialEq)]
enum Next {
    /// Nothing, unless it lies in a queue.
    Begin,
    Unpark,
    Take,
    Park,
    /// Leaves it idle, or sleeps inside the step.
    Leave,
    /// Sleeps, until the turn says otherwise.
    Asleep,
    Over,
}

/// What a sender does next; the last one only wakes, as an alarm does.
#[derive(Clone, Copy, PartialEq)]
enum Sender {
    Push,
    Wake,
    Done,
}

impl World {
    /// One operation of the process, `None` if it cannot do anything now.
    fn run(&mut self, next: Next, sleeps_inside: bool) -> Option<Next> {
        Some(match next {
            Next::Begin if self.queued == 0 => return None,
            Next::Begin => {
                self.queued -= 1;
                self.turn.begin();
                Next::Unpark
            }
            Next::Unpark => {
                self.mailbox.unpark();
                Next::Take
            }
            Next::Take => {
                self.taken += self.mailbox.take().count();
                if sleeps_inside && self.taken == SENDERS { Next::Over } else { Next::Park }
            }
            Next::Park if self.mailbox.park() => Next::Leave,
            Next::Park => Next::Unpark,
            Next::Leave if sleeps_inside => {
                if self.turn.block() {
                    Next::Asleep
                } else {
                    Next::Unpark
                }
            }
            Next::Leave => {
                if self.turn.rest() {
                    Next::Begin
                } else {
                    Next::Unpark
                }
            }
            Next::Asleep if self.turn.is_blocked() => return None,
            Next::Asleep => {
                self.turn.unblock();
                Next::Unpark
            }
            Next::Over => return None,
        })
    }

    fn send(&mut self, sender: Sender) -> Option<Sender> {
        match sender {
            Sender::Push => {
                let pushed = self.mailbox.push(Envelope::message("", b"t", &b""[..]).unwrap());
                Some(if pushed.is_ok_and(|owner| owner == Owner::Parked) {
                    Sender::Wake
                } else {
                    Sender::Done
                })
            }
            Sender::Wake => {
                if self.turn.wake() == Wake::Queue {
                    self.queued += 1;
                    assert_eq!(self.queued, 1, "queued twice");
                }
                Some(Sender::Done)
            }
            Sender::Done => None,
        }
    }
}

/// Plays one game: `choices` says who moves, and gets the number of those who could have where it has run out.
fn play(choices: &mut Vec<(usize, usize)>, sleeps_inside: bool) {
    let mut world = World { turn: RunState::default(), mailbox: Mailbox::default(), queued: 1, taken: 0 };
    let mut next = Next::Begin;
    let mut senders = [Sender::Push; SENDERS + 1];
    senders[SENDERS] = Sender::Wake;
    for step in 0.. {
        let process_can = match next {
            Next::Begin => world.queued > 0,
            Next::Asleep => !world.turn.is_blocked(),
            Next::Over => false,
            _ => true,
        };
        let mut movers: Vec<usize> = (0..senders.len()).filter(|&who| senders[who] != Sender::Done).collect();
        if process_can {
            movers.push(senders.len());
        }
        if movers.is_empty() {
            break;
        }
        if step == choices.len() {
            choices.push((0, movers.len()));
        }
        let who = movers[choices[step].0];
        if who == senders.len() {
            next = world.run(next, sleeps_inside).unwrap();
        } else {
            senders[who] = world.send(senders[who]).unwrap();
        }
    }
    assert_eq!(world.taken, SENDERS, "a wake-up was lost");
    assert!(world.queued == 0 && !world.mailbox.has_mail());
    assert!(next == if sleeps_inside { Next::Over } else { Next::Begin });
}

/// Plays all games; how many there are.
fn play_all(sleeps_inside: bool) -> usize {
    let mut choices = Vec::new();
    for games in 1.. {
        play(&mut choices, sleeps_inside);
        while choices.last().is_some_and(|&(choice, of)| choice + 1 == of) {
            choices.pop();
        }
        match choices.last_mut() {
            Some((choice, _)) => *choice += 1,
            None => return games,
        }
    }
    unreachable!()
}

#[test]
fn a_process_that_goes_idle_misses_nobody() {
    assert!(play_all(false) > 1000);
}

#[test]
fn a_process_that_sleeps_inside_a_step_misses_nobody() {
    assert!(play_all(true) > 1000);
}
