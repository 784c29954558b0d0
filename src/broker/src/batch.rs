//! What one shard tells another in one turn: a run of messages, or of changes of interest, written one after the other
//! into one buffer.
//!
//! Batches stay inside the process: they are read by the code that wrote them, so a malformed one is our own mistake and
//! panics.

use bytes::Bytes;
use natrium_model::AccountId;
use natrium_wire::Publish;

/// A buffer of frames (messages) or of notices (changes of interest).
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    /// Payloads that travel by reference, in the order of the frames that name them.
    shared: Vec<Bytes>,
    /// Bytes of `shared`.
    shared_bytes: usize,
    messages: u32,
    /// A word to a publisher is in it.
    is_urgent: bool,
}

/// A payload of at least this size crosses by reference: below it the copy is cheaper than the counting and the
/// allocation.
pub(crate) const SHARED_PAYLOAD_BYTES_MIN: usize = 16 * 1024;

/// A message for the subscriptions of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) account: AccountId,
    /// The publisher, on the shard that sent the batch.
    pub(crate) publisher: u32,
    /// Whether plain subscriptions get it.
    pub(crate) plain: bool,
    /// How often it was passed on because a queue group had moved.
    pub(crate) hops: u8,
    pub(crate) message: Publish<'a>,
    /// Queue groups of which one member gets it.
    pub(crate) queues: QueueList<'a>,
}

/// Names of queue groups, each as a length of two bytes and the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct QueueList<'a>(&'a [u8]);

/// A change in what a shard's clients listen to, or a word to a publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice<'a> {
    /// Plain subscriptions to `filter` exist (or no longer do) on the sender.
    Plain { account: AccountId, filter: &'a [u8], wanted: bool },
    /// The queue group has this many members on the sender.
    Queue { account: AccountId, filter: &'a [u8], queue: &'a [u8], weight: u32 },
    /// A receiver of this publisher is far behind: so many bytes wait for it.
    Congested { publisher: u32, backlog: u32 },
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes held, payloads by reference included.
    pub fn size(&self) -> usize {
        self.bytes.len() + self.shared_bytes
    }

    /// Whether its receiver is to act on it, rather than to know of it when it acts.
    pub fn is_urgent(&self) -> bool {
        self.is_urgent
    }

    /// Makes the batch empty, keeping its buffer unless it has grown out of proportion.
    pub fn reset(&mut self) {
        if self.bytes.capacity() > BUFFER_BYTES_KEPT {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.shared.clear();
        self.shared_bytes = 0;
        self.messages = 0;
        self.is_urgent = false;
    }

    /// How many messages it holds.
    #[must_use]
    pub fn messages(&self) -> u32 {
        self.messages
    }

    /// Appends a message. `shared` is the payload by reference where it is large: it is made once for all shards.
    pub(crate) fn push_frame(&mut self, frame: &Frame<'_>, shared: Option<&Bytes>) {
        self.messages += 1;
        let message = &frame.message;
        let head = FrameHead {
            account: frame.account.0,
            publisher: frame.publisher,
            subject_len: length(message.subject),
            reply_len: message.reply.map_or(NO_REPLY, length),
            header_len: u32::try_from(message.header_len).expect("payloads are at most 2 GiB"),
            payload_len: length(message.payload),
            queues_len: length(frame.queues.0),
            plain: frame.plain,
            shared: shared.is_some(),
            hops: frame.hops,
        };
        self.bytes.extend_from_slice(&head.encode());
        self.bytes.extend_from_slice(message.subject);
        self.bytes.extend_from_slice(message.reply.unwrap_or_default());
        self.bytes.extend_from_slice(frame.queues.0);
        match shared {
            Some(payload) => {
                self.shared_bytes += payload.len();
                self.shared.push(payload.clone());
            }
            None => self.bytes.extend_from_slice(message.payload),
        }
    }

    pub(crate) fn push_notice(&mut self, notice: &Notice<'_>) {
        let (kind, number, weight, filter, queue): (u8, u32, u32, &[u8], &[u8]) = match *notice {
            Notice::Plain { account, filter, wanted } => {
                (KIND_PLAIN, account.0, u32::from(wanted), filter, b"")
            }
            Notice::Queue { account, filter, queue, weight } => {
                (KIND_QUEUE, account.0, weight, filter, queue)
            }
            Notice::Congested { publisher, backlog } => (KIND_CONGESTED, publisher, backlog, b"", b""),
        };
        self.is_urgent |= kind == KIND_CONGESTED;
        self.bytes.push(kind);
        for field in [number, weight, length(filter), length(queue)] {
            self.bytes.extend_from_slice(&field.to_le_bytes());
        }
        self.bytes.extend_from_slice(filter);
        self.bytes.extend_from_slice(queue);
    }

    pub(crate) fn frames(&self) -> Frames<'_> {
        Frames { rest: Reader(&self.bytes), shared: self.shared.iter() }
    }

    pub(crate) fn notices(&self) -> Notices<'_> {
        Notices(Reader(&self.bytes))
    }
}

impl<'a> QueueList<'a> {
    /// Appends one name to a buffer that will be a list.
    pub(crate) fn push(buffer: &mut Vec<u8>, name: &[u8]) {
        buffer.extend_from_slice(&length(name).to_le_bytes());
        buffer.extend_from_slice(name);
    }

    pub(crate) fn of(buffer: &'a [u8]) -> Self {
        Self(buffer)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = Reader(self.0);
        std::iter::from_fn(move || {
            (!rest.0.is_empty()).then(|| {
                let len = rest.number();
                rest.bytes(len)
            })
        })
    }
}

/// The frames of a batch, with each payload that travels by reference.
pub(crate) struct Frames<'a> {
    rest: Reader<'a>,
    shared: std::slice::Iter<'a, Bytes>,
}

impl<'a> Iterator for Frames<'a> {
    type Item = (Frame<'a>, Option<&'a Bytes>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.0.is_empty() {
            return None;
        }
        let head = FrameHead::decode(self.rest.array());
        let subject = self.rest.bytes(head.subject_len);
        let reply = (head.reply_len != NO_REPLY).then(|| self.rest.bytes(head.reply_len));
        let queues = QueueList(self.rest.bytes(head.queues_len));
        let shared =
            head.shared.then(|| self.shared.next().expect("one payload for each frame that shares one"));
        let payload = shared.map_or_else(|| self.rest.bytes(head.payload_len), |payload| payload.as_ref());
        let frame = Frame {
            account: AccountId(head.account),
            publisher: head.publisher,
            plain: head.plain,
            hops: head.hops,
            message: Publish {
                subject,
                reply,
                header_len: head.header_len as usize,
                payload,
                has_headers: head.header_len > 0,
            },
            queues,
        };
        Some((frame, shared))
    }
}

/// The notices of a batch.
pub(crate) struct Notices<'a>(Reader<'a>);

impl<'a> Iterator for Notices<'a> {
    type Item = Notice<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.0.is_empty() {
            return None;
        }
        let [kind] = self.0.array();
        let [number, weight, filter_len, queue_len] = std::array::from_fn(|_| self.0.number());
        let filter = self.0.bytes(filter_len);
        let queue = self.0.bytes(queue_len);
        Some(match kind {
            KIND_PLAIN => Notice::Plain { account: AccountId(number), filter, wanted: weight != 0 },
            KIND_QUEUE => Notice::Queue { account: AccountId(number), filter, queue, weight },
            KIND_CONGESTED => Notice::Congested { publisher: number, backlog: weight },
            other => unreachable!("no notice of kind {other} is ever written"),
        })
    }
}

/// The fixed part of a frame.
struct FrameHead {
    account: u32,
    publisher: u32,
    subject_len: u32,
    reply_len: u32,
    header_len: u32,
    payload_len: u32,
    queues_len: u32,
    plain: bool,
    shared: bool,
    hops: u8,
}

impl FrameHead {
    fn encode(&self) -> [u8; FRAME_HEAD_SIZE] {
        let mut out = [0; FRAME_HEAD_SIZE];
        let numbers = [
            self.account,
            self.publisher,
            self.subject_len,
            self.reply_len,
            self.header_len,
            self.payload_len,
            self.queues_len,
            u32::from(self.plain) | u32::from(self.shared) << 8 | u32::from(self.hops) << 16,
        ];
        for (field, number) in out.chunks_exact_mut(4).zip(numbers) {
            field.copy_from_slice(&number.to_le_bytes());
        }
        out
    }

    fn decode(bytes: [u8; FRAME_HEAD_SIZE]) -> Self {
        let mut fields = Reader(&bytes);
        let [account, publisher, subject_len, reply_len, header_len, payload_len, queues_len, flags] =
            std::array::from_fn(|_| fields.number());
        let [plain, shared, hops, _] = flags.to_le_bytes();
        Self {
            account,
            publisher,
            subject_len,
            reply_len,
            header_len,
            payload_len,
            queues_len,
            plain: plain != 0,
            shared: shared != 0,
            hops,
        }
    }
}

/// Takes fields off the front of a batch.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: u32) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len as usize);
        self.0 = rest;
        taken
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.0.split_first_chunk().expect("a batch ends where a frame ends");
        self.0 = rest;
        *taken
    }

    fn number(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("control lines and payloads are at most 2 GiB")
}

const FRAME_HEAD_SIZE: usize = 32;
const NO_REPLY: u32 = u32::MAX;
const KIND_PLAIN: u8 = 1;
const KIND_QUEUE: u8 = 2;
const KIND_CONGESTED: u8 = 3;
/// A recycled batch keeps a buffer up to this size.
const BUFFER_BYTES_KEPT: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn owned_frames()(frames in prop::collection::vec(
            (any::<u32>(), any::<u32>(), any::<bool>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..20),
             prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
             prop::collection::vec(any::<u8>(), 0..40), any::<bool>(),
             prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 0..3)), 0..10))
            -> Vec<(u32, u32, bool, u8, Vec<u8>, Option<Vec<u8>>, Vec<u8>, bool, Vec<Vec<u8>>)> { frames }
    }

    proptest! {
        #[test]
        fn frames_arrive_as_they_were_written(frames in owned_frames()) {
            let mut batch = Batch::default();
            for (account, publisher, plain, hops, subject, reply, payload, shared, names) in &frames {
                let mut queues = Vec::new();
                names.iter().for_each(|name| QueueList::push(&mut queues, name));
                let by_reference = shared.then(|| Bytes::copy_from_slice(payload));
                let frame = Frame {
                    account: AccountId(*account), publisher: *publisher, plain: *plain, hops: *hops,
                    message: Publish {
                        subject, reply: reply.as_deref(), header_len: payload.len() / 2, payload, has_headers: payload.len() > 1,
                    },
                    queues: QueueList::of(&queues),
                };
                batch.push_frame(&frame, by_reference.as_ref());
            }
            let mut read = batch.frames();
            for (account, publisher, plain, hops, subject, reply, payload, shared, names) in &frames {
                let (frame, by_reference) = read.next().unwrap();
                prop_assert_eq!(frame.account, AccountId(*account));
                prop_assert_eq!((frame.publisher, frame.plain, frame.hops), (*publisher, *plain, *hops));
                prop_assert_eq!(frame.message.subject, subject);
                prop_assert_eq!(frame.message.reply, reply.as_deref());
                prop_assert_eq!(frame.message.payload, payload);
                prop_assert_eq!(frame.message.header_len, payload.len() / 2);
                prop_assert_eq!(by_reference.is_some(), *shared);
                prop_assert_eq!(frame.queues.iter().map(<[u8]>::to_vec).collect::<Vec<_>>(), names.clone());
            }
            prop_assert!(read.next().is_none());
        }
    }

    #[test]
    fn notices_arrive_as_they_were_written() {
        let account = AccountId(7);
        let written = [
            Notice::Plain { account, filter: b"foo.*", wanted: true },
            Notice::Plain { account, filter: b"foo.*", wanted: false },
            Notice::Queue { account, filter: b"a", queue: b"workers", weight: 3 },
            Notice::Congested { publisher: 12, backlog: 5 << 20 },
        ];
        let mut batch = Batch::default();
        written.iter().for_each(|notice| batch.push_notice(notice));
        assert_eq!(batch.notices().collect::<Vec<_>>(), written);
        batch.reset();
        assert!(batch.is_empty());
        assert_eq!(batch.notices().count(), 0);
    }
}
