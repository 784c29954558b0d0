//! `/connz`'s `rtt`: how long a client takes to answer a PING.

use std::time::{Duration, Instant};

use crate::web::{Client, Monitored};

/// Clients are pinged so often that a test need not wait, and none is given up.
const CONFIG: &str = "ping_interval: 100ms, ping_max: 1000";

/// Answers the server's next PING; when this returns, the server has heard.
fn answer_ping(client: &mut Client) {
    client.await_line("PING");
    client.tell("PONG\r\n");
}

/// A span as Go writes it, such as `1m2.5s` or `310.25µs`.
fn duration(text: &str) -> Duration {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap();
        let number: f64 = rest[..digits].parse().unwrap();
        rest = &rest[digits..];
        let end = rest.find(|char: char| char.is_ascii_digit()).unwrap_or(rest.len());
        let seconds = match &rest[..end] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "µs" => 1e-6,
            "ns" => 1e-9,
            unit => panic!("{text}: {unit}"),
        };
        total += Duration::from_secs_f64(number * seconds);
        rest = &rest[end..];
    }
    total
}

// go: server/monitor_test.go TestMonitorConnzRTT
#[test]
fn the_answer_to_a_ping_is_timed() {
    for server in [Monitored::natrium(1, CONFIG), Monitored::natrium(2, CONFIG), Monitored::reference(CONFIG)]
    {
        let begun = Instant::now();
        let mut client = server.client("{}");
        answer_ping(&mut client);
        let shown = server.connections("");
        assert_eq!(shown.len(), 1);
        let rtt = duration(shown[0]["rtt"].as_str().unwrap());
        assert!(rtt >= Duration::from_nanos(100) && rtt < begun.elapsed(), "{rtt:?}");
    }
}

// go: server/monitor_test.go TestMonitorConnzSortByRTT
#[test]
fn the_slowest_to_answer_come_first() {
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, CONFIG);
        let mut clients: Vec<Client> = (0..10).map(|_| server.client("{}")).collect();
        clients.iter_mut().for_each(answer_ping);
        let shown = server.connections("sort=rtt");
        let times: Vec<Duration> =
            shown.iter().map(|shown| duration(shown["rtt"].as_str().unwrap())).collect();
        assert_eq!(times.len(), 10);
        assert!(times.is_sorted_by(|left, right| left >= right), "{times:?}");
        assert!(times[0] > times[9], "{times:?}");
    }
}
