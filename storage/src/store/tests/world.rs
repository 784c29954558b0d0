//! A simulated disk with an engine on it, and the tasks that belong to them.

use std::cell::RefCell;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use futures_lite::future::{block_on, poll_fn, yield_now};
use natrium_model::Timestamp;

use crate::block::header::StreamId;
use crate::disk::sim::{Faults, SimDisk};
use crate::engine::{Background, Engine, EngineOptions, Spawn};
use crate::log::{CommitLog, LogOptions};
use crate::message::NewMessage;
use crate::store::file::StoreOptions;
use crate::store::{Admission, Appended, Store};

type Tasks = Rc<RefCell<Vec<Background>>>;

#[derive(Clone)]
pub(super) struct World {
    engine: Engine<SimDisk>,
}

impl World {
    /// Runs `test` in a world of its own; its background work goes on meanwhile.
    pub(super) fn run<F: Future<Output = ()>>(seed: u64, test: impl FnOnce(World) -> F) {
        let tasks: Tasks = Rc::default();
        let spawn: Spawn = {
            let tasks = Rc::clone(&tasks);
            Rc::new(move |task| tasks.borrow_mut().push(task))
        };
        let whole = async {
            let disk = SimDisk::new(seed, Faults::default());
            let folder = Path::new("log");
            CommitLog::recover_all(&disk, folder).await.unwrap();
            let log = LogOptions { segment_len: 1 << 20, ..LogOptions::default() };
            let options = EngineOptions { log, ..EngineOptions::default() };
            let engine = Engine::open(disk, folder, "0", options, spawn, [seed as u8; 32]).await.unwrap();
            test(World { engine }).await;
        };
        let mut whole = Box::pin(whole);
        block_on(poll_fn(|context| {
            if whole.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            let mut running = std::mem::take(&mut *tasks.borrow_mut());
            running.retain_mut(|task: &mut Background| Pin::new(task).poll(context).is_pending());
            tasks.borrow_mut().append(&mut running);
            Poll::Pending
        }));
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

    /// Waits until the background has nothing to do.
    pub(super) async fn settle(&self) {
        let mut before = 0;
        for _ in 0..100 {
            for _ in 0..200 {
                yield_now().await;
            }
            let now = self.engine.disk().operations();
            if now == before {
                return;
            }
            before = now;
        }
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
