//! The rules of the crate's page hold its promises up, and each of them is needed.
//!
//! Seeded worlds: shards joined by queues, clients that speak in any order, turns and deliveries in any order. Each
//! client knows what it was told, and the checker knows what it may expect from that. With all rules kept no seed breaks
//! a promise; with any one of them left out some seed does, so the checker sees what it is there to see.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::IoSlice;
use std::time::Instant;

use natrium_broker::{Batch, Broker, ConnKey};
use natrium_subject::MatchCaching;
use natrium_wire::{Publish, encode};
use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

const SEEDS: u64 = 150;
const STEPS: usize = 1_500;
const CLIENTS: usize = 6;

/// What the shell leaves undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Changes of interest stay on their shard.
    InterestStays,
    /// Output leaves, a PONG among it, before what was staged in the same turn is in the lanes.
    OutputOvertakesLanes,
    /// Input is acted on before the lanes are drained.
    InputOvertakesLanes,
    /// Batches of one lane arrive in any order.
    LanesReorder,
}

/// A promise that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Violation {
    /// A client that was told its subscription is in force never got a message that was sent after that.
    Lost,
    /// The publisher was told that its message is on its way, and yet it came after the PONG of a PING that its
    /// receiver sent later still.
    Late,
    /// A message came after a later one of the same publisher, or twice.
    Reordered,
}

/// A message on its way to one subscriber: receiver, publisher, number.
type Debt = (usize, usize, u32);

struct World {
    random: Xoshiro256PlusPlus,
    fault: Fault,
    shards: Vec<Shard>,
    clients: Vec<Client>,
    /// Messages that have to arrive.
    owed: BTreeSet<Debt>,
    violations: BTreeSet<Violation>,
    now: Instant,
}

struct Shard {
    broker: Broker,
    /// Lanes into this shard, by the shard they come from.
    lanes: Vec<VecDeque<Parcel>>,
    /// What clients have sent and nobody has read.
    input: VecDeque<(usize, Said)>,
}

enum Parcel {
    Notices(Batch),
    Messages(Batch),
}

#[derive(Clone, Copy, Debug)]
enum Said {
    Subscribe,
    Unsubscribe,
    Publish { number: u32 },
    Ping,
}

/// What a client knows of its one subscription, which is to everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subscription {
    Absent,
    /// SUB was sent, and its PONG has not come.
    Asked,
    InForce,
}

struct Client {
    shard: usize,
    key: ConnKey,
    subscription: Subscription,
    /// Its latest message.
    published: u32,
    /// Its latest message that a PONG has confirmed.
    confirmed: u32,
    ping: Option<SentPing>,
    /// The last number heard, by publisher.
    heard: BTreeMap<usize, u32>,
}

/// A PING without its PONG yet.
struct SentPing {
    /// What the PONG confirms.
    published: u32,
    /// What has to be here before the PONG.
    due: Vec<Debt>,
}

impl World {
    fn new(seed: u64, shards: usize, fault: Fault) -> Self {
        let shard = |at| Shard {
            broker: Broker::new(at, shards, 1 << 20, MatchCaching::On, seed ^ at as u64),
            lanes: (0..shards).map(|_| VecDeque::new()).collect(),
            input: VecDeque::new(),
        };
        #[allow(clippy::disallowed_methods, reason = "a starting point; only differences matter")]
        let now = Instant::now();
        let mut shards: Vec<Shard> = (0..shards).map(shard).collect();
        let count = shards.len();
        let clients = (0..CLIENTS).map(|at| Client {
            shard: at % count,
            key: shards[at % count].broker.add_conn(),
            subscription: Subscription::Absent,
            published: 0,
            confirmed: 0,
            ping: None,
            heard: BTreeMap::new(),
        });
        let clients = clients.collect();
        let random = Xoshiro256PlusPlus::seed_from_u64(seed);
        Self { random, fault, shards, clients, owed: BTreeSet::new(), violations: BTreeSet::new(), now }
    }

    /// Plays one world to its end and tells which promises were broken.
    fn play(mut self) -> BTreeSet<Violation> {
        for _ in 0..STEPS {
            let shard = self.below(self.shards.len());
            match self.below(5) {
                0 | 1 => self.client_acts(),
                2 => self.read_input(shard),
                3 => self.flush(shard),
                _ => self.drain_lanes(shard),
            }
        }
        self.settle();
        if !self.owed.is_empty() {
            self.violations.insert(Violation::Lost);
        }
        self.violations
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.random.next_u64() % bound as u64) as usize
    }

    fn client_acts(&mut self) {
        let at = self.below(CLIENTS);
        let waits = self.clients[at].ping.is_some();
        match (self.below(8), self.clients[at].subscription) {
            (0, Subscription::Absent) if !waits => {
                self.clients[at].subscription = Subscription::Asked;
                self.say(at, Said::Subscribe);
                self.ping(at);
            }
            (0, Subscription::InForce) if !waits => {
                self.clients[at].subscription = Subscription::Absent;
                self.owed.retain(|(receiver, ..)| *receiver != at);
                self.say(at, Said::Unsubscribe);
                self.ping(at);
            }
            (1 | 2, _) if !waits => self.ping(at),
            _ => self.publish(at),
        }
    }

    fn publish(&mut self, at: usize) {
        self.clients[at].published += 1;
        let number = self.clients[at].published;
        let subscribers = self.clients.iter().enumerate();
        let subscribers = subscribers.filter(|(_, client)| client.subscription == Subscription::InForce);
        self.owed.extend(subscribers.map(|(receiver, _)| (receiver, at, number)));
        self.say(at, Said::Publish { number });
    }

    fn ping(&mut self, at: usize) {
        let is_due = |(receiver, publisher, number): &&Debt| {
            *receiver == at && *number <= self.clients[*publisher].confirmed
        };
        let due = self.owed.iter().filter(is_due).copied().collect();
        self.clients[at].ping = Some(SentPing { published: self.clients[at].published, due });
        self.say(at, Said::Ping);
    }

    fn say(&mut self, at: usize, said: Said) {
        self.shards[self.clients[at].shard].input.push_back((at, said));
    }

    fn read_input(&mut self, shard: usize) {
        if self.fault != Fault::InputOvertakesLanes {
            self.drain_lanes(shard);
        }
        let Some((at, said)) = self.shards[shard].input.pop_front() else { return };
        let broker = &mut self.shards[shard].broker;
        let key = self.clients[at].key;
        match said {
            Said::Subscribe => broker.subscribe(key, b">", None, b"1", false).expect("a valid filter"),
            Said::Unsubscribe => broker.unsubscribe(key, b"1", None),
            Said::Publish { number } => {
                let (subject, payload) = (format!("from.{at}"), number.to_string());
                let message = Publish {
                    subject: subject.as_bytes(),
                    reply: None,
                    header_len: 0,
                    payload: payload.as_bytes(),
                    has_headers: false,
                };
                let _ = broker.publish(key, &message, self.now);
            }
            Said::Ping => broker.outbox(key).write(encode::pong),
        }
    }

    /// The end of a shard's turn.
    fn flush(&mut self, shard: usize) {
        if self.fault == Fault::OutputOvertakesLanes && self.below(2) == 0 {
            return self.write_out(shard);
        }
        self.push_lanes(shard);
        self.write_out(shard);
    }

    fn push_lanes(&mut self, from: usize) {
        for to in 0..self.shards.len() {
            let broker = &mut self.shards[from].broker;
            let notices = broker.take_notices(to, Batch::default).map(Parcel::Notices);
            let messages = broker.take_messages(to, Batch::default).map(Parcel::Messages);
            let notices = notices.filter(|_| self.fault != Fault::InterestStays);
            self.shards[to].lanes[from].extend(notices.into_iter().chain(messages));
        }
    }

    fn drain_lanes(&mut self, shard: usize) {
        for from in 0..self.shards.len() {
            loop {
                let waiting = self.shards[shard].lanes[from].len();
                let next = match self.fault {
                    Fault::LanesReorder if waiting > 0 => self.below(waiting),
                    Fault::LanesReorder
                    | Fault::None
                    | Fault::InterestStays
                    | Fault::OutputOvertakesLanes
                    | Fault::InputOvertakesLanes => 0,
                };
                let Shard { broker, lanes, .. } = &mut self.shards[shard];
                match lanes[from].remove(next) {
                    Some(Parcel::Notices(batch)) => broker.receive_notices(from, &batch),
                    Some(Parcel::Messages(batch)) => broker.receive_messages(from, &batch, self.now),
                    None => break,
                }
            }
        }
    }

    fn write_out(&mut self, shard: usize) {
        let mut dirty = Vec::new();
        self.shards[shard].broker.take_dirty(&mut dirty);
        for key in dirty {
            let is_it = |client: &Client| client.shard == shard && client.key == key;
            let at = self.clients.iter().position(is_it).expect("no client leaves");
            let outbox = &mut self.shards[shard].broker.conn_mut(key).outbox;
            let mut written = Vec::new();
            while !outbox.is_empty() {
                let mut slices = [IoSlice::new(&[]); 8];
                let used = outbox.fill(&mut slices);
                let before = written.len();
                slices[..used].iter().for_each(|slice| written.extend_from_slice(slice));
                outbox.advance(written.len() - before);
            }
            self.hear(at, std::str::from_utf8(&written).expect("all is text"));
        }
    }

    fn hear(&mut self, at: usize, output: &str) {
        let mut lines = output.lines();
        while let Some(line) = lines.next() {
            match line.strip_prefix("MSG from.") {
                Some(rest) => {
                    let publisher = rest.split(' ').next().and_then(|number| number.parse().ok());
                    let number = lines.next().and_then(|payload| payload.parse().ok());
                    self.hear_message(at, publisher.expect("a publisher"), number.expect("a number"));
                }
                None => self.hear_pong(at),
            }
        }
    }

    fn hear_message(&mut self, at: usize, publisher: usize, number: u32) {
        self.owed.remove(&(at, publisher, number));
        let last = self.clients[at].heard.insert(publisher, number);
        if last.is_some_and(|last| last >= number) {
            self.violations.insert(Violation::Reordered);
        }
    }

    fn hear_pong(&mut self, at: usize) {
        let client = &mut self.clients[at];
        let ping = client.ping.take().expect("a PONG answers a PING");
        client.confirmed = ping.published;
        if client.subscription == Subscription::Asked {
            client.subscription = Subscription::InForce;
        }
        if ping.due.iter().any(|debt| self.owed.contains(debt)) {
            self.violations.insert(Violation::Late);
        }
    }

    /// Everybody reads and writes until nothing moves.
    fn settle(&mut self) {
        let moves = |shard: &Shard| {
            shard.broker.has_staged()
                || shard.broker.has_dirty()
                || !shard.input.is_empty()
                || shard.lanes.iter().any(|lane| !lane.is_empty())
        };
        while self.shards.iter().any(moves) {
            for shard in 0..self.shards.len() {
                self.drain_lanes(shard);
                self.read_input(shard);
                self.flush(shard);
            }
        }
    }
}

/// Everything that went wrong with any seed.
fn violations(shards: usize, fault: Fault) -> BTreeSet<Violation> {
    (0..SEEDS).flat_map(|seed| World::new(seed, shards, fault).play()).collect()
}

#[test]
fn no_promise_is_broken_while_the_rules_are_kept() {
    for shards in [1, 2, 4] {
        assert_eq!(violations(shards, Fault::None), BTreeSet::new(), "{shards} shards");
    }
}

#[test]
fn messages_are_lost_where_interest_stays_on_its_shard() {
    for shards in [2, 4] {
        assert!(violations(shards, Fault::InterestStays).contains(&Violation::Lost), "{shards} shards");
    }
}

#[test]
fn the_flush_barrier_fails_where_output_overtakes_the_lanes() {
    for shards in [2, 4] {
        let broken = violations(shards, Fault::OutputOvertakesLanes);
        assert!(
            broken.contains(&Violation::Lost) && broken.contains(&Violation::Late),
            "{shards}: {broken:?}"
        );
    }
}

#[test]
fn the_flush_barrier_fails_where_input_overtakes_the_lanes() {
    for shards in [2, 4] {
        let broken = violations(shards, Fault::InputOvertakesLanes);
        assert!(
            broken.contains(&Violation::Lost) && broken.contains(&Violation::Late),
            "{shards}: {broken:?}"
        );
    }
}

#[test]
fn order_is_lost_where_lanes_do_not_keep_it() {
    for shards in [2, 4] {
        assert!(violations(shards, Fault::LanesReorder).contains(&Violation::Reordered), "{shards} shards");
    }
}
