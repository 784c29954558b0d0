//! What recovery needs of a block, and what it costs to know without one: all of it follows from the block's entries alone.
//!
//! A summary tells of its own block as it stood when its last entry was written. Deletes that later blocks hold come on top,
//! in the order of the blocks.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use natrium_model::Timestamp;

use crate::block::control::Control;
use crate::block::entry::Entry;
use crate::block::sources::ToldSources;
use crate::message::accounted_size;
use crate::seq_set::SeqSet;

/// One block, without its messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// The sequences the block speaks of; `last` is `first - 1` where there is none.
    pub first: u64,
    pub last: u64,
    /// Of the first message left, and of the last there was.
    pub first_timestamp: Option<Timestamp>,
    pub last_timestamp: Option<Timestamp>,
    /// Messages left.
    pub messages: u64,
    /// What they count for in a file store.
    pub bytes: u64,
    /// Bytes of their records.
    pub record_bytes: u64,
    /// Bytes of all entries.
    pub plain_len: u32,
    /// No message of the store below this was left.
    pub low: u64,
    /// Nothing above this in the blocks before counts.
    pub truncated: Option<u64>,
    /// Sequences of the block without a message.
    pub gone: SeqSet,
    /// Messages of blocks before this one that were deleted.
    pub tombstones: SeqSet,
    /// Deletes in blocks below this number are in `gone` already.
    pub absorbed_below: u64,
    /// In the order of their bytes.
    pub subjects: Vec<SubjectTotals>,
    /// Messages left that go away of themselves.
    pub expiring: Vec<(u64, Timestamp)>,
    /// Messages left that are due at a time.
    pub due: Vec<(u64, Timestamp)>,
    /// How far the stream had come in its sources when the last entry was written, as far as the block tells.
    pub sources: ToldSources,
}

/// Messages of one subject in one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectTotals {
    pub subject: Box<[u8]>,
    pub messages: u32,
    pub first: u64,
    pub last: u64,
}

/// Where one message of a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Sequence less the block's first.
    pub delta: u32,
    /// Offset of the record in the block's entries.
    pub at: u32,
    /// Bytes of the record.
    pub len: u32,
    /// What it counts for in the store's bytes.
    pub size: u32,
    /// Into the summary's subjects.
    pub subject: u32,
    pub timestamp: Timestamp,
}

/// What a block holds that does not follow from its own head: where its sequences begin.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    pub first: u64,
    pub absorbed_below: u64,
    /// Seeds the table of subjects, which clients choose.
    pub salt: u64,
}

/// Gathers a summary and its rows from the entries of a block.
pub struct Summarizer {
    summary: Summary,
    rows: Vec<Row>,
    /// Of each subject its place in the order of arrival.
    known: HashMap<Box<[u8]>, u32, FixedState>,
    /// The subject of the last record: most often the next one's too.
    previous: Option<(Box<[u8]>, u32)>,
    times: Vec<Times>,
}

/// Of a message for which something is to be done at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    pub seq: u64,
    pub expires: Option<Timestamp>,
    pub due: Option<Timestamp>,
}

/// An entry that does not fit those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sequence {seq} behind {last}")]
pub struct OutOfOrder {
    pub seq: u64,
    pub last: u64,
}

impl Summarizer {
    #[must_use]
    pub fn new(opening: Opening) -> Self {
        Self {
            summary: Summary {
                first: opening.first,
                last: opening.first - 1,
                absorbed_below: opening.absorbed_below,
                ..Summary::default()
            },
            rows: Vec::new(),
            known: HashMap::with_hasher(FixedState::with_seed(opening.salt)),
            previous: None,
            times: Vec::new(),
        }
    }

    /// The sequence the next record has where nothing is missing.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.summary.last + 1
    }

    /// Takes in one entry that begins at `at` and takes `len` bytes.
    ///
    /// # Errors
    /// [`OutOfOrder`] for a record that is not behind the last: it is left out.
    pub fn entry(&mut self, at: u32, len: u32, entry: &Entry<'_>) -> Result<(), OutOfOrder> {
        self.summary.plain_len = self.summary.plain_len.max(at + len);
        match entry {
            Entry::Record(record) => {
                let last = self.summary.last;
                if record.seq <= last || record.seq - self.summary.first > u64::from(u32::MAX) {
                    return Err(OutOfOrder { seq: record.seq, last });
                }
                self.leave_out(last + 1, record.seq - 1);
                self.summary.last = record.seq;
                self.summary.last_timestamp = Some(record.timestamp);
                let size = accounted_size(record.subject.len(), record.headers.len(), record.payload.len());
                let subject = self.arrival_of(record.subject);
                let delta = (record.seq - self.summary.first) as u32;
                let timestamp = record.timestamp;
                self.rows.push(Row { delta, at, len, size: size as u32, subject, timestamp });
                if record.expires.is_some() || record.due.is_some() {
                    self.times.push(Times { seq: record.seq, expires: record.expires, due: record.due });
                }
            }
            Entry::Erased { seq } => {
                if *seq > self.summary.last {
                    let from = self.summary.last + 1;
                    self.summary.last = *seq;
                    self.leave_out(from, *seq);
                }
            }
            Entry::Control(Control::Deleted { first, last }) => self.delete(*first, *last),
            Entry::DeletedSet(set) => {
                for (first, last) in set.runs() {
                    self.delete(first, last);
                }
            }
            Entry::Control(Control::Skipped { first, last, timestamp }) => {
                if *last > self.summary.last {
                    let from = self.summary.last + 1;
                    self.summary.last = *last;
                    self.leave_out(from.min(*first), *last);
                    self.summary.last_timestamp = Some(*timestamp);
                }
            }
            Entry::Control(Control::Bounds { first, last, timestamp }) => {
                self.summary.low = self.summary.low.max(*first);
                if *last > self.summary.last {
                    let from = self.summary.last + 1;
                    self.summary.last = *last;
                    self.leave_out(from, *last);
                }
                // Of all that came before it the last.
                self.summary.last_timestamp = Some(*timestamp);
            }
            Entry::Control(Control::Truncated { last, timestamp }) => {
                let to = self.summary.truncated.map_or(*last, |before| before.min(*last));
                self.summary.truncated = Some(to);
                self.summary.last_timestamp = Some(*timestamp);
            }
            Entry::Sources(told) => self.summary.sources.then(told),
        }
        Ok(())
    }

    fn arrival_of(&mut self, subject: &[u8]) -> u32 {
        if let Some((previous, arrival)) = &self.previous
            && &previous[..] == subject
        {
            return *arrival;
        }
        let next = self.known.len() as u32;
        let arrival = *self.known.entry_ref(subject).or_insert(next);
        self.previous = Some((subject.into(), arrival));
        arrival
    }

    fn delete(&mut self, first: u64, last: u64) {
        let own = self.summary.first;
        if first < own {
            self.summary.tombstones.insert_range(first..=last.min(own - 1));
        }
        if last >= own && self.summary.last >= own {
            self.leave_out(first.max(own), last.min(self.summary.last));
        }
    }

    fn leave_out(&mut self, first: u64, last: u64) {
        if first <= last {
            self.summary.gone.insert_range(first..=last);
        }
    }

    /// The whole, once all entries are in.
    #[must_use]
    pub fn finish(mut self) -> (Summary, Vec<Row>) {
        let summary = &mut self.summary;
        if summary.low > summary.first && summary.last >= summary.first {
            summary.gone.insert_range(summary.first..=(summary.low - 1).min(summary.last));
        }
        let mut subjects = vec![Box::default(); self.known.len()];
        for (subject, arrival) in self.known.drain() {
            subjects[arrival as usize] = subject;
        }
        self.summary.assemble(self.rows, subjects, self.times)
    }
}

impl Summary {
    /// Whether a message of this sequence is left.
    #[must_use]
    pub fn has(&self, seq: u64) -> bool {
        seq >= self.first && seq <= self.last && !self.gone.contains(seq)
    }

    /// The first message left at or behind `seq`.
    #[must_use]
    pub fn next(&self, seq: u64) -> Option<u64> {
        self.gone.next_absent(seq.max(self.first)).filter(|&next| next <= self.last)
    }

    /// Of the messages left for which something is to be done at a time.
    #[must_use]
    pub fn times(&self) -> Vec<Times> {
        let expiring = self.expiring.iter().map(|&(seq, time)| Times { seq, expires: Some(time), due: None });
        let due = self.due.iter().map(|&(seq, time)| Times { seq, expires: None, due: Some(time) });
        expiring.chain(due).collect()
    }

    /// Counts what is left of `rows`, which name their subjects by their place in `subjects`, in any order.
    #[must_use]
    pub fn assemble(
        mut self,
        mut rows: Vec<Row>,
        subjects: Vec<Box<[u8]>>,
        times: Vec<Times>,
    ) -> (Self, Vec<Row>) {
        let first = self.first;
        let gone = &self.gone;
        rows.retain(|row| !gone.contains(first + u64::from(row.delta)));
        let places = self.count_subjects(&rows, subjects);
        for row in &mut rows {
            row.subject = places[row.subject as usize];
            self.messages += 1;
            self.bytes += u64::from(row.size);
            self.record_bytes += u64::from(row.len);
        }
        self.first_timestamp = rows.first().map(|row| row.timestamp);
        for Times { seq, expires, due } in times {
            if !self.gone.contains(seq) {
                self.expiring.extend(expires.map(|time| (seq, time)));
                self.due.extend(due.map(|time| (seq, time)));
            }
        }
        (self, rows)
    }

    /// Fills `self.subjects`; the place there of each of `subjects`.
    fn count_subjects(&mut self, rows: &[Row], subjects: Vec<Box<[u8]>>) -> Vec<u32> {
        let mut totals: Vec<_> = subjects
            .into_iter()
            .map(|subject| SubjectTotals { subject, messages: 0, first: 0, last: 0 })
            .collect();
        for row in rows {
            let seq = self.first + u64::from(row.delta);
            let total = &mut totals[row.subject as usize];
            if total.messages == 0 {
                total.first = seq;
            }
            total.messages += 1;
            total.last = seq;
        }
        let mut order: Vec<u32> =
            (0..totals.len() as u32).filter(|&at| totals[at as usize].messages > 0).collect();
        order.sort_unstable_by(|&a, &b| totals[a as usize].subject.cmp(&totals[b as usize].subject));
        let mut places = vec![u32::MAX; totals.len()];
        for (place, &arrival) in order.iter().enumerate() {
            places[arrival as usize] = place as u32;
            let none = SubjectTotals { subject: Box::default(), messages: 0, first: 0, last: 0 };
            let total = std::mem::replace(&mut totals[arrival as usize], none);
            self.subjects.push(total);
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;

    fn record(seq: u64, subject: &'static [u8]) -> Entry<'static> {
        Entry::Record(Record {
            seq,
            timestamp: Timestamp(seq as i64 * 10),
            expires: seq.is_multiple_of(3).then_some(Timestamp(1_000 + seq as i64)),
            due: None,
            subject,
            headers: b"",
            payload: b"12345",
        })
    }

    fn summarize(first: u64, entries: &[Entry<'_>]) -> (Summary, Vec<Row>) {
        let mut summarizer = Summarizer::new(Opening { first, absorbed_below: 0, salt: 1 });
        for (at, entry) in entries.iter().enumerate() {
            summarizer.entry(at as u32 * 50, 50, entry).unwrap();
        }
        summarizer.finish()
    }

    fn set(sequences: &[u64]) -> SeqSet {
        let mut set = SeqSet::default();
        for &seq in sequences {
            set.insert(seq);
        }
        set
    }

    #[test]
    fn totals_follow_from_what_is_left() {
        let (summary, rows) = summarize(
            10,
            &[
                record(10, b"b"),
                record(11, b"a"),
                record(12, b"b"),
                Entry::Control(Control::Deleted { first: 11, last: 11 }),
                record(14, b"c"),
                Entry::Control(Control::Deleted { first: 3, last: 4 }),
            ],
        );
        assert_eq!((summary.first, summary.last, summary.messages), (10, 14, 3));
        assert_eq!(summary.gone, set(&[11, 13]));
        assert_eq!(summary.tombstones, set(&[3, 4]));
        let subjects: Vec<_> =
            summary.subjects.iter().map(|s| (&s.subject[..], s.messages, s.first, s.last)).collect();
        assert_eq!(subjects, [(&b"b"[..], 2, 10, 12), (&b"c"[..], 1, 14, 14)]);
        assert_eq!(
            rows.iter().map(|row| (row.delta, row.subject)).collect::<Vec<_>>(),
            [(0, 0), (2, 0), (4, 1)]
        );
        assert_eq!(summary.expiring, [(12, Timestamp(1_012))]);
        assert_eq!(
            (summary.first_timestamp, summary.last_timestamp),
            (Some(Timestamp(100)), Some(Timestamp(140)))
        );
        assert_eq!(summary.bytes, 3 * (30 + 1 + 5));
    }

    #[test]
    fn bounds_and_skips_move_the_ends() {
        let bounds = Control::Bounds { first: 9, last: 9, timestamp: Timestamp(5) };
        let (summary, _) = summarize(10, &[Entry::Control(bounds)]);
        assert_eq!((summary.low, summary.last, summary.last_timestamp), (9, 9, Some(Timestamp(5))));
        let skipped = Control::Skipped { first: 11, last: 15, timestamp: Timestamp(7) };
        let later = Control::Bounds { first: 12, last: 16, timestamp: Timestamp(8) };
        let (summary, _) = summarize(
            10,
            &[record(10, b"a"), Entry::Control(skipped), record(16, b"a"), Entry::Control(later)],
        );
        assert_eq!((summary.first, summary.last, summary.messages, summary.low), (10, 16, 1, 12));
        assert_eq!(summary.gone, set(&[10, 11, 12, 13, 14, 15]));
    }

    // go: server/filestore_test.go TestFileStoreCorruptedNonOrderedSequences
    #[test]
    fn sequences_that_go_back_or_repeat_count_once() {
        for (sequences, messages, gone) in [([1, 3, 2, 4], 3, &[2][..]), ([1, 2, 2, 3], 3, &[])] {
            let mut summarizer = Summarizer::new(Opening { first: 1, absorbed_below: 0, salt: 1 });
            for (at, seq) in sequences.into_iter().enumerate() {
                let _ = summarizer.entry(at as u32 * 50, 50, &record(seq, b"a"));
            }
            let (summary, rows) = summarizer.finish();
            assert_eq!((summary.messages, rows.len()), (messages, messages as usize));
            assert_eq!(summary.gone, set(gone));
        }
    }

    #[test]
    fn a_record_out_of_order_is_left_out() {
        let mut summarizer = Summarizer::new(Opening { first: 5, absorbed_below: 0, salt: 1 });
        summarizer.entry(0, 50, &record(6, b"a")).unwrap();
        assert_eq!(summarizer.entry(50, 50, &record(6, b"a")), Err(OutOfOrder { seq: 6, last: 6 }));
        assert_eq!(summarizer.entry(50, 50, &record(3, b"a")), Err(OutOfOrder { seq: 3, last: 6 }));
        assert_eq!(summarizer.finish().0.messages, 1);
    }
}
