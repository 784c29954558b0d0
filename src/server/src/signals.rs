//! What the operator tells a running server: to end, to send its clients away, to look at its files again.

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use log::{error, info};
use natrium_config::flags::Invocation;
use natrium_config::language::System;
use natrium_config::options::{Options, changes_to_start_with};
use natrium_logging::LogHandle;
use natrium_model::Timestamp;
use natrium_shards::{Acceptor, MailboxSender};
use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

use crate::monitoring::Endpoint;
use crate::server::tell_all;
use crate::shard::{Letter, Shared};
use crate::traces::Traces;

/// What signals act on.
pub(crate) struct Running<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) acceptor: &'a mut Acceptor,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) shards: &'a [MailboxSender<Letter>],
    pub(crate) log: &'a LogHandle,
    pub(crate) traces: &'a mut Traces,
    pub(crate) invocation: &'a Invocation,
    pub(crate) options: &'a Options,
    pub(crate) signals: Signals,
}

/// Signals wait here from now on, for [`Running::await_end`]: one that comes while the server still starts is not lost, and
/// does not end it with files left behind.
///
/// # Errors
/// What the system says.
pub(crate) fn listen() -> io::Result<Signals> {
    Signals::new([SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE])
}

/// Clients are being sent away.
struct LameDuck {
    since: Instant,
    /// The grace period is over.
    is_closing: bool,
}

const LAME_DUCK_POLL: Duration = Duration::from_millis(50);

impl Running<'_> {
    /// Waits for the signal that ends the server, or for the end of lame duck mode; says what the exit code is.
    pub(crate) fn await_end(&mut self) -> ExitCode {
        let mut lame_duck: Option<LameDuck> = None;
        loop {
            let caught: Vec<i32> = match &mut lame_duck {
                None => self.signals.wait().collect(),
                Some(lame_duck) => {
                    if self.lame_duck_is_over(lame_duck) {
                        return ExitCode::SUCCESS;
                    }
                    std::thread::sleep(LAME_DUCK_POLL);
                    self.signals.pending().collect()
                }
            };
            for signal in caught {
                match signal {
                    SIGINT => {
                        info!("Trapped \"interrupt\" signal");
                        return ExitCode::SUCCESS;
                    }
                    // Who is sending clients away is ending already.
                    SIGTERM if lame_duck.is_some() => info!("Trapped \"terminated\" signal"),
                    SIGTERM => {
                        info!("Trapped \"terminated\" signal");
                        return ExitCode::SUCCESS;
                    }
                    SIGUSR2 if lame_duck.is_none() => {
                        info!("Trapped \"user defined signal 2\" signal");
                        info!("Entering lame duck mode, stop accepting new clients");
                        self.endpoint.set_accepting(false);
                        self.acceptor.close();
                        if self.shared.placement.total() == 0 {
                            return ExitCode::SUCCESS;
                        }
                        tell_all(self.shards, || Letter::LameDuck);
                        lame_duck = Some(LameDuck { since: Instant::now(), is_closing: false });
                    }
                    SIGHUP => {
                        info!("Trapped \"hangup\" signal");
                        self.reload();
                    }
                    SIGUSR1 => {
                        info!("Trapped \"user defined signal 1\" signal");
                        self.log.reopen();
                    }
                    _ => {}
                }
            }
        }
    }

    /// Whether the grace period has passed and nobody is left.
    fn lame_duck_is_over(&self, lame_duck: &mut LameDuck) -> bool {
        if lame_duck.since.elapsed() < self.shared.rules.lame_duck_grace_period {
            return false;
        }
        if !std::mem::replace(&mut lame_duck.is_closing, true) {
            info!("Closing existing clients");
        }
        self.shared.placement.total() == 0
    }

    /// Reads the configuration again: logs as it says now, and leaves the pid and ports files where it says. A file that
    /// changes anything else is refused as a whole.
    fn reload(&mut self) {
        match self.try_reload() {
            Err(reason) => error!("Failed to reload server configuration: {reason}"),
            Ok(digest) => {
                info!("Reloaded server configuration ({digest})");
                self.endpoint.set_configuration(Timestamp::from_system(SystemTime::now()), digest);
            }
        }
    }

    /// Gives the digest of what is in force now.
    fn try_reload(&mut self) -> Result<String, String> {
        if self.invocation.config.as_deref().is_none_or(|path| path == Path::new("")) {
            return Err("can only reload config when a file is provided using -c or --config".to_owned());
        }
        let loaded = self.invocation.load(&System).map_err(|error| error.to_string())?;
        for warning in &loaded.warnings {
            log::warn!("{warning}");
        }
        let changes = changes_to_start_with(self.options, &loaded.options);
        if !changes.is_empty() {
            return Err(format!("config reload not supported for {}", changes.join(", ")));
        }
        let (old, new) = (&self.options.logging, &loaded.options.logging);
        if (old.trace_headers, old.traced_payload_max) != (new.trace_headers, new.traced_payload_max) {
            return Err("config reload not supported for trace_headers, max_traced_msg_len".to_owned());
        }
        self.log.reconfigure(new).map_err(|error| error.to_string())?;
        self.traces.follow(&loaded.options).map_err(|error| error.to_string())?;
        Ok(loaded.options.digest.unwrap_or_default())
    }
}
