//! The command line, in the syntax of Go's flag package: `-p 4222`, `--port=4222`.

use std::path::PathBuf;

use natrium_broker::SHARDS_MAX;
use natrium_config::options::auth::AuthOptions;
use natrium_model::limits;

/// What to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Run(Box<Options>),
    Help,
    Version,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) server_name: Option<String>,
    /// `None`: one for each CPU the process may use.
    pub(crate) shards: Option<usize>,
    pub(crate) debug: bool,
    pub(crate) trace: bool,
    pub(crate) logtime: bool,
    pub(crate) pid_file: Option<PathBuf>,
    pub(crate) auth: AuthOptions,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FlagError {
    #[error("flag provided but not defined: -{0}")]
    Unknown(String),
    #[error("natrium: flag -{0} is not supported yet")]
    NotYet(String),
    #[error("flag needs an argument: -{0}")]
    NoValue(String),
    #[error("invalid value {value:?} for flag -{flag}: {reason}")]
    Invalid { flag: String, value: String, reason: &'static str },
    #[error("natrium: unrecognized command: {0:?}")]
    Argument(String),
}

pub(crate) const USAGE: &str = "\
Usage: natrium [options]

Server options:
    -a, --addr, --net HOST        address to listen on (default: 0.0.0.0)
    -p, --port PORT               port to listen on (default: 4222, -1 for any)
    -n, --name, --server_name N   name of the server (default: its id)
    -P, --pid FILE                file for the process id
        --shards N                executors, each on a CPU (default: all CPUs allowed)

Logging options:
    -D, --debug                   debug lines
    -V, --trace                   trace lines, the protocol as it is spoken
    -DV                           both
    -T, --logtime=false           lines without their time

Authorization options:
        --user NAME               user that clients must present
        --pass PASSWORD           and its password, in clear or a bcrypt hash
        --auth TOKEN              token that clients must present

Other options:
    -h, --help                    this text
    -v, --version                 versions";

/// Flags of the reference that this server knows and cannot serve yet.
const NOT_YET: &[&str] = &[
    "c",
    "config",
    "t",
    "sl",
    "signal",
    "m",
    "http_port",
    "ms",
    "https_port",
    "js",
    "jetstream",
    "sd",
    "store_dir",
    "l",
    "log",
    "s",
    "syslog",
    "r",
    "remote_syslog",
    "log_size_limit",
    "max_traced_msg_len",
    "tls",
    "tlscert",
    "tlskey",
    "tlsverify",
    "tlscacert",
    "routes",
    "cluster",
    "cluster_name",
    "cluster_listen",
    "cluster_advertise",
    "no_advertise",
    "connect_retries",
    "client_advertise",
    "ports_file_dir",
    "profile",
    "VV",
    "DVV",
    "help_tls",
    "lame_duck",
];

impl Default for Options {
    fn default() -> Self {
        Self {
            host: "0.0.0.0".to_owned(),
            port: limits::CLIENT_PORT,
            server_name: None,
            shards: None,
            debug: false,
            trace: false,
            logtime: true,
            pid_file: None,
            auth: AuthOptions::default(),
        }
    }
}

/// Reads the arguments after the program's name.
pub(crate) fn parse(arguments: &[String]) -> Result<Command, FlagError> {
    let mut options = Options::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let Some(flag) = argument.strip_prefix('-').map(|flag| flag.strip_prefix('-').unwrap_or(flag)) else {
            match argument.to_ascii_lowercase().as_str() {
                "version" => return Ok(Command::Version),
                "help" => return Ok(Command::Help),
                _ => return Err(FlagError::Argument(argument.clone())),
            }
        };
        let (name, given) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (flag, None),
        };
        let switch = || match given.as_deref() {
            None | Some("true" | "1" | "t" | "T" | "TRUE" | "True") => Ok(true),
            Some("false" | "0" | "f" | "F" | "FALSE" | "False") => Ok(false),
            Some(value) => Err(invalid(name, value, "parse error")),
        };
        let mut value = || {
            let value = given.clone().or_else(|| rest.next().cloned());
            value.ok_or_else(|| FlagError::NoValue(name.to_owned()))
        };
        match name {
            "h" | "help" => return Ok(Command::Help),
            "v" | "version" => return Ok(Command::Version),
            "a" | "addr" | "net" => options.host = value()?,
            "p" | "port" => options.port = port(name, &value()?)?,
            "n" | "name" | "server_name" => options.server_name = Some(value()?),
            "P" | "pid" => options.pid_file = Some(value()?.into()),
            "shards" => options.shards = Some(shards(&value()?)?),
            "D" | "debug" => options.debug = switch()?,
            "V" | "trace" => options.trace = switch()?,
            "DV" => (options.debug, options.trace) = (switch()?, switch()?),
            "T" | "logtime" => options.logtime = switch()?,
            "user" => options.auth.user = Some(value()?),
            "pass" => options.auth.password = Some(value()?),
            "auth" => options.auth.token = Some(value()?),
            other if NOT_YET.contains(&other) => return Err(FlagError::NotYet(other.to_owned())),
            other => return Err(FlagError::Unknown(other.to_owned())),
        }
    }
    Ok(Command::Run(Box::new(options)))
}

/// -1 is any port that is free.
fn port(flag: &str, value: &str) -> Result<u16, FlagError> {
    match value.parse::<i32>() {
        Ok(-1) => Ok(0),
        Ok(number) => u16::try_from(number).map_err(|_| invalid(flag, value, "value out of range")),
        Err(_) => Err(invalid(flag, value, "parse error")),
    }
}

fn shards(value: &str) -> Result<usize, FlagError> {
    match value.parse() {
        Ok(count) if (1..=SHARDS_MAX).contains(&count) => Ok(count),
        Ok(_) => Err(invalid("shards", value, "must be 1 to 64")),
        Err(_) => Err(invalid("shards", value, "parse error")),
    }
}

fn invalid(flag: &str, value: &str, reason: &'static str) -> FlagError {
    FlagError::Invalid { flag: flag.to_owned(), value: value.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, FlagError> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn options(line: &str) -> Options {
        match parsed(line).unwrap() {
            Command::Run(options) => *options,
            other @ (Command::Help | Command::Version) => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_spellings_of_a_value_are_read() {
        for line in ["-p 4000 -a 127.0.0.1", "--port=4000 --addr=127.0.0.1", "-port 4000 --net 127.0.0.1"] {
            let options = options(line);
            assert_eq!((options.port, options.host.as_str()), (4000, "127.0.0.1"), "{line}");
        }
        assert_eq!(options("-p -1").port, 0);
    }

    #[test]
    fn switches_can_be_turned_off() {
        assert!(options("-DV").debug && options("-DV").trace && options("").logtime);
        assert!(!options("--logtime=false -D=false").logtime);
    }

    #[test]
    fn what_cannot_be_served_is_refused_by_name() {
        for line in ["-c nats.conf", "-js", "--jetstream", "-m 8222", "--tls"] {
            assert!(matches!(parsed(line), Err(FlagError::NotYet(_))), "{line}");
        }
        assert_eq!(parsed("-nonsense"), Err(FlagError::Unknown("nonsense".to_owned())));
        assert_eq!(parsed("-p"), Err(FlagError::NoValue("p".to_owned())));
        for line in ["-p 70000", "-p x", "--shards 0", "--shards 65", "-D=maybe"] {
            assert!(matches!(parsed(line), Err(FlagError::Invalid { .. })), "{line}");
        }
    }
}
