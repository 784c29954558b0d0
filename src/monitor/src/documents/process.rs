//! `/debug/vars` and `/stacksz`: what of the reference's views into the Go runtime has a counterpart here.

use std::fmt::Write;

use serde::Serialize;

use crate::snapshot::{ServerSnapshot, ShardSnapshot};
use crate::text::go_duration;

#[derive(Serialize)]
pub(crate) struct Variables<'a> {
    /// The program's name alone: its arguments may hold passwords.
    cmdline: [&'a str; 1],
    memstats: MemoryStats,
}

#[derive(Serialize)]
struct MemoryStats {
    #[serde(rename = "Sys")]
    sys: u64,
}

pub(crate) fn variables(server: &ServerSnapshot) -> Variables<'_> {
    Variables {
        cmdline: [&server.process.program],
        memstats: MemoryStats { sys: server.process.memory_bytes },
    }
}

/// A line a shard. There are no goroutines to list; what their stacks are read for, an executor that is stuck, shows in
/// its stalls.
pub(crate) fn shards(shards: &[ShardSnapshot]) -> String {
    let mut text = String::new();
    for ShardSnapshot { shard, counters, loop_stall_ns, .. } in shards {
        let stall = |nanos| go_duration(std::time::Duration::from_nanos(nanos));
        writeln!(
            text,
            "shard {shard}: {} connections, {} subscriptions, {} bytes pending, loop stalls p50 {} p99 {} max {}",
            counters.connections,
            counters.subscriptions,
            counters.pending_bytes,
            stall(loop_stall_ns.p50),
            stall(loop_stall_ns.p99),
            stall(loop_stall_ns.max),
        )
        .expect("a String takes every write");
    }
    text
}
