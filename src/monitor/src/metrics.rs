//! `/metrics`: the numbers an operator graphs and alerts on, as OpenMetrics text.
//!
//! Names begin with `natrium_` and end with their unit; the list with what each is for stands in docs/monitoring.md.
//! Numbers of shards carry the label `shard` and are left for the reader to sum, so that one busy or stuck shard shows.

mod exposition;

use std::time::Duration;

use natrium_model::{Timestamp, version};

use crate::snapshot::{Counters, ServerSnapshot, ShardSnapshot, Snapshots, Summary};
use exposition::{Exposition, Family, Kind};

pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(crate) fn text(source: &Snapshots) -> String {
    let mut out = Exposition::default();
    server(&mut out, &source.server);
    let labels: Vec<String> = source.shards.iter().map(|shard| shard.shard.to_string()).collect();
    let shards: Vec<(&str, &ShardSnapshot)> = labels.iter().map(String::as_str).zip(&source.shards).collect();
    for family in &SHARD_NUMBERS {
        numbers(&mut out, family, &shards);
    }
    traffic(&mut out, &shards);
    for family in &SHARD_SUMMARIES {
        summaries(&mut out, family, &shards);
    }
    out.finish()
}

fn server(out: &mut Exposition, server: &ServerSnapshot) {
    out.family(Family { name: "natrium_build", kind: Kind::Info, unit: "", help: "What is running." });
    let build = [
        ("version", version::NATRIUM),
        ("compatible_with", version::REFERENCE),
        ("commit", &server.git_commit),
        ("toolchain", &server.toolchain),
    ];
    out.sample("_info", &build, 1);
    out.family(Family { name: "natrium_server", kind: Kind::Info, unit: "", help: "Which server this is." });
    out.sample("_info", &[("id", &server.id), ("name", &server.name)], 1);

    let mut gauge = |name, unit, help, value: f64| {
        out.family(Family { name, kind: Kind::Gauge, unit, help });
        out.sample("", &[], value);
    };
    gauge(
        "natrium_start_time_seconds",
        "seconds",
        "When the server started, since the Unix epoch.",
        unix(server.start),
    );
    gauge(
        "natrium_uptime_seconds",
        "seconds",
        "Time since the start.",
        server.now.since(server.start).as_secs_f64(),
    );
    let loaded = unix(server.config_loaded_at);
    gauge("natrium_config_load_time_seconds", "seconds", "When the configuration was read last.", loaded);
    #[expect(clippy::cast_precision_loss, reason = "exact below 8 PiB")]
    let memory = server.process.memory_bytes as f64;
    gauge("natrium_process_memory_bytes", "bytes", "Resident memory.", memory);

    let name = "natrium_process_cpu_seconds";
    out.family(Family {
        name,
        kind: Kind::Counter,
        unit: "seconds",
        help: "CPU time used, user and system.",
    });
    out.sample("_total", &[], server.process.cpu_time.as_secs_f64());

    out.family(Family {
        name: "natrium_max_connections",
        kind: Kind::Gauge,
        unit: "",
        help: "Limit; -1 for none.",
    });
    out.sample("", &[], server.options.max_connections);

    let help = "Requests to the monitoring endpoint.";
    out.family(Family { name: "natrium_http_requests", kind: Kind::Counter, unit: "", help });
    for (path, count) in server.requests.iter() {
        out.sample("_total", &[("path", path)], count);
    }
}

/// A family with one number a shard.
struct ShardNumber {
    family: Family,
    value: fn(&Counters) -> u64,
}

const SHARD_NUMBERS: [ShardNumber; 7] = [
    ShardNumber {
        family: Family {
            name: "natrium_connections",
            kind: Kind::Gauge,
            unit: "",
            help: "Clients connected now.",
        },
        value: |counters| counters.connections,
    },
    ShardNumber {
        family: Family {
            name: "natrium_connections_accepted",
            kind: Kind::Counter,
            unit: "",
            help: "Clients that ever connected.",
        },
        value: |counters| counters.total_connections,
    },
    ShardNumber {
        family: Family {
            name: "natrium_subscriptions",
            kind: Kind::Gauge,
            unit: "",
            help: "Subscriptions now.",
        },
        value: |counters| counters.subscriptions,
    },
    ShardNumber {
        family: Family {
            name: "natrium_pending_bytes",
            kind: Kind::Gauge,
            unit: "bytes",
            help: "Bytes waiting to be written to clients.",
        },
        value: |counters| counters.pending_bytes,
    },
    ShardNumber {
        family: Family {
            name: "natrium_slow_consumers",
            kind: Kind::Counter,
            unit: "",
            help: "Clients closed because they read too slowly.",
        },
        value: |counters| counters.slow_consumers,
    },
    ShardNumber {
        family: Family {
            name: "natrium_stale_connections",
            kind: Kind::Counter,
            unit: "",
            help: "Clients closed because they did not answer pings.",
        },
        value: |counters| counters.stale_connections,
    },
    ShardNumber {
        family: Family {
            name: "natrium_stalled_clients",
            kind: Kind::Counter,
            unit: "",
            help: "Times a publisher waited for a slow consumer.",
        },
        value: |counters| counters.stalled_clients,
    },
];

fn numbers(
    out: &mut Exposition,
    ShardNumber { family, value }: &ShardNumber,
    shards: &[(&str, &ShardSnapshot)],
) {
    out.family(*family);
    for (label, shard) in shards {
        out.sample(family.kind.suffix(), &[("shard", label)], value(&shard.counters));
    }
}

fn traffic(out: &mut Exposition, shards: &[(&str, &ShardSnapshot)]) {
    let help = "Messages: in from clients, out to clients.";
    out.family(Family { name: "natrium_messages", kind: Kind::Counter, unit: "", help });
    for (label, ShardSnapshot { counters, .. }) in shards {
        out.sample("_total", &[("shard", label), ("direction", "in")], counters.in_msgs);
        out.sample("_total", &[("shard", label), ("direction", "out")], counters.out_msgs);
    }
    let help = "Bytes of messages, headers and payload: in from clients, out to clients.";
    out.family(Family { name: "natrium_message_bytes", kind: Kind::Counter, unit: "bytes", help });
    for (label, ShardSnapshot { counters, .. }) in shards {
        out.sample("_total", &[("shard", label), ("direction", "in")], counters.in_bytes);
        out.sample("_total", &[("shard", label), ("direction", "out")], counters.out_bytes);
    }
}

/// A distribution a shard, and its maximum, for which OpenMetrics has no place in a summary.
struct ShardSummary {
    family: Family,
    maximum: Family,
    value: fn(&ShardSnapshot) -> Summary,
    /// Units of the summary in one unit of the family.
    divisor: f64,
}

const SHARD_SUMMARIES: [ShardSummary; 3] = [
    ShardSummary {
        family: Family {
            name: "natrium_loop_stall_seconds",
            kind: Kind::Summary,
            unit: "seconds",
            help: "How long one turn of a shard kept the others waiting.",
        },
        maximum: Family {
            name: "natrium_loop_stall_max_seconds",
            kind: Kind::Gauge,
            unit: "seconds",
            help: "The longest turn since the start.",
        },
        value: |shard| shard.loop_stall_ns,
        divisor: 1e9,
    },
    ShardSummary {
        family: Family {
            name: "natrium_lane_depth_messages",
            kind: Kind::Summary,
            unit: "messages",
            help: "Messages waiting in a lane when its shard came to read it.",
        },
        maximum: Family {
            name: "natrium_lane_depth_max_messages",
            kind: Kind::Gauge,
            unit: "messages",
            help: "The fullest lane since the start.",
        },
        value: |shard| shard.lane_depth,
        divisor: 1.0,
    },
    ShardSummary {
        family: Family {
            name: "natrium_flush_bytes",
            kind: Kind::Summary,
            unit: "bytes",
            help: "Bytes written to one client at once.",
        },
        maximum: Family {
            name: "natrium_flush_max_bytes",
            kind: Kind::Gauge,
            unit: "bytes",
            help: "The largest write since the start.",
        },
        value: |shard| shard.flush_bytes,
        divisor: 1.0,
    },
];

#[expect(clippy::cast_precision_loss, reason = "more digits than a graph shows")]
fn summaries(out: &mut Exposition, family: &ShardSummary, shards: &[(&str, &ShardSnapshot)]) {
    let scaled = |value: u64| value as f64 / family.divisor;
    out.family(family.family);
    for (label, shard) in shards {
        let Summary { count, sum, p50, p99, p999, max: _ } = (family.value)(shard);
        for (quantile, value) in [("0.5", p50), ("0.99", p99), ("0.999", p999)] {
            out.sample("", &[("shard", label), ("quantile", quantile)], scaled(value));
        }
        out.sample("_count", &[("shard", label)], count);
        out.sample("_sum", &[("shard", label)], scaled(sum));
    }
    out.family(family.maximum);
    for (label, shard) in shards {
        out.sample("", &[("shard", label)], scaled((family.value)(shard).max));
    }
}

/// Seconds since the Unix epoch.
fn unix(time: Timestamp) -> f64 {
    let since_epoch: Duration = time.since(Timestamp(0));
    since_epoch.as_secs_f64()
}
