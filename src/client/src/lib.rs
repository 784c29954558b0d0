//! One client connection as a state machine: bytes and time go in, effects go to a [`Host`], nothing is read or written.
//!
//! [`Connection`] is the input side: it understands what the client says and decides what is allowed. [`Outbox`] is the
//! output side: what waits to be written. They are apart because a publish of one connection writes to the outboxes of
//! many others.

mod connection;
mod farewell;
mod host;
mod identity;
mod keepalive;
mod outbox;
mod settings;

pub use connection::{
    Connection, Flow, Pause, Stats, congestion_pause, is_traced, tell_last_message, trace_delivery,
    trace_removal,
};
pub use farewell::farewell;
pub use host::{Features, Host, Published, Subscribed};
pub use identity::{ClientIdentity, LogName, Origin};
pub use keepalive::Keepalive;
pub use outbox::Outbox;
pub use settings::{ClientSettings, TraceRules};
