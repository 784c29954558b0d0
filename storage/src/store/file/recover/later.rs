//! What later blocks say of earlier ones, and what that makes of a block: the second half of the table in `decisions`. Values
//! in, values out: recovery asks it, and so does who only looks at a store.

use crate::block::summary::Summary;
use crate::seq_set::SeqSet;
use crate::store::block::BlockNumber;
use crate::store::file::decisions::Condition;

/// What the blocks that were heard say, from the last one on.
#[derive(Default)]
pub(crate) struct Later {
    /// By the block that says so.
    tombstones: Vec<(BlockNumber, SeqSet)>,
    all_tombstones: SeqSet,
    low: u64,
    /// Nothing above it in earlier blocks counts.
    pub(super) cut: Option<u64>,
    /// Nor does anything above this: a block behind begins there. What it said of that is not in it any more where it was
    /// rewritten.
    pub(super) bound: Option<u64>,
    /// The first sequence of the block behind.
    next_first: Option<u64>,
    any_entries: bool,
}

impl Later {
    /// Whether a later block has entries: then all of the earlier ones had become durable.
    pub(crate) fn has_entries(&self) -> bool {
        self.any_entries
    }

    /// Why nothing of a block is needed, as its head and its footer alone tell: it is not heard.
    pub(crate) fn makes_needless(&self, first: u64, footer: Option<&Summary>) -> Option<Condition> {
        if self.cut.is_some_and(|cut| first > cut) || self.bound.is_some_and(|bound| first > bound + 1) {
            return Some(Condition::TakenBack);
        }
        (footer?.last < self.low && self.any_entries).then_some(Condition::Dead)
    }

    /// What a block is of which this is left, before it is heard. One that is [`Condition::NeverBegun`] is not heard: nothing
    /// of it was acknowledged. One that is [`Condition::Dead`] is, for what it says of those before it.
    pub(crate) fn condition(&self, left: &Summary, has_footer: bool) -> Condition {
        if !self.any_entries {
            // The last one that tells anything tells of the end of the sequences too: it stays.
            return match (left.plain_len, has_footer) {
                (0, _) => Condition::NeverBegun,
                (_, true) => Condition::Sealed,
                (_, false) => Condition::Last,
            };
        }
        let is_below = left.last < self.low.max(left.low);
        if left.messages == 0 && (is_below || (self.has_deleted(left) && self.knows(left))) {
            return Condition::Dead;
        }
        if has_footer { Condition::Sealed } else { Condition::FooterMissing }
    }

    /// Takes in what a block says of those before it. What lies between it and the one behind and is told of by nobody is
    /// lost, and returned.
    #[must_use]
    pub(crate) fn hear(&mut self, number: BlockNumber, left: &Summary) -> SeqSet {
        let lost = self.next_first.map_or_else(SeqSet::new, |next| self.not_told_of(left.last + 1, next));
        self.low = self.low.max(left.low);
        self.cut = self.cut.min_some(left.truncated);
        if !left.tombstones.is_empty() {
            self.all_tombstones.union(&left.tombstones);
            self.tombstones.push((number, left.tombstones.clone()));
        }
        self.next_first = Some(left.first);
        if left.plain_len > 0 {
            self.any_entries = true;
            self.bound = self.bound.min_some(Some(left.first - 1));
        }
        lost
    }

    /// Takes in a block that cannot be looked into: only where it begins is known.
    pub(crate) fn hear_nothing(&mut self, first: u64) {
        self.next_first = Some(first);
        self.any_entries = true;
    }

    /// Where blocks before end at the latest.
    pub(super) fn end(&self) -> Option<u64> {
        self.cut.min_some(self.bound)
    }

    /// What of the sequences of block `number` is gone, by what others say.
    pub(crate) fn deleted_in(&self, number: BlockNumber, summary: &Summary) -> SeqSet {
        let (first, last) = (summary.first, summary.last);
        let mut deleted = SeqSet::default();
        if first > last {
            return deleted;
        }
        if summary.absorbed_below <= number + 1 {
            deleted = self.all_tombstones.in_range(first..=last);
        } else {
            for (_, tombstones) in self.tombstones.iter().filter(|(by, _)| *by >= summary.absorbed_below) {
                deleted.union(&tombstones.in_range(first..=last));
            }
        }
        if self.low > first {
            deleted.insert_range(first..=last.min(self.low - 1));
        }
        if let Some(end) = self.end().filter(|&end| end < last) {
            deleted.insert_range(first.max(end + 1)..=last);
        }
        deleted
    }

    /// Whether later blocks tell that all of a block's sequences are gone.
    fn has_deleted(&self, left: &Summary) -> bool {
        let Some(next_first) = self.next_first else { return false };
        left.first < next_first && self.not_told_of(left.first, next_first).is_empty()
    }

    /// Whether later blocks tell all that a block tells of those before it.
    fn knows(&self, left: &Summary) -> bool {
        let mut tombstones = left.tombstones.clone();
        tombstones.remove_below(self.low);
        tombstones.subtract(&self.all_tombstones);
        let end = self.end().unwrap_or(u64::MAX);
        let is_cut_known =
            left.truncated.is_none_or(|cut| self.not_told_of(cut + 1, end.saturating_add(1)).is_empty());
        tombstones.is_empty() && is_cut_known
    }

    /// Sequences in `from..to` of which nobody says that they are gone.
    fn not_told_of(&self, from: u64, to: u64) -> SeqSet {
        let mut missing = SeqSet::default();
        let from = from.max(self.low);
        if from < to {
            missing.insert_range(from..=to - 1);
            missing.subtract(&self.all_tombstones);
        }
        missing
    }
}

trait MinSome {
    fn min_some(self, other: Self) -> Self;
}

impl MinSome for Option<u64> {
    fn min_some(self, other: Self) -> Self {
        self.into_iter().chain(other).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block of sequences `first..=last`, each a message.
    fn block(first: u64, last: u64) -> Summary {
        let messages = last + 1 - first;
        Summary { first, last, messages, plain_len: 100, ..Summary::default() }
    }

    fn set(seqs: &[u64]) -> SeqSet {
        let mut set = SeqSet::new();
        for &seq in seqs {
            set.insert(seq);
        }
        set
    }

    fn after(blocks: &[(BlockNumber, Summary)]) -> Later {
        let mut later = Later::default();
        for (number, block) in blocks {
            assert!(later.hear(*number, block).is_empty(), "block {number}");
        }
        later
    }

    #[test]
    fn a_block_without_entries_is_the_end_of_nothing() {
        let none = Summary { plain_len: 0, ..block(11, 10) };
        assert_eq!(Later::default().condition(&none, false), Condition::NeverBegun);
        assert_eq!(Later::default().condition(&block(1, 10), false), Condition::Last);
        assert_eq!(Later::default().condition(&block(1, 10), true), Condition::Sealed);
        let later = after(&[(2, block(11, 20))]);
        assert_eq!(later.condition(&block(1, 10), true), Condition::Sealed);
        assert_eq!(later.condition(&block(1, 10), false), Condition::FooterMissing);
        // Damage took all of its entries: it is not one that was never begun.
        assert_eq!(
            later.condition(&Summary { plain_len: 0, ..block(1, 0) }, false),
            Condition::FooterMissing
        );
    }

    #[test]
    fn what_is_between_two_blocks_is_lost_unless_somebody_says_that_it_is_gone() {
        let mut later = after(&[(3, Summary { tombstones: set(&[12, 14]), low: 11, ..block(21, 30) })]);
        let lost = later.hear(2, &Summary { low: 5, ..block(15, 18) });
        assert_eq!(lost.runs().collect::<Vec<_>>(), [(19, 20)]);
        let lost = later.hear(1, &block(1, 9));
        assert_eq!(lost.runs().collect::<Vec<_>>(), [(11, 11), (13, 13)]);
    }

    #[test]
    fn a_block_is_taken_back_by_a_cut_and_by_one_that_begins_below_it() {
        let cut = after(&[(5, Summary { truncated: Some(8), ..block(30, 40) })]);
        assert_eq!(cut.makes_needless(9, None), Some(Condition::TakenBack));
        assert_eq!(cut.makes_needless(8, None), None);
        let begun_below = after(&[(5, block(9, 40))]);
        assert_eq!(begun_below.makes_needless(10, None), Some(Condition::TakenBack));
        assert_eq!(begun_below.makes_needless(9, None), None);
        assert_eq!(begun_below.deleted_in(4, &block(5, 12)), set(&[9, 10, 11, 12]));
    }

    #[test]
    fn a_block_is_dead_below_the_first_and_where_its_deletes_are_known() {
        let purged = after(&[(2, Summary { low: 11, ..block(11, 20) })]);
        assert_eq!(purged.makes_needless(1, Some(&block(1, 10))), Some(Condition::Dead));
        assert_eq!(purged.makes_needless(1, Some(&block(1, 11))), None);
        assert_eq!(purged.condition(&Summary { messages: 0, ..block(1, 10) }, false), Condition::Dead);

        let deleted = after(&[(3, Summary { tombstones: set(&[5, 6]), ..block(7, 9) })]);
        let empty = Summary { messages: 0, ..block(5, 6) };
        assert_eq!(deleted.condition(&empty, true), Condition::Dead);
        let tells_more = Summary { tombstones: set(&[4]), ..empty.clone() };
        assert_eq!(deleted.condition(&tells_more, true), Condition::Sealed, "nobody else knows of 4");
        let cuts = Summary { truncated: Some(3), ..empty };
        assert_eq!(deleted.condition(&cuts, true), Condition::Sealed, "nobody else knows of the cut");
        assert_eq!(deleted.condition(&block(5, 6), true), Condition::Sealed, "it has messages");
    }

    #[test]
    fn deletes_that_a_rewrite_took_in_are_not_applied_again() {
        let mut later = after(&[(9, Summary { tombstones: set(&[2]), ..block(21, 30) })]);
        assert!(later.hear(7, &Summary { tombstones: set(&[3]), ..block(11, 20) }).is_empty());
        let rewritten = Summary { absorbed_below: 8, ..block(1, 10) };
        assert_eq!(later.deleted_in(6, &rewritten), set(&[2]));
        assert_eq!(later.deleted_in(6, &block(1, 10)), set(&[2, 3]));
    }

    #[test]
    fn of_a_block_that_cannot_be_looked_into_nothing_is_missed() {
        let mut later = Later::default();
        later.hear_nothing(21);
        assert!(later.has_entries());
        assert_eq!(later.hear(1, &block(1, 18)).runs().collect::<Vec<_>>(), [(19, 20)]);
    }
}
