//! `/connz`: the connections, open and closed.

use natrium_model::Timestamp;
use serde::Serialize;

use super::subsz::SubDetail;
use crate::json::{self, is_off, is_zero};
use crate::select::{ConnFacts, ConnSelection, SubscriptionsShown};
use crate::snapshot::{ConnSnapshot, PeerCertificate, Snapshots, TlsFacts};
use crate::text::{round_trip, uptime};

#[derive(Serialize)]
struct Connz<'a> {
    server_id: &'a str,
    now: Timestamp,
    num_connections: usize,
    total: usize,
    offset: usize,
    limit: usize,
    /// `null` where the account asked for does not exist, as in the reference.
    connections: Option<Vec<Connection<'a>>>,
}

#[derive(Serialize)]
struct Connection<'a> {
    cid: u64,
    kind: &'static str,
    #[serde(rename = "type")]
    client_type: &'static str,
    ip: String,
    port: u16,
    start: Timestamp,
    last_activity: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    rtt: String,
    uptime: String,
    idle: String,
    pending_bytes: u64,
    in_msgs: u64,
    out_msgs: u64,
    in_bytes: u64,
    out_bytes: u64,
    #[serde(skip_serializing_if = "is_zero")]
    stalls: u64,
    subscriptions: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    lang: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_cipher_suite: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tls_peer_certs: Vec<Certificate<'a>>,
    #[serde(skip_serializing_if = "is_off")]
    tls_first: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    authorized_user: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    account: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscriptions_list: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscriptions_list_detail: Vec<SubDetail<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    name_tag: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<Proxy<'a>>,
}

#[derive(Serialize)]
struct Certificate<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    subject: &'a str,
    spki_sha256: &'a str,
    cert_sha256: &'a str,
}

#[derive(Serialize)]
struct Proxy<'a> {
    key: &'a str,
}

pub(crate) fn document(selection: &ConnSelection, source: &Snapshots) -> Vec<u8> {
    let server = &source.server;
    let known = selection.account.is_empty() || source.accounts.iter().any(|a| a.name == selection.account);
    let mut document = Connz {
        server_id: "",
        now: server.now,
        num_connections: 0,
        total: 0,
        offset: selection.page.offset,
        limit: selection.page.limit,
        connections: None,
    };
    if known {
        let candidates = source.connections.entries.iter().map(|conn| (ConnFacts::from(conn), conn));
        let chosen = selection.choose(server.now, candidates);
        let page = selection.page.cut(&chosen.entries);
        document.server_id = &server.id;
        document.num_connections = page.len();
        document.total = source.connections.total;
        document.connections =
            Some(page.iter().map(|conn| Connection::new(conn, selection, server.now)).collect());
    }
    json::pretty(&document)
}

impl<'a> Connection<'a> {
    fn new(conn: &'a ConnSnapshot, selection: &ConnSelection, now: Timestamp) -> Self {
        let counters = &conn.counters;
        let tls = conn.tls.as_ref();
        // Uptime and idleness of a closed connection stop with it.
        let until = conn.closing.map_or(now, |closing| closing.stop);
        let shown = |text: &'a str| if selection.auth { text } else { "" };
        // Being in the default account is not worth a line; having no account there means the same.
        let account = shown(if conn.account == GLOBAL_ACCOUNT { "" } else { &conn.account });
        // Of a closed connection the reference has lost the default account's tag.
        let name_tag = if conn.closing.is_some() && account.is_empty() { "" } else { shown(&conn.name_tag) };
        Self {
            cid: conn.id.0,
            kind: "Client",
            client_type: conn.client_type.as_str(),
            ip: conn.remote.map_or_else(String::new, |remote| remote.ip().to_string()),
            port: conn.remote.map_or(0, |remote| remote.port()),
            start: counters.start,
            last_activity: counters.last_activity,
            stop: conn.closing.map(|closing| closing.stop),
            reason: conn.closing.map(|closing| closing.reason.as_str()),
            rtt: round_trip(counters.rtt),
            uptime: uptime(until.since(counters.start)),
            idle: uptime(until.since(counters.last_activity)),
            pending_bytes: counters.pending_bytes,
            in_msgs: counters.in_msgs,
            out_msgs: counters.out_msgs,
            in_bytes: counters.in_bytes,
            out_bytes: counters.out_bytes,
            stalls: counters.stalls,
            subscriptions: counters.subscriptions,
            name: &conn.name,
            lang: &conn.lang,
            version: &conn.version,
            tls_version: tls.map(|tls| tls.version),
            tls_cipher_suite: tls.map(|tls| tls.cipher_suite),
            tls_peer_certs: tls.filter(|_| selection.auth).map_or_else(Vec::new, certificates),
            tls_first: tls.is_some_and(|tls| tls.first),
            authorized_user: shown(&conn.user),
            account,
            subscriptions_list: filters(conn, selection.subscriptions),
            subscriptions_list_detail: details(conn, selection.subscriptions),
            name_tag,
            proxy: conn.proxy_key.as_deref().map(|key| Proxy { key }),
        }
    }
}

fn certificates(tls: &TlsFacts) -> Vec<Certificate<'_>> {
    tls.peer_certificates
        .iter()
        .map(|PeerCertificate { subject, spki_sha256, cert_sha256 }| Certificate {
            subject,
            spki_sha256,
            cert_sha256,
        })
        .collect()
}

fn filters(conn: &ConnSnapshot, shown: SubscriptionsShown) -> Vec<&str> {
    match shown {
        SubscriptionsShown::Filters => conn.subscriptions.iter().map(|sub| sub.subject.as_str()).collect(),
        SubscriptionsShown::None | SubscriptionsShown::Detail => Vec::new(),
    }
}

fn details(conn: &ConnSnapshot, shown: SubscriptionsShown) -> Vec<SubDetail<'_>> {
    match shown {
        // The reference keeps the account with the subscriptions of a closed connection, and only there.
        SubscriptionsShown::Detail if conn.closing.is_some() => {
            conn.subscriptions.iter().map(SubDetail::new).collect()
        }
        SubscriptionsShown::Detail => conn.subscriptions.iter().map(SubDetail::without_account).collect(),
        SubscriptionsShown::None | SubscriptionsShown::Filters => Vec::new(),
    }
}

const GLOBAL_ACCOUNT: &str = "$G";
