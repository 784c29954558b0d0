//! Overwriting a message that was deleted.
//!
//! While its block is written to, a small plain frame is written anew in its place, through the log, with bytes of no meaning
//! where the message was. Everything else is erased by rewriting its block beside itself: a frame that is compressed or
//! encrypted cannot be changed in its place, a large one not in one step, and a sealed block is read past the log.

use crate::block::entry::{Entries, Entry, erase};
use crate::block::header::{Compression, Encryption};
use crate::cache::Part;
use crate::coding::{FrameEncoder, FrameFields};
use crate::disk::{Disk, PAGE_SIZE};
use crate::log::LogError;
use crate::store::block::BlockNumber;
use crate::store::file::FileMedia;
use crate::store::{Store, StoreError};

impl<D: Disk> FileMedia<D> {
    /// Overwrites what block `number` has of `seq`, which is deleted durably: now, or with a rewrite of the block, which is
    /// soon.
    pub(crate) async fn erase(
        &self,
        store: &Store<D>,
        number: BlockNumber,
        seq: u64,
    ) -> Result<(), StoreError> {
        let is_written_to = self.with_file(number, |file| {
            let is_plain = file.coding.compression == Compression::None;
            is_plain && file.coding.encryption == Encryption::None && file.writer.is_some()
        });
        let Some(is_written_to) = is_written_to else { return Ok(()) };
        let erased = if is_written_to { self.erase_in_place(store, number, seq).await } else { Ok(false) };
        if !matches!(erased, Ok(true)) {
            self.erase_by_rewrite(store, number).await;
        }
        erased.map(drop)
    }

    /// `false` where it cannot be done so.
    async fn erase_in_place(
        &self,
        store: &Store<D>,
        number: BlockNumber,
        seq: u64,
    ) -> Result<bool, StoreError> {
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
        let mut is_erased = false;
        for (offset, len, _) in places.unwrap_or_default() {
            if self.erase_in(number, seq, u64::from(offset), len as usize).await? {
                is_erased = true;
                break;
            }
        }
        store.with(|ledger| {
            let Some(block) = ledger.block(number) else { return };
            if let Some(place) = block.spans.of_delta(block.delta(seq.max(block.first))) {
                self.engine.cache().remove(self.key_of(block, Part::Span(place as u32)));
            }
        });
        Ok(is_erased)
    }

    /// The block's next rewrite leaves the message out. One that is written to ends for that.
    async fn erase_by_rewrite(&self, store: &Store<D>, number: BlockNumber) {
        self.to_be_erased.borrow_mut().push(number);
        let _pass = store.0.gate.enter().await;
        if store.with(|ledger| ledger.active().number == number) {
            store.roll();
            store.changed();
        }
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
        for frame in frames.into_iter().filter(|frame| frame.head.len_on_disk() <= IN_PLACE_MAX) {
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
            return self.overwrite(number, frame.offset, &bytes).await;
        }
        Ok(false)
    }

    /// `false` where the block is not written to any more.
    async fn overwrite(&self, number: BlockNumber, offset: u64, bytes: &[u8]) -> Result<bool, StoreError> {
        let logged = self.with_file(number, |file| file.writer.as_ref().map(|writer| writer.logged.clone()));
        let Some(logged) = logged.flatten() else { return Ok(false) };
        match logged.overwrite(offset, bytes).await {
            Err(LogError::Detached) => Ok(false),
            done => Ok(done.map(|()| true)?),
        }
    }
}

/// Longer frames are not overwritten in their place: they would not go into one batch of the log, whatever room is left.
const IN_PLACE_MAX: u64 = 2 * PAGE_SIZE as u64;
