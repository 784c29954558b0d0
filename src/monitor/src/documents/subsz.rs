//! `/subsz`: the interest trees in numbers, and on request their subscriptions.

use natrium_model::Timestamp;
use serde::Serialize;

use crate::json::{go_float, is_zero};
use crate::select::{Page, SubFacts, SubSelection};
use crate::snapshot::{InterestStats, Snapshots, SubSnapshot};

#[derive(Serialize)]
pub(crate) struct Subsz<'a> {
    server_id: &'a str,
    now: Timestamp,
    #[serde(flatten)]
    stats: SublistStats,
    total: usize,
    offset: usize,
    limit: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscriptions_list: Vec<SubDetail<'a>>,
}

/// Interest in the reference's terms.
#[derive(Serialize)]
pub(crate) struct SublistStats {
    num_subscriptions: u64,
    num_cache: u64,
    num_inserts: u64,
    num_removes: u64,
    num_matches: u64,
    #[serde(serialize_with = "go_float")]
    cache_hit_rate: f64,
    max_fanout: u64,
    #[serde(serialize_with = "go_float")]
    avg_fanout: f64,
}

/// One subscription.
#[derive(Serialize)]
pub(crate) struct SubDetail<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    account: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    account_tag: &'a str,
    subject: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    qgroup: &'a str,
    sid: &'a str,
    msgs: u64,
    #[serde(skip_serializing_if = "is_zero")]
    max: u64,
    cid: u64,
}

pub(crate) fn document<'a>(
    account: &str,
    page: Page,
    list: Option<&SubSelection>,
    source: &'a Snapshots,
) -> Subsz<'a> {
    let mut stats = InterestStats::default();
    for snapshot in &source.accounts {
        if account.is_empty() || snapshot.name == account {
            stats += snapshot.counters.interest;
        }
    }
    let subscriptions = list.map_or_else(Vec::new, |selection| {
        let candidates = source.subscriptions.entries.iter().map(|sub| (SubFacts::from(sub), sub));
        page.cut(&selection.choose(candidates).entries).iter().map(|sub| SubDetail::new(sub)).collect()
    });
    Subsz {
        server_id: &source.server.id,
        now: source.server.now,
        stats: SublistStats::from(stats),
        total: source.subscriptions.total,
        offset: page.offset,
        limit: page.limit,
        subscriptions_list: subscriptions,
    }
}

impl<'a> SubDetail<'a> {
    pub(crate) fn new(sub: &'a SubSnapshot) -> Self {
        Self {
            account: &sub.account,
            account_tag: &sub.account_tag,
            subject: &sub.subject,
            qgroup: &sub.queue,
            sid: &sub.sid,
            msgs: sub.msgs,
            max: sub.max,
            cid: sub.conn.0,
        }
    }

    pub(crate) fn without_account(sub: &'a SubSnapshot) -> Self {
        Self { account: "", account_tag: "", ..Self::new(sub) }
    }
}

impl From<InterestStats> for SublistStats {
    fn from(stats: InterestStats) -> Self {
        Self {
            num_subscriptions: stats.subscriptions,
            num_cache: stats.cached,
            num_inserts: stats.inserts,
            num_removes: stats.removes,
            num_matches: stats.matches,
            cache_hit_rate: ratio(stats.cache_hits, stats.matches),
            max_fanout: stats.fanout_max,
            avg_fanout: ratio(stats.fanout_total, stats.cached),
        }
    }
}

/// Zero where there is nothing to divide by. Counts above 2^53 lose digits nobody reads.
#[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
