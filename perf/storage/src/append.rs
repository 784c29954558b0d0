//! Appending to one stream.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use natrium_storage::disk::PAGE_SIZE;
use natrium_storage::engine::EngineOptions;
use natrium_storage::store::Admission;

use crate::bare::{self, Space};
use crate::error::RigError;
use crate::figures::Figures;
use crate::process::cpu_time;
use crate::rig::{Rig, RigStore, message, on_shard};
use crate::scenario::Scale;

/// What a run of appends cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Appends {
    pub(crate) messages: u64,
    pub(crate) took: Duration,
    pub(crate) cpu: Duration,
}

impl Appends {
    pub(crate) fn add(&mut self, more: Self) {
        self.messages += more.messages;
        self.took += more.took;
        self.cpu += more.cpu;
    }

    pub(crate) fn rate(&self) -> f64 {
        self.messages as f64 / self.took.as_secs_f64()
    }

    pub(crate) fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.messages as f64
    }
}

/// Appends `count` messages to each store, `in_flight` of them at a time, each acknowledged to its own task.
///
/// # Errors
/// What a store says; a message that got another sequence than it should.
pub(crate) async fn append(
    stores: &[RigStore],
    in_flight: u64,
    count: u64,
    payload: usize,
) -> Result<Appends, RigError> {
    let payload = vec![b'x'; payload];
    let before: Vec<u64> = stores.iter().map(RigStore::last_seq).collect();
    let (begun, cpu) = (Instant::now(), cpu_time()?);
    let mut tasks = Vec::new();
    for store in stores {
        let next = Rc::new(Cell::new(0));
        for _ in 0..in_flight.min(count) {
            let (next, payload) = (Rc::clone(&next), &payload);
            tasks.push(async move {
                while next.get() < count {
                    let number = next.get();
                    next.set(number + 1);
                    let message = message(b"orders.new.europe", payload, number);
                    let appended = store.append(&message, Admission::Checked).await?;
                    store.committed(appended.commit).await?;
                }
                Ok::<_, RigError>(())
            });
        }
    }
    try_join_all(tasks).await?;
    let appends = Appends {
        messages: count * stores.len() as u64,
        took: begun.elapsed(),
        cpu: cpu_time()?.saturating_sub(cpu),
    };
    for (store, before) in stores.iter().zip(before) {
        let state = store.state().await?;
        if state.last_seq != before + count || store.durable_seq() < state.last_seq {
            return Err(RigError::Wrong(format!("{} of {count} messages came", state.last_seq - before)));
        }
    }
    Ok(appends)
}

/// # Errors
/// As [`append`].
pub(crate) fn small(folder: &Path, scale: Scale) -> Result<Figures, RigError> {
    on_one_store(folder, move |rig, store| async move {
        let beside = beside_bare(&rig, &store, scale.of(200_000, 2_000), 128).await?;
        let mut figures = Figures::default();
        figures.add("acknowledged/s", beside.ours.rate());
        figures.add("CPU us a message", beside.ours.cpu_us());
        figures.add("messages a sync", beside.ours.messages as f64 / beside.writes as f64);
        figures.add("bare loop, messages/s", beside.ours.messages as f64 / beside.bare_over.as_secs_f64());
        figures.add("of the bare loop", beside.bare_over.as_secs_f64() / beside.ours.took.as_secs_f64());
        Ok(figures)
    })
}

/// # Errors
/// As [`append`].
pub(crate) fn large(folder: &Path, scale: Scale) -> Result<Figures, RigError> {
    on_one_store(folder, move |rig, store| async move {
        let beside = beside_bare(&rig, &store, scale.of(10_000, 100), LARGE).await?;
        let megabytes = (beside.ours.messages * LARGE as u64) as f64 / 1e6;
        let mut figures = Figures::default();
        figures.add("MB/s", megabytes / beside.ours.took.as_secs_f64());
        figures.add("CPU us a message", beside.ours.cpu_us());
        figures.add("MB a sync", megabytes / beside.writes as f64);
        figures.add("bare loop MB/s", megabytes / beside.bare.as_secs_f64());
        figures.add("of the bare loop", beside.of_bare());
        figures.add("bare loop over old space, MB/s", megabytes / beside.bare_over.as_secs_f64());
        figures.add("of that", beside.bare_over.as_secs_f64() / beside.ours.took.as_secs_f64());
        Ok(figures)
    })
}

/// Appends with 1,000 in flight, and a bare loop of as many writes of the same size.
struct Beside {
    ours: Appends,
    /// Into new space.
    bare: Duration,
    bare_over: Duration,
    writes: u64,
}

impl Beside {
    fn of_bare(&self) -> f64 {
        self.bare.as_secs_f64() / self.ours.took.as_secs_f64()
    }
}

/// In turn, so that what the disk does meanwhile falls on both.
async fn beside_bare(rig: &Rig, store: &RigStore, count: u64, payload: usize) -> Result<Beside, RigError> {
    let mut all =
        Beside { ours: Appends::default(), bare: Duration::ZERO, bare_over: Duration::ZERO, writes: 0 };
    for _ in 0..5 {
        let before = rig.engine.log().stats();
        let appends = append(std::slice::from_ref(store), 1000, count, payload).await?;
        let after = rig.engine.log().stats();
        let writes = (after.directs - before.directs).max(1);
        let size = ((after.direct_bytes - before.direct_bytes) / writes) as usize;
        let size = size.max(PAGE_SIZE).next_multiple_of(PAGE_SIZE);
        all.bare += bare::one_file(&rig.disk, size, writes, Space::New).await?;
        all.bare_over += bare::one_file(&rig.disk, size, writes, Space::Old).await?;
        all.writes += writes;
        all.ours.add(appends);
    }
    Ok(all)
}

/// # Errors
/// As [`append`].
pub(crate) fn one_at_a_time(folder: &Path, scale: Scale) -> Result<Figures, RigError> {
    on_one_store(folder, move |rig, store| async move {
        let count = scale.of(400, 20);
        let mut rates = (0.0, 0.0);
        let mut cpu = Duration::ZERO;
        let rounds = 4;
        // In turn, so that what the disk does meanwhile falls on both.
        for _ in 0..rounds {
            let bare = bare::one_file(&rig.disk, PAGE_SIZE, count, Space::Old).await?;
            let before = store.last_seq();
            let appends = append_one_by_one(&store, count).await?;
            if store.last_seq() != before + count {
                return Err(RigError::Wrong("a message is missing".to_owned()));
            }
            rates.0 += bare.as_secs_f64() / count as f64;
            rates.1 += appends.took.as_secs_f64() / count as f64;
            cpu += appends.cpu;
        }
        let (bare, ours) = (rates.0 / f64::from(rounds), rates.1 / f64::from(rounds));
        let mut figures = Figures::default();
        figures.add("us a message", ours * 1e6);
        figures.add("bare loop us", bare * 1e6);
        figures.add("times as long as the bare loop", ours / bare);
        figures.add("CPU us a message", cpu.as_secs_f64() * 1e6 / (count as f64 * f64::from(rounds)));
        Ok(figures)
    })
}

/// # Errors
/// What the store says.
pub(crate) async fn append_one_by_one(store: &RigStore, count: u64) -> Result<Appends, RigError> {
    let payload = [b'x'; 128];
    let (begun, cpu) = (Instant::now(), cpu_time()?);
    for number in 0..count {
        let message = message(b"orders.new.europe", &payload, number);
        let appended = store.append(&message, Admission::Checked).await?;
        store.committed(appended.commit).await?;
    }
    Ok(Appends { messages: count, took: begun.elapsed(), cpu: cpu_time()?.saturating_sub(cpu) })
}

fn on_one_store<Fut>(
    folder: &Path,
    work: impl Fn(Rig, RigStore) -> Fut + Clone + Send + 'static,
) -> Result<Figures, RigError>
where
    Fut: Future<Output = Result<Figures, RigError>> + 'static,
{
    let folder: PathBuf = folder.to_owned();
    on_shard(move || {
        let (folder, work) = (folder.clone(), work.clone());
        async move {
            let rig = Rig::open(&folder, EngineOptions::default()).await?;
            let (store, _) = rig.store(0).await?;
            let figures = work(rig.clone(), store.clone()).await?;
            store.close().await?;
            rig.engine.close().await?;
            Ok(figures)
        }
    })
}

const LARGE: usize = 16 << 10;
