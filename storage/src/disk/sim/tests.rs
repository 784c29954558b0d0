//! That what the trait promises is kept, and that what it does not promise is really taken away for some seed.

mod data;
mod faults;
mod machine;
mod names;

use std::collections::BTreeSet;
use std::path::Path;

use futures_lite::future::{block_on, or};

use super::*;
use crate::disk::conformance::{self, pages};

const SEEDS: u64 = 300;

fn disk(seed: u64) -> SimDisk {
    SimDisk::new(seed, Faults { yields_max: 4, ..Faults::default() })
}

fn harsh(seed: u64) -> SimDisk {
    SimDisk::new(
        seed,
        Faults { yields_max: 4, unreadable_pages: true, names_in_any_order: true, ..Faults::default() },
    )
}

/// A file `f` with that many pages of ones, durable with its name.
async fn settled_file(disk: &SimDisk, count: usize) -> SimFile {
    let file = disk.open(Path::new("f"), Open::CreateNew).await.unwrap();
    file.write_at(0, &pages(1, count)).await.unwrap();
    file.sync().await.unwrap();
    disk.sync_folder(Path::new("")).await.unwrap();
    file
}

/// Runs `work` on a disk of each seed; what it returns, without repetition.
fn seen<T: Ord>(make: impl Fn(u64) -> SimDisk, work: impl AsyncFn(SimDisk) -> T) -> BTreeSet<T> {
    (0..SEEDS).map(|seed| block_on(work(make(seed)))).collect()
}

#[test]
fn it_does_what_every_disk_does() {
    for seed in 0..20 {
        block_on(conformance::check(&SimDisk::new(seed, Faults::draw(seed))));
    }
}
