//! Overwriting a message that was deleted.
//!
//! In a plain block its frame is written anew in its place, through the log, with bytes of no meaning where the message was.
//! A frame that is compressed or encrypted cannot be changed in its place: its block is rewritten.

use std::rc::Rc;

use crate::block::entry::{Entries, Entry, erase};
use crate::block::header::{Compression, Encryption};
use crate::cache::Part;
use crate::coding::{FrameEncoder, FrameFields};
use crate::disk::{Cause, Disk, Open};
use crate::log::{LogError, LoggedFile};
use crate::store::block::BlockNumber;
use crate::store::file::FileMedia;
use crate::store::{Store, StoreError};

impl<D: Disk> FileMedia<D> {
    /// Overwrites what block `number` has of `seq`, which is deleted durably.
    pub(crate) async fn erase(
        &self,
        store: &Store<D>,
        number: BlockNumber,
        seq: u64,
    ) -> Result<(), StoreError> {
        let Some(coding) = self.with_file(number, |file| file.coding) else { return Ok(()) };
        if coding.compression != Compression::None || coding.encryption != Encryption::None {
            self.erase_by_rewrite(number);
            let _pass = store.0.gate.enter().await;
            if store.with(|ledger| ledger.active().number == number) {
                store.roll();
                store.changed();
            }
            return Ok(());
        }
        if self.rewriting.get() == Some(number) {
            self.erase_by_rewrite(number);
        }
        // Where the record may be: in a span, or in what is gathered to be one.
        let places = store.with(|ledger| {
            let block = ledger.block(number)?;
            let mut places: Vec<_> =
                block.spans.iter().map(|span| (span.offset, span.disk_len, span.delta)).collect();
            if let Some(gathering) = block.open().and_then(|open| open.gathering) {
                places.push((gathering.offset, gathering.end - gathering.offset, 0));
            }
            let delta = block.delta(seq.max(block.first));
            let from = places.iter().rposition(|(.., first)| *first <= delta && *first > 0).unwrap_or(0);
            Some(places.split_off(from))
        });
        for (offset, len, _) in places.unwrap_or_default() {
            match self.erase_in(number, seq, u64::from(offset), len as usize).await {
                Ok(false) => {}
                Ok(true) => break,
                Err(error) => {
                    self.erase_by_rewrite(number);
                    // A rewrite may have taken the file away just now. Otherwise whoever waits for it hears that it was not done.
                    let was_rewritten =
                        matches!(&error, StoreError::Disk(error) if error.cause == Cause::NotFound);
                    return if was_rewritten { Ok(()) } else { Err(error) };
                }
            }
        }
        store.with(|ledger| {
            let Some(block) = ledger.block(number) else { return };
            if let Some(place) = block.spans.of_delta(block.delta(seq.max(block.first))) {
                self.engine.cache().remove(self.key_of(block, Part::Span(place as u32)));
            }
        });
        Ok(())
    }

    /// The block's next rewrite, which is soon, leaves the message out.
    fn erase_by_rewrite(&self, number: BlockNumber) {
        self.to_be_erased.borrow_mut().push(number);
        self.maintenance.set();
    }

    async fn erase_in(
        &self,
        number: BlockNumber,
        seq: u64,
        offset: u64,
        len: usize,
    ) -> Result<bool, StoreError> {
        let Some((frames, _)) = self.read_frames(number, offset, len).await? else { return Ok(false) };
        let Some(salt) = self.with_file(number, |file| file.salt) else { return Ok(false) };
        for frame in frames {
            let found = Entries::new(&frame.plain, salt).find_map(|entry| match entry {
                Ok((at, len, Entry::Record(record))) if record.seq == seq => Some(at..at + len),
                _ => None,
            });
            let Some(range) = found else { continue };
            let mut plain = frame.plain.to_vec();
            self.engine.with_rng(|rng| erase(&mut plain[range], seq, salt, rng));
            let head = frame.head;
            let fields = FrameFields {
                kind: head.kind,
                is_last: head.is_last,
                commit: head.commit,
                index: head.index,
                at: head.at,
            };
            let mut bytes = Vec::new();
            FrameEncoder::new(Compression::None, None).encode(fields, &plain, salt, frame.offset, &mut bytes);
            assert_eq!(bytes.len() as u64, head.len_on_disk(), "a plain frame keeps its length");
            self.overwrite(number, frame.offset, &bytes).await?;
            return Ok(true);
        }
        Ok(false)
    }

    async fn overwrite(&self, number: BlockNumber, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let open: Option<LoggedFile<D>> =
            self.with_file(number, |file| file.writer.as_ref().map(|writer| writer.logged.clone())).flatten();
        if let Some(logged) = open {
            match logged.overwrite(offset, bytes).await {
                // The block was sealed meanwhile, or is gone.
                Err(LogError::Detached) => {}
                done => return Ok(done?),
            }
        }
        let sealed = self.with_file(number, |file| (file.path.clone(), file.footer));
        let Some((path, Some(footer))) = sealed else { return Ok(()) };
        let file = Rc::new(self.engine.disk().open(&path, Open::Write).await?);
        let logged = self.engine.log().attach(&path, file, footer.file_len, &[]);
        logged.overwrite(offset, bytes).await?;
        logged.fold().await?;
        logged.detach();
        Ok(())
    }
}
