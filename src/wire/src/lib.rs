//! Bytes to operations and back: the client protocol, its JSON documents, message headers and the PROXY protocol.
//!
//! Zero-copy and without I/O: a decoded operation borrows the bytes it was read from.

pub mod connect;
pub mod decoder;
pub mod encode;
pub mod headers;
pub mod info;
pub mod json;
pub mod op;
pub mod proxy_protocol;
pub mod quote;
pub mod subject_permissions;

pub use connect::ConnectOptions;
pub use decoder::{DecodeError, Decoded, Limits, decode, decode_plain_publish};
pub use headers::Headers;
pub use info::Info;
pub use json::JsonError;
pub use op::{Op, Publish};
pub use proxy_protocol::{ProxyError, ProxyHeader};
pub use quote::{quoted, snippet};
pub use subject_permissions::SubjectPermissions;
