//! After a crash: what the logs hold goes into the files they name (docs/format/log.md, "Recovery").
//!
//! Any number of times: pages are written whole, as they have to be in the end, and the logs stay until all files are
//! synced. A page that was under rewrite at the crash, and cannot be read, is never read.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::LogError;
use super::batch::{Builder, Head, Place};
use super::found::{Found, Image, Told};
use super::pages::PAGE;
use super::segment::{self, file_name, parse_file_name};
use crate::disk::{Cause, Disk, DiskError, EntryKind, File, Open, read_anyhow};

/// What a recovery did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    pub logs: u64,
    pub batches: u64,
    pub files: u64,
    /// Whole pages, written to these files.
    pub bytes: u64,
    pub damage: Vec<Damage>,
    /// Files that are named in a log and gone: detached and removed before the crash, or lost.
    pub missing: Vec<PathBuf>,
}

/// What was acknowledged and cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Batches of a log that are missing or damaged.
    Batches {
        log: String,
        batches: RangeInclusive<u64>,
        /// Files of which they are known to hold something; there may be others.
        files: Vec<PathBuf>,
    },
    /// Entries of a log whose files cannot be told, for the batch that named them is damaged.
    Nameless { log: String, entries: u64 },
    /// A page that needed bytes of its own, for a batch is damaged, and could not be read. It has zeros for them.
    Page { path: PathBuf, offset: u64 },
}

pub(super) async fn recover_all<D: Disk>(disk: &D, folder: &Path) -> Result<Replay, LogError> {
    // Segments that seem to be gone may come back after a crash, and would be taken for newer ones, until this is done.
    match disk.sync_folder(folder).await {
        Err(error) if error.cause == Cause::NotFound => {}
        done => done?,
    }
    let mut logs: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for entry in disk.list(folder).await? {
        if entry.kind == EntryKind::File
            && let Some((name, index)) = parse_file_name(&entry.name)
        {
            logs.entry(name.to_owned()).or_default().push(index);
        }
    }
    let mut replay = Replay::default();
    for (name, mut segments) in logs {
        segments.sort_unstable();
        recover(disk, folder, &name, &segments, &mut replay).await?;
    }
    Ok(replay)
}

async fn recover<D: Disk>(
    disk: &D,
    folder: &Path,
    name: &str,
    segments: &[u32],
    replay: &mut Replay,
) -> Result<(), LogError> {
    let path = |segment: u32| folder.join(file_name(name, segment));
    let mut found = Found::default();
    for &segment in segments {
        found.read(segment, &read(disk, &path(segment)).await?);
    }
    if let Some((segment, version)) = found.newer {
        return Err(LogError::Version { path: path(segment), version });
    }
    let told = found.tell();
    let newest = match &told.newest {
        Some((newest, body)) if newest.low <= newest.number => {
            Some(write_behind(disk, folder, name, segments, *newest, body, *newest).await?)
        }
        newest => newest.as_ref().map(|(newest, _)| *newest),
    };
    restore(disk, name, &told, replay).await?;
    let last = match newest {
        Some(newest) => {
            let number = newest.number + 1;
            let empty = Head { number, low: number, ..newest };
            write_behind(disk, folder, name, segments, newest, &[], empty).await?.segment
        }
        None => segments[0],
    };
    let mut segments = segments.to_vec();
    segments.extend(newest.map(|newest| newest.segment).filter(|segment| !segments.contains(segment)));
    let others: Vec<PathBuf> =
        segments.iter().filter(|&&segment| segment != last).map(|&segment| path(segment)).collect();
    segment::remove(disk, folder, &others, &path(last)).await?;
    replay.logs += 1;
    Ok(())
}

/// All pages of a segment; those that cannot be read are zeros.
///
/// They are synced first: a process that was killed may leave a batch that can be read and is not durable, and if the power
/// went while it is applied, both the batch and the pages would be gone.
async fn read<D: Disk>(disk: &D, path: &Path) -> Result<Bytes, DiskError> {
    let file = disk.open(path, Open::Write).await?;
    file.sync().await?;
    let len = usize::try_from(file.size().await?).expect("a segment fits memory");
    read_anyhow(&file, 0, len).await
}

async fn restore<D: Disk>(disk: &D, name: &str, told: &Told, replay: &mut Replay) -> Result<(), LogError> {
    for (path, pages) in &told.files {
        match disk.open(path, Open::Write).await {
            Ok(file) => restore_file(&file, path, pages, replay).await?,
            Err(error) if error.cause == Cause::NotFound => replay.missing.push(path.clone()),
            Err(error) => return Err(error.into()),
        }
    }
    replay.batches += told.batches;
    let lacks = told.damage.iter().cloned();
    replay.damage.extend(lacks.map(|lack| Damage::Batches {
        log: name.to_owned(),
        batches: lack.batches,
        files: lack.files,
    }));
    if told.nameless > 0 {
        replay.damage.push(Damage::Nameless { log: name.to_owned(), entries: told.nameless });
    }
    Ok(())
}

async fn restore_file<F: File>(
    file: &F,
    path: &Path,
    pages: &BTreeMap<u64, Image>,
    replay: &mut Replay,
) -> Result<(), DiskError> {
    let mut run: Vec<u8> = Vec::new();
    let mut run_start = 0;
    for (&page, image) in pages {
        if !run.is_empty() && (run_start + run.len() as u64 != page * PAGE || run.len() >= WRITE_MAX) {
            file.write_at(run_start, &run).await?;
            run.clear();
        }
        if run.is_empty() {
            run_start = page * PAGE;
        }
        let at = run.len();
        run.extend_from_slice(&image.bytes);
        if image.prefix_missing > 0 {
            match file.read_at(page * PAGE, image.prefix_missing).await {
                Ok(prefix) => run[at..at + prefix.len()].copy_from_slice(&prefix),
                Err(error) if is_unreadable(&error) => {
                    replay.damage.push(Damage::Page { path: path.to_path_buf(), offset: page * PAGE });
                }
                Err(error) => return Err(error),
            }
        }
    }
    if !run.is_empty() {
        file.write_at(run_start, &run).await?;
    }
    file.sync().await?;
    replay.files += 1;
    replay.bytes += pages.len() as u64 * PAGE;
    Ok(())
}

/// Writes a batch behind the newest one or, at the end of its segment, to a segment of its own.
///
/// The first is the newest batch once more, before any is applied. If the sync of that one failed, later syncs say nothing of
/// it: were it applied and the power went meanwhile, pages of some of its files could be there without the others and without
/// the batch. (The batches before it were synced, or it would not have been written.) The last is one that says that nothing
/// is needed.
async fn write_behind<D: Disk>(
    disk: &D,
    folder: &Path,
    name: &str,
    segments: &[u32],
    newest: Head,
    body: &[u8],
    head: Head,
) -> Result<Head, DiskError> {
    let Head { salt, number, low, .. } = head;
    let (segment, page) = (newest.segment, newest.page + newest.pages());
    let place = Place { segment, page, salt, number, low };
    let file = disk.open(&folder.join(file_name(name, newest.segment)), Open::Write).await?;
    let pages = Builder::of(body).finish(place);
    if u64::from(place.page) * PAGE + pages.len() as u64 <= file.size().await? {
        file.write_at(u64::from(place.page) * PAGE, &pages).await?;
        file.sync().await?;
        return Ok(Head::decode(&pages).expect(JUST_ENCODED));
    }
    let last = segments.iter().copied().chain([newest.segment]).max().unwrap_or(0);
    let place = Place { segment: last + 1, page: 0, ..place };
    let pages = Builder::of(body).finish(place);
    let file = disk.open(&folder.join(file_name(name, place.segment)), Open::CreateNew).await?;
    file.write_at(0, &pages).await?;
    file.sync().await?;
    disk.sync_folder(folder).await?;
    Ok(Head::decode(&pages).expect(JUST_ENCODED))
}

fn is_unreadable(error: &DiskError) -> bool {
    matches!(error.cause, Cause::Io(_))
}

/// Bytes of one write to a file.
const WRITE_MAX: usize = 1 << 20;
const JUST_ENCODED: &str = "it was encoded just now";
