//! Bytes that version 1 of the formats wrote: they must be read for as long as that version is, and written the same for as
//! long as it is the newest. Damaged ones must be refused by name.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;

use bytes::Bytes;
use natrium_model::Timestamp;
use natrium_storage::block::frame::{FRAME_HEAD_LEN, FrameHead, FrameKind};
use natrium_storage::block::header::{Compression, Encryption, StreamId};
use natrium_storage::coding::{BlockCipher, CodingError, FrameEncoder, FrameFields, Sealer, decode_frame};
use natrium_storage::consumer::{AckPolicy, ConsumerState, Journal, Operation, Pending, Rules, SequencePair};
use natrium_storage::keys::{BlockIdentity, KeyError, KeyRing, ServerKey, StreamIdentity, StreamKey};
use natrium_storage::meta::{ContentError, Meta, Owner};
use rand_core::RngCore;

const STREAM: StreamId = StreamId(*b"0123456789abcdef");
const IDENTITY: StreamIdentity<'_> = StreamIdentity { account: "$G", stream: "ORDERS", id: STREAM };
const SALT: u64 = 0x5a17;
const OFFSET: u64 = 8192;
const WRAPPED_KEY: &[u8] = include_bytes!("../fixtures/v1/stream_key.bin");
const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

/// Counts, so that a fixture does not hang on how a generator is made.
struct Counter(u8);

impl RngCore for Counter {
    fn next_u32(&mut self) -> u32 {
        self.0.into()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.into()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
    }
}

fn ring(configured: &str) -> KeyRing {
    KeyRing { current: ServerKey::new(configured).unwrap(), previous: None }
}

fn stream_key() -> StreamKey {
    ring("s3cr3t").unwrap(WRAPPED_KEY, IDENTITY).unwrap().key
}

#[test]
fn a_stream_key() {
    let mut rng = Counter(0);
    let key = StreamKey::generate(&mut rng);
    assert_eq!(ring("s3cr3t").wrap(&key, IDENTITY, &mut rng), WRAPPED_KEY);
    let wrong = ring("guess").unwrap(WRAPPED_KEY, IDENTITY).unwrap_err();
    assert!(matches!(wrong, KeyError::WrongKey { .. }), "{wrong}");
}

#[test]
fn metadata() {
    let meta = Meta {
        owner: Owner::Stream,
        stream: STREAM,
        revision: 3,
        created: NOW,
        body: br#"{"name":"ORDERS","subjects":["orders.>"]}"#.to_vec(),
    };
    let key = stream_key().meta_key();
    let (plain, sealed) =
        (include_bytes!("../fixtures/v1/meta_plain.bin"), include_bytes!("../fixtures/v1/meta_sealed.bin"));
    assert!(meta.encode(None, &mut Counter(0)) == plain);
    assert!(meta.encode(Some(&key), &mut Counter(0)) == sealed);
    assert_eq!(Meta::decode(plain, None).unwrap().meta, meta);
    assert_eq!(Meta::decode(sealed, Some(&key)).unwrap().meta, meta);
    assert_eq!(Meta::decode(sealed, None), Err(ContentError::NoKey));
    let mut damaged = *sealed;
    damaged[200] ^= 1;
    assert_eq!(Meta::decode(&damaged, Some(&key)), Err(ContentError::Damaged));
}

/// The frame that `frame` holds behind its block's wrapped key.
fn frame(fixture: &'static [u8], compression: Compression, encryption: Encryption) {
    let plain = b"the same words again and again, ".repeat(4);
    let identity = BlockIdentity { stream: STREAM, number: 7, generation: 2, encryption };
    let key_len = if encryption == Encryption::None { 0 } else { natrium_storage::keys::WRAPPED_LEN };
    let (wrapped, stored) = fixture.split_at(key_len);

    let mut rng = Counter(100);
    let mut written = Vec::new();
    let sealer = Sealer::create(encryption, &mut rng).map(|(sealer, key)| {
        written = stream_key().wrap_block_key(&key, identity, &mut rng);
        sealer
    });
    let fields = FrameFields { kind: FrameKind::Entries, is_last: true, commit: 9, index: 1, at: 3 };
    FrameEncoder::new(compression, sealer).encode(fields, &plain, SALT, OFFSET, &mut written);
    // Compressors may find other matches and still be right.
    assert!(compression == Compression::Snappy || written == fixture);

    let cipher =
        stream_key().unwrap_block_key(wrapped, identity).and_then(|key| BlockCipher::new(encryption, &key));
    assert_eq!(cipher.is_some(), encryption != Encryption::None);
    let head = FrameHead::decode(stored, SALT, OFFSET).unwrap();
    assert_eq!((head.commit, head.index, head.at), (9, 1, 3));
    assert_eq!(head.is_compressed, compression == Compression::Snappy);
    let body = Bytes::from_static(&stored[FRAME_HEAD_LEN..]);
    assert_eq!(decode_frame(&head, body.clone(), cipher.as_ref(), SALT, OFFSET).unwrap(), plain);
    let mut damaged = body.to_vec();
    damaged[20] ^= 1;
    let refused = decode_frame(&head, damaged.into(), cipher.as_ref(), SALT, OFFSET);
    assert!(matches!(refused, Err(CodingError::Checksum { .. })), "{refused:?}");
}

#[test]
fn frames() {
    frame(include_bytes!("../fixtures/v1/frame_plain.bin"), Compression::None, Encryption::None);
    frame(include_bytes!("../fixtures/v1/frame_snappy.bin"), Compression::Snappy, Encryption::None);
    frame(
        include_bytes!("../fixtures/v1/frame_chacha20.bin"),
        Compression::None,
        Encryption::ChaCha20Poly1305,
    );
    frame(include_bytes!("../fixtures/v1/frame_aes256.bin"), Compression::None, Encryption::Aes256Gcm);
    frame(
        include_bytes!("../fixtures/v1/frame_snappy_aes256.bin"),
        Compression::Snappy,
        Encryption::Aes256Gcm,
    );
}

/// Bodies that golang/snappy 1.0.0 (`Encode`) and klauspost/compress 1.20.4 (`s2.EncodeSnappyBest`) made.
#[test]
fn bodies_of_other_programs() {
    let plain = br#"orders.new {"id":1,"state":"open"} "#.repeat(8);
    for body in [
        &include_bytes!("../fixtures/v1/snappy_by_go.bin")[..],
        include_bytes!("../fixtures/v1/snappy_by_s2.bin"),
    ] {
        let head = FrameHead {
            kind: FrameKind::Entries,
            is_last: true,
            is_compressed: true,
            commit: 1,
            index: 0,
            stored_len: body.len() as u32,
            plain_len: plain.len() as u32,
            at: 1,
            body_checksum: FrameHead::checksum_of(body, SALT, OFFSET),
        };
        assert_eq!(decode_frame(&head, Bytes::from_static(body), None, SALT, OFFSET).unwrap(), plain);
    }
}

#[test]
fn a_journal_of_consumers() {
    let fixture = include_bytes!("../fixtures/v1/consumers.bin");
    let rules = Rules { ack_policy: AckPolicy::Explicit, max_deliver: Some(5) };
    let mut written = Vec::new();
    let mut journal = Journal::create(SALT, &mut written);
    let pair = |consumer, stream| SequencePair { consumer, stream };
    let later = |ns| Timestamp(NOW.0 + ns);
    let state = ConsumerState {
        delivered: pair(40, 400),
        ack_floor: pair(30, 300),
        pending: BTreeMap::from([
            (310, Pending { consumer: 31, timestamp: later(1000) }),
            (400, Pending { consumer: 40, timestamp: later(500) }),
        ]),
        redelivered: BTreeMap::from([(310, 2)]),
    };
    journal.set(1, rules, state, &mut written).unwrap();
    journal.set(2, rules, ConsumerState::default(), &mut written).unwrap();
    journal.set(3, rules, ConsumerState::default(), &mut written).unwrap();
    for (number, operation) in [
        (1, Operation::Delivered { consumer: 41, stream: 310, count: 4, timestamp: later(-7) }),
        (1, Operation::Acked { consumer: 40, stream: 400 }),
        (2, Operation::Started { stream: 5 }),
        (2, Operation::Skipped { stream: 70_000 }),
        (2, Operation::Reset { stream: 6 }),
        (1, Operation::RedeliveredForgotten { below: 311 }),
    ] {
        let applied = journal.apply(number, operation, &mut written).unwrap();
        assert!(applied.is_changed && applied.refused.is_none(), "{operation:?}");
    }
    assert!(journal.remove(3, &mut written));
    assert!(written == fixture);

    let read = Journal::recover(fixture, SALT).unwrap();
    assert_eq!(read.journal.consumers(), journal.consumers());
    assert_eq!((read.torn, read.damage.len(), read.behind.len(), read.unknown.len()), (0, 0, 0, 0));
    let state = read.journal.consumers().state(1).unwrap();
    assert_eq!((state.delivered, state.ack_floor), (pair(41, 400), pair(30, 300)));
    assert_eq!(state.pending, BTreeMap::from([(310, Pending { consumer: 31, timestamp: later(-7) })]));
    assert!(state.redelivered.is_empty());
    assert_eq!(read.journal.consumers().state(2).unwrap().delivered, pair(0, 6));

    let mut damaged = *fixture;
    damaged[30] ^= 1;
    let read = Journal::recover(&damaged, SALT).unwrap();
    assert_eq!(read.damage.len(), 1);
    assert_eq!(read.damage[0].bytes.start, 24);
    assert_eq!(read.unknown, [1].into());
}
