//! Commits: what was changed since the last one becomes frames of the blocks, and durable.

use std::rc::Rc;

use futures_lite::future::yield_now;
use natrium_model::Timestamp;

use crate::block::frame::FrameKind;
use crate::block::header::HEAD_LEN;
use crate::block::spans::{SPAN_LEN_MIN, Span};
use crate::block::tail::FRAME_LEN_MIN;
use crate::cache::{Part, SpanContent};
use crate::coding::FrameFields;
use crate::disk::{Disk, File, PAGE_SIZE};
use crate::log::LogError;
use crate::store::block::{Block, BlockNumber, Gathering};
use crate::store::file::create::NewBlock;
use crate::store::file::{Durability, FileMedia};
use crate::store::ledger::Ledger;
use crate::store::{CommitNumber, Media, Store, StoreError};

/// What one commit holds.
pub(super) struct HandOver {
    commit: CommitNumber,
    last_seq: u64,
    /// Of the store, when it was closed.
    cuts: u64,
    parts: Vec<PartOfBlock>,
    leaving: Vec<Block>,
    /// Some block may be worth a rewrite.
    has_sparse: bool,
}

impl HandOver {
    fn is_last_part(&self, block: BlockNumber) -> bool {
        self.parts.last().is_some_and(|part| part.block.number == block)
    }
}

/// What of a commit goes into one block: positions of the bodies of its frames, of which there is one at least.
struct PartOfBlock {
    block: NewBlock,
    bodies: Vec<(u32, u32)>,
}

/// One frame as it was written.
#[derive(Clone, Copy)]
struct Written {
    from: u32,
    to: u32,
    offset: u64,
    end: u64,
}

/// A part as bytes, its frames, and whether it goes straight to its block.
type Encoded = (Vec<u8>, Vec<Written>, bool);

/// Writes commits until the store is closed or fails.
pub(super) async fn write_commits<D: Disk>(store: Store<D>) {
    let Media::File(media) = &store.0.media else {
        unreachable!("only stores on disk have commits to write")
    };
    while let Some(taken) = next_commit(&store, media).await {
        let (commit, last_seq, cuts) = (taken.commit, taken.last_seq, taken.cuts);
        match media.write(&store, taken).await {
            Ok(()) => store.0.commits.set_durable(commit, last_seq, cuts),
            Err(error) => {
                store.0.commits.fail(error);
                break;
            }
        }
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

    async fn write(&self, store: &Store<D>, taken: HandOver) -> Result<(), StoreError> {
        for part in &taken.parts {
            let number = part.block.number;
            self.ensure_file(part.block).await?;
            let (out, frames, is_direct) = self.encode(store, part, &taken.leaving)?;
            self.fill_ahead(number, out.len()).await?;
            let ticket = self.with_file(number, |file| {
                let writer = file.writer.as_ref().expect("a block that has entries to write is not sealed");
                if is_direct { writer.logged.append_direct(out) } else { writer.logged.append(&out) }
            });
            let Some(ticket) = ticket else { continue };
            if taken.is_last_part(number) && self.options.durability == Durability::Written {
                let written =
                    self.with_file(number, |file| file.writer.as_ref().map(|writer| writer.logged.written()));
                if let Some(written) = written.flatten() {
                    written.await?;
                    store.0.commits.set_durable(taken.commit, taken.last_seq, taken.cuts);
                }
            }
            ticket.await?;
            self.gather(store, number, &frames);
            let has_work = store.with(|ledger| {
                ledger
                    .block(number)
                    .is_some_and(|block| block.is_full() || block.plain_len > self.options.block_len / 2)
            });
            if has_work {
                self.maintenance.set();
            }
        }
        if !taken.leaving.is_empty() {
            let graves = taken.leaving.into_iter().map(|block| (taken.commit, block));
            self.graves.borrow_mut().extend(graves);
            self.maintenance.set();
        }
        if taken.has_sparse {
            self.maintenance.set();
        }
        Ok(())
    }

    async fn ensure_file(&self, block: NewBlock) -> Result<(), StoreError> {
        if self.files.borrow().contains_key(&block.number) {
            return Ok(());
        }
        let file = self.create(block).await?;
        self.files.borrow_mut().insert(block.number, file);
        self.maintenance.set();
        Ok(())
    }

    /// Fills the file with zeros before it is written there: a sync then has no blocks to enter into the file system's
    /// books. That is cheaper than writing twice only where little is written with each sync. Nobody else lengthens the
    /// file meanwhile.
    async fn fill_ahead(&self, number: BlockNumber, bytes: usize) -> Result<(), StoreError> {
        self.commit_len.set(bytes);
        let most = u64::from(self.options.block_len) + FIRST_ALLOCATION;
        let wanted = self.with_file(number, |file| {
            let writer = file.writer.as_ref()?;
            let end = writer.logged.len() + (bytes as u64).next_multiple_of(PAGE_SIZE as u64);
            if bytes >= UNFILLED_LEN_MIN {
                file.allocated = file.allocated.max(end);
                return None;
            }
            (end > file.allocated && file.allocated < most).then(|| {
                file.allocated = (file.allocated * 4).max(end).min(most);
                (Rc::clone(&writer.file), file.allocated)
            })
        });
        if let Some((file, len)) = wanted.flatten() {
            file.allocate(len).await?;
        }
        Ok(())
    }

    /// The frames of a part as one run of bytes, and where each stands.
    ///
    /// # Errors
    /// The block takes no more commits.
    fn encode(&self, store: &Store<D>, part: &PartOfBlock, leaving: &[Block]) -> Result<Encoded, LogError> {
        let number = part.block.number;
        let (first, last) = (part.bodies[0].0, part.bodies[part.bodies.len() - 1].1);
        let is_direct = last - first >= DIRECT_LEN_MIN;
        let mut files = self.files.borrow_mut();
        let file = files.get_mut(&number).expect("the file was made before");
        let writer = file.writer.as_mut().expect("a block that has entries to write is not sealed");
        let base = if is_direct { writer.logged.align()? } else { writer.logged.len() };
        writer.commit += 1;
        let mut out = Vec::with_capacity((last - first) as usize + part.bodies.len() * FRAME_OVERHEAD);
        let mut frames = Vec::with_capacity(part.bodies.len());
        for (index, &(from, to)) in part.bodies.iter().enumerate() {
            let offset = base + out.len() as u64;
            let fields = FrameFields {
                kind: FrameKind::Entries,
                is_last: index + 1 == part.bodies.len(),
                commit: writer.commit,
                index: index as u32,
                at: from,
            };
            store.with(|ledger| {
                let closed = self.closed.borrow();
                let mut left = leaving.iter().chain(closed.iter().flat_map(|commit| &commit.leaving));
                let block = ledger
                    .block_or_leaving(number)
                    .or_else(|| left.find(|block| block.number == number))
                    .expect("a block stays until the commits that it has entries for are written");
                let open = block.open().expect("a block that has entries to write is not sealed");
                writer.encoder.encode(fields, open.tail.slice(from, to), file.salt, offset, &mut out);
            });
            frames.push(Written { from, to, offset, end: base + out.len() as u64 });
        }
        Ok((out, frames, is_direct))
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

/// From so many bytes on a commit goes straight to its block: a sync of its own then costs less than writing it twice.
pub(super) const DIRECT_LEN_MIN: u32 = 64 << 10;
/// A new block's file is filled ahead so far; then it doubles.
pub(super) const FIRST_ALLOCATION: u64 = HEAD_LEN as u64 + FRAME_LEN_MIN as u64;
/// A commit with so many bytes is closed, so that it is written while the next one is gathered.
pub(in crate::store) const COMMIT_LEN_MAX: u32 = 2 << 20;
/// From so many bytes on a commit lengthens the file itself.
pub(super) const UNFILLED_LEN_MIN: usize = 512 << 10;
const FRAME_OVERHEAD: usize = 128;
