//! What is known of lost messages beside the blocks: losses that were found while the store was open, and losses that the
//! operator accepted (docs/format/losses.md). One small file in the store's folder, replaced as a whole.
//!
//! A footer tells of messages that its block had when it was sealed; that some cannot be read any more is written here, so
//! that the next start knows it without reading all blocks.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh64::xxh64;

use crate::block::header::StreamId;
use crate::disk::{Cause, Disk, DiskError, File, Open, PAGE_SIZE};
use crate::seq_set::SeqSet;
use crate::store::block::BlockNumber;
use crate::varint;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Losses {
    /// By the block that had them; 0 where no block does. A sequence that was given anew since is in another block.
    pub lost: Vec<(BlockNumber, SeqSet)>,
    /// Losses that are no longer told of.
    pub accepted: SeqSet,
}

impl Losses {
    pub(crate) fn add(&mut self, block: BlockNumber, seqs: &SeqSet) {
        match self.lost.iter_mut().find(|(number, _)| *number == block) {
            Some((_, known)) => known.union(seqs),
            None => self.lost.push((block, seqs.clone())),
        }
    }

    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.lost.is_empty() && self.accepted.is_empty()
    }

    /// `magic 8 | version u32 | length of the body u32 | stream 16 | body | XXH64 of all before u64`, where the body is the
    /// accepted set, the number of blocks, and of each its number and its set; sets behind their lengths, numbers as varints.
    fn encode(&self, stream: StreamId) -> Vec<u8> {
        let mut body = Vec::new();
        set(&self.accepted, &mut body);
        varint::encode(self.lost.len() as u64, &mut body);
        for (block, lost) in &self.lost {
            varint::encode(*block, &mut body);
            set(lost, &mut body);
        }
        let mut file = MAGIC.to_vec();
        file.extend_from_slice(&VERSION.to_le_bytes());
        file.extend_from_slice(&(body.len() as u32).to_le_bytes());
        file.extend_from_slice(&stream.0);
        file.extend_from_slice(&body);
        let checksum = xxh64(&file, 0);
        file.extend_from_slice(&checksum.to_le_bytes());
        file
    }

    /// `None` where it is damaged, of another stream or of another version.
    fn decode(file: &[u8], stream: StreamId) -> Option<Self> {
        let len = u32::from_le_bytes(*file.get(12..)?.first_chunk()?) as usize;
        let covered = HEAD_LEN.checked_add(len)?;
        let checksum = u64::from_le_bytes(*file.get(covered..)?.first_chunk()?);
        let intact = file[..8] == MAGIC
            && xxh64(&file[..covered], 0) == checksum
            && file[8..12] == VERSION.to_le_bytes()
            && file[16..HEAD_LEN] == stream.0;
        let mut body = file.get(HEAD_LEN..covered).filter(|_| intact)?;
        let accepted = read_set(&mut body)?;
        let mut lost = Vec::new();
        for _ in 0..read_number(&mut body)? {
            let block = read_number(&mut body)?;
            lost.push((block, read_set(&mut body)?));
        }
        body.is_empty().then_some(Self { lost, accepted })
    }
}

fn set(set: &SeqSet, out: &mut Vec<u8>) {
    let mut bytes = Vec::new();
    set.encode(&mut bytes);
    varint::encode(bytes.len() as u64, out);
    out.extend_from_slice(&bytes);
}

fn read_number(body: &mut &[u8]) -> Option<u64> {
    let (number, took) = varint::decode(body)?;
    *body = &body[took..];
    Some(number)
}

fn read_set(body: &mut &[u8]) -> Option<SeqSet> {
    let len = usize::try_from(read_number(body)?).ok()?;
    let (bytes, rest) = body.split_at_checked(len)?;
    *body = rest;
    SeqSet::decode(bytes).ok()
}

/// Which of `seqs`, which block `number` had, are lost still where messages are left in `left` and `holder` says which block has
/// one: a sequence that was given anew since is in another.
pub(crate) fn still_lost(
    (number, seqs): (BlockNumber, &SeqSet),
    left: RangeInclusive<u64>,
    holder: impl Fn(u64) -> Option<BlockNumber>,
) -> SeqSet {
    let mut still = SeqSet::new();
    for seq in seqs.in_range(left).iter().filter(|&seq| holder(seq).unwrap_or(0) == number) {
        still.insert(seq);
    }
    still
}

/// What the file says. `Err(())` within where there is one that cannot be believed.
pub(crate) async fn read_losses<D: Disk>(
    disk: &D,
    folder: &Path,
    stream: StreamId,
) -> Result<Result<Losses, ()>, DiskError> {
    let file = match disk.open(&path(folder), Open::Read).await {
        Ok(file) => file,
        Err(error) if error.cause == Cause::NotFound => return Ok(Ok(Losses::default())),
        Err(error) => return Err(error),
    };
    let len = usize::try_from(file.size().await?).unwrap_or(usize::MAX);
    match file.read_at(0, len).await {
        Ok(bytes) => Ok(Losses::decode(&bytes, stream).ok_or(())),
        Err(DiskError { cause: Cause::Io(_), .. }) => Ok(Err(())),
        Err(error) => Err(error),
    }
}

/// `Ok` is durable. One at a time.
pub(crate) async fn write_losses<D: Disk>(
    disk: &D,
    folder: &Path,
    stream: StreamId,
    losses: &Losses,
) -> Result<(), DiskError> {
    let (path, new) = (path(folder), folder.join(NEW));
    if let Err(error) = disk.remove(&new).await
        && error.cause != Cause::NotFound
    {
        return Err(error);
    }
    if losses.is_empty() {
        match disk.remove(&path).await {
            Err(error) if error.cause == Cause::NotFound => return Ok(()),
            done => done?,
        }
    } else {
        let mut bytes = losses.encode(stream);
        bytes.resize(bytes.len().next_multiple_of(PAGE_SIZE), 0);
        let file = disk.open(&new, Open::CreateNew).await?;
        file.write_at(0, &bytes).await?;
        file.sync().await?;
        disk.rename(&new, &path).await?;
    }
    disk.sync_folder(folder).await
}

/// Whether a file in the store's folder is this one, or was to become it.
#[must_use]
pub(crate) fn is_losses(name: &str) -> bool {
    name == NAME || name == NEW
}

fn path(folder: &Path) -> PathBuf {
    folder.join(NAME)
}

const NAME: &str = "losses";
const NEW: &str = "losses.new";
const MAGIC: [u8; 8] = *b"NTRLOSS\0";
const VERSION: u32 = 1;
const HEAD_LEN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_come_back_whole_or_not_at_all() {
        let mut losses = Losses::default();
        let mut seqs = SeqSet::new();
        seqs.insert_range(5..=9);
        losses.add(3, &seqs);
        seqs.insert(77);
        losses.add(0, &seqs);
        losses.add(3, &seqs);
        losses.accepted.insert(1);
        let stream = StreamId([1; 16]);
        let file = losses.encode(stream);
        let padded = [&file[..], &[0; 100]].concat();
        assert_eq!(Losses::decode(&padded, stream), Some(losses));
        assert_eq!(Losses::decode(&file, StreamId([2; 16])), None);
        for bit in 0..file.len() * 8 {
            let mut damaged = padded.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Losses::decode(&damaged, stream), None, "bit {bit}");
        }
        for len in 0..file.len() {
            assert_eq!(Losses::decode(&file[..len], stream), None, "{len} bytes");
        }
    }
}
