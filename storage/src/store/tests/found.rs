//! What seeded worlds once found, each as a script of its own.

use std::collections::BTreeSet;
use std::path::PathBuf;

use bytes::Bytes;

use super::world::message;
use crate::block::entry::{Entries, Entry};
use crate::block::header::{Header, StreamId};
use crate::block::scan::{Ending, scan};
use crate::disk::sim::{Faults, SimDisk};
use crate::disk::{Cause, Operation, PAGE_SIZE};
use crate::engine::{Engine, EngineOptions};
use crate::log::LogOptions;
use crate::message::Filter;
use crate::store::file::{CommitSizes, Recovery, StoreOptions};
use crate::store::{Admission, Media, Store, StoreError};
use crate::test_machine::{self, Machine, settle};

/// The sequences there are, and the last there was.
type Found = (Vec<u64>, u64);

fn options() -> StoreOptions {
    StoreOptions::new(PathBuf::from("stream"), StreamId([7; 16]))
}

async fn open(engine: &Engine<SimDisk>) -> (Store<SimDisk>, Recovery) {
    Store::open(engine.clone(), options()).await.unwrap()
}

async fn append(store: &Store<SimDisk>, payload: &[u8]) {
    let appended = store.append(&message("s", payload, 1), Admission::Checked).await.unwrap();
    store.committed(appended.commit).await.unwrap();
}

/// Ten messages, each a commit.
async fn begin(engine: &Engine<SimDisk>, options: StoreOptions) -> Store<SimDisk> {
    let (store, _) = Store::open(engine.clone(), options).await.unwrap();
    for n in 1..=10 {
        append(&store, &[n; 100]).await;
    }
    settle(engine).await;
    store
}

async fn found(store: &Store<SimDisk>) -> Found {
    let mut seqs = Vec::new();
    let mut next = store.next(Filter::All, 0).await.unwrap();
    while let Some(seq) = next {
        store.get(seq).await.unwrap().expect("it was found");
        seqs.push(seq);
        next = store.next(Filter::All, seq + 1).await.unwrap();
    }
    (seqs, store.last_seq())
}

/// Does `script` to a store of ten messages, with the power gone at each of its operations in turn. One of `states` is found
/// each time, and each of `states` some time.
fn crash_everywhere(script: impl AsyncFn(&Store<SimDisk>), states: &[Found]) {
    crash_everywhere_with(&options(), 2, script, states);
}

/// As [`crash_everywhere`], with up to so many turns of the executor for each operation.
fn crash_everywhere_with(
    options: &StoreOptions,
    turns_max: u32,
    script: impl AsyncFn(&Store<SimDisk>),
    states: &[Found],
) {
    let mut seen = BTreeSet::new();
    for operations in 0.. {
        let disk = SimDisk::new(operations, Faults { yields_max: turns_max, ..Faults::default() });
        let whole = test_machine::run(&disk, operations, async |engine| {
            let store = begin(&engine, options.clone()).await;
            disk.crash_after(operations);
            script(&store).await;
            settle(&engine).await;
        });
        for _ in 0..DRAWS {
            let found = test_machine::run(&disk.crash(), operations, async |engine| {
                let (store, recovery) = open(&engine).await;
                assert!(recovery.lost.is_empty(), "off after {operations}: {recovery:?}");
                found(&store).await
            });
            let found = found.expect("this time it stays on");
            assert!(states.contains(&found), "off after {operations}: {found:?}");
            seen.insert(found);
        }
        if whole.is_some() {
            assert_eq!(seen.len(), states.len(), "{seen:?}");
            return;
        }
    }
}

/// Ten messages at once, each a commit to its own block, straight there.
#[test]
fn blocks_become_whole_in_their_order_however_many_are_begun() {
    let commit_sizes = CommitSizes { closed_from: 1, direct_from: 1, unfilled_from: 1 };
    let options = StoreOptions { block_len: 160, commit_sizes, ..options() };
    let script = async |store: &Store<SimDisk>| {
        let mut commit = 0;
        for n in 11..=20 {
            commit = store.append(&message("s", &[n; 100], 1), Admission::Checked).await.unwrap().commit;
        }
        store.committed(commit).await.unwrap();
    };
    let states: Vec<Found> = (10..=20).map(|last| ((1..=last).collect(), last)).collect();
    // So many turns that one write may take longer than another and all that it takes to make the next block.
    crash_everywhere_with(&options, 60, script, &states);
}

fn close_commit(store: &Store<SimDisk>) {
    let Media::File(media) = &store.0.media else { unreachable!("it is on disk") };
    media.close_commit(store);
}

#[test]
fn files_go_only_when_it_is_durable_that_their_messages_went() {
    let script = async |store: &Store<SimDisk>| {
        // The second takes the block away in which the first tells where the store begins, before that is written.
        store.compact(100).await.unwrap();
        close_commit(store);
        let (_, commit) = store.compact(200).await.unwrap();
        close_commit(store);
        store.committed(commit).await.unwrap();
    };
    crash_everywhere(script, &[((1..=10).collect(), 10), (vec![], 99), (vec![], 199)]);
}

#[test]
fn what_was_done_before_a_cut_is_there_in_its_order() {
    let script = async |store: &Store<SimDisk>| {
        store.remove(7).await.unwrap().unwrap();
        store.append(&message("s", b"11", 1), Admission::Checked).await.unwrap();
        let commit = store.truncate(5).await.unwrap();
        store.committed(commit).await.unwrap();
    };
    // All of the delete and the message is one commit.
    let before_the_cut = (1..=11).filter(|&seq| seq != 7).collect();
    crash_everywhere(script, &[((1..=10).collect(), 10), (before_the_cut, 11), ((1..=5).collect(), 5)]);
}

#[test]
fn a_block_whose_file_failed_stays_as_it_is_when_it_is_to_be_sealed() {
    let machine = Machine::new(SimDisk::new(1, Faults::default()));
    machine.run(async {
        let log = LogOptions { fold_at: PAGE_SIZE, ..test_machine::options().log };
        let options = EngineOptions { log, ..EngineOptions::default() };
        let engine = machine.engine(options, [1; 32]).await.unwrap();
        let (store, _) = open(&engine).await;
        append(&store, b"1").await;
        settle(&engine).await;
        // The fold that this is too much for.
        machine.disk().fail_next(Operation::Sync, ".blk", Cause::Io(5));
        append(&store, &[2; 3 * PAGE_SIZE]).await;
        settle(&engine).await;
        {
            let _pass = store.0.gate.enter().await;
            store.roll();
            store.changed();
        }
        settle(&engine).await;
        let is_full =
            store.with(|ledger| ledger.blocks.iter().map(|block| block.is_full()).collect::<Vec<_>>());
        assert_eq!(is_full, [true, false], "what could not be sealed stays as it is");
        append(&store, b"3").await;
        assert_eq!(found(&store).await, (vec![1, 2, 3], 3));
        machine.lose_power();
        let engine = machine.engine(test_machine::options(), [2; 32]).await.unwrap();
        let (store, recovery) = open(&engine).await;
        assert!(recovery.lost.is_empty(), "{recovery:?}");
        assert_eq!(found(&store).await, (vec![1, 2, 3], 3));
    });
}

#[test]
fn damage_in_the_last_message_of_a_closed_store_is_told() {
    let disk = SimDisk::new(1, Faults::default());
    test_machine::run(&disk, 1, async |engine| {
        let store = begin(&engine, options()).await;
        store.close().await.unwrap();
        let block = disk.files().into_iter().find(|path| path.ends_with(".blk")).unwrap();
        let bytes = Bytes::from(disk.contents(&block).unwrap());
        let salt = Header::decode(&bytes).unwrap().salt;
        let scan = scan(&bytes, salt, Ending::Followed, |_, _, body| Some(body));
        let has_last = |plain: &Bytes| {
            Entries::new(plain, salt)
                .any(|entry| matches!(entry.unwrap().2, Entry::Record(record) if record.seq == 10))
        };
        let frame = scan.frames.iter().find(|frame| has_last(&frame.plain)).unwrap();
        disk.flip_bit(&block, frame.offset + frame.head.len_on_disk() / 2, 3);
        let (store, recovery) = open(&engine).await;
        assert_eq!(recovery.lost.runs().collect::<Vec<_>>(), [(10, 10)], "{recovery:?}");
        assert!(matches!(store.get(10).await, Err(StoreError::Damaged { .. })));
        assert_eq!(found(&store).await, ((1..=9).collect(), 10));
    })
    .unwrap();
}

#[test]
fn what_a_store_showed_after_a_failed_sync_outlives_the_power() {
    let mut shown = 0;
    for seed in 1..=SEEDS {
        let disk = SimDisk::new(seed, Faults::default());
        test_machine::run(&disk, seed, async |engine| {
            let store = begin(&engine, options()).await;
            disk.fail_next(Operation::Sync, ".blk", Cause::Io(5));
            // Large enough to go straight to its block.
            let large = store.append(&message("s", &[11; 100_000], 1), Admission::Checked).await.unwrap();
            assert!(store.committed(large.commit).await.is_err());
        })
        .unwrap();
        let disk = disk.kill();
        let look = async |engine: Engine<SimDisk>| found(&open(&engine).await.0).await;
        let before = test_machine::run(&disk, seed, look).unwrap();
        shown += u64::from(before.1 == 11);
        for _ in 0..DRAWS {
            let after = test_machine::run(&disk.crash(), seed, look).unwrap();
            assert_eq!(after, before, "seed {seed}");
        }
    }
    assert!(shown > 0, "the process was never killed with the message in the kernel's memory");
}

/// Ways in which each power loss is tried.
const DRAWS: usize = 6;
const SEEDS: u64 = 20;
