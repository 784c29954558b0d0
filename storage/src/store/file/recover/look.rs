//! Reading what tells of a block without reading the block: names, heads, footers.

use std::path::PathBuf;
use std::rc::Rc;

use futures_util::StreamExt;

use super::heads::{Headless, Named, cipher_of, head_of, latest, misplaced};
use crate::block::footer::{TRAILER_LEN, Trailer, decode_summary, decode_table};
use crate::block::frame::FrameKind;
use crate::block::header::{HEAD_LEN, Header};
use crate::block::spans::Spans;
use crate::block::summary::{Row, Summary};
use crate::coding::BlockCipher;
use crate::disk::{Disk, EntryKind, File, Open, PAGE_SIZE, read_anyhow};
use crate::engine::Engine;
use crate::store::StoreError;
use crate::store::file::decisions::Condition;
use crate::store::file::names::BlockName;
use crate::store::file::read::frame_at;
use crate::store::file::{FooterPlace, StoreOptions};

/// One block's file, by its head.
pub(super) struct Found {
    pub name: BlockName,
    pub path: PathBuf,
    pub header: Header,
    pub cipher: Option<Rc<BlockCipher>>,
    pub file_len: u64,
}

enum Look {
    Block(Box<Found>),
    Other(PathBuf, Condition),
}

/// A footer that was read.
pub(super) struct FoundFooter {
    pub place: FooterPlace,
    pub summary: Summary,
    pub spans: Spans,
}

/// Every file of the folder; blocks in the order of their numbers, of each number one.
pub(super) async fn look_at_all<D: Disk>(
    engine: &Engine<D>,
    options: &StoreOptions,
) -> Result<(Vec<Found>, Vec<(PathBuf, Condition)>), StoreError> {
    let mut others = Vec::new();
    let mut names = Vec::new();
    let entries = engine.disk().list(&options.folder).await?;
    for entry in entries.iter().filter(|entry| entry.kind == EntryKind::File) {
        match Named::of(&entry.name) {
            Named::Block(name) => names.push(name),
            Named::Losses => {}
            Named::Other(condition) => others.push((options.folder.join(&entry.name), condition)),
        }
    }
    let mut blocks = Vec::new();
    let mut looks =
        futures_util::stream::iter(names).map(|name| look_at(engine, options, name)).buffered(LOOKS_AT_ONCE);
    while let Some(look) = looks.next().await {
        match look? {
            Look::Other(path, condition) => others.push((path, condition)),
            Look::Block(found) => blocks.push(*found),
        }
    }
    let (blocks, superseded) = latest(blocks, |found| (found.name.number, found.header.generation));
    others.extend(superseded.into_iter().map(|found| (found.path, Condition::Superseded)));
    Ok((blocks, others))
}

async fn look_at<D: Disk>(
    engine: &Engine<D>,
    options: &StoreOptions,
    name: BlockName,
) -> Result<Look, StoreError> {
    let path = name.path(&options.folder);
    let file = engine.disk().open(&path, Open::Read).await?;
    let file_len = file.size().await?;
    let head = read_anyhow(&file, 0, up_to(HEAD_LEN, file_len)).await?;
    let header = match head_of(&head) {
        Ok(header) => header,
        Err(Headless::TooShort) => return Ok(Look::Other(path, Condition::TooShort)),
        Err(Headless::Version(version)) => return Err(StoreError::Version { path, version }),
        Err(Headless::Unreadable) => {
            let is_empty = is_all_zeros(&file, file_len).await?;
            return Ok(Look::Other(path, if is_empty { Condition::Zeros } else { Condition::NoHead }));
        }
    };
    if let Some(condition) = misplaced(&header, name, options.stream) {
        return Ok(Look::Other(path, condition));
    }
    match cipher_of(&header, options.key.as_deref()) {
        Ok(cipher) => {
            let cipher = cipher.map(Rc::new);
            Ok(Look::Block(Box::new(Found { name, path, header, cipher, file_len })))
        }
        Err(Condition::WrongKey) => Err(StoreError::WrongKey { path }),
        Err(_) => Err(StoreError::NoKey { path }),
    }
}

async fn is_all_zeros<F: File>(file: &F, len: u64) -> Result<bool, StoreError> {
    let mut at = 0;
    while at < len {
        let piece = read_anyhow(file, at, up_to(PIECE, len - at)).await?;
        if piece.iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
        at += piece.len() as u64;
    }
    Ok(true)
}

pub(super) async fn with_footer<D: Disk>(
    disk: &D,
    found: Found,
) -> Result<(Found, Option<FoundFooter>), StoreError> {
    let file = disk.open(&found.path, Open::Read).await?;
    let footer = read_footer(&file, &found).await?;
    Ok((found, footer))
}

async fn read_footer<F: File>(file: &F, found: &Found) -> Result<Option<FoundFooter>, StoreError> {
    let (file_len, salt) = (found.file_len, found.header.salt);
    if file_len < (HEAD_LEN + PAGE_SIZE) as u64 || !file_len.is_multiple_of(PAGE_SIZE as u64) {
        return Ok(None);
    }
    // Most summaries are at the end of what is read here.
    let mut from = file_len.saturating_sub(FOOTER_READ).max(HEAD_LEN as u64);
    let mut end = read_anyhow(file, from, (file_len - from) as usize).await?;
    let Some(trailer) =
        end.len().checked_sub(TRAILER_LEN).and_then(|at| Trailer::decode(&end[at..], salt, file_len))
    else {
        return Ok(None);
    };
    if trailer.summary_at < from {
        from = trailer.summary_at;
        end = read_anyhow(file, from, (file_len - from) as usize).await?;
    }
    let at = (trailer.summary_at - from) as usize;
    let body = frame_at(&end, at, trailer.summary_at, FrameKind::Summary, salt, found.cipher.as_deref());
    let Trailer { table_at, summary_at, file_len } = trailer;
    let place = FooterPlace { table_at, summary_at, file_len };
    let decoded = body.and_then(|body| decode_summary(&body));
    Ok(decoded.map(|(summary, spans)| FoundFooter { place, summary, spans }))
}

/// The table of a footer; `None` where it cannot be read.
pub(super) async fn read_rows<D: Disk>(
    disk: &D,
    found: &Found,
    footer: &FoundFooter,
) -> Result<Option<Vec<Row>>, StoreError> {
    let file = disk.open(&found.path, Open::Read).await?;
    let FooterPlace { table_at, summary_at, .. } = footer.place;
    let piece = read_anyhow(&file, table_at, (summary_at - table_at) as usize).await?;
    let (salt, cipher) = (found.header.salt, found.cipher.as_deref());
    let table = frame_at(&piece, 0, table_at, FrameKind::Table, salt, cipher);
    Ok(table.and_then(|body| decode_table(&body, footer.summary.subjects.len())))
}

fn up_to(max: usize, len: u64) -> usize {
    usize::try_from(len).map_or(max, |len| len.min(max))
}

/// Files that are looked at together.
pub(super) const LOOKS_AT_ONCE: usize = 16;
/// How much of a file's end is read at first: the trailer, and most summaries.
const FOOTER_READ: u64 = 32 << 10;
/// How much is read at once of a file that is looked through.
const PIECE: usize = 1 << 20;
