//! Messages go in, are counted, come out, and are there again.

use std::path::Path;

use super::case::{both, everywhere, on_disk, plain};
use crate::disk::{Disk, Open};
use crate::message::NewMessage;
use crate::store::StoreError;

// go: server/filestore_test.go TestFileStoreBasics
// go: server/memstore_test.go TestMemStoreBasics
#[test]
fn messages_are_numbered_counted_read_and_removed() {
    everywhere(
        |_| {},
        async |case| {
            for seq in 1..=5 {
                let appended = case.try_put("foo", "Hello World").await.unwrap();
                assert_eq!((appended.seq, appended.timestamp), (seq, case.now()));
            }
            let state = case.state().await;
            assert_eq!((state.messages, state.bytes), (5, 5 * case.size("foo", 0, 11)));
            let read = case.get(2).await.unwrap();
            assert_eq!((&read.subject[..], &read.payload[..]), (&b"foo"[..], &b"Hello World"[..]));
            assert!(case.has(3).await);
            for (seq, left) in [(1, 4), (5, 3), (3, 2)] {
                assert!(case.remove(seq).await);
                assert_eq!(case.state().await.messages, left);
            }
        },
    );
}

// go: server/filestore_test.go TestFileStoreMsgHeaders
// go: server/memstore_test.go TestMemStoreMsgHeaders
#[test]
fn headers_count_and_come_back() {
    everywhere(
        |_| {},
        async |case| {
            let expected = if case.is_on_disk() { 22 + 3 + 4 + 10 + 11 + 8 } else { 3 + 10 + 11 + 16 };
            assert_eq!(case.size("foo", 10, 11), expected);
            case.put_with(&NewMessage { headers: b"name:derek", ..case.message("foo", b"Hello World") })
                .await;
            assert_eq!(case.state().await.bytes, expected);
            let read = case.get(1).await.unwrap();
            assert_eq!((&read.headers[..], &read.payload[..]), (&b"name:derek"[..], &b"Hello World"[..]));
            assert!(case.erase(1).await);
        },
    );
}

// go: server/filestore_test.go TestFileStoreBasicWriteMsgsAndRestore
#[test]
fn what_was_written_is_there_after_each_restart() {
    on_disk(
        |_| {},
        async |case| {
            let write = async |from: u64, to: u64| {
                for n in from..=to {
                    assert_eq!(case.put("foo", format!("[{n:08}] Hello World!")).await, n);
                }
            };
            let size = case.size("foo", 0, "[00000022] Hello World!".len());
            write(1, 100).await;
            let counts = async || {
                let state = case.state().await;
                (state.messages, state.bytes)
            };
            assert_eq!(counts().await, (100, 100 * size));
            case.stop().await;
            assert!(matches!(case.try_put("foo", "no work").await, Err(StoreError::Closed)));
            case.start().await;
            assert_eq!(counts().await, (100, 100 * size));
            write(101, 200).await;
            assert_eq!(counts().await, (200, 200 * size));
            case.restart().await;
            assert_eq!(counts().await, (200, 200 * size));
            case.purge_all().await;
            case.restart().await;
            assert_eq!(counts().await, (0, 0));
            let seq = case.put("foo", "Hello").await;
            assert!(case.remove(seq).await);
            case.restart().await;
            assert_eq!(case.state().await.first_seq, seq + 1);
        },
    );
}

// go: server/filestore_test.go TestFileStoreTimeStamps
// go: server/memstore_test.go TestMemStoreTimeStamps
#[test]
fn each_message_keeps_its_time() {
    everywhere(
        |_| {},
        async |case| {
            let mut last = case.now();
            case.fill(10, "foo", "Hello World").await;
            for seq in 1..=10 {
                let timestamp = case.get(seq).await.unwrap().timestamp;
                assert!(timestamp > last, "message {seq}");
                last = timestamp;
            }
        },
    );
}

// go: server/filestore_test.go TestFileStoreWriteAndReadSameBlock
#[test]
fn a_message_is_read_as_soon_as_it_is_written() {
    everywhere(
        |_| {},
        async |case| {
            for seq in 1..=10 {
                case.put("foo", "Hello World!").await;
                assert!(case.has(seq).await, "message {seq}");
            }
        },
    );
}

// go: server/filestore_test.go TestFileStoreAndRetrieveMultiBlock
#[test]
fn messages_of_many_blocks_are_read_after_a_restart() {
    everywhere(
        |options| options.block_len = 160,
        async |case| {
            case.fill(20, "foo", "Hello World!").await;
            assert_eq!(case.state().await.messages, 20);
            assert!(case.blocks() > 4);
            case.restart().await;
            for seq in 1..=20 {
                assert_eq!(&case.get(seq).await.unwrap().payload[..], b"Hello World!");
            }
        },
    );
}

// go: server/filestore_test.go TestFileStoreWriteExpireWrite
// go: server/filestore_test.go TestFileStorePartialCacheExpiration
#[test]
fn what_is_not_in_memory_any_more_is_read_beside_what_is() {
    everywhere(
        |_| {},
        async |case| {
            case.fill(10, "zzz", "Hello World!").await;
            // Nothing of these is cached behind a restart.
            case.restart().await;
            case.fill(10, "zzz", "Hello World! - 22").await;
            assert_eq!(case.state().await.messages, 20);
            let check = async || {
                for seq in 1..=20 {
                    let read = case.get(seq).await.unwrap();
                    let expected = if seq <= 10 { "Hello World!" } else { "Hello World! - 22" };
                    assert_eq!((&read.subject[..], &read.payload[..]), (&b"zzz"[..], expected.as_bytes()));
                }
            };
            check().await;
            case.restart().await;
            assert_eq!(case.state().await.messages, 20);
            check().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreInitialFirstSeq
// go: server/memstore_test.go TestMemStoreInitialFirstSeq
#[test]
fn a_store_begins_where_it_is_told_to() {
    everywhere(
        |options| options.first_seq = 1000,
        async |case| {
            assert_eq!(case.put("A", "OK").await, 1000);
            assert_eq!(case.put("B", "OK").await, 1001);
            assert_eq!(case.ends().await, (2, 1000, 1001));
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreSubjectForSeq
// go: server/memstore_test.go TestMemStoreSubjectForSeq
#[test]
fn a_sequence_names_its_subject() {
    everywhere(
        |_| {},
        async |case| {
            assert_eq!(case.put("foo.bar", "").await, 1);
            assert_eq!(case.get(0).await, None);
            assert_eq!(&case.get(1).await.unwrap().subject[..], b"foo.bar");
            assert_eq!(case.get(2).await, None);
        },
    );
}

// go: server/filestore_test.go TestFileStoreSubjectForSeqAliasRace
#[test]
fn a_message_stays_what_it_is_while_others_push_it_out_of_the_cache() {
    plain(
        |options| options.block_len = 1024,
        async |case| {
            let subject = |seq: u64| format!("foo.seq-{seq:05}-{}", "A".repeat(40));
            for seq in 1..=256 {
                case.put(&subject(seq), "payload").await;
            }
            case.restart().await;
            assert!(case.blocks() >= 4);
            let mut held = Vec::new();
            for seq in 1..=256 {
                held.push(case.get(seq).await.unwrap());
                case.store().with(|_| ());
                if seq % 16 == 0 {
                    case.restart().await;
                }
            }
            for message in held {
                assert_eq!(&message.subject[..], subject(message.seq).as_bytes());
            }
        },
    );
}

// go: server/filestore_test.go TestFileStoreStreamDeleteDirNotEmpty
#[test]
fn a_store_is_removed_with_whatever_else_is_in_its_folder() {
    on_disk(
        |_| {},
        async |case| {
            case.fill(10, "foo", "Hello World!").await;
            case.flush().await;
            drop(case.disk().open(Path::new("stream/g"), Open::CreateNew).await.unwrap());
            case.store().delete().await.unwrap();
            assert_eq!(case.disk().list(Path::new("stream")).await.unwrap(), []);
        },
    );
}

// go: server/filestore_test.go TestFileStoreSubjectCorruption
#[test]
fn subjects_are_the_same_after_a_restart() {
    plain(
        |options| options.block_len = 256 << 10,
        async |case| {
            let payloads = ["ABC".repeat(333), "ABC".repeat(888), "ABC".repeat(555)];
            for n in 0..2_000u64 {
                case.put(&format!("foo.{}", n * 7919 % 100 + 1), &payloads[n as usize % 3]).await;
            }
            case.survives().await;
            let names = case.subject_names();
            assert_eq!(names.len(), 100);
            for name in names {
                let number: u32 = name.strip_prefix("foo.").unwrap().parse().unwrap();
                assert!((1..=100).contains(&number));
            }
        },
    );
}

// go: server/filestore_test.go TestFileStoreTrackSubjLenForPSIM
// go: server/filestore_test.go TestFileStoreLargeFullStatePSIM
#[test]
fn the_subjects_there_are_are_those_of_what_is_left() {
    both(
        |options| options.block_len = 8 << 10,
        async |case| {
            let subject =
                |n: u64| (0..n % 6 + 1).map(|i| format!("{:x}", n * 31 + i)).collect::<Vec<_>>().join(".");
            let mut expected = std::collections::BTreeSet::new();
            for n in 0..1000 {
                case.put(&subject(n), "").await;
                expected.insert(subject(n));
            }
            assert_eq!(expected.len(), 1000);
            assert_eq!(case.subject_names(), expected);
            for seq in (1..=1000).step_by(2) {
                let message = case.get(seq).await.unwrap();
                expected.remove(std::str::from_utf8(&message.subject).unwrap());
                assert!(case.remove(seq).await);
            }
            assert_eq!(case.subject_names(), expected);
            case.survives().await;
            assert_eq!(case.subject_names(), expected);
            case.purge_all().await;
            assert!(case.subject_names().is_empty());
            case.survives().await;
        },
    );
}
