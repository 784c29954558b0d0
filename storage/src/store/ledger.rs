//! What a store knows in memory: its blocks, its subjects, its counts. Everything here is decided without waiting; where a
//! block's index is needed that is not in memory, [`Missing`] names it and nothing has been changed.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::rc::Rc;

use natrium_model::Timestamp;

use crate::block::index::{Index, Slot};
use crate::message::{Limits, NewMessage, accounted_size, accounted_size_in_memory};
use crate::seq_set::SeqSet;
use crate::store::block::{Block, BlockNumber};
use crate::store::cuts::CutMarks;
use crate::store::deadlines::Deadlines;
use crate::store::sources::Sources;
use crate::subject_tree::{LeafId, SubjectTree};

#[derive(Debug)]
pub(super) struct Ledger {
    pub limits: Limits,
    pub accounting: Accounting,
    /// Of the oldest message; one above `last` where there is none.
    pub first: u64,
    /// The highest sequence ever given.
    pub last: u64,
    pub last_timestamp: Option<Timestamp>,
    pub messages: u64,
    pub bytes: u64,
    pub subjects: SubjectTree<Subject>,
    /// By sequence. The last one is written to; there is always one.
    pub blocks: VecDeque<Block>,
    pub expiries: Deadlines,
    pub schedule: Deadlines,
    /// Messages that stay however old they are.
    pub ageless: SeqSet,
    /// All below this are gone or ageless.
    pub aged_to: u64,
    /// Messages that were acknowledged once and cannot be read any more.
    pub lost: SeqSet,
    /// Deletes that no entry tells of yet.
    pub unwritten: Unwritten,
    /// Blocks without messages, of which no entry tells yet.
    pub dead: Vec<Block>,
    /// Blocks that may go once the next commit is durable.
    pub leaving: Vec<Block>,
    pub cut_marks: CutMarks,
    pub sources: Sources,
}

/// Whose way of counting bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accounting {
    File,
    Memory,
}

/// The messages of one subject. 24 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject {
    /// No message below this; the first one itself unless `first_moved`.
    pub first: u64,
    /// No message above this; the last one itself unless `last_moved`.
    pub last: u64,
    pub messages: u32,
    pub first_moved: bool,
    pub last_moved: bool,
}

/// Deletes to be written with the next commit: one entry for all of them.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    pub deleted: SeqSet,
    /// `first` moved.
    pub bounds: bool,
    /// Some block has less than half of its messages left by now.
    pub sparse: bool,
}

/// The index of this block has to be read first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missing(pub BlockNumber);

/// Indexes that were read for one operation and stay until it is over.
#[derive(Default)]
pub(super) struct Pins(Vec<(BlockNumber, Rc<Index>)>);

impl Pins {
    pub(super) fn add(&mut self, number: BlockNumber, index: Rc<Index>) {
        // Work goes from block to block: the last few are enough.
        if self.0.len() == PINS_MAX {
            self.0.remove(0);
        }
        self.0.push((number, index));
    }

    fn get(&self, number: BlockNumber) -> Option<&Index> {
        self.0.iter().rev().find(|(pinned, _)| *pinned == number).map(|(_, index)| &**index)
    }

    /// The index of a block, wherever it is.
    ///
    /// # Errors
    /// [`Missing`]
    pub(super) fn index<'a>(&'a self, block: &'a Block) -> Result<&'a Index, Missing> {
        block.index().or_else(|| self.get(block.number)).ok_or(Missing(block.number))
    }
}

/// A message that was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Removed {
    pub seq: u64,
    pub bytes: u64,
}

impl Ledger {
    #[must_use]
    pub(super) fn new(accounting: Accounting, limits: Limits, first: u64, block: Block) -> Self {
        Self {
            limits,
            accounting,
            first,
            last: first - 1,
            last_timestamp: None,
            messages: 0,
            bytes: 0,
            subjects: SubjectTree::new(),
            blocks: VecDeque::from([block]),
            expiries: Deadlines::default(),
            schedule: Deadlines::default(),
            ageless: SeqSet::default(),
            aged_to: 0,
            lost: SeqSet::default(),
            unwritten: Unwritten::default(),
            dead: Vec::new(),
            leaving: Vec::new(),
            cut_marks: CutMarks::default(),
            sources: Sources::default(),
        }
    }

    /// What `message` will count for.
    #[must_use]
    pub(super) fn size_of(&self, message: &NewMessage<'_>) -> u64 {
        let (subject, headers, payload) =
            (message.subject.len(), message.headers.len(), message.payload.len());
        match self.accounting {
            Accounting::File => accounted_size(subject, headers, payload),
            Accounting::Memory => accounted_size_in_memory(subject, headers, payload),
        }
    }

    #[must_use]
    pub(super) fn active(&self) -> &Block {
        self.blocks.back().expect("a store has a block that is written to")
    }

    pub(super) fn active_mut(&mut self) -> &mut Block {
        self.blocks.back_mut().expect("a store has a block that is written to")
    }

    /// The place of the block that speaks of `seq`, or of the first one behind it.
    #[must_use]
    pub(super) fn place_of(&self, seq: u64) -> Option<usize> {
        let place = self.blocks.partition_point(|block| block.last < seq);
        (place < self.blocks.len()).then_some(place)
    }

    /// The block that has the message `seq`.
    #[must_use]
    pub(super) fn block_of(&self, seq: u64) -> Option<&Block> {
        self.blocks.get(self.place_of(seq)?).filter(|block| block.has(seq))
    }

    #[must_use]
    pub(super) fn block(&self, number: BlockNumber) -> Option<&Block> {
        // Numbers ascend with the sequences.
        let place = self.blocks.binary_search_by_key(&number, |block| block.number).ok()?;
        self.blocks.get(place)
    }

    /// A block of which messages may have gone since they were taken for a commit that is not written yet.
    #[must_use]
    pub(super) fn block_or_leaving(&self, number: BlockNumber) -> Option<&Block> {
        self.block(number)
            .or_else(|| self.dead.iter().chain(&self.leaving).find(|block| block.number == number))
    }

    pub(super) fn block_mut(&mut self, number: BlockNumber) -> Option<&mut Block> {
        let place = self.blocks.binary_search_by_key(&number, |block| block.number).ok()?;
        self.blocks.get_mut(place)
    }

    /// The first message at or behind `seq`.
    #[must_use]
    pub(super) fn next_seq(&self, seq: u64) -> Option<u64> {
        let from = self.place_of(seq.max(self.first))?;
        self.blocks.range(from..).find_map(|block| block.next(seq))
    }

    /// The last message at or before `seq`.
    #[must_use]
    pub(super) fn previous_seq(&self, seq: u64) -> Option<u64> {
        let seq = seq.min(self.last);
        let until = self.blocks.partition_point(|block| block.first <= seq);
        self.blocks.range(..until).rev().filter(|block| block.messages > 0).find_map(|block| {
            let before = block.gone.previous_absent(seq.min(block.last))?;
            (before >= block.first).then_some(before)
        })
    }

    /// Where a message is in its block, and of which subject.
    ///
    /// # Errors
    /// [`Missing`]
    pub(super) fn slot<'a>(
        &'a self,
        seq: u64,
        pins: &'a Pins,
    ) -> Result<Option<(&'a Slot, Option<LeafId>)>, Missing> {
        let Some(block) = self.block_of(seq) else { return Ok(None) };
        let index = pins.index(block)?;
        Ok(index.slot(block.delta(seq)).map(|slot| (slot, index.subject(slot).leaf)))
    }

    /// Takes one message out of the counts, if it is there. The caller sees to it that an entry will tell.
    ///
    /// # Errors
    /// [`Missing`]
    pub(super) fn take_out(&mut self, seq: u64, pins: &Pins) -> Result<Option<Removed>, Missing> {
        let removed = self.take_out_and_keep(seq, pins)?;
        if removed.is_some()
            && let Some(place) = self.place_of(seq)
        {
            self.bury(place);
            self.bury_before_first();
        }
        Ok(removed)
    }

    /// As [`Ledger::take_out`], but the block stays even where nothing is left of it.
    ///
    /// # Errors
    /// [`Missing`]
    pub(super) fn take_out_and_keep(&mut self, seq: u64, pins: &Pins) -> Result<Option<Removed>, Missing> {
        let Some(place) = self.place_of(seq).filter(|&place| self.blocks[place].has(seq)) else {
            return Ok(None);
        };
        let block = &mut self.blocks[place];
        let delta = block.delta(seq);
        let index = match block.index() {
            Some(index) => index,
            None => pins.get(block.number).ok_or(Missing(block.number))?,
        };
        let Some(&slot) = index.slot(delta) else {
            // The block's file tells of a message its table does not have: nothing more is known of it.
            block.gone.insert(seq);
            block.messages = block.messages.saturating_sub(1);
            self.messages -= 1;
            self.move_first(seq);
            return Ok(None);
        };
        let indexed = index.subject(&slot);
        let mut emptied = None;
        if let Some(leaf) = indexed.leaf {
            let subject = self.subjects.by_id_mut(leaf);
            subject.messages -= 1;
            if subject.messages == 0 {
                self.subjects.remove(&indexed.text);
                emptied = Some(leaf);
            } else {
                if seq == subject.first {
                    subject.first = seq + 1;
                    subject.first_moved = true;
                }
                if seq == subject.last {
                    subject.last = seq - 1;
                    subject.last_moved = true;
                }
                subject.settle();
            }
        }
        if let Some(leaf) = emptied
            && let Some(open) = self.active_mut().open_mut()
        {
            open.index.forget(leaf);
        }
        let block = &mut self.blocks[place];
        block.gone.insert(seq);
        block.messages -= 1;
        block.bytes = block.bytes.saturating_sub(u64::from(slot.size));
        let was_sparse = block.is_sparse();
        block.record_bytes = block.record_bytes.saturating_sub(u64::from(slot.len));
        self.unwritten.sparse |= block.is_sparse() && !was_sparse;
        self.messages -= 1;
        self.bytes = self.bytes.saturating_sub(u64::from(slot.size));
        self.expiries.remove(seq);
        self.schedule.remove(seq);
        self.ageless.remove(seq);
        self.move_first(seq);
        Ok(Some(Removed { seq, bytes: u64::from(slot.size) }))
    }

    /// After `seq` went: the first message is another one if it was the first.
    fn move_first(&mut self, seq: u64) {
        if self.messages == 0 {
            self.first = self.last + 1;
        } else if seq == self.first {
            self.first = self.next_seq(seq + 1).unwrap_or(self.last + 1);
        }
    }

    /// Sets the block at `place` aside if it has no message left and is not the one that is written to.
    pub(super) fn bury(&mut self, place: usize) {
        if place + 1 < self.blocks.len() && self.blocks[place].messages == 0 {
            self.dead.extend(self.blocks.remove(place));
        }
    }

    /// Nothing below this is left, and nothing is lost: the first message, or one that is lost before it.
    #[must_use]
    pub(super) fn low(&self) -> u64 {
        self.lost.min().map_or(self.first, |lost| lost.min(self.first))
    }

    /// Sets blocks aside that had nothing but deletes of messages that are below the first by now.
    pub(super) fn bury_before_first(&mut self) {
        let low = self.low();
        while self.blocks.len() > 1
            && let Some(block) = self.blocks.pop_front_if(|block| block.messages == 0 && block.last < low)
        {
            self.dead.push(block);
        }
    }

    /// The first message of a subject that has some.
    ///
    /// # Errors
    /// [`Missing`]
    pub(super) fn first_of(&mut self, leaf: LeafId, pins: &Pins) -> Result<u64, Missing> {
        let subject = *self.subjects.by_id(leaf);
        if !subject.first_moved {
            return Ok(subject.first);
        }
        let found = match self.next_of(leaf, subject.first, pins) {
            Ok(found) => found,
            Err(Missing(number)) => {
                // The blocks before were looked through: not again when the index is there.
                let looked_to = self.block(number).map_or(0, |block| block.first);
                let subject = self.subjects.by_id_mut(leaf);
                subject.first = subject.first.max(looked_to);
                return Err(Missing(number));
            }
        };
        let subject = self.subjects.by_id_mut(leaf);
        // The counts say there is one; where damage took it, the end stands for it.
        subject.first = found.unwrap_or(subject.last);
        subject.first_moved = false;
        subject.settle();
        Ok(subject.first)
    }

    /// The last message of a subject that has some.
    ///
    /// # Errors
    /// [`Missing`]
    pub(super) fn last_of(&mut self, leaf: LeafId, pins: &Pins) -> Result<u64, Missing> {
        let subject = *self.subjects.by_id(leaf);
        if !subject.last_moved {
            return Ok(subject.last);
        }
        let found = match self.previous_of(leaf, subject.last, pins) {
            Ok(found) => found,
            Err(Missing(number)) => {
                let looked_to = self.block(number).map_or(u64::MAX, |block| block.last);
                let subject = self.subjects.by_id_mut(leaf);
                subject.last = subject.last.min(looked_to);
                return Err(Missing(number));
            }
        };
        let subject = self.subjects.by_id_mut(leaf);
        subject.last = found.unwrap_or(subject.first);
        subject.last_moved = false;
        subject.settle();
        Ok(subject.last)
    }

    /// The first message of a subject at or behind `seq`.
    ///
    /// # Errors
    /// [`Missing`]
    pub(super) fn next_of(&self, leaf: LeafId, seq: u64, pins: &Pins) -> Result<Option<u64>, Missing> {
        let Some(from) = self.place_of(seq) else { return Ok(None) };
        for block in self.blocks.range(from..) {
            if block.messages == 0 || !block.subjects.contains(leaf.0) {
                continue;
            }
            let index = pins.index(block)?;
            let delta = if seq > block.first { block.delta(seq) } else { 0 };
            let found = index
                .from(delta)
                .iter()
                .find(|slot| index.subject(slot).leaf == Some(leaf) && block.has(block.seq(slot.delta)));
            if let Some(slot) = found {
                return Ok(Some(block.seq(slot.delta)));
            }
        }
        Ok(None)
    }

    /// The last message of a subject at or before `seq`.
    ///
    /// # Errors
    /// [`Missing`]
    pub(super) fn previous_of(&self, leaf: LeafId, seq: u64, pins: &Pins) -> Result<Option<u64>, Missing> {
        let until = self.blocks.partition_point(|block| block.first <= seq);
        for block in self.blocks.range(..until).rev() {
            if block.messages == 0 || !block.subjects.contains(leaf.0) {
                continue;
            }
            let index = pins.index(block)?;
            let delta = block.delta(seq.min(block.last));
            let found = index
                .below(delta.saturating_add(1))
                .iter()
                .rev()
                .find(|slot| index.subject(slot).leaf == Some(leaf) && block.has(block.seq(slot.delta)));
            if let Some(slot) = found {
                return Ok(Some(block.seq(slot.delta)));
            }
        }
        Ok(None)
    }

    /// The runs of sequences between the first and the last without a message.
    #[must_use]
    pub(super) fn deleted_runs(&self) -> Vec<(u64, u64)> {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        let mut push = |first: u64, last: u64| match runs.last_mut() {
            _ if first > last => {}
            Some(before) if before.1 + 1 == first => before.1 = last,
            _ => runs.push((first, last)),
        };
        let mut next = self.first;
        for block in &self.blocks {
            // Between two blocks is what was in blocks that are gone.
            push(next, (block.first - 1).max(next - 1));
            for (first, last) in block.gone.runs() {
                push(first.max(self.first), last);
            }
            next = next.max(block.last + 1);
        }
        runs
    }

    /// Subjects with more than `max` messages.
    #[must_use]
    pub(super) fn subjects_over(&self, max: u64) -> Vec<Box<[u8]>> {
        let mut over = Vec::new();
        let _ = self.subjects.for_each(|_, text, subject| {
            if u64::from(subject.messages) > max {
                over.push(text.into());
            }
            ControlFlow::Continue(())
        });
        over
    }

    /// Sequences between the first and the last without a message.
    #[must_use]
    pub(super) fn deleted(&self) -> u64 {
        (self.last + 1 - self.first) - self.messages
    }

    #[must_use]
    pub(super) fn memory_bytes(&self) -> usize {
        self.subjects.memory_bytes()
            + self.blocks.iter().map(Block::memory_bytes).sum::<usize>()
            + self.expiries.memory_bytes()
            + self.schedule.memory_bytes()
            + self.sources.memory_bytes()
    }
}

impl Subject {
    #[must_use]
    pub(super) fn one(seq: u64) -> Self {
        Self { first: seq, last: seq, messages: 1, first_moved: false, last_moved: false }
    }

    /// One more message, behind all others.
    pub(super) fn push(&mut self, seq: u64) {
        self.messages += 1;
        self.last = seq;
        self.last_moved = false;
    }

    /// One message is first and last at once: knowing either is knowing both.
    fn settle(&mut self) {
        if self.messages == 1 {
            if !self.last_moved {
                self.first = self.last;
                self.first_moved = false;
            } else if !self.first_moved {
                self.last = self.first;
                self.last_moved = false;
            }
        }
    }
}

const _: () = assert!(size_of::<Subject>() == 24);
/// How many indexes one operation holds on to.
const PINS_MAX: usize = 4;
