//! Looking at what a recovery would do, without doing it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::found::Found;
use super::recovery::Damage;
use super::segment::parse_file_name;
use crate::disk::{Disk, DiskError, EntryKind, File, Open, read_anyhow};

/// What the logs of a folder hold.
#[derive(Debug, Default)]
pub(crate) struct Peek {
    pub(crate) logs: u64,
    pub(crate) batches: u64,
    /// Pages that would be written, by file, as the logs name it.
    pub(crate) files: BTreeMap<PathBuf, BTreeMap<u64, PeekedPage>>,
    pub(crate) damage: Vec<Damage>,
    /// A log of a format that this program does not read.
    pub(crate) newer: Option<u32>,
}

/// A page as it has to be.
#[derive(Debug)]
pub(crate) struct PeekedPage {
    pub(crate) bytes: Vec<u8>,
    /// So many bytes at its start are those of the file.
    pub(crate) prefix_missing: usize,
}

/// # Errors
/// What the disk says, beside that it cannot read.
pub(crate) async fn peek<D: Disk>(disk: &D, folder: &Path) -> Result<Peek, DiskError> {
    let mut logs: BTreeMap<String, Found> = BTreeMap::new();
    for entry in disk.list(folder).await? {
        if entry.kind == EntryKind::File
            && let Some((name, index)) = parse_file_name(&entry.name)
        {
            let file = disk.open(&folder.join(&entry.name), Open::Read).await?;
            let len = usize::try_from(file.size().await?).unwrap_or(usize::MAX);
            let bytes = read_anyhow(&file, 0, len).await?;
            logs.entry(name.to_owned()).or_default().read(index, &bytes);
        }
    }
    let mut peek = Peek::default();
    for (name, found) in logs {
        peek.logs += 1;
        if let Some((_, version)) = found.newer {
            peek.newer = Some(version);
            continue;
        }
        let told = found.tell();
        peek.batches += told.batches;
        for (path, pages) in told.files {
            let pages = pages.into_iter().map(|(page, image)| {
                (page, PeekedPage { bytes: image.bytes, prefix_missing: image.prefix_missing })
            });
            peek.files.entry(path).or_default().extend(pages);
        }
        peek.damage.extend(told.damage.into_iter().map(|lack| Damage::Batches {
            log: name.clone(),
            batches: lack.batches,
            files: lack.files,
        }));
        if told.nameless > 0 {
            peek.damage.push(Damage::Nameless { log: name, entries: told.nameless });
        }
    }
    Ok(peek)
}
