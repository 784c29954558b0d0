//! What consumers have delivered and what was acknowledged, and the journal that keeps it (docs/format/consumer.md).
//!
//! [`ConsumerState`] changes by [`Operation`]s only, which are data: applied in one order they give one state, on each
//! replica and after each start. [`Journal`] is the states of all consumers of a stream together with the bytes that let them
//! be had again. It does no I/O: what it appends to a buffer is to be written behind what was written before.

mod entry;
mod journal;
mod recover;
mod state;

pub use journal::{Consumers, Journal};
pub use recover::{Damage, DamageCause, JournalError, Recovered};
pub use state::{AckPolicy, Applied, ConsumerState, Operation, Pending, Refused, Rules, SequencePair};
