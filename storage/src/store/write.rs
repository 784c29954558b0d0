//! Changes of the ledger that become entries of the block that is written to.

use natrium_model::Timestamp;

use crate::block::control::Control;
use crate::block::entry::encode_deleted_set;
use crate::block::index::Slot;
use crate::block::spans::{SPAN_LEN_MIN, Span};
use crate::block::summary::Times;
use crate::message::{Discard, NEVER, NewMessage};
use crate::record::Record;
use crate::seq_set::SeqSet;
use crate::store::block::{Block, OpenBlock, Phase, ResidentBlock};
use crate::store::ledger::{Accounting, Ledger, Missing, Pins, Removed, Subject, Unwritten};
use crate::subject_tree::LeafId;

/// Why a message is not taken although nothing is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("maximum messages exceeded")]
    MaxMessages,
    #[error("maximum bytes exceeded")]
    MaxBytes,
    #[error("maximum messages per subject exceeded")]
    MaxMessagesPerSubject,
}

/// What becomes of a message that a full store would refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is refused.
    Checked,
    /// It replaces all messages of its subject, so that one too many of them is none too many.
    Rollup,
    /// It was decided elsewhere that it is in.
    Forced,
}

/// A message's place in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub seq: u64,
    pub timestamp: Timestamp,
    pub subject: LeafId,
}

impl Ledger {
    /// Whether the limits refuse `message`, for stores that discard new messages.
    ///
    /// # Errors
    /// [`Missing`]
    pub(super) fn refusal(
        &mut self,
        message: &NewMessage<'_>,
        admission: Admission,
        pins: &Pins,
    ) -> Result<Option<Refusal>, Missing> {
        let limits = self.limits;
        if limits.discard == Discard::Old || admission == Admission::Forced {
            return Ok(None);
        }
        let size = self.size_of(message);
        let leaf = self.subjects.find(message.subject);
        let of_subject = leaf.map_or(0, |leaf| u64::from(self.subjects.by_id(leaf).messages));
        let replaces = limits.max_messages_per_subject.is_some_and(|max| of_subject > 0 && of_subject >= max);
        if replaces && limits.discard == Discard::NewPerSubject && admission != Admission::Rollup {
            return Ok(Some(Refusal::MaxMessagesPerSubject));
        }
        if limits.max_messages.is_some_and(|max| self.messages >= max) && !replaces {
            return Ok(Some(Refusal::MaxMessages));
        }
        if limits.max_bytes.is_some_and(|max| self.bytes + size > max) {
            let freed = match leaf.filter(|_| replaces) {
                Some(leaf) => {
                    let first = self.first_of(leaf, pins)?;
                    self.slot(first, pins)?.map_or(0, |(slot, _)| u64::from(slot.size))
                }
                None => 0,
            };
            if freed < size {
                return Ok(Some(Refusal::MaxBytes));
            }
        }
        Ok(None)
    }

    /// Appends `message`. Limits are the caller's to look at, before and after.
    ///
    /// # Panics
    /// If the block that is written to has no room: see [`Ledger::has_room`].
    pub(super) fn append(&mut self, message: &NewMessage<'_>) -> Place {
        let seq = self.last + 1;
        let timestamp = self.last_timestamp.map_or(message.timestamp, |last| last.max(message.timestamp));
        let record = Record {
            seq,
            timestamp,
            expires: message.expires,
            due: message.due,
            subject: message.subject,
            headers: message.headers,
            payload: message.payload,
        };
        let size = self.size_of(message);
        let (subject, known) =
            self.subjects.entry(message.subject, || Subject { messages: 0, ..Subject::one(seq) });
        known.push(seq);
        let block = self.active_mut();
        let delta = block.delta(seq);
        let salt = block.salt;
        let open = open_of(block);
        let at = open.tail.push(|out| record.encode(salt, out));
        let len = open.tail.end() - at;
        let place = open.index.enter(subject, message.subject);
        open.index.push(Slot { delta, at, len, size: size as u32, subject: place, timestamp });
        if message.expires.is_some() || message.due.is_some() {
            open.times.push(Times { seq, expires: message.expires, due: message.due });
        }
        let end = open.tail.end();
        block.subjects.insert(subject.0);
        block.last = seq;
        block.last_timestamp = Some(timestamp);
        block.messages += 1;
        block.bytes += size;
        block.record_bytes += u64::from(len);
        block.plain_len = end;
        if self.messages == 0 {
            self.first = seq;
        }
        self.messages += 1;
        self.bytes += size;
        self.last = seq;
        self.last_timestamp = Some(timestamp);
        self.note_times(seq, message.expires, message.due);
        self.note_source(message.headers);
        Place { seq, timestamp, subject }
    }

    pub(super) fn note_times(&mut self, seq: u64, expires: Option<Timestamp>, due: Option<Timestamp>) {
        match expires {
            Some(NEVER) => drop(self.ageless.insert(seq)),
            Some(expires) => self.expiries.set(seq, expires),
            None => {}
        }
        if let Some(due) = due {
            self.schedule.set(seq, due);
        }
    }

    /// A message that has to go for the limits to hold, if any: of `subject` first, then the oldest.
    ///
    /// # Errors
    /// [`Missing`]
    pub(super) fn surplus(&mut self, subject: Option<LeafId>, pins: &Pins) -> Result<Option<u64>, Missing> {
        let limits = self.limits;
        if let Some(leaf) = subject
            && limits
                .max_messages_per_subject
                .is_some_and(|max| u64::from(self.subjects.by_id(leaf).messages) > max)
        {
            return self.first_of(leaf, pins).map(Some);
        }
        Ok((self.is_over_in_all() && self.messages > 0).then_some(self.first))
    }

    /// Whether a message has to go for the limits to hold.
    #[must_use]
    pub(super) fn is_over(&self, subject: LeafId) -> bool {
        let max = self.limits.max_messages_per_subject;
        max.is_some_and(|max| u64::from(self.subjects.by_id(subject).messages) > max) || self.is_over_in_all()
    }

    /// A store that discards new messages keeps those it has, also where others decided that one too many is in.
    pub(super) fn is_over_in_all(&self) -> bool {
        if self.limits.discard != Discard::Old {
            return false;
        }
        self.limits.max_messages.is_some_and(|max| self.messages > max)
            || self.limits.max_bytes.is_some_and(|max| self.bytes > max)
    }

    /// Takes a message out for good: an entry of the next commit tells.
    ///
    /// # Errors
    /// [`Missing`]
    pub(super) fn delete(&mut self, seq: u64, pins: &Pins) -> Result<Option<Removed>, Missing> {
        let was_first = seq == self.first;
        let removed = self.take_out(seq, pins)?;
        if was_first && self.low() > seq {
            self.unwritten.bounds = true;
        } else {
            self.unwritten.deleted.insert(seq);
        }
        Ok(removed)
    }

    /// Whether entries of this many bytes still go into the block that is written to.
    #[must_use]
    pub(super) fn has_room(&self, bytes: usize, block_len: u32) -> bool {
        let block = self.active();
        let is_first = block.messages == 0 && block.plain_len < SMALL + self.sources.entry_len_max();
        let fits = block.plain_len as usize + bytes <= block_len as usize;
        let deltas = self.last + 1 - block.first < u64::from(u32::MAX);
        (fits || is_first) && deltas
    }

    /// Ends the block that is written to and begins the next one.
    pub(super) fn roll(&mut self, salt: u64) {
        // So that what is gone of the block when it ends is what its entries tell.
        self.write_deletes();
        let number = self.active().number + 1;
        let first = self.last + 1;
        let block = self.active_mut();
        let gone = block.gone.clone();
        open_of(block).full = Some(gone);
        if self.accounting == Accounting::Memory {
            self.make_last_resident();
        }
        self.blocks.push_back(Block::begin(number, salt, first));
        self.active_mut().last_timestamp = self.last_timestamp;
        self.write_bounds();
        self.write_all_sources();
        // The block that ended may have had nothing, or nothing any more.
        self.bury(self.blocks.len() - 2);
    }

    /// Whether so many more sequences fit the block that is written to.
    #[must_use]
    pub(super) fn has_room_for_seqs(&self, count: u64) -> bool {
        (self.last + 1 - self.active().first).saturating_add(count) < u64::from(u32::MAX)
    }

    /// Sequences up to `last` are used up without a message.
    pub(super) fn skip(&mut self, last: u64, timestamp: Timestamp) {
        let first = self.last + 1;
        assert!(last >= first, "a skip to {last} from {first}");
        let timestamp = self.last_timestamp.map_or(timestamp, |before| before.max(timestamp));
        self.push_control(Control::Skipped { first, last, timestamp });
        let block = self.active_mut();
        block.gone.insert_range(first..=last);
        block.last = last;
        block.last_timestamp = Some(timestamp);
        self.last = last;
        self.last_timestamp = Some(timestamp);
        if self.messages == 0 {
            self.first = last + 1;
        }
    }

    /// Puts deletes that no entry tells of yet into entries: before a commit is handed over.
    pub(super) fn write_deletes(&mut self) {
        if self.accounting == Accounting::Memory {
            self.unwritten = Unwritten::default();
            return;
        }
        self.write_sources();
        self.write_tombstones_of_the_dead();
        let mut deleted = std::mem::take(&mut self.unwritten.deleted);
        // With any deletes, so that what came before them is missed where it is damaged, and the time of the last message
        // stays known where its record is overwritten.
        if std::mem::take(&mut self.unwritten.bounds) || !deleted.is_empty() {
            deleted.remove_below(self.low());
            self.write_bounds();
        }
        if !deleted.is_empty() {
            self.write_deleted(&deleted);
        }
    }

    /// Blocks that are going away in the middle of the store leave a word behind: their messages are deleted, not lost, and
    /// so are those that they deleted in their turn.
    fn write_tombstones_of_the_dead(&mut self) {
        let first = self.low();
        let mut tombstones = SeqSet::default();
        for block in self.dead.iter_mut().filter(|block| block.last >= first) {
            if block.first <= block.last {
                tombstones.insert_range(block.first.max(first)..=block.last);
            }
            let kept = self.blocks.iter().fold(std::mem::take(&mut block.tombstones), |mut kept, other| {
                if other.first <= other.last && other.absorbed_below > block.number {
                    kept.remove_range(other.first..=other.last);
                }
                kept
            });
            tombstones.union(&kept);
        }
        tombstones.remove_below(first);
        if !tombstones.is_empty() {
            self.write_deleted(&tombstones);
        }
        self.leaving.append(&mut self.dead);
    }

    /// One entry for all, or one for each run where those are few.
    pub(super) fn write_deleted(&mut self, deleted: &SeqSet) {
        let runs: Vec<_> = deleted.runs().take(RUNS_MAX + 1).collect();
        if runs.len() <= RUNS_MAX {
            for (first, last) in runs {
                self.push_control(Control::Deleted { first, last });
            }
        } else {
            let block = self.active_mut();
            let salt = block.salt;
            let open = open_of(block);
            open.tail.push(|out| encode_deleted_set(deleted, salt, out));
            block.plain_len = open_of(block).tail.end();
        }
        let block = self.active_mut();
        let first = block.first;
        let mut tombstones = deleted.clone();
        tombstones.remove_from(first);
        block.tombstones.union(&tombstones);
    }

    pub(super) fn write_bounds(&mut self) {
        if self.accounting == Accounting::File {
            let timestamp = self.last_timestamp.unwrap_or(Timestamp(0));
            self.push_control(Control::Bounds { first: self.low(), last: self.last, timestamp });
        }
    }

    pub(super) fn push_control(&mut self, control: Control) {
        if self.accounting == Accounting::Memory {
            return;
        }
        let block = self.active_mut();
        let salt = block.salt;
        let open = open_of(block);
        match control {
            Control::Bounds { first, .. } => open.told.low = open.told.low.max(first),
            Control::Truncated { last, .. } => open.told.truncated = Some(last),
            Control::Deleted { .. } | Control::Skipped { .. } => {}
        }
        open.tail.push(|out| control.encode(salt, out));
        block.plain_len = open_of(block).tail.end();
    }

    /// What a memory store does in place of writing a commit.
    pub(super) fn settle_in_memory(&mut self) {
        self.unwritten = Unwritten::default();
        self.dead.clear();
        self.leaving.clear();
        self.gather_resident(SPAN_LEN_MIN);
    }

    /// Makes a span of what was appended, once it is this long.
    fn gather_resident(&mut self, len_min: u32) {
        let block = self.active_mut();
        let begun = block.spans.iter().last().map_or(0, |span| span.delta);
        let open = block.open_mut().expect("the block that is written to is open");
        let (at, end) = (open.tail.base(), open.tail.end());
        if end - at < len_min || end == at {
            return;
        }
        open.tail.hand_over();
        open.contents.push(open.tail.split_to(end));
        // Of what was taken back the index knows nothing any more: spans stay in their order all the same.
        let delta = open.index.delta_at(at).max(begun);
        let offset = 0;
        let pushed = block.spans.push(Span { delta, at, len: end - at, offset, disk_len: 0 });
        pushed.expect("a span of what follows the last follows it");
    }

    /// The block that is written to becomes one that only is read, in memory.
    pub(super) fn make_last_resident(&mut self) {
        if self.blocks.back().is_none_or(|block| block.open().is_none()) {
            return;
        }
        self.gather_resident(1);
        let block = self.active_mut();
        let sealed = std::mem::replace(&mut block.phase, Phase::Sealed);
        if let Phase::Open(open) = sealed {
            block.phase =
                Phase::Resident(Box::new(ResidentBlock { index: open.index, contents: open.contents }));
        }
        block.spans.shrink_to_fit();
    }
}

fn open_of(block: &mut Block) -> &mut OpenBlock {
    block.open_mut().expect("the block that is written to is open")
}

/// Up to so many runs each get an entry of their own.
const RUNS_MAX: usize = 4;
/// A block with no more than this, beside what it tells of sources, has nothing in it yet: one message of any length goes
/// there.
const SMALL: u32 = 256;
