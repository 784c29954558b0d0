//! Hours of a server's life in seconds: clients come and go, subscribe and leave, ask and answer, and all the while nothing is
//! lost, doubled or out of order, and nothing stays behind.
//!
//! `NATRIUM_SOAK_SECONDS` says how long it goes on; the form that runs with all other tests is short.

use std::collections::BTreeMap;
use std::env;
use std::time::{Duration, Instant};

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::client::{Client, End, Frame, Message, publish};
use crate::process::{self, KIB};
use crate::site::{Site, await_that};

const SECONDS_DEFAULT: u64 = 8;
/// Those who stay from the first round to the last.
const STEADY: usize = 4;
/// Messages each steady publisher sends in a round.
const MESSAGES: u64 = 200;
const PASSERS_BY_MAX: usize = 60;
const QUEUE_MEMBERS_MAX: usize = 8;
/// Rounds until every table has its size.
const WARM_UP_ROUNDS: u64 = 6;
/// What memory may grow by from then on, whatever the number of rounds. Buffers of lanes and of eight busy connections reach
/// their sizes late: with 2 shards 13 MiB was seen after 2,600 rounds, and the same after 14,000.
const GROWTH_BYTES_MAX: u64 = 20 * 1024 * KIB;

#[test]
fn nothing_is_lost_and_nothing_stays_behind_however_long_it_goes_on() {
    let seconds = env::var("NATRIUM_SOAK_SECONDS").map_or(SECONDS_DEFAULT, |text| text.parse().unwrap());
    for shards in [1, 2] {
        let seed = 42 + u64::from(shards);
        let site = Site::start(shards, "ping_interval: 60\n");
        let mut soak = Soak::begin(&site, seed);
        let descriptors = process::descriptors(site.pid());
        let until = Instant::now() + Duration::from_secs(seconds) / 2;
        let mut settled = None;
        while soak.round < WARM_UP_ROUNDS + 2 || Instant::now() < until {
            soak.round();
            if soak.round == WARM_UP_ROUNDS {
                settled = Some(process::resident_bytes(site.pid()));
            }
        }
        soak.send_all_away();
        site.await_connections(2 * STEADY);
        let grown = process::resident_bytes(site.pid()).saturating_sub(settled.unwrap());
        assert!(grown <= GROWTH_BYTES_MAX, "seed {seed}: {grown} bytes more after {} rounds", soak.round);
        await_that("descriptors", || process::descriptors(site.pid()), |open| *open <= descriptors);
        assert_eq!(site.varz("slow_consumers"), 0, "seed {seed}");
        assert_eq!(site.varz("subscriptions"), soak.subscriptions, "seed {seed}");
        assert_eq!(site.varz("in_msgs"), soak.published, "seed {seed}");
    }
}

struct Soak<'a> {
    site: &'a Site,
    dice: Xoshiro256PlusPlus,
    round: u64,
    publishers: Vec<Client>,
    subscribers: Vec<Client>,
    passers_by: Vec<Client>,
    queue: Vec<Client>,
    /// Messages that were published, by anyone.
    published: u64,
    /// What `/varz` counts when only the steady clients are left, the server's own among it.
    subscriptions: u64,
}

impl<'a> Soak<'a> {
    fn begin(site: &'a Site, seed: u64) -> Self {
        let mut subscribers: Vec<_> = (0..STEADY).map(|_| site.client()).collect();
        for subscriber in &mut subscribers {
            subscriber.say("SUB soak.steady.* 1\r\n");
            subscriber.flush();
        }
        Self {
            site,
            dice: Xoshiro256PlusPlus::seed_from_u64(seed),
            round: 0,
            publishers: (0..STEADY).map(|_| site.client()).collect(),
            subscribers,
            passers_by: Vec::new(),
            queue: Vec::new(),
            published: 0,
            subscriptions: site.varz("subscriptions"),
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.dice.next_u64() % bound as u64) as usize
    }

    fn round(&mut self) {
        self.let_some_come_and_go();
        self.publish_steadily();
        self.work_the_queue();
        self.ask_and_answer();
        self.check_steady_subscribers();
        self.round += 1;
    }

    /// Clients with subscriptions of all kinds, of which some end them, some close and some vanish.
    fn let_some_come_and_go(&mut self) {
        for _ in 0..self.below(20) {
            if self.passers_by.len() == PASSERS_BY_MAX {
                break;
            }
            let mut client = self.site.client();
            for sid in 1..=1 + self.below(6) {
                let filter = match self.below(4) {
                    0 => format!("soak.elsewhere.{}", self.below(50)),
                    1 => format!("soak.*.{}.>", self.below(50)),
                    2 => "soak.elsewhere.>".to_owned(),
                    _ => format!("other.{} group{}", self.below(50), self.below(3)),
                };
                client.say(&format!("SUB {filter} {sid}\r\n"));
            }
            client.flush();
            self.passers_by.push(client);
        }
        for _ in 0..self.below(20) {
            if self.passers_by.is_empty() {
                break;
            }
            let at = self.below(self.passers_by.len());
            let mut client = self.passers_by.swap_remove(at);
            match self.below(3) {
                0 => client.kill(),
                1 => drop(client),
                _ => {
                    client.say("UNSUB 1\r\nUNSUB 2\r\n");
                    client.flush();
                    self.passers_by.push(client);
                }
            }
        }
    }

    /// Each steady publisher numbers its messages over all rounds.
    fn publish_steadily(&mut self) {
        for (number, publisher) in self.publishers.iter_mut().enumerate() {
            let mut frames = Vec::new();
            for message in 0..MESSAGES {
                let count = self.round * MESSAGES + message;
                let padding = (count * 37 % 300) as usize;
                let payload = format!("{count} {}", "x".repeat(padding));
                publish(&mut frames, &format!("soak.steady.{number}"), payload.as_bytes());
            }
            publisher.send(&frames);
            self.published += MESSAGES;
        }
    }

    fn check_steady_subscribers(&mut self) {
        for subscriber in &mut self.subscribers {
            let mut next: BTreeMap<String, u64> = BTreeMap::new();
            for _ in 0..MESSAGES * STEADY as u64 {
                let Message { subject, payload, .. } = subscriber.message().unwrap();
                let text = String::from_utf8(payload).unwrap();
                let count: u64 = text.split(' ').next().unwrap().parse().unwrap();
                let expected = next.entry(subject.clone()).or_insert(self.round * MESSAGES);
                assert_eq!(count, *expected, "{subject} in round {}", self.round);
                *expected += 1;
            }
            // Nothing comes twice: a PONG is next.
            subscriber.flush();
        }
    }

    /// Each message of a queue group comes to one member, whoever joins and leaves.
    fn work_the_queue(&mut self) {
        while self.queue.len() < 1 + self.round as usize % QUEUE_MEMBERS_MAX {
            let mut member = self.site.client();
            member.say("SUB soak.queue workers 1\r\n");
            member.flush();
            self.queue.push(member);
        }
        let mut received = 0;
        let messages = 100;
        for _ in 0..2 {
            for _ in 0..messages / 2 {
                self.publishers[0].publish("soak.queue", b"work");
            }
            self.publishers[0].flush();
            if self.queue.len() > 1 {
                let at = self.below(self.queue.len());
                let mut leaving = self.queue.swap_remove(at);
                leaving.say("UNSUB 1\r\n");
                received += drain(&mut leaving);
            }
        }
        self.published += messages;
        for member in &mut self.queue {
            received += drain(member);
        }
        assert_eq!(received, messages, "in round {}", self.round);
    }

    fn ask_and_answer(&mut self) {
        let mut asking = self.site.client();
        let mut answering = self.site.client();
        answering.say("SUB soak.service 1\r\n");
        answering.flush();
        for request in 0..10u64 {
            let inbox = format!("_INBOX.{}.{request}", self.round);
            asking.say(&format!(
                "SUB {inbox} {request}\r\nUNSUB {request} 1\r\nPUB soak.service {inbox} 2\r\nhi\r\n"
            ));
            let asked = answering.message().unwrap();
            assert_eq!(asked.reply.as_deref(), Some(inbox.as_str()));
            answering.publish(&inbox, b"yes");
            let answer = asking.message().unwrap();
            assert_eq!((answer.subject.as_str(), answer.payload.as_slice()), (inbox.as_str(), &b"yes"[..]));
            self.published += 2;
        }
    }

    fn send_all_away(&mut self) {
        self.passers_by.clear();
        self.queue.clear();
    }
}

/// Messages that come before the answer to a PING.
fn drain(client: &mut Client) -> u64 {
    client.say("PING\r\n");
    let mut messages = 0;
    loop {
        match client.frame() {
            Ok(Frame::Message(_)) => messages += 1,
            Ok(Frame::Pong) => return messages,
            Ok(Frame::Ping | Frame::Info(_)) => {}
            Ok(Frame::Error(error)) => panic!("-ERR {error}"),
            Err(End { half }) => panic!("the connection ended after {half:?}"),
        }
    }
}
