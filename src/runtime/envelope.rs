//! What travels from one process to another: one block of memory that holds the link of the mailbox's list, the sender, the
//! topic and the encoded payload; or, without bytes, a signal of the runtime. A large payload stays in the buffer that it was
//! written into.

use super::signal::{CallEnd, Signal};
use crate::platform::magazines;
use std::alloc::Layout;
use std::any::Any;
use std::borrow::Cow;
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// An owned message or signal. Thin: one pointer.
pub struct Envelope(NonNull<Header>);

/// The beginning of the allocation; the bytes of sender, topic and payload follow it, in that order.
#[repr(C)]
pub(super) struct Header {
    /// The node below in the mailbox; meaningful only while the mailbox owns the envelope.
    pub(super) next: *mut Header,
    content: Content,
    sender_len: u32,
    topic_len: u32,
    payload_len: usize,
}

enum Content {
    /// A message whose payload follows the topic.
    Message,
    /// A message with its payload elsewhere.
    Large(Vec<u8>),
    /// A message with a payload that others have as well.
    Shared(Arc<[u8]>),
    /// A message that asks for a reply, maybe with its payload elsewhere.
    Asking(Box<(Right, Option<Vec<u8>>)>),
    Signal(Signal),
}

/// The right to reply to a message, which only [`super::call`] understands.
pub type Right = Box<dyn Any + Send>;

// What most envelopes do not need is behind a pointer.
const _: () = assert!(size_of::<Header>() == 48);

/// The system has no memory for a message.
#[derive(Debug, PartialEq)]
pub struct NoMemory;

// SAFETY: the envelope owns its allocation alone, and everything inside it is `Send`.
unsafe impl Send for Envelope {}

impl Envelope {
    /// A message of `sender` on `topic`; `payload` as the codec wrote it. Owned bytes are not copied.
    ///
    /// # Errors
    /// [`NoMemory`] if the allocation fails.
    pub fn message<'a>(
        sender: &str,
        topic: &[u8],
        payload: impl Into<Cow<'a, [u8]>>,
    ) -> Result<Self, NoMemory> {
        match payload.into() {
            Cow::Borrowed(payload) => Self::of_parts(sender.as_bytes(), topic, payload, Content::Message),
            Cow::Owned(payload) => {
                let large = Content::Large(payload);
                Self::of_parts(sender.as_bytes(), topic, b"", large)
            }
        }
    }

    /// As [`Envelope::message`], with a payload that others have as well.
    ///
    /// # Errors
    /// [`NoMemory`] if the allocation fails.
    pub fn shared(sender: &str, topic: &[u8], payload: Arc<[u8]>) -> Result<Self, NoMemory> {
        Self::of_parts(sender.as_bytes(), topic, b"", Content::Shared(payload))
    }

    /// As [`Envelope::message`], of a message that asks for a reply.
    ///
    /// # Errors
    /// [`NoMemory`] if the allocation fails; the right is dropped then.
    pub fn asking(right: Right, sender: &str, topic: &[u8], payload: Cow<[u8]>) -> Result<Self, NoMemory> {
        let (payload, large) = match payload {
            Cow::Borrowed(payload) => (payload, None),
            Cow::Owned(payload) => (&b""[..], Some(payload)),
        };
        Self::of_parts(sender.as_bytes(), topic, payload, Content::Asking(Box::new((right, large))))
    }

    /// The value that a call is replied with.
    ///
    /// # Errors
    /// [`NoMemory`] if the allocation fails.
    pub fn reply(number: u64, payload: Cow<[u8]>) -> Result<Self, NoMemory> {
        match payload {
            Cow::Borrowed(payload) => {
                Self::of_parts(b"", b"", payload, Content::Signal(Signal::CallEnd(CallEnd::Reply(number))))
            }
            Cow::Owned(payload) => {
                Ok(Self::signal(Signal::CallEnd(CallEnd::LargeReply(Box::new((number, payload))))))
            }
        }
    }

    /// Any other end of the call of this number. As signals, answers are promised.
    pub fn answer(end: CallEnd, number: u64) -> Self {
        Self::promised(Signal::CallEnd(end), &number.to_ne_bytes())
    }

    /// The number of the call whose end it tells of, `None` if it is no such signal.
    pub fn call_number(&self) -> Option<u64> {
        match self.as_signal()? {
            Signal::CallEnd(CallEnd::Reply(number)) => Some(*number),
            Signal::CallEnd(CallEnd::LargeReply(reply)) => Some(reply.0),
            Signal::CallEnd(_) => Some(u64::from_ne_bytes(self.payload().try_into().ok()?)),
            _ => None,
        }
    }

    /// True if it asks for a reply.
    #[inline(always)]
    pub fn is_request(&self) -> bool {
        matches!(self.header().content, Content::Asking(_))
    }

    /// Takes the right to reply out; the message is one like any other then.
    pub fn take_right(&mut self) -> Option<Right> {
        // SAFETY: the envelope owns its header, and `self` is borrowed alone.
        let content = unsafe { &mut (*self.0.as_ptr()).content };
        if !matches!(content, Content::Asking(_)) {
            return None;
        }
        match std::mem::replace(content, Content::Message) {
            Content::Asking(parts) => {
                let (right, large) = *parts;
                if let Some(payload) = large {
                    *content = Content::Large(payload);
                }
                Some(right)
            }
            _ => None,
        }
    }

    /// The same message without its payload.
    ///
    /// # Errors
    /// [`NoMemory`] if the allocation fails.
    pub fn without_payload(&self) -> Result<Self, NoMemory> {
        Self::of_parts(self.sender(), self.topic(), b"", Content::Message)
    }

    fn of_parts(sender: &[u8], topic: &[u8], payload: &[u8], content: Content) -> Result<Self, NoMemory> {
        let envelope = Self::allocate(content, sender.len(), topic.len(), payload.len())?;
        // SAFETY: `allocate` made room for exactly these three lengths behind the header.
        unsafe {
            let mut end = envelope.bytes();
            for part in [sender, topic, payload] {
                ptr::copy_nonoverlapping(part.as_ptr(), end, part.len());
                end = end.add(part.len());
            }
        }
        Ok(envelope)
    }

    /// A signal. Signals are promised: if the system has no memory, the reserve has.
    pub fn signal(signal: Signal) -> Self {
        Self::promised(signal, b"")
    }

    fn promised(signal: Signal, payload: &[u8]) -> Self {
        let content = Content::Signal(signal);
        let envelope = Self::allocate_by(magazines::allocate_in_any_case, content, 0, 0, payload.len())
            .unwrap_or_else(|NoMemory| std::alloc::handle_alloc_error(Layout::new::<Header>()));
        // SAFETY: the block has room for the payload behind its header.
        unsafe { ptr::copy_nonoverlapping(payload.as_ptr(), envelope.bytes(), payload.len()) };
        envelope
    }

    fn allocate(content: Content, sender: usize, topic: usize, payload: usize) -> Result<Self, NoMemory> {
        Self::allocate_by(magazines::allocate, content, sender, topic, payload)
    }

    #[inline(always)]
    fn allocate_by(
        allocate: fn(usize) -> *mut u8,
        content: Content,
        sender: usize,
        topic: usize,
        payload: usize,
    ) -> Result<Self, NoMemory> {
        let total = sender.checked_add(topic).and_then(|n| n.checked_add(payload)).ok_or(NoMemory)?;
        let size = size_of::<Header>().checked_add(total).ok_or(NoMemory)?;
        let (Ok(sender_len), Ok(topic_len)) = (u32::try_from(sender), u32::try_from(topic)) else {
            return Err(NoMemory);
        };
        let header = Header { next: ptr::null_mut(), content, sender_len, topic_len, payload_len: payload };
        let start = NonNull::new(allocate(size).cast::<Header>()).ok_or(NoMemory)?;
        // SAFETY: a header is not larger than the block, and written before anybody reads it.
        unsafe {
            start.write(header);
            Ok(Envelope(start))
        }
    }

    /// Bytes of memory it takes, what a signal refers to included.
    pub fn size(&self) -> usize {
        let header = self.header();
        let elsewhere = match &header.content {
            Content::Message => 0,
            Content::Large(payload) => payload.len(),
            Content::Shared(payload) => payload.len(),
            Content::Asking(parts) => size_of_val(&**parts) + parts.1.as_ref().map_or(0, Vec::len),
            Content::Signal(signal) => signal.size(),
        };
        size_of::<Header>()
            + elsewhere
            + header.sender_len as usize
            + header.topic_len as usize
            + header.payload_len
    }

    fn header(&self) -> &Header {
        // SAFETY: the envelope owns an initialised header.
        unsafe { self.0.as_ref() }
    }

    /// Where it is: a number that no other envelope has at the same time.
    pub fn address(&self) -> usize {
        self.0.addr().get()
    }

    fn bytes(&self) -> *mut u8 {
        // SAFETY: the bytes begin one header behind the start of the same allocation.
        unsafe { self.0.as_ptr().add(1).cast() }
    }

    fn part(&self, start: usize, len: usize) -> &[u8] {
        // SAFETY: callers stay within the three lengths that the allocation was made for, all of it initialised.
        unsafe { std::slice::from_raw_parts(self.bytes().add(start), len) }
    }

    /// Calls the beginning of it into the processor's cache.
    #[inline(always)]
    pub fn prefetch(&self) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a hint, which reads nothing; the second address need not exist.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let start = self.0.as_ptr().cast::<i8>();
            _mm_prefetch::<_MM_HINT_T0>(start);
            _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(64));
        }
    }

    /// True if it counts for whoever has sent it, and so not for the receiver.
    pub fn is_paid(&self) -> bool {
        self.as_signal().is_some_and(Signal::is_paid)
    }

    /// The signal, `None` if this is a message.
    pub fn as_signal(&self) -> Option<&Signal> {
        match &self.header().content {
            Content::Signal(signal) => Some(signal),
            Content::Message | Content::Large(_) | Content::Shared(_) | Content::Asking(_) => None,
        }
    }

    /// PID of the sender.
    pub fn sender(&self) -> &[u8] {
        self.part(0, self.header().sender_len as usize)
    }

    /// Topic of the message.
    pub fn topic(&self) -> &[u8] {
        let header = self.header();
        self.part(header.sender_len as usize, header.topic_len as usize)
    }

    /// What it concerns: the topic of a message, the PID whose end an event tells of; nothing for other signals.
    pub fn subject(&self) -> &[u8] {
        self.as_signal().map_or_else(|| self.topic(), Signal::subject)
    }

    /// Encoded payload of the message.
    pub fn payload(&self) -> &[u8] {
        let header = self.header();
        match &header.content {
            Content::Large(payload) => payload,
            Content::Shared(payload) => payload,
            Content::Asking(parts) if parts.1.is_some() => parts.1.as_deref().unwrap_or_default(),
            Content::Signal(Signal::CallEnd(CallEnd::LargeReply(reply))) => &reply.1,
            _ => self.part(header.sender_len as usize + header.topic_len as usize, header.payload_len),
        }
    }

    /// Gives the allocation away; [`Envelope::from_raw`] takes it back.
    pub(super) fn into_raw(self) -> *mut Header {
        let raw = self.0.as_ptr();
        std::mem::forget(self);
        raw
    }

    /// Takes back what `into_raw` gave.
    ///
    /// # Safety
    /// `raw` came from `into_raw`, and this is the only call with it.
    pub(super) unsafe fn from_raw(raw: *mut Header) -> Self {
        // SAFETY: `into_raw` gives no null.
        Envelope(unsafe { NonNull::new_unchecked(raw) })
    }
}

impl Drop for Envelope {
    fn drop(&mut self) {
        let header = self.header();
        let total = header.sender_len as usize + header.topic_len as usize + header.payload_len;
        // SAFETY: as many bytes as in `allocate`; the header is dropped once, then its memory freed.
        unsafe {
            ptr::drop_in_place(self.0.as_ptr());
            magazines::free(self.0.as_ptr().cast(), size_of::<Header>() + total);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::clock::Timestamp;
    use crate::runtime::signal::CancelRequest;

    #[test]
    fn a_message_keeps_its_three_parts() {
        let envelope = Envelope::message("{main|1}", b"jobs", &b"\x01\x02"[..]).unwrap();
        assert_eq!(envelope.sender(), b"{main|1}");
        assert_eq!(envelope.topic(), b"jobs");
        assert_eq!(envelope.payload(), b"\x01\x02");
        assert!(envelope.as_signal().is_none());
    }

    #[test]
    fn a_payload_that_is_owned_stays_where_it_is() {
        let payload = vec![7; 100];
        let (place, len) = (payload.as_ptr(), payload.len());
        let envelope = Envelope::message("{main|1}", b"jobs", payload).unwrap();
        assert_eq!(envelope.payload().as_ptr(), place);
        assert_eq!(envelope.size(), Envelope::message("{main|1}", b"jobs", &[7; 100][..]).unwrap().size());
        assert_eq!((envelope.payload().len(), envelope.topic()), (len, &b"jobs"[..]));
    }

    #[test]
    fn a_signal_has_no_bytes() {
        let request = CancelRequest {
            from: "{main|1}".into(),
            reason: None,
            deadline: None,
            at: Timestamp::now(),
            charge: None,
        };
        let envelope = Envelope::signal(Signal::Cancel(Box::new(request)));
        assert!(matches!(envelope.as_signal(), Some(Signal::Cancel(_))));
        assert_eq!(envelope.payload(), b"");
    }
}
