//! What cannot be read or written at some moment costs no more than that.

use super::case::{Case, everywhere, on_disk, plain};
use crate::disk::{Cause, Operation};
use crate::store::StoreError;

fn is_damaged<T>(read: &Result<T, StoreError>) -> bool {
    matches!(read, Err(StoreError::Damaged { .. }))
}

async fn cold_with_two_blocks(case: &Case) -> String {
    for seq in 1..=5 {
        case.put("foo", format!("message {seq}")).await;
        // Each in a frame of its own.
        case.flush().await;
    }
    case.new_block().await;
    case.put("foo", "message 6").await;
    case.settle().await;
    case.restart().await;
    case.settle().await;
    case.files().remove(0)
}

// go: server/filestore_test.go TestFileStoreIndexCacheBufIdxMismatch
#[test]
fn a_file_that_is_cut_under_a_running_store_is_damage_and_no_panic() {
    for keep in [0, 1] {
        on_disk(
            |_| {},
            async |case| {
                let file = cold_with_two_blocks(case).await;
                let len = case.disk().contents(&file).unwrap().len() as u64;
                // To nothing behind the head, or to the first messages.
                let cut = if keep == 0 { 8192 } else { 8192 + 250 };
                case.disk().zero(&file, cut, len - cut);
                let mut read = Vec::new();
                for seq in 1..=5 {
                    let message = case.store().get(seq).await;
                    if let Ok(Some(message)) = &message {
                        assert_eq!(&message.payload[..], format!("message {seq}").as_bytes());
                        read.push(seq);
                    } else {
                        assert!(is_damaged(&message), "message {seq}");
                    }
                }
                assert!(
                    if keep == 0 { read.is_empty() } else { !read.is_empty() && read.len() < 5 },
                    "{read:?}"
                );
                assert_eq!(&case.get(6).await.unwrap().payload[..], b"message 6");
            },
        );
    }
}

// go: server/filestore_test.go TestFileStoreIndexCacheBufTombstoneMismatch
// go: server/filestore_test.go TestFileStoreIndexCacheBufTombstoneMismatchAfterCompact
// go: server/filestore_test.go TestFileStoreIndexCacheBufEraseMsgMismatch
#[test]
fn a_delete_in_a_block_hides_no_neighbour() {
    for erase in [false, true] {
        everywhere(
            |_| {},
            async |case| {
                for n in 1..=3 {
                    case.put("foo", format!("{n}")).await;
                }
                assert!(if erase { case.erase(2).await } else { case.remove(2).await });
                case.survives().await;
                case.settle().await;
                assert_eq!((case.ends().await, case.deleted()), ((2, 1, 3), vec![2]));
                assert_eq!(&case.get(1).await.unwrap().payload[..], b"1");
                assert_eq!(case.get(2).await, None);
                assert_eq!(&case.get(3).await.unwrap().payload[..], b"3");
            },
        );
    }
}

// go: server/filestore_test.go TestFileStoreSetWriteErrIgnoresReadErrors
// go: server/filestore_test.go TestFileStoreMsgBlockWErrNotSetOnReadErrors
#[test]
fn what_cannot_be_read_stops_no_writes() {
    on_disk(
        |_| {},
        async |case| {
            let file = cold_with_two_blocks(case).await;
            let len = case.disk().contents(&file).unwrap().len() as u64;
            case.disk().zero(&file, 8192, len - 8192);
            assert!(is_damaged(&case.store().get(1).await));
            assert_eq!(case.put("foo", "world").await, 7);
            case.flush().await;
            assert_eq!(case.put("foo", "again").await, 8);
            case.flush().await;
            // A write that fails does.
            case.disk().fail_next(Operation::Sync, "log", Cause::Io(5));
            let appended = case.try_put("foo", "lost").await.unwrap();
            assert!(matches!(case.store().committed(appended.commit).await, Err(StoreError::Failed(_))));
            assert!(matches!(case.try_put("foo", "refused").await, Err(StoreError::Failed(_))));
        },
    );
}

// go: server/filestore_test.go TestFileStoreGeneratePerSubjectInfoFssNilOnError
#[test]
fn a_read_that_failed_is_tried_again() {
    on_disk(
        |_| {},
        async |case| {
            let file = cold_with_two_blocks(case).await;
            case.disk().fail_next(Operation::Read, &file, Cause::Io(5));
            assert!(matches!(case.store().get(1).await, Err(StoreError::Disk(_))));
            assert_eq!(&case.get(1).await.unwrap().payload[..], b"message 1");
            assert!(case.remove(2).await);
            assert_eq!(case.subject("foo").await, (5, 1, 6));
        },
    );
}

// go: server/filestore_test.go TestFileStoreEraseMsgErr
#[test]
fn an_erase_that_fails_leaves_a_deleted_message() {
    plain(
        |_| {},
        async |case| {
            let file = cold_with_two_blocks(case).await;
            // The index is there; what fails is to read the messages that stay, to write the block without the erased one.
            assert_eq!(case.pending("foo", 3).await, 4);
            case.disk().fail_next(Operation::Read, &file, Cause::Io(5));
            assert!(case.store().erase(2).await.unwrap());
            case.settle().await;
            assert!(case.disk().files().contains(&file), "the block is as it was");
            assert_eq!(case.get(2).await, None);
            assert_eq!(case.ends().await, (5, 1, 6));
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreSyncBlocksNoErrorOnConcurrentRemovedBlock
// go: server/filestore_test.go TestFileStoreSyncBlocksSyncsCompaction
#[test]
fn a_block_may_go_while_it_is_rewritten() {
    on_disk(
        |options| options.block_len = 256 << 10,
        async |case| {
            for steps in [1, 5, 20, 60] {
                case.fill(500, "foo", [1; 400]).await;
                let last = case.state().await.last_seq;
                case.new_block().await;
                case.put("bar", "stays").await;
                case.settle().await;
                case.remove_all(last - 499..last - 9).await;
                case.flush().await;
                // The rewrite is on its way.
                for _ in 0..steps {
                    futures_lite::future::yield_now().await;
                }
                assert_eq!(case.purge("foo", 0, 0).await, 10);
                case.settle().await;
                case.put("bar", "stays").await;
                case.survives().await;
                assert!(case.store().lost().is_empty());
            }
            assert_eq!(case.state().await.messages, 8);
        },
    );
}

// go: server/filestore_test.go TestFileStorePurgeMsgBlock
// go: server/filestore_test.go TestFileStorePurgeMsgBlockUpdatesSubjects
#[test]
fn a_whole_block_goes_with_its_bytes_and_subjects() {
    everywhere(
        |_| {},
        async |case| {
            let size = case.size("foo", 0, 0);
            case.fill(10, "foo", "").await;
            case.new_block().await;
            case.fill(10, "foo", "").await;
            assert_eq!((case.blocks(), case.ends().await), (2, (20, 1, 20)));
            assert_eq!(case.state().await.bytes, 20 * size);
            assert_eq!(case.store().remove_range(1, 10).await.unwrap().0, 10);
            assert_eq!((case.blocks(), case.ends().await), (1, (10, 11, 20)));
            assert_eq!(case.state().await.bytes, 10 * size);
            assert_eq!(case.subject("foo").await, (10, 11, 20));
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestJetStreamFileStoreSubjectsRemovedAfterSecureErase
#[test]
fn the_subject_of_an_erased_message_is_gone() {
    everywhere(
        |_| {},
        async |case| {
            for n in 1..=3 {
                case.put(&format!("test.{n}"), format!("msg{n}")).await;
            }
            assert_eq!(case.state().await.subjects, 3);
            assert!(case.erase(1).await);
            assert_eq!(case.state().await.subjects, 2);
            let names: Vec<String> = case.subject_names().into_iter().collect();
            assert_eq!(names, ["test.2", "test.3"]);
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreCorruptPSIMOnDisk
// go: server/filestore_test.go TestFileStoreMsgBlockFirstAndLastSeqCorrupt
// go: server/filestore_test.go TestFileStoreCacheLookupOnEmptyBlock
#[test]
fn subjects_and_ends_follow_from_the_messages_and_nothing_else() {
    on_disk(
        |_| {},
        async |case| {
            assert_eq!(case.get(1).await, None);
            case.put("foo.bar", "ABC").await;
            case.put("foo.baz", "XYZ").await;
            // Nothing but the blocks is kept, so nothing can contradict them.
            case.survives().await;
            for (subject, seq, payload) in [("foo.bar", 1, "ABC"), ("foo.baz", 2, "XYZ")] {
                assert_eq!(case.last_of(subject).await, Some(seq));
                assert_eq!(&case.get(seq).await.unwrap().payload[..], payload.as_bytes());
            }
            case.fill(8, "foo.x", "abc").await;
            case.purge_all().await;
            assert_eq!(case.get(9).await, None);
            case.survives().await;
            assert_eq!(case.ends().await, (0, 11, 10));
            assert_eq!(case.get(11).await, None);
        },
    );
}
