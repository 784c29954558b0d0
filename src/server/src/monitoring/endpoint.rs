//! What of the endpoint is the same for all requests.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use natrium_account::{Account, Accounts};
use natrium_config::options::Options;
use natrium_config::options::client::WriteTimeout;
use natrium_config::options::features;
use natrium_model::{AccountId, Timestamp, limits};
use natrium_monitor::{
    AccountCounters, AccountSnapshot, BasePath, Listener, MappedTo, Process, RequestStats, ServerSnapshot,
};
use natrium_shards::MailboxSender;
use natrium_subject::{Destination, Mappings};
use natrium_wire::Info;
use rustls::ServerConfig;

use crate::account_mappings::AccountMappings;
use crate::client_settings;
use crate::shard::Letter;

/// The endpoint's place, the shards it asks, and what never changes of what it shows.
pub(crate) struct Endpoint {
    pub(super) base: BasePath,
    pub(super) shards: Vec<MailboxSender<Letter>>,
    /// Without what differs from request to request.
    server: ServerSnapshot,
    /// Without their counters.
    accounts: Vec<AccountSnapshot>,
    accepting: AtomicBool,
    configuration: Mutex<Configuration>,
    /// What HTTPS is spoken with; `None`: HTTP.
    pub(super) tls: Option<Arc<ServerConfig>>,
}

/// What an endpoint shows of the server besides its options.
pub(crate) struct ServerFacts<'a> {
    pub(crate) info: &'a Info,
    pub(crate) client_port: u16,
    pub(crate) accounts: &'a Accounts,
    pub(crate) mappings: &'a AccountMappings,
    pub(crate) started: Timestamp,
    /// When the certificate that clients see ends.
    pub(crate) certificate_end: Option<natrium_model::UnixSeconds>,
    /// CPUs the process may use.
    pub(crate) cores: usize,
}

/// The configuration in force.
struct Configuration {
    loaded_at: Timestamp,
    digest: String,
}

/// What is to be known once a request is there.
pub(super) struct Moment {
    pub(super) now: Timestamp,
    pub(super) process: Process,
    pub(super) requests: RequestStats,
}

impl Endpoint {
    /// `shards` are all shards' mailboxes, in their order; there is at least one. With `tls`, the endpoint speaks HTTPS.
    pub(crate) fn new(
        options: &Options,
        facts: &ServerFacts<'_>,
        shards: Vec<MailboxSender<Letter>>,
        tls: Option<Arc<ServerConfig>>,
    ) -> Self {
        Self {
            base: BasePath::new(options.monitoring.base_path.as_deref().unwrap_or_default()),
            shards,
            server: server(options, facts),
            accounts: accounts(facts),
            accepting: AtomicBool::new(false),
            configuration: Mutex::new(Configuration {
                loaded_at: facts.started,
                digest: options.digest.clone().unwrap_or_default(),
            }),
            tls,
        }
    }

    /// Whether clients are let in: without that, the server is not healthy.
    pub(crate) fn set_accepting(&self, accepting: bool) {
        self.accepting.store(accepting, Ordering::Relaxed);
    }

    /// The configuration was read again, and is in force since.
    pub(crate) fn set_configuration(&self, loaded_at: Timestamp, digest: String) {
        *self.configuration.lock().unwrap_or_else(PoisonError::into_inner) =
            Configuration { loaded_at, digest };
    }

    pub(super) fn first_shard(&self) -> &MailboxSender<Letter> {
        &self.shards[0]
    }

    pub(super) fn cores(&self) -> usize {
        self.server.process.cores
    }

    pub(super) fn program(&self) -> &str {
        &self.server.process.program
    }

    pub(super) fn server(&self, moment: Moment) -> ServerSnapshot {
        let Moment { now, process, requests } = moment;
        let ready = self.accepting.load(Ordering::Relaxed);
        let configuration = self.configuration.lock().unwrap_or_else(PoisonError::into_inner);
        ServerSnapshot {
            now,
            process,
            requests,
            ready,
            config_loaded_at: configuration.loaded_at,
            config_digest: configuration.digest.clone(),
            ..self.server.clone()
        }
    }

    /// All accounts, each with what `counters` says of it: by place among the accounts.
    pub(super) fn accounts(&self, counters: &[AccountCounters]) -> Vec<AccountSnapshot> {
        let with_counters = |(account, counters): (&AccountSnapshot, &AccountCounters)| AccountSnapshot {
            counters: *counters,
            ..account.clone()
        };
        self.accounts.iter().zip(counters).map(with_counters).collect()
    }
}

fn server(options: &Options, facts: &ServerFacts<'_>) -> ServerSnapshot {
    let ServerFacts { info, started, .. } = *facts;
    ServerSnapshot {
        id: info.server_id.clone(),
        name: info.server_name.clone(),
        git_commit: info.git_commit.clone(),
        toolchain: info.go.clone(),
        client: Listener {
            host: options.client.listen.host.clone(),
            port: facts.client_port,
            auth_required: info.auth_required,
            tls_required: info.tls_required,
            tls_verify: info.tls_verify,
            tls_cert_not_after: facts.certificate_end,
        },
        ip: info.ip.clone(),
        connect_urls: info.connect_urls.clone(),
        options: shown_options(options),
        features: options.features.merged(&features::KNOWN),
        start: started,
        now: started,
        config_loaded_at: started,
        config_digest: String::new(),
        process: Process {
            memory_bytes: 0,
            cpu_percent: 0.0,
            cpu_time: std::time::Duration::ZERO,
            cores: facts.cores,
            program: std::env::args().next().unwrap_or_default(),
        },
        requests: RequestStats::default(),
        system_account: facts
            .accounts
            .system()
            .and_then(|id| facts.accounts.get(id))
            .map(|account| account.name().to_string()),
        ready: false,
    }
}

fn shown_options(options: &Options) -> natrium_monitor::Options {
    let client = &options.client;
    let monitoring = &options.monitoring;
    let listen = monitoring.http.as_ref().or(monitoring.https.as_ref());
    let none_is_zero = |max: Option<usize>| max.map_or(0, |max| max as u64);
    natrium_monitor::Options {
        // The reference keeps "nobody" as less than nothing.
        max_connections: match client.max_connections {
            0 => -1,
            max => i64::try_from(max).unwrap_or(i64::MAX),
        },
        max_subscriptions: none_is_zero(client.max_subscriptions),
        ping_interval: client.ping_interval,
        ping_max: client.ping_max,
        http_host: listen.map(|listen| listen.host.clone()).unwrap_or_default(),
        http_port: monitoring.http.as_ref().map_or(0, |listen| configured_port(listen.port)),
        http_base_path: monitoring.base_path.clone().unwrap_or_default(),
        https_port: monitoring.https.as_ref().map_or(0, |listen| configured_port(listen.port)),
        auth_timeout: client_settings::auth_timeout(options),
        max_control_line: client.max_control_line as u64,
        max_payload: client.max_payload as u64,
        max_pending: client.max_pending as u64,
        tls_timeout: client.tls.as_ref().map_or(limits::TLS_TIMEOUT, |tls| tls.timeout),
        write_deadline: client.write_deadline,
        write_timeout: match client.write_timeout {
            WriteTimeout::Default => "",
            WriteTimeout::Close => "close",
            WriteTimeout::Retry => "retry",
        },
        tags: options.tags.clone(),
        metadata: options.metadata.clone(),
        trusted_proxies: None,
    }
}

/// As the reference shows it: -1 stands for any port that was free.
fn configured_port(port: u16) -> i32 {
    if port == 0 { -1 } else { i32::from(port) }
}

fn accounts(facts: &ServerFacts<'_>) -> Vec<AccountSnapshot> {
    let snapshot = |(id, account): (AccountId, &Account)| {
        let name = account.name().to_string();
        AccountSnapshot {
            id,
            name_tag: name.clone(),
            mappings: facts.mappings.of_account(id).map(mapped).unwrap_or_default(),
            name,
            updated: facts.started,
            counters: AccountCounters::default(),
        }
    };
    facts.accounts.iter().map(snapshot).collect()
}

fn mapped(mappings: &Mappings) -> Vec<(String, Vec<MappedTo>)> {
    let destination = |to: Destination<'_>| MappedTo {
        subject: to.subject.to_owned(),
        weight: to.weight,
        cluster: to.cluster.unwrap_or_default().to_owned(),
    };
    let source = |source: &[u8]| String::from_utf8_lossy(source).into_owned();
    mappings.iter().map(|(from, to)| (source(from), to.map(destination).collect())).collect()
}
