//! What is left of a block, by its footer or by its entries, and by what later blocks say. Values in, values out.

use std::ops::RangeInclusive;

use super::later::Later;
use crate::block::control::Control;
use crate::block::entry::{Entries, Entry};
use crate::block::header::Header;
use crate::block::scan::Scan;
use crate::block::spans::{SPAN_LEN_MIN, Span, Spans};
use crate::block::summary::{Opening, Row, Summarizer, Summary};
use crate::seq_set::SeqSet;

/// What the entries of a block tell.
pub(crate) struct FromEntries {
    /// As the block's own entries have it, up to where later blocks say that it ends.
    pub own: Summary,
    pub rows: Vec<Row>,
    pub spans: Spans,
    /// Less what later blocks took out of it.
    pub left: Summary,
    /// Messages that damage took.
    pub lost: SeqSet,
    /// Where sequences are missing behind damage, by its place among the scan's; lost are those of them that are in `lost`.
    pub gaps: Vec<(usize, RangeInclusive<u64>)>,
    /// Frames in which an entry could not be read, by their place among the scan's.
    pub broken_frames: Vec<usize>,
}

/// What is left of a sealed block by its footer. `rows`, from the footer's table, are needed where something of it was
/// deleted that its own entries do not tell of.
pub(crate) fn left_of_footer(
    summary: &Summary,
    rows: Option<Vec<Row>>,
    deleted: &SeqSet,
    later: &Later,
) -> Summary {
    let mut left = match rows {
        Some(rows) => without(summary, rows, deleted).0,
        None => summary.clone(),
    };
    if let Some(end) = later.end() {
        left.last = left.last.min(end);
        left.gone.remove_from(end + 1);
    }
    left
}

/// What is told by the entries of a block that has no footer.
pub(crate) fn told_by_entries(header: &Header, scan: &Scan, later: &Later) -> FromEntries {
    let Gathered { summary: mut own, mut rows, mut lost, gaps, broken_frames } = gather(header, scan);
    let spans = spans_of(scan, &rows);
    // What it tells of itself, as what others tell of it, is no loss.
    lost.remove_below(own.low);
    if let Some(end) = later.end() {
        lost.remove_from(end + 1);
    }
    if let Some(end) = later.end().filter(|&end| end < own.last) {
        rows.retain(|row| own.first + u64::from(row.delta) <= end);
        (own, rows) = without(&own, rows, &SeqSet::default());
        own.last = end.max(own.first - 1);
        own.gone.remove_from(end + 1);
        own.expiring.retain(|(seq, _)| *seq <= end);
        own.due.retain(|(seq, _)| *seq <= end);
    }
    let deleted = later.deleted_in(header.number, &own);
    lost.subtract(&deleted);
    let left = if deleted.is_empty() { own.clone() } else { without(&own, rows.clone(), &deleted).0 };
    FromEntries { own, rows, spans, left, lost, gaps, broken_frames }
}

/// A block's summary without some of its messages.
fn without(summary: &Summary, rows: Vec<Row>, deleted: &SeqSet) -> (Summary, Vec<Row>) {
    let subjects = summary.subjects.iter().map(|totals| totals.subject.clone()).collect();
    let times = summary.times();
    let mut left = Summary {
        messages: 0,
        bytes: 0,
        record_bytes: 0,
        subjects: Vec::new(),
        expiring: Vec::new(),
        due: Vec::new(),
        first_timestamp: None,
        ..summary.clone()
    };
    left.gone.union(deleted);
    left.assemble(rows, subjects, times)
}

struct Gathered {
    summary: Summary,
    rows: Vec<Row>,
    lost: SeqSet,
    gaps: Vec<(usize, RangeInclusive<u64>)>,
    broken_frames: Vec<usize>,
}

/// What the entries of a block tell, and the messages that damage took.
fn gather(header: &Header, scan: &Scan) -> Gathered {
    let Header { first, absorbed_below, salt, .. } = *header;
    let mut summarizer = Summarizer::new(Opening { first, absorbed_below, salt });
    let mut lost = SeqSet::default();
    let (mut gaps, mut broken_frames) = (Vec::new(), Vec::new());
    // The damage behind which nothing told yet how far the sequences went.
    let mut behind = None;
    let mut damage = scan.damage.iter().map(|damage| damage.before_frame).enumerate().peekable();
    for (place, frame) in scan.frames.iter().enumerate() {
        while let Some((at, _)) = damage.next_if(|&(_, before)| before <= place) {
            behind = Some(at);
        }
        for entry in Entries::new(&frame.plain, salt) {
            let Ok((at, len, entry)) = entry else {
                broken_frames.push(place);
                break;
            };
            let next = summarizer.next_seq();
            // The first entry that goes on with the sequences tells how far those that are missing went.
            if let (Some(damage), Some(before)) = (behind, follows(&entry)) {
                if before >= next {
                    lost.insert_range(next..=before);
                    gaps.push((damage, next..=before));
                }
                if before >= next || matches!(entry, Entry::Record(_)) {
                    behind = None;
                }
            }
            if let Entry::Control(Control::Deleted { first, last }) = entry {
                lost.remove_range(first..=last);
            }
            if let Entry::DeletedSet(deleted) = &entry {
                lost.subtract(deleted);
            }
            // What is out of order was written by nobody: it is left out, and the rest goes on.
            let _ = summarizer.entry(frame.head.at + at as u32, len as u32, &entry);
        }
    }
    let (summary, rows) = summarizer.finish();
    Gathered { summary, rows, lost, gaps, broken_frames }
}

/// The last sequence that was given before an entry, where the entry tells.
fn follows(entry: &Entry<'_>) -> Option<u64> {
    match entry {
        Entry::Record(record) => Some(record.seq - 1),
        Entry::Erased { seq } => Some(seq - 1),
        Entry::Control(Control::Skipped { first, .. }) => Some(first - 1),
        Entry::Control(Control::Bounds { last, .. }) => Some(*last),
        Entry::Control(Control::Deleted { .. } | Control::Truncated { .. })
        | Entry::DeletedSet(_)
        | Entry::Sources(_) => None,
    }
}

/// Spans over the frames of a scan; none reaches over something damaged.
fn spans_of(scan: &Scan, rows: &[Row]) -> Spans {
    let mut spans = Spans::default();
    let mut gathered: Option<Span> = None;
    let delta_at = |at: u32| {
        let place = rows.partition_point(|row| row.at < at);
        rows.get(place).map_or_else(|| rows.last().map_or(0, |row| row.delta + 1), |row| row.delta)
    };
    for (place, frame) in scan.frames.iter().enumerate() {
        let is_after_damage = scan.damage.iter().any(|damage| damage.before_frame == place);
        let end = frame.offset + frame.head.len_on_disk();
        let at = frame.head.at;
        let joins =
            gathered.filter(|span| !is_after_damage && span.at + span.len == at && span.len < SPAN_LEN_MIN);
        gathered = match joins {
            Some(span) => Some(Span {
                len: span.len + frame.plain.len() as u32,
                disk_len: end as u32 - span.offset,
                ..span
            }),
            None => {
                push_span(&mut spans, gathered, at);
                Some(Span {
                    delta: delta_at(at),
                    at,
                    len: frame.plain.len() as u32,
                    offset: frame.offset as u32,
                    disk_len: (end - frame.offset) as u32,
                })
            }
        };
    }
    let end = gathered.map_or(0, |span| span.at + span.len);
    push_span(&mut spans, gathered, end);
    spans
}

/// A span ends where the next begins, even where damage took what was between.
fn push_span(spans: &mut Spans, span: Option<Span>, next: u32) {
    if let Some(span) = span {
        let pushed = spans.push(Span { len: next - span.at, ..span });
        pushed.expect("frames of a scan stand one behind another");
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use natrium_model::Timestamp;

    use super::*;
    use crate::block::frame::{FrameHead, FrameKind};
    use crate::block::header::{Coding, StreamId};
    use crate::block::scan::{Damage, DamageKind, ScannedFrame};
    use crate::record::Record;

    const SALT: u64 = 3;

    fn header(first: u64) -> Header {
        Header {
            stream: StreamId([1; 16]),
            number: 4,
            generation: 0,
            salt: SALT,
            created: Timestamp(1),
            first,
            absorbed_below: 4,
            coding: Coding::default(),
            wrapped_key: Vec::new(),
        }
    }

    /// Frames, each of the messages of these sequences or of one control.
    struct Block(Scan);

    impl Block {
        fn messages(mut self, seqs: RangeInclusive<u64>) -> Self {
            let mut plain = Vec::new();
            for seq in seqs {
                let (subject, headers, payload) = (&b"a"[..], &b""[..], &b"x"[..]);
                let timestamp = Timestamp(seq as i64);
                Record { seq, timestamp, expires: None, due: None, subject, headers, payload }
                    .encode(SALT, &mut plain);
            }
            self.push(plain);
            self
        }

        fn control(mut self, control: Control) -> Self {
            let mut plain = Vec::new();
            control.encode(SALT, &mut plain);
            self.push(plain);
            self
        }

        fn push(&mut self, plain: Vec<u8>) {
            let before = self.0.frames.last();
            let at = before.map_or(0, |frame| frame.head.at + frame.plain.len() as u32);
            let offset = before.map_or(8192, |frame| frame.offset + frame.head.len_on_disk());
            let head = FrameHead {
                kind: FrameKind::Entries,
                is_last: true,
                is_compressed: false,
                commit: self.0.frames.len() as u64 + 1,
                index: 0,
                stored_len: plain.len() as u32,
                plain_len: plain.len() as u32,
                at,
                body_checksum: 0,
            };
            self.0.frames.push(ScannedFrame { offset, head, plain: Bytes::from(plain) });
        }

        fn damage(mut self) -> Self {
            let before_frame = self.0.frames.len();
            self.0.damage.push(Damage { range: 0..1, before_frame, kind: DamageKind::Body });
            self
        }

        fn told(&self, later: &Later) -> FromEntries {
            told_by_entries(&header(10), &self.0, later)
        }
    }

    fn block() -> Block {
        Block(Scan::default())
    }

    fn bounds(first: u64, last: u64) -> Control {
        Control::Bounds { first, last, timestamp: Timestamp(99) }
    }

    fn runs(seqs: &SeqSet) -> Vec<(u64, u64)> {
        seqs.runs().collect()
    }

    #[test]
    fn each_damage_is_told_with_the_sequences_that_are_missing_behind_it() {
        let block =
            block().messages(10..=12).damage().messages(15..=16).damage().damage().control(bounds(1, 20));
        let told = block.told(&Later::default());
        assert_eq!(runs(&told.lost), [(13, 14), (17, 20)]);
        assert_eq!(told.gaps, [(0, 13..=14), (2, 17..=20)]);
        assert_eq!((told.left.first, told.left.last, told.left.messages), (10, 20, 5));
        assert!(told.broken_frames.is_empty());
    }

    #[test]
    fn what_is_deleted_purged_or_cut_is_not_lost() {
        let damaged = || block().messages(10..=12).damage().messages(19..=20);
        let deleted = damaged().control(Control::Deleted { first: 13, last: 14 });
        assert_eq!(runs(&deleted.told(&Later::default()).lost), [(15, 18)]);
        let purged = damaged().control(bounds(16, 20)).told(&Later::default());
        assert_eq!((runs(&purged.lost), purged.left.messages), (vec![(16, 18)], 2));

        let mut later = Later::default();
        let mut behind =
            Summary { first: 31, last: 40, plain_len: 9, truncated: Some(15), ..Summary::default() };
        behind.tombstones.insert(14);
        assert!(later.hear(9, &behind).is_empty());
        let cut = damaged().told(&later);
        assert_eq!((runs(&cut.lost), cut.left.last, cut.left.messages), (vec![(13, 13), (15, 15)], 15, 3));
        assert_eq!(cut.rows.len(), 3, "what is above the cut is not told of");
    }

    #[test]
    fn what_later_blocks_delete_is_not_left_but_told_of_as_its_own() {
        let mut later = Later::default();
        let mut behind = Summary { first: 21, last: 30, plain_len: 9, low: 11, ..Summary::default() };
        behind.tombstones.insert(15);
        assert!(later.hear(9, &behind).is_empty());
        let told = block().messages(10..=20).told(&later);
        assert_eq!((told.own.messages, told.left.messages), (11, 9));
        assert_eq!(runs(&told.left.gone), [(10, 10), (15, 15)]);
        assert_eq!(told.spans.iter().count(), 1);
    }

    #[test]
    fn an_entry_that_cannot_be_read_ends_its_frame() {
        let mut block = block().messages(10..=11).messages(12..=13);
        let mut plain = block.0.frames[1].plain.to_vec();
        let last = plain.len() - 1;
        plain[last] ^= 1;
        block.0.frames[1].plain = Bytes::from(plain);
        let told = block.told(&Later::default());
        assert_eq!((told.broken_frames, told.left.messages), (vec![1], 3));
    }

    #[test]
    fn a_footer_is_cut_where_later_blocks_say_that_it_ends() {
        let (summary, rows) = {
            let told = block().messages(10..=20).told(&Later::default());
            (told.own, told.rows)
        };
        let mut later = Later::default();
        let behind = Summary { first: 18, last: 30, plain_len: 9, ..Summary::default() };
        assert!(later.hear(9, &behind).is_empty());
        let deleted = later.deleted_in(4, &summary);
        assert_eq!(runs(&deleted), [(18, 20)]);
        let left = left_of_footer(&summary, Some(rows), &deleted, &later);
        assert_eq!((left.last, left.messages, left.gone.is_empty()), (17, 8, true));
    }
}
