//! What was read from disk and may be asked for again: one budget of bytes for all stores of an executor.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::unsync::Cache as ByWeight;

use crate::block::index::Index;
use crate::store::block::BlockNumber;

/// Keeps what is asked for most; what falls out is read again.
pub struct Cache {
    pieces: RefCell<ByWeight<Key, Piece, Bytewise>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// A store's own number.
    pub store: u64,
    pub block: BlockNumber,
    pub generation: u64,
    pub part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    Index,
    Span(u32),
}

#[derive(Clone)]
enum Piece {
    Index(Rc<Index>),
    Span(Rc<SpanContent>),
}

/// The messages of one span.
#[derive(Debug)]
pub struct SpanContent {
    /// Its entries; damaged frames are left out.
    pub bytes: Bytes,
    /// Of each record that is whole its sequence and where it begins, ascending.
    pub records: Vec<(u64, u32)>,
    /// Frames that could not be read.
    pub damaged: usize,
}

impl SpanContent {
    /// Where the record of `seq` begins.
    #[must_use]
    pub fn place_of(&self, seq: u64) -> Option<usize> {
        let place = self.records.binary_search_by_key(&seq, |(seq, _)| *seq).ok()?;
        Some(self.records[place].1 as usize)
    }
}

impl Cache {
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let entries = (bytes / (64 << 10)).max(16) as usize;
        Self { pieces: RefCell::new(ByWeight::with_weighter(entries, bytes, Bytewise)) }
    }

    #[must_use]
    pub fn index(&self, key: Key) -> Option<Rc<Index>> {
        match self.pieces.borrow_mut().get(&key)? {
            Piece::Index(index) => Some(Rc::clone(index)),
            Piece::Span(_) => None,
        }
    }

    #[must_use]
    pub fn span(&self, key: Key) -> Option<Rc<SpanContent>> {
        match self.pieces.borrow_mut().get(&key)? {
            Piece::Span(span) => Some(Rc::clone(span)),
            Piece::Index(_) => None,
        }
    }

    pub fn put_index(&self, key: Key, index: Rc<Index>) {
        self.pieces.borrow_mut().insert(key, Piece::Index(index));
    }

    pub fn put_span(&self, key: Key, span: Rc<SpanContent>) {
        self.pieces.borrow_mut().insert(key, Piece::Span(span));
    }

    pub fn remove(&self, key: Key) {
        self.pieces.borrow_mut().remove(&key);
    }

    /// Bytes of all that is kept.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.pieces.borrow().weight()
    }
}

#[derive(Clone)]
struct Bytewise;

impl Weighter<Key, Piece> for Bytewise {
    fn weight(&self, _: &Key, piece: &Piece) -> u64 {
        let bytes = match piece {
            Piece::Index(index) => index.memory_bytes(),
            Piece::Span(span) => span.bytes.len() + span.records.capacity() * size_of::<(u64, u32)>(),
        };
        (bytes + PIECE_OVERHEAD) as u64
    }
}

/// What the cache itself and the allocator take for a piece, about.
const PIECE_OVERHEAD: usize = 128;
