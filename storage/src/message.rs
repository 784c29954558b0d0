//! What goes into a store and what comes out of it.

use bytes::Bytes;
use natrium_model::Timestamp;

/// A message to be appended. Its sequence is the store's to give.
#[derive(Clone, Copy, Debug)]
pub struct NewMessage<'a> {
    /// A literal subject.
    pub subject: &'a [u8],
    /// The header block as on the wire, with its version line and closing blank line; empty without headers.
    pub headers: &'a [u8],
    pub payload: &'a [u8],
    /// Nanoseconds since the Unix epoch. The store never lets it fall below the last message's.
    pub timestamp: Timestamp,
    /// When the message goes away of itself, whatever `max_age` says; [`NEVER`] exempts it from `max_age`.
    pub expires: Option<Timestamp>,
    /// When the message is to be told of by `take_due`: a scheduled message's next time.
    pub due: Option<Timestamp>,
}

/// The expiry of a message that outlives `max_age`.
pub const NEVER: Timestamp = Timestamp(i64::MAX);

/// A stored message. Its parts are views of one buffer, which lives as long as the last of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub seq: u64,
    pub timestamp: Timestamp,
    pub expires: Option<Timestamp>,
    pub due: Option<Timestamp>,
    pub subject: Bytes,
    pub headers: Bytes,
    pub payload: Bytes,
}

/// Which messages a query is about.
#[derive(Clone, Copy, Debug)]
pub enum Filter<'a> {
    All,
    /// One filter: a literal subject or one with wildcards.
    Subject(&'a [u8]),
    /// Any of several filters, none of which overlaps another.
    Any(&'a [&'a [u8]]),
}

impl Filter<'_> {
    /// Whether every subject matches.
    #[must_use]
    pub fn is_all(&self) -> bool {
        match self {
            Self::All => true,
            Self::Subject(filter) => *filter == b">",
            Self::Any(filters) => filters.contains(&&b">"[..]),
        }
    }

    #[must_use]
    pub fn matches(&self, subject: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Subject(filter) => natrium_subject::matches(subject, filter),
            Self::Any(filters) => filters.iter().any(|filter| natrium_subject::matches(subject, filter)),
        }
    }
}

/// How much a store may hold and what happens when that is full. `None` is without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub max_messages: Option<u64>,
    /// In the reference's accounting, see [`crate::message::accounted_size`].
    pub max_bytes: Option<u64>,
    /// Nanoseconds.
    pub max_age_ns: Option<u64>,
    pub max_messages_per_subject: Option<u64>,
    pub discard: Discard,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Discard {
    /// The oldest go until the new one fits.
    #[default]
    Old,
    /// The new one is refused; of one subject the oldest still goes.
    New,
    /// The new one is refused, also where it is one too many of its subject.
    NewPerSubject,
}

/// A store's counts. Empty stores have `first_seq == last_seq + 1` and no times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub messages: u64,
    /// In the reference's accounting.
    pub bytes: u64,
    pub first_seq: u64,
    pub first_timestamp: Option<Timestamp>,
    pub last_seq: u64,
    /// Of the last message there ever was, deleted or not.
    pub last_timestamp: Option<Timestamp>,
    pub subjects: u64,
    /// Sequences between first and last without a message.
    pub deleted: u64,
}

/// Messages of one subject or of one filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Matching {
    pub messages: u64,
    /// 0 where nothing matches.
    pub first_seq: u64,
    pub last_seq: u64,
}

/// What a purge takes. Everything where nothing is said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Purge<'a> {
    /// Only subjects that match.
    pub subject: Option<&'a [u8]>,
    /// Only messages below this sequence.
    pub below: Option<u64>,
    /// All but the newest so many of what matches. Not together with `below`.
    pub keep: Option<u64>,
}

/// Bytes a message counts for in the limits and state of a file store, as the reference counts.
#[must_use]
pub fn accounted_size(subject: usize, headers: usize, payload: usize) -> u64 {
    let headers = if headers == 0 { 0 } else { 4 + headers };
    (FILE_OVERHEAD + subject + headers + payload) as u64
}

/// The same of a memory store.
#[must_use]
pub fn accounted_size_in_memory(subject: usize, headers: usize, payload: usize) -> u64 {
    (MEMORY_OVERHEAD + subject + headers + payload) as u64
}

/// `fileStoreMsgSizeRaw` in the reference's server/filestore.go.
const FILE_OVERHEAD: usize = 30;
/// `memStoreMsgSizeRaw` in the reference's server/memstore.go.
const MEMORY_OVERHEAD: usize = 16;
