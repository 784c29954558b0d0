//! Several brokers joined by hand: what a client of any shard sees is what one shard alone would show it.

use std::time::Instant;

use natrium_client::Features;
use natrium_model::AccountId;
use natrium_subject::MatchCaching;
use natrium_wire::Publish;
use proptest::prelude::*;

use crate::{Batch, Broker, ConnKey, SubscribeError};

struct World {
    brokers: Vec<Broker>,
    now: Instant,
}

impl World {
    fn new(shards: usize) -> Self {
        Self::with_caching(shards, MatchCaching::On)
    }

    #[allow(clippy::disallowed_methods, reason = "a starting point; only differences matter")]
    fn with_caching(shards: usize, caching: MatchCaching) -> Self {
        let broker = |shard| Broker::new(shard, shards, 1 << 20, caching, 7 + shard as u64);
        Self { brokers: (0..shards).map(broker).collect(), now: Instant::now() }
    }

    fn connect(&mut self, shard: usize) -> (usize, ConnKey) {
        let key = self.brokers[shard].add_conn();
        self.brokers[shard].set_features(key, Features { echo: true, headers: true, no_responders: true });
        (shard, key)
    }

    fn subscribe(&mut self, (shard, key): (usize, ConnKey), filter: &str, queue: Option<&str>, sid: &str) {
        let queue = queue.map(str::as_bytes);
        self.brokers[shard].subscribe(key, filter.as_bytes(), queue, sid.as_bytes(), false).unwrap();
        self.settle();
    }

    fn unsubscribe(&mut self, (shard, key): (usize, ConnKey), sid: &str, max: Option<u64>) {
        self.brokers[shard].unsubscribe(key, sid.as_bytes(), max);
        self.settle();
    }

    fn publish(
        &mut self,
        (shard, key): (usize, ConnKey),
        subject: &str,
        reply: Option<&str>,
        payload: &[u8],
    ) {
        let message = Publish {
            subject: subject.as_bytes(),
            reply: reply.map(str::as_bytes),
            header_len: 0,
            payload,
            has_headers: false,
        };
        self.brokers[shard].publish(key, &message, self.now);
        self.settle();
    }

    /// Carries every batch to its shard, interest first, until nothing moves.
    fn settle(&mut self) {
        let shards = self.brokers.len();
        while self.brokers.iter().any(Broker::has_staged) {
            for from in 0..shards {
                for to in (0..shards).filter(|to| *to != from) {
                    if let Some(notices) = self.brokers[from].take_notices(to, Batch::default) {
                        self.brokers[to].receive_notices(from, &notices);
                    }
                    if let Some(messages) = self.brokers[from].take_messages(to, Batch::default) {
                        self.brokers[to].receive_messages(from, &messages, self.now);
                    }
                }
            }
        }
    }

    fn read(&mut self, (shard, key): (usize, ConnKey)) -> String {
        let outbox = &mut self.brokers[shard].conn_mut(key).outbox;
        let mut slices = [std::io::IoSlice::new(&[]); 64];
        let used = outbox.fill(&mut slices);
        let bytes: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.to_vec()).collect();
        outbox.advance(bytes.len());
        String::from_utf8(bytes).unwrap()
    }

    /// The sids of `receiver` that get the next message to `foo`, sorted.
    fn heard(&mut self, publisher: (usize, ConnKey), receiver: (usize, ConnKey)) -> Vec<String> {
        self.publish(publisher, "foo", None, b"");
        let read = self.read(receiver);
        let mut sids: Vec<String> =
            read.lines().filter_map(|line| line.split(' ').nth(2)).map(str::to_owned).collect();
        sids.sort();
        sids
    }

    fn filters(&self) -> Vec<usize> {
        let of = |broker: &Broker| broker.accounts.iter().map(|account| account.filters.len()).sum();
        self.brokers.iter().map(of).collect()
    }
}

#[test]
fn a_message_reaches_every_shard_once() {
    let mut world = World::new(3);
    let publisher = world.connect(0);
    let receivers = [world.connect(0), world.connect(1), world.connect(1), world.connect(2)];
    for receiver in receivers {
        world.subscribe(receiver, "foo.*", None, "1");
        world.subscribe(receiver, "foo.bar", None, "2");
    }
    world.publish(publisher, "foo.bar", Some("reply"), b"hello");
    for receiver in receivers {
        let read = world.read(receiver);
        assert_eq!(read.matches("MSG foo.bar 1 reply 5\r\nhello\r\n").count(), 1, "{read}");
        assert_eq!(read.matches("MSG foo.bar 2 reply 5\r\nhello\r\n").count(), 1, "{read}");
    }
    assert_eq!(world.read(publisher), "");
}

#[test]
fn a_request_nobody_hears_is_answered_with_503() {
    let mut world = World::new(2);
    let (asking, other) = (world.connect(0), world.connect(1));
    world.subscribe(asking, "_INBOX.>", None, "1");
    world.publish(asking, "service", Some("_INBOX.1"), b"");
    assert!(world.read(asking).starts_with("HMSG _INBOX.1 1 39 39\r\nNATS/1.0 503\r\n"));
    world.subscribe(other, "service", Some("workers"), "1");
    world.publish(asking, "service", Some("_INBOX.1"), b"");
    assert_eq!(world.read(asking), "");
    assert_eq!(world.read(other), "MSG service 1 _INBOX.1 0\r\n\r\n");
}

#[test]
fn queue_groups_of_one_name_are_one_group_over_shards_and_filters() {
    let mut world = World::new(2);
    let publisher = world.connect(0);
    let members = [world.connect(0), world.connect(1), world.connect(1)];
    for (member, filter) in members.into_iter().zip(["a.*", "a.b", "a.>"]) {
        world.subscribe(member, filter, Some("workers"), "1");
    }
    let mut counts = [0; 3];
    for _ in 0..600 {
        world.publish(publisher, "a.b", None, b"x");
        let served: Vec<usize> = (0..3).filter(|at| !world.read(members[*at]).is_empty()).collect();
        assert_eq!(served.len(), 1);
        counts[served[0]] += 1;
    }
    assert!(counts.iter().all(|count| (120..280).contains(count)), "{counts:?}");
}

/// A subject that was just looked up is not looked up again, unless somebody came or went.
#[test]
fn a_subject_published_to_again_finds_who_came_and_went_since() {
    let mut world = World::new(2);
    let publisher = world.connect(0);
    let (here, there, group) = (world.connect(0), world.connect(1), world.connect(1));
    let heard = |world: &mut World| {
        world.publish(publisher, "a.b", None, b"x");
        [here, there, group].map(|receiver| world.read(receiver).matches("MSG a.b").count())
    };
    assert_eq!(heard(&mut world), [0, 0, 0]);
    world.subscribe(here, "a.b", None, "1");
    assert_eq!(heard(&mut world), [1, 0, 0]);
    world.subscribe(there, "a.*", None, "1");
    assert_eq!(heard(&mut world), [1, 1, 0]);
    world.subscribe(here, ">", None, "2");
    world.subscribe(group, "a.b", Some("q"), "1");
    assert_eq!(heard(&mut world), [2, 1, 1]);
    world.unsubscribe(here, "1", None);
    world.unsubscribe(group, "1", Some(2));
    assert_eq!(heard(&mut world), [1, 1, 1]);
    assert_eq!(heard(&mut world), [1, 1, 0]);
    world.brokers[1].remove_conn(there.1);
    world.settle();
    world.publish(publisher, "a.b", None, b"x");
    assert_eq!(world.read(here).matches("MSG a.b").count(), 1);
    world.publish(publisher, "a.c", None, b"x");
    assert_eq!(world.read(here).matches("MSG a.c").count(), 1);
}

#[test]
fn a_subscription_with_a_limit_ends_by_itself() {
    let mut world = World::new(2);
    let (publisher, receiver) = (world.connect(0), world.connect(1));
    world.subscribe(receiver, "foo", None, "1");
    world.unsubscribe(receiver, "1", Some(2));
    for _ in 0..4 {
        world.publish(publisher, "foo", None, b"");
    }
    assert_eq!(world.read(receiver).matches("MSG").count(), 2);
    assert_eq!(world.brokers[1].conn(receiver.1).subscription_count(), 0);
    assert_eq!(world.filters(), [0, 0], "the other shard was told");
}

#[test]
fn large_payloads_cross_whole() {
    let mut world = World::new(2);
    let (publisher, near, far) = (world.connect(0), world.connect(0), world.connect(1));
    world.subscribe(near, "foo", None, "1");
    world.subscribe(far, "foo", None, "1");
    let payload = vec![b'x'; 100_000];
    world.publish(publisher, "foo", None, &payload);
    let expected = format!("MSG foo 1 100000\r\n{}\r\n", String::from_utf8(payload).unwrap());
    assert_eq!(world.read(near), expected);
    assert_eq!(world.read(far), expected);
}

// go: server/sublist_test.go TestSublistInvalidSubjectsInsert
// go: server/sublist_test.go TestSublistInvalidSubjectsInsertNoCache
// go: server/sublist_test.go TestSublistBadSubjectOnRemove
// go: server/sublist_test.go TestSublistBadSubjectOnRemoveNoCache
// go: server/gsl/gsl_test.go TestGenericSublistInvalidSubjectsInsert
// go: server/gsl/gsl_test.go TestGenericSublistBadSubjectOnRemove
#[test]
fn a_malformed_filter_is_refused() {
    for caching in [MatchCaching::On, MatchCaching::Off] {
        let mut broker = Broker::new(0, 1, 1024, caching, 1);
        let key = broker.add_conn();
        for filter in [".foo", "foo.", "foo..bar", "foo.bar..baz", "foo.>.bar", "a.b..d", "a.>.b"] {
            let subscribed = broker.subscribe(key, filter.as_bytes(), None, b"1", false);
            assert_eq!(subscribed, Err(SubscribeError::InvalidSubject), "{filter}");
            broker.unsubscribe(key, b"1", None);
            assert!(broker.accounts.iter().all(|account| account.filters.find(filter.as_bytes()).is_none()));
        }
        assert_eq!(broker.subscription_count(), 0);
    }
}

// go: server/sublist_test.go TestSublistRemoveWithLargeSubs
// go: server/sublist_test.go TestSublistRemoveWithLargeSubsNoCache
#[test]
fn any_of_many_subscriptions_of_one_filter_may_go() {
    for caching in [MatchCaching::On, MatchCaching::Off] {
        let mut world = World::with_caching(1, caching);
        let [publisher, receiver] = [world.connect(0), world.connect(0)];
        for sid in 100..612 {
            world.subscribe(receiver, "foo", None, &sid.to_string());
        }
        assert_eq!(world.heard(publisher, receiver).len(), 512);
        for sid in ["356", "100", "611"] {
            world.unsubscribe(receiver, sid, None);
        }
        let heard = world.heard(publisher, receiver);
        assert_eq!(heard.len(), 509);
        assert!(!heard.iter().any(|sid| ["356", "100", "611"].contains(&sid.as_str())));
    }
}

// go: server/sublist_test.go TestSublistBasicQueueResults
// go: server/sublist_test.go TestSublistBasicQueueResultsNoCache
#[test]
fn one_member_of_each_group_is_served_beside_all_plain_subscriptions() {
    for caching in [MatchCaching::On, MatchCaching::Off] {
        let mut world = World::with_caching(1, caching);
        let [publisher, receiver] = [world.connect(0), world.connect(0)];
        let expect = |world: &mut World, plain: &[&str], groups: &[&[&str]]| {
            let mut served = std::collections::BTreeSet::new();
            for _ in 0..60 {
                let heard = world.heard(publisher, receiver);
                assert_eq!(heard.len(), plain.len() + groups.len(), "{heard:?}");
                assert!(plain.iter().all(|sid| heard.iter().any(|other| other == sid)), "{heard:?}");
                for group in groups {
                    let members = heard.iter().filter(|sid| group.contains(&sid.as_str()));
                    assert_eq!(members.count(), 1, "{heard:?}");
                }
                served.extend(heard);
            }
            assert_eq!(served.len(), plain.len() + groups.concat().len(), "each member has its turn");
        };
        world.subscribe(receiver, "foo", Some("bar"), "bar1");
        expect(&mut world, &[], &[&["bar1"]]);
        world.subscribe(receiver, "foo", Some("baz"), "baz1");
        expect(&mut world, &[], &[&["bar1"], &["baz1"]]);
        world.subscribe(receiver, "foo", None, "plain");
        expect(&mut world, &["plain"], &[&["bar1"], &["baz1"]]);
        world.subscribe(receiver, "foo", Some("bar"), "bar2");
        world.subscribe(receiver, "foo", Some("baz"), "baz2");
        expect(&mut world, &["plain"], &[&["bar1", "bar2"], &["baz1", "baz2"]]);
        world.unsubscribe(receiver, "plain", None);
        expect(&mut world, &[], &[&["bar1", "bar2"], &["baz1", "baz2"]]);
        world.unsubscribe(receiver, "bar1", None);
        expect(&mut world, &[], &[&["bar2"], &["baz1", "baz2"]]);
        world.unsubscribe(receiver, "bar2", None);
        expect(&mut world, &[], &[&["baz1", "baz2"]]);
        world.unsubscribe(receiver, "baz1", None);
        world.unsubscribe(receiver, "baz2", None);
        expect(&mut world, &[], &[]);
    }
}

/// Another shard's members of a group are one entry with a weight.
// go: server/sublist_test.go TestSublistRemoteQueueSubscriptions
// go: server/sublist_test.go TestSublistRemoteQueueSubscriptionsNoCache
#[test]
fn members_elsewhere_count_by_their_number() {
    for caching in [MatchCaching::On, MatchCaching::Off] {
        let mut world = World::with_caching(3, caching);
        let conns = [world.connect(0), world.connect(1), world.connect(2)];
        for (conn, members) in conns.into_iter().zip([2, 10, 10]) {
            for sid in 0..members {
                world.subscribe(conn, "foo", Some("bar"), &sid.to_string());
            }
        }
        let weight = |world: &World| {
            let broker = &world.brokers[0];
            let filter = broker.accounts[AccountId::GLOBAL.0 as usize].filters.find(b"foo").unwrap();
            let group = broker.find_group(AccountId::GLOBAL, filter, b"bar").unwrap();
            (broker.groups[group as usize].remote.len(), broker.group_weight(group))
        };
        assert_eq!(weight(&world), (2, 22));
        world.unsubscribe(conns[0], "0", None);
        world.brokers[1].remove_conn(conns[1].1);
        world.settle();
        assert_eq!(weight(&world), (1, 11));
        for sid in 1..10 {
            world.unsubscribe(conns[2], &sid.to_string(), None);
        }
        assert_eq!(weight(&world), (1, 2));
    }
}

#[test]
fn nothing_stays_when_a_connection_goes() {
    let mut world = World::new(2);
    let leaving = world.connect(0);
    for at in 0..50 {
        world.subscribe(leaving, &format!("a.{}.*", at % 7), (at % 3 == 0).then_some("q"), &at.to_string());
    }
    world.brokers[0].remove_conn(leaving.1);
    world.settle();
    assert_eq!(world.filters(), [0, 0]);
    assert_eq!(world.brokers[0].groups.len() + world.brokers[1].groups.len(), 0);
    assert!(!world.brokers[0].has_dirty());
}

#[test]
fn what_monitoring_shows_follows_the_traffic() {
    let mut world = World::new(2);
    let [publisher, receiver] = [world.connect(0), world.connect(1)];
    world.subscribe(receiver, "a.*", None, "1");
    world.subscribe(receiver, "a.b", Some("workers"), "2");
    world.publish(publisher, "a.b", None, b"hello");
    world.unsubscribe(receiver, "2", None);
    let [first, second] = [&world.brokers[0], &world.brokers[1]];
    assert_eq!((first.conn_count(), second.conn_count()), (1, 1));
    let totals = second.account_totals(AccountId::GLOBAL);
    assert_eq!((totals.subscriptions, totals.subscribed, totals.unsubscribed), (1, 2, 1));
    assert_eq!((totals.out_messages, totals.out_bytes), (2, 10));
    assert_eq!(second.conn(receiver.1).delivered_at(), Some(world.now));
    assert_eq!(first.conn(publisher.1).delivered_at(), None);
    assert!(second.pending_bytes() > 10 && first.pending_bytes() == 0);
    let interest = second.interest_stats(AccountId::GLOBAL);
    assert_eq!((interest.matches, interest.cached, interest.fanout_max), (1, 1, 1));
    assert_eq!(first.interest_stats(AccountId::GLOBAL).fanout_max, 0, "the other shard listens");
}

#[derive(Clone, Debug)]
enum Step {
    Subscribe { conn: usize, filter: usize, sid: usize },
    Unsubscribe { conn: usize, sid: usize },
    Publish { conn: usize, subject: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0usize..6, 0usize..5, 0usize..4).prop_map(|(conn, filter, sid)| Step::Subscribe {
            conn,
            filter,
            sid
        }),
        (0usize..6, 0usize..4).prop_map(|(conn, sid)| Step::Unsubscribe { conn, sid }),
        (0usize..6, 0usize..3).prop_map(|(conn, subject)| Step::Publish { conn, subject }),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    /// Against one shard alone: each connection gets the same messages.
    #[test]
    fn shards_make_no_difference(steps in steps(), shards in 2usize..5) {
        let mut worlds = [World::new(1), World::new(shards)];
        let conns: Vec<Vec<_>> = worlds.iter_mut().map(|world| {
            let shards = world.brokers.len();
            (0..6).map(|at| world.connect(at % shards)).collect()
        }).collect();
        for step in steps {
            for (world, conns) in worlds.iter_mut().zip(&conns) {
                match step {
                    Step::Subscribe { conn, filter, sid } => {
                        let filter = ["a", "a.b", "a.*", ">", "*.b"][filter];
                        world.subscribe(conns[conn], filter, None, &sid.to_string());
                    }
                    Step::Unsubscribe { conn, sid } => world.unsubscribe(conns[conn], &sid.to_string(), None),
                    Step::Publish { conn, subject } => {
                        world.publish(conns[conn], ["a", "a.b", "c"][subject], None, b"x");
                    }
                }
            }
            for (alone, sharded) in conns[0].iter().zip(&conns[1]) {
                let sorted = |text: String| {
                    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                    lines.sort();
                    lines
                };
                prop_assert_eq!(sorted(worlds[0].read(*alone)), sorted(worlds[1].read(*sharded)));
            }
        }
    }
}
