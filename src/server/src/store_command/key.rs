//! What opens an encrypted stream: where the server's encryption key is given, and where the stream's lies.

use std::io;
use std::path::{Path, PathBuf};

use futures_lite::future::block_on;
use natrium_storage::disk::Disk;
use natrium_storage::inspect::{InspectKey, InspectKeyError};
use natrium_storage::keys::{KeyRing, ServerKey};

/// Of the command line. The key itself is never on it, where every user of the machine could read it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct KeyArguments {
    pub source: Option<KeySource>,
    /// Where the stream's wrapped key is, and whose it is, where the folder does not tell.
    pub stream_key: Option<PathBuf>,
    pub account: Option<String>,
    pub stream: Option<String>,
}

/// Where the server's encryption key is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KeySource {
    /// All of a file but the end of its line.
    File(PathBuf),
    Environment(String),
}

#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    #[error("{}: {source}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the environment has no {name} that is text")]
    Environment { name: String },
    #[error("the encryption key is empty")]
    Empty,
    #[error(
        "{} is not ACCOUNT/streams/STREAM/msgs, which a stream's key is bound to: give --account and --stream",
        folder.display()
    )]
    Nameless { folder: PathBuf },
    #[error(transparent)]
    Stream(#[from] InspectKeyError),
}

/// What blocks in `folder` are opened with, and what a person should know of that. `folder` and `stream_key`, the argument of
/// that name, are below the disk's root.
pub(super) fn open<D: Disk>(
    disk: &D,
    folder: &Path,
    stream_key: Option<PathBuf>,
    arguments: &KeyArguments,
) -> Result<(InspectKey, Option<String>), KeyError> {
    let Some(source) = &arguments.source else { return Ok((InspectKey::None, None)) };
    let current = ServerKey::new(&source.read()?).ok_or(KeyError::Empty)?;
    let ring = KeyRing { current, previous: None };
    let names = Names::of(folder);
    let nameless = || KeyError::Nameless { folder: Path::new("/").join(folder) };
    let account = arguments.account.as_deref().or(names.account).ok_or_else(nameless)?;
    let stream = arguments.stream.as_deref().or(names.stream).ok_or_else(nameless)?;
    let path = stream_key.unwrap_or_else(|| folder.with_file_name(STREAM_KEY));
    let key = block_on(InspectKey::read(disk, &path, &ring, (account, stream)))?;
    let told = match key {
        InspectKey::None => {
            Some(format!("there is no /{}: blocks that are encrypted stay closed", path.display()))
        }
        InspectKey::Wrong => Some(format!(
            "the key does not open that of stream {stream:?} of account {account:?}: blocks that are encrypted stay closed"
        )),
        InspectKey::Stream(_) => None,
    };
    Ok((key, told))
}

impl KeySource {
    fn read(&self) -> Result<String, KeyError> {
        match self {
            Self::File(path) => {
                let content = std::fs::read_to_string(path);
                let mut key = content.map_err(|source| KeyError::File { path: path.clone(), source })?;
                if key.ends_with('\n') {
                    key.pop();
                    if key.ends_with('\r') {
                        key.pop();
                    }
                }
                Ok(key)
            }
            Self::Environment(name) => {
                std::env::var(name).map_err(|_| KeyError::Environment { name: name.clone() })
            }
        }
    }
}

/// What the folder of a stream's messages is called after: `ACCOUNT/streams/STREAM/msgs`.
struct Names<'a> {
    account: Option<&'a str>,
    stream: Option<&'a str>,
}

impl<'a> Names<'a> {
    fn of(folder: &'a Path) -> Self {
        let mut above =
            folder.ancestors().skip(1).map(|folder| folder.file_name().and_then(|name| name.to_str()));
        let (stream, streams, account) =
            (above.next().flatten(), above.next().flatten(), above.next().flatten());
        if streams == Some("streams") {
            Self { account, stream }
        } else {
            Self { account: None, stream: None }
        }
    }
}

/// The file of a stream's wrapped key, beside the folder of its messages (docs/format/meta.md).
const STREAM_KEY: &str = "meta.key";

#[cfg(test)]
mod tests {
    use natrium_storage::disk::blocking::BlockingDisk;

    use super::*;

    #[test]
    fn a_key_is_read_from_a_file_without_the_end_of_its_line() {
        let path = std::env::temp_dir().join(format!("natrium-key-{}", std::process::id()));
        for (content, expected) in [
            ("s3cr3t", "s3cr3t"),
            ("s3cr3t\n", "s3cr3t"),
            ("s3 cr3t \r\n", "s3 cr3t "),
            ("a\n\n", "a\n"),
            ("\n", ""),
        ] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(KeySource::File(path.clone()).read().unwrap(), expected, "{content:?}");
        }
        let source = Some(KeySource::File(path.clone()));
        let arguments = KeyArguments { source, ..KeyArguments::default() };
        let opened =
            open(&BlockingDisk::new(Path::new("/")), Path::new("a/streams/b/msgs"), None, &arguments);
        assert!(matches!(opened, Err(KeyError::Empty)), "{opened:?}");
        std::fs::remove_file(&path).unwrap();
        let missing = KeySource::File(path).read();
        assert!(matches!(missing, Err(KeyError::File { .. })), "{missing:?}");
    }

    #[test]
    fn a_key_that_the_environment_does_not_have_is_named() {
        let missing = KeySource::Environment("NATRIUM_NO_SUCH_KEY".to_owned()).read().unwrap_err();
        assert_eq!(missing.to_string(), "the environment has no NATRIUM_NO_SUCH_KEY that is text");
    }

    #[test]
    fn account_and_stream_follow_from_the_folder_or_are_asked_for() {
        let names = |path| {
            let Names { account, stream } = Names::of(Path::new(path));
            (account, stream)
        };
        assert_eq!(names("data/jetstream/A/streams/ORDERS/msgs"), (Some("A"), Some("ORDERS")));
        assert_eq!(names("A/streams/ORDERS/msgs"), (Some("A"), Some("ORDERS")));
        for other in ["msgs", "ORDERS/msgs", "A/stream/ORDERS/msgs", "streams/ORDERS"] {
            assert_eq!(names(other), (None, None), "{other}");
        }
        // Found in the environment of every test.
        let source = Some(KeySource::Environment("PATH".to_owned()));
        let arguments = KeyArguments { source, account: Some("A".to_owned()), ..KeyArguments::default() };
        let refused =
            open(&BlockingDisk::new(Path::new("/")), Path::new("copy/msgs"), None, &arguments).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "/copy/msgs is not ACCOUNT/streams/STREAM/msgs, which a stream's key is bound to: give --account and --stream"
        );
    }
}
