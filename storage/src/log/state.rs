//! What the writer knows, and what it begins next.
//!
//! Nothing here waits: futures own what they work on and come back as [`Done`].

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Waker;

use futures_util::stream::FuturesUnordered;

use super::batch::{Builder, Place};
use super::commits::{Next, Room};
use super::file::{LogFile, Work};
use super::pages::PAGE;
use super::segment::Segments;
use super::{LogError, LogOptions, LogStats, SEGMENT_LEN_MIN};
use crate::disk::{Disk, DiskError, File, PAGE_SIZE};

pub(super) struct State<D: Disk> {
    options: LogOptions,
    salt: u64,
    segments: Segments<D::File>,
    next_batch: u64,
    /// What the newest durable batch says is needed.
    recorded_low: u64,
    next_file: u64,
    /// Files whose oldest commit wants a place in a batch.
    ready: VecDeque<Rc<LogFile<D>>>,
    /// Files whose oldest commit wants their own file.
    direct: VecDeque<Rc<LogFile<D>>>,
    to_fold: VecDeque<Rc<LogFile<D>>>,
    /// Direct appends that are durable, each the newest of its file, and nobody was told.
    to_tell: Vec<(Rc<LogFile<D>>, u64)>,
    /// Files with bytes that are only in the log, by the oldest batch that has some.
    needed: BTreeMap<(u64, u64), Rc<LogFile<D>>>,
    /// Who is in the batch that is being written.
    members: Vec<Rc<LogFile<D>>>,
    is_writing: bool,
    folds_in_flight: usize,
    /// Of the batch before.
    buffer: Vec<u8>,
    backlog: usize,
    is_closing: bool,
    failed: Option<LogError>,
    /// Of the writer, while it waits.
    waker: Option<Waker>,
    has_work: bool,
    stats: LogStats,
}

/// I/O in flight.
pub(super) type Job<D> = Pin<Box<dyn Future<Output = Done<D>>>>;

/// I/O that came back.
pub(super) enum Done<D: Disk> {
    Batch { low: u64, buffer: Vec<u8>, result: Result<(), DiskError> },
    Fold { file: Rc<LogFile<D>>, step: u64, bytes: usize, result: Result<(), DiskError> },
    Direct { file: Rc<LogFile<D>>, result: Result<(), DiskError> },
    Load { file: Rc<LogFile<D>>, result: Result<Vec<(u64, Vec<u8>)>, DiskError> },
}

/// Whether a batch can be written.
enum Space {
    Room,
    /// Once a batch that has no entries says what is needed no more.
    AfterCheckpoint,
    None,
}

impl<D: Disk> State<D> {
    pub(super) fn new(segments: Segments<D::File>, options: LogOptions, salt: u64) -> Self {
        Self {
            options,
            salt,
            segments,
            next_batch: 1,
            recorded_low: 1,
            next_file: 1,
            ready: VecDeque::new(),
            direct: VecDeque::new(),
            to_fold: VecDeque::new(),
            to_tell: Vec::new(),
            needed: BTreeMap::new(),
            members: Vec::new(),
            is_writing: false,
            folds_in_flight: 0,
            buffer: Vec::new(),
            backlog: 0,
            is_closing: false,
            failed: None,
            waker: None,
            has_work: false,
            stats: LogStats::default(),
        }
    }

    pub(super) fn next_file(&mut self) -> u64 {
        let number = self.next_file;
        self.next_file += 1;
        number
    }

    pub(super) fn failed(&self) -> Option<LogError> {
        self.failed.clone()
    }

    /// Why no file takes commits any more.
    pub(super) fn refusal(&self) -> Option<LogError> {
        self.failed.clone().or_else(|| self.is_closing.then_some(LogError::Closed))
    }

    pub(super) fn segments(&self) -> &Segments<D::File> {
        &self.segments
    }

    pub(super) fn stats(&self) -> LogStats {
        LogStats {
            segments_in_use: self.segments.in_use(self.low()),
            backlog_bytes: self.backlog,
            unfolded_files: self.needed.len(),
            ..self.stats
        }
    }

    pub(super) fn committed(&mut self, file: &Rc<LogFile<D>>, bytes: usize) {
        self.backlog += bytes;
        self.schedule(file);
    }

    pub(super) fn want_fold(&mut self, file: &Rc<LogFile<D>>, step: u64) {
        file.fold_wanted.set(Some(file.fold_wanted.get().map_or(step, |wanted| wanted.max(step))));
        self.queue_fold(file);
    }

    /// The file goes away. I/O of it that is in flight comes back to nothing.
    pub(super) fn detach(&mut self, file: &Rc<LogFile<D>>) {
        self.give_up(file, &LogError::Detached);
        if let Some(batch) = file.commits.borrow().needed() {
            self.needed.remove(&(batch, file.number));
        }
        file.commits.borrow_mut().forget();
        self.signal();
    }

    pub(super) fn close(&mut self) {
        self.is_closing = true;
        self.signal();
    }

    /// Whether there is something to begin; if not, `waker` is woken when there is.
    pub(super) fn has_work(&mut self, waker: &Waker) -> bool {
        if self.has_work {
            return true;
        }
        match &mut self.waker {
            Some(old) => old.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        false
    }

    /// Begins all I/O that can begin now.
    pub(super) fn begin(&mut self, jobs: &mut FuturesUnordered<Job<D>>) {
        self.has_work = false;
        if self.failed.is_some() {
            return;
        }
        while let Some(file) = self.direct.pop_front() {
            jobs.extend(self.file_job(file));
        }
        while self.folds_in_flight < self.options.folds_in_flight
            && let Some(job) = self.next_fold()
        {
            jobs.push(job);
        }
        if !self.is_writing && !self.ready.is_empty() {
            match self.space() {
                Space::Room => jobs.extend(self.next_batch()),
                Space::AfterCheckpoint => jobs.push(self.write(Builder::empty())),
                Space::None if jobs.is_empty() => {
                    let (_, file) = self.needed.first_key_value().expect("something fills the log");
                    let error = LogError::Full { path: file.path.clone() };
                    self.fail(&error);
                }
                Space::None => {}
            }
        }
    }

    /// How the log ended, if it did. To be asked when nothing is in flight and nothing could be begun.
    pub(super) fn outcome(&self) -> Option<Result<(), LogError>> {
        if self.has_to_tell() {
            return None;
        }
        if let Some(error) = self.failed.clone() {
            return Some(Err(error));
        }
        if !self.is_closing
            || self.has_work
            || !self.ready.is_empty()
            || !self.direct.is_empty()
            || !self.to_fold.is_empty()
        {
            return None;
        }
        match self.needed.first_key_value() {
            None => Some(Ok(())),
            Some((_, file)) => Some(Err(file.durable.failed().expect("all others can be folded"))),
        }
    }

    pub(super) fn finish(&mut self, done: Done<D>) {
        match done {
            Done::Batch { low, buffer, result } => self.batch_done(low, buffer, result),
            Done::Fold { file, step, bytes, result } => {
                self.fold_done(&file, step, bytes, result);
                self.end_with_log(&file);
            }
            Done::Direct { file, result } => {
                self.direct_done(&file, result);
                self.end_with_log(&file);
            }
            Done::Load { file, result } => {
                self.load_done(&file, result);
                self.end_with_log(&file);
            }
        }
    }

    /// A batch without entries, which says that nothing is needed.
    pub(super) fn last_batch(&mut self) -> Job<D> {
        assert!(self.needed.is_empty(), "a file was not folded");
        if !self.segments.has_spare() {
            assert!(
                self.segments.roll(self.recorded_low),
                "a checkpoint is written only where it frees a segment"
            );
        }
        self.write(Builder::empty())
    }

    /// The oldest batch with bytes that are not in their file.
    fn low(&self) -> u64 {
        self.needed.first_key_value().map_or(self.next_batch, |(&(batch, _), _)| batch)
    }

    fn signal(&mut self) {
        self.has_work = true;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Puts the file where its oldest commit is served.
    fn schedule(&mut self, file: &Rc<LogFile<D>>) {
        if file.work.get() != Work::None {
            return;
        }
        match file.commits.borrow().next() {
            Next::Nothing => return,
            // A failed sync of one could lose what the other wrote, and a good one that follows would hide it.
            Next::Direct { .. } if file.commits.borrow().is_folding() => return,
            Next::Log => self.ready.push_back(file.clone()),
            Next::Direct { .. } | Next::Load(_) => self.direct.push_back(file.clone()),
        }
        file.work.set(Work::Queued);
        if !self.is_writing || !self.direct.is_empty() {
            self.signal();
        }
    }

    /// Writes or reads the file itself for its oldest commit.
    fn file_job(&mut self, file: Rc<LogFile<D>>) -> Option<Job<D>> {
        let next = file.commits.borrow().next();
        file.work.set(Work::File);
        match next {
            Next::Direct { offset, pages } => Some(Box::pin(async move {
                let result = file.file.write_synced(offset, pages).await;
                Done::Direct { file, result }
            })),
            Next::Load(pages) => Some(Box::pin(async move {
                let read = async {
                    let mut read = Vec::with_capacity(pages.len());
                    for page in pages {
                        read.push((page, file.file.read_at(page * PAGE, PAGE_SIZE).await?.to_vec()));
                    }
                    Ok(read)
                };
                let result = read.await;
                Done::Load { file, result }
            })),
            // Given up since.
            Next::Nothing | Next::Log => {
                file.work.set(Work::None);
                self.schedule(&file);
                None
            }
        }
    }

    fn space(&mut self) -> Space {
        if self.segments.room() >= BATCH_MIN || self.segments.roll(self.recorded_low) {
            Space::Room
        } else if self.segments.has_spare() && self.segments.has_free(self.low()) {
            Space::AfterCheckpoint
        } else {
            Space::None
        }
    }

    fn next_batch(&mut self) -> Option<Job<D>> {
        let mut builder = Builder::begin(std::mem::take(&mut self.buffer));
        let limit = self.segments.room().min(BATCH_MAX);
        while let Some(file) = self.ready.pop_front() {
            let room = Room {
                limit,
                path: &file.path,
                segment_use: self.segments.uses(),
                batch: self.next_batch,
                has_page_rule: self.options.has_page_rule(),
            };
            let was_needed = file.commits.borrow().needed().is_some();
            if file.commits.borrow_mut().gather(&mut builder, room) {
                if !was_needed {
                    self.needed.insert((self.next_batch, file.number), file.clone());
                }
                file.work.set(Work::Batch);
                self.members.push(file);
                continue;
            }
            if matches!(file.commits.borrow().next(), Next::Log) {
                assert!(!builder.is_empty(), "an empty batch has room for one entry");
                self.ready.push_front(file);
                break;
            }
            file.work.set(Work::None);
            self.schedule(&file);
        }
        if builder.is_empty() {
            return None;
        }
        Some(self.write(builder))
    }

    fn write(&mut self, builder: Builder) -> Job<D> {
        let (number, low) = (self.next_batch, self.low());
        let pages = u32::try_from(builder.len().div_ceil(PAGE_SIZE)).expect("a batch fits a segment");
        let (segment, page, file) = self.segments.take(number, pages);
        let buffer = builder.finish(Place { segment, page, salt: self.salt, number, low });
        self.next_batch += 1;
        self.is_writing = true;
        let step_of =
            |file: &Rc<LogFile<D>>| (Rc::clone(&file.written), file.commits.borrow().gathered_step());
        let written: Vec<_> = self.members.iter().map(step_of).collect();
        Box::pin(async move {
            let write = async {
                file.write_at(u64::from(page) * PAGE, &buffer).await?;
                for (written, step) in written {
                    written.advance(step);
                }
                file.sync().await
            };
            let result = write.await;
            Done::Batch { low, buffer, result }
        })
    }

    fn batch_done(&mut self, low: u64, buffer: Vec<u8>, result: Result<(), DiskError>) {
        self.is_writing = false;
        if let Err(source) = result {
            self.fail(&LogError::Poisoned { source });
            return;
        }
        self.recorded_low = low;
        self.stats.batches += 1;
        self.stats.batch_bytes += buffer.len() as u64;
        self.buffer = buffer;
        let mut members = std::mem::take(&mut self.members);
        for file in members.drain(..) {
            self.backlog -= file.commits.borrow_mut().batch_is_durable();
            let step = file.commits.borrow().gathered_step();
            file.written.advance(step);
            file.durable.advance(step);
            file.work.set(Work::None);
            self.schedule(&file);
            self.fold_if_large(&file);
        }
        self.members = members;
    }

    fn direct_done(&mut self, file: &Rc<LogFile<D>>, result: Result<(), DiskError>) {
        file.work.set(Work::None);
        if file.durable.is_failed() {
            return;
        }
        if let Err(source) = result {
            self.poison(file, source);
            return;
        }
        let bytes = file.commits.borrow_mut().direct_is_durable();
        self.backlog -= bytes;
        self.stats.directs += 1;
        self.stats.direct_bytes += bytes as u64;
        let step = file.commits.borrow().gathered_step();
        self.to_tell.push((Rc::clone(file), step));
        self.schedule(file);
        self.queue_fold(file);
    }

    /// Whether somebody is to be told that a direct append is durable.
    pub(super) fn has_to_tell(&self) -> bool {
        !self.to_tell.is_empty()
    }

    /// Whether one of their files is written to again already.
    pub(super) fn has_direct_under_way(&self) -> bool {
        self.to_tell.iter().any(|(file, _)| file.work.get() == Work::File)
    }

    pub(super) fn tell(&mut self) {
        for (file, step) in self.to_tell.drain(..) {
            file.written.advance(step);
            file.durable.advance(step);
        }
    }

    fn load_done(&mut self, file: &Rc<LogFile<D>>, result: Result<Vec<(u64, Vec<u8>)>, DiskError>) {
        file.work.set(Work::None);
        if file.durable.is_failed() {
            return;
        }
        match result {
            Ok(pages) => {
                for (page, bytes) in pages {
                    file.commits.borrow_mut().load(page, bytes);
                }
                self.schedule(file);
            }
            Err(source) => self.poison(file, source),
        }
    }

    fn fold_done(&mut self, file: &Rc<LogFile<D>>, step: u64, bytes: usize, result: Result<(), DiskError>) {
        self.folds_in_flight -= 1;
        // Of a file that failed meanwhile, a good sync may have hidden a bad one.
        if file.durable.is_failed() {
            return;
        }
        if let Err(source) = result {
            self.poison(file, source);
            return;
        }
        self.stats.folds += 1;
        self.stats.fold_bytes += bytes as u64;
        let mut commits = file.commits.borrow_mut();
        let was_needed = commits.needed().expect("a file that is folded has bytes in the log");
        commits.folded();
        self.needed.remove(&(was_needed, file.number));
        if let Some(batch) = commits.needed() {
            self.needed.insert((batch, file.number), file.clone());
        }
        drop(commits);
        file.folded.advance(step);
        self.schedule(file);
        self.fold_if_large(file);
    }

    fn fold_if_large(&mut self, file: &Rc<LogFile<D>>) {
        let commits = file.commits.borrow();
        let is_large = !commits.is_folding() && commits.pages().unfolded() >= self.options.fold_at;
        drop(commits);
        if is_large && !file.durable.is_failed() {
            self.want_fold(file, 0);
        } else {
            self.queue_fold(file);
        }
    }

    /// Queues the file if a fold is wanted that can begin.
    fn queue_fold(&mut self, file: &Rc<LogFile<D>>) {
        let is_due = file.fold_wanted.get().is_some_and(|step| step <= file.commits.borrow().gathered_step());
        if is_due && can_fold(file) && !file.is_in_fold_queue.replace(true) {
            self.to_fold.push_back(file.clone());
            self.signal();
        }
    }

    fn next_fold(&mut self) -> Option<Job<D>> {
        while let Some(file) = self.to_fold.pop_front() {
            file.is_in_fold_queue.set(false);
            if can_fold(&file)
                && let Some(job) = self.fold(file)
            {
                return Some(job);
            }
        }
        let below = if self.is_closing {
            u64::MAX
        } else if self.segments.in_use(self.low()) > self.segments.count() / 2 {
            self.segments.last_of(self.low())
        } else {
            return None;
        };
        let file = self
            .needed
            .range(..=(below, u64::MAX))
            .map(|(_, file)| file)
            .find(|file| can_fold(file))?
            .clone();
        self.fold(file)
    }

    fn fold(&mut self, file: Rc<LogFile<D>>) -> Option<Job<D>> {
        let step = file.commits.borrow().gathered_step();
        if file.fold_wanted.get().is_some_and(|wanted| wanted <= step) {
            file.fold_wanted.set(None);
        }
        let Some(writes) = file.commits.borrow_mut().begin_fold() else {
            file.folded.advance(step);
            return None;
        };
        self.folds_in_flight += 1;
        let bytes = writes.iter().map(|(_, pages)| pages.len()).sum();
        Some(Box::pin(async move {
            let write = async {
                for (offset, pages) in &writes {
                    file.file.write_at(*offset, pages).await?;
                }
                file.file.sync().await
            };
            let result = write.await;
            Done::Fold { file, step, bytes, result }
        }))
    }

    /// The file takes no more commits; what the log holds of it stays there for a restart.
    fn poison(&mut self, file: &Rc<LogFile<D>>, source: DiskError) {
        self.give_up(file, &LogError::FilePoisoned { path: file.path.clone(), source });
    }

    fn give_up(&mut self, file: &LogFile<D>, error: &LogError) {
        self.backlog -= file.commits.borrow_mut().give_up();
        file.written.fail(error);
        file.durable.fail(error);
        file.folded.fail(error);
        file.fold_wanted.set(None);
    }

    /// What was in flight when the log failed, of a file that nothing else led to.
    fn end_with_log(&mut self, file: &LogFile<D>) {
        if let Some(error) = self.failed.clone() {
            self.give_up(file, &error);
        }
    }

    /// The log takes no more commits, of no file.
    fn fail(&mut self, error: &LogError) {
        self.failed = Some(error.clone());
        let queued = self.ready.drain(..).chain(self.direct.drain(..)).chain(self.to_fold.drain(..));
        let known = queued.chain(self.members.drain(..)).chain(self.needed.values().cloned());
        for file in known.collect::<Vec<_>>() {
            self.give_up(&file, error);
        }
        self.signal();
    }
}

/// Whether all that was gathered of the file is durable in the log, and nobody else writes or syncs the file.
fn can_fold<D: Disk>(file: &LogFile<D>) -> bool {
    matches!(file.work.get(), Work::None | Work::Queued)
        && !file.commits.borrow().is_folding()
        && !file.durable.is_failed()
}

/// A batch is not begun where less is left of the segment: it has to have room for one entry of a page.
const BATCH_MIN: usize = 4 * PAGE_SIZE;
/// So that the next commits need not wait long.
const BATCH_MAX: usize = 1 << 20;
const _: () = assert!(2 * BATCH_MIN <= SEGMENT_LEN_MIN as usize);
