//! Reading sealed blocks to see that they can be read, at the pace of whoever asks.

use std::ops::Range;
use std::path::PathBuf;
use std::rc::Rc;

use bytes::Bytes;

use crate::block::entry::{Entries, Entry};
use crate::block::footer::{TRAILER_LEN, Trailer, decode_summary, decode_table};
use crate::block::frame::FrameKind;
use crate::block::header::{HEAD_LEN, Header};
use crate::block::scan::frames_in;
use crate::block::spans::Span;
use crate::coding::{BlockCipher, decode_frame};
use crate::disk::{Cause, Disk, Open, PAGE_SIZE, read_anyhow};
use crate::seq_set::SeqSet;
use crate::store::block::{BlockNumber, Phase};
use crate::store::file::losses::{Losses, read_losses, still_lost, write_losses};
use crate::store::file::read::frame_at;
use crate::store::file::{FileMedia, FooterPlace, Recovery};
use crate::store::ledger::{Ledger, Pins};
use crate::store::{CommitNumber, Media, Store, StoreError};

/// What a step of the scrub did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrubProgress {
    /// Read in this step: to be paid for with time by the caller.
    pub bytes: u64,
    pub damage: Vec<ScrubDamage>,
    /// The last block was looked at; the next step begins with the first again.
    pub is_round_done: bool,
}

/// A part of a sealed block that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrubDamage {
    pub path: PathBuf,
    pub block: BlockNumber,
    pub part: ScrubPart,
    /// Bytes of the file.
    pub range: Range<u64>,
    /// Messages that were there and are lost now.
    pub lost: SeqSet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScrubPart {
    /// One copy of the head or both. While the store is open it is not needed.
    Head,
    Messages,
    /// The next start reads the block whole in its place.
    Footer,
}

/// How far the scrub is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ScrubPlace {
    block: BlockNumber,
    generation: u64,
    /// What of the block comes next: its head, then its spans, then its footer.
    part: usize,
}

/// A block as the scrub has to know it.
struct Target {
    number: BlockNumber,
    generation: u64,
    path: PathBuf,
    salt: u64,
    cipher: Option<Rc<BlockCipher>>,
    footer: FooterPlace,
    spans: usize,
}

/// A span, and the messages that have to be in it.
struct SpanTarget {
    span: Span,
    expected: SeqSet,
}

impl<D: Disk> Store<D> {
    /// Reads on in the store's sealed blocks until `budget_bytes` were read, and sees that every frame and every footer is what
    /// was written. What is lost is lost to all queries from then on, and durably known as lost; nothing is deleted. One at a
    /// time.
    ///
    /// # Errors
    /// [`StoreError::Failed`], and what the disk says beside that it cannot read.
    pub async fn scrub_step(&self, budget_bytes: u64) -> Result<ScrubProgress, StoreError> {
        let mut progress = ScrubProgress::default();
        let Media::File(media) = &self.0.media else {
            return Ok(ScrubProgress { is_round_done: true, ..progress });
        };
        while progress.bytes < budget_bytes {
            let place = media.scrub.get();
            let Some(target) = media.scrub_target(self, place.block) else {
                media.scrub.set(ScrubPlace::default());
                progress.is_round_done = true;
                break;
            };
            let is_same = (target.number, target.generation) == (place.block, place.generation);
            let part = if is_same { place.part } else { 0 };
            let is_last = media.scrub_part(self, &target, part, &mut progress).await?;
            media.scrub.set(if is_last {
                ScrubPlace { block: target.number + 1, ..ScrubPlace::default() }
            } else {
                ScrubPlace { block: target.number, generation: target.generation, part: part + 1 }
            });
        }
        Ok(progress)
    }

    /// The operator knows that the lost messages are lost: they are deleted from now on, as if by hand. How many that were.
    ///
    /// # Errors
    /// As [`Store::remove`], and what the disk says.
    pub async fn accept_loss(&self) -> Result<(u64, CommitNumber), StoreError> {
        let lost = self.lost();
        let Media::File(media) = &self.0.media else { return Ok((0, 0)) };
        if lost.is_empty() {
            return Ok((0, self.0.commits.latest()));
        }
        let commit = {
            let _pass = self.0.gate.enter().await;
            self.check_writable()?;
            self.with(|ledger| {
                let mut gone = lost.clone();
                gone.remove_below(ledger.first);
                ledger.unwritten.deleted.union(&gone);
            });
            self.changed()
        };
        self.committed(commit).await?;
        let mut losses = media.losses.borrow().clone();
        losses.lost.clear();
        losses.accepted.union(&lost);
        losses.accepted.remove_below(self.with(|ledger| ledger.first));
        media.set_losses(losses).await?;
        self.with(|ledger| ledger.lost.subtract(&lost));
        Ok((lost.len(), commit))
    }

    /// After recovery: what was known of losses before, and what was found now, is known from here on.
    pub(super) async fn remember_losses(&self, recovery: &mut Recovery) -> Result<(), StoreError> {
        let Media::File(media) = &self.0.media else { return Ok(()) };
        let (disk, folder) = (media.engine.disk(), &media.options.folder);
        let before = read_losses(disk, folder, media.options.stream).await?;
        let is_believed = before.is_ok();
        let before = before.unwrap_or_default();
        let mut now = Losses { accepted: before.accepted.clone(), ..Losses::default() };
        let mut found = recovery.lost.clone();
        found.subtract(&before.accepted);
        self.with(|ledger| ledger.lost = SeqSet::new());
        for (block, seqs) in &before.lost {
            let still = self.with(|ledger| ledger.still_lost(*block, seqs));
            now.add(*block, &still);
            self.lose(&still).await?;
        }
        now.add(0, &found);
        now.lost.retain(|(_, seqs)| !seqs.is_empty());
        self.with(|ledger| {
            ledger.lost.union(&found);
            recovery.lost = ledger.lost.clone();
        });
        let is_new = now != before || !is_believed;
        *media.losses.borrow_mut() = now.clone();
        if is_new {
            media.set_losses(now).await?;
        }
        Ok(())
    }

    /// Takes messages out of all counts that cannot be read any more.
    async fn lose(&self, seqs: &SeqSet) -> Result<(), StoreError> {
        let _pass = self.0.gate.enter().await;
        let mut pins = Pins::default();
        for seq in seqs.iter() {
            self.with_indexes(&mut pins, |ledger, pins| {
                ledger.take_out_and_keep(seq, pins)?;
                ledger.lost.insert(seq);
                Ok(())
            })
            .await?;
        }
        Ok(())
    }
}

impl<D: Disk> FileMedia<D> {
    /// The first sealed block from a number on.
    fn scrub_target(&self, store: &Store<D>, from: BlockNumber) -> Option<Target> {
        let blocks: Vec<_> = store.with(|ledger| {
            let from = ledger.blocks.partition_point(|block| block.number < from);
            let sealed = ledger.blocks.range(from..).filter(|block| matches!(block.phase, Phase::Sealed));
            sealed.take(2).map(|block| (block.number, block.generation, block.spans.len())).collect()
        });
        blocks.into_iter().find_map(|(number, generation, spans)| {
            self.with_file(number, |file| {
                let (path, salt, cipher) = (file.path.clone(), file.salt, file.cipher.clone());
                Some(Target { number, generation, path, salt, cipher, footer: file.footer?, spans })
            })
            .flatten()
        })
    }

    /// Looks at one part of a block; whether it was the last.
    async fn scrub_part(
        &self,
        store: &Store<D>,
        target: &Target,
        part: usize,
        progress: &mut ScrubProgress,
    ) -> Result<bool, StoreError> {
        let file = match self.engine.disk().open(&target.path, Open::Read).await {
            Ok(file) => file,
            // It was rewritten or removed meanwhile.
            Err(error) if error.cause == Cause::NotFound => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        let damage = |part, range, lost| {
            let (path, block) = (target.path.clone(), target.number);
            ScrubDamage { path, block, part, range, lost }
        };
        if part == 0 {
            let head = read_anyhow(&file, 0, HEAD_LEN).await?;
            progress.bytes += HEAD_LEN as u64;
            for at in [0, PAGE_SIZE] {
                let is_intact = head
                    .get(at..)
                    .is_some_and(|copy| Header::decode(copy).is_ok_and(|header| header.salt == target.salt));
                if !is_intact {
                    let range = at as u64..(at + PAGE_SIZE) as u64;
                    progress.damage.push(damage(ScrubPart::Head, range, SeqSet::new()));
                }
            }
            return Ok(false);
        }
        if let Some(wanted) = store.with(|ledger| ledger.scrub_span(target, part - 1)) {
            let (offset, len) = (u64::from(wanted.span.offset), wanted.span.disk_len as usize);
            let piece = read_anyhow(&file, offset, len).await?;
            progress.bytes += len as u64;
            let (found, damaged) = target.check_span(&piece, offset);
            let mut lost = wanted.expected;
            lost.subtract(&found);
            if !lost.is_empty() {
                lost = self.note_lost(store, target, &lost).await?;
            }
            for (at, range) in damaged.into_iter().enumerate() {
                let lost = if at == 0 { lost.clone() } else { SeqSet::new() };
                progress.damage.push(damage(ScrubPart::Messages, range, lost));
            }
            return Ok(false);
        }
        let FooterPlace { table_at, file_len, .. } = target.footer;
        let piece = read_anyhow(&file, table_at, (file_len - table_at) as usize).await?;
        progress.bytes += piece.len() as u64;
        if !target.is_footer_whole(&piece) {
            progress.damage.push(damage(ScrubPart::Footer, table_at..file_len, SeqSet::new()));
        }
        Ok(true)
    }

    /// Makes it known that messages of a block are lost: durably first. Those that are.
    async fn note_lost(
        &self,
        store: &Store<D>,
        target: &Target,
        seqs: &SeqSet,
    ) -> Result<SeqSet, StoreError> {
        let still = store.with(|ledger| {
            let block = ledger.block(target.number).filter(|block| block.generation == target.generation);
            block.map(|_| ledger.still_lost(target.number, seqs))
        });
        let Some(still) = still.filter(|still| !still.is_empty()) else { return Ok(SeqSet::new()) };
        let mut losses = self.losses.borrow().clone();
        losses.add(target.number, &still);
        self.set_losses(losses).await?;
        // What is left of it on disk is left there.
        self.left_alone.borrow_mut().push(target.number);
        store.lose(&still).await?;
        Ok(still)
    }

    async fn set_losses(&self, losses: Losses) -> Result<(), StoreError> {
        let (disk, folder) = (self.engine.disk(), &self.options.folder);
        write_losses(disk, folder, self.options.stream, &losses).await?;
        *self.losses.borrow_mut() = losses;
        Ok(())
    }

    /// Whether some of a block is lost: it is not rewritten, for what cannot be read now might be read by somebody else.
    pub(super) fn has_losses(&self, number: BlockNumber) -> bool {
        self.losses.borrow().lost.iter().any(|(block, _)| *block == number)
    }
}

impl Ledger {
    /// Those of the sequences that block `number` still has; for 0, those that no block has.
    fn still_lost(&self, number: BlockNumber, seqs: &SeqSet) -> SeqSet {
        still_lost((number, seqs), self.first..=self.last, |seq| self.block_of(seq).map(|block| block.number))
    }

    /// A span of a block and the messages that have to be in it; `None` behind the last, or where the block is another.
    fn scrub_span(&self, target: &Target, place: usize) -> Option<SpanTarget> {
        let block = self.block(target.number).filter(|block| block.generation == target.generation)?;
        let span = *block.spans.get(place).filter(|_| place < target.spans)?;
        let end = block.spans.get(place + 1).map_or(block.last + 1, |next| block.seq(next.delta));
        let mut expected = SeqSet::new();
        let first = block.seq(span.delta);
        let last = end.min(block.last + 1);
        if first < last {
            expected.insert_range(first..=last - 1);
            expected.subtract(&block.gone);
        }
        Some(SpanTarget { span, expected })
    }
}

impl Target {
    /// The messages that can be read of a span, and the bytes that cannot.
    fn check_span(&self, piece: &Bytes, offset: u64) -> (SeqSet, Vec<Range<u64>>) {
        let (frames, _) = frames_in(piece, offset, self.salt, |at, head, body| {
            decode_frame(head, body, self.cipher.as_deref(), self.salt, at).ok()
        });
        let (mut found, mut damaged) = (SeqSet::new(), Vec::new());
        let mut at = offset;
        for frame in &frames {
            self.note_gap(piece, offset, at..frame.offset, &mut damaged);
            at = frame.offset + frame.head.len_on_disk();
            let mut is_whole = true;
            for entry in Entries::new(&frame.plain, self.salt) {
                match entry {
                    Ok((_, _, Entry::Record(record))) => drop(found.insert(record.seq)),
                    Ok(_) => {}
                    Err(_) => is_whole = false,
                }
            }
            if !is_whole {
                damaged.push(frame.offset..at);
            }
        }
        self.note_gap(piece, offset, at..offset + piece.len() as u64, &mut damaged);
        (found, damaged)
    }

    /// Between two frames is nothing, or zeros up to a page.
    fn note_gap(&self, piece: &Bytes, offset: u64, gap: Range<u64>, damaged: &mut Vec<Range<u64>>) {
        let bytes = &piece[(gap.start - offset) as usize..(gap.end - offset) as usize];
        let is_padding = gap.end == gap.start.next_multiple_of(PAGE_SIZE as u64);
        let is_nothing = bytes.is_empty() || is_padding && bytes.iter().all(|&byte| byte == 0);
        if !is_nothing {
            damaged.push(gap);
        }
    }

    fn is_footer_whole(&self, piece: &Bytes) -> bool {
        let FooterPlace { table_at, summary_at, file_len } = self.footer;
        let frame = |at: u64, kind| {
            let from = usize::try_from(at - table_at).ok()?;
            frame_at(piece, from, at, kind, self.salt, self.cipher.as_deref())
        };
        let trailer = piece.len().checked_sub(TRAILER_LEN).map(|at| &piece[at..]);
        let read = || {
            Trailer::decode(trailer?, self.salt, file_len)?;
            let (summary, _) = decode_summary(&frame(summary_at, FrameKind::Summary)?)?;
            decode_table(&frame(table_at, FrameKind::Table)?, summary.subjects.len())
        };
        read().is_some()
    }
}

#[cfg(test)]
mod tests;
