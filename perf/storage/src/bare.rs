//! Bare loops: synced direct writes, without an engine.

use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use natrium_storage::disk::uring::UringDisk;
use natrium_storage::disk::{Buffer, Disk, File, Open, PAGE_SIZE};
use rustix::fs::OFlags;

use crate::error::RigError;
use crate::watched::Watched;

/// Where a bare loop writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    /// Over what was written before, as the commit log does.
    Old,
    /// Where the file has room and nothing was written before, as what is kept has to be.
    New,
}

/// How long `count` writes of `size` bytes take, one behind another, each synced before the next.
///
/// # Errors
/// What the disk says.
pub(crate) async fn one_file(
    disk: &Watched<UringDisk>,
    size: usize,
    count: u64,
    space: Space,
) -> Result<Duration, RigError> {
    let path = Path::new("bare");
    let file = disk.open(path, Open::CreateNew).await?;
    let slots = match space {
        // Round and round, where it would become too large to be filled.
        Space::Old => count.min((FILE_SIZE_MAX / size as u64).max(1)),
        Space::New => count,
    };
    match space {
        Space::Old => file.allocate(slots * size as u64).await?,
        Space::New => file.reserve(slots * size as u64).await?,
    }
    file.sync().await?;
    let mut pages = file.buffer(size);
    pages.bytes_mut().fill(0x5a);
    let begun = Instant::now();
    for number in 0..count {
        file.write_synced(number % slots * size as u64, pages.clone()).await?;
    }
    let took = begun.elapsed();
    drop(file);
    disk.remove(path).await?;
    Ok(took)
}

/// How long it takes until each of `files` files in `folder`, a path of the machine, had `count` writes of a page, each synced
/// before the next of its file. On plain threads: the executor has the kernel look at all that is in flight for each timer it
/// takes back, which a thousand bare requests would suffer from more than the engine does.
///
/// # Errors
/// What the disk says.
pub(crate) fn many_files(folder: &Path, files: usize, count: u64) -> Result<Duration, RigError> {
    let folder = folder.join("bare-files");
    fs::create_dir(&folder).map_err(RigError::io("making a folder"))?;
    let made = (0..files).map(|number| {
        let path = folder.join(number.to_string());
        fs::write(&path, vec![0; PAGE_SIZE * count as usize])?;
        let direct = i32::try_from(OFlags::DIRECT.bits()).expect("a flag of the kernel's");
        let file = fs::OpenOptions::new().write(true).custom_flags(direct).open(&path)?;
        file.sync_all()?;
        Ok(file)
    });
    let made = made.collect::<io::Result<Vec<_>>>().map_err(RigError::io("making files"))?;
    let begun = Instant::now();
    let wrote: io::Result<()> = thread::scope(|scope| {
        let workers: Vec<_> = made
            .chunks(files.div_ceil(THREADS))
            .map(|files| scope.spawn(move || write_in_turn(files, count)))
            .collect();
        let ended = workers.into_iter().map(|worker| worker.join().expect("a worker does not panic"));
        ended.collect()
    });
    wrote.map_err(RigError::io("writing files"))?;
    let took = begun.elapsed();
    drop(made);
    fs::remove_dir_all(&folder).map_err(RigError::io("removing files"))?;
    Ok(took)
}

fn write_in_turn(files: &[fs::File], count: u64) -> io::Result<()> {
    let room = vec![0x5a; 2 * PAGE_SIZE];
    let at = room.as_ptr().align_offset(PAGE_SIZE);
    for number in 0..count {
        for file in files {
            file.write_all_at(&room[at..at + PAGE_SIZE], number * PAGE_SIZE as u64)?;
            file.sync_data()?;
        }
    }
    Ok(())
}

/// As many synced writes are under way: where fio found the disk at its best.
const THREADS: usize = 128;
const FILE_SIZE_MAX: u64 = 256 << 20;
