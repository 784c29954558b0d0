//! Messages by sequence.

use std::rc::Rc;

use bytes::Bytes;

use crate::cache::SpanContent;
use crate::disk::Disk;
use crate::message::Message;
use crate::record::Record;
use crate::store::block::{Block, BlockNumber, Phase};
use crate::store::ledger::Ledger;
use crate::store::{Media, Store, StoreError};

/// Where a reader is: what it read last is most often where the next message is.
#[derive(Debug, Default)]
pub struct Cursor {
    span: Option<(SpanPlace, Rc<SpanContent>)>,
}

/// A span of a block in one of its lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpanPlace {
    pub block: BlockNumber,
    pub generation: u64,
    pub place: usize,
}

enum Located {
    Absent,
    Lost,
    Here(Message),
    InSpan(SpanPlace),
}

impl<D: Disk> Store<D> {
    /// The message `seq`, if it is there.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where it was and cannot be read; [`StoreError::Failed`] where it never became durable.
    pub async fn get(&self, seq: u64) -> Result<Option<Message>, StoreError> {
        self.get_with(&mut Cursor::default(), seq).await
    }

    /// As [`Store::get`], for one who reads on: `cursor` remembers where.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn get_with(&self, cursor: &mut Cursor, seq: u64) -> Result<Option<Message>, StoreError> {
        self.settle(seq).await?;
        loop {
            let place = match self.with(|ledger| ledger.locate(seq)) {
                Located::Absent => return Ok(None),
                Located::Lost => return Err(StoreError::Damaged { seq }),
                Located::Here(message) => return Ok(Some(message)),
                Located::InSpan(place) => place,
            };
            if let Some(content) = self.span(cursor, place).await? {
                return match content.place_of(seq) {
                    Some(at) => Ok(Some(message_at(&content.bytes, at))),
                    None => Err(StoreError::Damaged { seq }),
                };
            }
            // The block was rewritten or removed meanwhile: look again.
        }
    }

    /// Messages from `from` on in the order of their sequences, until there are so many or so many bytes of them; at least
    /// one where there is one. Ends before what is not durable yet.
    ///
    /// # Errors
    /// As [`Store::get`]; a damaged message ends the answer before it, and is an error only where it is the first.
    pub async fn read(
        &self,
        cursor: &mut Cursor,
        from: u64,
        max_messages: usize,
        max_bytes: usize,
    ) -> Result<Vec<Message>, StoreError> {
        let mut messages = Vec::new();
        let mut bytes = 0;
        let mut next = from;
        while messages.len() < max_messages && (bytes < max_bytes || messages.is_empty()) {
            let durable = self.durable_seq();
            let Some(seq) = self.with(|ledger| ledger.next_seq(next)).filter(|&seq| seq <= durable) else {
                break;
            };
            match self.get_with(cursor, seq).await {
                Ok(Some(message)) => {
                    bytes += message.subject.len() + message.headers.len() + message.payload.len();
                    messages.push(message);
                }
                // It was deleted meanwhile.
                Ok(None) => {}
                Err(error) if messages.is_empty() => return Err(error),
                Err(_) => break,
            }
            next = seq + 1;
        }
        Ok(messages)
    }

    /// Waits until nothing that was changed so far can be lost any more, if `seq` is part of it.
    async fn settle(&self, seq: u64) -> Result<(), StoreError> {
        if seq > self.durable_seq() && seq <= self.last_seq() {
            self.committed(self.0.commits.latest()).await?;
        }
        Ok(())
    }

    async fn span(
        &self,
        cursor: &mut Cursor,
        place: SpanPlace,
    ) -> Result<Option<Rc<SpanContent>>, StoreError> {
        let mut reads_on = false;
        if let Some((before, content)) = &cursor.span {
            if *before == place {
                return Ok(Some(Rc::clone(content)));
            }
            reads_on = before.block == place.block && before.place + 1 == place.place
                || before.block + 1 == place.block && place.place == 0;
        }
        let Media::File(file) = &self.0.media else { return Ok(None) };
        let content = file.span(self, place, reads_on).await?;
        if let Some(content) = &content {
            cursor.span = Some((place, Rc::clone(content)));
        }
        Ok(content)
    }
}

impl Ledger {
    fn locate(&self, seq: u64) -> Located {
        if self.lost.contains(seq) {
            return Located::Lost;
        }
        let Some(block) = self.block_of(seq) else { return Located::Absent };
        let delta = block.delta(seq);
        let in_span = |place: usize| {
            Located::InSpan(SpanPlace { block: block.number, generation: block.generation, place })
        };
        match &block.phase {
            Phase::Open(open) => {
                let Some(slot) = open.index.slot(delta) else { return Located::Absent };
                if slot.at >= open.tail.base() {
                    let record = open.tail.slice(slot.at, slot.at + slot.len);
                    return Located::Here(message_at(&Bytes::copy_from_slice(record), 0));
                }
                let place = block.spans.holding(slot.at).expect("what is not in the tail is in a span");
                match open.contents.get(place) {
                    Some(content) => Located::Here(in_content(block, content, place, slot.at)),
                    None => in_span(place),
                }
            }
            Phase::Resident(resident) => {
                let Some(slot) = resident.index.slot(delta) else { return Located::Absent };
                let place = block.spans.holding(slot.at).expect("all of a resident block is in spans");
                Located::Here(in_content(block, &resident.contents[place], place, slot.at))
            }
            Phase::Sealed => block.spans.of_delta(delta).map_or(Located::Lost, in_span),
        }
    }
}

fn in_content(block: &Block, content: &Bytes, place: usize, at: u32) -> Message {
    let span = block.spans.get(place).expect("each content has its span");
    message_at(content, (at - span.at) as usize)
}

/// A message out of entries that were written or checked in this run.
fn message_at(entries: &Bytes, at: usize) -> Message {
    Record::decode_unchecked(&entries[at..])
        .expect("records in memory were checked when they came")
        .to_message(entries)
}
