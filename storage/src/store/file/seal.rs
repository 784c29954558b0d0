//! A full block gets a footer: where its messages are, and what recovery wants to know of it.

use crate::block::footer::{TRAILER_LEN, Trailer, encode_summary, encode_table};
use crate::block::frame::FrameKind;
use crate::block::spans::Spans;
use crate::block::summary::{Row, Summary};
use crate::coding::{FrameEncoder, FrameFields};
use crate::disk::{Buffer, Disk, File, PAGE_SIZE};
use crate::store::block::{Block, BlockNumber, Phase};
use crate::store::file::{FileMedia, FooterPlace};
use crate::store::{Store, StoreError};

/// A block's footer as bytes: table, summary, trailer, whole pages.
pub(crate) struct Footer {
    pub bytes: Vec<u8>,
    pub place: FooterPlace,
}

impl Footer {
    /// Encodes the footer that begins at `offset`, a page's boundary, as commit `commit` of its block.
    pub(crate) fn encode(
        encoder: &mut FrameEncoder,
        (summary, rows, spans): (&Summary, &[Row], &Spans),
        (salt, offset, commit): (u64, u64, u64),
    ) -> Self {
        assert!(offset.is_multiple_of(PAGE_SIZE as u64), "a footer at {offset}");
        let mut bytes = Vec::new();
        let mut body = Vec::new();
        encode_table(rows, &mut body);
        let fields =
            |kind, index, is_last| FrameFields { kind, is_last, commit, index, at: summary.plain_len };
        encoder.encode(fields(FrameKind::Table, 0, false), &body, salt, offset, &mut bytes);
        let summary_at = offset + bytes.len() as u64;
        body.clear();
        encode_summary(summary, spans, &mut body);
        encoder.encode(fields(FrameKind::Summary, 1, true), &body, salt, summary_at, &mut bytes);
        let len = (bytes.len() + TRAILER_LEN).next_multiple_of(PAGE_SIZE);
        bytes.resize(len - TRAILER_LEN, 0);
        let file_len = offset + len as u64;
        bytes.extend_from_slice(&Trailer { table_at: offset, summary_at, file_len }.encode(salt));
        Self { bytes, place: FooterPlace { table_at: offset, summary_at, file_len } }
    }
}

impl<D: Disk> FileMedia<D> {
    /// Seals a block that is full, once all of it is durable.
    ///
    /// # Errors
    /// What the disk says: the block stays as it is, and is read as before.
    pub(super) async fn seal(&self, store: &Store<D>, number: BlockNumber) -> Result<(), StoreError> {
        let cut_with = || store.with(|ledger| ledger.block(number)?.open().map(|open| open.cut_with));
        // It may be cut again meanwhile.
        let mut durable = None;
        while durable != cut_with() {
            durable = cut_with();
            store.committed(durable.unwrap_or(0)).await?;
        }
        let prepared = store.with(|ledger| {
            let block = ledger.block_mut(number)?;
            let end = block.open().filter(|open| open.full.is_some() && !open.is_damaged)?.tail.end();
            if block.open().is_some_and(|open| open.tail.base() < end) {
                let durable_to = block.open().and_then(|open| open.gathering).map(|gathering| gathering.to);
                if durable_to != Some(end) {
                    // Handed over, and not durable yet.
                    return None;
                }
                self.close_span(block, end);
            }
            Some(summary_of(block))
        });
        #[cfg(test)]
        let prepared = prepared.map(|told| self.options.told(told));
        let Some((summary, rows)) = prepared else { return Ok(()) };
        let spans =
            store.with(|ledger| ledger.block(number).map(|block| block.spans.clone())).unwrap_or_default();
        if self.with_file(number, |file| file.writer.as_ref().is_some_and(|writer| !writer.can_seal))
            == Some(true)
        {
            self.settle_writer(store, number, None).await?;
            return Ok(());
        }
        let footer = self.with_file(number, |file| {
            let salt = file.salt;
            let writer = file.writer.as_mut()?;
            Some(writer.logged.align().map(|offset| {
                writer.commit += 1;
                let place = (salt, offset, writer.commit);
                let footer = Footer::encode(&mut writer.encoder, (&summary, &rows, &spans), place);
                let mut pages = writer.logged.buffer(footer.bytes.len());
                pages.bytes_mut().copy_from_slice(&footer.bytes);
                (footer.place, writer.logged.append_direct(pages))
            }))
        });
        let Some(footer) = footer.flatten() else { return Ok(()) };
        let (place, ticket) = footer?;
        ticket.await?;
        self.settle_writer(store, number, Some(place)).await
    }

    /// A block is only read from now on. One that has no footer is rewritten next.
    async fn settle_writer(
        &self,
        store: &Store<D>,
        number: BlockNumber,
        footer: Option<FooterPlace>,
    ) -> Result<(), StoreError> {
        let Some((logged, file)) = self.writer_of(number) else { return Ok(()) };
        logged.fold().await?;
        if let Some(place) = footer {
            // Durable with what is synced next. A file that a crash leaves long is scanned, as one without a footer.
            if file.size().await? != place.file_len {
                file.truncate(place.file_len).await?;
            }
            // A message may have been overwritten meanwhile.
            logged.fold().await?;
        }
        let writer = self.with_file(number, |file| {
            file.footer = footer;
            file.writer.take()
        });
        if let Some(writer) = writer.flatten() {
            writer.logged.detach();
        }
        store.with(|ledger| {
            let Some(block) = ledger.block_mut(number) else { return };
            let key = self.key_of(block, crate::cache::Part::Index);
            block.spans.shrink_to_fit();
            if let Phase::Open(open) = std::mem::replace(&mut block.phase, Phase::Sealed) {
                self.engine.cache().put_index(key, std::rc::Rc::new(open.index));
            }
        });
        Ok(())
    }

    fn writer_of(&self, number: BlockNumber) -> Option<(crate::log::LoggedFile<D>, std::rc::Rc<D::File>)> {
        let files = self.files.borrow();
        let writer = files.get(&number)?.writer.as_ref()?;
        Some((writer.logged.clone(), std::rc::Rc::clone(&writer.file)))
    }
}

/// What the entries of a full block tell, as a scan of them would find it.
fn summary_of(block: &Block) -> (Summary, Vec<Row>) {
    let open = block.open().expect("a block that is being sealed is open");
    let summary = Summary {
        first: block.first,
        last: block.last,
        last_timestamp: block.last_timestamp,
        plain_len: block.plain_len,
        low: open.told.low,
        truncated: open.told.truncated,
        gone: open.full.clone().expect("a block that is being sealed is full"),
        tombstones: block.tombstones.clone(),
        absorbed_below: block.absorbed_below,
        sources: open.told.sources.clone(),
        ..Summary::default()
    };
    let subjects = open.index.subjects().iter().map(|subject| subject.text.clone()).collect();
    summary.assemble(open.index.slots().to_vec(), subjects, open.times.clone())
}
