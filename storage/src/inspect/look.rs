//! Looking at every file of a store's folder, as opening it would.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::block::{Looked, look_at};
use super::key::InspectKey;
use crate::block::header::{HEAD_LEN, Header, StreamId};
use crate::coding::BlockCipher;
use crate::disk::{Disk, DiskError, EntryKind, File, Open, PAGE_SIZE, read_anyhow};
use crate::log::{Peek, peek};
use crate::seq_set::SeqSet;
use crate::store::file::{
    BlockName, Condition, Headless, Later, Named, head_of, latest, misplaced, read_losses, still_lost,
};

/// Where to look.
#[derive(Clone, Debug, Default)]
pub struct InspectOptions {
    /// The store's folder, below the disk's root.
    pub folder: PathBuf,
    /// That of the commit log, where it is to be taken in.
    pub log: Option<PathBuf>,
    /// What opens blocks that are encrypted.
    pub key: InspectKey,
}

#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("there is no block of a store in {}", folder.display())]
    NoStore { folder: PathBuf },
}

/// All of a folder.
pub(super) struct Folder {
    pub blocks: Vec<Looked>,
    pub others: Vec<(PathBuf, Condition)>,
    pub stream: Option<StreamId>,
    pub log: Option<Peek>,
    pub lost: SeqSet,
}

/// A block's file whose head can be read.
pub(super) struct Head {
    pub name: BlockName,
    pub path: PathBuf,
    pub header: Header,
    /// What opens its frames, or why nothing does.
    pub cipher: Result<Option<BlockCipher>, Condition>,
    /// One of the two copies cannot be read.
    pub is_damaged: bool,
}

/// All there is, with what a tool needs to go on. Changes nothing.
pub(super) async fn look<D: Disk>(disk: &D, options: &InspectOptions) -> Result<Folder, InspectError> {
    let log = match &options.log {
        Some(folder) => Some(peek(disk, folder).await?),
        None => None,
    };
    let mut names = Vec::new();
    let mut others = Vec::new();
    for entry in disk.list(&options.folder).await?.iter().filter(|entry| entry.kind == EntryKind::File) {
        match Named::of(&entry.name) {
            Named::Block(name) => names.push(name),
            Named::Losses => {}
            Named::Other(condition) => others.push((options.folder.join(&entry.name), condition)),
        }
    }
    if names.is_empty() {
        return Err(InspectError::NoStore { folder: options.folder.clone() });
    }
    let mut heads = Vec::new();
    for name in names {
        let path = name.path(&options.folder);
        match look_at_head(disk, &path, log.as_ref()).await? {
            Ok((header, is_damaged)) => {
                let cipher = options.key.cipher_of(&header);
                heads.push(Head { name, path, header, cipher, is_damaged });
            }
            Err(condition) => others.push((path, condition)),
        }
    }
    // The stream is the one of the newest block that is where it belongs.
    let is_in_place = |head: &&Head| misplaced(&head.header, head.name, head.header.stream).is_none();
    let stream = heads.iter().rfind(is_in_place).map(|head| head.header.stream);
    let mut blocks = Vec::new();
    for head in heads {
        match misplaced(&head.header, head.name, stream.unwrap_or(head.header.stream)) {
            Some(condition) => others.push((head.path, condition)),
            None => blocks.push(head),
        }
    }
    let (kept, superseded) = latest(blocks, |head| (head.name.number, head.header.generation));
    others.extend(superseded.into_iter().map(|head| {
        // One that cannot be opened keeps the whole store from being opened.
        (head.path, head.cipher.err().unwrap_or(Condition::Superseded))
    }));
    let mut folder = Folder { blocks: Vec::new(), others, stream, log, lost: SeqSet::new() };
    let mut later = Later::default();
    for head in kept.into_iter().rev() {
        let content = read(disk, &head.path, folder.log.as_ref(), usize::MAX).await?;
        let block = look_at(&content, head, &mut later, &mut folder.lost);
        folder.lost.union(&block.lost);
        folder.blocks.push(block);
    }
    folder.blocks.reverse();
    if let Some(stream) = stream
        && let Ok(known) = read_losses(disk, &options.folder, stream).await?
    {
        folder.lost.subtract(&known.accepted);
        for (number, seqs) in &known.lost {
            folder.remember(*number, seqs);
        }
    }
    Ok(folder)
}

impl Folder {
    /// Takes in messages of block `number` that were known as lost before.
    fn remember(&mut self, number: u64, seqs: &SeqSet) {
        let used = || self.blocks.iter().filter(|block| block.is_used());
        let last = used().map(|block| block.left.last).max().unwrap_or(0);
        let first = used().find_map(|block| block.left.next(block.left.first)).unwrap_or(last + 1);
        let holder = |seq| used().find(|block| block.left.has(seq)).map(|block| block.name.number);
        let still = still_lost((number, seqs), first..=last, holder);
        for block in self.blocks.iter_mut().filter(|block| block.name.number == number) {
            block.left.gone.union(&still);
        }
        self.lost.union(&still);
    }
}

/// A block's head, and whether one of its copies is damaged.
async fn look_at_head<D: Disk>(
    disk: &D,
    path: &Path,
    log: Option<&Peek>,
) -> Result<Result<(Header, bool), Condition>, DiskError> {
    let bytes = read(disk, path, log, HEAD_LEN).await?;
    Ok(match head_of(&bytes) {
        Ok(header) => {
            let is_damaged =
                [&bytes[..PAGE_SIZE], &bytes[PAGE_SIZE..]].iter().any(|copy| Header::decode(copy).is_err());
            Ok((header, is_damaged))
        }
        Err(Headless::TooShort) => Err(Condition::TooShort),
        Err(Headless::Version(_)) => Err(Condition::OtherVersion),
        Err(Headless::Unreadable) => {
            let all = read(disk, path, log, usize::MAX).await?;
            let is_empty = all.iter().all(|&byte| byte == 0);
            Err(if is_empty { Condition::Zeros } else { Condition::NoHead })
        }
    })
}

/// A block's file with what the log has of it.
pub(super) async fn content_of<D: Disk>(
    disk: &D,
    block: &Looked,
    log: Option<&Peek>,
) -> Result<Bytes, DiskError> {
    read(disk, &block.path, log, usize::MAX).await
}

/// Up to `max` bytes of a file, with what the log has of it.
async fn read<D: Disk>(disk: &D, path: &Path, log: Option<&Peek>, max: usize) -> Result<Bytes, DiskError> {
    let file = disk.open(path, Open::Read).await?;
    let len = usize::try_from(file.size().await?).unwrap_or(usize::MAX).min(max);
    let bytes = read_anyhow(&file, 0, len).await?;
    let Some(pages) = log.and_then(|log| pages_of(log, path)) else { return Ok(bytes) };
    let mut bytes = bytes.to_vec();
    for (&page, image) in pages {
        let at = usize::try_from(page).ok().and_then(|page| page.checked_mul(PAGE_SIZE));
        let Some(at) = at.filter(|&at| at < max) else { continue };
        let end = at + image.bytes.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[at + image.prefix_missing..end].copy_from_slice(&image.bytes[image.prefix_missing..]);
    }
    Ok(bytes.into())
}

/// Names of blocks are random: the log's path and ours may begin at different roots.
fn pages_of<'a>(log: &'a Peek, path: &Path) -> Option<&'a BTreeMap<u64, crate::log::PeekedPage>> {
    log.files.iter().find(|(named, _)| named.file_name() == path.file_name()).map(|(_, pages)| pages)
}
