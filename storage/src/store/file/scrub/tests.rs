//! What the scrub promises on the simulated disk.

use std::path::PathBuf;

use natrium_model::Timestamp;

use super::{ScrubDamage, ScrubPart, ScrubProgress};
use crate::block::header::{HEAD_LEN, StreamId};
use crate::disk::sim::{Faults, SimDisk};
use crate::engine::Engine;
use crate::message::{Filter, NewMessage};
use crate::store::file::{Recovery, StoreOptions};
use crate::store::{Admission, Store, StoreError};
use crate::test_machine::{self, settle};

const MESSAGES: u64 = 1000;

async fn open(engine: &Engine<SimDisk>) -> (Store<SimDisk>, Recovery) {
    let options =
        StoreOptions { block_len: 100_000, ..StoreOptions::new(PathBuf::from("stream"), StreamId([7; 16])) };
    Store::open(engine.clone(), options).await.unwrap()
}

/// A store of some sealed blocks.
async fn fill(engine: &Engine<SimDisk>) -> Store<SimDisk> {
    let (store, _) = open(engine).await;
    test_machine::fill(&store, MESSAGES, 3).await;
    settle(engine).await;
    store
}

async fn scrub(store: &Store<SimDisk>) -> (Vec<ScrubDamage>, u64) {
    let (mut damage, mut bytes) = (Vec::new(), 0);
    for _ in 0..10_000 {
        let ScrubProgress { bytes: read, damage: found, is_round_done } =
            store.scrub_step(10_000).await.unwrap();
        bytes += read;
        damage.extend(found);
        if is_round_done {
            return (damage, bytes);
        }
    }
    panic!("a round has no end");
}

fn blocks(engine: &Engine<SimDisk>) -> Vec<String> {
    engine.disk().files().into_iter().filter(|path| path.ends_with(".blk")).collect()
}

fn run(seed: u64, work: impl AsyncFnOnce(Engine<SimDisk>)) {
    test_machine::run(&SimDisk::new(seed, Faults::default()), seed, work).unwrap();
}

#[test]
fn what_is_whole_is_read_whole_and_nothing_is_told() {
    run(1, async |engine| {
        let store = fill(&engine).await;
        let before = store.state().await.unwrap();
        let (damage, bytes) = scrub(&store).await;
        assert!(damage.is_empty(), "{damage:?}");
        let sealed = blocks(&engine).len() as u64 - 1;
        assert!(sealed > 2 && bytes > sealed * 90_000, "{bytes} bytes of {sealed} blocks");
        assert_eq!(store.state().await.unwrap(), before);
        let step = store.scrub_step(1).await.unwrap();
        assert!(step.bytes > 0 && step.bytes < 100_000, "{step:?}");
    });
}

#[test]
fn a_damaged_frame_costs_its_messages_and_they_are_known_as_lost_after_a_restart() {
    run(2, async |engine| {
        let store = fill(&engine).await;
        let before = store.state().await.unwrap();
        let files = blocks(&engine);
        engine.disk().flip_bit(&files[1], HEAD_LEN as u64 + 30_000, 4);
        let (damage, _) = scrub(&store).await;
        let [damage] = &damage[..] else { panic!("{damage:?}") };
        assert_eq!((damage.part, damage.path.to_str()), (ScrubPart::Messages, Some(&*files[1])));
        let hit = HEAD_LEN as u64 + 30_000;
        assert!(damage.range.contains(&hit), "{damage:?}");
        let lost = damage.lost.clone();
        assert!((1..=200).contains(&lost.len()), "{lost:?}");
        let check = async |store: &Store<SimDisk>| {
            assert_eq!(store.lost(), lost);
            let state = store.state().await.unwrap();
            assert_eq!(state.messages, before.messages - lost.len());
            assert_eq!((state.first_seq, state.last_seq), (1, MESSAGES));
            assert_eq!(state.deleted, lost.len());
            let first = lost.min().unwrap();
            let read = store.get(first).await;
            assert!(matches!(read, Err(StoreError::Damaged { seq }) if seq == first), "{read:?}");
            let next = store.next(Filter::All, first).await.unwrap();
            assert_eq!(next, Some(lost.max().unwrap() + 1));
            for seq in (1..=MESSAGES).filter(|&seq| !lost.contains(seq)) {
                assert!(store.get(seq).await.unwrap().is_some(), "{seq}");
            }
            assert_eq!(blocks(&engine), files, "nothing is deleted");
        };
        check(&store).await;
        // Told once.
        let (again, _) = scrub(&store).await;
        assert!(again.iter().all(|damage| damage.lost.is_empty()), "{again:?}");
        store.close().await.unwrap();
        let (store, recovery) = open(&engine).await;
        assert_eq!(recovery.lost, lost);
        check(&store).await;
        store.close().await.unwrap();
    });
}

#[test]
fn an_accepted_loss_is_a_gap_and_no_longer_told_of() {
    run(3, async |engine| {
        let store = fill(&engine).await;
        let files = blocks(&engine);
        engine.disk().flip_bit(&files[0], HEAD_LEN as u64 + 50_000, 0);
        engine.disk().spoil_page(&files[2], HEAD_LEN as u64 + 8192);
        let (damage, _) = scrub(&store).await;
        assert!(damage.len() >= 2, "{damage:?}");
        let lost = store.lost();
        let state = store.state().await.unwrap();
        let (accepted, _) = store.accept_loss().await.unwrap();
        assert_eq!(accepted, lost.len());
        store.close().await.unwrap();
        let mut store = open(&engine).await;
        for _ in 0..2 {
            assert!(store.1.lost.is_empty(), "{:?}", store.1);
            assert_eq!(store.0.state().await.unwrap(), state);
            assert_eq!(store.0.get(lost.min().unwrap()).await.unwrap(), None);
            store.0.close().await.unwrap();
            store = open(&engine).await;
        }
    });
}

#[test]
fn a_sequence_that_was_given_anew_is_not_lost() {
    run(4, async |engine| {
        let store = fill(&engine).await;
        let files = blocks(&engine);
        engine.disk().flip_bit(&files[1], HEAD_LEN as u64 + 20_000, 0);
        scrub(&store).await;
        let first = store.lost().min().unwrap();
        let commit = store.truncate(first - 1).await.unwrap();
        store.committed(commit).await.unwrap();
        assert!(store.lost().is_empty());
        let message = NewMessage {
            subject: b"s.1",
            headers: b"",
            payload: b"new",
            timestamp: Timestamp(5000),
            expires: None,
            due: None,
        };
        let appended = store.append(&message, Admission::Checked).await.unwrap();
        assert_eq!(appended.seq, first);
        store.committed(appended.commit).await.unwrap();
        store.close().await.unwrap();
        let (store, recovery) = open(&engine).await;
        assert!(recovery.lost.is_empty(), "{recovery:?}");
        assert_eq!(store.get(first).await.unwrap().unwrap().payload, "new");
    });
}

#[test]
fn heads_and_footers_are_looked_at_and_cost_no_message() {
    run(5, async |engine| {
        let store = fill(&engine).await;
        let before = store.state().await.unwrap();
        let files = blocks(&engine);
        engine.disk().flip_bit(&files[0], 100, 0);
        let len = engine.disk().contents(&files[1]).unwrap().len() as u64;
        engine.disk().flip_bit(&files[1], len - 10, 0);
        let (damage, _) = scrub(&store).await;
        let parts: Vec<_> =
            damage.iter().map(|damage| (damage.part, damage.path.to_str().unwrap())).collect();
        assert_eq!(parts, [(ScrubPart::Head, &*files[0]), (ScrubPart::Footer, &*files[1])]);
        assert!(store.lost().is_empty());
        assert_eq!(store.state().await.unwrap(), before);
        store.close().await.unwrap();
        let (store, recovery) = open(&engine).await;
        assert!(recovery.lost.is_empty() && recovery.scanned >= 1, "{recovery:?}");
        assert_eq!(store.state().await.unwrap(), before);
    });
}
