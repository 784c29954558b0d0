//! `ports_file_dir`: where a server listens, for harnesses that start it on free ports.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{Program, reason};

/// URLs of each kind of listener; a list that is empty is left out of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ports {
    /// `nats://` or `tls://`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nats: Vec<String>,
    /// `http://` or `https://`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub monitoring: Vec<String>,
    /// `nats://` or `tls://`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub profile: Vec<String>,
    /// `ws://` or `wss://`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub websocket: Vec<String>,
}

/// The file of a running server. It stays until [`PortsFile::remove`]: dropping the value leaves it.
#[derive(Debug)]
pub struct PortsFile {
    path: PathBuf,
}

impl PortsFile {
    /// Writes `FOLDER/NAME_PID.ports`. A harness that waits for the name to appear never reads half a file: it is
    /// written under another name and renamed.
    ///
    /// # Errors
    /// If the file cannot be written; the message is the reference's.
    pub fn write(folder: &Path, program: &Program, ports: &Ports) -> Result<Self, PortsFileError> {
        let path = folder.join(format!("{}_{}.ports", program.name, program.pid));
        let text = serde_json::to_vec(ports).expect("lists of strings are JSON");
        let unfinished = path.with_extension("ports.tmp");
        let written = fs::write(&unfinished, text).and_then(|()| fs::rename(&unfinished, &path));
        match written {
            Ok(()) => Ok(Self { path }),
            Err(source) => {
                // It may not exist; the error that matters is the one above.
                let _ = fs::remove_file(&unfinished);
                Err(PortsFileError::Write { path, source })
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// For the end of the server, and for a reload that names another folder.
    ///
    /// # Errors
    /// If the file cannot be removed; the message is the reference's.
    pub fn remove(self) -> Result<(), PortsFileError> {
        let Self { path } = self;
        fs::remove_file(&path).map_err(|source| PortsFileError::Remove { path, source })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum PortsFileError {
    #[error("Error writing ports file ({path}): open {path}: {reason}", path = .path.display(), reason = reason(.source))]
    Write { path: PathBuf, source: io::Error },
    #[error("Error cleaning up ports file {path}: remove {path}: {reason}", path = .path.display(), reason = reason(.source))]
    Remove { path: PathBuf, source: io::Error },
}

/// Where a listener can be reached: its own address, or each of `interfaces` if it listens on all of them.
pub fn listener_urls(scheme: &str, listener: SocketAddr, interfaces: &[IpAddr]) -> Vec<String> {
    let url = |ip: IpAddr| format!("{scheme}://{}", SocketAddr::new(ip, listener.port()));
    if listener.ip().is_unspecified() {
        interfaces.iter().copied().map(url).collect()
    } else {
        vec![url(listener.ip())]
    }
}

/// Addresses of this machine, those of one interface together, in the kernel's order of interfaces: loopback first.
///
/// # Errors
/// If the kernel does not tell.
pub fn interface_addresses() -> io::Result<Vec<IpAddr>> {
    let mut interfaces = if_addrs::get_if_addrs()?;
    interfaces.sort_by_key(|interface| interface.index);
    Ok(interfaces.iter().map(if_addrs::Interface::ip).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program() -> Program {
        Program::new("/usr/bin/nats-server", 77)
    }

    #[test]
    fn the_file_lists_every_kind_of_listener_and_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let urls = |scheme, port| listener_urls(scheme, SocketAddr::from(([127, 0, 0, 1], port)), &[]);
        let ports = Ports {
            nats: urls("nats", 1),
            monitoring: urls("http", 2),
            cluster: urls("nats", 3),
            profile: urls("http", 4),
            websocket: urls("wss", 5),
        };
        let file = PortsFile::write(folder.path(), &program(), &ports).unwrap();
        let path = folder.path().join("nats-server_77.ports");
        assert_eq!(file.path(), path);
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            r#"{"nats":["nats://127.0.0.1:1"],"monitoring":["http://127.0.0.1:2"],"cluster":["nats://127.0.0.1:3"],"profile":["http://127.0.0.1:4"],"websocket":["wss://127.0.0.1:5"]}"#
        );
        file.remove().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_listener_that_is_off_has_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let ports = Ports { nats: vec!["nats://[::1]:4222".to_owned()], ..Ports::default() };
        let file = PortsFile::write(folder.path(), &program(), &ports).unwrap();
        assert_eq!(fs::read_to_string(file.path()).unwrap(), r#"{"nats":["nats://[::1]:4222"]}"#);
    }

    #[test]
    fn a_listener_on_all_interfaces_is_told_by_each_of_them() {
        let interfaces = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])];
        let listener = SocketAddr::from(([0, 0, 0, 0], 4222));
        assert_eq!(
            listener_urls("nats", listener, &interfaces),
            ["nats://127.0.0.1:4222", "nats://[::1]:4222"]
        );
    }

    #[test]
    fn the_loopback_interface_is_among_the_addresses() {
        let addresses = interface_addresses().unwrap();
        assert!(addresses.iter().any(IpAddr::is_loopback), "{addresses:?}");
    }

    #[test]
    fn errors_read_as_the_reference_prints_them() {
        let error = PortsFile::write(Path::new("/missing"), &program(), &Ports::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Error writing ports file (/missing/nats-server_77.ports): open /missing/nats-server_77.ports: no such file or directory"
        );
        let gone = PortsFile { path: PathBuf::from("/missing/x.ports") };
        assert_eq!(
            gone.remove().unwrap_err().to_string(),
            "Error cleaning up ports file /missing/x.ports: remove /missing/x.ports: no such file or directory"
        );
    }
}
