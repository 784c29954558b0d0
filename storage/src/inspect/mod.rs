//! A store's folder, looked at while no server has it open: what is there, what is damaged, what opening it would do
//! ([`check`]); its messages ([`dump`]); and damaged blocks written anew without what is damaged ([`repair()`]).
//!
//! Looking changes nothing, not even what opening would. What the commit log holds and was not folded yet is taken in where
//! the log's folder is given. Blocks that are encrypted are looked at as far as their checksums tell, where there is no key.
//!
//! What a file is and what is left of a block is decided by the functions that recovery asks.

mod block;
mod check;
mod dump;
mod key;
mod look;
mod repair;
mod report;
#[cfg(test)]
mod tests;

pub use self::check::check;
pub use self::dump::{DumpedMessage, dump};
pub use self::key::{InspectKey, InspectKeyError};
pub use self::look::{InspectError, InspectOptions};
pub use self::repair::{Repaired, repair};
pub use self::report::{BlockReport, DamageReport, FileReport, LogReport, Report, Verdict};
