//! A block as it will be in the store: from its footer, or from its entries where it has none.

use std::path::Path;
use std::rc::Rc;

use bytes::Bytes;

use super::later::Later;
use super::left::{FromEntries, left_of_footer, told_by_entries};
use super::look::{Found, FoundFooter, read_rows};
use super::{FileReport, Recovery};
use crate::block::control::Control;
use crate::block::entry::{Entries, Entry};
use crate::block::header::Encryption;
use crate::block::scan::{Ending, Scan, scan};
use crate::block::spans::Spans;
use crate::block::summary::Summary;
use crate::block::tail::Tail;
use crate::coding::{FrameEncoder, decode_frame};
use crate::disk::{Disk, File, Open, PAGE_SIZE, read_anyhow};
use crate::engine::Engine;
use crate::store::StoreError;
use crate::store::block::{Block, OpenBlock, Phase, Told};
use crate::store::file::decisions::Condition;
use crate::store::file::names::ASIDE;
use crate::store::file::{BlockFile, StoreOptions, Writer};

pub(super) struct Built<D: Disk> {
    pub block: Block,
    pub file: BlockFile<D>,
    /// Of what is left.
    pub summary: Summary,
}

/// A block with what is left of it.
pub(super) async fn build<D: Disk>(
    engine: &Engine<D>,
    options: &StoreOptions,
    found: Found,
    footer: Option<FoundFooter>,
    later: &Later,
    recovery: &mut Recovery,
) -> Result<Built<D>, StoreError> {
    if let Some(footer) = footer {
        let deleted = later.deleted_in(found.name.number, &footer.summary);
        let needs_rows = !deleted.is_subset(&footer.summary.gone);
        let rows = if needs_rows { read_rows(engine.disk(), &found, &footer).await? } else { None };
        if rows.is_some() || !needs_rows {
            let left = left_of_footer(&footer.summary, rows, &deleted, later);
            return Ok(sealed(found, footer, left));
        }
    }
    scanned(engine, options, found, later, recovery).await
}

fn sealed<D: Disk>(found: Found, footer: FoundFooter, summary: Summary) -> Built<D> {
    let block = outline(&found, &summary, footer.spans, Phase::Sealed);
    let file = BlockFile {
        path: found.path,
        salt: found.header.salt,
        coding: found.header.coding,
        cipher: found.cipher,
        writer: None,
        footer: Some(footer.place),
        allocated: found.file_len,
    };
    Built { block, file, summary }
}

fn outline(found: &Found, summary: &Summary, spans: Spans, phase: Phase) -> Block {
    Block {
        number: found.name.number,
        generation: found.header.generation,
        salt: found.header.salt,
        first: summary.first,
        last: summary.last,
        last_timestamp: summary.last_timestamp,
        messages: summary.messages,
        bytes: summary.bytes,
        record_bytes: summary.record_bytes,
        plain_len: summary.plain_len,
        gone: summary.gone.clone(),
        tombstones: summary.tombstones.clone(),
        absorbed_below: summary.absorbed_below,
        subjects: roaring::RoaringBitmap::new(),
        spans,
        phase,
    }
}

/// A block without a footer, put together from its entries.
async fn scanned<D: Disk>(
    engine: &Engine<D>,
    options: &StoreOptions,
    found: Found,
    later: &Later,
    recovery: &mut Recovery,
) -> Result<Built<D>, StoreError> {
    recovery.scanned += 1;
    let is_last = !later.has_entries();
    let salt = found.header.salt;
    let file = Rc::new(engine.disk().open(&found.path, Open::Write).await?);
    let file_len = usize::try_from(found.file_len).unwrap_or(usize::MAX);
    let bytes = read_anyhow(&*file, 0, file_len).await?;
    let ending = if is_last { Ending::MayBeTorn } else { Ending::Followed };
    let scan = scan(&bytes, salt, ending, |at, head, body| {
        decode_frame(head, body, found.cipher.as_deref(), salt, at).ok()
    });
    // It may be in the kernel's memory alone, and is built upon.
    file.sync().await?;
    let told = told_by_entries(&found.header, &scan, later);
    recovery.lost.union(&told.lost);
    let torn = scan.torn.as_ref().map_or(0, |torn| torn.end - torn.start);
    if !scan.damage.is_empty() || torn > 0 {
        let condition = if is_last { Condition::Last } else { Condition::FooterMissing };
        let damage = scan.damage.clone();
        recovery.files.push(FileReport { path: found.path.clone(), condition, damage, torn });
    }
    if torn > 0 {
        clear_torn_end(engine, options, &found, &*file, &bytes, scan.end).await?;
    }
    let FromEntries { own, rows, spans, left: summary, .. } = told;
    // An encrypted block takes no more frames: what its writer sent out last under its next nonce is not known.
    let is_plain = found.header.coding == options.coding && options.coding.encryption == Encryption::None;
    let goes_on = is_last && is_plain && scan.damage.is_empty() && found.header.first <= summary.last + 1;
    let mut open = OpenBlock::new(Tail::at(own.plain_len));
    open.told = Told { low: own.low, truncated: own.truncated, sources: own.sources.clone() };
    open.times = own.times();
    open.is_damaged = !scan.damage.is_empty();
    open.ends_bare = !ends_with_bounds(&scan, salt);
    open.full = (!goes_on).then(|| own.gone.clone());
    open.recovered_rows = Some((own, rows));
    let block = outline(&found, &summary, spans, Phase::Open(Box::new(open)));
    let logged = attach(engine, &found.path, &file, scan.end, &bytes);
    if is_last {
        settle(&logged, &bytes, &scan).await?;
    }
    let encoder = FrameEncoder::new(found.header.coding.compression, None);
    let can_seal = found.header.coding.encryption == Encryption::None;
    let writer = Writer { logged, file, encoder, commit: scan.last_commit, can_seal };
    let file = BlockFile {
        path: found.path,
        salt,
        coding: found.header.coding,
        cipher: found.cipher,
        writer: Some(writer),
        footer: None,
        allocated: found.file_len,
    };
    Ok(Built { block, file, summary })
}

/// Puts the last commit into the log, and waits until it is there, where it did not come through the log. If its sync failed,
/// later ones say nothing of it; it is not written again in its place, which may be the only copy of something acknowledged.
async fn settle<D: Disk>(
    logged: &crate::log::LoggedFile<D>,
    bytes: &Bytes,
    scan: &Scan,
) -> Result<(), StoreError> {
    let of_last = scan.frames.iter().rev().take_while(|frame| frame.head.commit == scan.last_commit);
    let Some(first) = of_last.last().filter(|first| first.offset.is_multiple_of(PAGE_SIZE as u64)) else {
        return Ok(());
    };
    let mut last = None;
    let mut at = first.offset as usize;
    while at < scan.end as usize {
        let end = (at + PIECE_TO_LOG).min(scan.end as usize);
        last = Some(logged.overwrite(at as u64, &bytes[at..end]));
        at = end;
    }
    if let Some(ticket) = last {
        ticket.await?;
    }
    Ok(())
}

/// Whether the last commit holds nothing that could be missed: a store that is closed ends so.
fn ends_with_bounds(scan: &Scan, salt: u64) -> bool {
    let of_last = scan.frames.iter().rev().take_while(|frame| frame.head.commit == scan.last_commit);
    of_last.flat_map(|frame| Entries::new(&frame.plain, salt).map(|entry| (frame.head.at, entry))).all(
        |(at, entry)| match entry {
            Ok((_, _, Entry::Control(Control::Bounds { .. }))) => true,
            // At the beginning of a block it is what those before tell.
            Ok((_, _, Entry::Sources(told))) => told.is_whole && at == 0,
            Ok(_) | Err(_) => false,
        },
    )
}

/// The file as its next writer finds it. What a torn commit left in the page in which the last whole one ends goes through the
/// log, before all that is written from here on, for that page is acknowledged in part.
fn attach<D: Disk>(
    engine: &Engine<D>,
    path: &Path,
    file: &Rc<D::File>,
    end: u64,
    bytes: &Bytes,
) -> crate::log::LoggedFile<D> {
    let page = end - end % PAGE_SIZE as u64;
    let next_page = end.next_multiple_of(PAGE_SIZE as u64);
    let rest = &bytes[end as usize..bytes.len().min(next_page as usize)];
    if rest.iter().all(|&byte| byte == 0) {
        let tail = &bytes[page as usize..end as usize];
        return engine.log().attach(path, Rc::clone(file), end, tail);
    }
    let logged = engine.log().attach(path, Rc::clone(file), next_page, &[]);
    // Nobody waits for it: until it is durable nothing behind it is either, and the next start finds it torn again.
    drop(logged.overwrite(end, &vec![0; rest.len()]));
    logged
}

/// Keeps aside what is behind the last whole commit, and clears the pages behind it, so that nobody takes it for something
/// later. The page in which the commit ends is written again with the next one.
async fn clear_torn_end<D: Disk>(
    engine: &Engine<D>,
    options: &StoreOptions,
    found: &Found,
    file: &D::File,
    bytes: &Bytes,
    end: u64,
) -> Result<(), StoreError> {
    let disk = engine.disk();
    let from = (end as usize).next_multiple_of(PAGE_SIZE);
    if from >= bytes.len() {
        return Ok(());
    }
    let aside = options.folder.join(ASIDE);
    disk.create_folder(&aside).await?;
    let name = format!(
        "{:010}-{:016x}-torn-at-{end}-{:08x}",
        found.name.number,
        found.name.salt,
        engine.random() as u32
    );
    let copy = disk.open(&aside.join(name), Open::CreateNew).await?;
    let mut torn = bytes[from..].to_vec();
    let used =
        torn.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1).next_multiple_of(PAGE_SIZE);
    torn.resize(used, 0);
    copy.write_at(0, &torn).await?;
    copy.sync().await?;
    disk.sync_folder(&aside).await?;
    file.write_at(from as u64, &vec![0; used]).await?;
    file.sync().await?;
    Ok(())
}

/// How much of a commit goes into the log at once.
const PIECE_TO_LOG: usize = 16 << 10;
