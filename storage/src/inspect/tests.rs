//! What the offline tools promise, on stores that were damaged on purpose.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use natrium_model::Timestamp;
use rand_core::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{InspectError, InspectKey, InspectOptions, Report, Verdict, check, dump, repair};
use crate::block::header::{Coding, Compression, Encryption, HEAD_LEN, StreamId};
use crate::disk::Disk;
use crate::disk::sim::{Faults, SimDisk};
use crate::engine::Engine;
use crate::keys::StreamKey;
use crate::message::Purge;
use crate::store::Store;
use crate::store::file::{Recovery, StoreOptions};
use crate::test_machine::{self, settle};

const SEED: [u8; 32] = [5; 32];
const HIT: u64 = HEAD_LEN as u64 + 30_000;

fn options() -> StoreOptions {
    StoreOptions { block_len: 100_000, ..StoreOptions::new(PathBuf::from("stream"), StreamId([7; 16])) }
}

fn inspect() -> InspectOptions {
    InspectOptions { folder: PathBuf::from("stream"), log: Some(PathBuf::from("log")), key: InspectKey::None }
}

async fn fill(engine: &Engine<SimDisk>, options: StoreOptions) -> Store<SimDisk> {
    let (store, _) = Store::open(engine.clone(), options).await.unwrap();
    test_machine::fill(&store, 1000, 5).await;
    let purge = Purge { subject: Some(b"s.3"), below: Some(500), ..Purge::default() };
    let (_, commit) = store.purge(purge).await.unwrap();
    store.committed(commit).await.unwrap();
    store.compact(11).await.unwrap();
    let commit = store.skip(None, 2, Timestamp(1001)).await.unwrap().commit;
    store.committed(commit).await.unwrap();
    settle(engine).await;
    store
}

fn blocks(disk: &SimDisk) -> Vec<String> {
    disk.files().into_iter().filter(|path| path.ends_with(".blk")).collect()
}

async fn messages(disk: &SimDisk) -> BTreeMap<u64, Vec<u8>> {
    let mut all = BTreeMap::new();
    dump(disk, &inspect(), |message| drop(all.insert(message.seq, message.payload.to_vec()))).await.unwrap();
    all
}

fn content(disk: &SimDisk) -> Vec<(String, Option<Vec<u8>>)> {
    disk.files().into_iter().map(|path| (path.clone(), disk.contents(&path))).collect()
}

/// A store that was closed, or whose process was killed, and what is there.
fn stored(
    seed: u64,
    is_closed: bool,
    change: impl FnOnce(&mut StoreOptions),
) -> (SimDisk, BTreeMap<u64, Vec<u8>>) {
    let disk = SimDisk::new(seed, Faults::default());
    let mut there = BTreeMap::new();
    let mut options = options();
    change(&mut options);
    test_machine::run(&disk, seed, async |engine| {
        let store = fill(&engine, options).await;
        for seq in 1..=store.last_seq() {
            if let Some(message) = store.get(seq).await.unwrap() {
                there.insert(seq, message.payload.to_vec());
            }
        }
        if is_closed {
            store.close().await.unwrap();
            engine.close().await.unwrap();
        }
    })
    .unwrap();
    let left = disk.kill();
    left.settle();
    (left, there)
}

/// Opens the store as a server would.
fn open(disk: &SimDisk) -> (Recovery, BTreeMap<u64, Vec<u8>>) {
    open_with(disk, options())
}

fn open_with(disk: &SimDisk, options: StoreOptions) -> (Recovery, BTreeMap<u64, Vec<u8>>) {
    test_machine::run(disk, 99, async |engine| {
        let (store, recovery) = Store::open(engine.clone(), options).await.unwrap();
        let mut there = BTreeMap::new();
        for seq in 1..=store.last_seq() {
            if let Ok(Some(message)) = store.get(seq).await {
                there.insert(seq, message.payload.to_vec());
            }
        }
        store.close().await.unwrap();
        engine.close().await.unwrap();
        (recovery, there)
    })
    .unwrap()
}

fn run<T>(work: impl Future<Output = T>) -> T {
    futures_lite::future::block_on(work)
}

fn checked(disk: &SimDisk) -> Report {
    run(check(disk, &inspect())).unwrap()
}

#[test]
fn a_clean_store_is_clean_and_looking_changes_nothing() {
    for is_closed in [true, false] {
        let (disk, there) = stored(1, is_closed, |_| {});
        let before = content(&disk);
        let report = checked(&disk);
        assert_eq!(report.verdict, Verdict::Clean, "{report}");
        assert_eq!(report.messages, there.len() as u64);
        assert_eq!((report.first_seq, report.last_seq, report.subjects), (11, 1002, 5));
        assert!(report.lost.is_empty() && report.blocks.len() > 3);
        assert_eq!(run(messages(&disk)), there);
        assert_eq!(content(&disk), before);
        let log = report.log.unwrap();
        assert_eq!(log.files.is_empty(), is_closed, "{log:?}");
        let (recovery, opened) = open(&disk);
        assert!(recovery.lost.is_empty());
        assert_eq!(opened, there);
    }
}

#[test]
fn without_the_log_what_is_in_it_is_not_there() {
    let (disk, there) = stored(2, false, |_| {});
    let report = run(check(&disk, &InspectOptions { log: None, ..inspect() })).unwrap();
    assert!(report.log.is_none() && report.messages != there.len() as u64, "{report}");
}

#[test]
fn a_damaged_frame_is_told_with_its_bytes_and_sequences_and_repaired_around() {
    for coding in [Compression::None, Compression::Snappy] {
        let (disk, there) = stored(3, true, |options| options.coding.compression = coding);
        let files = blocks(&disk);
        let hit = if coding == Compression::None { HIT } else { HEAD_LEN as u64 + 2000 };
        disk.flip_bit(&files[1], hit, 2);
        let report = checked(&disk);
        assert_eq!(report.verdict, Verdict::Damaged);
        let damaged: Vec<_> = report.blocks.iter().filter(|block| !block.damage.is_empty()).collect();
        let [block] = &damaged[..] else { panic!("{report}") };
        assert!(files[1].ends_with(&block.file) && block.is_sealed);
        let [damage] = &block.damage[..] else { panic!("{report}") };
        assert!(damage.from <= hit && hit < damage.to && !damage.lost.is_empty(), "{report}");
        assert_eq!(report.lost, damage.lost);
        let is_lost = |seq: u64| report.lost.iter().any(|&(first, last)| (first..=last).contains(&seq));
        let mut left = there.clone();
        left.retain(|&seq, _| !is_lost(seq));
        assert!(left.len() < there.len() && left.len() > 700);
        assert_eq!(run(messages(&disk)), left);

        let original = disk.contents(&files[1]).unwrap();
        let repaired = run(repair(&disk, &inspect(), SEED)).unwrap();
        assert_eq!(repaired.rewritten.len(), 1);
        assert_eq!(repaired.lost, report.lost);
        assert_eq!(disk.contents(&repaired.aside[0]).unwrap(), original, "the original is kept");
        let after = checked(&disk);
        assert!(after.blocks.iter().all(|block| block.damage.is_empty()), "{after}");
        assert_eq!(after.lost, report.lost, "they are lost still");
        assert_eq!(run(messages(&disk)), left);
        let (recovery, opened) = open(&disk);
        assert_eq!(recovery.lost.runs().collect::<Vec<_>>(), report.lost);
        assert!(recovery.scanned <= 1, "{recovery:?}");
        assert_eq!(opened, left);
    }
}

#[test]
fn damage_before_the_end_of_the_last_block_is_repaired_with_what_the_log_has() {
    let (disk, there) = stored(4, false, |_| {});
    let files = blocks(&disk);
    let last = files.last().unwrap();
    // Folded long ago: the log does not have it any more.
    disk.flip_bit(last, HEAD_LEN as u64 + 100, 2);
    let report = checked(&disk);
    if report.verdict == Verdict::Clean {
        // The log has that page and makes it good.
        assert_eq!(run(messages(&disk)), there);
        return;
    }
    run(repair(&disk, &inspect(), SEED)).unwrap();
    let left = run(messages(&disk));
    assert!(left.len() < there.len());
    let (recovery, opened) = open(&disk);
    assert_eq!(recovery.lost.runs().collect::<Vec<_>>(), report.lost);
    assert_eq!(opened, left);
}

#[test]
fn a_missing_block_and_a_headless_one_are_told_as_lost() {
    let (disk, there) = stored(5, true, |_| {});
    let files = blocks(&disk);
    disk.delete(&files[1]);
    disk.zero(&files[2], 0, HEAD_LEN as u64);
    let report = checked(&disk);
    assert_eq!(report.verdict, Verdict::Damaged);
    let [file] = &report.files[..] else { panic!("{report}") };
    assert!(file.is_damage && file.condition == "no head" && file.action == "move aside", "{file:?}");
    let left = run(messages(&disk));
    let lost: u64 = report.lost.iter().map(|(first, last)| last + 1 - first).sum();
    assert_eq!(lost, (there.len() - left.len()) as u64, "{report}");
    let repaired = run(repair(&disk, &inspect(), SEED)).unwrap();
    assert_eq!((repaired.rewritten.len(), repaired.aside.len()), (0, 1));
    let (recovery, opened) = open(&disk);
    assert_eq!(recovery.lost.runs().collect::<Vec<_>>(), report.lost);
    assert_eq!(opened, left);
}

#[test]
fn one_damaged_copy_of_a_head_is_healed_and_costs_nothing() {
    let (disk, there) = stored(6, true, |_| {});
    let files = blocks(&disk);
    disk.flip_bit(&files[0], 50, 0);
    let report = checked(&disk);
    assert_eq!(report.verdict, Verdict::Damaged, "{report}");
    assert!(report.lost.is_empty());
    run(repair(&disk, &inspect(), SEED)).unwrap();
    assert_eq!(checked(&disk).verdict, Verdict::Clean, "{}", checked(&disk));
    let (recovery, opened) = open(&disk);
    assert!(recovery.lost.is_empty());
    assert_eq!(opened, there);
}

fn key() -> Rc<StreamKey> {
    Rc::new(StreamKey::generate(&mut Xoshiro256PlusPlus::seed_from_u64(1)))
}

fn encrypted(options: &mut StoreOptions) {
    options.coding = Coding { compression: Compression::None, encryption: Encryption::Aes256Gcm };
    options.key = Some(key());
}

#[test]
fn of_encrypted_blocks_only_the_checksums_are_told() {
    let (disk, _) = stored(7, true, encrypted);
    let report = checked(&disk);
    assert_eq!((report.verdict, report.messages), (Verdict::Unknown, 0), "{report}");
    assert!(run(messages(&disk)).is_empty());
    let files = blocks(&disk);
    disk.flip_bit(&files[1], HIT, 2);
    let report = checked(&disk);
    assert_eq!(report.verdict, Verdict::Damaged, "{report}");
    let before = content(&disk);
    let repaired = run(repair(&disk, &inspect(), SEED)).unwrap();
    assert_eq!(repaired.left.len(), 1);
    assert_eq!(content(&disk), before);
}

#[test]
fn a_key_that_does_not_open_the_blocks_is_told_as_wrong() {
    let (disk, _) = stored(7, true, encrypted);
    let other = Rc::new(StreamKey::generate(&mut Xoshiro256PlusPlus::seed_from_u64(2)));
    for key in [InspectKey::Wrong, InspectKey::Stream(other)] {
        let options = InspectOptions { key, ..inspect() };
        let report = run(check(&disk, &options)).unwrap();
        assert_eq!((report.verdict, report.messages), (Verdict::Unknown, 0), "{report}");
        assert!(report.blocks.iter().all(|block| block.condition == "wrong key"), "{report}");
        // Blocks that are not encrypted need none.
        let (plain, there) = stored(7, true, |_| {});
        let report = run(check(&plain, &options)).unwrap();
        assert_eq!((report.verdict, report.messages), (Verdict::Clean, there.len() as u64), "{report}");
    }
}

#[test]
fn with_its_key_an_encrypted_store_is_looked_into_and_repaired_like_another() {
    for (seed, is_closed) in [(7, true), (8, false)] {
        let (disk, there) = stored(seed, is_closed, encrypted);
        let with_key = InspectOptions { key: InspectKey::Stream(key()), ..inspect() };
        let report = run(check(&disk, &with_key)).unwrap();
        assert_eq!((report.verdict, report.messages), (Verdict::Clean, there.len() as u64), "{report}");

        let files = blocks(&disk);
        disk.flip_bit(&files[1], HIT, 2);
        let report = run(check(&disk, &with_key)).unwrap();
        assert_eq!(report.verdict, Verdict::Damaged);
        assert!(!report.lost.is_empty(), "{report}");
        let repaired = run(repair(&disk, &with_key, SEED)).unwrap();
        assert_eq!((repaired.rewritten.len(), repaired.left.len()), (1, 0));
        let after = run(check(&disk, &with_key)).unwrap();
        assert!(after.blocks.iter().all(|block| block.damage.is_empty()), "{after}");
        let is_lost = |seq: u64| report.lost.iter().any(|&(first, last)| (first..=last).contains(&seq));
        let mut left = there.clone();
        left.retain(|&seq, _| !is_lost(seq));
        let mut dumped = BTreeMap::new();
        run(dump(&disk, &with_key, |message| drop(dumped.insert(message.seq, message.payload.to_vec()))))
            .unwrap();
        assert_eq!(dumped, left);
        let mut options = options();
        encrypted(&mut options);
        let (recovery, opened) = open_with(&disk, options);
        assert_eq!(recovery.lost.runs().collect::<Vec<_>>(), report.lost);
        assert_eq!(opened, left);
    }
}

#[test]
fn a_damaged_table_is_told_and_made_anew_and_costs_nothing() {
    let (disk, there) = stored(10, true, |_| {});
    let files = blocks(&disk);
    let content = disk.contents(&files[1]).unwrap();
    let trailer = &content[content.len() - 64..];
    let table_at = u64::from_le_bytes(*trailer[16..].first_chunk().unwrap());
    disk.flip_bit(&files[1], table_at + 60, 3);
    let report = checked(&disk);
    assert_eq!((report.verdict, report.messages), (Verdict::Damaged, there.len() as u64), "{report}");
    let damage: Vec<_> = report.blocks.iter().flat_map(|block| &block.damage).collect();
    assert!(damage.len() == 1 && damage[0].from == table_at && report.lost.is_empty(), "{report}");
    run(repair(&disk, &inspect(), SEED)).unwrap();
    assert_eq!(checked(&disk).verdict, Verdict::Clean, "{}", checked(&disk));
    let (recovery, opened) = open(&disk);
    assert!(recovery.lost.is_empty());
    assert_eq!(opened, there);
}

#[test]
fn a_folder_without_a_store_is_none() {
    let disk = SimDisk::new(8, Faults::default());
    run(disk.create_folder(Path::new("stream"))).unwrap();
    let refused = run(check(&disk, &inspect()));
    assert!(matches!(refused, Err(InspectError::NoStore { .. })), "{refused:?}");
}

#[test]
fn a_folder_of_a_real_file_system_is_told_of_as_the_simulated_one_and_repaired() {
    use crate::disk::blocking::BlockingDisk;

    let (disk, _) = stored(9, false, |_| {});
    disk.flip_bit(&blocks(&disk)[2], HIT, 2);
    let root = tempfile::tempdir().unwrap();
    for path in disk.files() {
        let to = root.path().join(&path);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::write(to, disk.contents(&path).unwrap()).unwrap();
    }
    let real = BlockingDisk::new(root.path());
    assert_eq!(run(check(&real, &inspect())).unwrap(), checked(&disk));
    let repaired = run(repair(&real, &inspect(), SEED)).unwrap();
    assert_eq!(repaired, run(repair(&disk, &inspect(), SEED)).unwrap());
    assert!(repaired.aside.iter().all(|path| root.path().join(path).exists()));
    let after = run(check(&real, &inspect())).unwrap();
    assert_eq!(after, checked(&disk));
    assert_eq!(after.verdict.exit_code(), 1, "what is lost stays known");
}
