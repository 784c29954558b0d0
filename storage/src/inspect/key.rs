//! What opens the blocks of an encrypted store: from the configured key down to the stream's.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::block::header::{Encryption, Header};
use crate::coding::BlockCipher;
use crate::disk::Disk;
use crate::keys::{KeyError, KeyRing, StreamIdentity, StreamKey};
use crate::meta::{self, MetaError, Owner};
use crate::store::file::{Condition, cipher_of};

/// What there is to open encrypted blocks with.
#[derive(Clone, Debug, Default)]
pub enum InspectKey {
    #[default]
    None,
    /// There is a key, and it does not open the stream's.
    Wrong,
    Stream(Rc<StreamKey>),
}

#[derive(Debug, thiserror::Error)]
pub enum InspectKeyError {
    #[error(transparent)]
    Meta(#[from] MetaError),
    #[error("{} is not the file of a stream's key", path.display())]
    NotAKey { path: PathBuf },
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl InspectKey {
    /// The key of a stream, of which the file is at `path`. [`Self::None`] where there is no such file: the stream has no key.
    ///
    /// # Errors
    /// [`InspectKeyError`]: a file that is damaged or of another form. A key that does not open it is [`Self::Wrong`].
    pub async fn read<D: Disk>(
        disk: &D,
        path: &Path,
        ring: &KeyRing,
        (account, stream): (&str, &str),
    ) -> Result<Self, InspectKeyError> {
        let Some(stored) = meta::read(disk, path, None).await? else { return Ok(Self::None) };
        if stored.meta.owner != Owner::Key {
            return Err(InspectKeyError::NotAKey { path: path.to_owned() });
        }
        let identity = StreamIdentity { account, stream, id: stored.meta.stream };
        match ring.unwrap(&stored.meta.body, identity) {
            Ok(unwrapped) => Ok(Self::Stream(Rc::new(unwrapped.key))),
            Err(KeyError::WrongKey { .. }) => Ok(Self::Wrong),
            Err(error @ KeyError::Unknown { .. }) => Err(error.into()),
        }
    }

    /// # Errors
    /// [`Condition::NoKey`], [`Condition::WrongKey`].
    pub(super) fn cipher_of(&self, header: &Header) -> Result<Option<BlockCipher>, Condition> {
        match self {
            Self::None => cipher_of(header, None),
            Self::Wrong if header.coding.encryption != Encryption::None => Err(Condition::WrongKey),
            Self::Wrong => Ok(None),
            Self::Stream(key) => cipher_of(header, Some(key)),
        }
    }

    pub(super) fn stream_key(&self) -> Option<&StreamKey> {
        match self {
            Self::None | Self::Wrong => None,
            Self::Stream(key) => Some(key),
        }
    }
}
