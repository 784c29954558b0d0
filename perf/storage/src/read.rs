//! Reading: in sequence and at random, from memory and from disk.

use std::path::{Path, PathBuf};
use std::time::Instant;

use natrium_storage::engine::EngineOptions;
use natrium_storage::store::Cursor;

use crate::append::append;
use crate::error::RigError;
use crate::figures::Figures;
use crate::process::cpu_time;
use crate::rig::{Rig, RigStore, on_shard};
use crate::scenario::Scale;

/// # Errors
/// What a store says; a message that is not there.
pub(crate) fn all(folder: &Path, scale: Scale) -> Result<Figures, RigError> {
    let folder: PathBuf = folder.to_owned();
    on_shard(move || {
        let folder = folder.clone();
        async move { measure(&folder, scale).await }
    })
}

async fn measure(folder: &Path, scale: Scale) -> Result<Figures, RigError> {
    let count = scale.of(1_000_000, 200_000);
    let rig = Rig::open(folder, EngineOptions { cache_bytes: 1 << 30, ..EngineOptions::default() }).await?;
    let (store, _) = rig.store(0).await?;
    append(std::slice::from_ref(&store), 1000, count, 128).await?;
    let mut figures = Figures::default();
    let reads = rig.disk.reads();
    figures.extend(in_sequence(&store, count, "cached").await?);
    if rig.disk.reads() != reads {
        return Err(RigError::Wrong("what was just written was read from disk".to_owned()));
    }
    store.close().await?;
    rig.engine.close().await?;
    // Direct I/O: the kernel's cache has nothing of it either.
    let rig =
        Rig::open(folder, EngineOptions { cache_bytes: SMALL_CACHE, ..EngineOptions::default() }).await?;
    let (store, _) = rig.store(0).await?;
    figures.extend(in_sequence(&store, count, "from disk").await?);
    let gets = scale.of(20_000, 500);
    let reads = rig.disk.reads();
    let begun = Instant::now();
    let mut seq = 1;
    for _ in 0..gets {
        // A full period over all sequences of sealed blocks, in leaps.
        seq = (seq + LEAP) % (count * 9 / 10) + 1;
        let message = store.get(seq).await?;
        if message.is_none_or(|message| message.seq != seq) {
            return Err(RigError::Wrong(format!("message {seq} is missing")));
        }
    }
    figures.add("from disk, at random/s", gets as f64 / begun.elapsed().as_secs_f64());
    figures.add("disk reads a message at random", (rig.disk.reads() - reads) as f64 / gets as f64);
    store.close().await?;
    rig.engine.close().await?;
    Ok(figures)
}

async fn in_sequence(store: &RigStore, count: u64, from: &str) -> Result<Figures, RigError> {
    let (begun, cpu) = (Instant::now(), cpu_time()?);
    let mut cursor = Cursor::default();
    let mut next = 1;
    while next <= count {
        let messages = store.read(&mut cursor, next, 512, 1 << 20).await?;
        for message in &messages {
            if message.seq != next || message.payload.len() != 128 {
                return Err(RigError::Wrong(format!("{} in place of message {next}", message.seq)));
            }
            next += 1;
        }
        if messages.is_empty() {
            return Err(RigError::Wrong(format!("message {next} is missing")));
        }
    }
    let (took, cpu) = (begun.elapsed(), cpu_time()?.saturating_sub(cpu));
    let mut figures = Figures::default();
    figures.add(format!("{from}, in sequence/s"), count as f64 / took.as_secs_f64());
    figures.add(format!("{from}, CPU us a message"), cpu.as_secs_f64() * 1e6 / count as f64);
    Ok(figures)
}

/// Far less than is read.
const SMALL_CACHE: u64 = 1 << 20;
/// A prime, so that neighbours in time are in other blocks.
const LEAP: u64 = 314_159;
