//! One life of the server: checks, start, signals, end.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use log::{error, info, warn};
use natrium_account::{Accounts, AuthError, Authenticator};
use natrium_config::flags::Invocation;
use natrium_config::options::Options;
use natrium_config::options::features::{self, FeatureFlags};
use natrium_logging::{FATAL, LogHandle, Logger, LoggingError, Repeats};
use natrium_model::{CloseReason, ConnId, Timestamp, version};
use natrium_process::{PidFileError, PortsFileError, Program};
use natrium_shards::{Acceptor, HostError, LaneEnds, Mailbox, MailboxSender, Shards};
use natrium_tls::TlsError;

use crate::account_mappings::{AccountMappingError, AccountMappings};
use crate::client_settings::{self, Identity};
use crate::client_tls::{self, ClientTls};
use crate::monitoring::{Endpoint, Monitor, MonitorError, ServerFacts};
use crate::placement::Placement;
use crate::shard::{self, Letter, Rules, Shared};
use crate::signals::{self, Running};
use crate::traces::Traces;

/// Why the server could not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Authorization(#[from] AuthError),
    #[error(transparent)]
    Mapping(#[from] AccountMappingError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("Error listening on port: {host}:{port}, {error:?}: {error}")]
    Listen { host: String, port: u16, error: io::Error },
    #[error(transparent)]
    Logging(#[from] LoggingError),
    #[error(transparent)]
    PidFile(#[from] PidFileError),
    #[error(transparent)]
    PortsFile(#[from] PortsFileError),
    #[error("{0:?} is not supported yet")]
    NotYet(&'static str),
    #[error("invalid client_advertise {0:?}: expected host or host:port")]
    Advertise(String),
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    #[error("{what}: {error}")]
    Io { what: &'static str, error: io::Error },
}

/// Batches a lane holds before its sender waits, and bytes: with what the sender has staged, far less than a receiver may
/// have pending, so that one that was not scheduled for a while is not given up for what comes at once.
const LANE_BATCHES: usize = 64;
const LANE_BYTES: usize = 2 * 1024 * 1024;
/// Accepted connections and other words a shard has not looked at yet.
const MAILBOX_LETTERS: usize = 4096;

/// Whether a server could be started with these options, as far as that shows without starting one.
///
/// # Errors
/// What stands in the way.
pub(crate) fn check(options: &Options) -> Result<(), ServerError> {
    check_support(options)?;
    client_settings::advertised(options)?;
    ClientTls::load(&options.client)?;
    let accounts = Accounts::from_options(&options.auth)?;
    Authenticator::new(&options.auth, &accounts, client_settings::certificate_types(options))?;
    AccountMappings::of(options, &accounts)?;
    Ok(())
}

/// Refuses what the options may say and no part of this server can do.
fn check_support(options: &Options) -> Result<(), ServerError> {
    if options.profiling_port.is_some() {
        return Err(ServerError::NotYet("prof_port"));
    }
    Ok(())
}

/// Serves clients until a signal ends it. `invocation` is where the options come from.
///
/// # Errors
/// What kept the server from starting, or ended it; the log has it too.
pub(crate) fn run(invocation: &Invocation, options: &Options) -> Result<ExitCode, ServerError> {
    let started = Instant::now();
    let program = Program::current();
    let log = Logger::start(&options.logging, &program)?;
    let outcome = serve(invocation, options, &program, &log, started);
    if let Err(error) = &outcome {
        error!(target: FATAL, "{error}");
    }
    log.flush();
    outcome
}

fn serve(
    invocation: &Invocation,
    options: &Options,
    program: &Program,
    log: &LogHandle,
    started: Instant,
) -> Result<ExitCode, ServerError> {
    check_support(options)?;
    let cpus = natrium_shards::allowed_cpus().map_err(|error| ServerError::Io { what: "CPUs", error })?;
    let shards = options.shards.map_or(cpus.len(), usize::from).clamp(1, natrium_broker::SHARDS_MAX);
    natrium_shards::check_host(shards)?;
    let signals = signals::listen().map_err(|error| ServerError::Io { what: "signals", error })?;
    let id = nkeys::KeyPair::new_server().public_key();
    let name = options.server_name.clone().unwrap_or_else(|| id.clone());
    let identity = Identity { id, name };
    info!("Starting nats-server");
    info!("  Version:  {} (natrium {})", version::REFERENCE, version::NATRIUM);
    info!("  Name:     {}", identity.name);
    info!("  Shards:   {shards}");
    info!("  ID:       {}", identity.id);
    tell_features(&options.features);
    if let Some(path) = &invocation.config {
        let digest = options.digest.as_deref().unwrap_or_default();
        info!("Using configuration file: {} ({digest})", path.display());
    }
    let accounts = Accounts::from_options(&options.auth)?;
    let authenticator =
        Authenticator::new(&options.auth, &accounts, client_settings::certificate_types(options))?;
    let mappings = AccountMappings::of(options, &accounts)?;
    let tls = ClientTls::load(&options.client)?;
    if authenticator.has_clear_passwords() {
        warn!("Plaintext passwords detected, use nkeys or bcrypt");
    }
    let mut acceptor = listen(options)?;
    let mut monitor = Monitor::bind(&options.monitoring)?;
    let address = acceptor.address();
    let settings = client_settings::settings(options, &identity, address, &authenticator, tls.as_ref())?;
    let seeds: Vec<u64> = (0..shards).map(|_| fresh_seed()).collect();
    let (senders, mailboxes): (Vec<_>, Vec<_>) =
        (0..shards).map(|_| natrium_shards::mailbox::<Letter>(MAILBOX_LETTERS)).unzip();
    let facts = ServerFacts {
        info: &settings.info,
        client_port: address.port(),
        accounts: &accounts,
        mappings: &mappings,
        started: Timestamp::from_system(SystemTime::now()),
        certificate_end: tls.as_ref().and_then(|tls| tls.listener.not_after),
        cores: cpus.len(),
    };
    let endpoint =
        Arc::new(Endpoint::new(options, &facts, senders.clone(), client_tls::for_monitoring(options)?));
    let shared = Arc::new(Shared {
        shards,
        settings: Arc::new(settings),
        accounts,
        mappings,
        authenticator,
        placement: Placement::new(shards),
        rules: Rules::of(options),
        tls,
    });
    let running = start_shards(&shared, &cpus, mailboxes, seeds)?;
    if let Some(monitor) = &mut monitor {
        monitor.start(Arc::clone(&endpoint))?;
    }
    info!("Listening for client connections on {}", acceptor.address());
    client_tls::tell(&options.client);
    accept_into(&mut acceptor, Arc::clone(&shared), senders.clone(), options.client.max_connections)?;
    let mut traces = Traces::leave(options, program, acceptor.address(), monitor.as_ref())?;
    endpoint.set_accepting(true);
    info!("Server is ready");
    log::debug!("Server was ready {:?} after its start", started.elapsed());
    let mut steered = Running {
        shared: &shared,
        acceptor: &mut acceptor,
        endpoint: &endpoint,
        shards: &senders,
        log,
        traces: &mut traces,
        invocation,
        options,
        signals,
    };
    let code = steered.await_end();
    endpoint.set_accepting(false);
    acceptor.close();
    info!("Initiating Shutdown...");
    if let Some(mut monitor) = monitor {
        monitor.close();
    }
    tell_all(&senders, || Letter::Shutdown);
    running.join().map_err(|error| ServerError::Io { what: "shards", error })?;
    traces.remove_ports();
    info!("Server Exiting..");
    Ok(code)
}

/// Names the flags that are configured, and those that do nothing.
fn tell_features(flags: &FeatureFlags) {
    if flags.0.is_empty() {
        return;
    }
    info!("  Feature flags:");
    info!("    Configured:    {}", flags.configured(&features::KNOWN));
    let unsupported = flags.unsupported(&features::KNOWN);
    if !unsupported.is_empty() {
        info!("    Unsupported:   {unsupported}");
    }
}

fn listen(options: &Options) -> Result<Acceptor, ServerError> {
    let listen = &options.client.listen;
    let failed = |error| ServerError::Listen { host: listen.host.clone(), port: listen.port, error };
    let address = (listen.host.as_str(), listen.port).to_socket_addrs().map_err(failed)?.next();
    let address = address.ok_or_else(|| failed(io::ErrorKind::AddrNotAvailable.into()))?;
    Acceptor::bind(address).map_err(failed)
}

/// One shard for each; with more shards than CPUs they share.
fn start_shards(
    shared: &Arc<Shared>,
    cpus: &[usize],
    mailboxes: Vec<Mailbox<Letter>>,
    seeds: Vec<u64>,
) -> Result<Shards, ServerError> {
    type Seat = (LaneEnds<natrium_broker::Batch>, Mailbox<Letter>, u64);
    let lanes = natrium_shards::lanes(shared.shards, LANE_BATCHES, LANE_BYTES);
    let seats: Vec<Seat> = lanes.into_iter().zip(mailboxes).zip(seeds).map(|((a, b), c)| (a, b, c)).collect();
    // Each shard takes its seat once, on its own thread.
    let seats: Arc<[std::sync::Mutex<Option<Seat>>]> =
        seats.into_iter().map(|seat| std::sync::Mutex::new(Some(seat))).collect();
    let cpus: Vec<usize> = (0..shared.shards).map(|shard| cpus[shard % cpus.len()]).collect();
    let shared = Arc::clone(shared);
    Shards::start(&cpus, move |index| {
        let seat = seats[index].lock().ok().and_then(|mut seat| seat.take());
        let shared = Arc::clone(&shared);
        async move {
            let (lanes, mailbox, seed) = seat.expect("a shard starts once");
            shard::run(index, shared, lanes, mailbox, seed).await;
        }
    })
    .map_err(|error| ServerError::Io { what: "shards", error })
}

fn accept_into(
    acceptor: &mut Acceptor,
    shared: Arc<Shared>,
    senders: Vec<MailboxSender<Letter>>,
    max_connections: usize,
) -> Result<(), ServerError> {
    let last_id = AtomicU64::new(0);
    let mut repeats = Repeats::default();
    let accepted = move |socket: socket2::Socket, address: SocketAddr| {
        let id = ConnId(last_id.fetch_add(1, Ordering::Relaxed) + 1);
        let is_full = shared.placement.total() >= max_connections;
        let refused = is_full.then_some(CloseReason::MaxConnectionsExceeded);
        if is_full && repeats.is_news("maximum connections exceeded", Instant::now()) {
            error!("{address} - cid:{id} - maximum connections exceeded");
        }
        let shard = shared.placement.enter();
        // A full box drops the connection: the client sees it closed and tries again.
        if senders[shard].send(Letter::Accepted { socket, address, id, refused }).is_err() {
            shared.placement.leave(shard);
            if repeats.is_news("shard is too busy", Instant::now()) {
                error!("{address} - cid:{id} - shard {shard} is too busy to take a connection");
            }
        }
    };
    let failed =
        |error: io::Error, rest| error!("Temporary Client Accept Error ({error}), sleeping {rest:?}");
    acceptor.start(accepted, failed).map_err(|error| ServerError::Io { what: "accept", error })
}

/// Hands every shard a letter, waiting for room where there is none.
pub(crate) fn tell_all(senders: &[MailboxSender<Letter>], letter: impl Fn() -> Letter) {
    for sender in senders {
        let mut letter = letter();
        while let Err(back) = sender.send(letter) {
            letter = back;
            std::thread::yield_now();
        }
    }
}

/// From the operating system's randomness, which `RandomState` is seeded with.
fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}
