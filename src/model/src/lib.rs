//! Words every crate shares: identities, limits, versions, times, durations and the reasons a connection ends.
//!
//! Nothing here decides anything; nothing here does I/O.

mod close_reason;
mod duration;
mod ids;
pub mod limits;
mod time;
pub mod version;

pub use close_reason::CloseReason;
pub use duration::{DurationError, go_duration};
pub use ids::{AccountId, ConnId, ShardId};
pub use time::{Timestamp, UnixSeconds};
