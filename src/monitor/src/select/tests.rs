use std::time::Duration;

use natrium_model::CloseReason;
use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp(1_000_000);

/// An open connection with all its numbers derived from `id`.
fn open(id: u64) -> ConnFacts<'static> {
    let time = i64::try_from(id).unwrap();
    ConnFacts {
        id: ConnId(id),
        counters: ConnCounters {
            start: Timestamp(time),
            last_activity: Timestamp(time),
            rtt: Duration::from_nanos(id),
            pending_bytes: id,
            in_msgs: id,
            out_msgs: id,
            in_bytes: id,
            out_bytes: id,
            stalls: 0,
            subscriptions: u32::try_from(id).unwrap(),
        },
        closing: None,
        account: "$G",
        user: "",
    }
}

fn closed(id: u64, stop: i64, reason: CloseReason) -> ConnFacts<'static> {
    ConnFacts { closing: Some(Closing { stop: Timestamp(stop), reason }), ..open(id) }
}

fn ids(selection: &ConnSelection, conns: &[ConnFacts<'_>]) -> Vec<u64> {
    let chosen = selection.choose(NOW, conns.iter().map(|facts| (*facts, facts.id.0)));
    selection.page.cut(&chosen.entries).to_vec()
}

fn by(sort: ConnSort) -> ConnSelection {
    ConnSelection { sort, ..ConnSelection::default() }
}

// go: server/monitor_test.go TestMonitorConnzSortByIdleTime
#[test]
fn the_longest_idle_come_first() {
    // Seconds from now to the last activity.
    let cases: [(&str, &[i64]); 5] = [
        ("equal", &[-60, -60, -60, -60]),
        ("in the future", &[600, 300, 2, 900, 60]),
        ("unsorted", &[-600, -300, -2, -900, -60]),
        ("sorted", &[-2, -60, -300, -600, -900]),
        ("now", &[0, 0, 0, 0]),
    ];
    for (name, since_now) in cases {
        let conns: Vec<_> = (1..)
            .zip(since_now)
            .map(|(id, since_now)| {
                let mut conn = open(id);
                conn.counters.last_activity = Timestamp(NOW.0 + since_now * 1_000_000_000);
                conn
            })
            .collect();
        let in_order = |sort| by(sort).choose(NOW, conns.iter().map(|facts| (*facts, *facts))).entries;
        let idle = |facts: &ConnFacts<'_>| NOW.0 - facts.counters.last_activity.0;
        assert!(in_order(ConnSort::Idle).is_sorted_by_key(|facts| Reverse(idle(facts))), "{name}");
        assert!(in_order(ConnSort::Last).is_sorted_by_key(idle), "{name}");
    }
}

#[test]
fn numbers_sort_downwards_and_ids_upwards() {
    let conns = [open(2), open(3), open(1)];
    assert_eq!(ids(&by(ConnSort::Id), &conns), [1, 2, 3]);
    for sort in [
        ConnSort::Subscriptions,
        ConnSort::Pending,
        ConnSort::MsgsTo,
        ConnSort::MsgsFrom,
        ConnSort::BytesTo,
        ConnSort::BytesFrom,
        ConnSort::RoundTrip,
        ConnSort::Last,
    ] {
        assert_eq!(ids(&by(sort), &conns), [3, 2, 1], "{sort:?}");
    }
    // The last to come is the youngest.
    assert_eq!(ids(&by(ConnSort::Uptime), &conns), [3, 2, 1]);
}

#[test]
fn closed_connections_sort_by_stop_reason_and_the_uptime_they_reached() {
    let conns = [
        closed(1, 500, CloseReason::TlsHandshakeError),
        closed(2, 20, CloseReason::ClientClosed),
        closed(3, 400, CloseReason::AuthenticationTimeout),
    ];
    let by = |sort| ConnSelection { state: ConnState::Closed, ..by(sort) };
    assert_eq!(ids(&by(ConnSort::Stop), &conns), [1, 3, 2]);
    assert_eq!(ids(&by(ConnSort::Reason), &conns), [3, 2, 1]);
    assert_eq!(ids(&by(ConnSort::Uptime), &conns), [2, 3, 1]);
}

#[test]
fn states_are_kept_apart() {
    let conns = [open(1), closed(2, 5, CloseReason::ClientClosed), open(3)];
    let in_state = |state| ids(&ConnSelection { state, ..ConnSelection::default() }, &conns);
    assert_eq!(in_state(ConnState::Open), [1, 3]);
    assert_eq!(in_state(ConnState::Closed), [2]);
    assert_eq!(in_state(ConnState::All), [1, 2, 3]);
}

#[test]
fn a_filter_by_account_lowers_the_total_and_one_by_user_does_not() {
    let conns = [
        ConnFacts { account: "A", user: "x", ..open(1) },
        ConnFacts { account: "A", user: "y", ..open(2) },
        ConnFacts { account: "B", user: "x", ..open(3) },
    ];
    let choose = |account: &str, user: &str| {
        let (account, user) = (account.to_owned(), user.to_owned());
        let selection = ConnSelection { account, user, ..ConnSelection::default() };
        let chosen = selection.choose(NOW, conns.iter().map(|facts| (*facts, facts.id.0)));
        (chosen.total, chosen.entries)
    };
    assert_eq!(choose("", ""), (3, vec![1, 2, 3]));
    assert_eq!(choose("A", ""), (2, vec![1, 2]));
    assert_eq!(choose("", "x"), (3, vec![1, 3]));
    assert_eq!(choose("A", "x"), (2, vec![1]));
    assert_eq!(choose("C", ""), (0, vec![]));
}

#[test]
fn an_open_connection_is_found_by_its_number_whatever_else_is_asked() {
    let conns = [open(1), closed(2, 5, CloseReason::ClientClosed)];
    let find = |id, state, account: &str| {
        let page = Page { offset: 0, limit: 1 };
        let account = account.to_owned();
        ids(&ConnSelection { id: Some(ConnId(id)), state, account, page, ..ConnSelection::default() }, &conns)
    };
    assert_eq!(find(1, ConnState::Open, "B"), [1]);
    assert_eq!(find(1, ConnState::All, ""), [1]);
    assert_eq!(find(1, ConnState::Closed, ""), [0; 0]);
    assert_eq!(find(2, ConnState::All, "$G"), [2]);
    assert_eq!(find(2, ConnState::All, "B"), [0; 0]);
    assert_eq!(find(2, ConnState::Open, ""), [0; 0]);
}

#[test]
fn no_connection_has_an_mqtt_client_id() {
    let selection = ConnSelection { mqtt_client: "m".to_owned(), ..ConnSelection::default() };
    let chosen = selection.choose(NOW, [(open(1), ())]);
    assert_eq!((chosen.total, chosen.entries.len()), (1, 0));
}

#[test]
fn pages_behind_the_end_and_beyond_all_numbers_are_cut() {
    let list = [1, 2, 3];
    let cut = |offset, limit| Page { offset, limit }.cut(&list).to_vec();
    assert_eq!(cut(1, 1), [2]);
    assert_eq!(cut(2, 1024), [3]);
    assert_eq!(cut(3, 1), [0; 0]);
    assert_eq!(cut(usize::MAX, usize::MAX), [0; 0]);
    assert_eq!(cut(0, usize::MAX), [1, 2, 3]);
}

#[test]
fn a_page_deep_in_a_hundred_thousand_connections_is_whole() {
    // Orders that make a naive choice of the page quadratic: sorted, reversed, all equal; such a one would not end.
    let count = 100_000;
    let orders: [Vec<ConnFacts<'_>>; 3] = [
        (1..=count).map(open).collect(),
        (1..=count).rev().map(open).collect(),
        (1..=count).map(|id| ConnFacts { id: ConnId(id), ..open(7) }).collect(),
    ];
    for conns in orders {
        let selection = ConnSelection { page: Page { offset: 50_000, limit: 10 }, ..by(ConnSort::Pending) };
        assert_eq!(ids(&selection, &conns).len(), 10);
    }
}

#[test]
fn subscriptions_are_filtered_by_account_and_by_what_they_would_receive() {
    let subs = [("A", "foo.*"), ("A", "bar"), ("B", "foo.>"), ("B", "*")];
    let choose = |account: &str, test: &str, page| {
        let selection = SubSelection { page, account: account.to_owned(), test: test.to_owned() };
        let chosen =
            selection.choose(subs.iter().map(|(account, subject)| (SubFacts { account, subject }, *subject)));
        (chosen.total, page.cut(&chosen.entries).to_vec())
    };
    let all = Page::default();
    assert_eq!(choose("", "", all).0, 4);
    assert_eq!(choose("A", "", all), (2, vec!["foo.*", "bar"]));
    assert_eq!(choose("", "foo.x", all), (2, vec!["foo.*", "foo.>"]));
    assert_eq!(choose("B", "bar", all), (1, vec!["*"]));
    assert_eq!(choose("", "", Page { offset: 2, limit: 1 }), (4, vec!["foo.>"]));
}

proptest! {
    /// Choosing on each shard and again over what they sent gives the page that sorting everything gives.
    #[test]
    fn choosing_by_shards_equals_sorting_everything(
        pending in prop::collection::vec(0_u64..5, 0..60),
        shards in 1_usize..5,
        offset in 0_usize..70,
        limit in 1_usize..20,
    ) {
        let conns: Vec<ConnFacts<'_>> = (1..).zip(&pending).map(|(id, pending)| {
            let mut conn = open(id);
            conn.counters.pending_bytes = *pending;
            conn
        }).collect();
        let selection = ConnSelection { page: Page { offset, limit }, ..by(ConnSort::Pending) };

        let mut sent = Vec::new();
        for shard in 0..shards {
            let local = conns.iter().filter(|facts| facts.id.0 as usize % shards == shard);
            let chosen = selection.choose(NOW, local.map(|facts| (*facts, *facts)));
            prop_assert!(chosen.entries.len() <= offset + limit);
            sent.extend(chosen.entries);
        }
        let mut sorted = conns.clone();
        sorted.sort_by_key(|facts| (Reverse(facts.counters.pending_bytes), facts.id));
        let expected: Vec<u64> = sorted.iter().skip(offset).take(limit).map(|facts| facts.id.0).collect();
        prop_assert_eq!(ids(&selection, &sent), expected);
    }
}
