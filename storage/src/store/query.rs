//! Messages by subject and filter. Cost grows with what matches and what lies between, not with the store: the subject tree
//! names the subjects, each block knows which of them it may have, and only blocks with some are looked into.

use std::ops::ControlFlow;

use natrium_model::Timestamp;
use roaring::RoaringBitmap;

use crate::block::index::Index;
use crate::disk::Disk;
use crate::message::{Filter, Matching};
use crate::store::block::{Block, BlockNumber};
use crate::store::ledger::{Ledger, Missing, Pins, Subject};
use crate::store::{Store, StoreError};
use crate::subject_tree::LeafId;

/// What counts as pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    All,
    /// Only the last message of each subject.
    LastPerSubject,
}

impl<D: Disk> Store<D> {
    /// The last message of a literal subject.
    ///
    /// # Errors
    /// Whatever reading an index meets.
    pub async fn last_of(&self, subject: &[u8]) -> Result<Option<u64>, StoreError> {
        self.with_indexes(&mut Pins::default(), |ledger, pins| {
            let Some(leaf) = ledger.subjects.find(subject) else { return Ok(None) };
            ledger.last_of(leaf, pins).map(Some)
        })
        .await
    }

    /// The first matching message at or behind `from`.
    ///
    /// # Errors
    /// Whatever reading an index meets.
    pub async fn next(&self, filter: Filter<'_>, from: u64) -> Result<Option<u64>, StoreError> {
        if filter.is_all() {
            return Ok(self.with(|ledger| ledger.next_seq(from)));
        }
        if let Some(found) = self.with(|ledger| ledger.next_nearby(filter, from)) {
            return Ok(Some(found));
        }
        let mut pins = Pins::default();
        let mut from = from;
        loop {
            let step = self.with(|ledger| ledger.next_matching(filter, from, &pins));
            match step {
                Ok(found) => return Ok(found),
                Err(missing) => {
                    // Blocks before the missing one have nothing: not to be looked through again.
                    from = from.max(self.first_of_block(missing.0));
                    self.pin(missing.0, &mut pins).await?;
                }
            }
        }
    }

    /// The last matching message at or before `from`.
    ///
    /// # Errors
    /// Whatever reading an index meets.
    pub async fn previous(&self, filter: Filter<'_>, from: u64) -> Result<Option<u64>, StoreError> {
        if filter.is_all() {
            return Ok(self.with(|ledger| ledger.previous_seq(from)));
        }
        let mut pins = Pins::default();
        let mut from = from;
        loop {
            let step = self.with(|ledger| ledger.previous_matching(filter, from, &pins));
            match step {
                Ok(found) => return Ok(found),
                Err(missing) => {
                    from = from.min(self.last_of_block(missing.0));
                    self.pin(missing.0, &mut pins).await?;
                }
            }
        }
    }

    /// How many messages match at or behind `from`, the first of them and the last.
    ///
    /// # Errors
    /// Whatever reading an index meets.
    pub async fn matching(&self, filter: Filter<'_>, from: u64) -> Result<Matching, StoreError> {
        let messages = self.pending(filter, from, Counting::All).await?;
        if messages == 0 {
            return Ok(Matching::default());
        }
        let first_seq = self.next(filter, from).await?.unwrap_or(0);
        let last_seq = self.previous(filter, u64::MAX).await?.unwrap_or(0);
        Ok(Matching { messages, first_seq, last_seq })
    }

    /// How many messages match at or behind `from`.
    ///
    /// # Errors
    /// Whatever reading an index meets.
    pub async fn pending(
        &self,
        filter: Filter<'_>,
        from: u64,
        counting: Counting,
    ) -> Result<u64, StoreError> {
        match counting {
            Counting::LastPerSubject => self.pending_last(filter, from).await,
            Counting::All if filter.is_all() => Ok(self.with(|ledger| ledger.count_from(from))),
            Counting::All => self.pending_matching(filter, from).await,
        }
    }

    async fn pending_last(&self, filter: Filter<'_>, from: u64) -> Result<u64, StoreError> {
        let (mut count, unsure) = self.with(|ledger| {
            let mut count = 0;
            let mut unsure = Vec::new();
            ledger.each_matching(filter, |_, text, subject| {
                if subject.last >= from {
                    if subject.last_moved { unsure.push(Box::<[u8]>::from(text)) } else { count += 1 }
                }
            });
            (count, unsure)
        });
        for subject in unsure {
            let last = self.last_of(&subject).await?;
            count += u64::from(last.is_some_and(|last| last >= from));
        }
        Ok(count)
    }

    async fn pending_matching(&self, filter: Filter<'_>, from: u64) -> Result<u64, StoreError> {
        // Subjects that begin at or behind `from` count whole; of the others the blocks are looked through, on the side of
        // `from` that has fewer.
        let mut whole = 0;
        let mut before_and_after = 0;
        let mut straddling = RoaringBitmap::new();
        let blocks = self.with(|ledger| {
            let from = from.max(ledger.first);
            ledger.each_matching(filter, |leaf, _, subject| {
                if subject.first >= from {
                    whole += u64::from(subject.messages);
                } else if subject.last >= from {
                    before_and_after += u64::from(subject.messages);
                    straddling.insert(leaf.0);
                }
            });
            if straddling.is_empty() {
                return Vec::new();
            }
            let place = ledger.place_of(from).unwrap_or(ledger.blocks.len());
            let with_some = |block: &&Block| block.messages > 0 && !block.subjects.is_disjoint(&straddling);
            let ahead: Vec<BlockNumber> =
                ledger.blocks.range(place..).filter(with_some).map(|block| block.number).collect();
            let behind: Vec<BlockNumber> = ledger
                .blocks
                .range(..(place + 1).min(ledger.blocks.len()))
                .filter(with_some)
                .map(|block| block.number)
                .collect();
            if behind.len() < ahead.len() {
                whole += before_and_after;
                behind.into_iter().map(|number| (number, Side::Below)).collect()
            } else {
                ahead.into_iter().map(|number| (number, Side::From)).collect()
            }
        });
        let mut pins = Pins::default();
        for (number, side) in blocks {
            let count = self
                .with_indexes(&mut pins, |ledger, pins| match ledger.block(number) {
                    Some(block) => Ok(count_in(block, pins.index(block)?, &straddling, from, side)),
                    None => Ok(0),
                })
                .await?;
            match side {
                Side::From => whole += count,
                Side::Below => whole = whole.saturating_sub(count),
            }
        }
        Ok(whole)
    }

    /// The first `max` matching messages in `from..until`.
    pub(super) async fn matching_seqs(
        &self,
        filter: Filter<'_>,
        from: u64,
        until: u64,
        max: u64,
    ) -> Result<Vec<u64>, StoreError> {
        let mut found = Vec::new();
        let mut from = from;
        let mut pins = Pins::default();
        while (found.len() as u64) < max {
            let Some(first) = self.next(filter, from).await?.filter(|&seq| seq < until) else { break };
            // All of that block, as its index is at hand.
            let last = self
                .with_indexes(&mut pins, |ledger, pins| {
                    let Some(block) = ledger.block_of(first) else { return Ok(first) };
                    let index = pins.index(block)?;
                    let wanted = Wanted::by_text(index, filter);
                    let room = (max - found.len() as u64) as usize;
                    let seqs = index.from(block.delta(first)).iter().filter(|slot| wanted.has(slot.subject));
                    let seqs =
                        seqs.map(|slot| block.seq(slot.delta)).filter(|&seq| block.has(seq) && seq < until);
                    found.extend(seqs.take(room));
                    Ok(block.last)
                })
                .await?;
            from = last + 1;
        }
        Ok(found)
    }

    /// The first message that is not older than `time`; one above the last where there is none.
    ///
    /// # Errors
    /// Whatever reading an index meets.
    pub async fn seq_at(&self, time: Timestamp) -> Result<u64, StoreError> {
        self.with_indexes(&mut Pins::default(), |ledger, pins| {
            // Block by block: one that is empty, or whose end was taken back, is in no order of times.
            let may_have = |block: &&Block| block.messages > 0 && block.last_timestamp >= Some(time);
            for block in ledger.blocks.iter().filter(may_have) {
                let slots = pins.index(block)?.slots();
                let at = slots.partition_point(|slot| slot.timestamp < time);
                let found = slots[at..].iter().map(|slot| block.seq(slot.delta)).find(|&seq| block.has(seq));
                if let Some(seq) = found {
                    return Ok(seq);
                }
            }
            Ok(ledger.last + 1)
        })
        .await
    }

    fn first_of_block(&self, number: BlockNumber) -> u64 {
        self.with(|ledger| ledger.block(number).map_or(0, |block| block.first))
    }

    pub(super) fn last_of_block(&self, number: BlockNumber) -> u64 {
        self.with(|ledger| ledger.block(number).map_or(u64::MAX, |block| block.last))
    }
}

#[derive(Clone, Copy)]
enum Side {
    From,
    Below,
}

fn count_in(block: &Block, index: &Index, leaves: &RoaringBitmap, from: u64, side: Side) -> u64 {
    let delta = if from > block.first { block.delta(from) } else { 0 };
    let slots = match side {
        Side::From => index.from(delta),
        Side::Below => index.below(delta),
    };
    let wanted = Wanted::by_leaf(index, leaves);
    slots.iter().filter(|slot| wanted.has(slot.subject) && block.has(block.seq(slot.delta))).count() as u64
}

/// Which subjects of an index are asked for.
struct Wanted(Vec<bool>);

impl Wanted {
    fn by_leaf(index: &Index, leaves: &RoaringBitmap) -> Self {
        let has = |leaf: Option<LeafId>| leaf.is_some_and(|leaf| leaves.contains(leaf.0));
        Self(index.subjects().iter().map(|subject| has(subject.leaf)).collect())
    }

    fn by_text(index: &Index, filter: Filter<'_>) -> Self {
        Self(index.subjects().iter().map(|subject| filter.matches(&subject.text)).collect())
    }

    fn has(&self, subject: u32) -> bool {
        self.0[subject as usize]
    }
}

impl Ledger {
    /// Each subject that matches, once.
    pub(super) fn each_matching(&self, filter: Filter<'_>, mut f: impl FnMut(LeafId, &[u8], &Subject)) {
        let f = |leaf: LeafId, text: &[u8], subject: &Subject| {
            f(leaf, text, subject);
            ControlFlow::Continue(())
        };
        let _ = match filter {
            Filter::All => self.subjects.for_each(f),
            Filter::Subject(filter) => self.subjects.for_each_match(filter, f),
            Filter::Any(filters) => self.subjects.for_each_match_any(filters, f),
        };
    }

    /// Messages at or behind `from`.
    fn count_from(&self, from: u64) -> u64 {
        if from <= self.first {
            return self.messages;
        }
        let Some(place) = self.place_of(from) else { return 0 };
        let block = &self.blocks[place];
        let behind: u64 = self.blocks.range(place + 1..).map(|block| block.messages).sum();
        if from <= block.first {
            return behind + block.messages;
        }
        let span = block.last + 1 - from;
        behind + span - block.gone.count_in(from..=block.last)
    }

    /// The next matching message, if it is among the next few.
    fn next_nearby(&self, filter: Filter<'_>, from: u64) -> Option<u64> {
        let from = self.next_seq(from)?;
        let block = self.block_of(from)?;
        let index = block.index()?;
        let slots = index.from(block.delta(from)).iter().take(NEARBY);
        slots
            .filter(|slot| filter.matches(&index.subject(slot).text))
            .map(|slot| block.seq(slot.delta))
            .find(|&seq| block.has(seq))
    }

    fn next_matching(&self, filter: Filter<'_>, from: u64, pins: &Pins) -> Result<Option<u64>, Missing> {
        let mut nearest: Option<u64> = None;
        let mut straddling = RoaringBitmap::new();
        self.each_matching(filter, |leaf, _, subject| {
            if subject.first >= from && !subject.first_moved {
                nearest = Some(nearest.map_or(subject.first, |nearest| nearest.min(subject.first)));
            } else if subject.last >= from {
                straddling.insert(leaf.0);
            }
        });
        if straddling.is_empty() {
            return Ok(nearest);
        }
        let place = self.place_of(from).unwrap_or(self.blocks.len());
        for block in self.blocks.range(place..) {
            if nearest.is_some_and(|nearest| nearest < block.first) {
                break;
            }
            if block.messages == 0 || block.subjects.is_disjoint(&straddling) {
                continue;
            }
            let index = pins.index(block)?;
            let wanted = Wanted::by_leaf(index, &straddling);
            let delta = if from > block.first { block.delta(from) } else { 0 };
            let found = index
                .from(delta)
                .iter()
                .filter(|slot| wanted.has(slot.subject))
                .map(|slot| block.seq(slot.delta))
                .find(|&seq| block.has(seq));
            if let Some(found) = found {
                return Ok(Some(nearest.map_or(found, |nearest| nearest.min(found))));
            }
        }
        Ok(nearest)
    }

    fn previous_matching(&self, filter: Filter<'_>, from: u64, pins: &Pins) -> Result<Option<u64>, Missing> {
        let mut nearest: Option<u64> = None;
        let mut straddling = RoaringBitmap::new();
        self.each_matching(filter, |leaf, _, subject| {
            if subject.last <= from && !subject.last_moved {
                nearest = nearest.max(Some(subject.last));
            } else if subject.first <= from {
                straddling.insert(leaf.0);
            }
        });
        if straddling.is_empty() {
            return Ok(nearest);
        }
        let until = self.blocks.partition_point(|block| block.first <= from);
        for block in self.blocks.range(..until).rev() {
            if nearest.is_some_and(|nearest| nearest > block.last) {
                break;
            }
            if block.messages == 0 || block.subjects.is_disjoint(&straddling) {
                continue;
            }
            let index = pins.index(block)?;
            let wanted = Wanted::by_leaf(index, &straddling);
            let delta = block.delta(from.min(block.last));
            let found = index
                .below(delta.saturating_add(1))
                .iter()
                .rev()
                .filter(|slot| wanted.has(slot.subject))
                .map(|slot| block.seq(slot.delta))
                .find(|&seq| block.has(seq));
            if found.is_some() {
                return Ok(nearest.max(found));
            }
        }
        Ok(nearest)
    }
}

/// Messages that are looked at one by one before the subjects are asked.
const NEARBY: usize = 128;
