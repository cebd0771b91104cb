//! What the runtime tells a process: the events of its life, which travel in its mailbox between the messages.

use super::account::Charge;
use super::belonging::GroupName;
use super::clock::Timestamp;
use super::error::ErrorData;
use super::pid::ProcessId;
use super::questions::AnswerText;
use parking_lot::Mutex;
use std::sync::Arc;

/// What `main` left behind: the encoded result, or the error that makes the exit abnormal.
pub type Outcome = Result<Vec<u8>, Arc<ErrorData>>;

/// Bytes of memory, at least, of a process that a receiver of its exit remembers until it has read of it.
pub const REMEMBERED: usize = 896;

/// What the runtime tells a process, in the same order as the messages.
#[derive(Debug)]
pub enum Signal {
    /// A monitored process is gone.
    Exit(Arc<ExitRecord>),
    /// A linked process failed and the receiver traps links.
    LinkDown(Arc<ExitRecord>),
    /// A linked process failed; the receiver is a main process that does not trap links.
    LinkFailed(Arc<ExitRecord>),
    /// Somebody asked the process to end.
    Cancel(Box<CancelRequest>),
    /// The last process that the receiver has spawned is gone.
    Childless,
    /// What a call of the receiver waits for has come about.
    Answer(Box<Answer>),
    /// A request of the receiver was answered, or never will be.
    CallEnd(CallEnd),
    /// Something that is shown on a channel of its own.
    Notice(Box<Notice>),
    /// The descriptor that this channel shows may be ready.
    Ready(u64),
    /// The code of the process was redefined.
    Outdated(Arc<Outdated>),
}

impl Signal {
    /// Bytes of memory that it refers to.
    pub fn size(&self) -> usize {
        match self {
            Signal::Exit(record) | Signal::LinkDown(record) | Signal::LinkFailed(record) => record.size(),
            Signal::Cancel(request) => {
                size_of::<CancelRequest>() + request.from.len() + request.reason.as_ref().map_or(0, Vec::len)
            }
            Signal::CallEnd(end) => end.size(),
            Signal::Childless | Signal::Ready(_) => 0,
            Signal::Outdated(outdated) => size_of::<Outdated>() + outdated.from.len(),
            Signal::Notice(notice) => size_of::<Notice>() + notice.what.size(),
            Signal::Answer(answer) => {
                let text = match &answer.news {
                    News::Place(Some(text)) => text.len(),
                    _ => 0,
                };
                size_of::<Answer>() + text
            }
        }
    }

    /// PID of the process whose end it tells of; nothing if it tells of no end.
    pub fn subject(&self) -> &[u8] {
        match self {
            Signal::Exit(record) | Signal::LinkDown(record) | Signal::LinkFailed(record) => {
                record.from.as_bytes()
            }
            Signal::Cancel(_)
            | Signal::Childless
            | Signal::Answer(_)
            | Signal::CallEnd(_)
            | Signal::Notice(_)
            | Signal::Ready(_)
            | Signal::Outdated(_) => b"",
        }
    }

    /// True if it counts for its sender, and so not for the receiver.
    pub fn is_paid(&self) -> bool {
        matches!(self, Signal::Cancel(request) if request.charge.is_some())
    }
}

/// What has become of what a call waits for.
#[derive(Debug)]
pub enum News {
    /// The process with this PID has the name now.
    Registered(Box<str>),
    /// The message is in the mailbox.
    Delivered,
    /// The receiver takes nothing any more.
    Gone,
    /// Everything that was spawned is gone.
    AllGone,
    /// Where the process is that was asked; none from one that is gone.
    Place(AnswerText),
}

/// What a process is told of a call of its own.
#[derive(Debug)]
pub struct Answer {
    /// The number of the call.
    pub call: u64,
    /// What has become of what a call waits for.
    pub news: News,
}

/// How a call ends, as its caller is told. All but a large reply leave the number of the call, or the reply itself, to the
/// envelope (see [`super::envelope::Envelope::answer`]).
#[derive(Debug)]
pub enum CallEnd {
    /// The callee has replied with a value; the payload is its encoding.
    Reply(u64),
    /// As [`CallEnd::Reply`], with the encoding in a place of its own.
    LargeReply(Box<(u64, Vec<u8>)>),
    /// The callee has replied with an error.
    Failed(Arc<ErrorData>),
    /// The request was taken and can never be answered.
    Dropped(u64),
    /// The request was taken by a listener that yields payloads only.
    TakenAsPayload(u64),
    /// The callee has ended before it replied.
    Ended(Arc<ExitRecord>),
}

impl CallEnd {
    /// Bytes of memory that it refers to.
    pub fn size(&self) -> usize {
        match self {
            CallEnd::LargeReply(reply) => size_of_val(&**reply) + reply.1.len(),
            CallEnd::Failed(error) => error.size(),
            CallEnd::Ended(record) => record.size(),
            CallEnd::Reply(_) | CallEnd::Dropped(_) | CallEnd::TakenAsPayload(_) => 0,
        }
    }
}

/// What is shown on a channel of its own.
#[derive(Debug)]
pub struct Notice {
    /// The channel.
    pub channel: u64,
    /// What is shown there.
    pub what: Noticed,
}

/// What notices are about.
#[derive(Debug)]
pub enum Noticed {
    /// A process has come into a group, or has left it.
    Membership(Membership),
    /// A process has failed, and nobody else hears of it.
    Report(Report),
    /// An OS signal has come: its name.
    OsSignal(&'static str),
}

impl Noticed {
    /// Bytes of memory that it refers to.
    fn size(&self) -> usize {
        match self {
            Noticed::Membership(change) => change.pid.len() + change.group.len(),
            Noticed::Report(report) => report.error.size(),
            Noticed::OsSignal(_) => 0,
        }
    }
}

/// Code that was redefined.
#[derive(Debug)]
pub struct Outdated {
    /// The entries; more may be added until the event is taken.
    pub sources: Mutex<Vec<Box<str>>>,
    /// PID of the process that has redefined the first one.
    pub from: Box<str>,
    /// When it did so.
    pub at: Timestamp,
}

/// A change in a process group.
#[derive(Debug)]
pub struct Membership {
    /// The group.
    pub group: GroupName,
    /// PID of the process.
    pub pid: Box<str>,
    /// It has come; else it has left.
    pub joined: bool,
}

/// A failure of a process.
#[derive(Debug)]
pub struct Report {
    /// The PID, or what stands for one.
    pub subject: Box<str>,
    /// What it ran.
    pub entry: Box<str>,
    /// The failure.
    pub error: Arc<ErrorData>,
}

/// The contents of a CANCEL event.
#[derive(Debug)]
pub struct CancelRequest {
    /// PID of the process that called `cancel`.
    pub from: Box<str>,
    /// The reason given.
    pub reason: Option<Vec<u8>>,
    /// When the receiver will be ended, if that was said.
    pub deadline: Option<Timestamp>,
    /// When `cancel` was called.
    pub at: Timestamp,
    /// What it counts for with a caller that has little memory; such a one pays for what it asks.
    pub charge: Option<Charge>,
}

/// An end as told to others. Shared by all events of it, the result encoded once.
#[derive(Debug)]
pub struct ExitRecord {
    /// PID of the process that ended.
    pub from: Box<str>,
    /// Its number.
    pub id: ProcessId,
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub outcome: Outcome,
    /// Where a chain of failing links began: PID and error text.
    pub origin: (String, Vec<u8>),
}

impl ExitRecord {
    /// A record of a process with this PID that has ended without a result.
    #[cfg(test)]
    pub fn for_tests(pid: &str) -> Self {
        let (id, origin) = (ProcessId::next(), Default::default());
        ExitRecord { from: pid.into(), id, at: Timestamp::now(), outcome: Ok(Vec::new()), origin }
    }

    /// Bytes of memory it takes, with the process that a receiver remembers until it has read of its end.
    pub fn size(&self) -> usize {
        let outcome = match &self.outcome {
            Ok(result) => result.len(),
            Err(error) => error.size(),
        };
        size_of::<ExitRecord>() + REMEMBERED + self.from.len() + outcome + self.origin.1.len()
    }
}
