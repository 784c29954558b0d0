//! Reading and replacing metadata files.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rand_core::RngCore;

use super::layout::{ContentError, FILE_MAX, Meta, Stored};
use crate::disk::{Cause, Disk, DiskError, File, Open};
use crate::keys::MetaKey;

#[derive(Debug, thiserror::Error)]
pub enum MetaError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("{}: {cause}", path.display())]
    Content {
        path: PathBuf,
        #[source]
        cause: ContentError,
    },
}

/// What a replacement that was cut short left behind. It was never acknowledged; the file beside it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOver {
    /// Where it is now.
    pub path: PathBuf,
    pub was: Was,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Was {
    /// Written in full; only the renaming was missing.
    Whole,
    /// A part of metadata, or nothing yet.
    Torn,
    /// Of another version of this program.
    Version(u32),
    /// The disk does not give its pages back, as it may where it lost power while it wrote them.
    Unreadable,
}

/// Reads the file at `path`. `None` where there is none. `key` is the stream's, where it is encrypted.
///
/// # Errors
/// [`MetaError`]; a file that is damaged is left as it is.
pub async fn read(disk: &impl Disk, path: &Path, key: Option<&MetaKey>) -> Result<Option<Stored>, MetaError> {
    let Some(content) = content(disk, path).await? else { return Ok(None) };
    let refused = |cause| MetaError::Content { path: path.to_owned(), cause };
    Meta::decode(&content, key).map(Some).map_err(refused)
}

/// Puts `meta` in the place of what is at `path`, or makes the file; its folder must be there. One replacement of one file
/// at a time.
///
/// `Ok` is durable. A crash before that leaves the old file or the new one, whole.
///
/// # Errors
/// Whatever the disk says. If only the last step failed, the new file may be there and not durable; what is at `path` is
/// then known after the next start. Else the old file stands. Dropped before its end, it is as if the disk had failed.
pub async fn replace(
    disk: &impl Disk,
    path: &Path,
    meta: &Meta,
    key: Option<&MetaKey>,
    rng: &mut impl RngCore,
) -> Result<(), DiskError> {
    let content = meta.encode(key, rng);
    let new = beside(path, NEW);
    let file = match disk.open(&new, Open::CreateNew).await {
        Ok(file) => file,
        Err(error) if error.cause == Cause::Exists => {
            move_aside(disk, path).await?;
            disk.open(&new, Open::CreateNew).await?
        }
        Err(error) => return Err(error),
    };
    let written = async {
        file.write_at(0, &content).await?;
        file.sync().await?;
        disk.rename(&new, path).await
    };
    if let Err(error) = written.await {
        // Made by this very call and unfinished: of no use to anyone. Where even this fails, the next start finds it.
        let _ = disk.remove(&new).await;
        return Err(error);
    }
    disk.sync_folder(folder(path)).await
}

/// To be called once for each file before it is first read. Moves away what a replacement of it left that was cut short,
/// under a name that is free, and tells what it was; `None` where there is nothing. What is at `path` is durable then: of a
/// process that was killed it may have been seen before it was.
///
/// # Errors
/// Whatever the disk says.
pub async fn recover(disk: &impl Disk, path: &Path) -> Result<Option<LeftOver>, DiskError> {
    let left_over = move_aside(disk, path).await?;
    disk.sync_folder(folder(path)).await?;
    Ok(left_over)
}

async fn move_aside(disk: &impl Disk, path: &Path) -> Result<Option<LeftOver>, DiskError> {
    let new = beside(path, NEW);
    let was = match content(disk, &new).await {
        Ok(None) => return Ok(None),
        Ok(Some(content)) => tell(&content),
        Err(DiskError { cause: Cause::Io(_), .. }) => Was::Unreadable,
        Err(error) => return Err(error),
    };
    let taken = disk.list(folder(path)).await?;
    let aside = (1u64..)
        .map(|number| beside(path, &format!("{NEW}.aside.{number}")))
        .find(|aside| taken.iter().all(|entry| !aside.ends_with(&entry.name)))
        .expect("a folder holds fewer files than there are numbers");
    disk.rename(&new, &aside).await?;
    Ok(Some(LeftOver { path: aside, was }))
}

fn tell(content: &[u8]) -> Was {
    match Meta::decode(content, None) {
        // Sealed and not opened is still whole: the checksum is over what is sealed.
        Ok(_) | Err(ContentError::NoKey | ContentError::WrongKey) => Was::Whole,
        Err(ContentError::Version(version)) => Was::Version(version),
        Err(ContentError::NotMeta | ContentError::Damaged) => Was::Torn,
    }
}

/// All of a file, but no more than metadata can have. `None` where there is none.
async fn content(disk: &impl Disk, path: &Path) -> Result<Option<Vec<u8>>, DiskError> {
    let file = match disk.open(path, Open::Read).await {
        Ok(file) => file,
        Err(error) if error.cause == Cause::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let size = file.size().await?;
    // A byte too many is enough to see that it is too long.
    let len = usize::try_from(size).unwrap_or(usize::MAX).min(FILE_MAX + 1);
    Ok(Some(file.read_at(0, len).await?.to_vec()))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// Behind the name of a file: the one that is to replace it.
const NEW: &str = ".new";
