//! Which connections and subscriptions appear on a page, decided twice by the same code: by each shard over its own,
//! so that it sends no more than one page, and by the reader over what the shards sent.
//!
//! A page at `offset` with `limit` entries lies within the first `offset + limit` of each shard's own order, so no shard
//! needs to send more than that, however many connections it has. Picking them is linear in the connections and sorts
//! only what is kept.

use std::cmp::Reverse;

use natrium_model::{ConnId, Timestamp};

use crate::snapshot::{Closing, ConnCounters, ConnSnapshot, SubSnapshot};

/// Entries on a page when the request does not say.
pub(crate) const LIMIT_DEFAULT: usize = 1024;

/// Part of a long list. The default is its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub offset: usize,
    pub limit: usize,
}

impl Default for Page {
    fn default() -> Self {
        Self { offset: 0, limit: LIMIT_DEFAULT }
    }
}

impl Page {
    /// How many entries from the start of the list can appear on this page or before it.
    fn reach(self) -> usize {
        self.offset.saturating_add(self.limit)
    }

    /// The entries of `list` on this page; none where it begins behind the list's end.
    pub(crate) fn cut<T>(self, list: &[T]) -> &[T] {
        let from = self.offset.min(list.len());
        let to = self.reach().min(list.len());
        &list[from..to]
    }
}

/// What a shard, or the reader, picked.
#[derive(Clone, Debug)]
pub struct Chosen<T> {
    /// How many there were to pick from. As in the reference, a filter by account lowers it and the other filters of
    /// `/connz` do not.
    pub total: usize,
    /// In the order asked for, no more than can appear on the page or before it.
    pub entries: Vec<T>,
}

/// What `/connz` was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnSelection {
    pub sort: ConnSort,
    pub state: ConnState,
    /// Show users and accounts.
    pub auth: bool,
    pub subscriptions: SubscriptionsShown,
    pub page: Page,
    /// This connection alone.
    pub id: Option<ConnId>,
    /// Empty for any.
    pub user: String,
    /// Empty for any.
    pub account: String,
    /// Empty for any. No MQTT client connects yet, so no connection has such an id.
    pub mqtt_client: String,
}

/// Which connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnState {
    #[default]
    Open,
    Closed,
    All,
}

/// What of a connection's subscriptions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubscriptionsShown {
    #[default]
    None,
    /// Their filters.
    Filters,
    /// Everything about them.
    Detail,
}

/// The order of connections. Equal ones are ordered by their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnSort {
    /// Ascending; `start` is the same order.
    #[default]
    Id,
    Subscriptions,
    Pending,
    MsgsTo,
    MsgsFrom,
    BytesTo,
    BytesFrom,
    /// The latest activity first.
    Last,
    /// The longest idle first.
    Idle,
    /// The youngest first.
    Uptime,
    /// The last to end first; only for closed connections.
    Stop,
    /// In alphabetical order; only for closed connections.
    Reason,
    RoundTrip,
}

/// What choosing looks at in one connection; borrowed from the shard's state.
#[derive(Clone, Copy, Debug)]
pub struct ConnFacts<'a> {
    pub id: ConnId,
    pub counters: ConnCounters,
    pub closing: Option<Closing>,
    pub account: &'a str,
    pub user: &'a str,
}

impl<'a> From<&'a ConnSnapshot> for ConnFacts<'a> {
    fn from(conn: &'a ConnSnapshot) -> Self {
        Self {
            id: conn.id,
            counters: conn.counters,
            closing: conn.closing,
            account: &conn.account,
            user: &conn.user,
        }
    }
}

impl ConnSelection {
    /// Whether closed connections are among the candidates.
    pub fn wants_closed(&self) -> bool {
        match self.state {
            ConnState::Closed | ConnState::All => true,
            ConnState::Open => false,
        }
    }

    /// Whether open connections are among the candidates.
    pub fn wants_open(&self) -> bool {
        match self.state {
            ConnState::Open | ConnState::All => true,
            ConnState::Closed => false,
        }
    }

    /// Whether the chosen connections come with their subscriptions.
    pub fn wants_subscriptions(&self) -> bool {
        self.subscriptions != SubscriptionsShown::None
    }

    /// Picks from `candidates`, each with the handle by which the caller finds it again. O(n + k log k) for n candidates
    /// and k kept.
    pub fn choose<'a, T>(
        &self,
        now: Timestamp,
        candidates: impl IntoIterator<Item = (ConnFacts<'a>, T)>,
    ) -> Chosen<T> {
        let mut total = 0;
        let mut ranked: Vec<((Rank, ConnId), T)> = Vec::new();
        for (facts, handle) in candidates {
            total += usize::from(self.counts(&facts));
            if self.admits(&facts) {
                ranked.push(((self.sort.rank(&facts, now), facts.id), handle));
            }
        }
        let reach = self.page.reach();
        if reach < ranked.len() {
            ranked.select_nth_unstable_by_key(reach, |(key, _)| *key);
            ranked.truncate(reach);
        }
        ranked.sort_unstable_by_key(|(key, _)| *key);
        Chosen { total, entries: ranked.into_iter().map(|(_, handle)| handle).collect() }
    }

    /// Whether the connection is one of the document's `total`.
    fn counts(&self, facts: &ConnFacts<'_>) -> bool {
        let of_state = if facts.closing.is_some() { self.wants_closed() } else { self.wants_open() };
        of_state && (self.account.is_empty() || self.account == facts.account)
    }

    fn admits(&self, facts: &ConnFacts<'_>) -> bool {
        let user_matches = self.user.is_empty() || self.user == facts.user;
        match self.id {
            // An open connection asked for by its number is shown whatever the other filters say, as in the reference.
            Some(id) if facts.closing.is_none() => id == facts.id && self.wants_open(),
            Some(id) => id == facts.id && self.counts(facts) && user_matches,
            None => self.counts(facts) && user_matches && self.mqtt_client.is_empty(),
        }
    }
}

/// Where a connection stands in an order; the smallest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Ascending(i128),
    Descending(Reverse<i128>),
    Text(&'static str),
}

impl ConnSort {
    /// The key's name in the request; `start` and the empty text name the order by number.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "" | "cid" | "start" => Self::Id,
            "subs" => Self::Subscriptions,
            "pending" => Self::Pending,
            "msgs_to" => Self::MsgsTo,
            "msgs_from" => Self::MsgsFrom,
            "bytes_to" => Self::BytesTo,
            "bytes_from" => Self::BytesFrom,
            "last" => Self::Last,
            "idle" => Self::Idle,
            "uptime" => Self::Uptime,
            "stop" => Self::Stop,
            "reason" => Self::Reason,
            "rtt" => Self::RoundTrip,
            _ => return None,
        })
    }

    fn rank(self, facts: &ConnFacts<'_>, now: Timestamp) -> Rank {
        let ConnFacts { id, counters, closing, .. } = facts;
        let descending = |value: u64| Rank::Descending(Reverse(i128::from(value)));
        match self {
            Self::Id => Rank::Ascending(i128::from(id.0)),
            Self::Subscriptions => descending(counters.subscriptions.into()),
            Self::Pending => descending(counters.pending_bytes),
            Self::MsgsTo => descending(counters.out_msgs),
            Self::MsgsFrom => descending(counters.in_msgs),
            Self::BytesTo => descending(counters.out_bytes),
            Self::BytesFrom => descending(counters.in_bytes),
            Self::Last => Rank::Descending(Reverse(counters.last_activity.0.into())),
            Self::Idle => Rank::Ascending(counters.last_activity.0.into()),
            Self::Uptime => {
                let end = closing.map_or(now, |closing| closing.stop);
                Rank::Ascending(i128::from(end.0) - i128::from(counters.start.0))
            }
            Self::Stop => Rank::Descending(Reverse(closing.map_or(0, |closing| closing.stop.0.into()))),
            Self::Reason => Rank::Text(closing.map_or("", |closing| closing.reason.as_str())),
            Self::RoundTrip => Rank::Descending(Reverse(counters.rtt.as_nanos().cast_signed())),
        }
    }
}

/// What `/subsz?subs=1` was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubSelection {
    pub page: Page,
    /// Empty for any.
    pub account: String,
    /// Only subscriptions that a message published to this subject would reach; empty for any.
    pub test: String,
}

/// What choosing looks at in one subscription.
#[derive(Clone, Copy, Debug)]
pub struct SubFacts<'a> {
    pub account: &'a str,
    pub subject: &'a str,
}

impl<'a> From<&'a SubSnapshot> for SubFacts<'a> {
    fn from(sub: &'a SubSnapshot) -> Self {
        Self { account: &sub.account, subject: &sub.subject }
    }
}

impl SubSelection {
    /// Picks from `candidates` in their own order, which has to be the same for each request so that pages join.
    pub fn choose<'a, T>(&self, candidates: impl IntoIterator<Item = (SubFacts<'a>, T)>) -> Chosen<T> {
        let mut chosen = Chosen { total: 0, entries: Vec::new() };
        for (facts, handle) in candidates {
            if self.admits(&facts) {
                chosen.total += 1;
                if chosen.entries.len() < self.page.reach() {
                    chosen.entries.push(handle);
                }
            }
        }
        chosen
    }

    fn admits(&self, facts: &SubFacts<'_>) -> bool {
        (self.account.is_empty() || self.account == facts.account)
            && (self.test.is_empty()
                || natrium_subject::matches(self.test.as_bytes(), facts.subject.as_bytes()))
    }
}

#[cfg(test)]
mod tests;
