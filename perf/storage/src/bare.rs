//! Bare loops: synced direct writes into files that were filled with zeros, without an engine.

use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use natrium_storage::disk::uring::UringDisk;
use natrium_storage::disk::{Disk, File, Open, PAGE_SIZE};

use crate::error::RigError;
use crate::watched::Watched;

/// How long `count` writes of `size` bytes take, one behind another, each synced before the next.
///
/// # Errors
/// What the disk says.
pub(crate) async fn one_file(
    disk: &Watched<UringDisk>,
    size: usize,
    count: u64,
) -> Result<Duration, RigError> {
    let path = Path::new("bare");
    let file = disk.open(path, Open::CreateNew).await?;
    // Round and round, where it would become too large to be filled.
    let slots = count.min((FILE_SIZE_MAX / size as u64).max(1));
    file.allocate(slots * size as u64).await?;
    file.sync().await?;
    let pages = vec![0x5a; size];
    let begun = Instant::now();
    for number in 0..count {
        file.write_at(number % slots * size as u64, &pages).await?;
        file.sync().await?;
    }
    let took = begun.elapsed();
    drop(file);
    disk.remove(path).await?;
    Ok(took)
}

/// How long it takes until each of `files` files had `count` writes of a page, in all files at once, each synced before the
/// next of its file.
///
/// # Errors
/// What the disk says.
pub(crate) async fn many_files(
    disk: &Watched<UringDisk>,
    files: usize,
    count: u64,
) -> Result<Duration, RigError> {
    let folder = Path::new("bare-files");
    disk.create_folder(folder).await?;
    let made = (0..files).map(|number| async move {
        let path = folder.join(number.to_string());
        let file = disk.open(&path, Open::CreateNew).await?;
        file.allocate(count * PAGE_SIZE as u64).await?;
        file.sync().await?;
        Ok::<_, RigError>((path, Rc::new(file)))
    });
    let made = try_join_all(made).await?;
    let begun = Instant::now();
    let work = made.iter().map(|(_, file)| async move {
        let page = vec![0x5a; PAGE_SIZE];
        for number in 0..count {
            file.write_at(number * PAGE_SIZE as u64, &page).await?;
            file.sync().await?;
        }
        Ok::<_, RigError>(())
    });
    try_join_all(work).await?;
    let took = begun.elapsed();
    for (path, file) in made {
        drop(file);
        disk.remove(&path).await?;
    }
    disk.remove_folder(folder).await?;
    Ok(took)
}

const FILE_SIZE_MAX: u64 = 256 << 20;
