//! What a store promises, on disk and in memory.

mod conformance;
mod found;
mod sim;
mod world;

use self::world::{World, message};
use crate::message::{Filter, Limits, Purge};
use crate::test_machine::settle;

#[test]
fn what_is_appended_is_there_and_there_again_after_a_restart() {
    World::run(1, async |world| {
        let store = world.open(|_| {}).await;
        for n in 0..500u32 {
            let appended = world.append(&store, &format!("orders.{}", n % 7), &n.to_le_bytes()).await;
            assert_eq!(appended.seq, u64::from(n) + 1);
        }
        let before = store.state().await.unwrap();
        store.close().await.unwrap();
        let store = world.open(|_| {}).await;
        assert_eq!(store.state().await.unwrap(), before);
        for n in 0..500u32 {
            let read = store.get(u64::from(n) + 1).await.unwrap().unwrap();
            assert_eq!((&read.payload[..], read.seq), (&n.to_le_bytes()[..], u64::from(n) + 1));
        }
        assert_eq!(store.last_of(b"orders.3").await.unwrap(), Some(494));
        assert_eq!(
            store.pending(Filter::Subject(b"orders.3"), 1, super::query::Counting::All).await.unwrap(),
            71
        );
    });
}

#[test]
fn blocks_are_sealed_and_read_again() {
    World::run(2, async |world| {
        let small = |options: &mut super::file::StoreOptions| options.block_len = 20_000;
        let store = world.open(small).await;
        let mut last = None;
        for n in 0..2000u32 {
            let subject = format!("s.{}", n % 10);
            let payload = vec![n as u8; 100];
            last =
                Some(store.append(&message(&subject, &payload, n), super::Admission::Checked).await.unwrap());
            if n % 50 == 0 {
                store.committed(last.unwrap().commit).await.unwrap();
            }
        }
        store.committed(last.unwrap().commit).await.unwrap();
        settle(&world.engine).await;
        for round in 0..2 {
            for n in (0..2000u32).rev() {
                let read = store.get(u64::from(n) + 1).await.unwrap().unwrap();
                assert_eq!((read.payload.len(), read.payload[0]), (100, n as u8), "{round} {n}");
            }
        }
        let (purged, commit) =
            store.purge(Purge { subject: Some(b"s.3"), ..Purge::default() }).await.unwrap();
        assert_eq!(purged, 200);
        store.committed(commit).await.unwrap();
        let before = store.state().await.unwrap();
        store.close().await.unwrap();
        let store = world.open(small).await;
        assert_eq!(store.state().await.unwrap(), before);
        assert!(store.lost().is_empty());
        assert_eq!(store.get(4).await.unwrap(), None);
        assert_eq!(store.next(Filter::Subject(b"s.4"), 1001).await.unwrap(), Some(1005));
    });
}

#[test]
fn a_block_that_begins_while_its_file_is_made_ahead_waits_for_it() {
    World::run(11, async |world| {
        // Three messages a block: the next one's file is begun with the second, and wanted with the fourth.
        let store = world.open(|options| options.block_len = 20_000).await;
        let mut last = 0;
        for n in 0..60u32 {
            let appended = store.append(&message("s", &[n as u8; 6000], n), super::Admission::Checked).await;
            last = appended.unwrap().commit;
            for _ in 0..n % 12 {
                futures_lite::future::yield_now().await;
            }
        }
        store.committed(last).await.unwrap();
        assert_eq!(store.state().await.unwrap().messages, 60);
        for n in 0..60u32 {
            let read = store.get(u64::from(n) + 1).await.unwrap().unwrap();
            assert_eq!(read.payload, vec![n as u8; 6000]);
        }
    });
}

#[test]
fn what_is_appended_at_once_is_several_commits() {
    World::run(12, async |world| {
        let store = world.open(|_| {}).await;
        let mut commits = Vec::new();
        for n in 0..100u32 {
            let appended =
                store.append(&message("s", &[n as u8; 100_000], n), super::Admission::Checked).await;
            commits.push(appended.unwrap().commit);
        }
        assert!(commits.is_sorted());
        commits.dedup();
        assert!((4..=10).contains(&commits.len()), "10 MB in {} commits", commits.len());
        for commit in commits {
            store.committed(commit).await.unwrap();
        }
        store.close().await.unwrap();
        let store = world.open(|_| {}).await;
        for n in 0..100u32 {
            let read = store.get(u64::from(n) + 1).await.unwrap().unwrap();
            assert_eq!(read.payload, vec![n as u8; 100_000]);
        }
    });
}

#[test]
fn limits_take_the_oldest_out() {
    World::run(3, async |world| {
        let limits =
            Limits { max_messages: Some(10), max_messages_per_subject: Some(3), ..Limits::default() };
        for kind in world.both(|options| options.limits = limits).await {
            for n in 0..40u32 {
                world.append(&kind, &format!("a.{}", n % 5), b"x").await;
            }
            let state = kind.state().await.unwrap();
            assert_eq!((state.messages, state.first_seq, state.last_seq), (10, 31, 40));
        }
    });
}
