//! After warm-up a message costs no allocation: decoded, checked, routed, carried to another shard and taken off the
//! outboxes of its receivers.

use std::io::IoSlice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use allocation_counter::{AllocationInfo, measure};
use natrium_account::{
    ConnectionPermissions, ConnectionType, Decision, Grant, HashJob, PeerCertificate, Presented,
};
use natrium_broker::{Batch, Broker, ConnKey};
use natrium_client::{
    ClientSettings, Connection, Features, Flow, Host, LogName, Origin, Outbox, Pause, Published, Subscribed,
    TraceRules,
};
use natrium_model::{AccountId, ConnId};
use natrium_subject::MatchCaching;
use natrium_wire::{Info, Publish};

const WARM_UP: usize = 2_000;
const MESSAGES: usize = 10_000;
const MAX_PENDING: usize = 64 * 1024 * 1024;

/// Some shards, their clients, and batches on their way back: what the shell holds, without its sockets.
struct World {
    brokers: Vec<Broker>,
    /// Buffers that went through a lane, to be filled again.
    returned: Vec<Batch>,
    dirty: Vec<ConnKey>,
    now: Instant,
}

struct Client {
    shard: usize,
    key: ConnKey,
    connection: Connection,
}

impl World {
    fn new(shards: usize) -> Self {
        let broker = |shard| Broker::new(shard, shards, MAX_PENDING, MatchCaching::On, 11 + shard as u64);
        #[allow(clippy::disallowed_methods, reason = "a starting point; only differences matter")]
        let now = Instant::now();
        Self {
            brokers: (0..shards).map(broker).collect(),
            returned: Vec::new(),
            dirty: Vec::with_capacity(64),
            now,
        }
    }

    fn connect(&mut self, shard: usize) -> Client {
        let key = self.brokers[shard].add_conn();
        let id = ConnId(key.index() as u64 + 1);
        let address = ([127, 0, 0, 1], 4000).into();
        let origin = Origin { id, address, connection_type: ConnectionType::Standard };
        let connection = Connection::new(Arc::new(settings()), origin, String::new(), self.now);
        let mut client = Client { shard, key, connection };
        self.say(&mut client, b"CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n");
        client
    }

    /// One read of a client's socket and what follows from it on all shards, up to the writes.
    fn say(&mut self, client: &mut Client, input: &[u8]) {
        let mut host = Shard { broker: &mut self.brokers[client.shard], key: client.key };
        let (consumed, flow) = client.connection.handle_input(self.now, input, &mut host);
        assert_eq!(consumed, input.len());
        assert!(matches!(flow, Flow::Read { .. }), "{flow:?}");
        self.cross_lanes();
        self.write_out();
    }

    fn cross_lanes(&mut self) {
        let shards = self.brokers.len();
        while self.brokers.iter().any(Broker::has_staged) {
            for (from, to) in (0..shards).flat_map(|from| (0..shards).map(move |to| (from, to))) {
                let returned = &mut self.returned;
                if let Some(batch) =
                    self.brokers[from].take_notices(to, || returned.pop().unwrap_or_default())
                {
                    self.brokers[to].receive_notices(from, &batch);
                    give_back(returned, batch);
                }
                if let Some(batch) =
                    self.brokers[from].take_messages(to, || returned.pop().unwrap_or_default())
                {
                    self.brokers[to].receive_messages(from, &batch, self.now);
                    give_back(returned, batch);
                }
            }
        }
    }

    /// As if every socket took everything at once.
    fn write_out(&mut self) {
        for broker in &mut self.brokers {
            broker.take_dirty(&mut self.dirty);
            for key in &self.dirty {
                let outbox = &mut broker.conn_mut(*key).outbox;
                while !outbox.is_empty() {
                    let mut slices = [IoSlice::new(&[]); 8];
                    let used = outbox.fill(&mut slices);
                    let written = slices[..used].iter().map(|slice| slice.len()).sum();
                    outbox.advance(written);
                }
            }
        }
    }

    fn messages_delivered(&self) -> u64 {
        let out = |broker: &Broker| broker.account_totals(AccountId::GLOBAL).out_messages;
        self.brokers.iter().map(out).sum()
    }
}

fn give_back(returned: &mut Vec<Batch>, mut batch: Batch) {
    batch.reset();
    returned.push(batch);
}

/// A shard as one of its clients sees it.
struct Shard<'a> {
    broker: &'a mut Broker,
    key: ConnKey,
}

impl Host for Shard<'_> {
    fn publish(&mut self, message: &Publish<'_>, now: Instant) -> Published {
        assert_eq!(self.broker.publish(self.key, message, now).backlog, 0, "all is written at once");
        Published::Done
    }

    fn subscribe(&mut self, subject: &[u8], queue: Option<&[u8]>, sid: &[u8], checked: bool) -> Subscribed {
        self.broker.subscribe(self.key, subject, queue, sid, checked).expect("the filters are valid");
        Subscribed::Done
    }

    fn unsubscribe(&mut self, sid: &[u8], max: Option<u64>) {
        self.broker.unsubscribe(self.key, sid, max);
    }

    fn unsubscribe_all(&mut self) {
        self.broker.unsubscribe_all(self.key);
    }

    fn subscription_count(&self) -> usize {
        self.broker.conn(self.key).subscription_count()
    }

    fn permissions(&mut self) -> Option<&mut ConnectionPermissions> {
        self.broker.conn_mut(self.key).permissions.as_deref_mut()
    }

    fn bind(&mut self, grant: &Grant, features: Features) {
        self.broker.bind(self.key, grant);
        self.broker.set_features(self.key, features);
    }

    fn set_features(&mut self, features: Features) {
        self.broker.set_features(self.key, features);
    }

    fn named(&mut self, _name: &Arc<LogName>) {}

    fn outbox(&mut self) -> &mut Outbox {
        self.broker.outbox(self.key)
    }

    fn authenticate(&mut self, _: &Presented<'_>, _: &str) -> Decision {
        Decision::Granted(Grant { account: AccountId::GLOBAL, permissions: None, user: None })
    }

    fn authenticate_without_connect(&mut self, _: Option<&PeerCertificate>) -> Decision {
        Decision::Granted(Grant { account: AccountId::GLOBAL, permissions: None, user: None })
    }

    fn verify_password(&mut self, _: HashJob) {
        unreachable!("no client presents a password");
    }

    fn barrier(&mut self) -> Option<Pause> {
        None
    }

    fn random(&mut self) -> u64 {
        self.broker.random()
    }

    fn account(&self) -> (&str, bool) {
        ("$G", false)
    }

    fn map_subject(&mut self, _: &[u8], _: &mut Vec<u8>) -> bool {
        false
    }
}

fn settings() -> ClientSettings {
    ClientSettings {
        info: Info { proto: 1, headers: true, max_payload: 1024 * 1024, ..Info::default() },
        max_control_line: 4096,
        max_payload: 1024 * 1024,
        max_subscriptions: None,
        max_subscription_tokens: None,
        ping_interval: Duration::from_secs(120),
        ping_max: 2,
        auth_timeout: Duration::from_secs(2),
        auth_required: false,
        no_auth_user: false,
        headers: true,
        proxy_protocol: false,
        trace: TraceRules::default(),
    }
}

/// What `MESSAGES` reads with one message each allocate, after as many as warm everything up.
fn allocations(world: &mut World, publisher: &mut Client, input: &[u8], receivers: u64) -> AllocationInfo {
    (0..WARM_UP).for_each(|_| world.say(publisher, input));
    let before = world.messages_delivered();
    let info = measure(|| (0..MESSAGES).for_each(|_| world.say(publisher, input)));
    assert_eq!(world.messages_delivered() - before, receivers * MESSAGES as u64);
    info
}

#[test]
fn a_message_to_receivers_of_all_shards_allocates_nothing() {
    for shards in [1, 2, 4] {
        let mut world = World::new(shards);
        let mut publisher = world.connect(0);
        for at in 0..8 {
            let mut receiver = world.connect(at % shards);
            world.say(&mut receiver, b"SUB orders.* 1\r\nSUB orders.new 2\r\nSUB > 3\r\n");
        }
        let plain = b"PUB orders.new reply.to 11\r\nhello world\r\n";
        assert_eq!(allocations(&mut world, &mut publisher, plain, 24).count_total, 0, "{shards} shards");
        let with_headers = b"HPUB orders.new 18 29\r\nNATS/1.0\r\nA: b\r\n\r\nhello world\r\n";
        assert_eq!(
            allocations(&mut world, &mut publisher, with_headers, 24).count_total,
            0,
            "{shards} shards"
        );
    }
}

#[test]
fn a_message_to_a_queue_group_allocates_nothing() {
    for shards in [1, 2, 4] {
        let mut world = World::new(shards);
        let mut publisher = world.connect(0);
        for at in 0..100 {
            let mut member = world.connect(at % shards);
            world.say(&mut member, b"SUB work workers 1\r\nSUB work.> others 2\r\n");
        }
        let input = b"PUB work 3\r\nabc\r\n";
        assert_eq!(allocations(&mut world, &mut publisher, input, 1).count_total, 0, "{shards} shards");
    }
}

#[test]
fn a_request_and_its_answer_allocate_nothing() {
    for shards in [1, 2] {
        let mut world = World::new(shards);
        let mut asking = world.connect(0);
        let mut serving = world.connect(shards - 1);
        world.say(&mut serving, b"SUB service 1\r\n");
        world.say(&mut asking, b"SUB _INBOX.abc.* 1\r\n");
        let mut exchange = || {
            world.say(&mut asking, b"PUB service _INBOX.abc.1 2\r\nhi\r\n");
            world.say(&mut serving, b"PUB _INBOX.abc.1 2\r\nok\r\n");
            world.say(&mut asking, b"PUB nobody _INBOX.abc.1 2\r\nhi\r\n");
        };
        (0..WARM_UP).for_each(|_| exchange());
        let info = measure(|| (0..MESSAGES).for_each(|_| exchange()));
        assert_eq!(info.count_total, 0, "{shards} shards");
    }
}

/// A payload that goes by reference costs its one copy and the count of its holders, however many receive it.
#[test]
fn a_large_payload_is_allocated_once_for_all_receivers() {
    let mut world = World::new(2);
    let mut publisher = world.connect(0);
    for at in 0..8 {
        let mut receiver = world.connect(at % 2);
        world.say(&mut receiver, b"SUB big 1\r\n");
    }
    let input = [b"PUB big 100000\r\n".as_slice(), &[b'x'; 100_000], b"\r\n"].concat();
    let info = allocations(&mut world, &mut publisher, &input, 8);
    assert!(info.bytes_total < 2 * 100_000 * MESSAGES as u64, "{info:?}");
}

#[test]
fn the_counter_counts() {
    assert_eq!(measure(|| drop(vec![1_u8])).count_total, 1);
}
