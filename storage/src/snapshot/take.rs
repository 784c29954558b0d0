//! Taking a snapshot, chunk by chunk.

use std::rc::Rc;

use bytes::Bytes;

use super::chunk::{CHUNK_HEAD_LEN, Chain, Kind, Pin, Totals};
use crate::disk::Disk;
use crate::message::Message;
use crate::record::Record;
use crate::store::{Cursor, CutMark, Store, StoreError};

/// A stream of a store's content. Dropped at any point it leaves nothing behind.
pub struct Snapshot<D: Disk> {
    store: Store<D>,
    pin: Pin,
    cut: Rc<CutMark>,
    chain: Chain,
    cursor: Cursor,
    /// The next sequence to look for.
    next: u64,
    totals: Totals,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Head,
    Messages,
    Ended,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Sequences that the snapshot has may be given again.
    #[error("the store was truncated below {last}, where the snapshot ends")]
    Truncated { last: u64 },
}

impl<D: Disk> Store<D> {
    /// Begins a snapshot of all that was changed so far, once that is durable.
    ///
    /// # Errors
    /// [`StoreError::Failed`] where it never will be.
    pub async fn snapshot(&self) -> Result<Snapshot<D>, StoreError> {
        let state = self.state().await?;
        let pin = Pin {
            first: state.first_seq,
            last: state.last_seq,
            last_timestamp: state.last_timestamp,
            messages: state.messages,
        };
        let sources = self.sources();
        let cut = self.mark_cuts_below(pin.last);
        self.settled().await?;
        let lost = self.lost().in_range(pin.first..=pin.last.max(pin.first));
        Ok(Snapshot {
            chain: Chain::begin(self.random()),
            store: self.clone(),
            pin,
            cut,
            cursor: Cursor::default(),
            next: pin.first,
            totals: Totals { sources, lost, ..Totals::default() },
            phase: Phase::Head,
        })
    }
}

impl<D: Disk> Snapshot<D> {
    /// The last sequence it may have.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.pin.last
    }

    /// Messages of the store when it was begun.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.pin.messages
    }

    /// The next chunk, of at most `max_bytes` unless one message is longer; `None` behind the last.
    ///
    /// # Errors
    /// [`SnapshotError`]; what was pulled is of no use then.
    pub async fn next_chunk(&mut self, max_bytes: usize) -> Result<Option<Bytes>, SnapshotError> {
        let mut chunk = vec![0; CHUNK_HEAD_LEN];
        let kind = match self.phase {
            Phase::Ended => return Ok(None),
            Phase::Head => {
                self.pin.encode(&mut chunk);
                self.phase = Phase::Messages;
                Kind::Head
            }
            Phase::Messages => {
                self.gather(max_bytes, &mut chunk).await?;
                if chunk.len() > CHUNK_HEAD_LEN {
                    Kind::Messages
                } else {
                    self.totals.encode(&mut chunk);
                    self.phase = Phase::Ended;
                    Kind::Trailer
                }
            }
        };
        if self.cut.is_cut() {
            self.phase = Phase::Ended;
            return Err(SnapshotError::Truncated { last: self.pin.last });
        }
        Ok(Some(self.chain.seal(kind, chunk)))
    }

    /// Appends records until the chunk is full or there are no more.
    async fn gather(&mut self, max_bytes: usize, chunk: &mut Vec<u8>) -> Result<(), SnapshotError> {
        while self.next <= self.pin.last {
            let room = max_bytes.saturating_sub(chunk.len());
            let read = match self.store.read(&mut self.cursor, self.next, MESSAGES_AT_ONCE, room).await {
                Ok(read) => read,
                Err(StoreError::Damaged { seq }) => {
                    if seq <= self.pin.last {
                        self.totals.lost.insert(seq);
                    }
                    self.next = seq + 1;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if read.is_empty() {
                self.next = self.pin.last + 1;
            }
            for message in &read {
                if message.seq > self.pin.last {
                    self.next = message.seq;
                    break;
                }
                let record = record_of(message);
                let len = record.encoded_len();
                if chunk.len() > CHUNK_HEAD_LEN && chunk.len() + len > max_bytes {
                    return Ok(());
                }
                record.encode(self.chain.id(), chunk);
                self.totals.messages += 1;
                self.totals.bytes += len as u64;
                self.next = message.seq + 1;
            }
        }
        Ok(())
    }
}

fn record_of(message: &Message) -> Record<'_> {
    Record {
        seq: message.seq,
        timestamp: message.timestamp,
        expires: message.expires,
        due: message.due,
        subject: &message.subject,
        headers: &message.headers,
        payload: &message.payload,
    }
}

/// Messages asked of the store at once: so that one turn stays short.
const MESSAGES_AT_ONCE: usize = 512;
