//! What one shard says to a request.

use std::rc::Rc;

use natrium_account::ConnectionType;
use natrium_broker::{Broker, Subscription};
use natrium_client::Connection;
use natrium_model::{AccountId, CloseReason, ShardId, Timestamp};
use natrium_monitor::{
    AccountCounters, ClientType, Closing, Collected, ConnCounters, ConnFacts, ConnSelection, ConnSnapshot,
    Counters, InterestStats, ShardSnapshot, SubFacts, SubSelection, SubSnapshot, Traffic,
};

use super::Question;
use super::tls_facts::{Certificates, tls_facts};
use crate::client_task::Client;
use crate::shard::Shard;

/// One shard's part of an answer. What was not asked for is empty.
pub(crate) struct ShardReport {
    pub(super) index: usize,
    pub(super) shard: Option<ShardSnapshot>,
    /// In the order of the accounts.
    pub(super) accounts: Vec<AccountCounters>,
    pub(super) connections: Collected<ConnSnapshot>,
    pub(super) subscriptions: Collected<SubSnapshot>,
}

/// Where a chosen connection is.
#[derive(Clone, Copy)]
enum Found<'a> {
    Open(&'a Rc<Client>),
    Closed(&'a ConnSnapshot),
}

pub(crate) fn report(shard: &Shard, question: &Question) -> ShardReport {
    let Question { needs, now, .. } = question;
    let broker = shard.broker.borrow();
    let clients = shard.clients();
    let mut report = ShardReport {
        index: shard.index(),
        shard: needs.shards.then(|| shard_snapshot(shard, &broker)),
        accounts: Vec::new(),
        connections: Collected::default(),
        subscriptions: Collected::default(),
    };
    if needs.accounts {
        let counters = |(id, _)| account_counters(shard, &broker, id);
        report.accounts = shard.shared.accounts.iter().map(counters).collect();
    }
    if let Some(selection) = &needs.connections {
        report.connections = connections(shard, &broker, &clients, selection, *now);
    }
    if let Some(selection) = &needs.subscriptions {
        report.subscriptions = subscriptions(shard, &broker, &clients, selection);
    }
    report
}

/// A connection that is about to go, to be remembered.
pub(crate) fn closed_connection(
    shard: &Shard,
    broker: &Broker,
    client: &Client,
    reason: CloseReason,
    now: Timestamp,
) -> ConnSnapshot {
    ConnSnapshot {
        closing: Some(Closing { stop: now, reason }),
        subscriptions: subscriptions_of(shard, broker, client),
        ..open_connection(shard, broker, client, Certificates::Shown)
    }
}

fn shard_snapshot(shard: &Shard, broker: &Broker) -> ShardSnapshot {
    let counts = shard.tally.counts();
    let received = counts.received();
    let sent = shard.shared.accounts.iter().fold(Traffic::default(), |mut sum, (id, _)| {
        sum += sent(broker, id);
        sum
    });
    ShardSnapshot {
        shard: ShardId(u16::try_from(shard.index()).expect("at most 64 shards")),
        counters: Counters {
            connections: broker.conn_count() as u64,
            total_connections: counts.total_connections,
            subscriptions: broker.subscription_count() as u64,
            in_msgs: received.msgs,
            in_bytes: received.bytes,
            out_msgs: sent.msgs,
            out_bytes: sent.bytes,
            pending_bytes: broker.pending_bytes() as u64,
            slow_consumers: counts.slow_consumers,
            stale_connections: counts.stale_connections,
            stalled_clients: counts.stalled_clients,
        },
        loop_stall_ns: natrium_shards::loop_stalls(super::tally::summary),
        lane_depth: shard.tally.lane_depth(),
        flush_bytes: shard.tally.flush_bytes(),
    }
}

fn account_counters(shard: &Shard, broker: &Broker, account: AccountId) -> AccountCounters {
    let totals = broker.account_totals(account);
    let counts = shard.tally.counts().account(account);
    let interest = broker.interest_stats(account);
    AccountCounters {
        connections: totals.connections as u64,
        received: counts.received,
        sent: sent(broker, account),
        slow_consumers: counts.slow_consumers,
        interest: InterestStats {
            subscriptions: totals.subscriptions as u64,
            cached: interest.cached as u64,
            inserts: totals.subscribed,
            removes: totals.unsubscribed,
            matches: interest.matches,
            cache_hits: interest.cache_hits,
            fanout_max: interest.fanout_max as u64,
            fanout_total: interest.fanout_sum as u64,
        },
    }
}

fn sent(broker: &Broker, account: AccountId) -> Traffic {
    let totals = broker.account_totals(account);
    Traffic { msgs: totals.out_messages, bytes: totals.out_bytes }
}

fn connections(
    shard: &Shard,
    broker: &Broker,
    clients: &[Option<Rc<Client>>],
    selection: &ConnSelection,
    now: Timestamp,
) -> Collected<ConnSnapshot> {
    let ring = shard.tally.closed_connections();
    let closed = ring.iter().filter(|_| selection.wants_closed());
    let open = || clients.iter().flatten().filter(|_| selection.wants_open());
    // Users are looked at only where one is asked for.
    let asks_for_user = !selection.user.is_empty();
    let user = |client: &Rc<Client>| client.connection.borrow().shown_user().map(str::to_owned);
    let users: Vec<Option<String>> =
        open().map(|client| asks_for_user.then(|| user(client)).flatten()).collect();
    let open = open().zip(&users).map(|(client, user)| {
        let facts = ConnFacts {
            id: client.id,
            counters: counters(shard, broker, client, &client.connection.borrow()),
            closing: None,
            account: account_name(shard, broker, client),
            user: user.as_deref().unwrap_or_default(),
        };
        (facts, Found::Open(client))
    });
    let closed = closed.map(|snapshot| (ConnFacts::from(snapshot), Found::Closed(snapshot)));
    let chosen = selection.choose(now, open.chain(closed));
    let certificates = if selection.auth { Certificates::Shown } else { Certificates::Hidden };
    let snapshot = |found: &Found<'_>| match *found {
        Found::Open(client) => ConnSnapshot {
            subscriptions: match selection.wants_subscriptions() {
                true => subscriptions_of(shard, broker, client),
                false => Vec::new(),
            },
            ..open_connection(shard, broker, client, certificates)
        },
        Found::Closed(snapshot) => snapshot.clone(),
    };
    Collected { total: chosen.total, entries: chosen.entries.iter().map(snapshot).collect() }
}

/// Without its subscriptions.
fn open_connection(
    shard: &Shard,
    broker: &Broker,
    client: &Client,
    certificates: Certificates,
) -> ConnSnapshot {
    let connection = client.connection.borrow();
    let account = account_name(shard, broker, client).to_owned();
    let identity = connection.identity();
    ConnSnapshot {
        id: client.id,
        client_type: client_type(connection.origin().connection_type),
        remote: Some(connection.origin().address),
        counters: counters(shard, broker, client, &connection),
        closing: None,
        name: identity.name,
        lang: identity.lang,
        version: identity.version,
        tls: tls_facts(client, certificates),
        user: connection.shown_user().unwrap_or_default().to_owned(),
        name_tag: account.clone(),
        account,
        subscriptions: Vec::new(),
        proxy_key: None,
    }
}

fn counters(shard: &Shard, broker: &Broker, client: &Client, connection: &Connection) -> ConnCounters {
    let conn = broker.conn(client.key);
    let stats = connection.stats();
    let (out_msgs, out_bytes) = conn.sent();
    let active = connection.last_activity();
    let last = conn.delivered_at().map_or(active, |delivered| delivered.max(active));
    ConnCounters {
        start: client.accepted_at,
        last_activity: later(client.accepted_at, last.saturating_duration_since(connection.started())),
        rtt: connection.rtt().unwrap_or_default(),
        pending_bytes: conn.outbox.pending() as u64,
        in_msgs: stats.in_messages,
        out_msgs,
        in_bytes: stats.in_bytes,
        out_bytes,
        stalls: if shard.shared.rules.publisher_rest { conn.stalls() } else { 0 },
        subscriptions: u32::try_from(conn.subscription_count()).unwrap_or(u32::MAX),
    }
}

/// In the order the client counts.
fn subscriptions_of(shard: &Shard, broker: &Broker, client: &Client) -> Vec<SubSnapshot> {
    let account = account_name(shard, broker, client);
    let snapshot = |(subscription, filter, queue): &Listed<'_>| {
        sub_snapshot(client, account, subscription, filter, *queue)
    };
    in_order(broker, client).iter().map(snapshot).collect()
}

fn subscriptions(
    shard: &Shard,
    broker: &Broker,
    clients: &[Option<Rc<Client>>],
    selection: &SubSelection,
) -> Collected<SubSnapshot> {
    let candidates = clients.iter().flatten().flat_map(|client| {
        let account = account_name(shard, broker, client);
        in_order(broker, client).into_iter().map(move |listed| {
            // A subject that is no text cannot be asked for either.
            let subject = std::str::from_utf8(listed.1).unwrap_or_default();
            (SubFacts { account, subject }, (client, account, listed))
        })
    });
    let chosen = selection.choose(candidates);
    let snapshot = |(client, account, (subscription, filter, queue)): &(&Rc<Client>, &str, Listed<'_>)| {
        sub_snapshot(client, account, subscription, filter, *queue)
    };
    Collected { total: chosen.total, entries: chosen.entries.iter().map(snapshot).collect() }
}

/// A subscription, its filter and its queue group.
type Listed<'a> = (&'a Subscription, &'a [u8], Option<&'a [u8]>);

/// Clients count their subscriptions: a longer sid is a later one.
fn in_order<'a>(broker: &'a Broker, client: &Client) -> Vec<Listed<'a>> {
    let mut listed: Vec<Listed<'a>> = broker.subscriptions_of(client.key).collect();
    listed.sort_unstable_by_key(|(subscription, ..)| {
        let sid = subscription.sid().as_bytes();
        (sid.len(), sid)
    });
    listed
}

fn sub_snapshot(
    client: &Client,
    account: &str,
    subscription: &Subscription,
    filter: &[u8],
    queue: Option<&[u8]>,
) -> SubSnapshot {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    SubSnapshot {
        conn: client.id,
        account: account.to_owned(),
        account_tag: account.to_owned(),
        subject: text(filter),
        queue: queue.map(text).unwrap_or_default(),
        sid: text(subscription.sid().as_bytes()),
        msgs: subscription.delivered(),
        max: subscription.max().unwrap_or(0),
    }
}

fn account_name<'a>(shard: &'a Shard, broker: &Broker, client: &Client) -> &'a str {
    let account = shard.shared.accounts.get(broker.conn(client.key).account());
    account.map_or("", |account| account.name())
}

fn client_type(connection_type: ConnectionType) -> ClientType {
    match connection_type {
        ConnectionType::Standard
        | ConnectionType::InProcess
        | ConnectionType::Leafnode
        | ConnectionType::LeafnodeWs => ClientType::Nats,
        ConnectionType::Websocket => ClientType::Websocket,
        ConnectionType::Mqtt | ConnectionType::MqttWs => ClientType::Mqtt,
    }
}

fn later(time: Timestamp, span: std::time::Duration) -> Timestamp {
    Timestamp(time.0.saturating_add(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)))
}
