//! Replacement on the simulated disk: crashed at every operation, failed at every operation.

use std::collections::BTreeSet;
use std::path::Path;

use futures_lite::future::{block_on, or};
use natrium_model::Timestamp;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use super::*;
use crate::block::header::StreamId;
use crate::disk::sim::{Faults, SimDisk};
use crate::disk::{Cause, Disk, DiskError, File, Open, Operation, PAGE_SIZE};
use crate::keys::{MetaKey, StreamKey};

const SEEDS: u64 = 60;
const PATH: &str = "stream/meta.inf";

fn rng() -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(1)
}

fn key() -> MetaKey {
    StreamKey::generate(&mut rng()).meta_key()
}

/// Of three pages, so that it can be torn.
fn meta(revision: u64) -> Meta {
    let body = vec![revision as u8; 2 * PAGE_SIZE + 100];
    Meta { owner: Owner::Stream, stream: StreamId([7; 16]), revision, created: Timestamp(5), body }
}

async fn put(disk: &SimDisk, revision: u64) -> Result<(), DiskError> {
    replace(disk, Path::new(PATH), &meta(revision), Some(&key()), &mut rng()).await
}

/// The revision of the file, which is whole and what was written; 0 where there is none.
async fn revision(disk: &SimDisk) -> u64 {
    let stored = read(disk, Path::new(PATH), Some(&key())).await.unwrap();
    stored.map_or(0, |stored| {
        assert!(stored.is_sealed);
        assert_eq!(stored.meta, meta(stored.meta.revision));
        stored.meta.revision
    })
}

/// A disk with the folder and, where it is not 0, a file of that revision, all durable.
async fn settled(seed: u64, revision: u64) -> SimDisk {
    let disk = SimDisk::new(seed, Faults::draw(seed));
    disk.create_folder(Path::new("stream")).await.unwrap();
    disk.sync_folder(Path::new("")).await.unwrap();
    if revision > 0 {
        put(&disk, revision).await.unwrap();
    }
    disk
}

/// What was seen after crashes, so that a test can tell that all of it was.
#[derive(Default)]
struct Seen {
    revisions: BTreeSet<(bool, u64)>,
    left_over: BTreeSet<&'static str>,
}

impl Seen {
    /// Starts on what a crash left of a file of revision `old` that was being replaced by the next.
    async fn start(&mut self, disk: SimDisk, old: u64, was_acknowledged: bool) {
        let left_over = recover(&disk, Path::new(PATH)).await.unwrap();
        let found = revision(&disk).await;
        assert!(found == old || found == old + 1, "revision {found}");
        assert!(found == old + 1 || !was_acknowledged, "an acknowledged one is lost");
        self.revisions.insert((was_acknowledged, found - old));
        self.left_over.insert(match left_over.as_ref().map(|left_over| left_over.was) {
            None => "nothing",
            Some(Was::Whole) => "whole",
            Some(Was::Torn) => "torn",
            Some(Was::Unreadable) => "unreadable",
            Some(Was::Version(version)) => panic!("version {version}"),
        });
        if let Some(left_over) = left_over {
            disk.open(&left_over.path, Open::Read).await.unwrap();
        }
        assert_eq!(recover(&disk, Path::new(PATH)).await.unwrap(), None, "it was moved");
        // What was seen is durable, and the next replacement goes through.
        let again = disk.crash();
        assert_eq!(revision(&again).await, found);
        put(&again, 9).await.unwrap();
        assert_eq!(revision(&again.crash()).await, 9);
    }
}

/// Crashes the replacement of revision `old` at each of its operations, with and without power.
fn crash_everywhere(old: u64) -> Seen {
    let mut seen = Seen::default();
    for seed in 0..SEEDS {
        for operations in 0.. {
            let ended = block_on(async {
                let disk = settled(seed, old).await;
                disk.crash_after(operations);
                let done = or(async { put(&disk, old + 1).await.map(|()| true) }, async {
                    disk.stopped().await;
                    Ok(false)
                });
                let is_done = done.await.unwrap();
                for _ in 0..3 {
                    seen.start(disk.crash(), old, is_done).await;
                }
                seen.start(disk.kill(), old, is_done).await;
                is_done
            });
            if ended {
                assert!(operations >= 5, "a replacement of {operations} operations");
                break;
            }
        }
    }
    seen
}

#[test]
fn a_crash_at_any_operation_leaves_the_old_file_or_the_new_one() {
    let seen = crash_everywhere(1);
    assert_eq!(seen.revisions, [(false, 0), (false, 1), (true, 1)].into());
    assert_eq!(seen.left_over, ["nothing", "torn", "unreadable", "whole"].into());
}

#[test]
fn a_crash_at_any_operation_leaves_no_file_or_the_first_one() {
    let seen = crash_everywhere(0);
    assert_eq!(seen.revisions, [(false, 0), (false, 1), (true, 1)].into());
    assert_eq!(seen.left_over, ["nothing", "torn", "unreadable", "whole"].into());
}

#[test]
fn a_failure_of_any_operation_leaves_the_old_file_and_the_next_replacement_works() {
    for seed in 0..SEEDS {
        for (operation, cause) in [
            (Operation::Open, Cause::TooManyOpenFiles),
            (Operation::Write, Cause::NoSpace),
            (Operation::Write, Cause::ShortWrite),
            (Operation::Sync, Cause::Io(5)),
            (Operation::Rename, Cause::ReadOnly),
        ] {
            block_on(async {
                let disk = settled(seed, 1).await;
                disk.fail_next(operation, "meta.inf", cause);
                let error = put(&disk, 2).await.unwrap_err();
                assert_eq!((error.operation, error.cause), (operation, cause));
                assert_eq!(revision(&disk).await, 1, "{operation}");
                put(&disk, 3).await.unwrap();
                assert_eq!(revision(&disk.crash()).await, 3, "{operation}");
            });
        }
    }
}

#[test]
fn a_failed_sync_of_the_folder_is_told_though_the_new_file_may_stay() {
    let mut found = BTreeSet::new();
    for seed in 0..SEEDS {
        block_on(async {
            let disk = settled(seed, 1).await;
            disk.fail_next(Operation::SyncFolder, "stream", Cause::Io(5));
            assert_eq!(put(&disk, 2).await.unwrap_err().operation, Operation::SyncFolder);
            assert_eq!(revision(&disk).await, 2);
            found.insert(revision(&disk.crash()).await);
        });
    }
    assert_eq!(found, [1, 2].into());
}

#[test]
fn what_an_interrupted_replacement_left_does_not_stop_the_next() {
    block_on(async {
        let disk = settled(1, 1).await;
        for content in [&[0; PAGE_SIZE][..], &meta(2).encode(None, &mut rng())] {
            let file = disk.open(Path::new("stream/meta.inf.new"), Open::CreateNew).await.unwrap();
            file.write_at(0, content).await.unwrap();
            put(&disk, 3).await.unwrap();
            assert_eq!(revision(&disk).await, 3);
        }
        let names: Vec<_> =
            disk.list(Path::new("stream")).await.unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["meta.inf", "meta.inf.new.aside.1", "meta.inf.new.aside.2"]);
    });
}

#[test]
fn a_damaged_file_is_named_and_left_as_it_is() {
    block_on(async {
        let disk = settled(1, 1).await;
        let file = disk.open(Path::new(PATH), Open::Write).await.unwrap();
        let page = file.read_at(0, PAGE_SIZE).await.unwrap();
        let mut damaged = page.to_vec();
        damaged[100] ^= 1;
        file.write_at(0, &damaged).await.unwrap();
        let error = read(&disk, Path::new(PATH), Some(&key())).await.unwrap_err();
        assert!(matches!(error, MetaError::Content { cause: ContentError::Damaged, .. }), "{error}");
        assert_eq!(error.to_string(), "stream/meta.inf: damaged");
        assert_eq!(recover(&disk, Path::new(PATH)).await.unwrap(), None);
        assert_eq!(file.read_at(0, PAGE_SIZE).await.unwrap(), damaged);
    });
}

// go: server/filestore_test.go TestFileStoreMeta
#[test]
fn what_a_stream_and_its_consumer_are_is_kept_under_a_checksum() {
    let configurations = [
        (Owner::Stream, "stream/meta.inf", r#"{"name":"ZZ-22-33","subjects":["foo.*"],"num_replicas":22}"#),
        (
            Owner::Consumer(22),
            "stream/obs/22.inf",
            r#"{"name":"obs22","filter_subject":"foo","ack_policy":"all"}"#,
        ),
    ];
    let disk = block_on(settled(1, 0));
    block_on(disk.create_folder(Path::new("stream/obs"))).unwrap();
    for (owner, path, configuration) in configurations {
        let body = configuration.as_bytes().to_vec();
        let meta = Meta { owner, stream: StreamId([7; 16]), revision: 1, created: Timestamp(5), body };
        block_on(replace(&disk, Path::new(path), &meta, None, &mut rng())).unwrap();
        let stored = block_on(read(&disk, Path::new(path), None)).unwrap().unwrap();
        assert_eq!((stored.meta, stored.is_sealed), (meta, false));
        // The file holds the text as it is, and what stands for it is no longer right where a byte of it is another.
        let file = disk.contents(path).unwrap();
        let at = file.windows(configuration.len()).position(|text| text == configuration.as_bytes()).unwrap();
        for byte in at..at + configuration.len() {
            let mut other = file.clone();
            other[byte] ^= 1;
            assert_eq!(Meta::decode(&other, None), Err(ContentError::Damaged), "byte {byte}");
        }
    }
}

#[test]
fn no_file_is_no_error() {
    block_on(async {
        let disk = settled(1, 0).await;
        assert!(read(&disk, Path::new(PATH), None).await.unwrap().is_none());
        assert_eq!(recover(&disk, Path::new(PATH)).await.unwrap(), None);
    });
}
