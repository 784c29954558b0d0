//! One stored message as bytes (docs/format/record.md).
//!
//! ```text
//! flags u8 | subject length varint | subject | headers length varint | headers | payload length varint | payload
//! | sequence u64 | timestamp i64 | [expires i64] | [due i64] | XXH64 u64
//! ```
//!
//! Numbers of fixed width are little-endian. The checksum covers all bytes before it and is seeded with the salt of the
//! block, so that a record of another block or of an older life of the file never passes.

use bytes::Bytes;
use natrium_model::Timestamp;
use xxhash_rust::xxh64::xxh64;

use crate::message::Message;
use crate::varint;

/// What is to be written of a message.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    pub seq: u64,
    pub timestamp: Timestamp,
    pub expires: Option<Timestamp>,
    pub due: Option<Timestamp>,
    pub subject: &'a [u8],
    pub headers: &'a [u8],
    pub payload: &'a [u8],
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("the record goes beyond its frame")]
    Short,
    #[error("a length or a flag that no record has")]
    Invalid,
    #[error("checksum {stored:#018x} on disk, {computed:#018x} computed")]
    Checksum { stored: u64, computed: u64 },
}

impl Record<'_> {
    /// Bytes that [`Record::encode`] appends.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let part = |part: &[u8]| varint::len(part.len() as u64) + part.len();
        let times = 8 * (usize::from(self.expires.is_some()) + usize::from(self.due.is_some()));
        1 + part(self.subject) + part(self.headers) + part(self.payload) + 8 + 8 + times + CHECKSUM_LEN
    }

    pub fn encode(&self, salt: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.reserve(self.encoded_len());
        let flag = |bit, set| if set { bit } else { 0 };
        out.push(flag(EXPIRES, self.expires.is_some()) | flag(DUE, self.due.is_some()));
        for part in [self.subject, self.headers, self.payload] {
            varint::encode(part.len() as u64, out);
            out.extend_from_slice(part);
        }
        out.extend_from_slice(&self.seq.to_le_bytes());
        out.extend_from_slice(&self.timestamp.0.to_le_bytes());
        for time in [self.expires, self.due].into_iter().flatten() {
            out.extend_from_slice(&time.0.to_le_bytes());
        }
        let checksum = xxh64(&out[start..], salt);
        out.extend_from_slice(&checksum.to_le_bytes());
    }

    /// Reads the record at the start of `input`, and how many bytes it takes.
    ///
    /// # Errors
    /// [`RecordError`]; nothing of `input` may be believed then.
    pub fn decode(input: &[u8], salt: u64) -> Result<(Record<'_>, usize), RecordError> {
        let (record, covered) = Self::decode_covered(input)?;
        let computed = xxh64(&input[..covered], salt);
        let stored = Reader { input, at: covered }.fixed()?;
        if stored != computed {
            return Err(RecordError::Checksum { stored, computed });
        }
        if record.seq == 0 || record.seq > SEQ_MAX {
            return Err(RecordError::Invalid);
        }
        Ok((record, covered + CHECKSUM_LEN))
    }

    /// Reads a record whose checksum was seen to hold since it was in memory.
    ///
    /// # Errors
    /// [`RecordError`]
    pub fn decode_unchecked(input: &[u8]) -> Result<Record<'_>, RecordError> {
        Self::decode_covered(input).map(|(record, _)| record)
    }

    /// The record, and the bytes that its checksum covers.
    fn decode_covered(input: &[u8]) -> Result<(Record<'_>, usize), RecordError> {
        let mut reader = Reader { input, at: 0 };
        let flags = reader.byte()?;
        if flags & !(EXPIRES | DUE) != 0 {
            return Err(RecordError::Invalid);
        }
        let subject = reader.part()?;
        let headers = reader.part()?;
        let payload = reader.part()?;
        let seq = reader.fixed()?;
        let timestamp = Timestamp(reader.fixed()?.cast_signed());
        let expires = reader.time(flags & EXPIRES != 0)?;
        let due = reader.time(flags & DUE != 0)?;
        Ok((Record { seq, timestamp, expires, due, subject, headers, payload }, reader.at))
    }

    /// The message with its parts as views of `frame`, of which this record was decoded.
    #[must_use]
    pub fn to_message(&self, frame: &Bytes) -> Message {
        Message {
            seq: self.seq,
            timestamp: self.timestamp,
            expires: self.expires,
            due: self.due,
            subject: frame.slice_ref(self.subject),
            headers: frame.slice_ref(self.headers),
            payload: frame.slice_ref(self.payload),
        }
    }
}

struct Reader<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, RecordError> {
        let byte = *self.input.get(self.at).ok_or(RecordError::Short)?;
        self.at += 1;
        Ok(byte)
    }

    fn part(&mut self) -> Result<&'a [u8], RecordError> {
        let rest = &self.input[self.at..];
        let (len, took) = varint::decode(rest).ok_or(RecordError::Invalid)?;
        let len = usize::try_from(len).map_err(|_| RecordError::Invalid)?;
        let part = rest[took..].get(..len).ok_or(RecordError::Short)?;
        self.at += took + len;
        Ok(part)
    }

    fn fixed(&mut self) -> Result<u64, RecordError> {
        let bytes = self.input[self.at..].first_chunk().ok_or(RecordError::Short)?;
        self.at += size_of::<u64>();
        Ok(u64::from_le_bytes(*bytes))
    }

    fn time(&mut self, is_there: bool) -> Result<Option<Timestamp>, RecordError> {
        if is_there { Ok(Some(Timestamp(self.fixed()?.cast_signed()))) } else { Ok(None) }
    }
}

/// A time of expiry follows the timestamp.
const EXPIRES: u8 = 1;
/// A time at which the message is due follows.
const DUE: u8 = 2;
/// No sequence is above this, so that adding to one never overflows.
pub const SEQ_MAX: u64 = u64::MAX / 2;
pub(crate) const CHECKSUM_LEN: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const SALT: u64 = 0x5a17;

    fn record() -> Record<'static> {
        Record {
            seq: 7,
            timestamp: Timestamp(1_700_000_000_000_000_000),
            expires: None,
            due: None,
            subject: b"orders.new",
            headers: b"NATS/1.0\r\nA: b\r\n\r\n",
            payload: b"hello",
        }
    }

    fn encoded(record: &Record<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        record.encode(SALT, &mut out);
        out
    }

    #[test]
    fn the_layout_is_the_one_written_down() {
        let bytes = encoded(&Record { headers: b"", ..record() });
        assert_eq!(&bytes[..2], &[0, 10]);
        assert_eq!(&bytes[2..12], b"orders.new");
        assert_eq!(&bytes[12..19], b"\0\x05hello");
        assert_eq!(&bytes[19..27], &7u64.to_le_bytes());
        assert_eq!(&bytes[27..35], &1_700_000_000_000_000_000i64.to_le_bytes());
        assert_eq!(bytes.len(), 43);
    }

    #[test]
    fn a_flip_of_any_bit_is_seen() {
        for record in [record(), Record { expires: Some(Timestamp(5)), due: Some(Timestamp(9)), ..record() }]
        {
            let bytes = encoded(&record);
            for bit in 0..bytes.len() * 8 {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert!(Record::decode(&damaged, SALT).is_err(), "bit {bit}");
            }
        }
    }

    #[test]
    fn a_record_that_ends_early_is_short() {
        let bytes = encoded(&record());
        for len in 0..bytes.len() {
            assert!(Record::decode(&bytes[..len], SALT).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn a_record_of_another_block_does_not_pass() {
        let refused = Record::decode(&encoded(&record()), SALT + 1).map(|_| ());
        assert!(matches!(refused, Err(RecordError::Checksum { .. })), "{refused:?}");
    }

    proptest! {
        #[test]
        fn every_record_comes_back(
            seq in 1..=SEQ_MAX, timestamp: i64, expires: Option<i64>, due: Option<i64>,
            subject in vec(any::<u8>(), 0..200), headers in vec(any::<u8>(), 0..200),
            payload in vec(any::<u8>(), 0..20_000), behind: Vec<u8>,
        ) {
            let (expires, due) = (expires.map(Timestamp), due.map(Timestamp));
            let record = Record {
                seq, timestamp: Timestamp(timestamp), expires, due, subject: &subject, headers: &headers, payload: &payload,
            };
            let mut bytes = encoded(&record);
            prop_assert_eq!(bytes.len(), record.encoded_len());
            bytes.extend(behind);
            let (read, took) = Record::decode(&bytes, SALT).unwrap();
            prop_assert_eq!(took, record.encoded_len());
            prop_assert_eq!((read.seq, read.timestamp.0, read.expires, read.due), (seq, timestamp, expires, due));
            prop_assert_eq!((read.subject, read.headers, read.payload), (&subject[..], &headers[..], &payload[..]));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = Record::decode(&bytes, SALT);
        }
    }
}
