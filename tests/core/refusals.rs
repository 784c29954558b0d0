//! What the log says of clients that are refused one after the other.

use std::io::{BufReader, Read};

use crate::handshakes::open;
use crate::{await_that, with_each_server};

/// When the log told of it, in microseconds of the day.
fn told_at(log: &str, statement: &str) -> Vec<u64> {
    let lines = log.lines().filter(|line| line.ends_with(statement));
    lines
        .map(|line| {
            let time = line.split(' ').nth(2).unwrap();
            let parts: Vec<u64> = time.split([':', '.']).map(|part| part.parse().unwrap()).collect();
            ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * 1_000_000 + parts[3]
        })
        .collect()
}

// go: server/server_test.go TestServerRateLimitLogging
#[test]
fn the_log_tells_of_clients_that_are_too_many_once_in_a_while() {
    const STATEMENT: &str = "maximum connections exceeded";
    const DAY_US: u64 = 24 * 60 * 60 * 1_000_000;
    with_each_server("max_connections: 1", |name, server| {
        let _one = server.client("{}");
        let mut refused = 0;
        let knock = || {
            let mut answer = String::new();
            BufReader::new(open(server)).read_to_string(&mut answer).unwrap();
            assert!(answer.ends_with("-ERR 'maximum connections exceeded'\r\n"), "{name}: {answer}");
            refused += 1;
            told_at(&server.server.log(), STATEMENT)
        };
        let told = await_that("lines of the log", knock, |told| told.len() >= 2);
        // Each was another client, but the statement is the same.
        assert!(refused > told.len(), "{name}: {refused} were refused, and {told:?}");
        for pair in told.windows(2) {
            let between = (pair[1] + DAY_US - pair[0]) % DAY_US;
            // The reference forgets after a second; a line may get its time a little late.
            assert!(between > 500_000, "{name}: {told:?}");
        }
    });
}
