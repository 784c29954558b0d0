//! A store comes back from what is on the disk, damaged or not.

use std::path::Path;

use super::case::{Case, everywhere, on_disk, plain};
use crate::disk::sim::Script;
use crate::disk::{Cause, Disk, Open, Operation};
use crate::message::NewMessage;
use crate::store::StoreError;
use crate::store::file::Durability;

async fn create(case: &Case, path: &str) {
    drop(case.disk().open(Path::new(path), Open::CreateNew).await.unwrap());
}

// go: server/filestore_test.go TestFileStoreRecoverOnlyBlkFiles
// go: server/filestore_test.go TestFileStoreLargeFullStateMetaCleanup
#[test]
fn other_files_are_in_nobodys_way() {
    on_disk(
        |_| {},
        async |case| {
            case.put("foo", "").await;
            case.survives().await;
            case.stop().await;
            for name in ["10.blk.random", "10.blk.tmp", "1.idx", "1.fss", "index.db"] {
                create(case, &format!("stream/{name}")).await;
            }
            case.start().await;
            assert_eq!(case.ends().await, (1, 1, 1));
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreFullStateBasics
// go: server/filestore_test.go TestFileStoreFullStateMultiBlockPastWAL
#[test]
fn what_came_after_the_last_close_is_there_after_a_crash() {
    everywhere(
        |options| options.block_len = 110,
        async |case| {
            case.put("A", "A".repeat(19)).await;
            case.put("A", "Z".repeat(19)).await;
            case.restart().await;
            assert_eq!(case.ends().await, (2, 1, 2));
            assert_eq!(&case.get(1).await.unwrap().payload[..], &[b'A'; 19]);
            assert_eq!(&case.get(2).await.unwrap().payload[..], &[b'Z'; 19]);
            for count in 3..=8 {
                case.put("A", "Z".repeat(19)).await;
                case.crash().await;
                let state = case.state().await;
                assert_eq!((state.messages, state.first_seq, state.last_seq), (count, 1, count));
                assert_eq!(state.bytes, count * case.size("A", 0, 19));
                assert!(state.first_timestamp.is_some());
                assert_eq!(case.subject("A").await, (count, 1, count));
            }
        },
    );
}

// go: server/filestore_test.go TestFileStoreFullStateTestUserRemoveWAL
#[test]
fn removals_after_the_last_close_are_there_after_a_crash() {
    everywhere(
        |options| options.block_len = 140,
        async |case| {
            case.put("A", "A".repeat(19)).await;
            case.put("Z", "Z".repeat(19)).await;
            assert!(case.remove(1).await);
            assert_eq!(&case.get(2).await.unwrap().payload[..], &[b'Z'; 19]);
            case.survives().await;
            assert!(case.has(2).await && !case.has(1).await);
            case.put("A", "A".repeat(19)).await;
            case.put("Z", "Z".repeat(19)).await;
            case.remove_all([2, 4]).await;
            assert_eq!(case.ends().await, (1, 3, 4));
            case.crash().await;
            assert_eq!(case.ends().await, (1, 3, 4));
            assert!(case.state().await.first_timestamp.is_some());
            assert!(case.store().lost().is_empty());
        },
    );
}

// go: server/filestore_test.go TestFileStoreFullStateMidBlockPastWAL
#[test]
fn a_block_that_grew_and_lost_one_comes_back_whole() {
    everywhere(
        |options| options.limits.max_messages_per_subject = Some(1),
        async |case| {
            for subject in ["A", "B", "C", "D", "E"] {
                case.put(subject, "Z".repeat(19)).await;
            }
            case.restart().await;
            for subject in ["F", "G", "H", "I", "J"] {
                case.put(subject, "Z".repeat(19)).await;
            }
            assert!(case.remove(2).await);
            let before = case.picture().await;
            case.crash().await;
            case.check_picture(&before, "crash").await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreBitRot
#[test]
fn damage_is_found_and_costs_what_was_damaged() {
    on_disk(
        |_| {},
        async |case| {
            for n in 1..=100 {
                case.put("foo", format!("Hello World {n}")).await;
                // Frames of their own.
                case.flush().await;
            }
            case.new_block().await;
            case.settle().await;
            case.stop().await;
            let file = case.files().remove(0);
            // Behind the two copies of the head: among the first messages.
            case.disk().flip_bit(&file, 8192 + 300, 3);
            case.start().await;
            let mut damaged = Vec::new();
            for seq in 1..=100 {
                match case.store().get(seq).await {
                    Ok(message) => {
                        assert_eq!(&message.unwrap().payload[..], format!("Hello World {seq}").as_bytes())
                    }
                    Err(StoreError::Damaged { seq }) => damaged.push(seq),
                    Err(other) => panic!("{other}"),
                }
            }
            assert!(!damaged.is_empty() && damaged.len() <= 10, "{damaged:?}");
            // What is written meanwhile is not in danger.
            let seq = case.put("foo", "Hello").await;
            case.restart().await;
            assert!(case.has(seq).await);
        },
    );
}

// go: server/filestore_test.go TestFileStoreMsgBlkFailOnKernelFaultLostDataReporting
// go: server/filestore_test.go TestFileStoreRemoveBlockWithStaleStreamState
#[test]
fn a_block_that_is_missing_is_told_of_as_lost() {
    on_disk(
        |options| options.block_len = 4096,
        async |case| {
            case.fill(500, "foo", "Hello World").await;
            case.new_block().await;
            case.settle().await;
            let ends = case.block_ends();
            assert!(ends.len() > 4, "{ends:?}");
            case.stop().await;
            let file = case.files().remove(2);
            case.disk().delete(&file);
            case.start().await;
            let (first, last) = ends[2];
            assert_eq!(case.store().lost().runs().collect::<Vec<_>>(), [(first, last)]);
            assert_eq!(case.recovery().lost.runs().collect::<Vec<_>>(), [(first, last)]);
            let gone = last + 1 - first;
            assert_eq!(case.ends().await, (500 - gone, 1, 500));
            assert_eq!(case.state().await.deleted, gone);
            for (seq, is_lost) in [(first - 1, false), (first, true), (last, true), (last + 1, false)] {
                let read = case.store().get(seq).await;
                assert_eq!(matches!(read, Err(StoreError::Damaged { .. })), is_lost, "message {seq}");
            }
            // Others can still be written.
            assert_eq!(case.put("foo", "Hello World").await, 501);
        },
    );
}

// go: server/filestore_test.go TestFileStoreRemoveMsgBlockFirst
#[test]
fn without_any_file_a_store_is_empty() {
    on_disk(
        |_| {},
        async |case| {
            case.put("test", "").await;
            assert_eq!(case.ends().await, (1, 1, 1));
            case.stop().await;
            for file in case.files() {
                case.disk().delete(&file);
            }
            case.start().await;
            assert_eq!(case.ends().await, (0, 1, 0));
            assert_eq!(case.put("test", "").await, 1);
        },
    );
}

// go: server/filestore_test.go TestFileStoreOutOfSpaceRebuildState
#[test]
fn a_write_that_fails_takes_nothing_that_was_there() {
    on_disk(
        |_| {},
        async |case| {
            case.put("foo", "A").await;
            case.put("bar", "B").await;
            case.flush().await;
            case.settle().await;
            let before = case.picture().await;
            case.disk().play(Script {
                operation: Operation::Write,
                path_has: String::new(),
                skip: 0,
                times: 1000,
                cause: Cause::NoSpace,
            });
            let appended = case.try_put("baz", "C").await.unwrap();
            assert!(matches!(case.store().committed(appended.commit).await, Err(StoreError::Failed(_))));
            assert!(matches!(case.try_put("baz", "C").await, Err(StoreError::Failed(_))));
            // What was durable is read on.
            assert_eq!(&case.get(1).await.unwrap().payload[..], b"A");
            assert!(matches!(case.store().get(3).await, Err(StoreError::Failed(_))));
            case.power_loss().await;
            case.start().await;
            case.check_picture(&before, "failed write").await;
            assert_eq!(case.put("baz", "C").await, 3);
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreWriteFailures
#[test]
fn a_full_disk_keeps_what_was_acknowledged() {
    on_disk(
        |options| options.block_len = 64 << 10,
        async |case| {
            case.put("foo", "Hello Write Failures!").await;
            case.flush().await;
            case.settle().await;
            case.disk().set_capacity(Some(8 << 20));
            let mut acknowledged = 1;
            let error = loop {
                let appended = match case.try_put("foo", [7; 4096]).await {
                    Ok(appended) => appended,
                    Err(error) => break error,
                };
                match case.store().committed(appended.commit).await {
                    Ok(()) => acknowledged = appended.seq,
                    Err(error) => break error,
                }
                assert!(acknowledged < 4_000, "the disk is never full");
            };
            assert!(matches!(error, StoreError::Failed(_)), "{error}");
            assert!(acknowledged > 50);
            assert_eq!(&case.get(1).await.unwrap().payload[..], b"Hello Write Failures!");
            case.disk().set_capacity(None);
            case.power_loss().await;
            case.start().await;
            let (messages, first, last) = case.ends().await;
            assert!(last >= acknowledged && messages == last && first == 1);
            for seq in 1..=acknowledged {
                assert!(case.has(seq).await, "message {seq}");
            }
            assert_eq!(case.put("foo", "more").await, last + 1);
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreStoreRawMessageThrowsPermissionErrorIfFSModeReadOnly
#[test]
fn a_disk_that_may_not_be_written_refuses() {
    on_disk(
        |options| options.block_len = 1024,
        async |case| {
            case.put("ev.1", "Z").await;
            case.flush().await;
            case.settle().await;
            case.disk().set_read_only(true);
            let appended = case.try_put("ev.1", [b'Z'; 1024]).await.unwrap();
            let error = case.store().committed(appended.commit).await.unwrap_err();
            assert!(matches!(error, StoreError::Failed(_)), "{error}");
            assert!(case.try_put("ev.1", "Z").await.is_err());
            assert!(case.has(1).await);
        },
    );
}

// go: server/filestore_test.go TestFileStoreTrailingSkipMsgsFromStreamStateFile
#[test]
fn the_end_of_the_last_block_that_is_gone_is_not_invented() {
    plain(
        |_| {},
        async |case| {
            for n in 1..=10 {
                case.put("foo", format!("{n}")).await;
                case.flush().await;
            }
            case.new_block().await;
            case.settle().await;
            case.stop().await;
            // A later block says that 10 sequences were given; of the first one the second half goes.
            let file = case.files().remove(0);
            let len = case.disk().contents(&file).unwrap().len() as u64;
            case.disk().zero(&file, 8192 + 400, len - 8192 - 400);
            case.start().await;
            let (messages, first, last) = case.ends().await;
            assert_eq!((first, last), (1, 10));
            assert!(messages > 0 && messages < 10, "{messages}");
            for seq in 1..=10 {
                let read = case.store().get(seq).await;
                if seq <= messages {
                    assert_eq!(&read.unwrap().unwrap().payload[..], format!("{seq}").as_bytes());
                } else {
                    assert!(matches!(read, Err(StoreError::Damaged { .. })), "message {seq}");
                }
            }
            assert_eq!(case.store().lost().len(), 10 - messages);
            assert_eq!(case.put("foo", "11").await, 11);
        },
    );
}

// go: server/filestore_test.go TestFileStoreMsgBlockHolesAndIndexing
#[test]
fn a_block_with_holes_is_read_and_recovered() {
    everywhere(
        |_| {},
        async |case| {
            case.skip(1).await;
            for (subject, skip) in [("A", 1), ("B", 7), ("C", 0)] {
                case.put(subject, subject).await;
                case.skip(skip).await;
            }
            let check = async || {
                for (seq, subject) in [(2, "A"), (4, "B"), (12, "C")] {
                    let read = case.get(seq).await.unwrap();
                    assert_eq!(
                        (&read.subject[..], &read.payload[..]),
                        (subject.as_bytes(), subject.as_bytes())
                    );
                }
                for seq in [1, 3, 5, 6, 7, 8, 9, 10, 11, 13] {
                    assert!(!case.has(seq).await, "message {seq}");
                }
                assert_eq!(case.ends().await, (3, 2, 12));
                assert_eq!(case.deleted(), [3, 5, 6, 7, 8, 9, 10, 11]);
            };
            check().await;
            case.survives().await;
            check().await;
        },
    );
}

/// The length of all block files.
fn used(case: &Case) -> usize {
    case.files().iter().map(|path| case.disk().contents(path).unwrap().len()).sum()
}

// go: server/filestore_test.go TestFileStoreSparseCompaction
// go: server/filestore_test.go TestFileStoreSparseCompactionWithInteriorDeletes
// go: server/filestore_test.go TestFileStoreMsgBlockCompactionAndHoles
// go: server/filestore_test.go TestFileStoreCompactingBlocksOnSync
// go: server/filestore_test.go TestFileStoreMsgBlockShouldCompact
// go: server/filestore_test.go TestFileStoreInlineCompactionSync
// go: server/filestore_test.go TestFileStoreMissingDeletesAfterCompact
// go: server/filestore_test.go TestFileStoreDmapBlockRecoverAfterCompact
// go: server/filestore_test.go TestFileStoreRebuildStateDmapAccountingBug
#[test]
fn a_block_that_is_mostly_deleted_is_rewritten_and_tells_the_same() {
    on_disk(
        |options| options.block_len = 1 << 20,
        async |case| {
            let payload = |seq: u64| format!("{seq:08}-{}", "ABC".repeat(33));
            for seq in 1..=1000 {
                case.put(&format!("kv.{}", seq % 10), payload(seq)).await;
            }
            case.new_block().await;
            case.put("kv.0", "last").await;
            case.settle().await;
            let before = used(case);
            let left = |seq: u64| seq == 2 || seq == 5 || seq % 10 == 7 || seq == 1001;
            case.remove_all((1..=1000).filter(|&seq| !left(seq))).await;
            case.settle().await;
            let generation = case.store().with(|ledger| ledger.blocks[0].generation);
            assert!(generation > 0, "the block was not rewritten");
            assert!(used(case) < before, "{} of {before}", used(case));
            let check = async || {
                assert_eq!(case.ends().await, (103, 2, 1001));
                let expected: Vec<u64> = (2..=1001).filter(|&seq| !left(seq)).collect();
                assert_eq!(case.deleted(), expected);
                for seq in 1..=1000 {
                    let read = case.get(seq).await;
                    match left(seq) {
                        true => assert_eq!(&read.unwrap().payload[..], payload(seq).as_bytes()),
                        false => assert_eq!(read, None, "message {seq}"),
                    }
                }
            };
            check().await;
            case.survives().await;
            check().await;
            assert!(case.remove(2).await);
            case.survives().await;
            assert_eq!(case.ends().await, (102, 5, 1001));
        },
    );
}

// go: server/filestore_test.go TestFileStoreCompactRestoresLastSeq
#[test]
fn a_rewritten_block_keeps_its_ends_and_times() {
    plain(
        |_| {},
        async |case| {
            case.fill(400, "foo", [1; 500]).await;
            let time = case.get(250).await.unwrap().timestamp;
            case.new_block().await;
            case.settle().await;
            case.remove_all((1..=100).chain(150..=249).chain(251..=400)).await;
            case.settle().await;
            assert!(case.store().with(|ledger| ledger.blocks[0].generation) > 0);
            assert_eq!(case.ends().await, (50, 101, 400));
            assert_eq!(case.get(250).await.unwrap().timestamp, time);
            assert_eq!(case.store().seq_at(time).await.unwrap(), 250);
            case.survives().await;
            assert_eq!(case.store().seq_at(time).await.unwrap(), 250);
        },
    );
}

// go: server/filestore_test.go TestFileStoreDontSpamCompactWhenMostlyTombstones
// go: server/filestore_test.go TestFileStoreSyncCompressOnlyIfDirty
#[test]
fn a_block_is_not_rewritten_again_and_again() {
    plain(
        |options| options.block_len = 128 << 10,
        async |case| {
            case.fill(2000, "foo", [b'X'; 100]).await;
            case.new_block().await;
            case.settle().await;
            // Of the first, one is left; all that follow are told of as deleted one by one.
            for seq in (2..=2000).rev() {
                assert!(case.remove(seq).await);
                if seq % 50 == 0 {
                    case.flush().await;
                }
            }
            case.settle().await;
            let generations = |case: &Case| -> Vec<u64> {
                case.store().with(|ledger| ledger.blocks.iter().map(|block| block.generation).collect())
            };
            let before = generations(case);
            assert!(before.iter().all(|&generation| generation <= 8), "{before:?}");
            for _ in 0..5 {
                case.put("foo", "more").await;
                case.settle().await;
            }
            assert_eq!(generations(case)[0], before[0]);
            case.survives().await;
        },
    );
}

// go: server/norace_1_test.go TestNoRaceJetStreamFileStoreKeyFileCleanup
#[test]
fn files_go_with_their_blocks() {
    on_disk(
        |options| options.block_len = 64 << 10,
        async |case| {
            for n in 0..1_000 {
                case.put(&format!("X.{n}"), [b'Z'; 1024]).await;
            }
            case.settle().await;
            assert!(case.files().len() > 10);
            // 389 and 1,000 have no divisor in common: all of them, in a wild order.
            case.remove_all((0..1_000).map(|n| n * 389 % 1_000 + 1)).await;
            case.settle().await;
            assert!(case.files().len() <= 2, "{:?}", case.files());
            assert_eq!(case.ends().await, (0, 1_001, 1_000));
            case.survives().await;
        },
    );
}

// go: server/filestore_test.go TestFileStoreCompactTombstonesBelowFirstSeq
#[test]
fn deletes_below_the_first_are_not_carried_on() {
    everywhere(
        |_| {},
        async |case| {
            case.fill(3, "foo", "").await;
            case.new_block().await;
            case.put("foo", "").await;
            case.remove_all([3, 2]).await;
            assert_eq!((case.ends().await, case.deleted()), ((2, 1, 4), vec![2, 3]));
            case.survives().await;
            assert!(case.remove(1).await);
            assert_eq!((case.ends().await, case.deleted()), ((1, 4, 4), vec![]));
            case.new_block().await;
            case.settle().await;
            case.survives().await;
            assert_eq!(case.ends().await, (1, 4, 4));
        },
    );
}

// go: server/filestore_test.go TestFileStoreSyncBlocksFlushesAndSyncsMessages
#[test]
fn an_acknowledged_message_survives_the_power() {
    on_disk(
        |_| {},
        async |case| {
            case.put("foo", "durable").await;
            case.flush().await;
            assert_eq!(case.store().durable_seq(), 1);
            case.power_loss().await;
            case.start().await;
            let read = case.get(1).await.unwrap();
            assert_eq!((read.seq, &read.subject[..], &read.payload[..]), (1, &b"foo"[..], &b"durable"[..]));
        },
    );
}

// go: server/filestore_test.go TestFileStoreSyncIntervals
#[test]
fn what_is_stored_is_synced_by_itself_and_before_an_answer_where_that_is_wanted() {
    for durability in [Durability::Deferred, Durability::Written, Durability::Synced] {
        let waits = durability == Durability::Synced;
        plain(
            |_| {},
            async |case| {
                case.stop().await;
                case.options.borrow_mut().durability = durability;
                case.start().await;
                let put = async || {
                    let appended = case.try_put("Z", "hello").await.unwrap();
                    case.store().committed(appended.commit).await
                };
                put().await.unwrap();
                if !waits {
                    case.settle().await;
                }
                case.power_loss().await;
                case.start().await;
                assert!(case.has(1).await, "{durability:?}");
                // An answer that does not wait comes although the sync fails.
                case.settle().await;
                case.disk().fail_next(Operation::Sync, "", Cause::Io(5));
                assert_eq!(put().await.is_err(), waits, "{durability:?}");
            },
        );
    }
}

// go: server/norace_1_test.go TestNoRaceJetStreamFileStoreCompaction
#[test]
fn blocks_of_which_little_is_left_do_not_stay() {
    plain(
        |options| options.limits.max_messages_per_subject = Some(1),
        async |case| {
            let (count, payload) = (10_000, vec![0x5a; 4 * 1024]);
            case.put("KV.FM", &payload).await;
            for _ in 0..2 {
                for number in 1..=count {
                    case.put(&format!("KV.{number}"), &payload).await;
                }
            }
            case.settle().await;
            assert_eq!(case.state().await.messages, count + 1);
            let (used, all) = case.store().with(|ledger| {
                let all: u64 = ledger.blocks.iter().map(|block| u64::from(block.plain_len)).sum();
                (ledger.blocks.iter().map(|block| block.record_bytes).sum::<u64>(), all)
            });
            assert!(used * 100 >= all * 80, "{used} of {all} bytes are used");
            // The first message was alone in a block that is not whole any more.
            assert!(case.has(1).await);
        },
    );
}

// go: server/norace_1_test.go TestNoRaceJetStreamLastSubjSeqAndFilestoreCompact
#[test]
fn the_last_of_a_subject_is_known_while_blocks_come_and_go() {
    plain(
        |options| {
            options.limits.max_messages_per_subject = Some(1);
            options.block_len = 64 << 10;
        },
        async |case| {
            let headers = b"NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 1\r\n\r\n";
            for _ in 0..2 {
                for client in 0..4000u64 {
                    let subject = format!("MQTT.sess.{:016x}", client.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                    let first = case.put(&subject, [0; 40]).await;
                    assert_eq!(case.last_of(&subject).await, Some(first));
                    let message = NewMessage { headers, ..case.message(&subject, &[0; 380]) };
                    let second = case.put_with(&message).await;
                    assert_eq!((second, case.last_of(&subject).await), (first + 1, Some(second)));
                }
            }
            case.settle().await;
            assert_eq!(case.state().await.messages, 4000);
            case.survives().await;
        },
    );
}
