//! Subscriptions that come and go, and what they hold when they stay.

use std::thread;

use crate::client::Client;
use crate::connections;
use crate::error::RigError;
use crate::sample::{Metric, Sample, Watch};
use crate::server::Server;

/// A few connections subscribe and unsubscribe, each on subjects of its own: figures for a SUB with its UNSUB.
pub(crate) fn churn(count: u64, server: &Server) -> Result<Sample, RigError> {
    let mut clients = connections::open(CHURNERS, server)?;
    let blocks: Vec<_> = (0..CHURNERS).map(churn_block).collect();
    let repeats = count.div_ceil(u64::from(CHURNERS) * CHURN_SUBJECTS);
    let watch = Watch::start(server)?;
    thread::scope(|scope| {
        let churning: Vec<_> = clients
            .iter_mut()
            .zip(&blocks)
            .map(|(client, block)| {
                scope.spawn(move || {
                    (0..repeats).try_for_each(|_| client.send(block))?;
                    client.flush()
                })
            })
            .collect();
        churning.into_iter().try_for_each(|handle| handle.join().expect("subscribing does not panic"))
    })?;
    let sample = watch.stop(repeats * u64::from(CHURNERS) * CHURN_SUBJECTS)?;
    check_none_left(&mut clients)?;
    Ok(sample)
}

fn churn_block(churner: u32) -> Vec<u8> {
    (0..CHURN_SUBJECTS)
        .map(|number| {
            let sid = number + 1;
            format!("SUB churn.{churner}.{number:05} {sid}\r\nUNSUB {sid}\r\n")
        })
        .collect::<String>()
        .into_bytes()
}

/// A message on what was subscribed must reach nobody: a flush refuses it.
fn check_none_left(clients: &mut [Client]) -> Result<(), RigError> {
    let (first, _) = clients.split_first_mut().expect("there are churners");
    for churner in 0..CHURNERS {
        first.send(format!("PUB churn.{churner}.00000 2\r\nhi\r\n").as_bytes())?;
    }
    first.flush()?;
    clients.iter_mut().try_for_each(Client::flush)
}

/// `each` subscriptions on each of `connections` connections, all on different subjects: memory and CPU for one.
pub(crate) fn held(connections: u32, each: u32, server: &Server) -> Result<Sample, RigError> {
    let mut clients = connections::open(connections, server)?;
    let before = server.resident_bytes()?;
    let watch = Watch::start(server)?;
    for (index, client) in clients.iter_mut().enumerate() {
        let block: String =
            (1..=each).map(|sid| format!("SUB {} {sid}\r\n", held_subject(index, sid))).collect();
        client.send(block.as_bytes())?;
    }
    clients.iter_mut().try_for_each(Client::flush)?;
    let total = u64::from(connections) * u64::from(each);
    let mut sample = watch.stop(total)?;
    let grown = server.resident_bytes()?.saturating_sub(before);
    sample.insert(Metric::UnitBytes, grown as f64 / total as f64);
    check_held(&mut clients, each)?;
    Ok(sample)
}

/// The last subscription of every connection gets its message, published by its neighbour.
fn check_held(clients: &mut [Client], sid: u32) -> Result<(), RigError> {
    let count = clients.len();
    for index in 0..count {
        let subject = held_subject(index, sid);
        clients[(index + 1) % count].send(format!("PUB {subject} 2\r\nhi\r\n").as_bytes())?;
        clients[index].expect(&format!("MSG {subject} {sid} 2\r\nhi\r\n"))?;
    }
    Ok(())
}

fn held_subject(connection: usize, number: u32) -> String {
    format!("device.{connection:04}.signal.{number:05}")
}

const CHURNERS: u32 = 4;
/// Subjects of one connection; their lines fill about 256 KiB.
const CHURN_SUBJECTS: u64 = 8_000;
