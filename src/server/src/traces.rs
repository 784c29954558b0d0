//! The files that tell others of a running server: its number, and where it listens.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use log::{error, info};
use natrium_config::options::Options;
use natrium_process::{Ports, PortsFile, PortsFileError, Program};

use crate::monitoring::Monitor;
use crate::server::ServerError;

/// `pid_file` and `ports_file_dir` as they are in force.
pub(crate) struct Traces {
    program: Program,
    /// Scheme and address of each listener.
    clients: (&'static str, SocketAddr),
    monitoring: Option<(&'static str, SocketAddr)>,
    pid_file: Option<PathBuf>,
    ports_folder: Option<PathBuf>,
    ports_file: Option<PortsFile>,
}

impl Traces {
    /// Writes the files that `options` name.
    pub(crate) fn leave(
        options: &Options,
        program: &Program,
        clients: SocketAddr,
        monitor: Option<&Monitor>,
    ) -> Result<Self, ServerError> {
        let mut traces = Self {
            program: program.clone(),
            clients: (if options.client.tls.is_some() { "tls" } else { "nats" }, clients),
            monitoring: monitor.map(|monitor| (monitor.scheme(), monitor.address())),
            pid_file: options.pid_file.clone(),
            ports_folder: options.ports_file_dir.clone(),
            ports_file: None,
        };
        if let Some(path) = &options.pid_file {
            natrium_process::write_pid_file(path, program.pid)?;
        }
        if let Some(folder) = &options.ports_file_dir {
            traces.ports_file = Some(traces.write_ports(folder)?);
        }
        Ok(traces)
    }

    /// Writes them where a new configuration wants them. A pid file stays behind, as with the reference; the ports file
    /// does not.
    ///
    /// # Errors
    /// The new ports file cannot be written: then all is as it was.
    pub(crate) fn follow(&mut self, options: &Options) -> Result<(), ServerError> {
        if self.ports_folder != options.ports_file_dir {
            let new = options.ports_file_dir.as_deref().map(|folder| self.write_ports(folder)).transpose()?;
            self.remove_ports();
            self.ports_file = new;
            self.ports_folder.clone_from(&options.ports_file_dir);
            info!("Reloaded: ports_file_dir = {}", shown(self.ports_folder.as_deref()));
        }
        if self.pid_file != options.pid_file {
            self.pid_file.clone_from(&options.pid_file);
            if let Some(path) = &self.pid_file {
                if let Err(error) = natrium_process::write_pid_file(path, self.program.pid) {
                    error!("Failed to write pidfile: {error}");
                }
                info!("Reloaded: pid_file = {}", path.display());
            }
        }
        Ok(())
    }

    /// For the end of the server.
    pub(crate) fn remove_ports(&mut self) {
        if let Some(Err(error)) = self.ports_file.take().map(PortsFile::remove) {
            error!("{error}");
        }
    }

    fn write_ports(&self, folder: &Path) -> Result<PortsFile, ServerError> {
        let interfaces = natrium_process::interface_addresses()
            .map_err(|error: io::Error| ServerError::Io { what: "network interfaces", error })?;
        let urls = |(scheme, address)| natrium_process::listener_urls(scheme, address, &interfaces);
        let monitoring = self.monitoring.map(urls).unwrap_or_default();
        let ports = Ports { nats: urls(self.clients), monitoring, ..Ports::default() };
        PortsFile::write(folder, &self.program, &ports).map_err(PortsFileError::into)
    }
}

fn shown(path: Option<&Path>) -> String {
    path.unwrap_or(Path::new("")).display().to_string()
}
