//! An engine on the disk to be measured, on an executor as the server starts it.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use natrium_model::Timestamp;
use natrium_shards::spawn;
use natrium_storage::block::header::StreamId;
use natrium_storage::disk::uring::{Access, UringDisk};
use natrium_storage::engine::{Engine, EngineOptions, Spawn};
use natrium_storage::log::CommitLog;
use natrium_storage::message::NewMessage;
use natrium_storage::store::Store;
use natrium_storage::store::file::{Recovery, StoreOptions};

use crate::error::RigError;
use crate::watched::Watched;

pub(crate) type RigDisk = Watched<UringDisk>;
pub(crate) type RigStore = Store<RigDisk>;

#[derive(Clone)]
pub(crate) struct Rig {
    pub(crate) engine: Engine<RigDisk>,
    pub(crate) disk: RigDisk,
}

/// Runs `work` on a shard of its own, as the server starts them.
///
/// # Errors
/// What `work` gives, or that no shard can be had.
pub(crate) fn on_shard<T, F, Fut>(work: F) -> Result<T, RigError>
where
    T: Send + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<T, RigError>> + 'static,
{
    natrium_shards::on_shard(work).map_err(RigError::io("running a shard"))?
}

/// Runs something beside whoever began it, to its end.
pub(crate) fn beside(work: impl Future<Output = ()> + 'static) {
    spawn(work);
}

impl Rig {
    /// What is in `folder` is recovered.
    ///
    /// # Errors
    /// What the disk says; a file system without direct I/O.
    pub(crate) async fn open(folder: &Path, options: EngineOptions) -> Result<Self, RigError> {
        let disk = UringDisk::open(folder, IN_FLIGHT_MAX).await?;
        if disk.access() != Access::Direct {
            return Err(RigError::NotDirect(folder.to_owned()));
        }
        let disk = Watched::new(disk);
        let log = Path::new("log");
        CommitLog::recover_all(&disk, log).await?;
        let spawn: Spawn = Rc::new(beside);
        let engine = Engine::open(disk.clone(), log, "0", options, spawn, SEED).await?;
        Ok(Self { engine, disk })
    }

    /// The stream of this number.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) async fn store(&self, number: u64) -> Result<(RigStore, Recovery), RigError> {
        let folder = PathBuf::from(format!("streams/{number}"));
        let mut id = [7; 16];
        id[..8].copy_from_slice(&number.to_le_bytes());
        let options = StoreOptions::new(folder, StreamId(id));
        Ok(Store::open(self.engine.clone(), options).await?)
    }
}

/// A message without headers, a microsecond after the one before.
pub(crate) fn message<'a>(subject: &'a [u8], payload: &'a [u8], number: u64) -> NewMessage<'a> {
    let timestamp = Timestamp(1_700_000_000_000_000_000 + number.cast_signed() * 1000);
    NewMessage { subject, headers: b"", payload, timestamp, expires: None, due: None }
}

/// Operations of a shard that are with the kernel at once.
const IN_FLIGHT_MAX: u32 = 512;
const SEED: [u8; 32] = [3; 32];
