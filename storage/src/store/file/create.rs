//! A new block's file.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use natrium_model::Timestamp;

use crate::block::header::{Coding, Encryption, HEAD_LEN, Header, StreamId};
use crate::coding::{BlockCipher, FrameEncoder, Sealer};
use crate::disk::{Disk, File, Open};
use crate::engine::Engine;
use crate::keys::{BlockIdentity, BlockKey, StreamKey};
use crate::store::StoreError;
use crate::store::block::BlockNumber;
use crate::store::file::encode::{FIRST_ALLOCATION, lengthen};
use crate::store::file::names::BlockName;
use crate::store::file::{BlockFile, FileMedia, Writer};

/// What a new block's head says.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewBlock {
    pub number: BlockNumber,
    pub generation: u64,
    pub salt: u64,
    pub first: u64,
    pub absorbed_below: BlockNumber,
    pub created: Timestamp,
}

/// A head with the key that belongs to it.
pub(super) struct SealedHead {
    pub header: Header,
    pub sealer: Option<Sealer>,
    pub cipher: Option<Rc<BlockCipher>>,
}

/// Makes the head of a new block, and its key where it is encrypted.
///
/// # Errors
/// [`StoreError::NoKey`]
pub(super) fn new_head<D: Disk>(
    engine: &Engine<D>,
    stream: StreamId,
    coding: Coding,
    key: Option<&StreamKey>,
    block: NewBlock,
    path: &Path,
) -> Result<SealedHead, StoreError> {
    let mut wrapped_key = Vec::new();
    let mut sealer = None;
    let mut cipher = None;
    if coding.encryption != Encryption::None {
        let key = key.ok_or_else(|| StoreError::NoKey { path: path.to_owned() })?;
        let identity = BlockIdentity {
            stream,
            number: block.number,
            generation: block.generation,
            encryption: coding.encryption,
        };
        engine.with_rng(|rng| {
            let (made, block_key): (Sealer, BlockKey) =
                Sealer::create(coding.encryption, rng).expect("the coding encrypts");
            wrapped_key = key.wrap_block_key(&block_key, identity, rng);
            cipher = BlockCipher::new(coding.encryption, &block_key).map(Rc::new);
            sealer = Some(made);
        });
    }
    let NewBlock { number, generation, salt, first, absorbed_below, created } = block;
    let header =
        Header { stream, number, generation, salt, created, first, absorbed_below, coding, wrapped_key };
    Ok(SealedHead { header, sealer, cipher })
}

impl<D: Disk> FileMedia<D> {
    /// Makes the file of a block that is begun, durably.
    ///
    /// # Errors
    /// What the disk says.
    pub(super) async fn create(&self, block: NewBlock) -> Result<BlockFile<D>, StoreError> {
        let name = BlockName { number: block.number, salt: block.salt };
        let path: PathBuf = name.path(&self.options.folder);
        let coding = self.options.coding;
        let head =
            new_head(&self.engine, self.options.stream, coding, self.options.key.as_deref(), block, &path)?;
        // One of a later block stays for that.
        let prepared = self.next.borrow_mut().take_if(|next| next.number <= block.number);
        let (file, allocated) = match prepared {
            Some(next) if (next.number, next.salt) == (block.number, block.salt) => {
                next.file.write_at(0, &head.header.encode()).await?;
                (next.file, next.allocated)
            }
            other => {
                if let Some(other) = other {
                    self.engine.disk().remove(&other.path).await?;
                }
                let file = self.engine.disk().open(&path, Open::CreateNew).await?;
                file.write_at(0, &head.header.encode()).await?;
                // See `make_space`.
                let is_filled = self.is_filled(self.commit_len.get());
                let allocated = if is_filled { FIRST_ALLOCATION } else { self.options.file_len_max() };
                lengthen(&file, allocated, is_filled).await?;
                self.engine.disk().sync_folder(&self.options.folder).await?;
                (Rc::new(file), allocated)
            }
        };
        file.sync().await?;
        let logged = self.engine.log().attach(&path, Rc::clone(&file), HEAD_LEN as u64, &[]);
        let encoder = FrameEncoder::new(coding.compression, head.sealer);
        Ok(BlockFile {
            path,
            salt: block.salt,
            coding,
            cipher: head.cipher,
            writer: Some(Writer { logged, file, encoder, commit: 0, can_seal: true }),
            footer: None,
            allocated,
        })
    }
}
