//! The end of a sealed block: its table, its summary, and the trailer that says where they are (docs/format/block.md).
//!
//! ```text
//! .. frames | page boundary | table frame | summary frame | zeros | trailer: the last 64 bytes of the last page
//! ```

use natrium_model::Timestamp;
use xxhash_rust::xxh64::xxh64;

use crate::block::sources::ToldSources;
use crate::block::spans::{Span, Spans};
use crate::block::summary::{Row, SubjectTotals, Summary};
use crate::record::SEQ_MAX;
use crate::seq_set::SeqSet;
use crate::varint;

/// Bytes of the trailer.
pub const TRAILER_LEN: usize = 64;

/// Where the footer is. 64 bytes, little-endian:
/// `magic u64 | version u32 | reserved u32 | table offset u64 | summary offset u64 | file length u64 | reserved 16
/// | XXH64 of the 56 bytes before, seeded with the salt, u64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    pub table_at: u64,
    pub summary_at: u64,
    pub file_len: u64,
}

impl Trailer {
    #[must_use]
    pub fn encode(&self, salt: u64) -> [u8; TRAILER_LEN] {
        let mut bytes = [0; TRAILER_LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.table_at.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.summary_at.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.file_len.to_le_bytes());
        let checksum = xxh64(&bytes[..CHECKSUM_AT], salt);
        bytes[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the end of a file; `None` where no sealed block of this salt and length ends.
    #[must_use]
    pub fn decode(end: &[u8], salt: u64, file_len: u64) -> Option<Self> {
        let bytes: &[u8; TRAILER_LEN] = end.last_chunk()?;
        let word = |at: usize| u64::from_le_bytes(*bytes[at..].first_chunk().expect("inside the trailer"));
        if bytes[..8] != MAGIC || word(CHECKSUM_AT) != xxh64(&bytes[..CHECKSUM_AT], salt) {
            return None;
        }
        let trailer = Self { table_at: word(16), summary_at: word(24), file_len: word(32) };
        let ordered = trailer.table_at < trailer.summary_at && trailer.summary_at < file_len;
        (bytes[8..12] == VERSION.to_le_bytes() && trailer.file_len == file_len && ordered).then_some(trailer)
    }
}

/// Appends the body of the summary's frame.
pub fn encode_summary(summary: &Summary, spans: &Spans, out: &mut Vec<u8>) {
    for number in [
        summary.first,
        summary.last + 1 - summary.first,
        summary.messages,
        summary.bytes,
        summary.record_bytes,
        u64::from(summary.plain_len),
        summary.low,
        summary.truncated.map_or(0, |last| last + 1),
        summary.absorbed_below,
    ] {
        varint::encode(number, out);
    }
    for time in [summary.first_timestamp, summary.last_timestamp] {
        out.push(u8::from(time.is_some()));
        out.extend_from_slice(&time.unwrap_or(Timestamp(0)).0.to_le_bytes());
    }
    for set in [&summary.gone, &summary.tombstones] {
        let mut body = Vec::new();
        if !set.is_empty() {
            set.encode(&mut body);
        }
        varint::encode(body.len() as u64, out);
        out.extend_from_slice(&body);
    }
    encode_subjects(summary, out);
    for times in [&summary.expiring, &summary.due] {
        varint::encode(times.len() as u64, out);
        let mut before = summary.first;
        for (seq, time) in times {
            varint::encode(seq - before, out);
            out.extend_from_slice(&time.0.to_le_bytes());
            before = *seq;
        }
    }
    summary.sources.encode(out);
    varint::encode(spans.len() as u64, out);
    for span in spans.iter() {
        for number in [span.delta, span.at, span.len, span.offset, span.disk_len] {
            varint::encode(u64::from(number), out);
        }
    }
}

/// Each subject as what differs from the one before it.
fn encode_subjects(summary: &Summary, out: &mut Vec<u8>) {
    varint::encode(summary.subjects.len() as u64, out);
    let mut before: &[u8] = &[];
    for totals in &summary.subjects {
        let shared = before.iter().zip(&totals.subject).take_while(|(a, b)| a == b).count();
        varint::encode(shared as u64, out);
        varint::encode((totals.subject.len() - shared) as u64, out);
        out.extend_from_slice(&totals.subject[shared..]);
        varint::encode(u64::from(totals.messages), out);
        varint::encode(totals.first - summary.first, out);
        varint::encode(totals.last - totals.first, out);
        before = &totals.subject;
    }
}

/// Reads what [`encode_summary`] wrote. `None` where it did not: the frame's checksum holds, so another program wrote it.
#[must_use]
pub fn decode_summary(body: &[u8]) -> Option<(Summary, Spans)> {
    let mut reader = Reader { body };
    let first = reader.seq()?;
    let span = reader.seq()?;
    if first == 0 {
        return None;
    }
    let mut summary = Summary {
        first,
        last: (first - 1).checked_add(span)?,
        messages: reader.number()?,
        bytes: reader.number()?,
        record_bytes: reader.number()?,
        plain_len: reader.small()?,
        low: reader.seq()?,
        truncated: reader.seq()?.checked_sub(1),
        absorbed_below: reader.number()?,
        first_timestamp: reader.time()?,
        last_timestamp: reader.time()?,
        gone: reader.set()?,
        tombstones: reader.set()?,
        ..Summary::default()
    };
    summary.subjects = reader.subjects(summary.first)?;
    summary.expiring = reader.times(summary.first)?;
    summary.due = reader.times(summary.first)?;
    summary.sources = reader.sources()?;
    let count = reader.count(5)?;
    let mut spans = Spans::default();
    for _ in 0..count {
        spans.push(Span {
            delta: reader.small()?,
            at: reader.small()?,
            len: reader.small()?,
            offset: reader.small()?,
            disk_len: reader.small()?,
        })?;
    }
    reader.body.is_empty().then_some((summary, spans))
}

/// Appends the body of the table's frame.
pub fn encode_table(rows: &[Row], out: &mut Vec<u8>) {
    varint::encode(rows.len() as u64, out);
    let mut before = BEFORE;
    for row in rows {
        varint::encode(u64::from(row.delta - before.delta), out);
        varint::encode(u64::from(row.at - (before.at + before.len)), out);
        varint::encode(u64::from(row.len), out);
        varint::encode(u64::from(row.size), out);
        varint::encode(u64::from(row.subject), out);
        varint::encode(zigzag(row.timestamp.0.wrapping_sub(before.timestamp.0)), out);
        before = *row;
    }
}

/// Reads what [`encode_table`] wrote of a block with this many subjects.
#[must_use]
pub fn decode_table(body: &[u8], subjects: usize) -> Option<Vec<Row>> {
    let mut reader = Reader { body };
    let count = reader.count(6)?;
    let mut rows: Vec<Row> = Vec::with_capacity(count);
    let mut before = BEFORE;
    for _ in 0..count {
        let step = reader.small()?;
        if step == 0 && !rows.is_empty() {
            return None;
        }
        let delta = before.delta.checked_add(step)?;
        let at = before.at.checked_add(before.len)?.checked_add(reader.small()?)?;
        let row = Row {
            delta,
            at,
            len: reader.small()?,
            size: reader.small()?,
            subject: reader.small()?,
            timestamp: Timestamp(before.timestamp.0.wrapping_add(unzigzag(reader.number()?))),
        };
        if row.subject as usize >= subjects {
            return None;
        }
        rows.push(row);
        before = row;
    }
    reader.body.is_empty().then_some(rows)
}

/// What the first row differs from.
const BEFORE: Row = Row { delta: 0, at: 0, len: 0, size: 0, subject: 0, timestamp: Timestamp(0) };

/// Small numbers of either sign as small numbers.
fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

struct Reader<'a> {
    body: &'a [u8],
}

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u64> {
        let (number, took) = varint::decode(self.body)?;
        self.body = &self.body[took..];
        Some(number)
    }

    fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    fn seq(&mut self) -> Option<u64> {
        self.number().filter(|&seq| seq <= SEQ_MAX)
    }

    /// How many follow, each of at least `bytes_min`: so that a few bytes cannot ask for much memory.
    fn count(&mut self, bytes_min: usize) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.body.len() / bytes_min).then_some(count)
    }

    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.body.split_at_checked(len)?;
        self.body = rest;
        Some(bytes)
    }

    fn fixed(&mut self) -> Option<i64> {
        Some(i64::from_le_bytes(*self.bytes(8)?.first_chunk()?))
    }

    fn time(&mut self) -> Option<Option<Timestamp>> {
        let is_there = self.bytes(1)?[0];
        let time = Timestamp(self.fixed()?);
        match is_there {
            0 => Some(None),
            1 => Some(Some(time)),
            _ => None,
        }
    }

    fn set(&mut self) -> Option<SeqSet> {
        let len = usize::try_from(self.number()?).ok()?;
        let body = self.bytes(len)?;
        if body.is_empty() { Some(SeqSet::default()) } else { SeqSet::decode(body).ok() }
    }

    fn subjects(&mut self, first: u64) -> Option<Vec<SubjectTotals>> {
        let count = self.count(5)?;
        let mut subjects: Vec<SubjectTotals> = Vec::with_capacity(count);
        for _ in 0..count {
            let shared = usize::try_from(self.number()?).ok()?;
            let len = usize::try_from(self.number()?).ok()?;
            let before = subjects.last().map_or(&[][..], |totals| &totals.subject);
            let mut subject = before.get(..shared)?.to_vec();
            subject.extend_from_slice(self.bytes(len)?);
            let messages = self.small()?;
            let first = first.checked_add(self.seq()?)?;
            let last = first.checked_add(self.seq()?)?;
            subjects.push(SubjectTotals { subject: subject.into(), messages, first, last });
        }
        Some(subjects)
    }

    fn sources(&mut self) -> Option<ToldSources> {
        let (told, rest) = ToldSources::decode(self.body)?;
        self.body = rest;
        Some(told)
    }

    fn times(&mut self, first: u64) -> Option<Vec<(u64, Timestamp)>> {
        let count = self.count(9)?;
        let mut times = Vec::with_capacity(count);
        let mut seq = first;
        for _ in 0..count {
            seq = seq.checked_add(self.seq()?)?;
            times.push((seq, Timestamp(self.fixed()?)));
        }
        Some(times)
    }
}

const MAGIC: [u8; 8] = *b"NTRMEND\0";
const VERSION: u32 = 1;
const CHECKSUM_AT: usize = TRAILER_LEN - size_of::<u64>();

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sources::SourcePosition;

    fn set(sequences: &[u64]) -> SeqSet {
        let mut set = SeqSet::default();
        for &seq in sequences {
            set.insert(seq);
        }
        set
    }

    fn summary() -> (Summary, Spans) {
        let totals = |subject: &[u8], messages, first, last| SubjectTotals {
            subject: subject.into(),
            messages,
            first,
            last,
        };
        let position = |seq| SourcePosition { seq, identity: b"ID".as_slice().into() };
        let summary = Summary {
            first: 100,
            last: 140,
            first_timestamp: Some(Timestamp(-5)),
            last_timestamp: None,
            messages: 3,
            bytes: 99,
            record_bytes: 80,
            plain_len: 123,
            low: 7,
            truncated: Some(0),
            gone: set(&[101, 102]),
            tombstones: set(&[1, 50]),
            absorbed_below: 4,
            subjects: vec![
                totals(b"a.b", 1, 100, 100),
                totals(b"a.c", 2, 103, 140),
                totals(b"z", 1, 104, 104),
            ],
            expiring: vec![(103, Timestamp(9)), (104, Timestamp(8))],
            due: vec![(140, Timestamp(i64::MAX))],
            sources: ToldSources {
                is_whole: false,
                positions: [
                    (b"A > >".as_slice().into(), position(9)),
                    (b"B > >".as_slice().into(), position(0)),
                ]
                .into(),
            },
        };
        let mut spans = Spans::default();
        spans.push(Span { delta: 0, at: 0, len: 60, offset: 8192, disk_len: 100 }).unwrap();
        spans.push(Span { delta: 4, at: 60, len: 63, offset: 8292, disk_len: 111 }).unwrap();
        (summary, spans)
    }

    #[test]
    fn a_summary_comes_back_and_none_of_its_ruins_does() {
        let mut body = Vec::new();
        let (summary, spans) = summary();
        encode_summary(&summary, &spans, &mut body);
        assert_eq!(decode_summary(&body), Some((summary, spans)));
        for len in 0..body.len() {
            assert_eq!(decode_summary(&body[..len]), None, "{len} bytes");
        }
        body.push(0);
        assert_eq!(decode_summary(&body), None);
    }

    #[test]
    fn a_table_comes_back_and_none_of_its_ruins_does() {
        let rows = [
            Row { delta: 0, at: 0, len: 60, size: 50, subject: 1, timestamp: Timestamp(1 << 60) },
            Row { delta: 9, at: 100, len: 60, size: 50, subject: 0, timestamp: Timestamp(-7) },
            Row { delta: 10, at: 160, len: 61, size: 51, subject: 1, timestamp: Timestamp(i64::MAX) },
        ];
        let mut body = Vec::new();
        encode_table(&rows, &mut body);
        assert_eq!(decode_table(&body, 2).as_deref(), Some(&rows[..]));
        assert_eq!(decode_table(&body, 1), None, "a subject that is not there");
        for len in 0..body.len() {
            assert_eq!(decode_table(&body[..len], 2), None, "{len} bytes");
        }
    }

    #[test]
    fn a_trailer_comes_back_only_at_the_end_of_its_file() {
        let trailer = Trailer { table_at: 8192, summary_at: 9000, file_len: 12288 };
        let bytes = trailer.encode(5);
        assert_eq!(Trailer::decode(&bytes, 5, 12288), Some(trailer));
        assert_eq!(Trailer::decode(&bytes, 6, 12288), None);
        assert_eq!(Trailer::decode(&bytes, 5, 8192), None);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Trailer::decode(&damaged, 5, 12288), None, "bit {bit}");
        }
    }

    fn encoded((summary, spans): &(Summary, Spans)) -> Vec<u8> {
        let mut body = Vec::new();
        encode_summary(summary, spans, &mut body);
        body
    }

    fn change(body: &mut [u8], changes: Vec<(prop::sample::Index, u8)>) {
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
    }

    fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
        let byte = prop_oneof![any::<u8>(), 0..4u8, Just(0x80), Just(0xff)];
        proptest::collection::vec((any::<prop::sample::Index>(), byte), 1..4)
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(body: Vec<u8>, subjects in 0usize..4) {
            let _ = decode_summary(&body);
            let _ = decode_table(&body, subjects);
            let _ = Trailer::decode(&body, 1, 4096);
        }

        /// As another program could have written it, under checksums that are right.
        #[test]
        fn what_is_read_of_a_summary_is_written_so_again(changes in changes()) {
            let mut body = encoded(&summary());
            change(&mut body, changes);
            let mut read = None;
            let memory = allocation_counter::measure(|| read = decode_summary(&body));
            prop_assert!(memory.bytes_max < 1 << 20, "{} allocated for {} bytes", memory.bytes_max, body.len());
            if let Some(read) = read {
                let again = encoded(&read);
                let reread = decode_summary(&again);
                prop_assert_eq!(reread.as_ref(), Some(&read));
                prop_assert_eq!(encoded(&reread.unwrap()), again);
            }
        }

        #[test]
        fn what_is_read_of_a_table_is_written_so_again(
            steps in proptest::collection::vec((1..9u32, 0..3u32, 30..90u32, any::<i64>()), 0..20),
            changes in changes(),
        ) {
            let mut rows: Vec<Row> = Vec::new();
            for (step, gap, len, time) in steps {
                let before = rows.last().copied().unwrap_or(BEFORE);
                let at = before.at + before.len + gap;
                let timestamp = Timestamp(time);
                rows.push(Row { delta: before.delta + step, at, len, size: len, subject: step % 3, timestamp });
            }
            let mut body = Vec::new();
            encode_table(&rows, &mut body);
            change(&mut body, changes);
            let mut read = None;
            let memory = allocation_counter::measure(|| read = decode_table(&body, 3));
            prop_assert!(memory.bytes_max <= 16 * body.len() as u64 + 64, "{}", memory.bytes_max);
            if let Some(rows) = read {
                let mut again = Vec::new();
                encode_table(&rows, &mut again);
                prop_assert_eq!(decode_table(&again, 3), Some(rows));
            }
        }
    }
}
