//! A simulated disk with an engine on it, for stores on disk and in memory.

use std::path::PathBuf;

use natrium_model::Timestamp;

use crate::block::header::StreamId;
use crate::disk::sim::{Faults, SimDisk};
use crate::engine::Engine;
use crate::message::NewMessage;
use crate::store::file::StoreOptions;
use crate::store::{Admission, Appended, Store};
use crate::test_machine;

pub(super) struct World {
    pub engine: Engine<SimDisk>,
}

impl World {
    /// Runs `test` in a world of its own; its background work goes on meanwhile.
    pub(super) fn run(seed: u64, test: impl AsyncFnOnce(World)) {
        let disk = SimDisk::new(seed, Faults::default());
        test_machine::run(&disk, seed, async |engine| test(World { engine }).await).unwrap();
    }

    pub(super) async fn open(&self, change: impl FnOnce(&mut StoreOptions)) -> Store<SimDisk> {
        let mut options = StoreOptions::new(PathBuf::from("stream"), StreamId([7; 16]));
        change(&mut options);
        Store::open(self.engine.clone(), options).await.unwrap().0
    }

    /// The same store on disk and in memory.
    pub(super) async fn both(&self, change: impl Fn(&mut StoreOptions)) -> [Store<SimDisk>; 2] {
        let mut options = StoreOptions::new(PathBuf::new(), StreamId([7; 16]));
        change(&mut options);
        [self.open(&change).await, Store::in_memory(options.limits, options.first_seq, 5)]
    }

    pub(super) async fn append(&self, store: &Store<SimDisk>, subject: &str, payload: &[u8]) -> Appended {
        let n = store.last_seq() as u32;
        let appended = store.append(&message(subject, payload, n), Admission::Checked).await.unwrap();
        store.committed(appended.commit).await.unwrap();
        appended
    }
}

pub(super) fn message<'a>(subject: &'a str, payload: &'a [u8], n: u32) -> NewMessage<'a> {
    NewMessage {
        subject: subject.as_bytes(),
        headers: b"",
        payload,
        timestamp: Timestamp(1_700_000_000_000_000_000 + i64::from(n) * 1000),
        expires: None,
        due: None,
    }
}
