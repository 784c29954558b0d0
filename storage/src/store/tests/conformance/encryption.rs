//! What only encrypted and compressed stores can get wrong.

use std::rc::Rc;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use super::case::{Kind, on_disk, plain, run};
use crate::block::header::{Coding, Compression, Encryption};
use crate::consumer::{AckPolicy, ConsumerState, Rules, SequencePair};
use crate::keys::StreamKey;
use crate::store::StoreError;
use crate::store::consumers::{ConsumerOptions, ConsumerStore};

const ENCRYPTED: Coding = Coding { compression: Compression::None, encryption: Encryption::Aes256Gcm };

// go: server/filestore_test.go TestFileStoreRestoreEncryptedWithNoKeyFuncFails
#[test]
fn an_encrypted_store_does_not_open_without_its_key() {
    run(Kind::Disk(ENCRYPTED), |_| {}, &async |case: &super::case::Case| {
        case.fill(100, "zzz", "X".repeat(100)).await;
        case.stop().await;
        let key = case.options.borrow_mut().key.take();
        assert!(matches!(case.try_start().await, Err(StoreError::NoKey { .. })));
        let wrong = StreamKey::generate(&mut Xoshiro256PlusPlus::seed_from_u64(99));
        case.options.borrow_mut().key = Some(Rc::new(wrong));
        assert!(matches!(case.try_start().await, Err(StoreError::WrongKey { .. })));
        // Nothing was changed by that.
        case.options.borrow_mut().key = key;
        case.start().await;
        assert_eq!(case.ends().await, (100, 1, 100));
        assert!(case.has(1).await && case.has(100).await);
    });
}

// go: server/filestore_test.go TestFileStoreEncrypted
#[test]
fn messages_and_consumers_come_back_from_an_encrypted_stream() {
    on_disk(
        |_| {},
        async |case| {
            let rules = Rules { ack_policy: AckPolicy::All, max_deliver: None };
            let pair = |seq| SequencePair { consumer: seq, stream: seq };
            let state =
                ConsumerState { delivered: pair(22), ack_floor: pair(11), ..ConsumerState::default() };
            let options = ConsumerOptions {
                folder: "consumers".into(),
                stream: case.options.borrow().stream,
                coding: case.options.borrow().coding,
                key: case.options.borrow().key.clone(),
            };
            case.fill(50, "foo", "aes ftw").await;
            let (consumers, _) = ConsumerStore::open(case.engine(), options.clone()).await.unwrap();
            consumers.set(22, rules, ConsumerState::default()).unwrap();
            consumers.update(22, state.clone()).unwrap();
            consumers.close().await.unwrap();
            case.restart().await;
            assert_eq!(&case.get(10).await.unwrap().payload[..], b"aes ftw");
            let (consumers, _) = ConsumerStore::open(case.engine(), options).await.unwrap();
            let found = consumers.with_consumers(|all| all.state(22).cloned()).unwrap();
            assert_eq!((found.delivered, found.ack_floor), (state.delivered, state.ack_floor));
            let is_plain = case.options.borrow().coding.encryption == Encryption::None;
            assert_eq!(case.disk_has(b"aes ftw"), is_plain, "{:?}", case.kind);
        },
    );
}

// go: server/filestore_test.go TestFileStoreConvertToEncryptedDoesNotResurrectXoredCache
#[test]
fn a_store_changes_its_coding_and_keeps_its_messages() {
    const MARKER: &str = "MARKER-PLAINTEXT-PAYLOAD-";
    plain(
        |options| options.block_len = 8192,
        async |case| {
            case.fill(20, "foo", MARKER.repeat(32)).await;
            case.flush().await;
            let codings = [
                ENCRYPTED,
                Coding { compression: Compression::Snappy, encryption: Encryption::ChaCha20Poly1305 },
                Coding { compression: Compression::Snappy, encryption: Encryption::None },
                Coding::default(),
                ENCRYPTED,
            ];
            for (round, coding) in codings.into_iter().enumerate() {
                case.options.borrow_mut().coding = coding;
                case.survives().await;
                case.settle().await;
                let count = 20 + round as u64;
                for seq in 1..=count {
                    assert_eq!(case.get(seq).await.unwrap().payload.len(), MARKER.len() * 32, "{coding:?}");
                }
                case.put("foo", MARKER.repeat(32)).await;
                case.settle().await;
                case.survives().await;
                if coding.encryption != Encryption::None {
                    for path in case.files() {
                        let content = case.disk().contents(&path).unwrap();
                        let is_plain =
                            content.windows(MARKER.len()).any(|window| window == MARKER.as_bytes());
                        assert!(!is_plain, "{path} with {coding:?}");
                    }
                }
            }
        },
    );
}

#[test]
fn an_encrypted_store_shows_nothing() {
    for encryption in [Encryption::Aes256Gcm, Encryption::ChaCha20Poly1305] {
        let kind = Kind::Disk(Coding { compression: Compression::None, encryption });
        run(kind, |options| options.block_len = 4 << 10, &async |case: &super::case::Case| {
            for n in 0..50 {
                case.put("a.telling.subject", format!("a telling payload {n}")).await;
            }
            case.flush().await;
            assert!(!case.disk_has(b"a.telling.subject") && !case.disk_has(b"a telling payload"));
            case.survives().await;
            case.settle().await;
            assert!(!case.disk_has(b"a.telling.subject") && !case.disk_has(b"a telling payload"));
            assert_eq!(&case.get(50).await.unwrap().payload[..], b"a telling payload 49");
        });
    }
}

#[test]
fn a_block_whose_writer_was_interrupted_is_read_whole_only_once() {
    run(Kind::Disk(ENCRYPTED), |options| options.block_len = 4 << 10, &async |case: &super::case::Case| {
        case.fill(100, "foo", [1; 200]).await;
        case.crash().await;
        assert!(case.recovery().scanned > 1);
        case.settle().await;
        case.restart().await;
        // Only the last one has no footer.
        assert!(case.recovery().scanned <= 1, "{}", case.recovery().scanned);
        assert_eq!(case.ends().await, (100, 1, 100));
        assert!(case.has(1).await && case.has(100).await);
    });
}

// go: server/filestore_test.go TestFileStoreReadCache
#[test]
fn what_was_read_once_is_not_read_again() {
    on_disk(
        |_| {},
        async |case| {
            case.fill(500, "foo.bar", [0; 1024]).await;
            case.new_block().await;
            case.settle().await;
            case.restart().await;
            case.settle().await;
            let read_all = async || {
                let before = case.disk().operations();
                let mut cursor = crate::store::read::Cursor::default();
                for seq in (1..=500).chain((1..=500).rev()) {
                    let read = case.store().get_with(&mut cursor, seq).await.unwrap();
                    assert_eq!(read.is_some(), seq != 2 || case.state().await.messages == 500);
                }
                case.disk().operations() - before
            };
            let first = read_all().await;
            assert!(first > 0 && first < 200, "{first} operations for 1,000 messages");
            assert_eq!(read_all().await, 0);
            assert!(case.remove(2).await);
            case.settle().await;
            assert_eq!(read_all().await, 0);
        },
    );
}
