//! The ways a client reaches the server, as `allowed_connection_types` names them.

use natrium_wire::quote::quoted;

/// How a connection came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionType {
    Standard,
    Websocket,
    Leafnode,
    LeafnodeWs,
    Mqtt,
    MqttWs,
    /// A part of this process.
    InProcess,
}

/// A set of [`ConnectionType`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionTypes(u8);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown connection type {}", quoted(.0.as_bytes()))]
pub struct UnknownConnectionType(String);

impl ConnectionType {
    pub const ALL: [Self; 7] = [
        Self::Standard,
        Self::Websocket,
        Self::Leafnode,
        Self::LeafnodeWs,
        Self::Mqtt,
        Self::MqttWs,
        Self::InProcess,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::Websocket => "WEBSOCKET",
            Self::Leafnode => "LEAFNODE",
            Self::LeafnodeWs => "LEAFNODE_WS",
            Self::Mqtt => "MQTT",
            Self::MqttWs => "MQTT_WS",
            Self::InProcess => "INPROCESS",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl ConnectionTypes {
    pub const NONE: Self = Self(0);

    pub fn of(types: &[ConnectionType]) -> Self {
        Self(types.iter().fold(0, |bits, kind| bits | kind.bit()))
    }

    /// What a user's list allows: an empty one, everything. Case does not matter.
    pub fn from_names(names: &[String]) -> Result<Self, UnknownConnectionType> {
        if names.is_empty() {
            return Ok(Self::of(&ConnectionType::ALL));
        }
        let mut types = Self::NONE;
        for name in names {
            let known = ConnectionType::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(name));
            types.0 |= known.ok_or_else(|| UnknownConnectionType(name.clone()))?.bit();
        }
        Ok(types)
    }

    pub fn contains(self, kind: ConnectionType) -> bool {
        self.0 & kind.bit() != 0
    }

    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_without_case_and_unknown_ones_named() {
        let types = ConnectionTypes::from_names(&["standard".into(), "MQTT_ws".into()]).unwrap();
        let allowed: Vec<_> = ConnectionType::ALL.into_iter().filter(|kind| types.contains(*kind)).collect();
        assert_eq!(allowed, [ConnectionType::Standard, ConnectionType::MqttWs]);
        let error = ConnectionTypes::from_names(&["STANDARD".into(), "someNewType".into()]).unwrap_err();
        assert_eq!(error.to_string(), r#"unknown connection type "someNewType""#);
    }

    #[test]
    fn an_empty_list_allows_every_type() {
        let types = ConnectionTypes::from_names(&[]).unwrap();
        assert!(ConnectionType::ALL.into_iter().all(|kind| types.contains(kind)));
        assert!(!types.intersects(ConnectionTypes::NONE));
    }
}
