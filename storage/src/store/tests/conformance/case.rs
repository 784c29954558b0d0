//! One store in one way of keeping it, with a clock of its own: the same test runs over all of them.

use std::cell::{Cell, Ref, RefCell};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use natrium_model::Timestamp;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use crate::block::header::{Coding, Compression, Encryption, StreamId};
use crate::disk::sim::{Faults, SimDisk};
use crate::engine::Engine;
use crate::keys::StreamKey;
use crate::message::{
    Filter, Matching, Message, NewMessage, Purge, State, accounted_size, accounted_size_in_memory,
};
use crate::store::block::Block;
use crate::store::file::{Recovery, StoreOptions};
use crate::store::ledger::{Accounting, Ledger};
use crate::store::query::Counting;
use crate::store::{Admission, Appended, Expired, Media, Store, StoreError};
use crate::test_machine::{self, Machine, settle};

pub(super) type Change = fn(&mut StoreOptions);

/// A test runs over each of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Memory,
    Disk(Coding),
}

pub(super) struct Case {
    pub kind: Kind,
    pub options: RefCell<StoreOptions>,
    machine: Rc<Machine>,
    engine: RefCell<Engine<SimDisk>>,
    store: RefCell<Store<SimDisk>>,
    recovery: RefCell<Recovery>,
    clock: Cell<i64>,
    /// Seeds each engine otherwise.
    life: Cell<u8>,
}

pub(super) struct Picture {
    pub state: State,
    deleted: Vec<u64>,
    subjects: Vec<(String, Matching)>,
}

/// In memory, and on disk plain, compressed, encrypted, and both.
pub(super) fn everywhere(change: Change, test: impl AsyncFn(&Case)) {
    run(Kind::Memory, change, &test);
    on_disk(change, test);
}

/// On disk in every coding.
pub(super) fn on_disk(change: Change, test: impl AsyncFn(&Case)) {
    for encryption in [Encryption::None, Encryption::Aes256Gcm, Encryption::ChaCha20Poly1305] {
        for compression in [Compression::None, Compression::Snappy] {
            run(Kind::Disk(Coding { compression, encryption }), change, &test);
        }
    }
}

/// In memory and plain on disk: for what no coding has to do with.
pub(super) fn both(change: Change, test: impl AsyncFn(&Case)) {
    run(Kind::Memory, change, &test);
    plain(change, test);
}

pub(super) fn plain(change: Change, test: impl AsyncFn(&Case)) {
    run(Kind::Disk(Coding::default()), change, &test);
}

pub(super) fn run(kind: Kind, change: Change, test: &impl AsyncFn(&Case)) {
    // Shown where the test fails.
    println!("{kind:?}");
    let machine = Machine::new(SimDisk::new(1, Faults::default()));
    machine.run(async { test(&Case::new(kind, change, Rc::clone(&machine)).await).await });
}

impl Case {
    async fn new(kind: Kind, change: Change, machine: Rc<Machine>) -> Self {
        let mut options = StoreOptions::new(PathBuf::from("stream"), StreamId([7; 16]));
        options.key = Some(Rc::new(StreamKey::generate(&mut Xoshiro256PlusPlus::seed_from_u64(2))));
        if let Kind::Disk(coding) = kind {
            options.coding = coding;
        }
        change(&mut options);
        let engine = engine(&machine, 1).await;
        let (store, recovery) = open(kind, &engine, &options).await.unwrap();
        Self {
            kind,
            options: RefCell::new(options),
            machine,
            engine: RefCell::new(engine),
            store: RefCell::new(store),
            recovery: RefCell::new(recovery),
            clock: Cell::new(START),
            life: Cell::new(1),
        }
    }

    pub(super) fn store(&self) -> Store<SimDisk> {
        self.store.borrow().clone()
    }

    pub(super) fn engine(&self) -> Engine<SimDisk> {
        self.engine.borrow().clone()
    }

    pub(super) fn disk(&self) -> SimDisk {
        self.machine.disk()
    }

    pub(super) fn recovery(&self) -> Ref<'_, Recovery> {
        self.recovery.borrow()
    }

    pub(super) fn is_on_disk(&self) -> bool {
        self.kind != Kind::Memory
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp(self.clock.get())
    }

    pub(super) fn pass(&self, time: Duration) {
        self.clock.set(self.clock.get() + time.as_nanos() as i64);
    }

    /// Closes the store and opens it again.
    pub(super) async fn restart(&self) {
        self.stop().await;
        self.start().await;
    }

    pub(super) async fn stop(&self) {
        if self.is_on_disk() {
            self.store().close().await.unwrap();
        }
    }

    pub(super) async fn start(&self) {
        self.try_start().await.unwrap();
    }

    /// A memory store goes on as it is.
    pub(super) async fn try_start(&self) -> Result<(), StoreError> {
        if self.is_on_disk() {
            let (engine, options) = (self.engine.borrow().clone(), self.options.borrow().clone());
            let (store, recovery) = open(self.kind, &engine, &options).await?;
            self.store.replace(store);
            self.recovery.replace(recovery);
        }
        Ok(())
    }

    /// The power goes, once all that was done is durable. The store comes back from what its blocks and the log hold.
    pub(super) async fn crash(&self) {
        self.flush().await;
        self.power_loss().await;
        self.start().await;
    }

    /// The machine goes off and on again; no store is open.
    pub(super) async fn power_loss(&self) {
        if !self.is_on_disk() {
            return;
        }
        self.machine.lose_power();
        self.life.set(self.life.get() + 1);
        self.engine.replace(engine(&self.machine, self.life.get()).await);
    }

    /// What is there is there again after a restart, and after a crash.
    pub(super) async fn survives(&self) {
        let before = self.picture().await;
        self.restart().await;
        self.check_picture(&before, "restart").await;
        self.crash().await;
        self.check_picture(&before, "crash").await;
    }

    /// All that is asserted to survive.
    pub(super) async fn picture(&self) -> Picture {
        Picture { state: self.state().await, deleted: self.deleted(), subjects: self.subjects(">").await }
    }

    pub(super) async fn check_picture(&self, before: &Picture, after: &str) {
        let now = self.picture().await;
        assert_eq!(now.state, before.state, "after a {after}, {:?}", self.kind);
        assert!(now.deleted == before.deleted, "other sequences are deleted after a {after}");
        assert!(now.subjects == before.subjects, "subjects differ after a {after}");
        assert!(self.store().lost().is_empty(), "lost by a {after}");
    }

    pub(super) async fn flush(&self) {
        let store = self.store();
        store.committed(store.0.commits.latest()).await.unwrap();
    }

    /// Waits until the background has nothing to do.
    pub(super) async fn settle(&self) {
        self.flush().await;
        let engine = self.engine.borrow().clone();
        settle(&engine).await;
    }

    /// Appends a message a millisecond after the one before.
    pub(super) async fn put(&self, subject: &str, payload: impl AsRef<[u8]>) -> u64 {
        self.try_put(subject, payload).await.unwrap().seq
    }

    pub(super) async fn try_put(
        &self,
        subject: &str,
        payload: impl AsRef<[u8]>,
    ) -> Result<Appended, StoreError> {
        self.pass(Duration::from_millis(1));
        self.store().append(&self.message(subject, payload.as_ref()), Admission::Checked).await
    }

    pub(super) fn message<'a>(&self, subject: &'a str, payload: &'a [u8]) -> NewMessage<'a> {
        NewMessage {
            subject: subject.as_bytes(),
            headers: b"",
            payload,
            timestamp: self.now(),
            expires: None,
            due: None,
        }
    }

    pub(super) async fn put_with(&self, message: &NewMessage<'_>) -> u64 {
        self.store().append(message, Admission::Checked).await.unwrap().seq
    }

    pub(super) async fn fill(&self, count: u64, subject: &str, payload: impl AsRef<[u8]>) {
        for _ in 0..count {
            self.put(subject, payload.as_ref()).await;
        }
    }

    pub(super) async fn skip(&self, count: u64) -> u64 {
        self.store().skip(None, count, self.now()).await.unwrap().seq
    }

    pub(super) async fn remove(&self, seq: u64) -> bool {
        self.store().remove(seq).await.unwrap().is_some()
    }

    pub(super) async fn remove_all(&self, seqs: impl IntoIterator<Item = u64>) {
        for seq in seqs {
            assert!(self.remove(seq).await, "there is no message {seq} to remove");
        }
    }

    pub(super) async fn erase(&self, seq: u64) -> bool {
        self.store().erase(seq).await.unwrap()
    }

    pub(super) async fn purge(&self, subject: &str, below: u64, keep: u64) -> u64 {
        let purge = Purge { subject: Some(subject.as_bytes()), below: Some(below), keep: Some(keep) };
        self.store().purge(purge).await.unwrap().0
    }

    pub(super) async fn purge_all(&self) -> u64 {
        self.store().purge(Purge::default()).await.unwrap().0
    }

    pub(super) async fn compact(&self, seq: u64) -> u64 {
        self.store().compact(seq).await.unwrap().0
    }

    pub(super) async fn truncate(&self, seq: u64) {
        self.store().truncate(seq).await.unwrap();
    }

    /// Takes out all whose time has come.
    pub(super) async fn expire(&self) -> Vec<u64> {
        let mut removed = Vec::new();
        loop {
            let Expired { removed: now, is_more, .. } =
                self.store().expire(self.now(), 1000, None).await.unwrap();
            removed.extend(now);
            if !is_more {
                return removed;
            }
        }
    }

    pub(super) async fn state(&self) -> State {
        self.store().state().await.unwrap()
    }

    /// Messages, first and last.
    pub(super) async fn ends(&self) -> (u64, u64, u64) {
        let state = self.state().await;
        (state.messages, state.first_seq, state.last_seq)
    }

    /// All sequences between first and last without a message; the state's count of them agrees.
    pub(super) fn deleted(&self) -> Vec<u64> {
        let store = self.store();
        let deleted: Vec<u64> =
            store.deleted_runs().into_iter().flat_map(|(first, last)| first..=last).collect();
        assert_eq!(store.with(|ledger| ledger.deleted()), deleted.len() as u64, "{:?}", self.kind);
        deleted
    }

    pub(super) async fn get(&self, seq: u64) -> Option<Message> {
        self.store().get(seq).await.unwrap()
    }

    pub(super) async fn has(&self, seq: u64) -> bool {
        self.get(seq).await.is_some()
    }

    pub(super) async fn last_of(&self, subject: &str) -> Option<u64> {
        self.store().last_of(subject.as_bytes()).await.unwrap()
    }

    pub(super) async fn next(&self, filter: &str, from: u64) -> Option<u64> {
        self.store().next(Filter::Subject(filter.as_bytes()), from).await.unwrap()
    }

    pub(super) async fn previous(&self, filter: &str, from: u64) -> Option<u64> {
        self.store().previous(Filter::Subject(filter.as_bytes()), from).await.unwrap()
    }

    pub(super) async fn pending(&self, filter: &str, from: u64) -> u64 {
        self.store().pending(Filter::Subject(filter.as_bytes()), from, Counting::All).await.unwrap()
    }

    pub(super) async fn pending_last(&self, filter: &str, from: u64) -> u64 {
        self.store()
            .pending(Filter::Subject(filter.as_bytes()), from, Counting::LastPerSubject)
            .await
            .unwrap()
    }

    /// Messages that match, the first and the last.
    pub(super) async fn matching(&self, filter: &str, from: u64) -> (u64, u64, u64) {
        let matching = self.store().matching(Filter::Subject(filter.as_bytes()), from).await.unwrap();
        (matching.messages, matching.first_seq, matching.last_seq)
    }

    pub(super) async fn subjects(&self, filter: &str) -> Vec<(String, Matching)> {
        let states = self.store().subjects_state(Filter::Subject(filter.as_bytes())).await.unwrap();
        states.into_iter().map(|(text, state)| (String::from_utf8(text.to_vec()).unwrap(), state)).collect()
    }

    /// Messages of a subject, the first and the last.
    pub(super) async fn subject(&self, subject: &str) -> (u64, u64, u64) {
        let states = self.subjects(subject).await;
        let state =
            states.iter().find(|(text, _)| text == subject).map_or(Matching::default(), |found| found.1);
        (state.messages, state.first_seq, state.last_seq)
    }

    pub(super) async fn last_of_each(
        &self,
        filters: &[&str],
        until: Option<u64>,
        max: Option<usize>,
    ) -> Result<Vec<u64>, StoreError> {
        let filters: Vec<&[u8]> = filters.iter().map(|filter| filter.as_bytes()).collect();
        self.store().last_of_each(Filter::Any(&filters), until, max).await
    }

    /// Bytes a message counts for.
    pub(super) fn size(&self, subject: &str, headers: usize, payload: usize) -> u64 {
        let count = if self.is_on_disk() { accounted_size } else { accounted_size_in_memory };
        count(subject.len(), headers, payload)
    }

    /// What is appended from here on is in another block.
    pub(super) async fn new_block(&self) {
        let store = self.store();
        let _pass = store.0.gate.enter().await;
        store.roll();
        store.changed();
    }

    pub(super) fn blocks(&self) -> usize {
        self.store().with(|ledger| ledger.blocks.len())
    }

    /// The first and last sequence of each block.
    pub(super) fn block_ends(&self) -> Vec<(u64, u64)> {
        self.store().with(|ledger| ledger.blocks.iter().map(|block| (block.first, block.last)).collect())
    }

    /// Paths of the block files, in their order.
    pub(super) fn files(&self) -> Vec<String> {
        let is_block = |path: &String| path.starts_with("stream/") && path.ends_with(".blk");
        self.disk().files().into_iter().filter(is_block).collect()
    }

    /// Whether some file of the disk has these bytes in it, those of the log among them.
    pub(super) fn disk_has(&self, bytes: &[u8]) -> bool {
        let disk = self.disk();
        disk.files()
            .iter()
            .filter_map(|path| disk.contents(path))
            .any(|file| file.windows(bytes.len()).any(|window| window == bytes))
    }

    /// The subjects there are.
    pub(super) fn subject_names(&self) -> BTreeSet<String> {
        let totals = self.store().subject_totals(Filter::All);
        totals.into_iter().map(|(text, _)| String::from_utf8(text.to_vec()).unwrap()).collect()
    }
}

async fn engine(machine: &Rc<Machine>, life: u8) -> Engine<SimDisk> {
    machine.engine(test_machine::options(), [life; 32]).await.unwrap()
}

async fn open(
    kind: Kind,
    engine: &Engine<SimDisk>,
    options: &StoreOptions,
) -> Result<(Store<SimDisk>, Recovery), StoreError> {
    match kind {
        Kind::Disk(_) => Store::open(engine.clone(), options.clone()).await,
        Kind::Memory => {
            // As `in_memory`, but with blocks as small as the test wants them.
            let first = options.first_seq;
            let ledger = Ledger::new(Accounting::Memory, options.limits, first, Block::begin(1, 5, first));
            let store = Store::new(ledger, Media::Memory { salts: Cell::new(5) }, options.block_len);
            store.set_sources(&options.sources).await?;
            Ok((store, Recovery::default()))
        }
    }
}

/// Nanoseconds since the Unix epoch.
const START: i64 = 1_700_000_000_000_000_000;
