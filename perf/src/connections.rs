//! Connections: how fast they come, and what one that says nothing holds.

use std::thread;
use std::time::Instant;

use crate::client::Client;
use crate::error::RigError;
use crate::sample::{Metric, Sample, Watch, add_latencies, latencies};
use crate::server::Server;

/// Opens `count` connections and keeps them: memory for each.
pub(crate) fn idle(count: u32, server: &Server) -> Result<Sample, RigError> {
    let before = server.resident_bytes()?;
    let watch = Watch::start(server)?;
    let clients = open(count, server)?;
    let mut sample = watch.stop(u64::from(count))?;
    let grown = server.resident_bytes()?.saturating_sub(before);
    sample.insert(Metric::UnitBytes, grown as f64 / f64::from(count));
    drop(clients);
    Ok(sample)
}

/// Opens and closes `count` connections; a latency is from connect to the PONG behind CONNECT.
pub(crate) fn churn(count: u32, server: &Server) -> Result<Sample, RigError> {
    let each = count.div_ceil(OPENERS);
    let watch = Watch::start(server)?;
    let mut times = latencies();
    thread::scope(|scope| {
        let opening: Vec<_> = (0..OPENERS)
            .map(|_| {
                scope.spawn(|| {
                    let mut times = latencies();
                    for _ in 0..each {
                        let began = Instant::now();
                        let client = server.connect()?;
                        times.saturating_record(began.elapsed().as_nanos() as u64);
                        drop(client);
                    }
                    Ok::<_, RigError>(times)
                })
            })
            .collect();
        for handle in opening {
            let of_one = handle.join().expect("connecting does not panic")?;
            times.add(of_one).expect("both have three digits");
        }
        Ok::<_, RigError>(())
    })?;
    let mut sample = watch.stop(u64::from(each * OPENERS))?;
    add_latencies(&mut sample, &times);
    Ok(sample)
}

/// `count` connections, opened by a few threads.
pub(crate) fn open(count: u32, server: &Server) -> Result<Vec<Client>, RigError> {
    thread::scope(|scope| {
        let opening: Vec<_> = (0..OPENERS)
            .map(|opener| {
                let share = count / OPENERS + u32::from(opener < count % OPENERS);
                scope.spawn(move || (0..share).map(|_| server.connect()).collect::<Result<Vec<_>, _>>())
            })
            .collect();
        let mut clients = Vec::with_capacity(count as usize);
        for handle in opening {
            clients.extend(handle.join().expect("connecting does not panic")?);
        }
        Ok(clients)
    })
}

/// More than the CPUs, so that a server that is quick to accept is not left waiting.
const OPENERS: u32 = 4;
