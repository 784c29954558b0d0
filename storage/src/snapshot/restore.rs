//! A store out of a snapshot.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_lite::{Stream, StreamExt};
use natrium_model::Timestamp;

use super::chunk::{Chain, ChunkError, Kind, Pin, Totals};
use crate::disk::{Cause, Disk, DiskError, EntryKind};
use crate::engine::Engine;
use crate::message::{Limits, NewMessage};
use crate::record::Record;
use crate::seq_set::SeqSet;
use crate::store::file::StoreOptions;
use crate::store::{Admission, Store, StoreError};

/// Takes the chunks of a snapshot and makes a store of them. Given up or dropped before [`Restore::finish`] it leaves no
/// store; what it had written is removed then, or, after a crash, by the next restore into the same folder.
pub struct Restore<D: Disk> {
    engine: Engine<D>,
    /// As the store will be opened, but in the folder beside.
    options: StoreOptions,
    /// Where it will be.
    folder: PathBuf,
    chain: Option<Chain>,
    begun: Option<(Store<D>, Pin)>,
    totals: Totals,
    is_whole: bool,
}

/// What was restored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    pub messages: u64,
    /// Messages that the store of which the snapshot was taken had lost: gaps now.
    pub lost: SeqSet,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum RestoreError {
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    #[error("the snapshot ends before its last chunk: {chunks} came")]
    Incomplete { chunks: u64 },
    /// What is not there is kept in memory, some 50 bytes for each 65,536 sequences in a row, and a snapshot of a few hundred
    /// bytes can name any number of them.
    #[error("of the snapshot's sequences {missing} are missing: more than {GAPS_MAX} are not restored")]
    Sparse { missing: u64 },
    #[error("there is something in {} already", folder.display())]
    Occupied { folder: PathBuf },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Makes a store of all of a snapshot.
///
/// # Errors
/// [`RestoreError`]: there is no store then.
pub async fn restore<D: Disk>(
    engine: Engine<D>,
    options: StoreOptions,
    chunks: impl Stream<Item = Bytes>,
) -> Result<Restored, RestoreError> {
    let mut chunks = std::pin::pin!(chunks);
    let mut restore = Restore::begin(engine, options).await?;
    while let Some(chunk) = chunks.next().await {
        restore.take(&chunk).await?;
    }
    restore.finish().await
}

impl<D: Disk> Restore<D> {
    /// Begins a restore into the folder of `options`, which has to be empty or not there. One at a time into one folder.
    /// Limits take effect when the store is opened.
    ///
    /// # Errors
    /// [`RestoreError::Occupied`] and what the disk says.
    pub async fn begin(engine: Engine<D>, options: StoreOptions) -> Result<Self, RestoreError> {
        let disk = engine.disk();
        let folder = options.folder.clone();
        if !disk.list(&folder).await?.is_empty() {
            return Err(RestoreError::Occupied { folder });
        }
        remove_left_overs(disk, &folder).await?;
        let beside = beside(&folder, engine.random());
        let options = StoreOptions { folder: beside, limits: Limits::default(), ..options };
        let totals = Totals::default();
        Ok(Self { engine, options, folder, chain: None, begun: None, totals, is_whole: false })
    }

    /// Takes the next chunk. Its messages are durable then.
    ///
    /// # Errors
    /// [`RestoreError::Chunk`]: nothing of the chunk was taken, and the right one may still come. Others end the restore.
    pub async fn take(&mut self, chunk: &Bytes) -> Result<(), RestoreError> {
        if self.is_whole {
            let number = self.chain.map_or(0, |chain| chain.number);
            return Err(ChunkError::BehindEnd { number }.into());
        }
        let mut chain = self.chain;
        let (kind, body) = Chain::open(&mut chain, chunk)?;
        let opened = chain.expect("a chunk that was opened is of a chain");
        let invalid = ChunkError::Invalid { number: opened.number - 1 };
        match (kind, &self.begun) {
            (Kind::Head, _) => {
                let pin = Pin::decode(&body).ok_or(invalid)?;
                let missing = (pin.last + 1).saturating_sub(pin.first).saturating_sub(pin.messages);
                if missing > GAPS_MAX {
                    return Err(RestoreError::Sparse { missing });
                }
                self.begun = Some((self.open(&pin).await?, pin));
            }
            (Kind::Messages, Some((store, pin))) => {
                let records = records_of(&body, opened.id(), store.last_seq(), pin.last).ok_or(invalid)?;
                for record in &records {
                    append(store, record).await?;
                }
                store.settled().await?;
                self.totals.messages += records.len() as u64;
                self.totals.bytes += body.len() as u64;
            }
            (Kind::Trailer, Some((store, pin))) => {
                let told = Totals::decode(&body).ok_or(invalid)?;
                if (told.messages, told.bytes) != (self.totals.messages, self.totals.bytes) {
                    return Err(invalid.into());
                }
                self.totals = told;
                // Also of messages that the store had no more.
                store.restore_sources(&self.totals.sources).await?;
                let rest = pin.last - store.last_seq();
                let timestamp = pin.last_timestamp.unwrap_or(Timestamp(0));
                let commit = store.skip_dated(rest, timestamp).await?.commit;
                store.committed(commit).await?;
                self.is_whole = true;
            }
            (Kind::Messages | Kind::Trailer, None) => return Err(invalid.into()),
        }
        self.chain = chain;
        Ok(())
    }

    /// Puts the store in its place; `Ok` is durable. It is there to be opened.
    ///
    /// # Errors
    /// [`RestoreError::Incomplete`] where the last chunk did not come; [`RestoreError::Occupied`] where something came into
    /// the folder meanwhile.
    pub async fn finish(mut self) -> Result<Restored, RestoreError> {
        if !self.is_whole {
            return Err(RestoreError::Incomplete { chunks: self.chain.map_or(0, |chain| chain.number) });
        }
        let (store, _) = self.begun.take().expect("what is whole was begun");
        store.close().await?;
        let disk = self.engine.disk();
        disk.sync_folder(&self.options.folder).await?;
        if !disk.list(&self.folder).await?.is_empty() {
            return Err(RestoreError::Occupied { folder: self.folder.clone() });
        }
        disk.rename(&self.options.folder, &self.folder).await?;
        sync_path_to(disk, &self.folder).await?;
        Ok(Restored { messages: self.totals.messages, lost: self.totals.lost.clone() })
    }

    /// Removes what was restored so far.
    ///
    /// # Errors
    /// What the disk says.
    pub async fn abandon(mut self) -> Result<(), RestoreError> {
        match self.begun.take() {
            Some((store, _)) => Ok(store.delete().await?),
            None => Ok(()),
        }
    }

    /// A store that begins where the snapshot's does.
    async fn open(&self, pin: &Pin) -> Result<Store<D>, RestoreError> {
        // Nothing is left, and yet there is a time of the last message: one sequence is given and skipped with that time.
        let is_used_up = pin.messages == 0 && pin.last_timestamp.is_some() && pin.first == pin.last + 1;
        let first_seq = if is_used_up { pin.last.max(1) } else { pin.first };
        let options = StoreOptions { first_seq, ..self.options.clone() };
        Ok(Store::open(self.engine.clone(), options).await?.0)
    }
}

impl<D: Disk> Drop for Restore<D> {
    fn drop(&mut self) {
        if let Some((store, _)) = self.begun.take() {
            // What cannot be removed now is removed by the next restore.
            self.engine.spawn(async move { drop(store.delete().await) });
        }
    }
}

/// All records of a chunk; `None` where they are not what a snapshot can have behind `last` and up to `end`.
fn records_of(body: &[u8], salt: u64, mut last: u64, end: u64) -> Option<Vec<Record<'_>>> {
    let mut records = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let (record, len) = Record::decode(rest, salt).ok()?;
        if record.seq <= last || record.seq > end {
            return None;
        }
        last = record.seq;
        records.push(record);
        rest = &rest[len..];
    }
    Some(records)
}

async fn append<D: Disk>(store: &Store<D>, record: &Record<'_>) -> Result<(), StoreError> {
    let gap = record.seq - 1 - store.last_seq();
    if gap > 0 {
        store.skip(None, gap, record.timestamp).await?;
    }
    let message = NewMessage {
        subject: record.subject,
        headers: record.headers,
        payload: record.payload,
        timestamp: record.timestamp,
        expires: record.expires,
        due: record.due,
    };
    let appended = store.append(&message, Admission::Forced).await?;
    assert_eq!(appended.seq, record.seq, "the gap before a message was skipped");
    Ok(())
}

/// The folder in which a restore is built. Its name is never used twice, for the commit log may still speak of it.
fn beside(folder: &Path, random: u64) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(format!("{RESTORING}{random:016x}"));
    folder.with_file_name(name)
}

async fn remove_left_overs<D: Disk>(disk: &D, folder: &Path) -> Result<(), DiskError> {
    let above = folder.parent().unwrap_or(Path::new(""));
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    for entry in disk.list(above).await? {
        let is_left_over = entry.name.strip_prefix(&*name).is_some_and(|rest| rest.starts_with(RESTORING));
        if is_left_over && entry.kind == EntryKind::Folder {
            remove_tree(disk, above.join(entry.name)).await?;
        }
    }
    Ok(())
}

async fn remove_tree<D: Disk>(disk: &D, root: PathBuf) -> Result<(), DiskError> {
    let mut folders = vec![root];
    let mut at = 0;
    while let Some(folder) = folders.get(at).cloned() {
        for entry in disk.list(&folder).await? {
            let path = folder.join(entry.name);
            match entry.kind {
                EntryKind::Folder => folders.push(path),
                EntryKind::File | EntryKind::Other => unless_gone(disk.remove(&path).await)?,
            }
        }
        at += 1;
    }
    // Those inside come behind those around them.
    for folder in folders.iter().rev() {
        unless_gone(disk.remove_folder(folder).await)?;
    }
    Ok(())
}

/// Whoever gave a restore up may be removing it at the same time.
fn unless_gone(removed: Result<(), DiskError>) -> Result<(), DiskError> {
    removed.or_else(|error| if error.cause == Cause::NotFound { Ok(()) } else { Err(error) })
}

/// Makes every name on the way to `path` durable.
async fn sync_path_to<D: Disk>(disk: &D, path: &Path) -> Result<(), DiskError> {
    for above in path.ancestors().skip(1) {
        disk.sync_folder(above).await?;
    }
    Ok(())
}

const RESTORING: &str = ".restoring-";

/// Sequences without a message that a restore takes: some 50 MB of memory.
const GAPS_MAX: u64 = 1 << 36;
