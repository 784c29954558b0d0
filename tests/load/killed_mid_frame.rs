//! Connections that end in the middle of a frame, while others on the same shard publish and subscribe.

use std::thread;

use crate::client::{self, Client};
use crate::site::{Site, await_that};

/// What a connection said last, each a frame that is not whole.
const HALF_FRAMES: [&str; 8] = [
    "P",
    "PUB ",
    "PUB orders 5",
    "PUB orders 5\r",
    "PUB orders 5\r\n",
    "PUB orders 5\r\nhel",
    "HPUB orders 12 17\r\nNATS/1.0\r\n\r\nhello\r",
    "SUB orders.* 7",
];

/// Payload bytes of a PUB that is killed in its middle: more than one read takes.
const LARGE_BYTES: usize = 600_000;
const MESSAGES: usize = 20_000;

enum Death {
    /// With a FIN.
    Closed,
    /// With a RST.
    Reset,
}

impl Death {
    fn of(self, client: Client) {
        match self {
            Self::Closed => drop(client),
            Self::Reset => client.kill(),
        }
    }
}

/// Publishes numbers to `subject` while connections die, and sees each arrive once and in order.
fn stream(publisher: &mut Client, subscriber: &mut Client, subject: &str) {
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..MESSAGES {
                publisher.publish(subject, number.to_string().as_bytes());
            }
        });
        for number in 0..MESSAGES {
            let message = subscriber.message().unwrap();
            assert_eq!(message.payload, number.to_string().as_bytes());
        }
    });
}

fn kill_while_others_work(shards: u32) {
    let site = Site::start(shards, "");
    // Each shard has one pair that works, and room for more: those that die join both sides.
    let mut clients = site.clients_by_shard(shards);
    let (mut publishers, mut subscribers) = (Vec::new(), Vec::new());
    for shard in &mut clients {
        publishers.push(shard.remove(0));
        subscribers.push(shard.remove(0));
    }
    let bystanders: usize = clients.iter().map(Vec::len).sum();
    for (number, subscriber) in subscribers.iter_mut().enumerate() {
        subscriber.say(&format!("SUB stream.{number} 1\r\n"));
        subscriber.flush();
    }
    // Whoever hears this heard of a frame that never was whole.
    clients[0][0].say("SUB orders 1\r\n");
    clients[0][0].flush();

    let address = site.address();
    let killed = thread::scope(|scope| {
        let working: Vec<_> = publishers
            .iter_mut()
            .zip(subscribers.iter_mut().rev())
            .enumerate()
            .map(|(number, (publisher, subscriber))| {
                let subject = format!("stream.{}", shards as usize - 1 - number);
                scope.spawn(move || stream(publisher, subscriber, &subject))
            })
            .collect();
        let mut killed = 0;
        while killed == 0 || working.iter().any(|pair| !pair.is_finished()) {
            for half in HALF_FRAMES {
                for death in [Death::Closed, Death::Reset] {
                    let mut client = Client::open(address);
                    client.say(half);
                    death.of(client);
                    killed += 1;
                }
            }
            let mut client = Client::open(address);
            client.say(&format!("SUB stream.> 1\r\nPUB orders {LARGE_BYTES}\r\n"));
            client.send(&vec![b'x'; LARGE_BYTES / 2]);
            Death::Reset.of(client);
            killed += 1;
        }
        working.into_iter().for_each(|pair| pair.join().unwrap());
        killed
    });

    let living = 2 * shards as usize + bystanders;
    site.await_connections(living);
    assert_eq!(site.varz("total_connections"), (living + killed) as u64);
    assert_eq!(site.varz("in_msgs"), u64::from(shards) * MESSAGES as u64);
    assert_eq!(site.varz("subscriptions"), u64::from(shards) + 1);
    assert_eq!(site.varz("slow_consumers"), 0);
    // None of the half frames was taken for a message.
    clients[0][0].flush();
}

#[test]
fn half_a_frame_harms_nobody_else_on_one_shard() {
    kill_while_others_work(1);
}

#[test]
fn half_a_frame_harms_nobody_else_on_two_shards() {
    kill_while_others_work(2);
}

#[test]
fn half_a_frame_harms_nobody_else_on_four_shards() {
    kill_while_others_work(4);
}

#[test]
fn what_was_whole_before_the_half_frame_counts() {
    for (shards, death) in [(1, Death::Closed), (2, Death::Closed), (2, Death::Reset)] {
        let site = Site::start(shards, "");
        let mut subscribers: Vec<Client> = (0..8).map(|_| site.client()).collect();
        for subscriber in &mut subscribers {
            subscriber.say("SUB orders 1\r\n");
            subscriber.flush();
        }
        let mut dying = site.client();
        let mut frames = Vec::new();
        client::publish(&mut frames, "orders", b"whole");
        frames.extend_from_slice(b"PING\r\nPUB orders 5\r\nha");
        dying.send(&frames);
        dying.await_pong();
        let id = dying.id;
        death.of(dying);
        for subscriber in &mut subscribers {
            assert_eq!(subscriber.message().unwrap().payload, b"whole");
            subscriber.flush();
        }
        let reason = site.await_closed(id);
        assert!(["Client Closed", "Read Error"].contains(&reason.as_str()), "{reason}");
        await_that("in_msgs", || site.varz("in_msgs"), |count| *count == 1);
    }
}
