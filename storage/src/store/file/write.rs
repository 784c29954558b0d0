//! Commits: what was changed since the last one becomes frames of the blocks, and durable.

use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;

use futures_lite::future::{or, yield_now};
use natrium_model::Timestamp;

use crate::block::spans::{SPAN_LEN_MIN, Span};
use crate::cache::{Part, SpanContent};
use crate::disk::Disk;
use crate::log::{LogError, Ticket};
use crate::store::block::{Block, BlockNumber, Gathering};
use crate::store::commits::Commits;
use crate::store::file::create::NewBlock;
use crate::store::file::encode::Coded;
use crate::store::file::{BlockFile, Durability, FileMedia};
use crate::store::ledger::Ledger;
use crate::store::{CommitNumber, Media, Store, StoreError};

/// What one commit holds.
pub(super) struct HandOver {
    commit: CommitNumber,
    last_seq: u64,
    /// Of the store, when it was closed.
    cuts: u64,
    parts: Vec<PartOfBlock>,
    pub(super) leaving: Vec<Block>,
    /// Some block may be worth a rewrite.
    has_sparse: bool,
}

/// What of a commit goes into one block: positions of the bodies of its frames, of which there is one at least.
pub(super) struct PartOfBlock {
    pub(super) block: NewBlock,
    pub(super) bodies: Vec<(u32, u32)>,
}

/// One frame as it was written.
#[derive(Clone, Copy)]
pub(super) struct Written {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) offset: u64,
    pub(super) end: u64,
}

/// What of a commit goes into one block, on its way to the disk.
struct Begun {
    block: BlockNumber,
    frames: Vec<Written>,
    /// Where a commit counts once the operating system has it.
    written: Option<Ticket>,
    durable: Ticket,
    /// With its last part a commit ends.
    end: Option<End>,
}

/// A block's file that is being made.
struct Ahead<'a, D: Disk> {
    block: BlockNumber,
    file: Pin<Box<dyn Future<Output = Result<BlockFile<D>, StoreError>> + 'a>>,
}

/// What the writer waits for.
enum Event<D: Disk> {
    /// A part is durable, and a commit with it.
    Finished(Option<End>),
    /// There is another commit to begin with.
    Closed,
    Created(Box<BlockFile<D>>),
}

/// What is done when a commit is durable.
struct End {
    commit: CommitNumber,
    last_seq: u64,
    /// Of the store, when it was closed.
    cuts: u64,
    leaving: Vec<Block>,
    /// Some block may be worth a rewrite.
    has_sparse: bool,
}

impl Begun {
    async fn is_durable(&mut self, commits: &Commits) -> Result<(), LogError> {
        if let (Some(written), Some(end)) = (&mut self.written, &self.end) {
            written.await?;
            self.written = None;
            commits.set_durable(end.commit, end.last_seq, end.cuts);
        }
        (&mut self.durable).await
    }
}

/// Writes commits until the store is closed or fails.
pub(super) async fn write_commits<D: Disk>(store: Store<D>) {
    let Media::File(media) = &store.0.media else {
        unreachable!("only stores on disk have commits to write")
    };
    if let Err(error) = media.write(&store).await {
        store.0.commits.fail(error);
    }
    store.0.commits.end();
    media.maintenance.end();
}

/// The oldest commit that was closed, or else all that was changed since.
async fn next_commit<D: Disk>(store: &Store<D>, media: &FileMedia<D>) -> Option<HandOver> {
    if !store.0.commits.work().await {
        return None;
    }
    if media.closed.borrow().is_empty() {
        // Whoever is ready to change something now does it before the commit is closed.
        yield_now().await;
        let _pass = store.0.gate.enter().await;
        if media.closed.borrow().is_empty() {
            media.close_commit(store);
        }
    }
    store.0.commits.begun();
    media.closed.borrow_mut().pop_front()
}

impl<D: Disk> FileMedia<D> {
    /// What was changed since the last commit was closed is one to be written. Whoever calls it keeps others from changing
    /// something.
    pub(in crate::store) fn close_commit(&self, store: &Store<D>) {
        let commit = store.0.commits.close_one();
        let cuts = store.0.commits.cuts();
        let taken = store.with(|ledger| ledger.hand_over(commit, cuts));
        if self.options.durability == Durability::Deferred {
            store.0.commits.set_durable(commit, taken.last_seq, cuts);
        }
        self.closed.borrow_mut().push_back(taken);
    }

    /// Closes the commit that is gathered where it is so large that it should not wait for the one under way.
    pub(in crate::store) fn close_if_large(&self, store: &Store<D>) {
        if store.with(|ledger| ledger.waiting()) >= self.options.commit_sizes.closed_from {
            self.close_commit(store);
        }
    }

    /// While a commit is under way what is changed meanwhile is gathered for the next one. Only what is closed before that
    /// is begun beside it: it is encoded while the disk is busy.
    async fn write(&self, store: &Store<D>) -> Result<(), StoreError> {
        let mut begun = VecDeque::new();
        let mut ahead = None;
        loop {
            let has_room = begun.len() < BEGUN_MAX;
            let closed = if has_room { self.closed.borrow_mut().pop_front() } else { None };
            if let Some(taken) = closed {
                store.0.commits.begun();
                self.begin(store, taken, &mut begun, &mut ahead).await?;
                continue;
            }
            if begun.is_empty() {
                let Some(taken) = next_commit(store, self).await else { return Ok(()) };
                self.begin(store, taken, &mut begun, &mut ahead).await?;
                continue;
            }
            if ahead.is_none() {
                ahead = self.create_ahead();
            }
            let closed = async {
                if !has_room {
                    return std::future::pending().await;
                }
                store.0.commits.closed().await;
                Ok(Event::Closed)
            };
            let created = async {
                match &mut ahead {
                    Some(ahead) => (&mut ahead.file).await.map(|file| Event::Created(Box::new(file))),
                    None => std::future::pending().await,
                }
            };
            let finished = async { self.finish_first(store, &mut begun).await.map(Event::Finished) };
            // Those that are cut short have changed nothing.
            match or(finished, or(closed, created)).await? {
                Event::Finished(end) => self.tell(store, end),
                Event::Closed => {}
                Event::Created(file) => self.take_created(&mut ahead, *file),
            }
        }
    }

    /// Begins with the file of the next block that commits wait for: it is there when they come.
    fn create_ahead(&self) -> Option<Ahead<'_, D>> {
        let files = self.files.borrow();
        let closed = self.closed.borrow();
        let mut parts = closed.iter().flat_map(|commit| &commit.parts);
        let part = parts.find(|part| !files.contains_key(&part.block.number))?;
        Some(self.creation(part.block))
    }

    fn take_created(&self, ahead: &mut Option<Ahead<'_, D>>, file: BlockFile<D>) {
        if let Some(ahead) = ahead.take() {
            self.files.borrow_mut().insert(ahead.block, file);
            self.maintenance.set();
        }
    }

    /// Begins with all parts of a commit, each when it may be.
    async fn begin<'a>(
        &'a self,
        store: &Store<D>,
        mut taken: HandOver,
        begun: &mut VecDeque<Begun>,
        ahead: &mut Option<Ahead<'a, D>>,
    ) -> Result<(), StoreError> {
        let parts = std::mem::take(&mut taken.parts);
        let end = End {
            commit: taken.commit,
            last_seq: taken.last_seq,
            cuts: taken.cuts,
            leaving: taken.leaving,
            has_sparse: taken.has_sparse,
        };
        let mut is_under_way = false;
        for part in &parts {
            is_under_way = self.begin_part(store, part, &end.leaving, begun, ahead).await?;
        }
        if let Some(last) = begun.back_mut().filter(|_| is_under_way) {
            if self.options.durability == Durability::Written {
                last.written =
                    self.with_file(last.block, |file| Some(file.writer.as_ref()?.logged.written())).flatten();
            }
            last.end = Some(end);
            return Ok(());
        }
        // Nothing of it is to be written, or its block is gone already.
        let ends = self.finish_all(store, begun).await?;
        ends.into_iter().chain([end]).for_each(|end| self.tell(store, Some(end)));
        Ok(())
    }

    /// Whether the part is under way now: it is not where its block's file is gone.
    async fn begin_part<'a>(
        &'a self,
        store: &Store<D>,
        part: &PartOfBlock,
        leaving: &[Block],
        begun: &mut VecDeque<Begun>,
        ahead: &mut Option<Ahead<'a, D>>,
    ) -> Result<bool, StoreError> {
        let block = part.block.number;
        self.ensure_file(part.block, ahead).await?;
        let (coded, frames) = self.encode(store, part, leaving)?;
        let space = self.make_space(block, coded.len());
        // Recovery takes a block that is followed by a commit for whole: so it has to be. And nobody else may lengthen a file
        // while it is filled.
        let follows = begun.iter().any(|begun| begun.block != block);
        #[cfg(test)]
        let follows = self.options.waits(follows);
        let has_to_wait = space.is_some() || follows;
        let ends = if has_to_wait { self.finish_all(store, begun).await? } else { Vec::new() };
        let space = match space {
            Some(space) => space.await,
            None => Ok(()),
        };
        let durable = self.with_file(block, |file| {
            let logged =
                &file.writer.as_ref().expect("a block that has entries to write is not sealed").logged;
            match coded {
                _ if space.is_err() => None,
                Coded::Logged(bytes) => Some(logged.append(&bytes)),
                Coded::Direct(pages) => Some(logged.append_direct(pages)),
            }
        });
        let durable = durable.flatten();
        let is_under_way = durable.is_some();
        if let Some(durable) = durable {
            begun.push_back(Begun { block, frames, written: None, durable, end: None });
        }
        if !ends.is_empty() {
            // The disk is busy again before those who are told now keep the executor so.
            yield_now().await;
            self.engine.disk().submit().await;
        }
        ends.into_iter().for_each(|end| self.tell(store, Some(end)));
        space?;
        Ok(is_under_way)
    }

    /// Waits until the oldest part is durable; what is to be done then, where a commit ends with it.
    async fn finish_first(
        &self,
        store: &Store<D>,
        begun: &mut VecDeque<Begun>,
    ) -> Result<Option<End>, StoreError> {
        let Some(first) = begun.front_mut() else { return Ok(None) };
        first.is_durable(&store.0.commits).await?;
        let Some(done) = begun.pop_front() else { return Ok(None) };
        self.gather(store, done.block, &done.frames);
        let has_work = store.with(|ledger| {
            ledger
                .block(done.block)
                .is_some_and(|block| block.is_full() || block.plain_len > self.options.block_len / 2)
        });
        if has_work {
            self.maintenance.set();
        }
        Ok(done.end)
    }

    async fn finish_all(
        &self,
        store: &Store<D>,
        begun: &mut VecDeque<Begun>,
    ) -> Result<Vec<End>, StoreError> {
        let mut ends = Vec::new();
        while !begun.is_empty() {
            ends.extend(self.finish_first(store, begun).await?);
        }
        Ok(ends)
    }

    fn tell(&self, store: &Store<D>, end: Option<End>) {
        let Some(End { commit, last_seq, cuts, leaving, has_sparse }) = end else { return };
        if has_sparse || !leaving.is_empty() {
            self.maintenance.set();
        }
        self.graves.borrow_mut().extend(leaving.into_iter().map(|block| (commit, block)));
        store.0.commits.set_durable(commit, last_seq, cuts);
    }

    async fn ensure_file<'a>(
        &'a self,
        block: NewBlock,
        ahead: &mut Option<Ahead<'a, D>>,
    ) -> Result<(), StoreError> {
        while !self.files.borrow().contains_key(&block.number) {
            let creating = ahead.get_or_insert_with(|| self.creation(block));
            let file = (&mut creating.file).await?;
            self.take_created(ahead, file);
        }
        Ok(())
    }

    fn creation(&self, block: NewBlock) -> Ahead<'_, D> {
        Ahead { block: block.number, file: Box::pin(self.create(block)) }
    }

    /// Frames that are durable join the block's spans; a span that is long enough leaves the tail for the cache.
    fn gather(&self, store: &Store<D>, number: BlockNumber, frames: &[Written]) {
        store.with(|ledger| {
            let Some(block) = ledger.block_mut(number) else { return };
            for frame in frames {
                let Some(open) = block.open_mut() else { return };
                let gathering = open.gathering.get_or_insert(Gathering {
                    at: frame.from,
                    to: frame.to,
                    offset: frame.offset as u32,
                    end: frame.end as u32,
                });
                (gathering.to, gathering.end) = (frame.to, frame.end as u32);
                let (at, is_long) = (gathering.at, frame.to - gathering.at >= SPAN_LEN_MIN);
                if is_long && at == open.tail.base() {
                    self.close_span(block, frame.to);
                }
            }
        });
    }

    /// Makes a span of what was gathered, which ends at `to`.
    pub(super) fn close_span(&self, block: &mut Block, to: u32) {
        // Of what was taken back the index knows nothing any more: spans stay in their order all the same.
        let begun = block.spans.iter().last().map_or(0, |span| span.delta);
        let Some(open) = block.open_mut() else { return };
        let Some(gathering) = open.gathering.take() else { return };
        let at = gathering.at;
        let bytes = open.tail.split_to(to);
        let delta = open.index.delta_at(at).max(begun);
        let slots = open.index.from(delta).iter().take_while(|slot| slot.at < to);
        let records = slots.map(|slot| (slot.delta, slot.at - at)).collect::<Vec<_>>();
        let records = records.into_iter().map(|(delta, at)| (block.seq(delta), at)).collect();
        let span = Span {
            delta,
            at,
            len: to - at,
            offset: gathering.offset,
            disk_len: gathering.end - gathering.offset,
        };
        let place = block.spans.len() as u32;
        block.spans.push(span).expect("spans are gathered one behind another");
        let content = SpanContent { bytes, records, damaged: 0 };
        self.engine.cache().put_span(self.key_of(block, Part::Span(place)), Rc::new(content));
    }
}

impl Ledger {
    /// Bytes of entries of the block that is written to that no commit has yet.
    #[must_use]
    pub(in crate::store) fn waiting(&self) -> u32 {
        self.active().open().map_or(0, |open| open.tail.waiting())
    }

    /// Closes a commit: what goes into it.
    fn hand_over(&mut self, commit: CommitNumber, cuts: u64) -> HandOver {
        self.write_deletes();
        let created = self.last_timestamp.unwrap_or(Timestamp(0));
        let mut parts = Vec::new();
        // Entries wait at the end of the store only, and in blocks that were begun since the last commit and leave already: what
        // comes after them tells nothing of them unless it becomes durable too.
        let waiting = self.blocks.iter().rev().take_while(|block| block.open().is_some()).count();
        let from = self.blocks.len() - waiting;
        for block in self.leaving.iter_mut().chain(self.blocks.range_mut(from..)) {
            let block_of_part = NewBlock {
                number: block.number,
                generation: block.generation,
                salt: block.salt,
                first: block.first,
                absorbed_below: block.absorbed_below,
                created,
            };
            if let Some(open) = block.open_mut() {
                let bodies = open.tail.hand_over();
                if !bodies.is_empty() {
                    parts.push(PartOfBlock { block: block_of_part, bodies });
                }
            }
        }
        parts.sort_unstable_by_key(|part: &PartOfBlock| part.block.number);
        let has_sparse = std::mem::take(&mut self.unwritten.sparse);
        HandOver {
            commit,
            last_seq: self.last,
            cuts,
            parts,
            leaving: std::mem::take(&mut self.leaving),
            has_sparse,
        }
    }
}

/// So many commits are on their way at a time.
const BEGUN_MAX: usize = 2;
