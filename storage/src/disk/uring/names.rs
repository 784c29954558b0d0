//! Folders and names by system calls that block, for the executor's helper threads.

use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, StatVfsMountFlags};
use rustix::io::Errno;

use super::super::path::parts;
use super::super::{Cause, Entry, EntryKind};
use super::{Access, cause_of};

/// Sorted by name. A folder that is not there holds nothing.
pub(in crate::disk) fn list(folder: &Path) -> Result<Vec<Entry>, Cause> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = match rustix::fs::open(folder, flags, Mode::empty()) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => return Ok(Vec::new()),
        Err(errno) => return Err(cause_of(errno)),
    };
    let mut entries = Vec::new();
    for entry in Dir::read_from(&folder).map_err(cause_of)? {
        let entry = entry.map_err(cause_of)?;
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        let mut file_type = entry.file_type();
        if file_type == FileType::Unknown {
            let stat = rustix::fs::statat(&folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW);
            file_type = FileType::from_raw_mode(stat.map_err(cause_of)?.st_mode);
        }
        // A name that is not UTF-8 cannot be opened by a path of ours: nothing of ours.
        let (name, kind) = match entry.file_name().to_str() {
            Ok(name) => (name.to_owned(), kind_of(file_type)),
            Err(_) => (entry.file_name().to_string_lossy().into_owned(), EntryKind::Other),
        };
        entries.push(Entry { name, kind });
    }
    entries.sort();
    Ok(entries)
}

/// `path` below `root`, and the folders above it.
pub(in crate::disk) fn create_folder(root: &Path, path: &Path) -> Result<(), Cause> {
    let mut folder = root.to_owned();
    for name in parts(path)? {
        folder.push(name);
        match rustix::fs::mkdir(&folder, FOLDER_MODE) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(cause_of(errno)),
        }
    }
    let stat = rustix::fs::stat(&folder).map_err(cause_of)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory { Ok(()) } else { Err(Cause::Exists) }
}

pub(in crate::disk) fn rename(from: &Path, to: &Path) -> Result<(), Cause> {
    rustix::fs::rename(from, to).map_err(cause_of)
}

pub(in crate::disk) fn remove(path: &Path) -> Result<(), Cause> {
    rustix::fs::unlink(path).map_err(cause_of)
}

pub(in crate::disk) fn remove_folder(path: &Path) -> Result<(), Cause> {
    rustix::fs::rmdir(path).map_err(cause_of)
}

pub(in crate::disk) fn sync_folder(path: &Path) -> Result<(), Cause> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(path, flags, Mode::empty()).map_err(cause_of)?;
    rustix::fs::fsync(folder).map_err(cause_of)
}

/// Makes the root where it is not there, and finds out how its files can be reached.
pub(super) fn prepare_root(root: &Path) -> Result<Access, Cause> {
    std::fs::create_dir_all(root).map_err(|error| super::cause_of_raw(error.raw_os_error()))?;
    let file_system = rustix::fs::statfs(root).map_err(cause_of)?.f_type as u64;
    // The runtime does not ask tmpfs for direct I/O, whatever the kernel could do.
    if file_system == TMPFS {
        return Ok(Access::Buffered { file_system });
    }
    let mount = rustix::fs::statvfs(root).map_err(cause_of)?;
    if mount.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Ok(Access::Direct);
    }
    let probe = root.join(PROBE);
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::DIRECT | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(CWD, &probe, flags, FILE_MODE);
    // A kernel that refuses the flag may have made the file first.
    let removed = rustix::fs::unlink(&probe);
    match (opened, removed) {
        (Ok(_), Ok(())) => Ok(Access::Direct),
        (Err(Errno::INVAL | Errno::OPNOTSUPP), _) => Ok(Access::Buffered { file_system }),
        (Err(errno), _) | (Ok(_), Err(errno)) => Err(cause_of(errno)),
    }
}

fn kind_of(file_type: FileType) -> EntryKind {
    if file_type.is_file() {
        EntryKind::File
    } else if file_type.is_dir() {
        EntryKind::Folder
    } else {
        EntryKind::Other
    }
}

/// Its name while it is there, at start-up only.
const PROBE: &str = "direct-io.probe";
const FOLDER_MODE: Mode = Mode::RWXU.union(Mode::RGRP).union(Mode::XGRP);
pub(in crate::disk) const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
/// linux/magic.h, TMPFS_MAGIC.
pub(super) const TMPFS: u64 = 0x0102_1994;
