//! Queries by subject at two sizes of store: their cost grows with what is found, not with what is there.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use natrium_storage::engine::EngineOptions;
use natrium_storage::message::{Filter, Purge};
use natrium_storage::store::Admission;

use crate::error::RigError;
use crate::figures::Figures;
use crate::rig::{Rig, RigStore, message, on_shard};
use crate::scenario::Scale;

/// # Errors
/// What a store says; an answer that is not the right one.
pub(crate) fn all(folder: &Path, scale: Scale) -> Result<Figures, RigError> {
    let folder: PathBuf = folder.to_owned();
    on_shard(move || {
        let folder = folder.clone();
        async move {
            let rig = Rig::open(&folder, EngineOptions::default()).await?;
            let mut figures = Figures::default();
            for (number, subjects) in scale.of([100_000, 1_000_000], [500, 5000]).into_iter().enumerate() {
                last_of_subjects(&rig, number as u64, subjects, &mut figures).await?;
            }
            let found = scale.of(100_000, 1000);
            let (few, many) = scale.of((100_000, 1_400_000), (1000, 14_000));
            let lies = [(few, Lies::InARow), (many, Lies::InARow), (many, Lies::Everywhere)];
            for (number, (others, lies)) in lies.into_iter().enumerate() {
                purge(&rig, number as u64 + 2, found, others, lies, &mut figures).await?;
            }
            for (number, messages) in scale.of([800_000, 2_000_000], [2000, 20_000]).into_iter().enumerate() {
                sparse(&rig, number as u64 + 5, messages, &mut figures).await?;
            }
            rig.engine.close().await?;
            Ok(figures)
        }
    })
}

async fn last_of_subjects(
    rig: &Rig,
    number: u64,
    subjects: u64,
    figures: &mut Figures,
) -> Result<(), RigError> {
    let (store, _) = rig.store(number).await?;
    fill(&store, subjects, |at| format!("orders.{}.{at:07}", at % 50)).await?;
    let asked = 5000.min(subjects);
    let mut took = Duration::ZERO;
    for at in (0..subjects).step_by((subjects / asked) as usize) {
        let subject = format!("orders.{}.{at:07}", at % 50);
        let begun = Instant::now();
        let last = store.last_of(subject.as_bytes()).await?;
        took += begun.elapsed();
        if last != Some(at + 1) {
            return Err(RigError::Wrong(format!("{last:?} is not the last of {subject}")));
        }
    }
    figures.add(format!("last of 1 of {subjects} subjects, us"), took.as_secs_f64() * 1e6 / asked as f64);
    for filter in ["orders.7.>", "orders.*.*"] {
        let begun = Instant::now();
        let found = store.last_of_each(Filter::Subject(filter.as_bytes()), None, None).await?.len();
        let took = begun.elapsed().as_secs_f64();
        figures.add(
            format!("last of each of {found} of {subjects} subjects, us each"),
            took * 1e6 / found as f64,
        );
    }
    store.close().await?;
    Ok(())
}

/// Where messages of the subject are among those of others.
#[derive(Clone, Copy)]
enum Lies {
    /// In few blocks.
    InARow,
    /// In every block, evenly.
    Everywhere,
}

/// The messages of one subject go.
async fn purge(
    rig: &Rig,
    number: u64,
    found: u64,
    others: u64,
    lies: Lies,
    figures: &mut Figures,
) -> Result<(), RigError> {
    let (store, _) = rig.store(number).await?;
    let step = (found + others) / found;
    let row = others / 2..others / 2 + found;
    fill(&store, found + others, |at| {
        let is_of_it = match lies {
            Lies::InARow => row.contains(&at),
            Lies::Everywhere => at % step == 0,
        };
        if is_of_it { "purged".to_owned() } else { format!("kept.{}", at % 97) }
    })
    .await?;
    let begun = Instant::now();
    let purge = Purge { subject: Some(b"purged"), ..Purge::default() };
    let (purged, commit) = store.purge(purge).await?;
    store.committed(commit).await?;
    let took = begun.elapsed().as_secs_f64();
    if purged != found {
        return Err(RigError::Wrong(format!("{purged} of {found} messages were purged")));
    }
    let lie = match lies {
        Lies::InARow => "in a row",
        Lies::Everywhere => "everywhere",
    };
    figures.add(format!("purge of {found} of {}, {lie}, us each", found + others), took * 1e6 / found as f64);
    store.close().await?;
    Ok(())
}

/// A subject of which there are ten messages.
async fn sparse(rig: &Rig, number: u64, messages: u64, figures: &mut Figures) -> Result<(), RigError> {
    let (store, _) = rig.store(number).await?;
    let step = messages / 10;
    fill(&store, messages, |at| {
        if at % step == step - 1 { "rare.one".to_owned() } else { format!("usual.{}", at % 97) }
    })
    .await?;
    // The second time blocks' indexes are in the cache.
    for label in ["first", "again"] {
        let begun = Instant::now();
        let (mut found, mut from) = (0, 0);
        while let Some(seq) = store.next(Filter::Subject(b"rare.*"), from).await? {
            found += 1;
            from = seq + 1;
        }
        let took = begun.elapsed().as_secs_f64();
        if found != 10 {
            return Err(RigError::Wrong(format!("{found} of 10 rare messages were found")));
        }
        figures.add(format!("next of 10 of {messages}, {label}, us each"), took * 1e6 / 10.0);
    }
    store.close().await?;
    Ok(())
}

async fn fill(store: &RigStore, messages: u64, subject: impl Fn(u64) -> String) -> Result<(), RigError> {
    let payload = [b'x'; 64];
    let mut last = 0;
    for at in 0..messages {
        let before = last;
        let subject = subject(at);
        last = store.append(&message(subject.as_bytes(), &payload, at), Admission::Checked).await?.commit;
        if at % 2000 == 1999 {
            store.committed(before.saturating_sub(1)).await?;
        }
    }
    store.committed(last).await?;
    Ok(())
}
