//! Purges: of all, of a subject, below a sequence, all but a few.

use super::case::{both, everywhere, on_disk};
use crate::store::StoreError;

// go: server/filestore_test.go TestFileStorePurge
// go: server/memstore_test.go TestMemStorePurge
#[test]
fn a_purge_leaves_one_empty_block() {
    everywhere(
        |options| options.block_len = 64 << 10,
        async |case| {
            let size = case.size("foo", 0, 8 << 10);
            let mut last = 0;
            for _ in 0..2 {
                case.fill(256, "foo", [0; 8 << 10]).await;
                last += 256;
                let state = case.state().await;
                assert_eq!((state.messages, state.bytes), (256, 256 * size));
                assert!(case.blocks() > 20);
                case.purge_all().await;
                assert_eq!(case.blocks(), 1);
                let state = case.state().await;
                assert_eq!((state.messages, state.bytes), (0, 0));
                assert_eq!((state.first_seq, state.last_seq), (last + 1, last));
                case.survives().await;
                case.settle().await;
                if case.is_on_disk() {
                    assert!(case.files().len() <= 3, "{:?}", case.files());
                }
            }
        },
    );
}

// go: server/filestore_test.go TestFileStoreEncryptedPurgeRecoveryAfterKeyRename
#[test]
fn a_purge_that_did_not_come_to_the_disk_takes_nothing() {
    on_disk(
        |options| options.block_len = 64 << 10,
        async |case| {
            case.fill(100, "foo", [0; 8 << 10]).await;
            case.flush().await;
            case.settle().await;
            let before = case.state().await;
            // The machine goes off with the first thing the purge does.
            case.disk().crash_after(0);
            case.purge_all().await;
            for _ in 0..100 {
                futures_lite::future::yield_now().await;
            }
            assert!(case.disk().is_stopped());
            case.power_loss().await;
            case.start().await;
            let state = case.state().await;
            assert_eq!(state, before);
            assert!(case.store().lost().is_empty());
            assert!(case.has(1).await && case.has(100).await);
        },
    );
}

// go: server/memstore_test.go TestMemStorePurgeExWithSubject
// go: server/filestore_test.go TestFileStorePurgeExWithSubject
#[test]
fn one_subject_goes_and_the_others_stay() {
    everywhere(
        |options| options.block_len = 1000,
        async |case| {
            case.put("foo.0", [0; 20]).await;
            case.fill(200, "foo.1", [0; 20]).await;
            case.put("foo.2", "xxxxxx").await;
            assert_eq!(case.purge("foo.1", 0, 0).await, 200);
            assert_eq!(case.ends().await, (2, 1, 202));
            case.survives().await;
            assert_eq!(case.purge("foo.*", 0, 0).await, 2);
            assert_eq!(case.state().await.messages, 0);
        },
    );
}

// go: server/filestore_test.go TestFileStorePurgeExNoTombsOnBlockRemoval
#[test]
fn a_purge_of_whole_blocks_leaves_the_rest_where_it_is() {
    everywhere(
        |options| options.block_len = 1000,
        async |case| {
            case.fill(100, "foo.1", [0; 20]).await;
            case.put("foo.2", [0; 20]).await;
            assert!(case.blocks() >= 6);
            assert_eq!(case.purge("foo.1", 0, 0).await, 100);
            assert_eq!(case.ends().await, (1, 101, 101));
            assert_eq!(case.blocks(), 1);
            case.survives().await;
            assert_eq!(case.ends().await, (1, 101, 101));
        },
    );
}

// go: server/filestore_test.go TestFileStorePurgeExKeepOneBug
#[test]
fn of_a_subject_in_many_blocks_the_newest_is_kept() {
    everywhere(
        |options| options.block_len = 128,
        async |case| {
            let fill = "X".repeat(128);
            for _ in 0..2 {
                case.put("A", "META").await;
                case.put("B", &fill).await;
            }
            assert_eq!(case.matching("A", 1).await.0, 2);
            assert_eq!(case.purge("A", 0, 1).await, 1);
            assert_eq!(case.matching("A", 1).await, (1, 3, 3));
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreKeepWithDeletedMsgsBug
#[test]
fn what_is_kept_are_messages_and_not_sequences() {
    everywhere(
        |_| {},
        async |case| {
            for _ in 0..5 {
                case.put("A", "A".repeat(19)).await;
                case.put("B", "A".repeat(19)).await;
            }
            assert_eq!(case.purge("A", 0, 0).await, 5);
            assert_eq!(case.purge("", 0, 2).await, 3);
            assert_eq!(case.ends().await, (2, 8, 10));
            case.survives().await;
        },
    );
}

// go: server/store_test.go TestStorePurgeExKeepWithInteriorDeletes
#[test]
fn the_newest_few_are_kept_among_deletes() {
    both(
        |_| {},
        async |case| {
            case.fill(50, "foo", "").await;
            case.remove_all((2..=50).step_by(2)).await;
            assert_eq!(case.ends().await, (25, 1, 50));
            assert_eq!(case.purge("", 0, 5).await, 20);
            assert_eq!(case.ends().await, (5, 41, 50));
            case.survives().await;
        },
    );
}

// go: server/store_test.go TestStorePurgeExZero
#[test]
fn a_purge_of_nothing_is_no_error() {
    both(
        |_| {},
        async |case| {
            assert_eq!(case.purge_all().await, 0);
            assert_eq!(case.ends().await, (0, 1, 0));
            assert_eq!(case.purge("", 0, 0).await, 0);
            assert_eq!(case.ends().await, (0, 1, 0));
            case.survives().await;
        },
    );
}

// go: server/store_test.go TestStorePurgeExSequenceOne
#[test]
fn nothing_is_below_the_first_sequence() {
    everywhere(
        |_| {},
        async |case| {
            for _ in 0..5 {
                case.put("foo", "").await;
                case.put("bar", "").await;
            }
            for (subject, keep) in [("", 0), (">", 0), ("foo", 0), ("", 3), ("foo", 3)] {
                assert_eq!(case.purge(subject, 1, keep).await, 0);
                assert_eq!(case.ends().await, (10, 1, 10));
            }
        },
    );
}

// go: server/memstore_test.go TestMemStorePurgeExWithDeletedMsgs
#[test]
fn a_purge_goes_past_what_is_deleted_at_its_end() {
    everywhere(
        |_| {},
        async |case| {
            case.fill(10, "foo", "abc").await;
            case.remove_all([2, 9]).await;
            assert_eq!(case.purge("", 9, 0).await, 7);
            assert_eq!(case.ends().await, (1, 10, 10));
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreWriteFullStateAfterPurgeEx
#[test]
fn a_purge_up_to_what_is_deleted_empties_the_store() {
    everywhere(
        |_| {},
        async |case| {
            for n in 1..=10 {
                case.put(&format!("foo.{n}"), "abc").await;
            }
            case.remove_all([8, 9, 10]).await;
            assert_eq!(case.purge(">", 8, 0).await, 7);
            assert_eq!(case.ends().await, (0, 11, 10));
            case.survives().await;
        },
    );
}

// go: server/memstore_test.go TestMemStorePurgeLeaksDmap
#[test]
fn a_purge_takes_the_deletes_along() {
    everywhere(
        |_| {},
        async |case| {
            case.fill(10, "foo", "").await;
            case.remove_all(2..=9).await;
            assert_eq!(case.deleted().len(), 8);
            assert_eq!(case.purge_all().await, 2);
            assert_eq!(case.deleted(), [0_u64; 0]);
        },
    );
}

// go: server/filestore_test.go TestFileStoreFullStatePurge
// go: server/filestore_test.go TestFileStoreFullStatePurgeFullRecovery
#[test]
fn purges_of_all_kinds_survive_one_after_another() {
    everywhere(
        |options| options.block_len = 132,
        async |case| {
            let payload = "A".repeat(19);
            case.fill(10, "A", &payload).await;
            assert_eq!(case.purge_all().await, 10);
            case.survives().await;
            for _ in 0..5 {
                case.put("B", &payload).await;
                case.put("C", &payload).await;
            }
            assert_eq!(case.purge("B", 0, 0).await, 5);
            case.survives().await;
            assert_eq!(case.purge("", 0, 2).await, 3);
            assert_eq!(case.ends().await, (2, 18, 20));
            case.survives().await;
            assert_eq!(case.purge_all().await, 2);
            assert_eq!(case.ends().await, (0, 21, 20));
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStorePurgeExBufPool
// go: server/norace_2_test.go TestNoRaceFileStorePurgeExAsyncTombstones
// go: server/filestore_test.go TestFileStoreFSSMeta
#[test]
fn a_purge_of_a_subject_in_every_block_is_one_commit() {
    everywhere(
        |options| options.block_len = 1024,
        async |case| {
            for _ in 0..250 {
                case.put("foo.foo", "ABC".repeat(33)).await;
                case.put("foo.bar", "ABC".repeat(33)).await;
            }
            case.settle().await;
            case.restart().await;
            let before = case.store().0.commits.latest();
            assert_eq!(case.purge("foo.bar", 0, 0).await, 250);
            // Not one for each message.
            assert!(case.store().0.commits.latest() <= before + 3);
            assert_eq!(case.ends().await, (250, 1, 500));
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreDontLoadSubjectStateIfNotPurged
// go: server/filestore_test.go TestFileStoreOnlyLoadSubjectStateOnBlocksWithinInterestRange
#[test]
fn a_purge_reads_only_the_blocks_that_have_the_subject() {
    on_disk(
        |_| {},
        async |case| {
            case.put("foo", "").await;
            case.new_block().await;
            case.put("bar", "").await;
            case.new_block().await;
            case.settle().await;
            case.restart().await;
            case.settle().await;
            let before = case.disk().operations();
            assert_eq!(case.purge("nobody", 0, 0).await, 0);
            assert_eq!(case.disk().operations(), before, "a subject that is not there costs nothing");
            // The block of the other subject cannot be read, and need not be.
            let first = case.files().remove(0);
            let len = case.disk().contents(&first).unwrap().len() as u64;
            case.disk().zero(&first, 8192, len - 8192);
            assert_eq!(case.purge("bar", 0, 0).await, 1);
            assert_eq!(case.ends().await, (1, 1, 2));
            assert!(matches!(case.store().get(1).await, Err(StoreError::Damaged { seq: 1 })));
        },
    );
}
