//! The documents of what is not configured: routes, gateways, leaf nodes, JetStream. Well-formed and empty, as the
//! reference has them.

use natrium_model::Timestamp;
use serde::Serialize;

use crate::snapshot::ServerSnapshot;

#[derive(Serialize)]
pub(crate) struct Routez<'a> {
    server_id: &'a str,
    server_name: &'a str,
    now: Timestamp,
    num_routes: usize,
    routes: [Nothing; 0],
}

#[derive(Serialize)]
pub(crate) struct Gatewayz<'a> {
    server_id: &'a str,
    now: Timestamp,
    outbound_gateways: Nothing,
    inbound_gateways: Nothing,
}

#[derive(Serialize)]
pub(crate) struct Leafz<'a> {
    server_id: &'a str,
    now: Timestamp,
    leafnodes: usize,
    leafs: [Nothing; 0],
}

#[derive(Serialize)]
pub(crate) struct Jsz<'a> {
    memory: u64,
    storage: u64,
    reserved_memory: u64,
    reserved_storage: u64,
    accounts: usize,
    ha_assets: usize,
    api: ApiStats,
    server_id: &'a str,
    now: Timestamp,
    disabled: bool,
    config: JsConfig,
    streams: usize,
    consumers: usize,
    messages: u64,
    bytes: u64,
    total: usize,
}

#[derive(Serialize)]
struct ApiStats {
    level: u32,
    total: u64,
    errors: u64,
}

#[derive(Serialize)]
struct JsConfig {
    max_memory: u64,
    max_storage: u64,
}

#[derive(Serialize)]
struct Nothing {}

pub(crate) fn routez(server: &ServerSnapshot) -> Routez<'_> {
    Routez { server_id: &server.id, server_name: &server.name, now: server.now, num_routes: 0, routes: [] }
}

pub(crate) fn gatewayz(server: &ServerSnapshot) -> Gatewayz<'_> {
    let (outbound_gateways, inbound_gateways) = (Nothing {}, Nothing {});
    Gatewayz { server_id: &server.id, now: server.now, outbound_gateways, inbound_gateways }
}

pub(crate) fn leafz(server: &ServerSnapshot) -> Leafz<'_> {
    Leafz { server_id: &server.id, now: server.now, leafnodes: 0, leafs: [] }
}

pub(crate) fn jsz(server: &ServerSnapshot) -> Jsz<'_> {
    Jsz {
        memory: 0,
        storage: 0,
        reserved_memory: 0,
        reserved_storage: 0,
        accounts: 0,
        ha_assets: 0,
        api: ApiStats { level: 0, total: 0, errors: 0 },
        server_id: &server.id,
        now: server.now,
        disabled: true,
        config: JsConfig { max_memory: 0, max_storage: 0 },
        streams: 0,
        consumers: 0,
        messages: 0,
        bytes: 0,
        total: 0,
    }
}
