//! The worlds, and what each goes through.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use futures_lite::future::yield_now;
use natrium_model::Timestamp;
use rand_core::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::actor::{self, Actor, Shared};
use super::chance::Chance;
use super::model::{Kind, Model, configured};
use super::{Broken, check, footers, inspected, rot, tell};
use crate::block::header::{Coding, Compression, Encryption, StreamId};
use crate::disk::sim::{self, Faults, SimDisk};
use crate::disk::{Cause, Operation};
use crate::engine::{Engine, EngineOptions};
use crate::keys::StreamKey;
use crate::log::{LogError, LogOptions};
use crate::message::{Filter, Limits, State};
use crate::sources::SourcePositions;
use crate::store::Store;
use crate::store::block::Block;
use crate::store::file::{self, CommitSizes, Durability, StoreOptions};
use crate::test_machine::Machine;

struct World {
    chance: Chance,
    actors: Vec<Shared>,
    options: Vec<StoreOptions>,
    disk: SimDisk,
    /// What the stores held when they were closed.
    closed: Vec<State>,
    now: i64,
    has_faults: bool,
    is_harsh: bool,
    broken: Broken,
}

/// How a life of the machine ended.
enum End {
    /// All was closed.
    Closed,
    /// The process or the machine is to end as it is.
    Running,
}

/// One world from its first life to its last.
fn run(seed: u64, broken: Broken) {
    let mut world = World::new(seed, broken);
    let lives = 2 + world.chance.below(4);
    for _ in 0..lives {
        world.live();
    }
    if world.chance.one_in(3) {
        world.rot();
    } else {
        world.last_look();
    }
}

impl World {
    fn new(seed: u64, broken: Broken) -> Self {
        let mut chance = Chance::new(seed);
        let faults = Faults::draw(chance.number());
        let is_harsh = faults.unreadable_pages;
        let disk = SimDisk::new(chance.number(), faults);
        let stores = 1 + chance.index(2);
        let mut actors = Vec::new();
        let mut options = Vec::new();
        for store in 0..stores {
            let folder = PathBuf::from(format!("stores/{store}"));
            let mut store = StoreOptions::new(folder, StreamId([store as u8 + 1; 16]));
            store.limits = if chance.one_in(2) { actor::limits(&mut chance) } else { Limits::default() };
            store.first_seq = if chance.one_in(4) { chance.below(1000) } else { 1 };
            store.key = Some(key(&mut chance));
            if broken == Broken::Acknowledgement {
                store.durability = Durability::Deferred;
            }
            if let Broken::Store(broken) = broken {
                store.broken = Some(broken);
            }
            let actor = Actor::new(Kind::File, store.limits, store.first_seq.max(1));
            actors.push(Rc::new(RefCell::new(actor)));
            options.push(store);
        }
        let has_faults = chance.one_in(4);
        Self {
            chance,
            actors,
            options,
            disk,
            closed: Vec::new(),
            now: 1_000_000,
            has_faults,
            is_harsh,
            broken,
        }
    }

    /// One life: recovery, changes, and an end of some kind.
    fn live(&mut self) {
        self.change_options();
        if self.chance.one_in(2) {
            self.disk.crash_after(self.chance.below(600));
        }
        self.set_faults();
        let machine = Machine::new(self.disk.clone());
        let end = machine.run_until_off(self.life(&machine));
        tell(|| format!("it ends with {:?}", self.disk.files()));
        self.set_no_faults();
        match end {
            Some(End::Closed) => {
                for options in &self.options {
                    footers::check(&self.disk, options, &mut footers::Seen::default());
                }
                // All is whole: neither end loses anything.
                for actor in &self.actors {
                    let last = actor.borrow().history.len() - 1;
                    actor.borrow_mut().acknowledged = last;
                }
                self.disk = if self.chance.one_in(2) { self.disk.crash() } else { self.disk.kill() };
                for (options, state) in self.options.iter().zip(&self.closed) {
                    inspected::check_closed(&self.disk, options, state);
                }
            }
            Some(End::Running) | None => {
                self.disk = if self.chance.one_in(3) { self.disk.kill() } else { self.disk.crash() };
            }
        }
    }

    async fn life(&mut self, machine: &Rc<Machine>) -> End {
        tell(|| format!("a life begins with {:?}", self.disk.files()));
        let Ok(engine) = self.engine(machine).await else {
            assert!(self.has_faults, "the log does not open");
            return End::Running;
        };
        let mut stores = Vec::new();
        for at in 0..self.actors.len() {
            match self.open(&engine, at).await {
                Some(store) => stores.push(store),
                None => return End::Running,
            }
        }
        let steps = 20 + self.chance.below(140);
        for _ in 0..steps {
            let at = self.chance.index(stores.len());
            if self.chance.one_in(4) {
                self.now += self.chance.below(20) as i64;
            }
            for _ in 0..self.chance.below(4) * self.chance.below(6) {
                yield_now().await;
            }
            if !self.actors[at].borrow().has_failed {
                actor::step(&stores[at], &self.actors[at], &mut self.chance, Timestamp(self.now)).await;
            }
        }
        for (store, actor) in stores.iter().zip(&self.actors) {
            if actor.borrow().has_failed {
                actor::check_failed(store, actor).await;
            }
        }
        if self.chance.one_in(3) {
            return End::Running;
        }
        let mut is_closed = true;
        self.closed.clear();
        for (store, actor) in stores.iter().zip(&self.actors) {
            if !actor.borrow().has_failed && !self.has_faults {
                let model = actor.borrow().now().clone();
                check::all(store, &model, &mut self.chance).await;
            }
            self.closed.extend(store.state().await);
            is_closed &= store.close().await.is_ok();
        }
        is_closed &= engine.close().await.is_ok();
        assert!(is_closed || self.has_faults, "it does not close");
        if is_closed { End::Closed } else { End::Running }
    }

    /// An engine with little room, so that all that can fill up or wrap does.
    async fn engine(&mut self, machine: &Rc<Machine>) -> Result<Engine<SimDisk>, LogError> {
        let chance = &mut self.chance;
        let log = LogOptions {
            segment_len: [64 << 10, 128 << 10, 1 << 20][chance.index(3)],
            segments: 2 + chance.index(3),
            fold_at: [4 << 10, 32 << 10, 256 << 10][chance.index(3)],
            folds_in_flight: 1 + chance.index(3),
            without_page_rule: self.broken == Broken::PageRule,
        };
        let options = EngineOptions {
            cache_bytes: [4 << 10, 64 << 10, 8 << 20][chance.index(3)],
            open_files_max: 1 + chance.index(6),
            log,
        };
        machine.engine(options, chance.seed()).await
    }

    /// Opens a store and finds out which of its states is there.
    async fn open(&mut self, engine: &Engine<SimDisk>, at: usize) -> Option<Store<SimDisk>> {
        let (store, recovery) = match Store::open(engine.clone(), self.options[at].clone()).await {
            Ok(opened) => opened,
            Err(error) => {
                assert!(self.has_faults, "store {at} does not open: {error}");
                return None;
            }
        };
        let actor = Rc::clone(&self.actors[at]);
        assert!(recovery.lost.is_empty(), "store {at} lost messages: {recovery:?}");
        assert!(recovery.files.iter().all(|file| file.damage.is_empty()), "{:?}", recovery.files);
        tell(|| {
            let blocks = store.with(|ledger| {
                let of = |block: &Block| {
                    format!("{}: {}..={}, {}", block.number, block.first, block.last, block.messages)
                };
                ledger.blocks.iter().map(of).collect::<Vec<_>>()
            });
            format!("opened {at}: {recovery:?} {blocks:?}")
        });
        let limits = self.options[at].limits;
        let found = content(&store).await;
        let mut matched: Option<(Vec<Model>, Model)> = None;
        let kept = actor.borrow().maybe_kept();
        let sources = actor.borrow().sources.clone();
        for before in actor.borrow().possible() {
            for kept in &kept {
                let mut before = before.reopened();
                before.configure(kept.clone());
                let mut limited = Model { limits, ..before.clone() };
                limited.configure(sources.clone());
                let after = limited.limit_steps().pop().expect("there is one step");
                if !is_same(&found, &after) {
                    continue;
                }
                // What was known of sources that are forgotten now cannot be told, and may be back after a crash.
                let (befores, _) = matched.get_or_insert_with(|| (Vec::new(), after));
                if befores.first().is_none_or(|first| first.messages == before.messages) {
                    befores.push(before);
                }
            }
        }
        let Some((before, after)) = matched else {
            let actor = actor.borrow();
            panic!(
                "store {at}: none of {} states is there\nfound {}\nthe acknowledged one {}\nthe last one {}\n{recovery:?}",
                actor.history.len() - actor.acknowledged + actor.pending.len(),
                describe(&found.0, found.1, &found.3),
                describe_model(&actor.history[actor.acknowledged]),
                describe_model(actor.pending.last().unwrap_or(actor.now())),
            );
        };
        check::all(&store, &after, &mut self.chance).await;
        actor.borrow_mut().found(before, after);
        Some(store)
    }

    /// Other limits, another coding, sometimes another key.
    fn change_options(&mut self) {
        for (options, actor) in self.options.iter_mut().zip(&self.actors) {
            options.limits = actor.borrow().now().limits;
            let sources = actor.borrow().now().sources.clone();
            let sources = if self.chance.one_in(6) { actor::sources(&mut self.chance) } else { sources };
            options.sources = configured(&sources);
            actor.borrow_mut().open_with(sources);
            options.block_len = [4_000, 9_000, 20_000, 40_000, 200_000][self.chance.index(5)];
            // Most often as it is; else so that there are all ways of writing in one world.
            options.commit_sizes = CommitSizes::default();
            let is_about_them = options.broken == Some(file::Broken::Overtaking);
            if self.chance.one_in(2) || is_about_them {
                options.commit_sizes.closed_from = [1, 300, 2_000, 6_000][self.chance.index(4)];
                options.commit_sizes.direct_from = [1, 1_000, 5_000][self.chance.index(3)];
                options.commit_sizes.unfilled_from = [1, 2_000, 9_000][self.chance.index(3)];
            }
            if is_about_them {
                options.commit_sizes = CommitSizes { closed_from: 1, direct_from: 1, unfilled_from: 1 };
                options.block_len = 600;
            }
            if self.chance.one_in(3) {
                let compression = if self.chance.one_in(2) { Compression::Snappy } else { Compression::None };
                let encryption = match self.chance.below(4) {
                    0 => Encryption::ChaCha20Poly1305,
                    1 => Encryption::Aes256Gcm,
                    _ => Encryption::None,
                };
                options.coding = Coding { compression, encryption };
            }
        }
    }

    fn set_faults(&mut self) {
        if !self.has_faults {
            return;
        }
        let mut faults = Faults::draw(self.chance.number());
        faults.unreadable_pages = self.is_harsh;
        let kinds = [
            (Operation::Write, Cause::Io(5)),
            (Operation::Write, Cause::NoSpace),
            (Operation::Write, Cause::ShortWrite),
            (Operation::Sync, Cause::Io(5)),
            (Operation::Allocate, Cause::NoSpace),
            (Operation::SyncFolder, Cause::Io(5)),
            (Operation::Rename, Cause::Io(5)),
            (Operation::Remove, Cause::Io(5)),
            (Operation::Truncate, Cause::Io(5)),
        ];
        for _ in 0..1 + self.chance.index(2) {
            let (operation, cause) = kinds[self.chance.index(kinds.len())];
            faults.chances.push(sim::Chance {
                operation,
                cause,
                per_mille: 2 + self.chance.below(30) as u32,
            });
        }
        self.disk.set_faults(faults);
    }

    fn set_no_faults(&mut self) {
        let mut faults = Faults::draw(self.chance.number());
        faults.unreadable_pages = self.is_harsh;
        self.disk.set_faults(faults);
    }

    /// A last recovery on a disk that does what it should, twice: the second finds what the first found.
    fn last_look(&mut self) {
        self.has_faults = false;
        for _ in 0..2 {
            let machine = Machine::new(self.disk.clone());
            machine.run_until_off(async {
                let engine = self.engine(&machine).await.unwrap();
                for at in 0..self.actors.len() {
                    self.open(&engine, at).await;
                }
            });
            for actor in &self.actors {
                let mut actor = actor.borrow_mut();
                actor.acknowledged = 0;
            }
            self.disk = if self.chance.one_in(2) { self.disk.crash() } else { self.disk.kill() };
        }
    }

    /// Bits rot while everything is closed.
    fn rot(&mut self) {
        self.has_faults = false;
        let machine = Machine::new(self.disk.clone());
        machine
            .run_until_off(async {
                let engine = self.engine(&machine).await.unwrap();
                for at in 0..self.actors.len() {
                    let store = self.open(&engine, at).await.expect("nothing fails here");
                    store.close().await.unwrap();
                }
                engine.close().await.unwrap();
            })
            .expect("the machine goes on");
        self.disk = self.disk.kill();
        let at = self.chance.index(self.actors.len());
        let limits = self.options[at].limits;
        let model = self.actors[at].borrow().now().clone();
        assert_eq!(model.limits, limits);
        let ruin = rot::strike(&self.disk, &self.options[at], &mut self.chance);
        for _ in 0..2 {
            let report = inspected::look(&self.disk, &self.options[at], Some("log"));
            let machine = Machine::new(self.disk.clone());
            machine
                .run_until_off(async {
                    let engine = self.engine(&machine).await.unwrap();
                    let (store, recovery) = Store::open(engine.clone(), self.options[at].clone())
                        .await
                        .unwrap_or_else(|error| panic!("{error} after {ruin:?}"));
                    rot::check(&store, &recovery, &model, &ruin).await;
                    let may_evict = ruin.as_ref().is_some_and(|ruin| ruin.may_evict(&limits));
                    if let Some(report) = report.as_ref().filter(|_| !may_evict) {
                        inspected::check_opened(report, &store, &recovery).await;
                    }
                    store.close().await.unwrap();
                    engine.close().await.unwrap();
                })
                .expect("the machine goes on");
            self.disk = self.disk.kill();
        }
    }
}

type Content = (Vec<(u64, super::model::Msg)>, u64, Option<Timestamp>, SourcePositions);

/// All there is, and the last sequence.
async fn content(store: &Store<SimDisk>) -> Content {
    let mut found = Vec::new();
    let mut next = store.next(Filter::All, 0).await.unwrap();
    while let Some(seq) = next {
        let message = store.get(seq).await.unwrap_or_else(|error| panic!("{seq}: {error}"));
        found.push((seq, check::plain(&message.expect("it was found"))));
        next = store.next(Filter::All, seq + 1).await.unwrap();
    }
    (found, store.last_seq(), check::state(store).await.last_timestamp, store.sources())
}

fn is_same((found, last, timestamp, sources): &Content, model: &Model) -> bool {
    *last == model.last
        && *timestamp == model.last_timestamp
        && *sources == model.source_positions()
        && found.len() == model.messages.len()
        && found
            .iter()
            .zip(&model.messages)
            .all(|((seq, message), (other, expected))| seq == other && *message == **expected)
}

fn describe(messages: &[(u64, super::model::Msg)], last: u64, sources: &SourcePositions) -> String {
    let seqs: Vec<u64> = messages.iter().map(|(seq, _)| *seq).collect();
    format!("last {last}, {} messages: {seqs:?}, sources {sources:?}", seqs.len())
}

fn describe_model(model: &Model) -> String {
    let seqs: Vec<u64> = model.messages.keys().copied().collect();
    let sources = model.source_positions();
    format!("last {}, {} messages: {seqs:?}, sources {sources:?}", model.last, seqs.len())
}

fn key(chance: &mut Chance) -> Rc<StreamKey> {
    Rc::new(StreamKey::generate(&mut Xoshiro256PlusPlus::seed_from_u64(chance.number())))
}

/// Runs the worlds that the environment asks for; the seeds of those that fail are printed.
#[test]
fn worlds() {
    let number = |name| std::env::var(name).ok().and_then(|text: String| text.parse::<u64>().ok());
    if let Some(seed) = number("NATRIUM_WORLD") {
        run(seed, Broken::Nothing);
        return;
    }
    let first = number("NATRIUM_WORLD_FIRST").unwrap_or(1);
    let seeds = first..first + number("NATRIUM_WORLDS").unwrap_or(WORLDS);
    let fails = |seed: &u64| std::panic::catch_unwind(|| run(*seed, Broken::Nothing)).is_err();
    let failed: Vec<u64> = seeds.filter(fails).collect();
    assert!(failed.is_empty(), "worlds {failed:?} failed: NATRIUM_WORLD=one runs it alone");
}

/// Whether one of the first worlds fails where something is broken.
fn is_found(broken: Broken) -> bool {
    (1..=WORLDS_TO_FIND).any(|seed| std::panic::catch_unwind(|| run(seed, broken)).is_err())
}

#[test]
fn an_acknowledgement_before_the_sync_is_found() {
    assert!(is_found(Broken::Acknowledgement));
}

#[test]
fn a_page_that_is_rewritten_in_its_only_copy_is_found() {
    assert!(is_found(Broken::PageRule));
}

#[test]
fn a_delete_that_recovery_skips_is_found() {
    assert!(is_found(Broken::Store(file::Broken::Tombstone)));
}

#[test]
fn a_cut_that_recovery_does_not_hear_is_found() {
    assert!(is_found(Broken::Store(file::Broken::Truncation)));
}

#[test]
fn a_footer_with_a_message_where_it_is_not_is_found() {
    assert!(is_found(Broken::Store(file::Broken::FooterOffset)));
}

#[test]
fn a_footer_that_forgot_what_is_gone_is_found() {
    assert!(is_found(Broken::Store(file::Broken::FooterGone)));
}

#[test]
fn a_block_that_overtakes_the_one_before_it_is_found() {
    assert!(is_found(Broken::Store(file::Broken::Overtaking)));
}

#[test]
fn a_source_that_recovery_does_not_hear_of_is_found() {
    assert!(is_found(Broken::Store(file::Broken::Sources)));
}

/// The same changes of a store in memory, which agrees with the model as one on disk does.
#[test]
fn worlds_in_memory() {
    for seed in 1..=WORLDS_IN_MEMORY {
        let mut chance = Chance::new(seed);
        let limits = if chance.one_in(2) { actor::limits(&mut chance) } else { Limits::default() };
        let store = Store::in_memory(limits, 1 + chance.below(50), chance.number());
        let actor = Rc::new(RefCell::new(Actor::new(Kind::Memory, limits, store.last_seq() + 1)));
        let machine = Machine::new(SimDisk::new(seed, Faults::default()));
        let life = machine.run_until_off(async {
            for step in 0..400 {
                actor::step(&store, &actor, &mut chance, Timestamp(1_000_000 + step)).await;
            }
            let model = actor.borrow().now().clone();
            check::all(&store, &model, &mut chance).await;
        });
        assert!(life.is_some(), "world {seed} in memory");
    }
}

/// Of each run of the tests.
const WORLDS_IN_MEMORY: u64 = 30;
const WORLDS: u64 = 100;
/// Within so many what is broken is found.
const WORLDS_TO_FIND: u64 = 300;
