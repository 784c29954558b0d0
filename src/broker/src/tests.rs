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
    #[allow(clippy::disallowed_methods, reason = "a starting point; only differences matter")]
    fn new(shards: usize) -> Self {
        let broker = |shard| Broker::new(shard, shards, 1 << 20, MatchCaching::On, 7 + shard as u64);
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

#[test]
fn a_malformed_filter_is_refused() {
    let mut broker = Broker::new(0, 1, 1024, MatchCaching::On, 1);
    let key = broker.add_conn();
    assert_eq!(broker.subscribe(key, b"foo..bar", None, b"1", false), Err(SubscribeError::InvalidSubject));
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
