//! One executor a shard, each on a thread of its own.

use std::future::Future;
use std::io;
use std::time::Duration;

use glommio_ng::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};

use crate::host::allowed_cpus;
use crate::network::{self, Sleep};

/// Running shards.
///
/// A panic in a task ends its thread. A server that lost a shard must not limp on: release builds abort at the panic.
pub struct Shards(Vec<ExecutorJoinHandle<io::Result<()>>>);

/// Submission entries of each of an executor's rings. One waits per blocked socket and direction; a full ring submits.
const RING_DEPTH: usize = 1024;
/// Bytes registered for direct I/O. The network needs none of it, and the default of 10 MiB would be most of the memory of
/// an idle server.
const IO_MEMORY_BYTES: usize = 64 * 1024;

impl Shards {
    /// Starts one shard for each entry of `cpus`, pinned to that CPU; an entry may repeat. `main` makes the future each
    /// shard runs until it ends.
    ///
    /// # Errors
    /// If a thread or its rings cannot be had.
    pub fn start<F, Fut>(cpus: &[usize], main: F) -> io::Result<Self>
    where
        F: Fn(usize) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let start = |(shard, cpu): (usize, &usize)| {
            let main = main.clone();
            start(shard, *cpu, move || main(shard))
        };
        cpus.iter().enumerate().map(start).collect::<io::Result<_>>().map(Self)
    }

    /// Waits until all shards have ended.
    ///
    /// # Errors
    /// If one of them panicked, or could not watch its sockets.
    pub fn join(self) -> io::Result<()> {
        self.0.into_iter().try_for_each(join)
    }
}

/// Runs `main` on a shard of its own, pinned to the first CPU this process may use, and waits until it ends.
///
/// # Errors
/// If the thread or its rings cannot be had, and if `main` panicked.
pub fn on_shard<T, F>(main: impl FnOnce() -> F + Send + 'static) -> io::Result<T>
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    let cpus = allowed_cpus()?;
    let cpu = cpus.first().ok_or_else(|| io::Error::other("no CPU is allowed"))?;
    join(start(0, *cpu, main)?)
}

fn start<T, F>(
    shard: usize,
    cpu: usize,
    main: impl FnOnce() -> F + Send + 'static,
) -> io::Result<ExecutorJoinHandle<io::Result<T>>>
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    LocalExecutorBuilder::new(Placement::Fixed(cpu))
        .name(&format!("shard-{shard}"))
        .ring_depth(RING_DEPTH)
        .io_memory(IO_MEMORY_BYTES)
        .spawn(move || network::run(main()))
        .map_err(|error| io::Error::other(error.to_string()))
}

fn join<T: Send>(shard: ExecutorJoinHandle<io::Result<T>>) -> io::Result<T> {
    shard.join().map_err(|error| io::Error::other(error.to_string()))?
}

/// Runs `task` on this shard until it ends by itself.
pub fn spawn(task: impl Future<Output = ()> + 'static) {
    network::spawn(task);
}

pub async fn sleep(duration: Duration) {
    Sleep::new(duration).await;
}

/// Runs `job` on a thread that may block. For rare work.
pub async fn spawn_blocking<R: Send + 'static>(job: impl FnOnce() -> R + Send + 'static) -> R {
    network::outside(async move { glommio_ng::executor().spawn_blocking(job).await }).await
}
