//! What is asked of the simulated disk and what it answers, as data.

use std::path::PathBuf;

use bytes::Bytes;
use xxhash_rust::xxh64::xxh64;

use super::names::FileId;
use crate::disk::{Cause, Entry, Open, Operation};

/// What is asked of the disk.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Open { how: Open },
    List,
    CreateFolder,
    Rename { to: PathBuf },
    Remove,
    RemoveFolder,
    SyncFolder,
    Read { file: FileId, offset: u64, len: usize },
    Write { file: FileId, offset: u64, pages: Bytes },
    Sync { file: FileId },
    Allocate { file: FileId, size: u64 },
    Truncate { file: FileId, size: u64 },
    Size { file: FileId },
}

#[derive(Clone, Debug)]
pub(super) enum Answer {
    Done,
    Opened(FileId),
    Entries(Vec<Entry>),
    Bytes(Bytes),
    Size(u64),
}

impl Request {
    pub(super) fn operation(&self) -> Operation {
        match self {
            Self::Open { .. } => Operation::Open,
            Self::List => Operation::List,
            Self::CreateFolder => Operation::CreateFolder,
            Self::Rename { .. } => Operation::Rename,
            Self::Remove | Self::RemoveFolder => Operation::Remove,
            Self::SyncFolder => Operation::SyncFolder,
            Self::Read { .. } => Operation::Read,
            Self::Write { .. } => Operation::Write,
            Self::Sync { .. } => Operation::Sync,
            Self::Allocate { .. } => Operation::Allocate,
            Self::Truncate { .. } => Operation::Truncate,
            Self::Size { .. } => Operation::Size,
        }
    }

    pub(super) fn file(&self) -> Option<FileId> {
        match self {
            Self::Read { file, .. }
            | Self::Write { file, .. }
            | Self::Sync { file }
            | Self::Allocate { file, .. }
            | Self::Truncate { file, .. }
            | Self::Size { file } => Some(*file),
            Self::Open { .. }
            | Self::List
            | Self::CreateFolder
            | Self::Rename { .. }
            | Self::Remove
            | Self::RemoveFolder
            | Self::SyncFolder => None,
        }
    }

    pub(super) fn end_of_write(&self) -> Option<u64> {
        if let Self::Write { offset, pages, .. } = self { Some(offset + pages.len() as u64) } else { None }
    }

    pub(super) fn changes_something(&self) -> bool {
        match self {
            Self::Open { how } => *how != Open::Read,
            Self::CreateFolder
            | Self::Rename { .. }
            | Self::Remove
            | Self::RemoveFolder
            | Self::Write { .. }
            | Self::Allocate { .. }
            | Self::Truncate { .. } => true,
            Self::List | Self::SyncFolder | Self::Read { .. } | Self::Sync { .. } | Self::Size { .. } => {
                false
            }
        }
    }

    /// What distinguishes it from another of its kind, for the hash of the schedule.
    pub(super) fn arguments(&self) -> Vec<u8> {
        let numbers = |numbers: &[u64]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        match self {
            Self::Open { how } => numbers(&[*how as u64]),
            Self::Rename { to } => to.as_os_str().as_encoded_bytes().to_vec(),
            Self::Read { offset, len, .. } => numbers(&[*offset, *len as u64]),
            Self::Write { offset, pages, .. } => numbers(&[*offset, pages.len() as u64, xxh64(pages, 0)]),
            Self::Allocate { size, .. } | Self::Truncate { size, .. } => numbers(&[*size]),
            Self::List
            | Self::CreateFolder
            | Self::Remove
            | Self::RemoveFolder
            | Self::SyncFolder
            | Self::Sync { .. }
            | Self::Size { .. } => Vec::new(),
        }
    }
}

/// What distinguishes one outcome from another, for the hash of the schedule.
pub(super) fn digest(outcome: &Result<Answer, Cause>) -> u64 {
    match outcome {
        Ok(Answer::Bytes(bytes)) => xxh64(bytes, 1),
        Ok(Answer::Entries(entries)) => {
            entries.iter().fold(2, |hash, entry| xxh64(entry.name.as_bytes(), hash))
        }
        Ok(Answer::Size(size)) => xxh64(&size.to_le_bytes(), 3),
        Ok(Answer::Done | Answer::Opened(_)) => 4,
        Err(cause) => xxh64(cause.to_string().as_bytes(), 5),
    }
}
