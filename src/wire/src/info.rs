//! The JSON document of INFO: what a server says of itself.

use serde::Serialize;
use serde::de::MapAccess;

use crate::json::{Field, JsonError, Members, read_over, skip};

/// INFO as clients see it (`nats-server:server/server.go`, `Info`, without what only servers tell each other). Members
/// are written in this order; those that are false, zero or empty are left out, except the ones that are always there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Info {
    pub server_id: String,
    pub server_name: String,
    pub version: String,
    pub proto: i32,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub git_commit: String,
    /// The toolchain the server was built with; the name of the member is history.
    pub go: String,
    pub host: String,
    pub port: i32,
    pub headers: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub auth_required: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub tls_required: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub tls_verify: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub tls_available: bool,
    /// Bytes; what this connection may publish at once.
    pub max_payload: i32,
    #[serde(skip_serializing_if = "is_false")]
    pub jetstream: bool,
    /// Routes: the URL to gossip.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ip: String,
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub client_id: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client_ip: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub nonce: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    #[serde(skip_serializing_if = "is_false")]
    pub cluster_dynamic: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connect_urls: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ws_connect_urls: Vec<String>,
    /// Lame duck: the server is about to go.
    #[serde(skip_serializing_if = "is_false")]
    pub ldm: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub compression: String,
    /// This INFO answers a CONNECT.
    #[serde(skip_serializing_if = "is_false")]
    pub connect_info: bool,
    /// The account the connection is bound to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remote_account: String,
    #[serde(skip_serializing_if = "is_false")]
    pub acc_is_sys: bool,
    #[serde(skip_serializing_if = "is_zero_i32")]
    pub api_lvl: i32,
    /// Public curve key for encrypted auth callouts.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub xkey: String,
}

impl Info {
    /// Reads the text after `INFO`.
    ///
    /// # Errors
    /// The text is no JSON object, or a member has the wrong type. The reference closes a client that sends such an
    /// INFO, as a protocol violation and without a word.
    pub fn read(json: &[u8]) -> Result<Self, JsonError> {
        let mut info = Self::default();
        read_over(json, &mut info).map(|()| info)
    }
}

impl Members for Info {
    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "server_id" => self.server_id.read(map),
            "server_name" => self.server_name.read(map),
            "version" => self.version.read(map),
            "proto" => self.proto.read(map),
            "git_commit" => self.git_commit.read(map),
            "go" => self.go.read(map),
            "host" => self.host.read(map),
            "port" => self.port.read(map),
            "headers" => self.headers.read(map),
            "auth_required" => self.auth_required.read(map),
            "tls_required" => self.tls_required.read(map),
            "tls_verify" => self.tls_verify.read(map),
            "tls_available" => self.tls_available.read(map),
            "max_payload" => self.max_payload.read(map),
            "jetstream" => self.jetstream.read(map),
            "ip" => self.ip.read(map),
            "client_id" => self.client_id.read(map),
            "client_ip" => self.client_ip.read(map),
            "nonce" => self.nonce.read(map),
            "cluster" => self.cluster.read(map),
            "cluster_dynamic" => self.cluster_dynamic.read(map),
            "domain" => self.domain.read(map),
            "connect_urls" => self.connect_urls.read(map),
            "ws_connect_urls" => self.ws_connect_urls.read(map),
            "ldm" => self.ldm.read(map),
            "compression" => self.compression.read(map),
            "connect_info" => self.connect_info.read(map),
            "remote_account" => self.remote_account.read(map),
            "acc_is_sys" => self.acc_is_sys.read(map),
            "api_lvl" => self.api_lvl.read(map),
            "xkey" => self.xkey.read(map),
            _ => skip(map),
        }
    }
}

// serde hands the fields over by reference.

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero_u64(value: &u64) -> bool {
    *value == 0
}

fn is_zero_i32(value: &i32) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As nats-server 2.15.1 sends it, with another key.
    const OF_THE_REFERENCE: &str = r#"{"server_id":"NBVE","server_name":"NBVE","version":"2.15.1","proto":1,"git_commit":"b2fd3ef","go":"go1.27.2","host":"127.0.0.1","port":48921,"headers":true,"max_payload":1048576,"client_id":5,"client_ip":"127.0.0.1","api_lvl":5,"xkey":"XBMO"}"#;

    fn written(info: &Info) -> String {
        let mut out = Vec::new();
        crate::json::write(&mut out, info);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_the_reference_writes_is_read_and_written_byte_for_byte() {
        let info = Info::read(OF_THE_REFERENCE.as_bytes()).unwrap();
        assert_eq!(info.client_id, 5);
        assert_eq!(info.max_payload, 1_048_576);
        assert_eq!(written(&info), OF_THE_REFERENCE);
    }

    #[test]
    fn an_empty_info_has_the_members_that_are_always_there() {
        let expected = r#"{"server_id":"","server_name":"","version":"","proto":0,"go":"","host":"","port":0,"headers":false,"max_payload":0}"#;
        assert_eq!(written(&Info::default()), expected);
    }

    #[test]
    fn every_member_survives_a_round_trip() {
        let text = |name: &str| name.to_owned();
        let info = Info {
            server_id: text("a"),
            server_name: text("b"),
            version: text("c"),
            proto: 1,
            git_commit: text("d"),
            go: text("e"),
            host: text("f"),
            port: 4222,
            headers: true,
            auth_required: true,
            tls_required: true,
            tls_verify: true,
            tls_available: true,
            max_payload: 7,
            jetstream: true,
            ip: text("g"),
            client_id: 8,
            client_ip: text("h"),
            nonce: text("i"),
            cluster: text("j"),
            cluster_dynamic: true,
            domain: text("k"),
            connect_urls: vec![text("l"), text("m")],
            ws_connect_urls: vec![text("n")],
            ldm: true,
            compression: text("o"),
            connect_info: true,
            remote_account: text("p"),
            acc_is_sys: true,
            api_lvl: 5,
            xkey: text("q"),
        };
        assert_eq!(Info::read(written(&info).as_bytes()).unwrap(), info);
    }

    #[test]
    fn a_wrong_type_is_an_error() {
        for json in ["x", "", r#"{"max_payload":"x"}"#, r#"{"max_payload":99999999999}"#] {
            assert!(Info::read(json.as_bytes()).is_err(), "{json}");
        }
        assert!(Info::read(b"{}").is_ok());
    }
}
