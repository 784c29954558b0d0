//! The list of what is measured, and what is to be reached (against nats-server 2.15.1 in the same run, on 2 CPUs).

use crate::bulk::{self, Bulk, Filters, Interest, Writes};
use crate::connections;
use crate::error::RigError;
use crate::goal::{Bound, Goal};
use crate::requests::{self, Inbox, Requests};
use crate::sample::{MIB, Metric, Sample};
use crate::server::Server;
use crate::subscriptions;

pub(crate) struct Scenario {
    pub(crate) name: String,
    load: Load,
    pub(crate) goals: Vec<Goal>,
    /// Numbers of shards to measure beside those that were asked for.
    pub(crate) more_shards: &'static [u32],
    pub(crate) tls: bool,
}

enum Load {
    /// Nothing but the start.
    Start,
    Bulk(Bulk),
    Requests(Requests),
    IdleConnections(u32),
    ConnectionChurn(u32),
    SubscriptionChurn(u64),
    SubscriptionsHeld {
        connections: u32,
        each: u32,
    },
}

/// How much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    Full,
    /// Enough to see that everything still works, not to measure.
    Quick,
}

impl Scale {
    fn of(self, count: u64) -> u64 {
        match self {
            Self::Full => count,
            Self::Quick => (count / 500).max(20),
        }
    }

    /// For counts of connections and subjects, which are 32 bits wide.
    fn of_few(self, count: u32) -> u32 {
        match self {
            Self::Full => count,
            Self::Quick => (count / 100).max(20),
        }
    }
}

impl Scenario {
    /// Figures of one run on a server that was just started.
    pub(crate) fn run(&self, server: &Server) -> Result<Sample, RigError> {
        match &self.load {
            Load::Start => Ok(Sample::from([
                (Metric::StartMillis, server.started_in().as_secs_f64() * 1e3),
                (Metric::ResidentMib, server.resident_bytes()? as f64 / MIB),
            ])),
            Load::Bulk(load) => bulk::run(load, server),
            Load::Requests(load) => requests::run(load, server),
            Load::IdleConnections(count) => connections::idle(*count, server),
            Load::ConnectionChurn(count) => connections::churn(*count, server),
            Load::SubscriptionChurn(count) => subscriptions::churn(*count, server),
            Load::SubscriptionsHeld { connections, each } => subscriptions::held(*connections, *each, server),
        }
    }

    fn new(name: &str, load: Load) -> Self {
        Self { name: name.to_owned(), load, goals: Vec::new(), more_shards: &[], tls: false }
    }

    fn bulk(name: &str, load: Bulk) -> Self {
        Self::new(name, Load::Bulk(load))
    }

    fn goal(mut self, metric: Metric, bound: Bound) -> Self {
        self.goals.push(Goal { metric, bound, shards: DEFAULT_SHARDS });
        self
    }

    fn goal_with_shards(mut self, shards: u32, metric: Metric, bound: Bound) -> Self {
        self.goals.push(Goal { metric, bound, shards });
        self
    }
}

/// Everything, in the order it is run and printed. `write_size` is that of the publishers' writes, in bytes.
pub(crate) fn all(scale: Scale, write_size: usize) -> Vec<Scenario> {
    let mut scenarios = vec![
        Scenario::new("start", Load::Start)
            .goal(Metric::StartMillis, Bound::AtMost(100.0))
            .goal(Metric::ResidentMib, Bound::RatioAtMost(1.0)),
    ];
    scenarios.extend(streams(scale, write_size));
    scenarios.extend(crowds(scale, write_size));
    scenarios.extend(round_trips(scale));
    scenarios.extend(sessions(scale));
    scenarios
}

/// One publisher, at most one subscriber, by payload and by the size of a write.
fn streams(scale: Scale, write_size: usize) -> Vec<Scenario> {
    let load = |payload, messages, interest| Bulk {
        payload,
        publishers: 1,
        messages: scale.of(messages),
        interest,
        writes: Writes::Bytes(write_size),
    };
    let mut scenarios = Vec::new();
    for (interest, name, counts) in [
        (Interest::Nobody, "publish only", [8_000_000, 5_000_000, 1_500_000, 40_000]),
        (Interest::Pairs, "1 -> 1", [3_000_000, 2_000_000, 800_000, 30_000]),
    ] {
        for (payload, size, count) in [
            (16, "16 B", counts[0]),
            (128, "128 B", counts[1]),
            (1024, "1 KiB", counts[2]),
            (65_536, "64 KiB", counts[3]),
        ] {
            let scenario = Scenario::bulk(&format!("{name}, {size}"), load(payload, count, interest));
            scenarios.push(match payload {
                16 => scenario
                    .goal(Metric::CpuMicros, Bound::RatioAtMost(0.22))
                    .goal(Metric::Rate, Bound::RatioAtLeast(4.0)),
                128 => scenario.goal(Metric::Rate, Bound::RatioAtLeast(2.5)),
                1024 => scenario
                    .goal(Metric::CpuMicros, Bound::RatioAtMost(0.5))
                    .goal(Metric::Rate, Bound::RatioAtLeast(1.2)),
                _ => scenario,
            });
        }
        let small = Bulk { writes: Writes::OneMessage, ..load(16, 500_000, interest) };
        scenarios.push(Scenario::bulk(&format!("{name}, 16 B, a write each"), small));
    }
    let mut tls = Scenario::bulk("TLS 1 -> 1, 128 B", load(128, 1_000_000, Interest::Pairs))
        .goal(Metric::CpuMicros, Bound::RatioAtMost(0.7));
    tls.tls = true;
    scenarios.push(tls);
    scenarios
}

/// Many publishers, subscribers or subjects.
fn crowds(scale: Scale, write_size: usize) -> Vec<Scenario> {
    let load = |payload, publishers, messages, interest| Bulk {
        payload,
        publishers,
        messages: scale.of(messages),
        interest,
        writes: Writes::Bytes(write_size),
    };
    let many = |subjects: u32, filters| Interest::Subjects { subjects: scale.of_few(subjects), filters };
    let fan_out = Interest::Everyone { subscribers: 16 };
    let everyone = Interest::Everyone { subscribers: 8 };
    vec![
        Scenario::bulk("4 pairs, 128 B", load(128, 4, 750_000, Interest::Pairs))
            .goal(Metric::CpuMicros, Bound::RatioAtMost(0.38))
            .goal(Metric::Rate, Bound::RatioAtLeast(2.5)),
        Scenario::bulk("1 -> 16, 128 B", load(128, 1, 250_000, fan_out))
            .goal(Metric::CpuMicros, Bound::RatioAtMost(0.30))
            .goal(Metric::Rate, Bound::RatioAtLeast(2.5)),
        Scenario::bulk("8 x 8, 128 B", load(128, 8, 60_000, everyone))
            .goal(Metric::CpuMicros, Bound::RatioAtMost(0.30))
            .goal(Metric::Rate, Bound::RatioAtLeast(2.5)),
        Scenario::bulk(
            "queue group of 8, 128 B",
            load(128, 1, 1_500_000, Interest::QueueGroup { members: 8 }),
        )
        .goal(Metric::Rate, Bound::RatioAtLeast(2.5)),
        Scenario::bulk(
            "100,000 subjects, 1 wildcard, 16 B",
            load(16, 1, 2_000_000, many(100_000, Filters::OneWildcard)),
        ),
        Scenario::bulk(
            "100,000 subjects, each subscribed, 16 B",
            load(16, 1, 2_000_000, many(100_000, Filters::LiteralEach)),
        ),
        Scenario::bulk("10,000 wildcards, 16 B", load(16, 1, 2_000_000, many(10_000, Filters::WildcardEach))),
    ]
}

fn round_trips(scale: Scale) -> Vec<Scenario> {
    let load =
        |clients, requests, inbox| Load::Requests(Requests { clients, requests: scale.of(requests), inbox });
    let mut scenarios = vec![
        Scenario::new("request-reply, 1 client", load(1, 20_000, Inbox::Kept)),
        Scenario::new("request-reply, 50 clients", load(50, 100_000, Inbox::Kept)),
    ];
    for scenario in &mut scenarios {
        for (metric, ratio) in [(Metric::CpuMicros, 0.75), (Metric::P50Micros, 1.0)] {
            scenario.goals.push(Goal { metric, bound: Bound::RatioAtMost(ratio), shards: DEFAULT_SHARDS });
        }
    }
    scenarios.push(
        Scenario::new("request-reply, new inbox each, 1 client", load(1, 20_000, Inbox::EachRequest))
            .goal(Metric::CpuMicros, Bound::RatioAtMost(0.6)),
    );
    scenarios
}

/// Connections and subscriptions that come, go, or stay.
fn sessions(scale: Scale) -> Vec<Scenario> {
    let held = Load::SubscriptionsHeld { connections: scale.of_few(1_000), each: scale.of_few(1_000) };
    let mut held = Scenario::new("1 M subscriptions, 1,000 connections", held)
        .goal_with_shards(1, Metric::UnitBytes, Bound::RatioAtMost(0.5))
        .goal_with_shards(4, Metric::UnitBytes, Bound::RatioAtMost(0.8));
    held.more_shards = &[1, 2, 4];
    vec![
        Scenario::new("8,000 idle connections", Load::IdleConnections(scale.of_few(8_000)))
            .goal(Metric::UnitBytes, Bound::AtMost(6.0 * 1024.0)),
        Scenario::new("connect and close", Load::ConnectionChurn(scale.of_few(4_000))),
        Scenario::new("SUB and UNSUB", Load::SubscriptionChurn(scale.of(1_000_000)))
            .goal(Metric::CpuMicros, Bound::RatioAtMost(0.6)),
        held,
    ]
}

/// Goals are for the number of shards a server has by default on the 2 CPUs they were set for.
const DEFAULT_SHARDS: u32 = 2;
