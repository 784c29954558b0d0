//! Reading sealed blocks: spans of messages, and indexes.

use std::path::PathBuf;
use std::rc::Rc;

use bytes::Bytes;

use crate::block::entry::{Entries, Entry};
use crate::block::footer::{decode_summary, decode_table};
use crate::block::frame::{FRAME_HEAD_LEN, FrameHead, FrameKind};
use crate::block::header::HEAD_LEN;
use crate::block::index::Index;
use crate::block::scan::{Ending, ScannedFrame, frames_in, scan};
use crate::block::summary::{Opening, Row, Summarizer, Summary};
use crate::cache::{Part, SpanContent};
use crate::coding::{BlockCipher, decode_frame};
use crate::disk::{Disk, File};
use crate::log::LoggedFile;
use crate::store::block::BlockNumber;
use crate::store::file::{FileMedia, FooterPlace};
use crate::store::read::SpanPlace;
use crate::store::{Store, StoreError};

/// What it takes to read a block's file.
struct Access<D: Disk> {
    path: PathBuf,
    salt: u64,
    cipher: Option<Rc<BlockCipher>>,
    /// While it is written to: what the file itself does not have yet is there.
    logged: Option<LoggedFile<D>>,
    footer: Option<FooterPlace>,
}

impl<D: Disk> FileMedia<D> {
    /// The messages of a span. `None` where the block is not what it was any more. One that `reads_on` gets the next ones
    /// read along.
    pub(crate) async fn span(
        &self,
        store: &Store<D>,
        place: SpanPlace,
        reads_on: bool,
    ) -> Result<Option<Rc<SpanContent>>, StoreError> {
        let wanted = store.with(|ledger| {
            let block = ledger.block(place.block).filter(|block| block.generation == place.generation)?;
            let key = self.key_of(block, Part::Span(place.place as u32));
            if let Some(content) = self.engine.cache().span(key) {
                return Some(Err(content));
            }
            let ahead = if reads_on { SPANS_AHEAD } else { 1 };
            let spans: Vec<_> = block.spans.iter().skip(place.place).take(ahead).copied().collect();
            Some(Ok(spans))
        });
        let spans = match wanted {
            None => return Ok(None),
            Some(Err(content)) => return Ok(Some(content)),
            Some(Ok(spans)) => spans,
        };
        let Some(access) = self.access(place.block) else { return Ok(None) };
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return Ok(None) };
        let offset = u64::from(first.offset);
        let len = (last.offset + last.disk_len - first.offset) as usize;
        let piece = match self.read_piece(&access, offset, len).await {
            Err(_) if self.has_moved(place.block, &access) => return Ok(None),
            piece => piece?,
        };
        let mut wanted = None;
        for (at, span) in spans.iter().enumerate() {
            let from = (u64::from(span.offset) - offset) as usize;
            let to = (from + span.disk_len as usize).min(piece.len());
            let content =
                Rc::new(content_of(&piece.slice(from.min(to)..to), u64::from(span.offset), &access));
            store.with(|ledger| {
                let block = ledger.block(place.block).filter(|block| block.generation == place.generation);
                if let Some(block) = block {
                    let key = self.key_of(block, Part::Span((place.place + at) as u32));
                    self.engine.cache().put_span(key, Rc::clone(&content));
                }
            });
            wanted.get_or_insert(content);
        }
        Ok(wanted)
    }

    /// The index of a sealed block; `None` where the block is gone.
    pub(crate) async fn index(
        &self,
        store: &Store<D>,
        number: BlockNumber,
    ) -> Result<Option<Rc<Index>>, StoreError> {
        let Some((key, cached)) = store.with(|ledger| {
            let key = self.key_of(ledger.block(number)?, Part::Index);
            Some((key, self.engine.cache().index(key)))
        }) else {
            return Ok(None);
        };
        if cached.is_some() {
            return Ok(cached);
        }
        let (summary, rows) = loop {
            let Some(access) = self.access(number) else { return Ok(None) };
            let read = match self.read_table(&access).await {
                Ok(Some(read)) => Ok(read),
                // The footer was damaged since the start: the entries say the same.
                Ok(None) => self.summarize(store, number, &access).await,
                Err(error) => Err(error),
            };
            match read {
                // The block was rewritten or removed meanwhile: look again.
                Err(_) if self.has_moved(number, &access) => {}
                read => break read?,
            }
        };
        let index =
            store.with(|ledger| Index::of_table(&summary, rows, |subject| ledger.subjects.find(subject)));
        let index = Rc::new(index);
        self.engine.cache().put_index(key, Rc::clone(&index));
        Ok(Some(index))
    }

    async fn read_table(&self, access: &Access<D>) -> Result<Option<(Summary, Vec<Row>)>, StoreError> {
        let Some(footer) = access.footer else { return Ok(None) };
        let len = (footer.file_len - footer.table_at) as usize;
        let piece = self.read_piece(access, footer.table_at, len).await?;
        let frame = |at: u64, kind| {
            let from = usize::try_from(at - footer.table_at).ok()?;
            frame_at(&piece, from, at, kind, access.salt, access.cipher.as_deref())
        };
        let read = || {
            let (summary, _) = decode_summary(&frame(footer.summary_at, FrameKind::Summary)?)?;
            let rows = decode_table(&frame(footer.table_at, FrameKind::Table)?, summary.subjects.len())?;
            Some((summary, rows))
        };
        Ok(read())
    }

    /// What a block's entries tell, read from the first to the last.
    async fn summarize(
        &self,
        store: &Store<D>,
        number: BlockNumber,
        access: &Access<D>,
    ) -> Result<(Summary, Vec<Row>), StoreError> {
        let opening = store.with(|ledger| {
            let block = ledger.block(number)?;
            let opening =
                Opening { first: block.first, absorbed_below: block.absorbed_below, salt: block.salt };
            let end = block.spans.iter().last().map_or(0, |span| u64::from(span.offset + span.disk_len));
            Some((opening, end))
        });
        let (opening, end) = opening.ok_or(StoreError::Vanished)?;
        let file = self.read_piece(access, 0, end as usize).await?;
        let scan = scan(&file, access.salt, Ending::Followed, |at, head, body| {
            decode_frame(head, body, access.cipher.as_deref(), access.salt, at).ok()
        });
        let mut summarizer = Summarizer::new(opening);
        for frame in &scan.frames {
            summarize_frame(&mut summarizer, frame, access.salt);
        }
        Ok(summarizer.finish())
    }

    /// The whole of a block's file that is being written or sealed, as it would be read.
    pub(super) async fn read_frames(
        &self,
        number: BlockNumber,
        offset: u64,
        len: usize,
    ) -> Result<Option<(Vec<ScannedFrame>, usize)>, StoreError> {
        let Some(access) = self.access(number) else { return Ok(None) };
        let piece = self.read_piece(&access, offset, len).await?;
        Ok(Some(frames_in(&piece, offset, access.salt, |at, head, body| {
            decode_frame(head, body, access.cipher.as_deref(), access.salt, at).ok()
        })))
    }

    async fn read_piece(&self, access: &Access<D>, offset: u64, len: usize) -> Result<Bytes, StoreError> {
        if let Some(logged) = &access.logged {
            return Ok(logged.read_at(offset, len).await?);
        }
        let file = self.engine.file(&access.path).await?;
        Ok(file.read_at(offset, len).await?)
    }

    /// Whether the block's file is another one by now, or gone.
    fn has_moved(&self, number: BlockNumber, access: &Access<D>) -> bool {
        self.files.borrow().get(&number).is_none_or(|file| file.path != access.path)
    }

    fn access(&self, number: BlockNumber) -> Option<Access<D>> {
        let files = self.files.borrow();
        let file = files.get(&number)?;
        Some(Access {
            path: file.path.clone(),
            salt: file.salt,
            cipher: file.cipher.clone(),
            logged: file.writer.as_ref().map(|writer| writer.logged.clone()),
            footer: file.footer,
        })
    }
}

/// The body of one frame that begins at `from` of a piece and at `offset` of the file.
pub(crate) fn frame_at(
    piece: &Bytes,
    from: usize,
    offset: u64,
    kind: FrameKind,
    salt: u64,
    cipher: Option<&BlockCipher>,
) -> Option<Bytes> {
    let head = FrameHead::decode(piece.get(from..)?, salt, offset).filter(|head| head.kind == kind)?;
    let body = from.checked_add(FRAME_HEAD_LEN)?;
    let end = body.checked_add(head.stored_len as usize).filter(|&end| end <= piece.len())?;
    decode_frame(&head, piece.slice(body..end), cipher, salt, offset).ok()
}

/// Takes the entries of a frame in; those behind a damaged one are not reached.
pub(super) fn summarize_frame(summarizer: &mut Summarizer, frame: &ScannedFrame, salt: u64) -> bool {
    for entry in Entries::new(&frame.plain, salt) {
        let Ok((at, len, entry)) = entry else { return false };
        // What is out of order was written by nobody: it is left out, and the rest goes on.
        let _ = summarizer.entry(frame.head.at + at as u32, len as u32, &entry);
    }
    true
}

/// The records of a run of frames.
fn content_of<D: Disk>(piece: &Bytes, offset: u64, access: &Access<D>) -> SpanContent {
    let (frames, mut damaged) = frames_in(piece, offset, access.salt, |at, head, body| {
        decode_frame(head, body, access.cipher.as_deref(), access.salt, at).ok()
    });
    let mut records = Vec::new();
    let bytes = match &frames[..] {
        [frame] => frame.plain.clone(),
        frames => frames.iter().flat_map(|frame| frame.plain.iter().copied()).collect(),
    };
    let mut base = 0;
    for frame in &frames {
        for entry in Entries::new(&frame.plain, access.salt) {
            match entry {
                Ok((at, _, Entry::Record(record))) => records.push((record.seq, base + at as u32)),
                Ok(_) => {}
                Err(_) => damaged += 1,
            }
        }
        base += frame.plain.len() as u32;
    }
    // A block that was cut has what came after the cut behind it; the sequences ascend all the same in what is asked for.
    records.dedup_by_key(|(seq, _)| *seq);
    SpanContent { bytes, records, damaged }
}

/// Spans that are read at once for one who reads them one after another.
const SPANS_AHEAD: usize = 8;
const _: () = assert!(HEAD_LEN.is_multiple_of(crate::disk::PAGE_SIZE));
