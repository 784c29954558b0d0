//! Seeded worlds: a few files under random commits, on a disk that fails and is turned off, several lives long.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;

use futures_lite::future::{block_on, or, yield_now};
use futures_util::stream::{FuturesUnordered, StreamExt};
use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::model::{Model, Op, Pages};
use crate::disk::sim::{Faults, Script, SimDisk, SimFile};
use crate::disk::{Buffer, Cause, Disk, File, Open, Operation, PAGE_SIZE};
use crate::log::{CommitLog, LogError, LogOptions, LoggedFile, Replay};

/// What happened in one world, so that the tests can see that everything did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) crashes: u64,
    pub(super) closes: u64,
    pub(super) interrupted_recoveries: u64,
    pub(super) replayed_files: u64,
    pub(super) refused: u64,
    pub(super) acknowledged: u64,
    pub(super) folds: u64,
    pub(super) directs: u64,
    pub(super) log_failures: u64,
    pub(super) hash: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) has_page_rule: bool,
    pub(super) faults: bool,
}

/// Lives, crashes and recoveries of one seed.
///
/// # Errors
/// What was lost.
pub(super) fn run(seed: u64, rules: Rules) -> Result<Report, String> {
    let mut dice = Dice::new(seed);
    let mut disk = SimDisk::new(dice.next(), Faults::draw(seed));
    let mut report = Report::default();
    let mut files: Vec<Attachment> = Vec::new();
    for life in 0..1 + dice.below(4) {
        if rules.faults && dice.one_in(2) {
            for _ in 0..1 + dice.below(2) {
                disk.play(dice.script());
            }
        }
        let is_cut_short = !dice.one_in(4);
        if is_cut_short {
            let after = dice.below(400);
            disk.crash_after(after);
        }
        let world = Rc::new(World {
            disk: disk.clone(),
            models: RefCell::default(),
            report: RefCell::new(report),
            failed: RefCell::default(),
        });
        let lived = block_on(or(
            async {
                disk.stopped().await;
                None
            },
            live(&world, &mut dice, life, &files, rules),
        ));
        report = *world.report.borrow();
        let models = world.models.take();
        let durable: Vec<usize> = models.values().map(|model| model.borrow().durable()).collect();
        report.acknowledged += durable.iter().sum::<usize>() as u64;
        let was_closed = lived == Some(true);
        disk = if dice.one_in(3) { disk.kill() } else { disk.crash() };
        report.crashes += 1;
        let replay = if was_closed {
            report.closes += 1;
            if disk.files().iter().any(|path| path.ends_with(".log")) {
                return Err(format!("files of a closed log: {:?}", disk.files()));
            }
            Replay::default()
        } else {
            let replay;
            (disk, replay) = recover(disk, &mut dice, &mut report)?;
            replay
        };
        if !replay.damage.is_empty() {
            return Err(format!("damage where there is none: {:?}", replay.damage));
        }
        report.replayed_files += replay.files;
        files.clear();
        for (model, durable) in models.values().zip(durable) {
            let model = model.borrow();
            let durable = if was_closed && model.is_unharmed() { model.count() } else { durable };
            let pages = block_on(read(&disk, &model.path));
            let count = model.check(durable, &pages).map_err(|lost| {
                format!("life {life}: {lost}; {replay:?}; log failed: {:?}", world.failed.borrow())
            })?;
            files.push(block_on(clean(&disk, &model.path, model.len_after(count))));
        }
        disk.settle();
    }
    report.hash = disk.schedule_hash();
    Ok(report)
}

/// A file between two lives.
struct Attachment {
    path: PathBuf,
    len: usize,
    content: Vec<u8>,
}

struct World {
    disk: SimDisk,
    models: RefCell<BTreeMap<PathBuf, Rc<RefCell<Model>>>>,
    report: RefCell<Report>,
    failed: RefCell<Option<LogError>>,
}

/// `Some(true)`: the log was closed.
async fn live(
    world: &Rc<World>,
    dice: &mut Dice,
    life: u64,
    files: &[Attachment],
    rules: Rules,
) -> Option<bool> {
    for file in files {
        let model = Model::new(file.path.clone(), file.content.clone(), file.len);
        world.models.borrow_mut().insert(file.path.clone(), Rc::new(RefCell::new(model)));
    }
    let options = LogOptions {
        segment_len: (16 + 8 * dice.below(4)) * PAGE_SIZE as u64,
        segments: 2 + dice.below(3) as usize,
        fold_at: (1 + dice.below(12) as usize) * PAGE_SIZE,
        folds_in_flight: 1 + dice.below(3) as usize,
        without_page_rule: !rules.has_page_rule,
    };
    let log =
        CommitLog::open(world.disk.clone(), Path::new(FOLDER), "shard", options, dice.next()).await.ok()?;
    let mut clients: FuturesUnordered<Pin<Box<dyn Future<Output = ()>>>> = FuturesUnordered::new();
    for file in files {
        let handle = world.disk.open(&file.path, Open::Write).await.ok()?;
        let tail = &file.content[file.len - file.len % PAGE_SIZE..file.len];
        let logged = log.attach(&file.path, Rc::new(handle), file.len as u64, tail);
        clients.push(Box::pin(client(world.clone(), log.clone(), logged, Dice::new(dice.next()))));
    }
    for number in files.len()..3 + dice.below(3) as usize {
        let logged = create(world, &log, &format!("life{life}-{number}"), dice.one_in(2)).await?;
        clients.push(Box::pin(client(world.clone(), log.clone(), logged, Dice::new(dice.next()))));
    }
    let closes = dice.one_in(2);
    let work = async {
        while clients.next().await.is_some() {}
        let closed = closes && log.close().await.is_ok();
        let stats = log.stats();
        let mut report = world.report.borrow_mut();
        report.folds += stats.folds;
        report.directs += stats.directs;
        assert!(stats.backlog_bytes == 0 || !closed, "{stats:?}");
        Some(closed)
    };
    let run = async {
        log.run().await;
        world.report.borrow_mut().log_failures += u64::from(log.failed().is_some());
        *world.failed.borrow_mut() = log.failed();
        pending().await
    };
    or(work, run).await
}

async fn create(
    world: &World,
    log: &CommitLog<SimDisk>,
    name: &str,
    allocated: bool,
) -> Option<LoggedFile<SimDisk>> {
    let path = PathBuf::from(name);
    let file = world.disk.open(&path, Open::CreateNew).await.ok()?;
    if allocated {
        file.allocate(16 * PAGE_SIZE as u64).await.ok()?;
    }
    file.sync().await.ok()?;
    world.disk.sync_folder(Path::new("")).await.ok()?;
    world
        .models
        .borrow_mut()
        .insert(path.clone(), Rc::new(RefCell::new(Model::new(path.clone(), Vec::new(), 0))));
    Some(log.attach(&path, Rc::new(file), 0, &[]))
}

/// Commits to one file, and to its successor when it is detached, until one is refused.
async fn client(world: Rc<World>, log: CommitLog<SimDisk>, mut file: LoggedFile<SimDisk>, mut dice: Dice) {
    for _ in 0..5 + dice.below(60) {
        let model = world.models.borrow()[file.path()].clone();
        let offset = file.len() as usize;
        let is_ok = match dice.below(20) {
            0..=8 => {
                let bytes = dice.some_bytes(1200);
                let ticket = file.append(&bytes);
                commit(&model, Op::Append { offset, bytes }, ticket, &mut dice).await
            }
            9 => {
                let bytes = dice.some_bytes(30_000);
                let ticket = file.append(&bytes);
                commit(&model, Op::Append { offset, bytes }, ticket, &mut dice).await
            }
            10 | 11 => {
                align(&model, &file);
                let offset = file.len() as usize;
                let bytes = dice.some_bytes(600);
                let ticket = file.append(&bytes);
                commit(&model, Op::Append { offset, bytes }, ticket, &mut dice).await
            }
            12 | 13 => {
                let bytes = dice.some_bytes(12_000);
                model.borrow_mut().did(Op::Align { from: offset }, None);
                let mut pages = file.buffer(bytes.len());
                pages.bytes_mut()[..bytes.len()].copy_from_slice(&bytes);
                let ticket = file.append_direct(pages);
                let op = Op::Direct { offset: offset.next_multiple_of(PAGE_SIZE), bytes };
                commit(&model, op, ticket, &mut dice).await
            }
            14..=16 if offset > 0 => {
                let offset = dice.below(offset as u64) as usize;
                let mut bytes = dice.some_bytes(9000);
                bytes.truncate(file.len() as usize - offset);
                let ticket = file.overwrite(offset as u64, &bytes);
                commit(&model, Op::Overwrite { offset, bytes }, ticket, &mut dice).await
            }
            17 if dice.one_in(3) => file.fold().await.is_ok(),
            18 if dice.one_in(6) => {
                let name = format!("{}+", file.path().display());
                let path = file.path().to_path_buf();
                // It is gone for good before the log lets go of it.
                world.models.borrow_mut().remove(&path);
                if world.disk.remove(&path).await.is_err()
                    || world.disk.sync_folder(Path::new("")).await.is_err()
                {
                    return;
                }
                file.detach();
                let Some(next) = create(&world, &log, &name, dice.one_in(2)).await else { return };
                file = next;
                true
            }
            _ => read_some(&model, &file, &mut dice).await,
        };
        if !is_ok {
            world.report.borrow_mut().refused += 1;
            return;
        }
        if dice.one_in(3) {
            yield_now().await;
        }
    }
}

fn align(model: &RefCell<Model>, file: &LoggedFile<SimDisk>) {
    model.borrow_mut().did(Op::Align { from: file.len() as usize }, None);
    // What is refused now was refused to the commits before.
    let _ = file.align();
}

/// Whether it was not refused, as far as is known.
async fn commit(model: &RefCell<Model>, op: Op, mut ticket: crate::log::Ticket, dice: &mut Dice) -> bool {
    if !dice.one_in(2) {
        model.borrow_mut().did(op, Some(ticket));
        return true;
    }
    model.borrow_mut().did(op, None);
    let is_ok = (&mut ticket).await.is_ok();
    model.borrow_mut().came(ticket);
    is_ok
}

async fn read_some(model: &RefCell<Model>, file: &LoggedFile<SimDisk>, dice: &mut Dice) -> bool {
    let view = model.borrow().view();
    let from = dice.below(view.len() as u64 + 10) as usize;
    let len = dice.below(10_000) as usize;
    let expected = &view[from.min(view.len())..(from + len).min(view.len())];
    let Ok(read) = file.read_at(from as u64, len).await else { return false };
    let is_refused = file.append(&[]).await.is_err();
    assert!(is_refused || read == expected, "{len} bytes at {from} of {} read wrong", view.len());
    !is_refused
}

/// Recovers, interrupted now and then.
fn recover(mut disk: SimDisk, dice: &mut Dice, report: &mut Report) -> Result<(SimDisk, Replay), String> {
    loop {
        if dice.one_in(2) {
            disk.crash_after(dice.below(60));
        }
        let recovered = block_on(or(
            async {
                disk.stopped().await;
                None
            },
            async { Some(CommitLog::recover_all(&disk, Path::new(FOLDER)).await) },
        ));
        match recovered {
            Some(Ok(replay)) => {
                if disk.files().iter().any(|path| path.ends_with(".log")) {
                    return Err(format!("a log is left: {:?}", disk.files()));
                }
                // What recovery did is durable.
                disk = disk.crash();
                return Ok((disk, replay));
            }
            Some(Err(error)) => return Err(format!("recovery: {error}")),
            None => {
                report.interrupted_recoveries += 1;
                disk = if dice.one_in(4) { disk.kill() } else { disk.crash() };
            }
        }
    }
}

async fn read(disk: &SimDisk, path: &Path) -> Pages {
    let file = disk.open(path, Open::Read).await.expect("its name is durable");
    let size = file.size().await.expect("no faults after a crash") as usize;
    let mut pages = Vec::new();
    for page in 0..size.div_ceil(PAGE_SIZE) {
        let read = file.read_at((page * PAGE_SIZE) as u64, PAGE_SIZE).await.ok();
        pages.push(read.map(|read| {
            let mut read = read.to_vec();
            read.resize(PAGE_SIZE, 0);
            read
        }));
    }
    pages
}

/// What an owner does with what is behind the last commit it knows: pages of their own become zeros, the rest of the last
/// page stays as it is.
async fn clean(disk: &SimDisk, path: &Path, len: usize) -> Attachment {
    let file: SimFile = disk.open(path, Open::Write).await.expect("its name is durable");
    let size = file.size().await.expect("no faults after a crash") as usize;
    let from = len.next_multiple_of(PAGE_SIZE);
    let to = size.next_multiple_of(PAGE_SIZE);
    if from < to {
        file.write_at(from as u64, &vec![0; to - from]).await.expect("no faults after a crash");
        file.sync().await.expect("no faults after a crash");
    }
    let mut content: Vec<u8> =
        read(disk, path).await.into_iter().flat_map(|page| page.expect("checked or written")).collect();
    content.resize(content.len().max(from), 0);
    Attachment { path: path.to_path_buf(), len, content }
}

pub(super) struct Dice(Xoshiro256PlusPlus);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// 1 to `max`, none of them 0, so that nothing is mistaken for what was never written.
    pub(super) fn some_bytes(&mut self, max: u64) -> Vec<u8> {
        let len = 1 + self.below(max) as usize;
        (0..len).map(|_| self.below(255) as u8 + 1).collect()
    }

    fn script(&mut self) -> Script {
        let (operation, cause) = match self.below(5) {
            0 => (Operation::Write, Cause::NoSpace),
            1 => (Operation::Write, Cause::Io(5)),
            2 | 3 => (Operation::Sync, Cause::Io(5)),
            _ => (Operation::Read, Cause::Io(5)),
        };
        let path_has = if self.one_in(3) { ".log" } else { "life" };
        Script { operation, path_has: path_has.to_owned(), skip: self.below(60) as u32, times: 1, cause }
    }
}

const FOLDER: &str = "log";
