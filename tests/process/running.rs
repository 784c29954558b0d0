//! Natrium started with nothing but a configuration file, which may send its log anywhere.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use natrium_tests::server::Launch;
use natrium_tests::wire::Connection;
use rustix::process::{Pid, Signal};
use serde_json::Value;
use tempfile::TempDir;

/// Longer than anything a healthy server takes on a machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);

/// A running server. Where it listens is in its ports file. Dropping it kills the process.
pub(crate) struct Running {
    process: Child,
    folder: TempDir,
    ports: Value,
}

impl Running {
    /// `config` may name the folder of this server as `FOLDER`.
    pub(crate) fn start(config: &str) -> Self {
        Self::start_with(config, &[])
    }

    pub(crate) fn start_with(config: &str, environment: &[(&str, &str)]) -> Self {
        let mut running = Self::begin(config, environment);
        let path = running.ports_file();
        running.await_that("its ports file", |_| path.exists());
        running.ports = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        running
    }

    /// Starts the process and waits for nothing.
    pub(crate) fn begin(config: &str, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(config, folder.path());
        command.envs(environment.iter().copied()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().unwrap();
        Self { process, folder, ports: Value::Null }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn ports_file(&self) -> PathBuf {
        ports_file(self.folder.path(), self.id())
    }

    /// The first address of a kind of listener.
    pub(crate) fn url(&self, kind: &str) -> &str {
        self.ports[kind][0].as_str().unwrap()
    }

    pub(crate) fn client(&self) -> Connection {
        let (_, address) = self.url("nats").split_once("://").unwrap();
        Connection::open(address.parse::<SocketAddr>().unwrap(), PATIENCE).unwrap()
    }

    /// Writes another configuration, for a reload.
    pub(crate) fn configure(&self, config: &str) {
        let config = config.replace("FOLDER", self.folder.path().to_str().unwrap());
        fs::write(self.path("server.conf"), config).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub(crate) fn await_that(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            assert_eq!(self.process.try_wait().unwrap(), None, "it ended before {what} was there");
            assert!(Instant::now() < deadline, "{what} did not come");
            thread::sleep(POLL);
        }
    }

    /// The exit code.
    pub(crate) fn await_end(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it still runs");
            thread::sleep(POLL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if the process has ended and was waited for already, which is the aim.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A server on a port that is free, which is not started yet.
pub(crate) fn command(config: &str, folder: &Path) -> Command {
    let launch = Launch::natrium(1).unwrap();
    let ports = folder.join("ports");
    fs::create_dir_all(&ports).unwrap();
    let config = config.replace("FOLDER", folder.to_str().unwrap());
    let file = folder.join("server.conf");
    fs::write(&file, format!("ports_file_dir: {ports:?}\n{config}\n")).unwrap();
    let mut command = Command::new(launch.binary());
    command.arg("-c").arg(file).args(&launch.flags).current_dir(folder).stdin(Stdio::null());
    command
}

fn ports_file(folder: &Path, id: u32) -> PathBuf {
    folder.join("ports").join(format!("natrium_{id}.ports"))
}
