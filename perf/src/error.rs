//! Why a figure could not be taken. Nothing here is retried: the scenario is named as failed.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub(crate) enum RigError {
    #[error("{doing}: {source}")]
    Io {
        doing: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("{path:?} is not there: {remedy}")]
    NoBinary { path: PathBuf, remedy: &'static str },
    #[error("the server closed the connection")]
    Closed,
    /// Bytes that are neither an expected message nor a PING: `-ERR`, a duplicate, or a frame of another size.
    #[error("the server sent {0:?}, which nothing here expects")]
    Unexpected(String),
    #[error("{arrived} of {expected} messages arrived, then nothing for {STALL_SECONDS} s")]
    Lost { expected: u64, arrived: u64 },
    #[error("subscriber {subscriber} has {arrived} messages and not {expected}")]
    Uneven { subscriber: usize, expected: u64, arrived: u64 },
    /// The process ended before it listened; what it wrote last says why.
    #[error("{binary:?} ended before it listened: {last_words}")]
    Ended { binary: PathBuf, last_words: String },
    #[error("{binary:?} does not listen after {STALL_SECONDS} s")]
    Silent { binary: PathBuf },
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

impl RigError {
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}

/// How long a socket may stand still before what is missing counts as lost. A busy machine pauses for a second or two.
pub(crate) const STALL_SECONDS: u64 = 20;
