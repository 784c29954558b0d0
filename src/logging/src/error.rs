//! Why a log cannot be opened.

use std::io;
use std::path::PathBuf;

use natrium_process::reason;

/// Where the reference has a text for the same trouble, it is that text.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    #[error("error opening file: open {}: {}", .path.display(), reason(.source))]
    File { path: PathBuf, source: io::Error },
    #[error("error connecting to syslog: {:?}", .0.to_string())]
    Syslog(#[source] io::Error),
    /// The scheme of `remote_syslog`.
    #[error("error invalid network type: {0:?}")]
    Network(String),
    #[error("cannot start the thread that writes the log: {}", reason(.0))]
    Thread(#[source] io::Error),
    /// `log` takes one logger for the life of the process.
    #[error("the process already has a logger")]
    AlreadyStarted,
    /// The thread that writes is held up; the log goes on as it was.
    #[error("the log takes no changes: its lines cannot be written")]
    Stuck,
}
