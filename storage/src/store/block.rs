//! One block as a store keeps it in memory, whether its messages are there too or on disk.

use bytes::Bytes;
use natrium_model::Timestamp;
use roaring::RoaringBitmap;

use crate::block::index::Index;
use crate::block::sources::ToldSources;
use crate::block::spans::Spans;
use crate::block::summary::{Row, Summary, Times};
use crate::block::tail::Tail;
use crate::seq_set::SeqSet;

/// Blocks are numbered in the order they were begun; numbers are never used twice in a store.
pub type BlockNumber = u64;

#[derive(Debug)]
pub struct Block {
    pub number: BlockNumber,
    /// Counts the lives of the number: a block that is rewritten has the next.
    pub generation: u64,
    /// Seeds the checksums of all its entries.
    pub salt: u64,
    /// The sequences it speaks of; `last` is `first - 1` where there is none.
    pub first: u64,
    pub last: u64,
    pub last_timestamp: Option<Timestamp>,
    /// Messages that are left.
    pub messages: u64,
    /// What they count for in the store's bytes.
    pub bytes: u64,
    /// Bytes of their records.
    pub record_bytes: u64,
    /// Bytes of all entries.
    pub plain_len: u32,
    /// Sequences in it without a message.
    pub gone: SeqSet,
    /// Messages of earlier blocks that entries of this one delete.
    pub tombstones: SeqSet,
    /// Deletes in blocks below this number are part of what the block's file says of itself.
    pub absorbed_below: BlockNumber,
    /// Leaves of the subjects it may have messages of: all that it has, and some that it had.
    pub subjects: RoaringBitmap,
    pub spans: Spans,
    pub phase: Phase,
}

/// What is in memory of a block beyond its outline.
#[derive(Debug)]
pub enum Phase {
    /// Written to, or not sealed yet.
    Open(Box<OpenBlock>),
    /// On disk with a footer; read when needed.
    Sealed,
    /// A memory store's, full: its spans are here.
    Resident(Box<ResidentBlock>),
}

#[derive(Debug)]
pub struct OpenBlock {
    pub index: Index,
    pub tail: Tail,
    /// The span being gathered: position and file offset where it begins, and where its frames end in the file.
    pub gathering: Option<Gathering>,
    /// Spans of a memory store.
    pub contents: Vec<Bytes>,
    /// Of messages that expire or are due.
    pub times: Vec<Times>,
    /// What the block's entries themselves tell, beside its messages: for its summary.
    pub told: Told,
    /// Once no entry is added any more: what was gone when the last one was.
    pub full: Option<SeqSet>,
    /// It was cut with this commit: a footer must not tell so before that is durable.
    pub cut_with: u64,
    /// Some of it cannot be read: it is left as it is, and tells so at each start.
    pub is_damaged: bool,
    /// It was found with a last commit that holds something that could be missed.
    pub ends_bare: bool,
    /// While a store is put together: what the block's entries tell, to become its index.
    pub recovered_rows: Option<(Summary, Vec<Row>)>,
}

#[derive(Clone, Debug, Default)]
pub struct Told {
    pub low: u64,
    pub truncated: Option<u64>,
    pub sources: ToldSources,
}

#[derive(Clone, Copy, Debug)]
pub struct Gathering {
    pub at: u32,
    /// Up to where entries are durable.
    pub to: u32,
    pub offset: u32,
    pub end: u32,
}

#[derive(Debug)]
pub struct ResidentBlock {
    pub index: Index,
    pub contents: Vec<Bytes>,
}

impl Block {
    #[must_use]
    pub fn begin(number: BlockNumber, salt: u64, first: u64) -> Self {
        Self {
            number,
            generation: 0,
            salt,
            first,
            last: first - 1,
            last_timestamp: None,
            messages: 0,
            bytes: 0,
            record_bytes: 0,
            plain_len: 0,
            gone: SeqSet::default(),
            tombstones: SeqSet::default(),
            absorbed_below: number,
            subjects: RoaringBitmap::new(),
            spans: Spans::default(),
            phase: Phase::Open(Box::new(OpenBlock::new(Tail::default()))),
        }
    }

    /// The index, where it is in memory anyway.
    #[must_use]
    pub fn index(&self) -> Option<&Index> {
        match &self.phase {
            Phase::Open(open) => Some(&open.index),
            Phase::Resident(resident) => Some(&resident.index),
            Phase::Sealed => None,
        }
    }

    pub fn open(&self) -> Option<&OpenBlock> {
        match &self.phase {
            Phase::Open(open) => Some(open),
            Phase::Resident(_) | Phase::Sealed => None,
        }
    }

    pub fn open_mut(&mut self) -> Option<&mut OpenBlock> {
        match &mut self.phase {
            Phase::Open(open) => Some(open),
            Phase::Resident(_) | Phase::Sealed => None,
        }
    }

    /// Whether it is still open although no entry is added any more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.open().is_some_and(|open| open.full.is_some())
    }

    /// Whether less than half of what its messages took is left.
    #[must_use]
    pub fn is_sparse(&self) -> bool {
        self.record_bytes * 2 < u64::from(self.plain_len)
    }

    /// Whether a message of this sequence is in it.
    #[must_use]
    pub fn has(&self, seq: u64) -> bool {
        seq >= self.first && seq <= self.last && !self.gone.contains(seq)
    }

    /// The first message at or behind `seq`.
    #[must_use]
    pub fn next(&self, seq: u64) -> Option<u64> {
        if self.messages == 0 {
            return None;
        }
        self.gone.next_absent(seq.max(self.first)).filter(|&next| next <= self.last)
    }

    /// Sequence less the block's first. Behind the last one that can have a message, it stays there.
    #[must_use]
    pub fn delta(&self, seq: u64) -> u32 {
        u32::try_from(seq - self.first).unwrap_or(u32::MAX)
    }

    #[must_use]
    pub fn seq(&self, delta: u32) -> u64 {
        self.first + u64::from(delta)
    }

    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let inner = match &self.phase {
            Phase::Open(open) => open.index.memory_bytes() + open.tail.memory_bytes(),
            Phase::Resident(resident) => {
                resident.index.memory_bytes() + resident.contents.iter().map(Bytes::len).sum::<usize>()
            }
            Phase::Sealed => 0,
        };
        size_of::<Self>()
            + self.spans.memory_bytes()
            + self.gone.memory_bytes()
            + self.tombstones.memory_bytes()
            + self.subjects.serialized_size()
            + inner
    }
}

impl OpenBlock {
    #[must_use]
    pub fn new(tail: Tail) -> Self {
        Self {
            index: Index::default(),
            tail,
            gathering: None,
            contents: Vec::new(),
            times: Vec::new(),
            told: Told::default(),
            full: None,
            cut_with: 0,
            is_damaged: false,
            ends_bare: false,
            recovered_rows: None,
        }
    }
}
