//! What others ask a process: where it is now. It answers at the next chance, between two resumes or from a hook, and its own
//! code notices nothing ([`crate::vm::inquiry`]). Whoever asks is told once: the answer, or that the process is gone.

use std::sync::Arc;
use std::time::Instant;

/// The text that answers, shared by all who have asked at the same time; `None` from a process that is gone.
pub type AnswerText = Option<Arc<[u8]>>;

/// One that was not answered yet.
pub struct Question {
    tell: Option<Box<dyn FnOnce(AnswerText) + Send>>,
    /// When nobody waits for the answer any more.
    until: Option<Instant>,
}

impl Question {
    /// `tell` gets the answer, on any thread, if that comes until then.
    pub fn new(until: Option<Instant>, tell: impl FnOnce(AnswerText) + Send + 'static) -> Self {
        Question { tell: Some(Box::new(tell)), until }
    }

    /// Answers it.
    pub fn answer(mut self, text: &Arc<[u8]>) {
        if let Some(tell) = self.tell.take() {
            tell(Some(Arc::clone(text)));
        }
    }
}

impl Drop for Question {
    /// Nobody will answer.
    fn drop(&mut self) {
        if let Some(tell) = self.tell.take() {
            tell(None);
        }
    }
}

/// What a process was asked.
#[derive(Default)]
pub struct Questions {
    open: Vec<Question>,
    /// The process is gone.
    closed: bool,
}

impl Questions {
    /// One more. What nobody will answer, to be dropped without the lock: those for which it is too late, and this one if the
    /// process is gone.
    pub fn put(&mut self, question: Question) -> Vec<Question> {
        if self.closed {
            return vec![question];
        }
        let now = Instant::now();
        let is_late = |question: &mut Question| question.until.is_some_and(|until| until <= now);
        let late = self.open.extract_if(.., is_late).collect();
        self.open.push(question);
        late
    }

    /// Takes all of them.
    pub fn take(&mut self) -> Vec<Question> {
        std::mem::take(&mut self.open)
    }

    /// The process is gone: takes all of them, and there will be no others.
    pub fn close(&mut self) -> Vec<Question> {
        self.closed = true;
        self.take()
    }
}
