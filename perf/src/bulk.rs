//! Publishers that write as fast as the server reads, and subscribers that count what arrives.
//!
//! The generator shares the CPUs with the server, so it does little: blocks of messages are built before the clock starts
//! and written again and again; one thread reads all subscribers and looks at one byte of each message.

use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::client::{Client, is_stall};
use crate::error::{RigError, STALL_SECONDS};
use crate::frames::{FrameCounter, msg_size};
use crate::sample::{Sample, Watch};
use crate::server::Server;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Bulk {
    pub(crate) payload: usize,
    pub(crate) publishers: u32,
    /// Each publisher sends at least as many; whole blocks are sent.
    pub(crate) messages: u64,
    pub(crate) interest: Interest,
    pub(crate) writes: Writes,
}

/// Who listens to what is published.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Interest {
    Nobody,
    /// A subscriber for each publisher, on a subject of their own.
    Pairs,
    /// All publish on one subject and every subscriber receives all of it.
    Everyone {
        subscribers: u32,
    },
    /// One subject, and each message goes to one of the members.
    QueueGroup {
        members: u32,
    },
    /// The publishers go round `subjects` subjects, and one connection receives them all.
    Subjects {
        subjects: u32,
        filters: Filters,
    },
}

/// The subscriptions of the connection that receives many subjects.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Filters {
    OneWildcard,
    LiteralEach,
    WildcardEach,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Writes {
    /// So many bytes a write, whole messages or not, as a client's write buffer does.
    Bytes(usize),
    OneMessage,
}

struct Publisher {
    client: Client,
    block: Vec<u8>,
    write_size: usize,
    repeats: u64,
}

struct Subscriber {
    client: Client,
    counter: FrameCounter,
}

/// Runs the load; figures are a delivery, or a message where nobody listens.
pub(crate) fn run(load: &Bulk, server: &Server) -> Result<Sample, RigError> {
    let (mut publishers, published) = publishers(load, server)?;
    let mut subscribers = subscribers(load, server)?;
    let total = u64::from(load.publishers) * published;
    let (deliveries, of_each) = match load.interest {
        Interest::Nobody => (0, None),
        Interest::Pairs => (total, Some(published)),
        Interest::Everyone { subscribers } => (total * u64::from(subscribers), Some(total)),
        Interest::QueueGroup { .. } => (total, None),
        Interest::Subjects { .. } => (total, Some(total)),
    };
    let watch = Watch::start(server)?;
    thread::scope(|scope| {
        let sending: Vec<_> =
            publishers.iter_mut().map(|publisher| scope.spawn(|| publisher.publish())).collect();
        let received = receive(&mut subscribers, deliveries);
        for handle in sending {
            handle.join().expect("publishing does not panic")?;
        }
        received
    })?;
    let sample = watch.stop(deliveries.max(total))?;
    check(&mut subscribers, of_each)?;
    Ok(sample)
}

/// The publishers, and how many messages each will send.
fn publishers(load: &Bulk, server: &Server) -> Result<(Vec<Publisher>, u64), RigError> {
    let mut publishers = Vec::new();
    let mut published = 0;
    for index in 0..load.publishers {
        let subjects = match load.interest {
            Interest::Nobody | Interest::Pairs => vec![subject(index)],
            Interest::Everyone { .. } | Interest::QueueGroup { .. } => vec![subject(0)],
            Interest::Subjects { subjects, .. } => (0..subjects).map(subject).collect(),
        };
        let payload = "x".repeat(load.payload);
        let messages: Vec<_> = subjects
            .iter()
            .map(|subject| format!("PUB {subject} {}\r\n{payload}\r\n", load.payload).into_bytes())
            .collect();
        let message_size = messages[0].len();
        let rounds = (BLOCK_SIZE / (messages.len() * message_size)).clamp(1, load.messages as usize);
        let block_messages = (rounds * messages.len()) as u64;
        let repeats = load.messages.div_ceil(block_messages);
        published = repeats * block_messages;
        let write_size = match load.writes {
            Writes::Bytes(size) => size,
            Writes::OneMessage => message_size,
        };
        let block = messages.concat().repeat(rounds);
        publishers.push(Publisher { client: server.connect()?, block, write_size, repeats });
    }
    Ok((publishers, published))
}

impl Publisher {
    fn publish(&mut self) -> Result<(), RigError> {
        for _ in 0..self.repeats {
            for write in self.block.chunks(self.write_size) {
                self.client.send(write)?;
            }
        }
        self.client.flush()
    }
}

fn subscribers(load: &Bulk, server: &Server) -> Result<Vec<Subscriber>, RigError> {
    let count = match load.interest {
        Interest::Nobody => 0,
        Interest::Pairs => load.publishers,
        Interest::Everyone { subscribers } => subscribers,
        Interest::QueueGroup { members } => members,
        Interest::Subjects { .. } => 1,
    };
    (0..count)
        .map(|index| {
            let mut client = server.connect()?;
            client.send(subscriptions(load.interest, index).as_bytes())?;
            client.flush()?;
            let frame_size = msg_size(&subject(index), FIRST_SID, load.payload);
            Ok(Subscriber { client, counter: FrameCounter::new(frame_size) })
        })
        .collect()
}

/// What subscriber `index` sends before the load starts.
fn subscriptions(interest: Interest, index: u32) -> String {
    match interest {
        Interest::Nobody => String::new(),
        Interest::Pairs => format!("SUB {} {FIRST_SID}\r\n", subject(index)),
        Interest::Everyone { .. } => format!("SUB {} {FIRST_SID}\r\n", subject(0)),
        Interest::QueueGroup { .. } => format!("SUB {} workers {FIRST_SID}\r\n", subject(0)),
        Interest::Subjects { subjects, filters } => match filters {
            Filters::OneWildcard => format!("SUB load.> {FIRST_SID}\r\n"),
            Filters::LiteralEach => (0..subjects)
                .map(|number| format!("SUB {} {}\r\n", subject(number), FIRST_SID + number))
                .collect(),
            Filters::WildcardEach => (0..subjects)
                .map(|number| format!("SUB load.{number:06}.* {}\r\n", FIRST_SID + number))
                .collect(),
        },
    }
}

/// Reads all subscribers until `deliveries` messages arrived in sum.
fn receive(subscribers: &mut [Subscriber], deliveries: u64) -> Result<(), RigError> {
    let mut buffer = vec![0; READ_SIZE];
    let mut ready = Vec::with_capacity(subscribers.len());
    loop {
        let arrived = arrived(subscribers);
        if arrived == deliveries && subscribers.iter().all(|subscriber| subscriber.counter.at_boundary()) {
            return Ok(());
        }
        if let [only] = subscribers {
            only.take(&mut buffer, arrived, deliveries)?;
            continue;
        }
        await_any(subscribers, &mut ready)?;
        if ready.iter().all(|is_ready| !is_ready) {
            return Err(RigError::Lost { expected: deliveries, arrived });
        }
        for (subscriber, _) in subscribers.iter_mut().zip(&ready).filter(|(_, is_ready)| **is_ready) {
            subscriber.take(&mut buffer, arrived, deliveries)?;
        }
    }
}

fn arrived(subscribers: &[Subscriber]) -> u64 {
    subscribers.iter().map(|subscriber| subscriber.counter.frames()).sum()
}

/// Waits until a subscriber has something to read, and marks in `ready` which have.
fn await_any(subscribers: &[Subscriber], ready: &mut Vec<bool>) -> Result<(), RigError> {
    let mut watched: Vec<_> =
        subscribers.iter().map(|subscriber| PollFd::new(&subscriber.client, PollFlags::IN)).collect();
    let limit = Timespec { tv_sec: STALL_SECONDS as i64, tv_nsec: 0 };
    poll(&mut watched, Some(&limit)).map_err(|error| RigError::io("waiting for messages")(error.into()))?;
    ready.clear();
    ready.extend(watched.iter().map(|one| !one.revents().is_empty()));
    Ok(())
}

impl Subscriber {
    fn take(&mut self, buffer: &mut [u8], arrived: u64, expected: u64) -> Result<(), RigError> {
        match self.client.receive(buffer) {
            Ok(count) => self.counter.count(&buffer[..count]),
            Err(error) if is_stall(&error) => Err(RigError::Lost { expected, arrived }),
            Err(error) => Err(error),
        }
    }
}

/// Nothing more is on its way, and each subscriber has its share.
fn check(subscribers: &mut [Subscriber], of_each: Option<u64>) -> Result<(), RigError> {
    for (index, subscriber) in subscribers.iter_mut().enumerate() {
        subscriber.client.flush()?;
        let arrived = subscriber.counter.frames();
        if let Some(expected) = of_each.filter(|expected| *expected != arrived) {
            return Err(RigError::Uneven { subscriber: index, expected, arrived });
        }
    }
    Ok(())
}

/// All subjects have one length, so that all messages of a load have one size.
fn subject(number: u32) -> String {
    format!("load.{number:06}.a")
}

/// So large that a number for each of the subjects has as many digits.
const FIRST_SID: u32 = 100_000;
/// Held in the second-level cache of a CPU; larger where the subjects do not fit.
const BLOCK_SIZE: usize = 256 * 1024;
const READ_SIZE: usize = 256 * 1024;
