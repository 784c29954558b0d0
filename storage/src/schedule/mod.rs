//! Message schedules: what the headers of a message ask for, when it is due, and what is published then.
//!
//! A message with the header `Nats-Schedule` is stored like any other and published again, to another subject, when its
//! time has come. The store keeps the time ([`crate::message::NewMessage::due`]); this module decides: values in, values
//! out, no clock and no store. Rules and their order are those of the reference (server/scheduler.go, server/cron.go and
//! the checks of headers in server/stream.go), since what is refused, and why, is what a client sees.
//!
//! The life of a schedule:
//!
//! 1. [`admit`] checks a message that a client published, and gives its due time and its headers as they are stored;
//! 2. when [`crate::store::Store::take_due`] tells of it, [`deliver`] makes the message to publish;
//! 3. [`on_append`] says of each message that is stored, that one among them, which schedules it ends or sets to a new time.

mod admit;
mod append;
mod cron;
mod deliver;
mod pattern;
mod rfc3339;
mod ttl;
mod zone;

pub use admit::{Admitted, Allowed, Publication, admit, check_purged};
pub use append::{OnAppend, Rearmed, on_append};
pub use deliver::{Delivery, deliver, source_of};
pub use pattern::{Due, Pattern};
pub use zone::Zones;

/// Why a message is not taken; each is an answer of its own in the reference's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `err_code` 10188.
    #[error("message schedules is disabled")]
    Disabled,
    /// No pattern, or one without a time in the five years to come. `err_code` 10189.
    #[error("message schedules pattern is invalid")]
    Pattern,
    /// `err_code` 10190.
    #[error("message schedules target is invalid")]
    Target,
    /// `err_code` 10191.
    #[error("message schedules invalid per-message TTL")]
    Ttl,
    /// A lifetime, in a stream without lifetimes of messages. `err_code` 10166.
    #[error("per-message TTL is disabled")]
    TtlDisabled,
    /// `err_code` 10192.
    #[error("message schedules invalid rollup")]
    Rollup,
    /// `err_code` 10203.
    #[error("message schedules source is invalid")]
    Source,
    /// What only the server writes, or a purge of what is no schedule. `err_code` 10212.
    #[error("message schedules invalid scheduler")]
    Scheduler,
    /// `err_code` 10223.
    #[error("message schedules time zone is invalid")]
    TimeZone,
}

/// The pattern that makes a message a schedule.
pub const SCHEDULE: &[u8] = b"Nats-Schedule";
/// An IANA name, for cron patterns alone.
pub const TIME_ZONE: &[u8] = b"Nats-Schedule-Time-Zone";
/// The lifetime of what is published.
pub const SCHEDULE_TTL: &[u8] = b"Nats-Schedule-TTL";
/// The rollup of what is published.
pub const SCHEDULE_ROLLUP: &[u8] = b"Nats-Schedule-Rollup";
/// Where it is published.
pub const TARGET: &[u8] = b"Nats-Schedule-Target";
/// The subject whose last message is published in place of the schedule's own content.
pub const SOURCE: &[u8] = b"Nats-Schedule-Source";
/// In what is published: the subject of its schedule.
pub const SCHEDULER: &[u8] = b"Nats-Scheduler";
/// In what is published: when its schedule is due next, or [`PURGE`].
pub const NEXT: &[u8] = b"Nats-Schedule-Next";
/// The schedule goes with this message.
pub const PURGE: &[u8] = b"purge";

const ROLLUP: &[u8] = b"Nats-Rollup";
const ROLLUP_SUBJECT: &[u8] = b"sub";
const TTL: &[u8] = b"Nats-TTL";

#[cfg(test)]
mod tests;
