//! As many connections as the machine allows, up to ten thousand: all are served, none leaves anything behind.

use std::thread;

use crate::client::Client;
use crate::process::{self, KIB};
use crate::site::{Site, await_that};

/// What the issue asks for, on a machine that allows it.
const CONNECTIONS_MAX: usize = 10_000;
/// Fewer than these prove nothing.
const CONNECTIONS_MIN: usize = 2_000;
/// Descriptors either side needs besides its connections.
const OTHER_DESCRIPTORS: u64 = 256;
/// Threads that open and close connections at the same time.
const OPENERS: usize = 4;
/// Rounds in which tables grow to their size, and rounds after which nothing may have been left behind.
const WARM_UP_ROUNDS: usize = 2;
const ROUNDS: usize = 2;
/// Growth over all [`ROUNDS`] that is the allocator's: 26 bytes a connection, less than anything a server could forget.
const GROWTH_BYTES_MAX: u64 = 512 * KIB;
/// Memory an open connection with one subscription may take. One that is idle is to take 6 KiB at most.
const CONNECTION_BYTES_MAX: u64 = 8 * KIB;

/// `count` clients that have subscribed to `news`, opened from several threads at once.
fn subscribers(site: &Site, count: usize) -> Vec<Client> {
    let address = site.address();
    let open = move |count: usize| -> Vec<Client> {
        let mut clients: Vec<Client> = (0..count).map(|_| Client::open(address)).collect();
        for client in &mut clients {
            client.say("SUB news 1\r\nPING\r\n");
        }
        clients.iter_mut().for_each(Client::await_pong);
        clients
    };
    thread::scope(|scope| {
        let openers: Vec<_> =
            (0..OPENERS).map(|opener| scope.spawn(move || open((count + opener) / OPENERS))).collect();
        openers.into_iter().flat_map(|opener| opener.join().unwrap()).collect()
    })
}

/// Opens `count` connections, lets one of them publish to all, and closes them: every second one without a word.
fn round(site: &Site, count: usize, text: &str) -> u64 {
    let mut clients = subscribers(site, count);
    assert_eq!(clients.len(), count);
    assert_eq!(site.varz("connections"), count as u64);
    let open = process::resident_bytes(site.pid());
    clients[count / 2].publish("news", text.as_bytes());
    for client in &mut clients {
        let message = client.message().unwrap();
        assert_eq!(
            (message.subject.as_str(), message.sid, message.payload.as_slice()),
            ("news", 1, text.as_bytes())
        );
    }
    for (number, client) in clients.into_iter().enumerate() {
        if number % 2 == 0 {
            client.kill();
        }
    }
    open
}

fn churn(shards: u32) {
    let count = affordable_connections();
    let site = Site::start(shards, "max_closed_clients: 16");
    // The endpoint's own connection is there once it was asked.
    site.await_connections(0);
    let idle = process::resident_bytes(site.pid());
    let descriptors = process::descriptors(site.pid());
    let mut warm = 0;
    for number in 0..WARM_UP_ROUNDS + ROUNDS {
        let open = round(&site, count, &format!("round {number}"));
        let each = open.saturating_sub(idle) / count as u64;
        assert!(each <= CONNECTION_BYTES_MAX, "a connection takes {each} bytes");
        site.await_connections(0);
        assert_eq!(site.varz("subscriptions"), 0);
        await_that("descriptors", || process::descriptors(site.pid()), |now| *now <= descriptors);
        let closed = process::resident_bytes(site.pid());
        if number < WARM_UP_ROUNDS {
            warm = closed;
        }
        println!(
            "{shards} shards, {count} connections, round {number}: {each} B each, {idle} -> {open} -> {closed}"
        );
        assert!(closed <= warm + GROWTH_BYTES_MAX, "{warm} bytes grew to {closed}");
    }
    assert_eq!(site.varz("slow_consumers"), 0);
}

/// As many connections as this process may open, and [`CONNECTIONS_MAX`] at most.
fn affordable_connections() -> usize {
    let limit = process::raise_descriptor_limit();
    let count = usize::try_from(limit.saturating_sub(OTHER_DESCRIPTORS)).unwrap().min(CONNECTIONS_MAX);
    assert!(count >= CONNECTIONS_MIN, "raise the limit of open files (ulimit -n), it is {limit}");
    count
}

// go: server/norace_1_test.go TestNoRaceClientOutboundQueueMemory
#[test]
fn a_message_to_all_leaves_no_memory_in_use() {
    const PAYLOAD_BYTES: usize = 48_000;
    // Each takes as much in the kernel and in this process.
    let count = affordable_connections().min(4_000);
    let site = Site::start(2, "");
    let mut clients = subscribers(&site, count);
    site.await_connections(count);
    let before = process::resident_bytes(site.pid());
    site.client().publish("news", &[b'x'; PAYLOAD_BYTES]);
    for client in &mut clients {
        assert_eq!(client.message().unwrap().payload.len(), PAYLOAD_BYTES);
    }
    site.await_connections(count);
    let after = process::resident_bytes(site.pid());
    println!("{count} connections: {before} -> {after}");
    assert!(after <= before + before / 10, "{before} bytes grew to {after}");
}

#[test]
fn ten_thousand_connections_come_and_go_on_one_shard() {
    churn(1);
}

#[test]
fn ten_thousand_connections_come_and_go_on_two_shards() {
    churn(2);
}

#[test]
fn ten_thousand_connections_come_and_go_on_four_shards() {
    churn(4);
}
