//! What the states of consumers promise on the simulated disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use natrium_model::Timestamp;
use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{ConsumerOptions, ConsumerRecovery, ConsumerStore, ConsumerStoreError};
use crate::block::header::{Coding, Compression, Encryption, HEAD_LEN, StreamId};
use crate::consumer::{AckPolicy, ConsumerState, Operation, Refused, Rules};
use crate::disk::sim::{Faults, SimDisk};
use crate::disk::{Cause, Disk, Operation as DiskOperation};
use crate::engine::Engine;
use crate::keys::StreamKey;
use crate::store::StoreError;
use crate::test_machine;

const RULES: Rules = Rules { ack_policy: AckPolicy::Explicit, max_deliver: None };
const PLAIN: Coding = Coding { compression: Compression::None, encryption: Encryption::None };
const SEALED: Coding = Coding { compression: Compression::Snappy, encryption: Encryption::ChaCha20Poly1305 };

type States = BTreeMap<u64, ConsumerState>;

fn options(coding: Coding) -> ConsumerOptions {
    let key = StreamKey::generate(&mut Xoshiro256PlusPlus::seed_from_u64(1));
    ConsumerOptions {
        folder: PathBuf::from("stream/consumers"),
        stream: StreamId([7; 16]),
        coding,
        key: (coding.encryption != Encryption::None).then(|| Rc::new(key)),
    }
}

async fn open(engine: &Engine<SimDisk>, coding: Coding) -> (ConsumerStore<SimDisk>, ConsumerRecovery) {
    ConsumerStore::open(engine.clone(), options(coding)).await.unwrap()
}

fn states(store: &ConsumerStore<SimDisk>) -> States {
    store.with_consumers(|all| all.iter().map(|(number, _, state)| (number, state.clone())).collect())
}

fn delivered(seq: u64) -> Operation {
    Operation::Delivered { consumer: seq, stream: seq, count: 1, timestamp: Timestamp(seq as i64 * 1000) }
}

/// Some change; `None` where there was nothing to change.
fn change(store: &ConsumerStore<SimDisk>, dice: &mut Xoshiro256PlusPlus) -> Option<u64> {
    let number = 1 + dice.next_u64() % 5;
    let state = store.with_consumers(|all| all.state(number).cloned());
    let Some(state) = state else {
        return Some(store.set(number, RULES, ConsumerState::default()).unwrap());
    };
    let operation = match dice.next_u64() % 40 {
        0 => return store.remove(number).unwrap(),
        1 => return store.set_rules(number, Rules { max_deliver: Some(3), ..RULES }).unwrap(),
        2 => Operation::Skipped { stream: state.delivered.stream + 3 },
        3..20 if !state.pending.is_empty() => {
            let at = dice.next_u64() as usize % state.pending.len();
            let (&stream, pending) = state.pending.iter().nth(at).unwrap();
            Operation::Acked { consumer: pending.consumer, stream }
        }
        _ => {
            let consumer = state.delivered.consumer + 1;
            let stream = state.delivered.stream + 1;
            Operation::Delivered { consumer, stream, count: 1, timestamp: Timestamp(stream as i64) }
        }
    };
    let (applied, commit) = store.apply(number, operation).unwrap().unwrap();
    applied.is_changed.then_some(commit)
}

#[test]
fn states_come_back_from_every_coding_and_from_one_to_another() {
    let disk = SimDisk::new(1, Faults::default());
    let mut dice = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut before = States::new();
    for (life, coding) in [PLAIN, PLAIN, SEALED, SEALED, PLAIN].into_iter().enumerate() {
        let disk = disk.clone();
        test_machine::run(&disk, life as u64, async |engine| {
            // The key is there as long as something may be sealed.
            let options = ConsumerOptions { coding, ..options(SEALED) };
            let (store, recovery) = ConsumerStore::open(engine.clone(), options).await.unwrap();
            assert_eq!(states(&store), before, "life {life}");
            assert!(recovery.damage.is_empty() && recovery.aside.is_empty(), "{recovery:?}");
            for _ in 0..200 {
                if let Some(commit) = change(&store, &mut dice)
                    && dice.next_u64().is_multiple_of(9)
                {
                    store.committed(commit).await.unwrap();
                }
            }
            before = states(&store);
            store.close().await.unwrap();
            assert!(matches!(store.remove(1), Err(ConsumerStoreError::Store(StoreError::Closed))));
            engine.close().await.unwrap();
        })
        .unwrap();
    }
    assert!(before.len() > 3);
}

#[test]
fn a_state_that_cannot_be_is_refused_and_nothing_is_written() {
    let disk = SimDisk::new(2, Faults::default());
    test_machine::run(&disk, 2, async |engine| {
        let (store, _) = open(&engine, PLAIN).await;
        let mut wrong = ConsumerState::default();
        wrong.ack_floor.stream = 9;
        let refused = store.set(1, RULES, wrong);
        assert!(matches!(refused, Err(ConsumerStoreError::Refused(Refused::FloorAboveDelivered))));
        assert!(store.apply(1, delivered(1)).unwrap().is_none(), "there is no such consumer");
        assert_eq!((store.remove(1).unwrap(), store.set_rules(1, RULES).unwrap()), (None, None));
        store.close().await.unwrap();
        assert!(engine.disk().list(Path::new("stream/consumers")).await.unwrap().is_empty());
    })
    .unwrap();
}

#[test]
fn a_long_journal_is_written_anew_and_the_old_one_goes() {
    let disk = SimDisk::new(3, Faults { yields_max: 3, ..Faults::default() });
    test_machine::run(&disk, 3, async |engine| {
        let (store, _) = open(&engine, PLAIN).await;
        store.set(1, RULES, ConsumerState::default()).unwrap();
        let mut names = std::collections::BTreeSet::new();
        let mut commit = 0;
        for seq in 1..=30_000 {
            let _ = store.apply(1, delivered(seq)).unwrap().unwrap();
            let acked = Operation::Acked { consumer: seq, stream: seq };
            commit = store.apply(1, acked).unwrap().unwrap().1;
            if seq.is_multiple_of(500) {
                store.committed(commit).await.unwrap();
                names.extend(engine.disk().files().into_iter().filter(|path| path.ends_with(".consumers")));
            }
        }
        store.committed(commit).await.unwrap();
        assert!(names.len() > 3, "{names:?}");
        let before = states(&store);
        assert_eq!(before[&1].ack_floor.stream, 30_000);
        store.close().await.unwrap();
        let (store, recovery) = open(&engine, PLAIN).await;
        assert_eq!(states(&store), before);
        let left = engine.disk().files();
        let left: Vec<_> = left.iter().filter(|path| path.contains("consumers/")).collect();
        assert_eq!(left, [recovery.path.unwrap().to_str().unwrap()]);
    })
    .unwrap();
}

/// Lives that end in a crash at some operation: what was durable is there, and nothing half.
#[test]
fn what_was_durable_is_there_after_every_crash() {
    let mut crashes = 0;
    for seed in 0..150 {
        let coding = if seed % 3 == 0 { SEALED } else { PLAIN };
        let mut dice = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut disk = SimDisk::new(seed, Faults::draw(seed));
        // The states after each change, from the durable one on.
        let mut may_be = vec![States::new()];
        for life in 0..4 {
            disk.crash_after(20 + dice.next_u64() % 150);
            let ended = test_machine::run(&disk, seed * 10 + life, async |engine| {
                let (store, recovery) = open(&engine, coding).await;
                let found = states(&store);
                assert!(may_be.contains(&found), "seed {seed}, life {life}: {found:?} of {may_be:?}");
                assert!(recovery.damage.is_empty() && recovery.missing.is_empty(), "{seed}: {recovery:?}");
                assert!(recovery.behind.is_empty() && !recovery.is_older, "{seed}: {recovery:?}");
                may_be = vec![found];
                for _ in 0..300 {
                    let commit = change(&store, &mut dice);
                    may_be.push(states(&store));
                    if let Some(commit) = commit
                        && dice.next_u64().is_multiple_of(3)
                    {
                        store.committed(commit).await.unwrap();
                        may_be.drain(..may_be.len() - 1);
                    }
                }
            });
            crashes += u32::from(ended.is_none());
            disk = if dice.next_u64().is_multiple_of(3) { disk.kill() } else { disk.crash() };
        }
    }
    assert!(crashes > 300, "{crashes}");
}

#[test]
fn damage_is_told_and_costs_nobody_else() {
    let disk = SimDisk::new(5, Faults::default());
    let mut path = None;
    test_machine::run(&disk, 5, async |engine| {
        let (store, _) = open(&engine, PLAIN).await;
        for number in 1..=2 {
            let commit = store.set(number, RULES, ConsumerState::default()).unwrap();
            store.committed(commit).await.unwrap();
        }
        for seq in 1..=20 {
            let commit = store.apply(1 + seq % 2, delivered(seq)).unwrap().unwrap().1;
            store.committed(commit).await.unwrap();
        }
        let state = store.with_consumers(|all| all.state(2).cloned()).unwrap();
        let commit = store.set(2, RULES, state).unwrap();
        store.committed(commit).await.unwrap();
        store.close().await.unwrap();
        engine.close().await.unwrap();
        path = engine.disk().files().into_iter().find(|path| path.ends_with(".consumers"));
    })
    .unwrap();
    // In the middle of the frames.
    disk.flip_bit(path.unwrap(), HEAD_LEN as u64 + 800, 3);
    test_machine::run(&disk, 6, async |engine| {
        let (store, recovery) = open(&engine, PLAIN).await;
        assert_eq!(recovery.damage.len(), 1, "{recovery:?}");
        assert_eq!(recovery.missing.len(), 1);
        assert_eq!(recovery.behind.iter().copied().collect::<Vec<_>>(), [1], "2 has a checkpoint behind");
        let states = states(&store);
        assert_eq!(states[&2].delivered.stream, 19);
        assert!(states[&1].delivered.stream < 20);
        // The next commit is to a new file, of which nothing is damaged.
        let commit = store.apply(1, delivered(30)).unwrap().unwrap().1;
        store.committed(commit).await.unwrap();
        let after = self::states(&store);
        store.close().await.unwrap();
        let (store, recovery) = open(&engine, PLAIN).await;
        assert!(recovery.damage.is_empty() && recovery.behind.is_empty(), "{recovery:?}");
        assert_eq!(self::states(&store), after);
    })
    .unwrap();
}

#[test]
fn a_file_without_its_head_is_moved_aside_and_a_wrong_key_changes_nothing() {
    let disk = SimDisk::new(7, Faults::default());
    test_machine::run(&disk, 7, async |engine| {
        let (store, _) = open(&engine, SEALED).await;
        let commit = store.set(1, RULES, ConsumerState::default()).unwrap();
        store.committed(commit).await.unwrap();
        store.close().await.unwrap();
        let files = engine.disk().files();
        let other = StreamKey::generate(&mut Xoshiro256PlusPlus::seed_from_u64(2));
        for key in [None, Some(Rc::new(other))] {
            let is_none = key.is_none();
            let refused =
                ConsumerStore::open(engine.clone(), ConsumerOptions { key, ..options(SEALED) }).await;
            let refused = refused.err().unwrap();
            let is_no_key = matches!(&refused, ConsumerStoreError::Store(StoreError::NoKey { .. }));
            let is_wrong_key = matches!(&refused, ConsumerStoreError::Store(StoreError::WrongKey { .. }));
            assert!(is_no_key == is_none && is_wrong_key != is_none, "{refused}");
            assert_eq!(engine.disk().files(), files);
        }
        let path = files.iter().find(|path| path.ends_with(".consumers")).unwrap();
        engine.disk().zero(path, 0, HEAD_LEN as u64);
        let (store, recovery) = open(&engine, SEALED).await;
        assert!(recovery.is_older && states(&store).is_empty());
        assert!(engine.disk().contents(&recovery.aside[0]).is_some());
    })
    .unwrap();
}

#[test]
fn a_failed_write_fails_all_that_follows_and_states_stay_readable() {
    let disk = SimDisk::new(8, Faults::default());
    test_machine::run(&disk, 8, async |engine| {
        let (store, _) = open(&engine, PLAIN).await;
        engine.disk().fail_next(DiskOperation::Sync, ".consumers", Cause::Io(5));
        let commit = store.set(1, RULES, ConsumerState::default()).unwrap();
        assert!(store.committed(commit).await.is_err());
        assert!(matches!(store.remove(1), Err(ConsumerStoreError::Store(StoreError::Failed(_)))));
        assert_eq!(states(&store).len(), 1);
        assert!(store.close().await.is_err());
        let (store, recovery) = open(&engine, PLAIN).await;
        assert!(states(&store).is_empty(), "it was never acknowledged");
        assert_eq!(recovery.aside.len(), 1);
    })
    .unwrap();
}
