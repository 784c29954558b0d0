//! What we say we are.

/// The reference release whose behaviour this server keeps. Clients switch features on it, so INFO, `/varz` and
/// `--version` carry it.
pub const REFERENCE: &str = "2.15.1";

/// Our own release.
pub const NATRIUM: &str = env!("CARGO_PKG_VERSION");

/// `proto` in INFO: 1 says that INFO may arrive at any time.
pub const CLIENT_PROTOCOL: i32 = 1;

/// `api_lvl` in INFO: the revision of the JetStream API that the reference release has. It is there without JetStream as
/// well.
pub const JETSTREAM_API_LEVEL: i32 = 5;
