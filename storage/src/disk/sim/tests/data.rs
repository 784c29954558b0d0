//! What of a file's bytes and size survives.

use futures_lite::future::{poll_once, zip};

use super::super::content::SECTOR_SIZE;
use super::*;

const PAGE: u64 = PAGE_SIZE as u64;

#[test]
fn an_unsynced_sector_is_old_or_new_by_itself() {
    let seen = seen(disk, async |disk| {
        let file = settled_file(&disk, 2).await;
        file.write_at(0, &pages(2, 2)).await.unwrap();
        let left = disk.crash().contents("f").unwrap();
        assert_eq!(left.len(), 2 * PAGE_SIZE);
        let sectors: Vec<u8> = left.chunks(SECTOR_SIZE).map(|sector| sector[0]).collect();
        for (sector, &byte) in left.chunks(SECTOR_SIZE).zip(&sectors) {
            assert!(matches!(byte, 1 | 2) && sector.iter().all(|other| *other == byte), "a sector is whole");
        }
        sectors
    });
    let is_reordered = |sectors: &Vec<u8>| sectors[0] == 1 && sectors.contains(&2);
    let is_cut_short = |sectors: &Vec<u8>| sectors[0] == 2 && sectors.contains(&1);
    assert!(seen.iter().any(is_reordered) && seen.iter().any(is_cut_short));
    assert!(seen.len() > 60, "{} ways to tear 16 sectors", seen.len());
}

#[test]
fn an_unsynced_sector_may_be_what_it_was_between() {
    let seen = seen(disk, async |disk| {
        let file = settled_file(&disk, 1).await;
        file.write_at(0, &pages(2, 1)).await.unwrap();
        file.write_at(0, &pages(3, 1)).await.unwrap();
        disk.crash().contents("f").unwrap()[0]
    });
    assert_eq!(seen, BTreeSet::from([1, 2, 3]));
}

#[test]
fn what_was_synced_survives_even_when_written_again_elsewhere() {
    for make in [disk, harsh] {
        let seen = seen(make, async |disk| {
            let file = settled_file(&disk, 1).await;
            file.write_at(PAGE, &pages(2, 3)).await.unwrap();
            file.sync().await.unwrap();
            file.write_at(4 * PAGE, &pages(3, 1)).await.unwrap();
            let left = disk.crash();
            let file = left.open(Path::new("f"), Open::Read).await.unwrap();
            file.read_at(0, 4 * PAGE_SIZE).await.unwrap()
        });
        assert_eq!(seen, BTreeSet::from([Bytes::from([pages(1, 1), pages(2, 3)].concat())]));
    }
}

#[test]
fn a_sync_covers_what_was_done_before_it_began_and_no_more() {
    let seen = seen(disk, async |disk| {
        let file = settled_file(&disk, 3).await;
        file.write_at(0, &pages(2, 1)).await.unwrap();
        let (at_once, synced) = (pages(2, 1), async { file.sync().await });
        let (written, synced) = zip(file.write_at(PAGE, &at_once), synced).await;
        written.unwrap();
        synced.unwrap();
        let left = disk.crash().contents("f").unwrap();
        (left[0], left[PAGE_SIZE], left[2 * PAGE_SIZE])
    });
    assert_eq!(seen, BTreeSet::from([(2, 1, 1), (2, 2, 1)]), "done before, at the same time, never");
}

#[test]
fn a_sync_of_one_file_is_none_of_another() {
    let seen = seen(disk, async |disk| {
        let file = settled_file(&disk, 1).await;
        let other = disk.open(Path::new("g"), Open::CreateNew).await.unwrap();
        file.write_at(0, &pages(2, 1)).await.unwrap();
        other.sync().await.unwrap();
        disk.crash().contents("f").unwrap()[0]
    });
    assert_eq!(seen, BTreeSet::from([1, 2]));
}

#[test]
fn an_allocation_is_lost_kept_or_half_done_until_synced() {
    let sizes = seen(disk, async |disk| {
        let file = settled_file(&disk, 1).await;
        file.allocate(8 * PAGE).await.unwrap();
        let left = disk.crash().contents("f").unwrap();
        assert!(left[PAGE_SIZE..].iter().all(|&byte| byte == 0));
        left.len() / PAGE_SIZE
    });
    assert_eq!(sizes, (1..=8).collect());
    let synced = seen(harsh, async |disk| {
        let file = settled_file(&disk, 1).await;
        file.allocate(8 * PAGE).await.unwrap();
        file.sync().await.unwrap();
        disk.crash().contents("f").unwrap().len() / PAGE_SIZE
    });
    assert_eq!(synced, BTreeSet::from([8]));
}

#[test]
fn a_write_into_unsynced_space_is_lost_with_it_and_durable_with_it() {
    let seen_unsynced = seen(disk, async |disk| {
        let file = settled_file(&disk, 1).await;
        file.allocate(4 * PAGE).await.unwrap();
        file.write_at(2 * PAGE, &pages(2, 1)).await.unwrap();
        let left = disk.crash().contents("f").unwrap();
        (left.len() as u64 >= 3 * PAGE, left.get(2 * PAGE_SIZE).copied().unwrap_or_default())
    });
    assert_eq!(seen_unsynced, BTreeSet::from([(false, 0), (true, 0), (true, 2)]));
    let seen_synced = seen(disk, async |disk| {
        let file = settled_file(&disk, 1).await;
        file.allocate(4 * PAGE).await.unwrap();
        file.write_at(2 * PAGE, &pages(2, 1)).await.unwrap();
        file.sync().await.unwrap();
        disk.crash().contents("f").unwrap()
    });
    assert_eq!(seen_synced, BTreeSet::from([[pages(1, 1), pages(0, 1), pages(2, 1), pages(0, 1)].concat()]));
}

#[test]
fn a_truncation_happens_wholly_or_not_until_synced() {
    let seen_unsynced = seen(disk, async |disk| {
        let file = settled_file(&disk, 4).await;
        file.truncate(PAGE + 700).await.unwrap();
        let left = disk.crash().contents("f").unwrap();
        assert!(left.iter().all(|&byte| byte == 1));
        left.len() as u64
    });
    assert_eq!(seen_unsynced, BTreeSet::from([PAGE + 700, 4 * PAGE]));
    let seen_synced = seen(disk, async |disk| {
        let file = settled_file(&disk, 4).await;
        file.truncate(PAGE + 700).await.unwrap();
        file.sync().await.unwrap();
        file.truncate(2 * PAGE).await.unwrap();
        file.sync().await.unwrap();
        disk.crash().contents("f").unwrap()
    });
    let cut = [vec![1; PAGE_SIZE + 700], vec![0; PAGE_SIZE - 700]].concat();
    assert_eq!(seen_synced, BTreeSet::from([cut]), "what was cut off stays away when the file grows again");
}

#[test]
fn what_was_cut_and_written_again_is_old_zero_or_new() {
    let seen = seen(disk, async |disk| {
        let file = settled_file(&disk, 2).await;
        file.truncate(PAGE).await.unwrap();
        file.allocate(2 * PAGE).await.unwrap();
        file.write_at(PAGE, &pages(2, 1)).await.unwrap();
        let left = disk.crash().contents("f").unwrap();
        left.get(PAGE_SIZE).copied()
    });
    assert_eq!(seen, BTreeSet::from([None, Some(0), Some(1), Some(2)]));
}

#[test]
fn a_page_being_written_may_be_unreadable_until_written_anew() {
    let seen = seen(harsh, async |disk| {
        let file = settled_file(&disk, 2).await;
        file.write_at(PAGE, &pages(2, 1)).await.unwrap();
        let left = disk.crash();
        let file = left.open(Path::new("f"), Open::Write).await.unwrap();
        assert_eq!(
            file.read_at(0, PAGE_SIZE).await.unwrap()[..],
            pages(1, 1),
            "its neighbour is not touched"
        );
        let is_readable = match file.read_at(PAGE, 1).await {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.cause, Cause::Io(5));
                false
            }
        };
        file.write_at(PAGE, &pages(3, 1)).await.unwrap();
        assert_eq!(file.read_at(PAGE, 1).await.unwrap()[..], [3]);
        file.sync().await.unwrap();
        assert_eq!(left.crash().contents("f").unwrap(), [pages(1, 1), pages(3, 1)].concat());
        is_readable
    });
    assert_eq!(seen, BTreeSet::from([false, true]));
    let mild = super::seen(disk, async |disk| {
        let file = settled_file(&disk, 1).await;
        file.write_at(0, &pages(2, 1)).await.unwrap();
        disk.crash().contents("f").is_some()
    });
    assert_eq!(mild, BTreeSet::from([true]), "only where it was asked for");
}

#[test]
fn a_killed_process_loses_nothing_that_was_done_until_the_power_goes() {
    let seen = seen(disk, async |disk| {
        let file = settled_file(&disk, 1).await;
        file.write_at(0, &pages(2, 1)).await.unwrap();
        disk.rename(Path::new("f"), Path::new("g")).await.unwrap();
        let after_kill = disk.kill();
        assert_eq!(after_kill.files(), ["g"]);
        assert_eq!(after_kill.contents("g").unwrap(), pages(2, 1));
        let after_crash = after_kill.crash();
        let name = after_crash.files().pop().unwrap();
        let first = after_crash.contents(&name).unwrap()[0];
        (name, first)
    });
    assert_eq!(seen.len(), 4, "the name and the bytes are old or new, each by itself: {seen:?}");
    let synced = super::seen(disk, async |disk| {
        let file = settled_file(&disk, 1).await;
        file.write_at(0, &pages(2, 1)).await.unwrap();
        let after_kill = disk.kill();
        after_kill.open(Path::new("f"), Open::Write).await.unwrap().sync().await.unwrap();
        after_kill.crash().contents("f").unwrap()
    });
    assert_eq!(
        synced,
        BTreeSet::from([pages(2, 1)]),
        "a sync after the kill covers what the dead process wrote"
    );
}

#[test]
fn a_kill_finds_a_write_done_torn_or_not_begun() {
    let make = |seed| SimDisk::new(seed, Faults { yields_max: 9, ..Faults::default() });
    let seen = seen(make, async |disk| {
        let file = settled_file(&disk, 1).await;
        let new = pages(2, 1);
        let mut write = Box::pin(file.write_at(0, &new));
        if poll_once(&mut write).await.is_some() {
            return "done before";
        }
        let left = disk.kill().contents("f").unwrap();
        match left.iter().filter(|&&byte| byte == 2).count() {
            0 => "not begun",
            PAGE_SIZE => "done",
            _ => "torn",
        }
    });
    assert!(seen.is_superset(&BTreeSet::from(["not begun", "done", "torn"])), "{seen:?}");
}
