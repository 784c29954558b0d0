//! The commits of one file: in what order they become durable, as which entries, and what of them is not folded yet.
//!
//! Pure. The writer asks [`Commits::next`] what the oldest waiting commit needs, does that, and says when it is done.

use std::collections::VecDeque;
use std::path::Path;

use bytes::{Buf, Bytes};

use super::batch::{Builder, overhead_max};
use super::pages::{FoldWrites, PAGE, Pages, page_end, page_start};
use crate::disk::{Buffer, PAGE_SIZE};

#[derive(Debug)]
pub(super) struct Commits<B> {
    /// The file's number in the log.
    number: u64,
    /// With all that was appended.
    len: u64,
    pages: Pages<B>,
    /// Waiting, oldest first.
    queue: VecDeque<Commit<B>>,
    /// Of the newest commit, from 1.
    last_step: u64,
    /// Appended bytes below this are in the log or in the file, or in the batch that is being written.
    gathered: u64,
    /// All commits up to this one are gathered.
    gathered_step: u64,
    /// Folds wrote the file up to here, or may be doing so, and no entry since has carried the last page of it whole.
    written: u64,
    /// What the file was attached with: behind it, its page may hold what a crash left of a commit.
    attached_len: u64,
    /// The segment's use that names the file last.
    named_in: u64,
    /// Bytes waiting or in a batch or a direct append.
    backlog: usize,
    /// Of them, in the batch that is being written.
    in_batch: usize,
    /// The oldest batch with bytes that are not in the file.
    needed: Option<u64>,
    /// The same, of what came since the fold that is in flight began.
    needed_behind_fold: Option<u64>,
    fold: Option<FoldWrites>,
}

#[derive(Debug)]
enum Commit<B> {
    /// Neighbours become one: `step` is the newest of them.
    Append {
        start: u64,
        end: u64,
        step: u64,
    },
    /// The page up to `to` is filled with zeros.
    Align {
        to: u64,
    },
    Overwrite {
        offset: u64,
        bytes: Bytes,
        step: u64,
    },
    Direct {
        offset: u64,
        pages: B,
        step: u64,
    },
}

/// What the oldest waiting commit needs.
#[derive(Clone, Debug)]
pub(super) enum Next<B> {
    Nothing,
    /// A place in a batch.
    Log,
    /// To be written to the file, when all before it is durable.
    Direct {
        offset: u64,
        pages: B,
    },
    /// These pages of the file, of which it changes a part.
    Load(Vec<u64>),
}

/// What a batch may hold of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room<'a> {
    /// Bytes of the whole batch.
    pub(super) limit: usize,
    pub(super) path: &'a Path,
    /// Changes with each segment that is begun: its first entry of a file names it.
    pub(super) segment_use: u64,
    pub(super) batch: u64,
    pub(super) has_page_rule: bool,
}

impl<B: Buffer> Commits<B> {
    pub(super) fn new(number: u64, len: u64, tail: &[u8]) -> Self {
        Self {
            number,
            len,
            pages: Pages::new(len, tail),
            queue: VecDeque::new(),
            last_step: 0,
            gathered: len,
            gathered_step: 0,
            written: len,
            attached_len: len,
            named_in: 0,
            backlog: 0,
            in_batch: 0,
            needed: None,
            needed_behind_fold: None,
            fold: None,
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn pages(&self) -> &Pages<B> {
        &self.pages
    }

    pub(super) fn last_step(&self) -> u64 {
        self.last_step
    }

    pub(super) fn gathered_step(&self) -> u64 {
        self.gathered_step
    }

    pub(super) fn needed(&self) -> Option<u64> {
        self.needed
    }

    pub(super) fn is_folding(&self) -> bool {
        self.fold.is_some()
    }

    /// Bytes that wait for it now; so for all that follow. The commit is then the last step.
    pub(super) fn append(&mut self, bytes: &[u8]) -> usize {
        if bytes.is_empty() {
            return 0;
        }
        let start = self.len;
        self.len += bytes.len() as u64;
        let step = self.step(bytes.len());
        self.pages.append(start, bytes);
        match self.queue.back_mut() {
            Some(Commit::Append { end, step: newest, .. }) => {
                assert_eq!(*end, start, "appends join");
                (*end, *newest) = (self.len, step);
            }
            _ => self.queue.push_back(Commit::Append { start, end: self.len, step }),
        }
        bytes.len()
    }

    pub(super) fn align(&mut self) -> usize {
        let to = page_end(self.len);
        if to == self.len {
            return 0;
        }
        if self.len == self.attached_len {
            let zeros = [0; PAGE_SIZE];
            return self.append(&zeros[..(to - self.len) as usize]);
        }
        self.pages.align(to);
        self.len = to;
        self.queue.push_back(Commit::Align { to });
        if self.queue.len() == 1 {
            self.gather_align();
        }
        0
    }

    pub(super) fn append_direct(&mut self, pages: B) -> usize {
        let aligned = self.align();
        let direct = pages.bytes().len();
        assert!(direct.is_multiple_of(PAGE_SIZE), "{direct} bytes are not whole pages");
        if direct == 0 {
            return aligned;
        }
        let offset = self.len;
        self.len += direct as u64;
        let step = self.step(direct);
        self.pages.begin_direct(offset, pages.clone());
        self.queue.push_back(Commit::Direct { offset, pages, step });
        aligned + direct
    }

    pub(super) fn overwrite(&mut self, offset: u64, bytes: &[u8]) -> usize {
        let end = offset.checked_add(bytes.len() as u64);
        assert!(end.is_some_and(|end| end <= self.len), "{} bytes at {offset} of {}", bytes.len(), self.len);
        if bytes.is_empty() {
            return 0;
        }
        let step = self.step(bytes.len());
        self.queue.push_back(Commit::Overwrite { offset, bytes: Bytes::copy_from_slice(bytes), step });
        bytes.len()
    }

    /// Overwrites that wait, oldest first: they are in no page yet.
    pub(super) fn waiting_overwrites(&self) -> impl Iterator<Item = (u64, &Bytes)> {
        self.queue.iter().filter_map(|commit| match commit {
            Commit::Overwrite { offset, bytes, .. } => Some((*offset, bytes)),
            Commit::Append { .. } | Commit::Align { .. } | Commit::Direct { .. } => None,
        })
    }

    pub(super) fn next(&self) -> Next<B> {
        match self.queue.front() {
            None => Next::Nothing,
            Some(Commit::Append { .. } | Commit::Align { .. }) => Next::Log,
            Some(Commit::Overwrite { offset, bytes, .. }) => {
                let missing = self.missing(*offset, bytes.len());
                if missing.is_empty() { Next::Log } else { Next::Load(missing) }
            }
            Some(Commit::Direct { offset, pages, .. }) => {
                Next::Direct { offset: *offset, pages: pages.clone() }
            }
        }
    }

    /// Puts into the batch what fits of the oldest commits, up to one that needs something else. Whether it put anything.
    pub(super) fn gather(&mut self, builder: &mut Builder, room: Room<'_>) -> bool {
        let before = builder.len();
        loop {
            let is_whole = match self.queue.front() {
                None | Some(Commit::Direct { .. }) => break,
                Some(Commit::Align { .. }) => {
                    self.gather_align();
                    continue;
                }
                Some(&Commit::Append { start, end, step }) => {
                    self.gather_append(builder, &room, start, end, step)
                }
                Some(Commit::Overwrite { offset, bytes, step }) => {
                    if !self.missing(*offset, bytes.len()).is_empty() {
                        break;
                    }
                    let (offset, bytes, step) = (*offset, bytes.clone(), *step);
                    self.gather_overwrite(builder, &room, offset, bytes, step)
                }
            };
            if !is_whole {
                break;
            }
        }
        let put = builder.len() > before;
        if put {
            if self.fold.is_some() {
                self.needed_behind_fold.get_or_insert(room.batch);
            }
            self.needed.get_or_insert(room.batch);
        }
        put
    }

    /// The batch with what [`Self::gather`] put into it is durable. Bytes that left the backlog.
    pub(super) fn batch_is_durable(&mut self) -> usize {
        self.backlog -= self.in_batch;
        std::mem::take(&mut self.in_batch)
    }

    /// The direct append at the front is durable. Bytes that left the backlog.
    pub(super) fn direct_is_durable(&mut self) -> usize {
        let Some(Commit::Direct { offset, pages, step }) = self.queue.pop_front() else {
            unreachable!("it stays at the front until it is done")
        };
        self.pages.end_direct();
        let direct = pages.bytes().len();
        self.gathered = offset + direct as u64;
        self.gathered_step = step;
        self.backlog -= direct;
        direct
    }

    pub(super) fn load(&mut self, page: u64, bytes: Vec<u8>) {
        self.pages.load(page, bytes);
    }

    /// Begins a fold of all that was gathered, which is durable in the log: what is to be written, or nothing if the file
    /// is whole.
    pub(super) fn begin_fold(&mut self) -> Option<Vec<(u64, Vec<u8>)>> {
        assert!(self.fold.is_none(), "one fold of a file at a time");
        assert_eq!(self.in_batch, 0, "a fold writes what is durable in the log");
        self.needed?;
        let mut fold = self.pages.fold(self.gathered);
        let writes = std::mem::take(&mut fold.writes);
        self.fold = Some(fold);
        self.written = self.gathered;
        Some(writes)
    }

    /// The fold in flight is durable in the file.
    pub(super) fn folded(&mut self) {
        let fold = self.fold.take().expect("one was begun");
        self.pages.folded(&fold);
        self.needed = self.needed_behind_fold.take();
    }

    /// Nothing of the file is written any more. Bytes that left the backlog.
    pub(super) fn give_up(&mut self) -> usize {
        self.queue.clear();
        self.in_batch = 0;
        std::mem::take(&mut self.backlog)
    }

    /// The file goes away: nothing of it is needed.
    pub(super) fn forget(&mut self) {
        self.pages = Pages::default();
        self.fold = None;
        (self.needed, self.needed_behind_fold) = (None, None);
    }

    /// One more commit.
    fn step(&mut self, bytes: usize) -> u64 {
        self.backlog += bytes;
        self.last_step += 1;
        self.last_step
    }

    fn gather_append(
        &mut self,
        builder: &mut Builder,
        room: &Room<'_>,
        start: u64,
        end: u64,
        step: u64,
    ) -> bool {
        // The page rule: its page may be under a fold's hands, so that the bytes before it come along.
        let carries = room.has_page_rule && page_start(start) != start && page_start(start) < self.written;
        let from = if carries { page_start(start) } else { start };
        let fits = room.limit.saturating_sub(builder.len() + overhead_max(room.path)) as u64;
        let to = end.min(from + fits);
        if to <= start {
            return false;
        }
        self.name(builder, room);
        builder.append(self.number, from, self.pages.appended(from..to));
        if carries {
            self.written = from;
        }
        self.in_batch += (to - start) as usize;
        self.gathered = to;
        if to < end {
            self.queue[0] = Commit::Append { start: to, end, step };
            return false;
        }
        self.gathered_step = step;
        self.queue.pop_front();
        true
    }

    fn gather_align(&mut self) {
        let Some(Commit::Align { to }) = self.queue.pop_front() else { unreachable!("looked at") };
        self.pages.aligned(self.gathered, to);
        self.gathered = to;
    }

    fn gather_overwrite(
        &mut self,
        builder: &mut Builder,
        room: &Room<'_>,
        mut offset: u64,
        mut bytes: Bytes,
        step: u64,
    ) -> bool {
        // What fits a batch of its own is not split over two: a crash would leave half of it.
        let pages = (offset % PAGE + bytes.len() as u64).div_ceil(PAGE) as usize;
        let needed = pages * (PAGE_SIZE + overhead_max(room.path));
        if !builder.is_empty() && builder.len() + needed > room.limit {
            return false;
        }
        while !bytes.is_empty() {
            if builder.len() + overhead_max(room.path) + PAGE_SIZE > room.limit {
                self.queue[0] = Commit::Overwrite { offset, bytes, step };
                return false;
            }
            let len = bytes.len().min((page_start(offset) + PAGE - offset) as usize);
            self.name(builder, room);
            let image = self.pages.overwrite(offset, &bytes[..len], self.gathered);
            builder.page(self.number, offset / PAGE, image);
            self.in_batch += len;
            offset += len as u64;
            bytes.advance(len);
        }
        self.gathered_step = step;
        self.queue.pop_front();
        true
    }

    fn name(&mut self, builder: &mut Builder, room: &Room<'_>) {
        if self.named_in != room.segment_use {
            self.named_in = room.segment_use;
            builder.name(self.number, room.path);
        }
    }

    /// The pages of which a part is overwritten and which are not in memory.
    fn missing(&self, offset: u64, len: usize) -> Vec<u64> {
        let end = offset + len as u64;
        let (first, last) = (offset / PAGE, (end - 1) / PAGE);
        let is_whole = |page: u64| offset <= page * PAGE && (page + 1) * PAGE <= end;
        let mut missing = Vec::new();
        for page in [first, last] {
            if !is_whole(page) && !self.pages.has_page(page) && missing.last() != Some(&page) {
                missing.push(page);
            }
        }
        missing
    }
}
