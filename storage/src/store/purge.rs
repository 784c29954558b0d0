//! Taking messages out: one, some, all, from below, from above.

use futures_lite::future::yield_now;
use natrium_model::Timestamp;

use crate::block::control::Control;
use crate::disk::Disk;
use crate::message::{Filter, Purge};
use crate::record::SEQ_MAX;
use crate::seq_set::SeqSet;
use crate::store::block::Block;
use crate::store::ledger::{Accounting, Ledger, Pins};
use crate::store::{CommitNumber, Media, Store, StoreError};

impl<D: Disk> Store<D> {
    /// Takes one message out. `None` where there is none of this sequence.
    ///
    /// # Errors
    /// [`StoreError::Failed`], [`StoreError::Closed`], and whatever reading an index meets.
    pub async fn remove(&self, seq: u64) -> Result<Option<CommitNumber>, StoreError> {
        let _pass = self.0.gate.enter().await;
        self.check_writable()?;
        let mut pins = Pins::default();
        let removed = self.with_indexes(&mut pins, |ledger, pins| ledger.delete_if_there(seq, pins)).await?;
        Ok(removed.then(|| self.changed()))
    }

    /// Takes one message out, and overwrites it on disk once that is durable.
    ///
    /// # Errors
    /// As [`Store::remove`].
    pub async fn erase(&self, seq: u64) -> Result<bool, StoreError> {
        let block = self.with(|ledger| ledger.block_of(seq).map(|block| block.number));
        let commit = {
            let _pass = self.0.gate.enter().await;
            self.check_writable()?;
            let mut pins = Pins::default();
            if !self.with_indexes(&mut pins, |ledger, pins| ledger.delete_if_there(seq, pins)).await? {
                return Ok(false);
            }
            // What is overwritten tells no time any more: if it was the last message, its time must be told elsewhere.
            self.with(|ledger| ledger.unwritten.bounds = true);
            self.changed()
        };
        self.committed(commit).await?;
        if let (Media::File(file), Some(block)) = (&self.0.media, block) {
            file.erase(self, block, seq).await?;
        }
        Ok(true)
    }

    /// Takes out what `purge` names; how many messages that were, and the commit.
    ///
    /// # Errors
    /// As [`Store::remove`].
    pub async fn purge(&self, purge: Purge<'_>) -> Result<(u64, CommitNumber), StoreError> {
        let filter = match purge.subject {
            None | Some(b"" | b">") => Filter::All,
            Some(subject) => Filter::Subject(subject),
        };
        match (filter, purge.below, purge.keep.unwrap_or(0)) {
            // "Below the first" names nothing.
            (_, Some(1), _) => Ok((0, self.0.commits.latest())),
            (Filter::All, None | Some(0), 0) => self.purge_all().await,
            (Filter::All, Some(below), 0) => self.compact(below).await,
            (filter, below, keep) => {
                self.purge_filtered(filter, below.filter(|&below| below > 0), keep).await
            }
        }
    }

    /// Takes out all below `seq`; the store begins there, even where its last message is below.
    ///
    /// # Errors
    /// As [`Store::remove`].
    pub async fn compact(&self, seq: u64) -> Result<(u64, CommitNumber), StoreError> {
        let seq = seq.min(SEQ_MAX);
        let mut purged = 0;
        let mut pins = Pins::default();
        loop {
            let _pass = self.0.gate.enter().await;
            self.check_writable()?;
            // Looked at with the gate: what is appended meanwhile may be at `seq` or behind it.
            if seq > self.with(|ledger| ledger.last) {
                purged += self.with(|ledger| ledger.messages);
                self.begin_at(seq);
                return Ok((purged, self.changed()));
            }
            let batch = self
                .with_indexes(&mut pins, |ledger, pins| {
                    let mut batch = 0;
                    while ledger.first < seq && ledger.messages > 0 && batch < BATCH {
                        let first = ledger.first;
                        // What is counted here stays counted when an index is missing for the next one.
                        if let Err(missing) = ledger.delete(first, pins) {
                            return if batch > 0 { Ok(batch) } else { Err(missing) };
                        }
                        batch += 1;
                    }
                    Ok(batch)
                })
                .await?;
            purged += batch;
            if batch == 0 {
                self.with(|ledger| ledger.raise_first(seq));
                return Ok((purged, self.changed()));
            }
            self.changed();
            drop(_pass);
            yield_now().await;
        }
    }

    /// Takes out the messages of `first..=last`; how many that were, and the commit.
    ///
    /// # Errors
    /// As [`Store::remove`].
    pub async fn remove_range(&self, first: u64, last: u64) -> Result<(u64, CommitNumber), StoreError> {
        let mut removed = 0;
        let mut from = first;
        let mut pins = Pins::default();
        loop {
            let _pass = self.0.gate.enter().await;
            self.check_writable()?;
            for _ in 0..BATCH {
                let next = self.with(|ledger| ledger.next_seq(from)).filter(|&seq| seq <= last);
                let Some(seq) = next else { return Ok((removed, self.changed())) };
                self.with_indexes(&mut pins, |ledger, pins| ledger.delete(seq, pins)).await?;
                removed += 1;
                from = seq + 1;
            }
            self.changed();
            drop(_pass);
            yield_now().await;
        }
    }

    async fn purge_all(&self) -> Result<(u64, CommitNumber), StoreError> {
        let _pass = self.0.gate.enter().await;
        self.check_writable()?;
        let purged = self.with(|ledger| ledger.messages);
        if purged > 0 {
            self.roll();
            self.with(Ledger::forget_all);
        }
        Ok((purged, self.changed()))
    }

    /// Leaves an empty store whose next message is `first`. The gap costs nothing, however long it is.
    pub(super) fn begin_at(&self, first: u64) {
        if self.with(|ledger| ledger.messages == 0 && ledger.last + 1 == first) {
            return;
        }
        self.with(|ledger| {
            // Into the block that goes, before the next one says where the store begins.
            ledger.write_deletes();
            ledger.last = first - 1;
        });
        self.roll();
        self.with(Ledger::forget_all);
    }

    async fn purge_filtered(
        &self,
        filter: Filter<'_>,
        below: Option<u64>,
        keep: u64,
    ) -> Result<(u64, CommitNumber), StoreError> {
        let mut left = u64::MAX;
        if keep > 0 {
            let matching = self.matching(filter, 0).await?.messages;
            if keep >= matching {
                return Ok((0, self.0.commits.latest()));
            }
            left = matching - keep;
        }
        let until = below.unwrap_or(u64::MAX).min(self.with(|ledger| ledger.last) + 1);
        let mut purged = 0;
        let mut from = 0;
        let mut pins = Pins::default();
        while left > 0 {
            // Found without the gate, so that others go on; looked at again inside.
            let found = self.matching_seqs(filter, from, until, BATCH.min(left)).await?;
            let Some(&last) = found.last() else { break };
            from = last + 1;
            let _pass = self.0.gate.enter().await;
            self.check_writable()?;
            for seq in found {
                let removed =
                    self.with_indexes(&mut pins, |ledger, pins| ledger.delete_if_there(seq, pins)).await?;
                if removed {
                    purged += 1;
                    left -= 1;
                }
            }
            self.changed();
            drop(_pass);
            yield_now().await;
        }
        Ok((purged, self.0.commits.latest()))
    }

    /// Takes back all above `seq`: the next message has the sequence behind it.
    ///
    /// # Errors
    /// As [`Store::remove`].
    pub async fn truncate(&self, seq: u64) -> Result<CommitNumber, StoreError> {
        let _pass = self.0.gate.enter().await;
        self.check_writable()?;
        if seq >= self.with(|ledger| ledger.last) {
            return Ok(self.changed());
        }
        self.with(|ledger| {
            // What was deleted before the cut is told before it: a crash may leave the one without the other.
            ledger.write_deletes();
            ledger.cut_marks.cut(seq);
        });
        let mut pins = Pins::default();
        self.with_indexes(&mut pins, |ledger, pins| {
            while let Some(last) = ledger.previous_seq(ledger.last).filter(|&last| last > seq) {
                ledger.take_out_and_keep(last, pins)?;
            }
            Ok(())
        })
        .await?;
        let timestamp = self
            .with_indexes(&mut pins, |ledger, pins| {
                let Some(last) = ledger.previous_seq(seq) else { return Ok(None) };
                Ok(ledger.slot(last, pins)?.map(|(slot, _)| slot.timestamp))
            })
            .await?;
        let salt = self.next_salt();
        self.with(|ledger| ledger.cut(seq, timestamp, salt));
        self.0.commits.cut(seq);
        let commit = self.changed();
        self.with(|ledger| {
            let before = ledger.blocks.len().checked_sub(2);
            if let Some(open) = before.and_then(|at| ledger.blocks[at].open_mut()) {
                open.cut_with = commit;
            }
        });
        Ok(commit)
    }
}

impl Ledger {
    /// # Errors
    /// [`crate::store::ledger::Missing`]
    fn delete_if_there(&mut self, seq: u64, pins: &Pins) -> Result<bool, crate::store::ledger::Missing> {
        if self.block_of(seq).is_none() {
            return Ok(false);
        }
        self.delete(seq, pins)?;
        Ok(true)
    }

    /// An empty store, or one whose first messages are gone, begins at `seq`.
    fn raise_first(&mut self, seq: u64) {
        if self.lost.remove_below(seq) > 0 {
            self.unwritten.bounds = true;
        }
        if self.messages == 0 && self.first < seq {
            self.first = seq.min(self.last + 1);
            self.unwritten.bounds = true;
        }
    }

    /// All messages are gone. The block that is written to has none.
    fn forget_all(&mut self) {
        let active = self.blocks.pop_back().expect("a store has a block that is written to");
        assert_eq!(active.messages, 0, "a block was begun for what follows");
        for block in &mut self.blocks {
            block.messages = 0;
            block.bytes = 0;
            block.record_bytes = 0;
        }
        self.dead.extend(self.blocks.drain(..));
        self.blocks.push_back(active);
        self.subjects.clear();
        self.expiries.clear();
        self.schedule.clear();
        self.ageless = SeqSet::default();
        self.lost = SeqSet::default();
        self.messages = 0;
        self.bytes = 0;
        self.first = self.last + 1;
        self.unwritten.deleted = SeqSet::default();
        self.unwritten.bounds = true;
    }

    /// Ends the store at `seq`, above which no message is left, and begins a block behind it.
    fn cut(&mut self, seq: u64, timestamp: Option<Timestamp>, salt: u64) {
        let number = self.active().number + 1;
        // What they tell of deletes below stays true.
        let mut tombstones = SeqSet::default();
        while let Some(block) = self.blocks.pop_back_if(|block| block.first > seq) {
            tombstones.union(&block.tombstones);
            self.leaving.push(block);
        }
        tombstones.remove_from(seq + 1);
        if let Some(block) = self.blocks.back_mut() {
            // What is between was in blocks that are gone.
            block.last = block.last.min(seq);
            block.gone.remove_from(seq + 1);
            let delta = block.delta(seq + 1);
            let gone = block.gone.clone();
            if let Some(open) = block.open_mut() {
                open.index.truncate(delta);
                open.times.retain(|times| times.seq <= seq);
                open.full.get_or_insert(gone).remove_from(seq + 1);
            }
        }
        if self.accounting == Accounting::Memory {
            self.make_last_resident();
        }
        self.last = seq;
        self.last_timestamp = timestamp;
        if self.messages == 0 {
            self.first = seq + 1;
        }
        self.lost.remove_from(seq + 1);
        self.aged_to = self.aged_to.min(seq + 1);
        self.blocks.push_back(Block::begin(number, salt, seq + 1));
        self.active_mut().last_timestamp = timestamp;
        self.push_control(Control::Truncated { last: seq, timestamp: timestamp.unwrap_or(Timestamp(0)) });
        self.write_bounds();
        self.write_all_sources();
        tombstones.remove_below(self.low());
        if self.accounting == Accounting::File && !tombstones.is_empty() {
            self.write_deleted(&tombstones);
        }
        // Of the block in which the cut is nothing may be left.
        if let Some(before) = self.blocks.len().checked_sub(2) {
            self.bury(before);
        }
        self.bury_before_first();
    }
}

/// Messages that are taken out in one turn.
const BATCH: u64 = 512;
