//! The command line, in the syntax of Go's flag package: `-p 4222`, `--port=4222`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::file::{self, FileError, Loaded};
use crate::language::Surroundings;
use crate::options::Options;
use crate::options::monitoring::Listen;
use crate::options::tls::{KeyPairFiles, TlsOptions};

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    Run(Invocation),
    Help,
    TlsHelp,
    Version,
}

/// A server to be run, a configuration to be checked, or a signal to be sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Invocation {
    /// `-c`.
    pub config: Option<PathBuf>,
    /// `-t`.
    pub check_only: bool,
    /// `--signal`: `command` or `command=process`.
    pub signal: Option<String>,
    /// In the order given; the last word stands.
    overrides: Vec<Override>,
}

/// What a flag changes of the options.
#[derive(Clone, Debug, PartialEq)]
enum Override {
    Host(String),
    Port(u16),
    ServerName(String),
    ClientAdvertise(String),
    Shards(NonZeroUsize),
    PidFile(PathBuf),
    PortsFileDir(PathBuf),
    HttpPort(u16),
    HttpsPort(u16),
    Debug(bool),
    Trace(bool),
    TraceVerbose(bool),
    LogTime(bool),
    LogTimeUtc(bool),
    LogFile(PathBuf),
    LogSizeLimit(u64),
    Syslog(bool),
    RemoteSyslog(String),
    TracedPayloadMax(usize),
    User(String),
    Password(String),
    Token(String),
    Tls(TlsFlag),
}

#[derive(Clone, Debug, PartialEq)]
enum TlsFlag {
    On(bool),
    Verify(bool),
    CertFile(PathBuf),
    KeyFile(PathBuf),
    CaFile(PathBuf),
}

/// What is wrong with the command line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    #[error("flag provided but not defined: -{0}")]
    Unknown(String),
    #[error("flag -{0} is not supported yet")]
    NotYet(String),
    #[error("flag needs an argument: -{0}")]
    NoValue(String),
    #[error("invalid value {value:?} for flag -{flag}: {reason}")]
    Invalid { flag: String, value: String, reason: &'static str },
    #[error("unrecognized command: {0:?}")]
    Argument(String),
    #[error("must specify [-c, --config] option to check configuration file syntax")]
    NothingToCheck,
    #[error("TLS Server certificate must be present and valid")]
    NoCertificate,
    #[error("TLS Server private key must be present and valid")]
    NoPrivateKey,
    #[error("can't specify both HTTP and HTTPs ports")]
    BothHttp,
    #[error("HTTPS monitoring needs TLS: --tls, or a tls block")]
    HttpsWithoutTls,
}

/// Why there are no options.
#[derive(Debug, thiserror::Error)]
pub enum InvocationError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Flag(#[from] FlagError),
}

const SHARDS_MAX: usize = 64;

/// Flags of the reference that this server knows and cannot serve yet.
const NOT_YET: &[&str] = &[
    "js",
    "jetstream",
    "sd",
    "store_dir",
    "routes",
    "cluster",
    "cluster_name",
    "cluster_listen",
    "cluster_advertise",
    "no_advertise",
    "connect_retries",
    "profile",
];

/// Reads the arguments after the program's name.
///
/// # Errors
/// The first flag that is not known, has no value or a wrong one.
pub fn parse(arguments: &[String]) -> Result<Command, FlagError> {
    let mut invocation = Invocation::default();
    let mut asked = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let flag = argument.strip_prefix('-').map(|flag| flag.strip_prefix('-').unwrap_or(flag));
        let Some(flag) = flag.filter(|flag| !flag.is_empty()) else {
            return match argument.to_ascii_lowercase().as_str() {
                "version" => Ok(Command::Version),
                "help" => Ok(Command::Help),
                _ => Err(FlagError::Argument(argument.clone())),
            };
        };
        let (name, given) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (flag, None),
        };
        let mut value = || {
            let value = given.map(str::to_owned).or_else(|| rest.next().cloned());
            value.ok_or_else(|| FlagError::NoValue(name.to_owned()))
        };
        match name {
            "h" | "help" => asked = asked.or(switch(name, given)?.then_some(Command::Help)),
            "help_tls" => asked = asked.or(switch(name, given)?.then_some(Command::TlsHelp)),
            "v" | "version" => asked = asked.or(switch(name, given)?.then_some(Command::Version)),
            "c" | "config" => invocation.config = Some(value()?.into()).filter(|path: &PathBuf| *path != *""),
            "t" => invocation.check_only = switch(name, given)?,
            "sl" | "signal" => invocation.signal = Some(value()?).filter(|text| !text.is_empty()),
            _ => {
                let known = invocation.add(name, given, &mut value)?;
                if !known {
                    let name = name.to_owned();
                    let is_known = NOT_YET.contains(&name.as_str());
                    return Err(if is_known { FlagError::NotYet(name) } else { FlagError::Unknown(name) });
                }
            }
        }
    }
    match asked {
        Some(command) => Ok(command),
        None if invocation.check_only && invocation.config.is_none() => Err(FlagError::NothingToCheck),
        None => Ok(Command::Run(invocation)),
    }
}

impl Invocation {
    /// Takes a flag that changes an option. Whether there is one of this name.
    fn add(
        &mut self,
        name: &str,
        given: Option<&str>,
        value: &mut impl FnMut() -> Result<String, FlagError>,
    ) -> Result<bool, FlagError> {
        let list = &mut self.overrides;
        match name {
            "a" | "addr" | "net" => list.push(Override::Host(value()?)),
            "p" | "port" => list.push(Override::Port(port(name, &value()?)?)),
            "n" | "name" | "server_name" => list.push(Override::ServerName(server_name(name, value()?)?)),
            "client_advertise" => list.push(Override::ClientAdvertise(value()?)),
            "shards" => list.push(Override::Shards(shards(&value()?)?)),
            "P" | "pid" => list.push(Override::PidFile(value()?.into())),
            "ports_file_dir" => list.push(Override::PortsFileDir(value()?.into())),
            "m" | "http_port" => list.push(Override::HttpPort(port(name, &value()?)?)),
            "ms" | "https_port" => list.push(Override::HttpsPort(port(name, &value()?)?)),
            "D" | "debug" => list.push(Override::Debug(switch(name, given)?)),
            "V" | "trace" => list.push(Override::Trace(switch(name, given)?)),
            "VV" => list.push(Override::TraceVerbose(switch(name, given)?)),
            "DV" | "DVV" => {
                let on = switch(name, given)?;
                list.push(Override::Debug(on));
                list.push(if name == "DV" { Override::Trace(on) } else { Override::TraceVerbose(on) });
            }
            "T" | "logtime" => list.push(Override::LogTime(switch(name, given)?)),
            "logtime_utc" => list.push(Override::LogTimeUtc(switch(name, given)?)),
            "l" | "log" => list.push(Override::LogFile(value()?.into())),
            "log_size_limit" => list.push(Override::LogSizeLimit(number(name, &value()?)?)),
            "s" | "syslog" => list.push(Override::Syslog(switch(name, given)?)),
            "r" | "remote_syslog" => list.push(Override::RemoteSyslog(value()?)),
            "max_traced_msg_len" => list.push(Override::TracedPayloadMax(number(name, &value()?)?)),
            "user" => list.push(Override::User(value()?)),
            "pass" => list.push(Override::Password(value()?)),
            "auth" => list.push(Override::Token(value()?)),
            "tls" => list.push(Override::Tls(TlsFlag::On(switch(name, given)?))),
            "tlsverify" => list.push(Override::Tls(TlsFlag::Verify(switch(name, given)?))),
            "tlscert" => list.push(Override::Tls(TlsFlag::CertFile(value()?.into()))),
            "tlskey" => list.push(Override::Tls(TlsFlag::KeyFile(value()?.into()))),
            "tlscacert" => list.push(Override::Tls(TlsFlag::CaFile(value()?.into()))),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What file and command line say together; the command line goes before.
    ///
    /// # Errors
    /// What is wrong with either.
    pub fn load(&self, surroundings: &dyn Surroundings) -> Result<Loaded, InvocationError> {
        let mut loaded = match &self.config {
            Some(path) => file::load(path, surroundings)?,
            None => Loaded { options: Options::default(), warnings: Vec::new() },
        };
        self.apply(&mut loaded.options)?;
        Ok(loaded)
    }

    fn apply(&self, options: &mut Options) -> Result<(), FlagError> {
        for flag in &self.overrides {
            flag.apply(options);
        }
        self.apply_tls(options)?;
        if options.monitoring.http.is_some() && options.monitoring.https.is_some() {
            return Err(FlagError::BothHttp);
        }
        if options.monitoring.https.is_some() && options.client.tls.is_none() {
            return Err(FlagError::HttpsWithoutTls);
        }
        Ok(())
    }

    /// TLS flags make a TLS block of their own, beside which the file's counts no more; `--tls=false` ends all of it.
    fn apply_tls(&self, options: &mut Options) -> Result<(), FlagError> {
        let (mut is_on, mut verify) = (None, false);
        let (mut cert_file, mut key_file, mut ca_file) = (None, None, None);
        for flag in &self.overrides {
            let Override::Tls(flag) = flag else { continue };
            match flag {
                TlsFlag::On(on) => is_on = Some(*on),
                TlsFlag::Verify(on) => verify = *on,
                TlsFlag::CertFile(path) => cert_file = Some(path.clone()),
                TlsFlag::KeyFile(path) => key_file = Some(path.clone()),
                TlsFlag::CaFile(path) => ca_file = Some(path.clone()),
            }
            is_on = is_on.or(Some(true));
        }
        match is_on {
            None => {}
            Some(false) => options.client.tls = None,
            Some(true) => {
                let cert_file = cert_file.ok_or(FlagError::NoCertificate)?;
                let key_file = key_file.ok_or(FlagError::NoPrivateKey)?;
                let certificates = vec![KeyPairFiles { cert_file, key_file }];
                options.client.tls =
                    Some(TlsOptions { certificates, ca_file, verify, ..TlsOptions::default() });
            }
        }
        Ok(())
    }
}

impl Override {
    fn apply(&self, options: &mut Options) {
        let logging = &mut options.logging;
        match self {
            Self::Host(host) => options.client.listen.host.clone_from(host),
            Self::Port(port) => options.client.listen.port = *port,
            Self::ServerName(name) => options.server_name = Some(name.clone()),
            Self::ClientAdvertise(text) => options.client.advertise = Some(text.clone()),
            Self::Shards(count) => options.shards = Some(*count),
            Self::PidFile(path) => options.pid_file = Some(path.clone()),
            Self::PortsFileDir(path) => options.ports_file_dir = Some(path.clone()),
            Self::HttpPort(port) => {
                let host = monitoring_host(options);
                options.monitoring.http = Some(Listen { host, port: *port });
            }
            Self::HttpsPort(port) => {
                let host = monitoring_host(options);
                options.monitoring.https = Some(Listen { host, port: *port });
            }
            Self::Debug(on) => logging.debug = *on,
            Self::Trace(on) => logging.trace = *on,
            Self::TraceVerbose(on) => (logging.trace, logging.trace_verbose) = (*on, *on),
            Self::LogTime(on) => logging.time = *on,
            Self::LogTimeUtc(on) => logging.utc = *on,
            Self::LogFile(path) => logging.file = Some(path.clone()),
            Self::LogSizeLimit(bytes) => logging.file_size_limit = Some(*bytes).filter(|&bytes| bytes > 0),
            Self::Syslog(on) => logging.syslog = *on,
            Self::RemoteSyslog(url) => logging.remote_syslog = Some(url.clone()),
            Self::TracedPayloadMax(bytes) => {
                logging.traced_payload_max = Some(*bytes).filter(|&bytes| bytes > 0);
            }
            Self::User(user) => options.auth.user = Some(user.clone()),
            Self::Password(password) => options.auth.password = Some(password.clone()),
            Self::Token(token) => options.auth.token = Some(token.clone()),
            // They only mean something together.
            Self::Tls(_) => {}
        }
    }
}

/// What the file names, or the clients' host, which a flag before may have set.
fn monitoring_host(options: &Options) -> String {
    let named = options.monitoring.http.as_ref().or(options.monitoring.https.as_ref());
    named.map_or_else(|| options.client.listen.host.clone(), |listen| listen.host.clone())
}

fn switch(name: &str, given: Option<&str>) -> Result<bool, FlagError> {
    match given {
        None | Some("true" | "1" | "t" | "T" | "TRUE" | "True") => Ok(true),
        Some("false" | "0" | "f" | "F" | "FALSE" | "False") => Ok(false),
        Some(value) => Err(invalid(name, value, "parse error")),
    }
}

/// -1 is any port that is free.
fn port(flag: &str, value: &str) -> Result<u16, FlagError> {
    match value.parse::<i32>() {
        Ok(-1) => Ok(0),
        Ok(number) => u16::try_from(number).map_err(|_| invalid(flag, value, "value out of range")),
        Err(_) => Err(invalid(flag, value, "parse error")),
    }
}

fn number<T: std::str::FromStr>(flag: &str, value: &str) -> Result<T, FlagError> {
    value.parse().map_err(|_| invalid(flag, value, "parse error"))
}

fn shards(value: &str) -> Result<NonZeroUsize, FlagError> {
    match value.parse().map(NonZeroUsize::new) {
        Ok(Some(count)) if count.get() <= SHARDS_MAX => Ok(count),
        Ok(_) => Err(invalid("shards", value, "must be 1 to 64")),
        Err(_) => Err(invalid("shards", value, "parse error")),
    }
}

fn server_name(flag: &str, value: String) -> Result<String, FlagError> {
    if value.contains(' ') {
        return Err(invalid(flag, &value, "server name cannot contain spaces"));
    }
    Ok(value)
}

fn invalid(flag: &str, value: &str, reason: &'static str) -> FlagError {
    FlagError::Invalid { flag: flag.to_owned(), value: value.to_owned(), reason }
}

#[cfg(test)]
mod tests;
