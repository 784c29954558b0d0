//! Requests and answers: how long a round trip takes, and what it costs the server.

use std::thread;
use std::time::Instant;

use hdrhistogram::Histogram;

use crate::client::Client;
use crate::error::RigError;
use crate::frames::{FrameCounter, msg_size};
use crate::sample::{Sample, Watch, add_latencies, latencies};
use crate::server::Server;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Requests {
    pub(crate) clients: u32,
    /// All clients together.
    pub(crate) requests: u64,
    pub(crate) inbox: Inbox,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inbox {
    /// One subscription of each client, for all its answers.
    Kept,
    /// A subscription for each request, which ends with its answer.
    EachRequest,
}

/// Each client has one request under way; one connection answers all.
pub(crate) fn run(load: &Requests, server: &Server) -> Result<Sample, RigError> {
    let each = load.requests.div_ceil(u64::from(load.clients));
    let total = each * u64::from(load.clients);
    let mut responder = server.connect()?;
    responder.send(b"SUB service 1\r\n")?;
    responder.flush()?;
    let mut requesters = (0..load.clients)
        .map(|index| Requester::new(server, load.inbox, index))
        .collect::<Result<Vec<_>, _>>()?;
    let watch = Watch::start(server)?;
    thread::scope(|scope| {
        let answering = scope.spawn(|| answer(&mut responder, total));
        let asking: Vec<_> =
            requesters.iter_mut().map(|requester| scope.spawn(|| requester.ask(each))).collect();
        for handle in asking {
            handle.join().expect("asking does not panic")?;
        }
        answering.join().expect("answering does not panic")
    })?;
    let mut sample = watch.stop(total)?;
    let mut times = latencies();
    for requester in &mut requesters {
        requester.client.flush()?;
        times.add(&requester.times).expect("both have three digits");
    }
    responder.flush()?;
    add_latencies(&mut sample, &times);
    Ok(sample)
}

struct Requester {
    client: Client,
    /// The bytes of one request; for a new inbox each time the numbers in it are written over.
    request: Vec<u8>,
    /// Where the numbers stand in `request`.
    numbers: Vec<usize>,
    next: u32,
    counter: FrameCounter,
    times: Histogram<u64>,
}

impl Requester {
    fn new(server: &Server, inbox: Inbox, index: u32) -> Result<Self, RigError> {
        let mut client = server.connect()?;
        let number = FIRST_NUMBER + index * NUMBERS_EACH;
        let publish = format!("PUB service _INBOX.{number} 2\r\nhi\r\n");
        let subscribe = format!("SUB _INBOX.{number} {number}\r\n");
        let request = match inbox {
            Inbox::Kept => {
                client.send(subscribe.as_bytes())?;
                client.flush()?;
                publish
            }
            Inbox::EachRequest => format!("{subscribe}UNSUB {number} 1\r\n{publish}"),
        };
        let numbers = match inbox {
            Inbox::Kept => Vec::new(),
            Inbox::EachRequest => request.match_indices(&number.to_string()).map(|(at, _)| at).collect(),
        };
        let frame_size = msg_size(&format!("_INBOX.{number}"), number, 2);
        let counter = FrameCounter::new(frame_size);
        Ok(Self { client, request: request.into_bytes(), numbers, next: number, counter, times: latencies() })
    }

    fn ask(&mut self, requests: u64) -> Result<(), RigError> {
        let mut buffer = [0; 1024];
        for done in 0..requests {
            let began = Instant::now();
            self.client.send(&self.request)?;
            while self.counter.frames() == done || !self.counter.at_boundary() {
                let count = self.client.receive(&mut buffer)?;
                self.counter.count(&buffer[..count])?;
            }
            self.times.saturating_record(began.elapsed().as_nanos() as u64);
            self.next += 1;
            for at in &self.numbers {
                write_number(&mut self.request[*at..*at + NUMBER_DIGITS], self.next);
            }
        }
        Ok(())
    }
}

/// Answers `total` requests, all of one read with one write.
fn answer(client: &mut Client, total: u64) -> Result<(), RigError> {
    let request_size = format!("MSG service 1 _INBOX.{FIRST_NUMBER} 2\r\nhi\r\n").len();
    let inbox_at = "MSG service 1 _INBOX.".len();
    let mut buffer = vec![0; 64 * 1024];
    let mut answers = Vec::with_capacity(64 * 1024);
    let (mut held, mut answered) = (0, 0);
    while answered < total {
        held += client.receive(&mut buffer[held..])?;
        answers.clear();
        let mut at = 0;
        while at < held {
            let is_ping = buffer[at] == b'P';
            let size = if is_ping { b"PING\r\n".len() } else { request_size };
            if at + size > held {
                break;
            }
            if !is_ping {
                let frame = &buffer[at..at + size];
                if !frame.starts_with(b"MSG service 1 ") {
                    return Err(RigError::Unexpected(String::from_utf8_lossy(frame).into_owned()));
                }
                answers.extend_from_slice(b"PUB _INBOX.");
                answers.extend_from_slice(&frame[inbox_at..inbox_at + NUMBER_DIGITS]);
                answers.extend_from_slice(b" 2\r\nok\r\n");
                answered += 1;
            }
            at += size;
        }
        buffer.copy_within(at..held, 0);
        held -= at;
        client.send(&answers)?;
    }
    Ok(())
}

fn write_number(digits: &mut [u8], mut number: u32) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Numbers of inboxes and subscriptions have eight digits: one size for all frames.
const FIRST_NUMBER: u32 = 10_000_000;
const NUMBER_DIGITS: usize = 8;
/// Clients take their numbers from ranges that do not meet: 89 clients of a million requests.
const NUMBERS_EACH: u32 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_fills_its_digits() {
        let mut digits = *b"inbox 10000000.";
        write_number(&mut digits[6..14], 10_000_042);
        assert_eq!(&digits, b"inbox 10000042.");
    }
}
