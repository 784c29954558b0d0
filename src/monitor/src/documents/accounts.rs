//! `/accountz` and `/accstatz`: the accounts and their traffic.

use natrium_model::Timestamp;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::subsz::SublistStats;
use crate::json::is_off;
use crate::snapshot::{AccountSnapshot, MappedTo, Snapshots, Traffic};

#[derive(Serialize)]
pub(crate) struct Accountz<'a> {
    server_id: &'a str,
    now: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_account: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    accounts: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_detail: Option<AccountDetail<'a>>,
}

#[derive(Serialize)]
struct AccountDetail<'a> {
    account_name: &'a str,
    update_time: Timestamp,
    #[serde(skip_serializing_if = "is_off")]
    is_system: bool,
    expired: bool,
    complete: bool,
    jetstream_enabled: bool,
    leafnode_connections: u64,
    client_connections: u64,
    subscriptions: u64,
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "mappings_by_source")]
    mappings: &'a [(String, Vec<MappedTo>)],
    name_tag: &'a str,
    sublist_stats: SublistStats,
}

#[derive(Serialize)]
struct MapDestination<'a> {
    subject: &'a str,
    weight: u8,
    #[serde(skip_serializing_if = "str::is_empty")]
    cluster: &'a str,
}

#[derive(Serialize)]
pub(crate) struct Accstatz<'a> {
    server_id: &'a str,
    now: Timestamp,
    account_statz: Vec<AccountStat<'a>>,
}

#[derive(Serialize)]
struct AccountStat<'a> {
    acc: &'a str,
    name: &'a str,
    conns: u64,
    leafnodes: u64,
    total_conns: u64,
    num_subscriptions: u64,
    sent: DataStats,
    received: DataStats,
    slow_consumers: u64,
}

/// Traffic with clients, and with servers of each kind, of which there are none.
#[derive(Serialize)]
struct DataStats {
    msgs: u64,
    bytes: u64,
    gateways: MsgBytes,
    routes: MsgBytes,
    leafs: MsgBytes,
}

#[derive(Default, Serialize)]
struct MsgBytes {
    msgs: u64,
    bytes: u64,
}

/// The accounts by name.
pub(crate) fn names(source: &Snapshots) -> Accountz<'_> {
    let accounts = source.accounts.iter().map(|account| account.name.as_str()).collect();
    Accountz { accounts, ..head(source) }
}

/// One account, or `None` if there is none of this name.
pub(crate) fn detail<'a>(name: &str, source: &'a Snapshots) -> Option<Accountz<'a>> {
    let account = source.accounts.iter().find(|account| account.name == name)?;
    let counters = &account.counters;
    let detail = AccountDetail {
        account_name: &account.name,
        update_time: account.updated,
        is_system: source.server.system_account.as_deref() == Some(&account.name),
        expired: false,
        complete: true,
        jetstream_enabled: false,
        leafnode_connections: 0,
        client_connections: counters.connections,
        subscriptions: counters.interest.subscriptions,
        mappings: &account.mappings,
        name_tag: &account.name_tag,
        sublist_stats: SublistStats::from(counters.interest),
    };
    Some(Accountz { account_detail: Some(detail), ..head(source) })
}

/// The traffic of each account that has connections, or of all with `unused`.
pub(crate) fn traffic(unused: bool, source: &Snapshots) -> Accstatz<'_> {
    let account_statz = source
        .accounts
        .iter()
        .filter(|a| unused || a.counters.connections > 0)
        .map(AccountStat::from)
        .collect();
    Accstatz { server_id: &source.server.id, now: source.server.now, account_statz }
}

fn head(source: &Snapshots) -> Accountz<'_> {
    let server = &source.server;
    Accountz {
        server_id: &server.id,
        now: server.now,
        system_account: server.system_account.as_deref(),
        accounts: Vec::new(),
        account_detail: None,
    }
}

/// An object with the sources in alphabetical order, as Go writes maps.
fn mappings_by_source<S: Serializer>(
    mappings: &&[(String, Vec<MappedTo>)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut sorted: Vec<_> = mappings.iter().collect();
    sorted.sort_by_key(|(source, _)| source);
    let mut map = serializer.serialize_map(Some(sorted.len()))?;
    for (source, destinations) in sorted {
        let destinations: Vec<_> = destinations
            .iter()
            .map(|MappedTo { subject, weight, cluster }| MapDestination { subject, weight: *weight, cluster })
            .collect();
        map.serialize_entry(source, &destinations)?;
    }
    map.end()
}

impl<'a> From<&'a AccountSnapshot> for AccountStat<'a> {
    fn from(account: &'a AccountSnapshot) -> Self {
        let counters = &account.counters;
        Self {
            acc: &account.name,
            name: &account.name_tag,
            conns: counters.connections,
            leafnodes: 0,
            total_conns: counters.connections,
            num_subscriptions: counters.interest.subscriptions,
            sent: DataStats::from(counters.sent),
            received: DataStats::from(counters.received),
            slow_consumers: counters.slow_consumers,
        }
    }
}

impl From<Traffic> for DataStats {
    fn from(Traffic { msgs, bytes }: Traffic) -> Self {
        let [gateways, routes, leafs] = Default::default();
        Self { msgs, bytes, gateways, routes, leafs }
    }
}
