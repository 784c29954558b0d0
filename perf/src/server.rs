//! A server under test as a child process: started, watched through /proc, ended by its id.

use std::fs;
use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustls::ClientConfig;

use crate::client::Client;
use crate::error::{RigError, STALL_SECONDS};
use crate::tls::Certificate;

pub(crate) struct Server {
    process: Child,
    port: u16,
    tls: Option<Arc<ClientConfig>>,
    started_in: Duration,
    /// What it writes to its error stream.
    log: fs::File,
}

/// Which server, and how it is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    Reference { binary: PathBuf },
    Natrium { binary: PathBuf, shards: u32 },
}

impl Variant {
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Reference { .. } => "nats-server".to_owned(),
            Self::Natrium { shards: 1, .. } => "natrium, 1 shard".to_owned(),
            Self::Natrium { shards, .. } => format!("natrium, {shards} shards"),
        }
    }

    pub(crate) fn is_reference(&self) -> bool {
        match self {
            Self::Reference { .. } => true,
            Self::Natrium { .. } => false,
        }
    }

    fn command(&self) -> Command {
        match self {
            Self::Reference { binary } => Command::new(binary),
            Self::Natrium { binary, shards } => {
                let mut command = Command::new(binary);
                command.args(["--shards", &shards.to_string()]);
                command
            }
        }
    }

    fn binary(&self) -> &Path {
        match self {
            Self::Reference { binary } | Self::Natrium { binary, .. } => binary,
        }
    }
}

impl Server {
    /// Starts `variant` on a free loopback port and returns at its first INFO.
    pub(crate) fn start(variant: &Variant, certificate: Option<&Certificate>) -> Result<Self, RigError> {
        let port = free_port().map_err(RigError::io("looking for a free port"))?;
        let mut command = variant.command();
        command.args(["-a", "127.0.0.1", "-p", &port.to_string()]);
        if let Some(certificate) = certificate {
            command.arg("--tls");
            command.arg("--tlscert").arg(certificate.chain_path());
            command.arg("--tlskey").arg(certificate.key_path());
        }
        let log = tempfile::tempfile().map_err(RigError::io("making a file for the log"))?;
        let errors = log.try_clone().map_err(RigError::io("making a file for the log"))?;
        let began = Instant::now();
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .map_err(RigError::io("starting a server"))?;
        let tls = certificate.map(Certificate::client_config).transpose()?;
        let mut server = Self { process, port, tls, started_in: Duration::ZERO, log };
        server.await_info(variant, began)?;
        server.started_in = began.elapsed();
        Ok(server)
    }

    fn await_info(&mut self, variant: &Variant, began: Instant) -> Result<(), RigError> {
        loop {
            if let Ok(mut socket) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) {
                let mut first = [0];
                socket.read_exact(&mut first).map_err(RigError::io("awaiting INFO"))?;
                return Ok(());
            }
            if self.process.try_wait().map_err(RigError::io("looking after a server"))?.is_some() {
                return Err(RigError::Ended {
                    binary: variant.binary().to_owned(),
                    last_words: self.last_words(),
                });
            }
            if began.elapsed() > Duration::from_secs(STALL_SECONDS) {
                return Err(RigError::Silent { binary: variant.binary().to_owned() });
            }
            thread::sleep(START_POLL);
        }
    }

    /// The last line of its log, for a scenario that failed. The position in the file is shared with the server, so it is
    /// read by offset.
    pub(crate) fn last_words(&self) -> String {
        let length = self.log.metadata().map_or(0, |metadata| metadata.len());
        let mut tail = vec![0; length.min(4096) as usize];
        match self.log.read_exact_at(&mut tail, length.saturating_sub(4096)) {
            Ok(()) => {
                let text = String::from_utf8_lossy(&tail);
                text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no word").to_owned()
            }
            Err(error) => format!("its log cannot be read: {error}"),
        }
    }

    pub(crate) fn connect(&self) -> Result<Client, RigError> {
        Client::connect(self.port, self.tls.as_ref())
    }

    /// From exec to the first byte of INFO.
    pub(crate) fn started_in(&self) -> Duration {
        self.started_in
    }

    /// CPU time of all threads, as the scheduler counts it: nanoseconds where `stat` has hundredths of a second.
    pub(crate) fn cpu_time(&self) -> Result<Duration, RigError> {
        let mut nanoseconds = 0;
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process.id()));
        for task in tasks.map_err(RigError::io("listing the server's threads"))? {
            let path = task.map_err(RigError::io("listing the server's threads"))?.path().join("schedstat");
            // A thread may end between the listing and the reading.
            let Ok(figures) = fs::read_to_string(path) else { continue };
            let first = figures.split_ascii_whitespace().next();
            nanoseconds += first.and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Resident memory in bytes, read until it changes no more: a collector or a freeing thread may be at work.
    pub(crate) fn resident_bytes(&self) -> Result<u64, RigError> {
        let deadline = Instant::now() + SETTLE_AT_MOST;
        let mut last = self.resident_now()?;
        loop {
            thread::sleep(SETTLE_POLL);
            let now = self.resident_now()?;
            if now.abs_diff(last) * 200 <= last || Instant::now() > deadline {
                return Ok(now);
            }
            last = now;
        }
    }

    pub(crate) fn resident_now(&self) -> Result<u64, RigError> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))
            .map_err(RigError::io("reading the server's memory"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        Ok(kib.unwrap_or(0) * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.process.try_wait() {
            let asked = kill_process(Pid::from_child(&self.process), Signal::TERM);
            let deadline = Instant::now() + STOP_AT_MOST;
            while asked.is_ok() && Instant::now() < deadline {
                if let Ok(Some(_)) = self.process.try_wait() {
                    return;
                }
                thread::sleep(START_POLL);
            }
            // Neither call can fail for a child that was not yet waited for.
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Fine enough to tell a start of 5 ms from one of 6.
const START_POLL: Duration = Duration::from_micros(200);
const SETTLE_POLL: Duration = Duration::from_millis(100);
const SETTLE_AT_MOST: Duration = Duration::from_secs(3);
const STOP_AT_MOST: Duration = Duration::from_secs(15);
