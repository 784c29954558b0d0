//! Which syslog.

use std::path::PathBuf;

use crate::LoggingError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The machine's own daemon, at the first of these sockets that takes a connection.
    Local(Vec<PathBuf>),
    /// `udp://HOST:PORT`.
    Udp(String),
    /// `tcp://HOST:PORT`.
    Tcp(String),
    /// `unix:///PATH`: a stream socket.
    Unix(PathBuf),
}

impl Target {
    pub(crate) fn local() -> Self {
        Self::Local(["/dev/log", "/var/run/syslog", "/var/run/log"].map(PathBuf::from).to_vec())
    }

    /// # Errors
    /// If the scheme is none of `udp`, `tcp` and `unix`.
    pub(crate) fn parse(url: &str) -> Result<Self, LoggingError> {
        let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_owned();
        match scheme.to_ascii_lowercase().as_str() {
            "udp" => Ok(Self::Udp(host)),
            "tcp" => Ok(Self::Tcp(host)),
            "unix" => Ok(Self::Unix(path.into())),
            other => Err(LoggingError::Network(other.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // go: logger/syslog_test.go TestGetNetworkAndAddrUDP
    #[test]
    fn udp_names_a_host_and_a_port() {
        assert_eq!(Target::parse("udp://foo.com:1000").unwrap(), Target::Udp("foo.com:1000".to_owned()));
    }

    // go: logger/syslog_test.go TestGetNetworkAndAddrTCP
    #[test]
    fn tcp_names_a_host_and_a_port() {
        assert_eq!(Target::parse("tcp://foo.com:1000").unwrap(), Target::Tcp("foo.com:1000".to_owned()));
    }

    // go: logger/syslog_test.go TestGetNetworkAndAddrUnix
    #[test]
    fn unix_names_a_path() {
        assert_eq!(Target::parse("unix:///foo.sock").unwrap(), Target::Unix("/foo.sock".into()));
    }

    #[test]
    fn another_scheme_is_refused_in_the_reference_s_words() {
        let error = Target::parse("http://foo.com").unwrap_err();
        assert_eq!(error.to_string(), "error invalid network type: \"http\"");
        assert_eq!(Target::parse("/dev/log").unwrap_err().to_string(), "error invalid network type: \"\"");
    }

    #[test]
    fn only_the_host_of_a_url_counts() {
        assert_eq!(Target::parse("UDP://me@[::1]:514/x").unwrap(), Target::Udp("[::1]:514".to_owned()));
    }
}
