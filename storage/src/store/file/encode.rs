//! What of a commit goes into one block, as bytes, and room for them in the block's file.

use std::rc::Rc;

use crate::block::frame::FrameKind;
use crate::block::header::HEAD_LEN;
use crate::block::tail::FRAME_LEN_MIN;
use crate::coding::FrameFields;
use crate::disk::{Buffer, Disk, DiskError, File, PAGE_SIZE};
use crate::log::{DirectBuffer, LogError};
use crate::store::Store;
use crate::store::block::{Block, BlockNumber};
use crate::store::file::FileMedia;
use crate::store::file::write::{PartOfBlock, Written};

/// Where the ways change in which commits are written, in bytes of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitSizes {
    /// Changed since the last commit: then it is closed, so that it is written while the next one is gathered.
    pub closed_from: u32,
    /// To one block: then it goes straight there, as a sync of its own costs less than writing it twice.
    pub direct_from: u32,
    /// To one block: then the file is not filled with zeros ahead.
    pub unfilled_from: usize,
}

impl Default for CommitSizes {
    fn default() -> Self {
        Self { closed_from: 3 << 19, direct_from: 64 << 10, unfilled_from: 512 << 10 }
    }
}

/// A part as bytes.
pub(super) enum Coded<B> {
    Logged(Vec<u8>),
    /// Goes straight to its block.
    Direct(B),
}

impl<B: Buffer> Coded<B> {
    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Logged(bytes) => bytes,
            Self::Direct(pages) => pages.bytes_mut(),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Logged(bytes) => bytes.len(),
            Self::Direct(pages) => pages.bytes().len(),
        }
    }

    /// The first `len` bytes are all there is.
    fn end_at(&mut self, len: usize) {
        match self {
            Self::Logged(bytes) => bytes.truncate(len),
            Self::Direct(pages) => {
                let end = len.next_multiple_of(PAGE_SIZE);
                pages.bytes_mut()[len..end].fill(0);
                pages.truncate(end);
            }
        }
    }
}

impl<D: Disk> FileMedia<D> {
    /// What makes the file long enough before it is written there: a write behind its end would wait in the kernel until this
    /// thread sleeps. With zeros, a sync has no blocks to enter into the file system's books; that is cheaper than writing
    /// twice only where little is written with each sync.
    pub(super) fn make_space(
        &self,
        number: BlockNumber,
        bytes: usize,
    ) -> Option<impl Future<Output = Result<(), DiskError>>> {
        self.commit_len.set(bytes);
        let most = self.options.file_len_max();
        let is_filled = self.is_filled(bytes);
        let wanted = self.with_file(number, |file| {
            let writer = file.writer.as_ref()?;
            let end = writer.logged.len() + (bytes as u64).next_multiple_of(PAGE_SIZE as u64);
            (end > file.allocated && file.allocated < most).then(|| {
                let more = if is_filled { file.allocated * 4 } else { most };
                file.allocated = more.max(end).min(most);
                (Rc::clone(&writer.file), file.allocated)
            })
        });
        wanted.flatten().map(|(file, len)| async move { lengthen(&*file, len, is_filled).await })
    }

    /// Whether a file is filled with zeros ahead where commits have so many bytes.
    pub(super) fn is_filled(&self, bytes: usize) -> bool {
        bytes < self.options.commit_sizes.unfilled_from
    }

    /// The frames of a part, and where each stands.
    ///
    /// # Errors
    /// The block takes no more commits.
    pub(super) fn encode(
        &self,
        store: &Store<D>,
        part: &PartOfBlock,
        leaving: &[Block],
    ) -> Result<(Coded<DirectBuffer<D>>, Vec<Written>), LogError> {
        let number = part.block.number;
        let (first, last) = (part.bodies[0].0, part.bodies[part.bodies.len() - 1].1);
        let is_direct = last - first >= self.options.commit_sizes.direct_from;
        let mut files = self.files.borrow_mut();
        let file = files.get_mut(&number).expect("the file was made before");
        let writer = file.writer.as_mut().expect("a block that has entries to write is not sealed");
        let base = if is_direct { writer.logged.align()? } else { writer.logged.len() };
        writer.commit += 1;
        let len_max =
            part.bodies.iter().map(|&(from, to)| writer.encoder.len_max((to - from) as usize)).sum::<usize>();
        let mut coded = if is_direct {
            Coded::Direct(writer.logged.buffer(len_max))
        } else {
            Coded::Logged(vec![0; len_max])
        };
        let mut len = 0;
        let mut frames = Vec::with_capacity(part.bodies.len());
        for (index, &(from, to)) in part.bodies.iter().enumerate() {
            let offset = base + len as u64;
            let fields = FrameFields {
                kind: FrameKind::Entries,
                is_last: index + 1 == part.bodies.len(),
                commit: writer.commit,
                index: index as u32,
                at: from,
            };
            let out = &mut coded.bytes_mut()[len..];
            let head = store.with(|ledger| {
                let closed = self.closed.borrow();
                let mut left = leaving.iter().chain(closed.iter().flat_map(|commit| &commit.leaving));
                let block = ledger
                    .block_or_leaving(number)
                    .or_else(|| left.find(|block| block.number == number))
                    .expect("a block stays until the commits that it has entries for are written");
                let open = block.open().expect("a block that has entries to write is not sealed");
                writer.encoder.encode_into(fields, open.tail.slice(from, to), file.salt, offset, out)
            });
            len += head.len_on_disk() as usize;
            frames.push(Written { from, to, offset, end: base + len as u64 });
        }
        coded.end_at(len);
        Ok((coded, frames))
    }
}

/// Makes a block's file so long: filled with zeros, or with room reserved.
pub(super) async fn lengthen(file: &impl File, len: u64, is_filled: bool) -> Result<(), DiskError> {
    if is_filled { file.allocate(len).await } else { file.reserve(len).await }
}

/// A new block's file is filled ahead so far; then it doubles.
pub(super) const FIRST_ALLOCATION: u64 = HEAD_LEN as u64 + FRAME_LEN_MIN as u64;
