//! All options of one server.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use natrium_model::limits;

use super::auth::AuthOptions;
use super::client::ClientOptions;
use super::features::FeatureFlags;
use super::logging::LoggingOptions;
use super::mappings::MappingOptions;
use super::monitoring::MonitoringOptions;

/// What the file and the command line say together.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// `server_name`; `None`: the server's id.
    pub server_name: Option<String>,
    /// `shards`: executors, each on a CPU; `None`: one for each CPU the process may use.
    pub shards: Option<NonZeroUsize>,
    pub client: ClientOptions,
    pub auth: AuthOptions,
    /// `mappings` of the global account.
    pub mappings: Vec<MappingOptions>,
    pub logging: LoggingOptions,
    pub monitoring: MonitoringOptions,
    /// How long clients are sent away after the grace period.
    pub lame_duck_duration: Duration,
    pub lame_duck_grace_period: Duration,
    pub pid_file: Option<PathBuf>,
    /// Folder in which a file tells the ports.
    pub ports_file_dir: Option<PathBuf>,
    /// Closed connections remembered for monitoring.
    pub max_closed_clients: usize,
    /// `server_tags`, lower case.
    pub tags: Vec<String>,
    /// `server_metadata`.
    pub metadata: BTreeMap<String, String>,
    /// Whether the matches of subjects are cached; `false` with `disable_sublist_cache`.
    pub match_cache: bool,
    /// Whether publishers rest when a receiver is behind; `false` with `no_fast_producer_stall`.
    pub publisher_rest: bool,
    /// `feature_flags`.
    pub features: FeatureFlags,
    /// `connect_error_reports`: attempts to reach a route, gateway or leaf node for the first time, of which the first
    /// failure and then every so many are logged.
    pub connect_error_reports: usize,
    /// `reconnect_error_reports`: the same after a connection was lost.
    pub reconnect_error_reports: usize,
    /// `prof_port`. There is no profiler to serve on it.
    pub profiling_port: Option<u16>,
    /// `sha256:` and hex of the configuration file's content; `None` without one.
    pub digest: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            server_name: None,
            shards: None,
            client: ClientOptions::default(),
            auth: AuthOptions::default(),
            mappings: Vec::new(),
            logging: LoggingOptions::default(),
            monitoring: MonitoringOptions::default(),
            lame_duck_duration: limits::LAME_DUCK_DURATION,
            lame_duck_grace_period: limits::LAME_DUCK_GRACE_PERIOD,
            pid_file: None,
            ports_file_dir: None,
            max_closed_clients: limits::MAX_CLOSED_CLIENTS,
            tags: Vec::new(),
            metadata: BTreeMap::new(),
            match_cache: true,
            publisher_rest: true,
            features: FeatureFlags::default(),
            connect_error_reports: limits::CONNECT_ERROR_REPORTS,
            reconnect_error_reports: limits::RECONNECT_ERROR_REPORTS,
            profiling_port: None,
            digest: None,
        }
    }
}
