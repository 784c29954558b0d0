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
        Entry::Control(Control::Deleted { .. } | Control::Truncated { .. }) | Entry::DeletedSet(_) => None,
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
