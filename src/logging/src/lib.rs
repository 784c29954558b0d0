//! Log lines in the reference's form: `[PID] 2026/11/24 10:00:00.000000 [INF] text`, to standard error, to a file that
//! rotates, or to syslog.
//!
//! Code logs through the macros of `log`. A line's text is made on the caller's thread and put into a bounded queue;
//! one thread of its own writes. So a slow terminal, a full disk or a syslog that is gone never holds a shard up:
//! lines that find the queue full are counted, and the count is reported in their place.
//!
//! | Macro | Tag | Shown |
//! |---|---|---|
//! | `log::error!(target: FATAL, ..)` | `FTL` | always |
//! | `log::error!` | `ERR` | always |
//! | `log::warn!` | `WRN` | always |
//! | `log::info!` | `INF` | always |
//! | `log::debug!` | `DBG` | with `debug` |
//! | `log::trace!` | `TRC` | with `trace`, even without `debug` |
//!
//! Only targets that begin with `natrium` are written: what libraries say about themselves is not the server's log.
//! Secrets are taken out by the callers.

mod error;
mod file;
mod levels;
mod line;
mod logger;
mod output;
mod repeats;
mod syslog;
mod writer;

pub use error::LoggingError;
pub use line::FATAL;
pub use logger::{LogHandle, Logger};
pub use repeats::Repeats;
