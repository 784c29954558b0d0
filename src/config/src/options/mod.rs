//! What a server can be told, after checking: each value in its type and with its default.

pub mod auth;
pub mod client;
pub mod features;
pub mod logging;
pub mod mappings;
pub mod monitoring;
pub mod tls;

mod difference;
mod server;

pub use difference::changes_to_start_with;
pub use server::Options;
