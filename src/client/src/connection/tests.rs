//! What a client says, against what its host is asked to do and what the client hears.

use super::*;

pub(crate) mod fixture;
mod handshake;
mod logging;
mod operations;
mod pings;
mod publishing;
mod splits;
mod subscribing;
mod without_connect;
