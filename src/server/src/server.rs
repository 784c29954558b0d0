//! One life of the server: checks, start, signals, end.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use log::{error, info, warn};
use natrium_account::{Accounts, AuthError, Authenticator, ConnectionTypes};
use natrium_client::ClientSettings;
use natrium_config::options::Options;
use natrium_model::{CloseReason, ConnId, limits, version};
use natrium_shards::{Acceptor, HostError, LaneEnds, Mailbox, MailboxSender, Shards};
use natrium_wire::Info;
use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGTERM, SIGUSR1, SIGUSR2};

use crate::log_lines;
use crate::placement::Placement;
use crate::shard::{self, Letter, Rules, Shared};

/// Why the server could not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Authorization(#[from] AuthError),
    #[error("Error listening on port: {host}:{port}, {error:?}: {error}")]
    Listen { host: String, port: u16, error: io::Error },
    #[error("could not write pidfile {path:?}: {error}")]
    PidFile { path: std::path::PathBuf, error: io::Error },
    /// The configuration asks for something that is understood and not built yet.
    #[error("{0} is not supported yet")]
    NotYet(&'static str),
    #[error("invalid client_advertise {0:?}: expected host or host:port")]
    Advertise(String),
    #[error("{what}: {error}")]
    Io { what: &'static str, error: io::Error },
}

/// Batches a lane holds before its sender waits.
const LANE_BATCHES: usize = 64;
/// Accepted connections and other words a shard has not looked at yet.
const MAILBOX_LETTERS: usize = 4096;

/// Whether a server could be started with these options, as far as that shows without starting one.
///
/// # Errors
/// What stands in the way.
pub(crate) fn check(options: &Options) -> Result<(), ServerError> {
    refuse_not_yet(options)?;
    advertised(options)?;
    let accounts = Accounts::from_options(&options.auth)?;
    Authenticator::new(&options.auth, &accounts, ConnectionTypes::default())?;
    Ok(())
}

/// Serves clients until a signal ends it. `config` is where the options come from, for the log.
pub(crate) fn run(options: &Options, config: Option<&Path>) -> Result<ExitCode, ServerError> {
    let started = Instant::now();
    refuse_not_yet(options)?;
    let flush = log_lines::start(&options.logging).map_err(|error| ServerError::Io { what: "log", error })?;
    let outcome = serve(options, config, started);
    if let Err(error) = &outcome {
        error!("{error}");
    }
    flush.flush();
    outcome
}

fn refuse_not_yet(options: &Options) -> Result<(), ServerError> {
    let has_mappings = !options.mappings.is_empty()
        || options.auth.accounts.iter().any(|account| !account.mappings.is_empty());
    let asked = [
        (options.client.tls.is_some(), "tls"),
        (options.monitoring.http.is_some() || options.monitoring.https.is_some(), "monitoring (http, https)"),
        (options.logging.file.is_some(), "log_file"),
        (options.logging.syslog || options.logging.remote_syslog.is_some(), "syslog"),
        (options.ports_file_dir.is_some(), "ports_file_dir"),
        (has_mappings, "mappings"),
    ];
    match asked.into_iter().find(|(is_asked, _)| *is_asked) {
        Some((_, what)) => Err(ServerError::NotYet(what)),
        None => Ok(()),
    }
}

fn serve(options: &Options, config: Option<&Path>, started: Instant) -> Result<ExitCode, ServerError> {
    let cpus = natrium_shards::allowed_cpus().map_err(|error| ServerError::Io { what: "CPUs", error })?;
    let shards = options.shards.map_or(cpus.len(), usize::from).clamp(1, natrium_broker::SHARDS_MAX);
    natrium_shards::check_host(shards)?;
    let server_id = nkeys::KeyPair::new_server().public_key();
    let name = options.server_name.clone().unwrap_or_else(|| server_id.clone());
    info!("Starting nats-server");
    info!("  Version:  {} (natrium {})", version::REFERENCE, version::NATRIUM);
    info!("  Name:     {name}");
    info!("  Shards:   {shards}");
    info!("  ID:       {server_id}");
    if let Some(path) = config {
        let digest = options.digest.as_deref().unwrap_or_default();
        info!("Using configuration file: {} ({digest})", path.display());
    }
    let accounts = Accounts::from_options(&options.auth)?;
    let authenticator = Authenticator::new(&options.auth, &accounts, ConnectionTypes::default())?;
    if authenticator.has_clear_passwords() {
        warn!("Plaintext passwords detected, use nkeys or bcrypt");
    }
    let mut acceptor = listen(options)?;
    let settings = settings(options, &server_id, &name, acceptor.address(), &authenticator)?;
    let shared = Arc::new(Shared {
        shards,
        settings: Arc::new(settings),
        accounts,
        authenticator,
        placement: Placement::new(shards),
        rules: Rules::of(options),
    });
    let seeds: Vec<u64> = (0..shards).map(|_| fresh_seed()).collect();
    let (senders, mailboxes): (Vec<_>, Vec<_>) =
        (0..shards).map(|_| natrium_shards::mailbox::<Letter>(MAILBOX_LETTERS)).unzip();
    let running = start_shards(&shared, &cpus, mailboxes, seeds)?;
    info!("Listening for client connections on {}", acceptor.address());
    accept_into(&mut acceptor, Arc::clone(&shared), senders.clone(), options.client.max_connections)?;
    if let Some(path) = &options.pid_file {
        std::fs::write(path, std::process::id().to_string())
            .map_err(|error| ServerError::PidFile { path: path.clone(), error })?;
    }
    info!("Server is ready");
    log::debug!("Server was ready {:?} after its start", started.elapsed());
    let code = await_end(&shared, &mut acceptor, &senders);
    acceptor.close();
    info!("Initiating Shutdown...");
    tell_all(&senders, || Letter::Shutdown);
    running.join().map_err(|error| ServerError::Io { what: "shards", error })?;
    if let Some(path) = &options.pid_file {
        // Whoever removed it already did what is wanted.
        let _ = std::fs::remove_file(path);
    }
    info!("Server Exiting..");
    Ok(code)
}

fn listen(options: &Options) -> Result<Acceptor, ServerError> {
    let listen = &options.client.listen;
    let failed = |error| ServerError::Listen { host: listen.host.clone(), port: listen.port, error };
    let address = (listen.host.as_str(), listen.port).to_socket_addrs().map_err(failed)?.next();
    let address = address.ok_or_else(|| failed(io::ErrorKind::AddrNotAvailable.into()))?;
    Acceptor::bind(address).map_err(failed)
}

/// Host and port that INFO tells where `client_advertise` does; without a port, the listener's own is meant.
fn advertised(options: &Options) -> Result<Option<(String, Option<u16>)>, ServerError> {
    let Some(text) = &options.client.advertise else { return Ok(None) };
    let invalid = || ServerError::Advertise(text.clone());
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or_else(invalid)?,
        None => text.split_at(text.rfind(':').unwrap_or(text.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => Some(port.parse().map_err(|_| invalid())?),
        None if port.is_empty() => None,
        None => return Err(invalid()),
    };
    // 0 and less stand for the listener's port in the reference.
    Ok(Some((host.to_owned(), port.filter(|&port| port != 0))))
}

fn settings(
    options: &Options,
    server_id: &str,
    name: &str,
    address: SocketAddr,
    authenticator: &Authenticator,
) -> Result<ClientSettings, ServerError> {
    let client = &options.client;
    let (host, port) = advertised(options)?.unwrap_or_else(|| (client.listen.host.clone(), None));
    let info = Info {
        server_id: server_id.to_owned(),
        server_name: name.to_owned(),
        version: version::REFERENCE.to_owned(),
        proto: version::CLIENT_PROTOCOL,
        git_commit: "natrium".to_owned(),
        go: concat!("natrium/", env!("CARGO_PKG_VERSION")).to_owned(),
        host,
        port: i32::from(port.unwrap_or(address.port())),
        headers: client.headers,
        auth_required: authenticator.auth_required(),
        api_lvl: version::JETSTREAM_API_LEVEL,
        max_payload: i32::try_from(client.max_payload).unwrap_or(i32::MAX),
        ..Info::default()
    };
    Ok(ClientSettings {
        info,
        max_control_line: client.max_control_line,
        max_payload: client.max_payload,
        max_subscriptions: client.max_subscriptions,
        max_subscription_tokens: client.max_subscription_tokens,
        ping_interval: client.ping_interval,
        ping_max: client.ping_max,
        auth_timeout: options.auth.timeout.unwrap_or(limits::AUTH_TIMEOUT),
        auth_required: authenticator.auth_required(),
        no_auth_user: options.auth.no_auth_user.is_some(),
        headers: client.headers,
        proxy_protocol: client.proxy_protocol,
        traced_payload_max: options.logging.traced_payload_max,
        trace_headers_only: options.logging.trace_headers,
    })
}

/// One shard for each; with more shards than CPUs they share.
fn start_shards(
    shared: &Arc<Shared>,
    cpus: &[usize],
    mailboxes: Vec<Mailbox<Letter>>,
    seeds: Vec<u64>,
) -> Result<Shards, ServerError> {
    type Seat = (LaneEnds<natrium_broker::Batch>, Mailbox<Letter>, u64);
    let lanes = natrium_shards::lanes(shared.shards, LANE_BATCHES);
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
    max_connections: Option<usize>,
) -> Result<(), ServerError> {
    let last_id = AtomicU64::new(0);
    let accepted = move |socket: socket2::Socket, address: SocketAddr| {
        let id = ConnId(last_id.fetch_add(1, Ordering::Relaxed) + 1);
        let is_full = max_connections.is_some_and(|max| shared.placement.total() >= max);
        let refused = is_full.then_some(CloseReason::MaxConnectionsExceeded);
        if is_full {
            error!("{address} - cid:{id} - maximum connections exceeded");
        }
        let shard = shared.placement.enter();
        // A full box drops the connection: the client sees it closed and tries again.
        if senders[shard].send(Letter::Accepted { socket, address, id, refused }).is_err() {
            shared.placement.leave(shard);
            error!("{address} - cid:{id} - shard {shard} is too busy to take a connection");
        }
    };
    let failed =
        |error: io::Error, rest| error!("Temporary Client Accept Error ({error}), sleeping {rest:?}");
    acceptor.start(accepted, failed).map_err(|error| ServerError::Io { what: "accept", error })
}

/// Hands every shard a letter, waiting for room where there is none.
fn tell_all(senders: &[MailboxSender<Letter>], letter: impl Fn() -> Letter) {
    for sender in senders {
        let mut letter = letter();
        while let Err(back) = sender.send(letter) {
            letter = back;
            std::thread::yield_now();
        }
    }
}

/// Waits for the signal that ends the server, or for the end of lame duck mode; says what the exit code is.
fn await_end(shared: &Shared, acceptor: &mut Acceptor, senders: &[MailboxSender<Letter>]) -> ExitCode {
    let Ok(mut signals) =
        signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE])
    else {
        error!("signals cannot be received");
        return ExitCode::FAILURE;
    };
    let mut lame_duck_since: Option<Instant> = None;
    loop {
        let caught: Vec<i32> = match lame_duck_since {
            None => signals.wait().collect(),
            Some(since) => {
                if since.elapsed() >= shared.rules.lame_duck_grace_period && shared.placement.total() == 0 {
                    return ExitCode::SUCCESS;
                }
                std::thread::sleep(LAME_DUCK_POLL);
                signals.pending().collect()
            }
        };
        for signal in caught {
            match signal {
                // As the reference has it: an interrupt is a wish, a termination a failure of whoever ran us.
                SIGINT => {
                    info!("Trapped \"interrupt\" signal");
                    return ExitCode::SUCCESS;
                }
                SIGTERM => {
                    info!("Trapped \"terminated\" signal");
                    return ExitCode::FAILURE;
                }
                SIGUSR2 if lame_duck_since.is_none() => {
                    info!("Entering lame duck mode, stop accepting new clients");
                    acceptor.close();
                    tell_all(senders, || Letter::LameDuck);
                    lame_duck_since = Some(Instant::now());
                }
                SIGHUP => warn!("reload is not supported yet: the configuration stays as it is"),
                SIGUSR1 => warn!("there is no log file to open again"),
                _ => {}
            }
        }
    }
}

const LAME_DUCK_POLL: std::time::Duration = std::time::Duration::from_millis(50);

/// From the operating system's randomness, which `RandomState` is seeded with.
fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}
