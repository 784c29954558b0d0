//! What snapshots and restores promise, on the simulated disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use bytes::Bytes;
use futures_lite::stream;
use natrium_model::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::chunk::{CHUNK_HEAD_LEN, Chain, Kind, Pin, Totals};
use super::{ChunkError, Restore, RestoreError, Restored, SnapshotError, restore};
use crate::block::header::{Coding, Compression, Encryption, StreamId};
use crate::disk::Disk;
use crate::disk::sim::{Faults, SimDisk};
use crate::engine::Engine;
use crate::keys::StreamKey;
use crate::message::{Filter, Message, NEVER, NewMessage, Purge, State};
use crate::record::{Record, SEQ_MAX};
use crate::sources::Source;
use crate::store::file::StoreOptions;
use crate::store::{Admission, Store};
use crate::test_machine;

const CHUNK: usize = 2000;

fn options(folder: &str) -> StoreOptions {
    StoreOptions { block_len: 20_000, ..StoreOptions::new(PathBuf::from(folder), StreamId([7; 16])) }
}

fn run(seed: u64, work: impl AsyncFnOnce(Engine<SimDisk>)) {
    let disk = SimDisk::new(seed, Faults { yields_max: 3, ..Faults::default() });
    test_machine::run(&disk, seed, work).unwrap();
}

async fn open(engine: &Engine<SimDisk>, options: StoreOptions) -> Store<SimDisk> {
    let (store, recovery) = Store::open(engine.clone(), options).await.unwrap();
    assert!(recovery.lost.is_empty(), "{recovery:?}");
    store
}

async fn append(store: &Store<SimDisk>, n: u64) -> u64 {
    let subject = format!("s.{}", n % 7);
    let payload = vec![n as u8; (n % 300) as usize];
    let message = NewMessage {
        subject: subject.as_bytes(),
        headers: if n.is_multiple_of(3) { b"NATS/1.0\r\na: b\r\n\r\n" } else { b"" },
        payload: &payload,
        timestamp: Timestamp(1_700_000_000_000_000_000 + n as i64 * 1000),
        expires: match n % 5 {
            0 => Some(Timestamp(1_800_000_000_000_000_000 + n as i64)),
            1 => Some(NEVER),
            _ => None,
        },
        due: n.is_multiple_of(11).then_some(Timestamp(1_900_000_000_000_000_000)),
    };
    let appended = store.append(&message, Admission::Checked).await.unwrap();
    store.committed(appended.commit).await.unwrap();
    appended.seq
}

/// 300 messages, of which the first 20 and some others are gone, and a gap that never had any.
async fn fill(store: &Store<SimDisk>) {
    for n in 1..=200 {
        append(store, n).await;
    }
    let skipped = store.skip(None, 50, Timestamp(1_700_000_000_000_900_000)).await.unwrap();
    for n in 251..=350 {
        append(store, n).await;
    }
    assert_eq!(skipped.seq, 250);
    store.compact(21).await.unwrap();
    store.purge(Purge { subject: Some(b"s.3"), ..Purge::default() }).await.unwrap();
    let commit = store.remove(350).await.unwrap().unwrap();
    store.committed(commit).await.unwrap();
}

async fn contents(store: &Store<SimDisk>) -> BTreeMap<u64, Message> {
    let mut all = BTreeMap::new();
    for seq in 1..=store.last_seq() {
        if let Some(message) = store.get(seq).await.unwrap() {
            all.insert(seq, message);
        }
    }
    all
}

/// Names of a store's blocks.
fn blocks_of(engine: &Engine<SimDisk>, folder: &str) -> Vec<String> {
    let is_block = |path: &String| path.starts_with(&format!("{folder}/")) && path.ends_with(".blk");
    engine.disk().files().into_iter().filter(is_block).collect()
}

async fn chunks_of(store: &Store<SimDisk>) -> Vec<Bytes> {
    let mut snapshot = store.snapshot().await.unwrap();
    let mut chunks = Vec::new();
    while let Some(chunk) = snapshot.next_chunk(CHUNK).await.unwrap() {
        chunks.push(chunk);
    }
    chunks
}

/// What there is of the two stores, the second one restored from the first and opened.
async fn both(
    engine: &Engine<SimDisk>,
    store: &Store<SimDisk>,
    options: StoreOptions,
) -> [(State, Vec<(u64, u64)>, BTreeMap<u64, Message>); 2] {
    let chunks = chunks_of(store).await;
    restore(engine.clone(), options.clone(), stream::iter(chunks)).await.unwrap();
    let again = open(engine, options).await;
    let mut told = Vec::new();
    for store in [store, &again] {
        told.push((store.state().await.unwrap(), store.deleted_runs(), contents(store).await));
    }
    again.close().await.unwrap();
    told.try_into().unwrap()
}

#[test]
fn a_store_comes_back_with_its_gaps_times_and_counts() {
    run(1, async |engine| {
        let store = open(&engine, options("a")).await;
        fill(&store).await;
        let [before, after] = both(&engine, &store, options("b")).await;
        assert_eq!(before, after);
        assert_eq!((after.0.first_seq, after.0.last_seq), (21, 350));
        assert!(after.0.messages > 200 && after.0.deleted > 80, "{:?}", after.0);
    });
}

#[test]
fn a_plain_store_comes_back_compressed_and_encrypted() {
    run(2, async |engine| {
        let store = open(&engine, options("a")).await;
        fill(&store).await;
        let key = engine.with_rng(StreamKey::generate);
        let coding = Coding { compression: Compression::Snappy, encryption: Encryption::ChaCha20Poly1305 };
        let options = StoreOptions { coding, key: Some(Rc::new(key)), ..options("b") };
        let [before, after] = both(&engine, &store, options).await;
        assert_eq!(before, after);
    });
}

#[test]
fn a_memory_store_is_restored_on_disk() {
    run(3, async |engine| {
        let store = Store::in_memory(crate::message::Limits::default(), 1, 9);
        fill(&store).await;
        let [before, after] = both(&engine, &store, options("b")).await;
        assert_eq!((before.1, before.2), (after.1, after.2));
        assert_eq!(before.0.messages, after.0.messages);
    });
}

#[test]
fn stores_without_messages_come_back_where_they_were() {
    run(4, async |engine| {
        let fresh = open(&engine, options("fresh")).await;
        let later = open(&engine, StoreOptions { first_seq: 100, ..options("later") }).await;
        let purged = open(&engine, options("purged")).await;
        let skipped = open(&engine, options("skipped")).await;
        for n in 1..=9 {
            append(&purged, n).await;
        }
        purged.purge(Purge::default()).await.unwrap();
        skipped.skip(None, 5, Timestamp(77)).await.unwrap();
        for (store, name) in [(&fresh, "a"), (&later, "b"), (&purged, "c"), (&skipped, "d")] {
            let [before, after] = both(&engine, store, options(name)).await;
            assert_eq!(before, after, "{name}");
        }
    });
}

#[test]
fn chunks_are_as_long_as_they_may_be_and_no_longer() {
    run(5, async |engine| {
        let store = open(&engine, options("a")).await;
        fill(&store).await;
        let chunks = chunks_of(&store).await;
        assert!(chunks.iter().all(|chunk| chunk.len() <= CHUNK));
        let messages = &chunks[1..chunks.len() - 2];
        assert!(messages.len() > 10 && messages.iter().all(|chunk| chunk.len() > CHUNK - 500));
        let mut snapshot = store.snapshot().await.unwrap();
        snapshot.next_chunk(0).await.unwrap().unwrap();
        let one = snapshot.next_chunk(0).await.unwrap().unwrap();
        assert!(one.len() < 500, "a chunk that may not have a byte has one message");
    });
}

#[test]
fn what_is_not_deleted_meanwhile_is_in_it_whatever_else_is_done() {
    for seed in 10..40 {
        run(seed, async |engine| {
            let mut dice = Xoshiro256PlusPlus::seed_from_u64(seed);
            // Truncations in one block, everything else in many.
            let is_one_block = seed.is_multiple_of(2);
            let block_len = if is_one_block { 8 << 20 } else { 20_000 };
            let store = open(&engine, StoreOptions { block_len, ..options("a") }).await;
            fill(&store).await;
            let before = contents(&store).await;
            let mut snapshot = store.snapshot().await.unwrap();
            let mut chunks = Vec::new();
            while let Some(chunk) = snapshot.next_chunk(CHUNK).await.unwrap() {
                chunks.push(chunk);
                for n in 0..dice.next_u64() % 20 {
                    match dice.next_u64() % 8 {
                        0 => _ = store.remove(dice.next_u64() % 360).await.unwrap(),
                        1 if n == 0 => _ = store.compact(20 + dice.next_u64() % 100).await.unwrap(),
                        2 if n == 0 => {
                            let subject = format!("s.{}", dice.next_u64() % 7);
                            let purge = Purge {
                                subject: Some(subject.as_bytes()),
                                keep: Some(20),
                                ..Purge::default()
                            };
                            store.purge(purge).await.unwrap();
                        }
                        3 if n == 0 && is_one_block => {
                            store.truncate(350 + dice.next_u64() % 9).await.unwrap();
                        }
                        _ => _ = append(&store, dice.next_u64() % 1000).await,
                    }
                }
            }
            let after = contents(&store).await;
            let told = restore(engine.clone(), options("b"), stream::iter(chunks)).await.unwrap();
            let again = open(&engine, options("b")).await;
            let restored = contents(&again).await;
            assert_eq!(told, Restored { messages: restored.len() as u64, ..Restored::default() });
            for (seq, message) in &restored {
                assert_eq!(before.get(seq), Some(message), "{seq} was not there");
            }
            for seq in before.keys().filter(|seq| after.contains_key(seq)) {
                assert!(restored.contains_key(seq), "{seq} was not deleted");
            }
            assert_eq!(again.last_seq(), 350);
            let state = again.state().await.unwrap();
            assert_eq!(state.messages, restored.len() as u64);
            assert_eq!(state.first_seq, restored.keys().next().copied().unwrap_or(351));
        });
    }
}

// go: server/filestore_test.go TestFileStoreSnapshot
#[test]
fn a_restored_store_has_the_counts_of_the_one_it_is_of_whatever_was_deleted() {
    let mut dice = Xoshiro256PlusPlus::seed_from_u64(9);
    for (compression, encryption) in [
        (Compression::None, Encryption::None),
        (Compression::Snappy, Encryption::None),
        (Compression::None, Encryption::ChaCha20Poly1305),
        (Compression::Snappy, Encryption::Aes256Gcm),
    ] {
        run(9, async |engine| {
            let key = Some(Rc::new(engine.with_rng(StreamKey::generate)));
            let coding = Coding { compression, encryption };
            // Long enough to be rewritten.
            let options =
                |folder| StoreOptions { coding, key: key.clone(), block_len: 80_000, ..options(folder) };
            let store = open(&engine, options("a")).await;
            for n in 1..=2233u64 {
                let message = NewMessage {
                    subject: b"foo",
                    headers: b"",
                    payload: b"Hello Snappy!",
                    timestamp: Timestamp(1_700_000_000_000_000_000 + n as i64),
                    expires: None,
                    due: None,
                };
                store.append(&message, Admission::Checked).await.unwrap();
            }
            let [before, after] = both(&engine, &store, options("all")).await;
            assert_eq!(before, after);
            assert_eq!(after.0.messages, 2233);
            for seq in 1..=100 {
                store.remove(seq).await.unwrap();
            }
            let [before, after] = both(&engine, &store, options("first")).await;
            assert_eq!(before, after);
            assert_eq!((after.0.messages, after.0.first_seq), (2133, 101));
            for _ in 0..50 {
                store.remove(101 + dice.next_u64() % 2133).await.unwrap();
            }
            let [before, after] = both(&engine, &store, options("some")).await;
            assert_eq!(before, after);
            assert!(after.0.deleted > 0 && after.0.deleted <= 50);
            // So much that blocks are rewritten, and have another name.
            let names = blocks_of(&engine, "a");
            for seq in (150..=1700).filter(|seq| seq % 10 != 0) {
                store.remove(seq).await.unwrap();
            }
            store.settled().await.unwrap();
            crate::test_machine::settle(&engine).await;
            assert!(blocks_of(&engine, "a").iter().any(|name| !names.contains(name)), "none was rewritten");
            let [before, after] = both(&engine, &store, options("rewritten")).await;
            assert_eq!(before, after);
            // One that is being taken is in nobody's way, and one that nobody goes on to take holds nothing back.
            let mut snapshot = store.snapshot().await.unwrap();
            snapshot.next_chunk(CHUNK).await.unwrap();
            let some = store.next(Filter::All, 110).await.unwrap().unwrap();
            assert!(store.remove(some).await.unwrap().is_some());
            drop(snapshot);
            let other = store.next(Filter::All, some).await.unwrap().unwrap();
            assert!(store.erase(other).await.unwrap());
            let [before, after] = both(&engine, &store, options("last")).await;
            assert_eq!(before, after);
        });
    }
}

#[test]
fn a_restored_store_knows_how_far_its_sources_were_though_the_messages_are_gone() {
    run(12, async |engine| {
        let source = |name: &str| Source {
            index_name: format!("{name} > >").into_bytes().into(),
            stream: name.as_bytes().into(),
        };
        let sources = vec![source("A"), source("B")];
        let store = open(&engine, StoreOptions { sources: sources.clone(), ..options("a") }).await;
        for header in ["A 1 > > x ONE", "B 7 > > x", "A 5 > > x TWO"] {
            let headers = format!("NATS/1.0\r\nNats-Stream-Source: {header}\r\n\r\n");
            let message = NewMessage {
                subject: b"x",
                headers: headers.as_bytes(),
                payload: b"",
                timestamp: Timestamp(5),
                expires: None,
                due: None,
            };
            store.append(&message, Admission::Checked).await.unwrap();
        }
        store.remove(3).await.unwrap();
        let before = store.sources();
        assert_eq!(before.values().map(|position| position.seq).collect::<Vec<_>>(), [5, 7]);
        let chunks = chunks_of(&store).await;
        for (folder, sources) in [("b", sources.clone()), ("c", sources[..1].to_vec())] {
            let options = StoreOptions { sources: sources.clone(), ..options(folder) };
            restore(engine.clone(), options.clone(), stream::iter(chunks.clone())).await.unwrap();
            let mut expected = before.clone();
            expected.retain(|name, _| sources.iter().any(|source| source.index_name == *name));
            assert_eq!(open(&engine, options).await.sources(), expected);
        }
    });
}

// go: server/filestore_test.go TestFileStoreSnapshotAndSyncBlocks
#[test]
fn what_is_stored_while_a_snapshot_is_taken_becomes_durable() {
    let disk = SimDisk::new(10, Faults::default());
    test_machine::run(&disk, 10, async |engine| {
        let store = open(&engine, options("a")).await;
        append(&store, 1).await;
        let mut snapshot = store.snapshot().await.unwrap();
        snapshot.next_chunk(CHUNK).await.unwrap();
        // More than a block of it: it is sealed too.
        for n in 2..=300 {
            append(&store, n).await;
        }
        crate::test_machine::settle(&engine).await;
        assert!(blocks_of(&engine, "a").len() > 1);
        assert!(snapshot.next_chunk(CHUNK).await.unwrap().is_some());
    })
    .unwrap();
    let after = disk.crash();
    test_machine::run(&after, 11, async |engine| {
        assert_eq!(open(&engine, options("a")).await.state().await.unwrap().messages, 300);
    })
    .unwrap();
}

#[test]
fn a_truncation_below_the_pin_ends_it_and_one_above_does_not() {
    run(6, async |engine| {
        let store = open(&engine, options("a")).await;
        fill(&store).await;
        let mut snapshot = store.snapshot().await.unwrap();
        snapshot.next_chunk(CHUNK).await.unwrap();
        append(&store, 400).await;
        append(&store, 401).await;
        store.truncate(351).await.unwrap();
        assert!(snapshot.next_chunk(CHUNK).await.is_ok());
        store.truncate(340).await.unwrap();
        for n in 341..400 {
            append(&store, n).await;
        }
        let ended = snapshot.next_chunk(CHUNK).await;
        assert!(matches!(ended, Err(SnapshotError::Truncated { last: 350 })), "{ended:?}");
        assert_eq!(snapshot.next_chunk(CHUNK).await.unwrap(), None);
        assert!(store.snapshot().await.unwrap().next_chunk(CHUNK).await.is_ok());
    });
}

#[test]
fn wrong_chunks_are_refused_by_name_and_the_right_one_is_taken_all_the_same() {
    run(7, async |engine| {
        let store = open(&engine, options("a")).await;
        fill(&store).await;
        let (chunks, others) = (chunks_of(&store).await, chunks_of(&store).await);
        let mut restore = Restore::begin(engine.clone(), options("b")).await.unwrap();
        for (at, chunk) in chunks.iter().enumerate() {
            let number = at as u64;
            let mut damaged = chunk.to_vec();
            let last = damaged.len() - 1;
            damaged[last] ^= 1;
            let mut wrong = vec![(Bytes::from(damaged), ChunkError::Damaged { number })];
            let cut = ChunkError::Cut { number, expected: chunk.len() as u64, found: last };
            wrong.push((chunk.slice(..last), cut));
            if at > 0 {
                wrong.push((others[at].clone(), ChunkError::Foreign { number }));
                let again = ChunkError::OutOfOrder { expected: number, found: number - 1 };
                wrong.push((chunks[at - 1].clone(), again));
            }
            if let Some(next) = chunks.get(at + 1) {
                wrong.push((next.clone(), ChunkError::OutOfOrder { expected: number, found: number + 1 }));
            }
            for (chunk, expected) in wrong {
                match restore.take(&chunk).await {
                    Err(RestoreError::Chunk(error)) => assert_eq!(error, expected),
                    other => panic!("{other:?} where {expected:?} was expected"),
                }
            }
            restore.take(chunk).await.unwrap();
        }
        let behind = restore.take(&chunks[1]).await;
        assert!(matches!(behind, Err(RestoreError::Chunk(ChunkError::BehindEnd { .. }))), "{behind:?}");
        assert!(engine.disk().list(Path::new("b")).await.unwrap().is_empty(), "before its end");
        restore.finish().await.unwrap();
        assert_eq!(contents(&open(&engine, options("b")).await).await, contents(&store).await);
    });
}

#[test]
fn one_that_is_given_up_leaves_nothing() {
    run(8, async |engine| {
        let store = open(&engine, options("a")).await;
        fill(&store).await;
        let chunks = chunks_of(&store).await;
        let some = chunks[..chunks.len() - 1].to_vec();
        let ended = restore(engine.clone(), options("b"), stream::iter(some)).await;
        assert!(matches!(ended, Err(RestoreError::Incomplete { .. })), "{ended:?}");
        // Removed in the background.
        while engine.disk().files().iter().any(|path| path.contains("restoring")) {
            futures_lite::future::yield_now().await;
        }
        let mut given_up = Restore::begin(engine.clone(), options("b")).await.unwrap();
        given_up.take(&chunks[0]).await.unwrap();
        given_up.abandon().await.unwrap();
        assert!(engine.disk().list(Path::new("")).await.unwrap().iter().all(|entry| entry.name != "b"));
        restore(engine.clone(), options("b"), stream::iter(chunks.clone())).await.unwrap();
        let occupied = restore(engine.clone(), options("b"), stream::iter(chunks)).await;
        assert!(matches!(occupied, Err(RestoreError::Occupied { .. })), "{occupied:?}");
    });
}

/// Turns the machine off at each of many operations of a restore; the next start finds all of it or nothing.
#[test]
fn a_crash_leaves_a_whole_store_or_none() {
    let mut chunks = Vec::new();
    let mut expected = BTreeMap::new();
    run(9, async |engine| {
        let store = open(&engine, options("a")).await;
        fill(&store).await;
        (chunks, expected) = (chunks_of(&store).await, contents(&store).await);
    });
    let mut seen = [0, 0];
    for seed in 0..2 {
        for operations in (seed..).step_by(7) {
            let disk = SimDisk::new(seed, Faults::draw(seed));
            disk.crash_after(operations);
            let mut was_done = false;
            let ended = test_machine::run(&disk, seed, async |engine| {
                restore(engine, options("b"), stream::iter(chunks.clone())).await.unwrap();
                was_done = true;
            });
            let left = disk.crash();
            let found = test_machine::run(&left, seed + 1, async |engine| {
                let is_there = !engine.disk().list(Path::new("b")).await.unwrap().is_empty();
                if is_there {
                    assert_eq!(contents(&open(&engine, options("b")).await).await, expected);
                } else {
                    restore(engine.clone(), options("b"), stream::iter(chunks.clone())).await.unwrap();
                    assert!(!engine.disk().files().iter().any(|path| path.contains("restoring")));
                }
                is_there
            });
            let found = found.unwrap();
            assert!(found || !was_done, "one that was finished is gone: seed {seed}, {operations}");
            seen[usize::from(found)] += 1;
            if ended.is_some() {
                break;
            }
        }
    }
    assert!(seen[0] > 20 && seen[1] > 1, "{seen:?}");
}

/// A snapshot that another program could have made: its checksums and its chain are right, and it says what it likes.
fn made_up(pin: Pin, chunks: &[Vec<(u64, usize)>], totals: Option<Totals>) -> Vec<Bytes> {
    let mut chain = Chain::begin(5);
    let mut chunk = vec![0; CHUNK_HEAD_LEN];
    pin.encode(&mut chunk);
    let mut made = vec![chain.seal(Kind::Head, chunk)];
    let (mut seq, mut told) = (pin.first - 1, Totals::default());
    for records in chunks {
        let mut chunk = vec![0; CHUNK_HEAD_LEN];
        for &(step, payload) in records {
            seq += step;
            let record = Record {
                seq: seq.max(1),
                timestamp: Timestamp(seq as i64),
                expires: None,
                due: None,
                subject: b"a",
                headers: b"",
                payload: &vec![1; payload],
            };
            record.encode(5, &mut chunk);
        }
        told.messages += records.len() as u64;
        told.bytes += (chunk.len() - CHUNK_HEAD_LEN) as u64;
        made.push(chain.seal(Kind::Messages, chunk));
    }
    let mut chunk = vec![0; CHUNK_HEAD_LEN];
    totals.unwrap_or(told).encode(&mut chunk);
    made.push(chain.seal(Kind::Trailer, chunk));
    made
}

#[test]
fn a_snapshot_of_hardly_anything_may_not_ask_for_all_of_memory() {
    run(1, async |engine| {
        let pin = Pin { first: 1, last: 1 << 40, last_timestamp: Some(Timestamp(7)), messages: 2 };
        let made = made_up(pin, &[vec![(1, 10), ((1 << 40) - 1, 10)]], None);
        let refused = restore(engine, options("b"), stream::iter(made)).await;
        let missing = (1 << 40) - 2;
        assert!(
            matches!(refused, Err(RestoreError::Sparse { missing: told }) if told == missing),
            "{refused:?}"
        );
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn whatever_a_snapshot_says_is_a_store_or_refused(
        first in prop_oneof![1..3u64, 1..SEQ_MAX],
        span in prop_oneof![1 => 0..30u64, 3 => 1_000_000..1u64 << 26],
        messages in prop_oneof![0..4u64, 0..40u64],
        has_time in prop_oneof![4 => Just(true), 1 => Just(false)],
        records in vec(vec((prop_oneof![30 => 1..4u64, 1 => 0..50_000u64], 0..300usize), 0..8), 0..5),
        lies in prop_oneof![4 => Just(None), 1 => (0..40u64, 0..9000u64).prop_map(Some)],
    ) {
        let last = (first - 1).saturating_add(span).min(SEQ_MAX);
        let pin = Pin { first, last, last_timestamp: has_time.then_some(Timestamp(7)), messages };
        let count = records.iter().flatten().count() as u64;
        let totals = lies.map(|(messages, bytes)| Totals { messages, bytes, ..Totals::default() });
        run(1, async |engine| {
            let made = made_up(pin, &records, totals);
            match restore(engine.clone(), options("b"), stream::iter(made)).await {
                Ok(told) => {
                    assert_eq!(told.messages, count);
                    let store = open(&engine, options("b")).await;
                    let state = store.state().await.unwrap();
                    assert_eq!((state.messages, state.last_seq), (count, last));
                }
                Err(RestoreError::Chunk(ChunkError::Invalid { .. })) => {}
                Err(other) => panic!("{other}"),
            }
        });
    }
}
