//! Who is at the other end.

use std::fmt;
use std::net::SocketAddr;

use natrium_account::ConnectionType;
use natrium_model::ConnId;
use natrium_wire::{ConnectOptions, quoted};

/// Where a connection came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    pub id: ConnId,
    pub address: SocketAddr,
    pub connection_type: ConnectionType,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id_name = match self.connection_type {
            ConnectionType::Standard | ConnectionType::InProcess => "cid",
            ConnectionType::Websocket => "wid",
            ConnectionType::Mqtt => "mid",
            ConnectionType::MqttWs => "mid_ws",
            ConnectionType::Leafnode => "lid",
            ConnectionType::LeafnodeWs => "lid_ws",
        };
        write!(f, "{} - {id_name}:{}", self.address, self.id)
    }
}

/// What a client said of itself in CONNECT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientIdentity {
    pub name: String,
    pub lang: String,
    pub version: String,
}

impl ClientIdentity {
    pub fn of(options: &ConnectOptions) -> Self {
        Self { name: options.name.clone(), lang: options.lang.clone(), version: options.version.clone() }
    }
}

/// `vVERSION:LANG:NAME`, as far as they are known.
impl fmt::Display for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if !self.version.is_empty() {
            write!(f, "v{}", self.version)?;
            separator = ":";
        }
        for part in [&self.lang, &self.name] {
            if !part.is_empty() {
                write!(f, "{separator}{part}")?;
                separator = ":";
            }
        }
        Ok(())
    }
}

/// What stands in front of every log line about a connection:
/// `ADDRESS:PORT - cid:N - "vVERSION:LANG:NAME" - "ACCOUNT/user:NAME"`, the quoted parts once CONNECT told them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogName {
    origin: Origin,
    /// Empty until the first CONNECT.
    suffix: Box<str>,
}

impl LogName {
    pub(crate) fn new(origin: Origin) -> Self {
        Self { origin, suffix: Box::default() }
    }

    /// What the first CONNECT told. `user` is how the client proved who it is ([`natrium_account::Presented::label`]).
    pub(crate) fn connected(&mut self, identity: &ClientIdentity, account: &str, user: Option<&str>) {
        let client = identity.to_string();
        let mut suffix = String::new();
        if !client.is_empty() {
            suffix.push_str(" - ");
            suffix.push_str(&quoted(client.as_bytes()));
        }
        if let Some(user) = user {
            suffix.push_str(" - ");
            suffix.push_str(&quoted(format!("{account}/{user}").as_bytes()));
        }
        self.suffix = suffix.into();
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.suffix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(address: &str, connection_type: ConnectionType) -> Origin {
        Origin { id: ConnId(7), address: address.parse().unwrap(), connection_type }
    }

    fn named(version: &str, lang: &str, name: &str) -> ClientIdentity {
        ClientIdentity { name: name.into(), lang: lang.into(), version: version.into() }
    }

    #[test]
    fn a_log_name_tells_what_is_known() {
        let client = named("1.2", "go", "n");
        let cases = [
            (named("", "", ""), None, ""),
            (client.clone(), Some("user:joe"), r#" - "v1.2:go:n" - "$G/user:joe""#),
            (client, None, r#" - "v1.2:go:n""#),
            (named("", "go", "n"), None, r#" - "go:n""#),
            (named("", "", "a\"b"), None, r#" - "a\"b""#),
            (named("", "", ""), Some("token"), r#" - "$G/token""#),
        ];
        for (client, user, expected) in cases {
            let mut name = LogName::new(origin("127.0.0.1:4000", ConnectionType::Standard));
            assert_eq!(name.to_string(), "127.0.0.1:4000 - cid:7");
            name.connected(&client, "$G", user);
            assert_eq!(name.to_string(), format!("127.0.0.1:4000 - cid:7{expected}"));
        }
    }

    // go: server/client_test.go TestClientIPv6Address
    #[test]
    fn an_ipv6_address_stands_in_brackets() {
        assert_eq!(origin("[::1]:4000", ConnectionType::Standard).to_string(), "[::1]:4000 - cid:7");
    }

    #[test]
    fn the_kind_of_a_connection_shows() {
        let ids = ConnectionType::ALL.map(|kind| {
            let text = origin("127.0.0.1:1", kind).to_string();
            text.rsplit_once(' ').unwrap().1.to_owned()
        });
        assert_eq!(ids, ["cid:7", "wid:7", "lid:7", "lid_ws:7", "mid:7", "mid_ws:7", "cid:7"]);
    }
}
