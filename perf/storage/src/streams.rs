//! Many streams of one shard with one message each in flight: through the commit log they share, and, for comparison, each
//! with a write and a sync of its own file.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use natrium_storage::disk::{Buffer, Disk, File, Open, PAGE_SIZE};
use natrium_storage::engine::EngineOptions;
use natrium_storage::log::LoggedFile;

use crate::append::{Appends, append, append_one_by_one};
use crate::bare;
use crate::error::RigError;
use crate::figures::Figures;
use crate::process::cpu_time;
use crate::rig::{Rig, RigDisk, on_shard};
use crate::scenario::Scale;

/// # Errors
/// What a store or the disk says.
pub(crate) fn thousand(folder: &Path, scale: Scale) -> Result<Figures, RigError> {
    run(folder, scale, false)
}

/// The same where a sync takes [`SLOW_SYNC`] at least.
///
/// # Errors
/// What a store or the disk says.
pub(crate) fn thousand_slow(folder: &Path, scale: Scale) -> Result<Figures, RigError> {
    run(folder, scale, true)
}

fn run(folder: &Path, scale: Scale, is_slow: bool) -> Result<Figures, RigError> {
    let folder: PathBuf = folder.to_owned();
    on_shard(move || {
        let folder = folder.clone();
        async move { measure(&folder, scale, is_slow).await }
    })
}

async fn measure(folder: &Path, scale: Scale, is_slow: bool) -> Result<Figures, RigError> {
    let streams = scale.of(1000, 20);
    let (each, alone) = (scale.of(10, 2), scale.of(100, 10));
    let rig = Rig::open(folder, EngineOptions::default()).await?;
    let mut figures = Figures::default();
    if is_slow {
        let probe = scale.of(200, 5);
        let sync = bare::one_file(&rig.disk, PAGE_SIZE, probe, bare::Space::Old).await? / probe as u32;
        let delay = SLOW_SYNC.saturating_sub(sync);
        rig.disk.slow_down(delay);
        figures.add("us a sync, before", sync.as_secs_f64() * 1e6);
        figures.add("us added to each", delay.as_secs_f64() * 1e6);
    }
    let mut stores = Vec::new();
    for number in 0..streams as u64 {
        stores.push(rig.store(number).await?.0);
    }
    // Files are made and filled before the clock runs.
    append(&stores, 1, 1, PAYLOAD).await?;
    let mut own = OwnSyncs::begin(&rig, streams, each * u64::from(ROUNDS)).await?;
    let (mut shared, mut bare, mut one, mut syncs) =
        (Appends::default(), Duration::ZERO, Appends::default(), 0);
    // In turn, so that what the disk does meanwhile falls on all.
    for _ in 0..ROUNDS {
        one.add(append_one_by_one(&stores[0], alone).await?);
        let before = rig.engine.log().stats();
        shared.add(append(&stores, 1, each, PAYLOAD).await?);
        syncs += rig.engine.log().stats().syncs() - before.syncs();
        own.append(each).await?;
        let (took, delay) = (bare::many_files(folder, streams, each)?, rig.disk.delay());
        bare += took + delay * u32::try_from(each).unwrap_or(u32::MAX);
    }
    let bare_rate = shared.messages as f64 / bare.as_secs_f64();
    figures.add("acknowledged/s", shared.rate());
    figures.add("CPU us a message", shared.cpu_us());
    figures.add("messages a sync", shared.messages as f64 / syncs.max(1) as f64);
    figures.add("bare loop/s", bare_rate);
    figures.add("of the bare loop", shared.rate() / bare_rate);
    figures.add("one at a time/s", one.rate());
    figures.add("times one at a time", shared.rate() / one.rate());
    figures.add("own syncs/s", own.appends.rate());
    figures.add("own syncs, CPU us a message", own.appends.cpu_us());
    figures.add("own syncs, of the bare loop", own.appends.rate() / bare_rate);
    own.end(&rig).await?;
    for store in &stores {
        store.close().await?;
    }
    rig.engine.close().await?;
    Ok(figures)
}

/// Streams each of which writes its message into a page of its own file and syncs that.
struct OwnSyncs {
    files: Vec<LoggedFile<RigDisk>>,
    appends: Appends,
}

impl OwnSyncs {
    /// Files with room for so many messages each.
    async fn begin(rig: &Rig, streams: usize, room: u64) -> Result<Self, RigError> {
        rig.disk.create_folder(Path::new(OWN)).await?;
        let mut files = Vec::new();
        for number in 0..streams {
            let path = Path::new(OWN).join(number.to_string());
            let file = rig.disk.open(&path, Open::CreateNew).await?;
            file.allocate(room * PAGE_SIZE as u64).await?;
            file.sync().await?;
            files.push(rig.engine.log().attach(&path, Rc::new(file), 0, &[]));
        }
        Ok(Self { files, appends: Appends::default() })
    }

    async fn append(&mut self, each: u64) -> Result<(), RigError> {
        let (begun, cpu) = (Instant::now(), cpu_time()?);
        try_join_all(self.files.iter().map(|file| async {
            for _ in 0..each {
                let mut pages = file.buffer(RECORD);
                pages.bytes_mut().fill(b'x');
                file.append_direct(pages).await?;
            }
            Ok::<_, RigError>(())
        }))
        .await?;
        let messages = self.files.len() as u64 * each;
        let more = Appends { messages, took: begun.elapsed(), cpu: cpu_time()?.saturating_sub(cpu) };
        self.appends.add(more);
        Ok(())
    }

    async fn end(self, rig: &Rig) -> Result<(), RigError> {
        for (number, file) in self.files.into_iter().enumerate() {
            file.detach();
            rig.disk.remove(&Path::new(OWN).join(number.to_string())).await?;
        }
        Ok(())
    }
}

const ROUNDS: u32 = 3;
const OWN: &str = "own";
const PAYLOAD: usize = 128;
/// Bytes of a frame with one such message.
const RECORD: usize = 224;
/// From here on a shared sync has to pay.
const SLOW_SYNC: Duration = Duration::from_micros(400);
