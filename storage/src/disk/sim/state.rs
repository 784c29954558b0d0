//! The machine behind a simulated disk: operations in flight, and what each does when its moment comes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::task::Waker;

use bytes::Bytes;
use xxhash_rust::xxh64::xxh64;

use super::content::{ALL_SECTORS, Sectors};
use super::dice::Dice;
use super::faults::{self, Faults, Script};
use super::inode::{Inode, OpId};
use super::names::{FileId, Names};
use super::request::{Answer, Request, digest};
use crate::disk::{Cause, Open, PAGE_SIZE};

#[derive(Clone)]
pub(super) struct State {
    pub(super) dice: Dice,
    pub(super) faults: Faults,
    pub(super) scripts: Vec<Script>,
    pub(super) is_read_only: bool,
    pub(super) names: Names,
    pub(super) inodes: BTreeMap<FileId, Inode>,
    /// How many handles each open file has.
    handles: BTreeMap<FileId, u32>,
    in_flight: BTreeMap<OpId, Flight>,
    next_op: OpId,
    /// The first operation of this life of the machine.
    pub(super) first_op: OpId,
    /// With the beginning of this operation the machine is off.
    pub(super) stop_at: Option<OpId>,
    is_stopped: bool,
    stop_wakers: Vec<Waker>,
    schedule: u64,
}

/// An operation that has begun and is not done.
#[derive(Clone)]
struct Flight {
    path: PathBuf,
    request: Request,
    /// Operations that were in flight when this one began: a sync promises nothing about them.
    unfinished: BTreeSet<OpId>,
    fault: Option<Cause>,
    turns_to_effect: u32,
    turns_to_end: u32,
    outcome: Option<Result<Answer, Cause>>,
    /// Nobody waits for it; it moves on with the operations of others.
    is_orphan: bool,
}

/// How much of an operation that was in flight happens when the machine or the process ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    PowerLoss,
    Kill,
}

impl State {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        Self {
            dice: Dice::new(seed),
            faults,
            scripts: Vec::new(),
            is_read_only: false,
            names: Names::new(),
            inodes: BTreeMap::new(),
            handles: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            next_op: 1,
            first_op: 1,
            stop_at: None,
            is_stopped: false,
            stop_wakers: Vec::new(),
            schedule: 0,
        }
    }

    pub(super) fn begin(&mut self, path: &Path, request: Request) -> OpId {
        let op = self.next_op;
        self.next_op += 1;
        let operation = request.operation();
        self.note(&[
            b"begin",
            &op.to_le_bytes(),
            operation.to_string().as_bytes(),
            path.as_os_str().as_encoded_bytes(),
        ]);
        self.note(&[&request.arguments()]);
        self.check_no_clash(path, &request);
        let fault = match faults::play(&mut self.scripts, operation, path) {
            Some(cause) => Some(cause),
            None if self.is_read_only && request.changes_something() => Some(Cause::ReadOnly),
            None => self.faults.strike(operation, &mut self.dice),
        };
        let turns = self.dice.below(u64::from(self.faults.yields_max) + 1) as u32;
        let turns_to_effect = self.dice.below(u64::from(turns) + 1) as u32;
        let flight = Flight {
            path: path.to_owned(),
            request,
            unfinished: self.in_flight.keys().copied().collect(),
            fault,
            turns_to_effect,
            turns_to_end: turns - turns_to_effect,
            outcome: None,
            is_orphan: false,
        };
        self.in_flight.insert(op, flight);
        if self.stop_at.is_some_and(|stop_at| op >= stop_at) {
            self.stop();
        }
        op
    }

    /// One turn of an operation. The outcome once it is done; never any once the machine is off.
    pub(super) fn step(&mut self, op: OpId) -> Option<Result<Answer, Cause>> {
        if self.is_stopped {
            return None;
        }
        self.step_orphans();
        self.step_one(op)
    }

    /// Nobody waits for `op` any more.
    pub(super) fn abandon(&mut self, op: OpId) {
        if let Some(flight) = self.in_flight.get_mut(&op) {
            flight.is_orphan = true;
        }
    }

    /// Carries out all that is in flight, and makes everything durable.
    pub(super) fn settle(&mut self) {
        for op in self.waiting() {
            self.take_effect(op);
        }
        self.inodes.values_mut().for_each(Inode::settle);
        self.names.settle();
    }

    /// The operations in flight as the end finds them: each has happened or not, a write by sectors.
    pub(super) fn end_flights(&mut self, ending: Ending) {
        for op in self.waiting() {
            let flight = self.in_flight[&op].clone();
            if let Request::Write { file, offset, pages } = flight.request {
                let limit = self.dice.below(3);
                let sectors = |dice: &mut Dice| match (ending, limit) {
                    (Ending::Kill, 0) => 0,
                    (Ending::Kill, 1) => ALL_SECTORS,
                    (Ending::Kill | Ending::PowerLoss, _) => dice.sectors(),
                };
                self.write(op, file, offset, &pages, sectors);
            } else if matches!(flight.request, Request::Allocate { .. }) && self.dice.coin() {
                self.fail(op, &flight, Cause::NoSpace);
            } else if self.dice.coin() {
                self.take_effect(op);
            }
        }
        self.in_flight.clear();
        self.handles.clear();
    }

    pub(super) fn stop(&mut self) {
        self.is_stopped = true;
        self.stop_wakers.drain(..).for_each(Waker::wake);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    pub(super) fn wake_when_stopped(&mut self, waker: &Waker) {
        if !self.stop_wakers.iter().any(|other| other.will_wake(waker)) {
            self.stop_wakers.push(waker.clone());
        }
    }

    /// The machine after its end and a new start.
    pub(super) fn restart(&mut self) {
        self.scripts.clear();
        self.is_read_only = false;
        self.first_op = self.next_op;
        self.stop_at = None;
        self.is_stopped = false;
        self.stop_wakers.clear();
        self.forget_files();
    }

    pub(super) fn operations(&self) -> u64 {
        self.next_op - self.first_op
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    pub(super) fn schedule(&self) -> u64 {
        self.schedule
    }

    pub(super) fn close(&mut self, file: FileId) {
        if let Some(count) = self.handles.get_mut(&file) {
            *count -= 1;
            if *count == 0 {
                self.handles.remove(&file);
            }
        }
    }

    pub(super) fn inode(&mut self, file: FileId) -> &mut Inode {
        self.inodes.get_mut(&file).expect("a file that is open or named is kept")
    }

    fn step_orphans(&mut self) {
        let orphans: Vec<OpId> =
            self.in_flight.iter().filter(|(_, flight)| flight.is_orphan).map(|(&op, _)| op).collect();
        for op in orphans {
            if self.dice.coin()
                && let Some(Ok(Answer::Opened(file))) = self.step_one(op)
            {
                self.close(file);
            }
        }
    }

    fn step_one(&mut self, op: OpId) -> Option<Result<Answer, Cause>> {
        let flight = self.in_flight.get_mut(&op).expect("an operation is stepped until it is done");
        if flight.outcome.is_none() {
            if flight.turns_to_effect > 0 {
                flight.turns_to_effect -= 1;
                return None;
            }
            self.take_effect(op);
        }
        let flight = self.in_flight.get_mut(&op).expect("it was there above");
        if flight.turns_to_end > 0 {
            flight.turns_to_end -= 1;
            return None;
        }
        let outcome = self.in_flight.remove(&op)?.outcome?;
        self.note(&[b"end", &op.to_le_bytes(), &digest(&outcome).to_le_bytes()]);
        Some(outcome)
    }

    /// Operations that have not had their effect yet.
    pub(super) fn waiting(&self) -> Vec<OpId> {
        self.in_flight.iter().filter(|(_, flight)| flight.outcome.is_none()).map(|(&op, _)| op).collect()
    }

    /// A real allocation fills with zeros page by page, and would wipe out a write that runs into it.
    fn check_no_clash(&self, path: &Path, request: &Request) {
        let Some(file) = request.file() else { return };
        let size = self.inodes[&file].size();
        let is_allocation = |request: &Request| matches!(request, Request::Allocate { .. });
        let writes_behind = |request: &Request| match request.end_of_write() {
            Some(end) => end > size,
            None => is_allocation(request),
        };
        let is_clash = writes_behind(request)
            && self.in_flight.values().any(|flight| {
                let other = &flight.request;
                let is_one = is_allocation(request) || is_allocation(other);
                flight.outcome.is_none() && other.file() == Some(file) && writes_behind(other) && is_one
            });
        assert!(!is_clash, "{}: a write behind its end while space is allocated there", path.display());
    }

    fn take_effect(&mut self, op: OpId) {
        let flight = self.in_flight[&op].clone();
        let outcome = match flight.fault {
            Some(cause) => {
                self.fail(op, &flight, cause);
                Err(cause)
            }
            None => self.carry_out(op, &flight),
        };
        self.note(&[b"effect", &op.to_le_bytes()]);
        if let Some(flight) = self.in_flight.get_mut(&op) {
            flight.outcome = Some(outcome);
        }
    }

    fn carry_out(&mut self, op: OpId, flight: &Flight) -> Result<Answer, Cause> {
        let path = &flight.path;
        let promised = |other: OpId| other < op && !flight.unfinished.contains(&other);
        match &flight.request {
            Request::Open { how } => {
                let file = match how {
                    Open::Read | Open::Write => self.names.find_file(path)?,
                    Open::CreateNew => self.names.create_file(op, path)?,
                };
                self.inodes.entry(file).or_default();
                *self.handles.entry(file).or_default() += 1;
                Ok(Answer::Opened(file))
            }
            Request::List => self.names.list(path).map(Answer::Entries),
            Request::CreateFolder => self.names.create_folder(op, path).map(done),
            Request::Rename { to } => self.names.rename(op, path, to).map(done),
            Request::Remove => self.names.remove_file(op, path).map(done),
            Request::RemoveFolder => self.names.remove_folder(op, path).map(done),
            Request::SyncFolder => {
                self.names.sync(path, promised, &mut self.dice)?;
                self.forget_files();
                Ok(Answer::Done)
            }
            Request::Read { file, offset, len } => {
                self.inode(*file).read(*offset, *len).map(Answer::Bytes).ok_or(Cause::Io(EIO))
            }
            Request::Write { file, offset, pages } => {
                self.check_space(*file, offset + pages.len() as u64).inspect_err(|_| {
                    self.write_start(op, *file, *offset, pages);
                })?;
                self.write(op, *file, *offset, pages, |_| ALL_SECTORS);
                Ok(Answer::Done)
            }
            Request::Sync { file } => {
                self.inode(*file).sync(promised);
                Ok(Answer::Done)
            }
            Request::Allocate { file, size } => {
                self.check_space(*file, *size)?;
                self.inode(*file).allocate(op, *size);
                Ok(Answer::Done)
            }
            Request::Truncate { file, size } => {
                self.check_space(*file, *size)?;
                self.inode(*file).truncate(op, *size);
                Ok(Answer::Done)
            }
            Request::Size { file } => Ok(Answer::Size(self.inode(*file).size())),
        }
    }

    /// What an operation that fails leaves behind.
    fn fail(&mut self, op: OpId, flight: &Flight, cause: Cause) {
        match &flight.request {
            Request::Write { file, offset, pages } => match cause {
                Cause::NoSpace | Cause::ShortWrite => self.write_start(op, *file, *offset, pages),
                Cause::Io(_) => self.write(op, *file, *offset, pages, Dice::sectors),
                Cause::NotFound
                | Cause::Exists
                | Cause::NotEmpty
                | Cause::BadPath
                | Cause::ReadOnly
                | Cause::TooManyOpenFiles => {}
            },
            Request::Allocate { file, size } if cause != Cause::ReadOnly => {
                let inode = self.inodes.get_mut(file).expect("a file that is open is kept");
                let missing = size.saturating_sub(inode.size()) / PAGE_SIZE as u64;
                let part = inode.size() + self.dice.below(missing + 1) * PAGE_SIZE as u64;
                inode.allocate(op, part);
            }
            Request::Sync { file } => {
                let inode = self.inodes.get_mut(file).expect("a file that is open is kept");
                inode.fail_sync(&mut self.dice);
            }
            Request::SyncFolder => {
                // A folder that is not there has no names to lose.
                let _ = self.names.fail_sync(&flight.path, &mut self.dice);
            }
            Request::Open { .. }
            | Request::List
            | Request::CreateFolder
            | Request::Rename { .. }
            | Request::Remove
            | Request::RemoveFolder
            | Request::Read { .. }
            | Request::Allocate { .. }
            | Request::Truncate { .. }
            | Request::Size { .. } => {}
        }
    }

    fn write(
        &mut self,
        op: OpId,
        file: FileId,
        offset: u64,
        pages: &Bytes,
        mut sectors: impl FnMut(&mut Dice) -> Sectors,
    ) {
        let inode = self.inodes.get_mut(&file).expect("a file that is open is kept");
        inode.write(op, offset, pages, || sectors(&mut self.dice));
    }

    /// The first pages of a write, but not all.
    fn write_start(&mut self, op: OpId, file: FileId, offset: u64, pages: &Bytes) {
        let kept = self.dice.index((pages.len() / PAGE_SIZE).max(1)) * PAGE_SIZE;
        self.write(op, file, offset, &pages.slice(..kept), |_| ALL_SECTORS);
    }

    fn check_space(&self, file: FileId, size: u64) -> Result<(), Cause> {
        let Some(capacity) = self.faults.capacity else { return Ok(()) };
        let pages = |size: u64| size.next_multiple_of(PAGE_SIZE as u64);
        let own = self.inodes[&file].size();
        let others = self.inodes.iter().filter(|(id, _)| **id != file);
        let used: u64 = others.map(|(_, inode)| pages(inode.size())).sum();
        if size > own && used + pages(size) > capacity { Err(Cause::NoSpace) } else { Ok(()) }
    }

    /// Drops the content of files that no name, no handle and no operation leads to.
    fn forget_files(&mut self) {
        let mut kept = self.names.reachable();
        kept.extend(self.handles.keys());
        kept.extend(self.in_flight.values().filter_map(|flight| flight.request.file()));
        self.inodes.retain(|file, _| kept.contains(file));
        for file in kept {
            self.inodes.entry(file).or_default();
        }
    }

    fn note(&mut self, what: &[&[u8]]) {
        for part in what {
            self.schedule = xxh64(part, self.schedule);
        }
    }
}

fn done((): ()) -> Answer {
    Answer::Done
}

pub(super) const EIO: i32 = 5;
