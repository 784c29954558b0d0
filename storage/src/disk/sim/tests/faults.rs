//! Failures by script and by chance, and damage by hand.

use super::*;
use crate::disk::conformance::cause;

#[test]
fn a_script_hits_the_operation_it_names_and_then_is_over() {
    let disk = disk(0);
    let script = Script {
        operation: Operation::Write,
        path_has: "f".to_owned(),
        skip: 1,
        times: 2,
        cause: Cause::Io(5),
    };
    block_on(async {
        let file = settled_file(&disk, 1).await;
        let other = disk.open(Path::new("other"), Open::CreateNew).await.unwrap();
        disk.play(script);
        let page = pages(2, 1);
        other.write_at(0, &page).await.unwrap();
        file.write_at(0, &page).await.unwrap();
        file.sync().await.unwrap();
        let refused = file.write_at(0, &page).await.unwrap_err();
        assert_eq!(refused.to_string(), "write f: input/output error (os error 5)");
        assert_eq!(cause(file.write_at(0, &page).await), Cause::Io(5));
        file.write_at(0, &page).await.unwrap();
        disk.fail_next(Operation::Open, "f", Cause::TooManyOpenFiles);
        assert_eq!(cause(disk.open(Path::new("f"), Open::Read).await), Cause::TooManyOpenFiles);
        disk.open(Path::new("f"), Open::Read).await.unwrap();
        disk.fail_next(Operation::Rename, "", Cause::Io(5));
        assert_eq!(cause(disk.rename(Path::new("f"), Path::new("g")).await), Cause::Io(5));
        assert!(disk.contents("f").is_some() && disk.contents("g").is_none());
    });
}

#[test]
fn a_short_write_reaches_the_file_in_part() {
    for no_space in [Cause::ShortWrite, Cause::NoSpace] {
        let seen = seen(disk, async |disk| {
            let file = settled_file(&disk, 4).await;
            disk.fail_next(Operation::Write, "f", no_space);
            assert_eq!(cause(file.write_at(0, &pages(2, 4)).await), no_space);
            let now = disk.contents("f").unwrap();
            let written = now.iter().take_while(|&&byte| byte == 2).count();
            assert!(now[written..].iter().all(|&byte| byte == 1));
            written / PAGE_SIZE
        });
        assert_eq!(seen, BTreeSet::from([0, 1, 2, 3]), "never all of it");
    }
}

#[test]
fn a_write_that_fails_may_have_written_anything_of_it() {
    let seen = seen(disk, async |disk| {
        let file = settled_file(&disk, 1).await;
        disk.fail_next(Operation::Write, "f", Cause::Io(5));
        assert_eq!(cause(file.write_at(0, &pages(2, 1)).await), Cause::Io(5));
        disk.contents("f").unwrap().iter().filter(|&&byte| byte == 2).count()
    });
    assert!(seen.contains(&0) && seen.contains(&PAGE_SIZE) && seen.len() > 4, "{seen:?}");
}

#[test]
fn after_a_failed_sync_the_next_one_lies() {
    let seen = seen(disk, async |disk| {
        let file = settled_file(&disk, 1).await;
        file.write_at(0, &pages(2, 1)).await.unwrap();
        disk.fail_next(Operation::Sync, "f", Cause::Io(5));
        assert_eq!(cause(file.sync().await), Cause::Io(5));
        file.sync().await.unwrap();
        let cached = file.read_at(0, PAGE_SIZE).await.unwrap()[..] == pages(2, 1);
        let kept = disk.crash().contents("f").unwrap() == pages(2, 1);
        (cached, kept)
    });
    assert!(seen.contains(&(true, false)), "it reads well and is lost: {seen:?}");
    assert!(seen.contains(&(true, true)) && seen.contains(&(false, false)), "{seen:?}");
    assert!(!seen.contains(&(false, true)));
}

#[test]
fn what_is_written_after_a_failed_sync_is_durable_with_a_good_one() {
    let seen = seen(disk, async |disk| {
        let file = settled_file(&disk, 1).await;
        file.write_at(PAGE_SIZE as u64, &pages(2, 1)).await.unwrap();
        disk.fail_next(Operation::Sync, "f", Cause::Io(5));
        assert_eq!(cause(file.sync().await), Cause::Io(5));
        file.write_at(PAGE_SIZE as u64, &pages(3, 1)).await.unwrap();
        file.sync().await.unwrap();
        disk.crash().contents("f").unwrap()
    });
    assert_eq!(seen, BTreeSet::from([[pages(1, 1), pages(3, 1)].concat()]));
}

#[test]
fn names_that_a_failed_sync_of_a_folder_leaves_wait_for_the_next() {
    for is_synced_again in [false, true] {
        let seen = seen(disk, async |disk| {
            settled_file(&disk, 1).await;
            disk.open(Path::new("g"), Open::CreateNew).await.unwrap();
            disk.fail_next(Operation::SyncFolder, "", Cause::Io(5));
            assert_eq!(cause(disk.sync_folder(Path::new("")).await), Cause::Io(5));
            if is_synced_again {
                disk.sync_folder(Path::new("")).await.unwrap();
            }
            disk.crash().files().concat()
        });
        let (without, with) = ("f".to_owned(), "fg".to_owned());
        let expected = if is_synced_again { vec![with] } else { vec![without, with] };
        assert_eq!(seen, expected.into_iter().collect(), "synced again: {is_synced_again}");
    }
}

#[test]
fn a_full_disk_takes_a_part_and_frees_what_is_removed() {
    let disk = SimDisk::new(3, Faults { capacity: Some(8 * PAGE_SIZE as u64), ..Faults::default() });
    block_on(async {
        let file = settled_file(&disk, 6).await;
        let other = disk.open(Path::new("other"), Open::CreateNew).await.unwrap();
        assert_eq!(cause(other.allocate(3 * PAGE_SIZE as u64).await), Cause::NoSpace);
        assert_eq!(cause(other.write_at(0, &pages(2, 3)).await), Cause::NoSpace);
        assert!(other.size().await.unwrap() < 3 * PAGE_SIZE as u64);
        file.write_at(0, &pages(2, 6)).await.unwrap();
        file.truncate(PAGE_SIZE as u64).await.unwrap();
        other.write_at(0, &pages(2, 3)).await.unwrap();
        disk.set_capacity(None);
        other.write_at(0, &pages(2, 300)).await.unwrap();
    });
}

#[test]
fn a_removed_file_gives_its_space_back_once_it_is_closed() {
    let disk = SimDisk::new(3, Faults { capacity: Some(4 * PAGE_SIZE as u64), ..Faults::default() });
    block_on(async {
        let file = settled_file(&disk, 4).await;
        let other = disk.open(Path::new("other"), Open::CreateNew).await.unwrap();
        disk.remove(Path::new("f")).await.unwrap();
        disk.sync_folder(Path::new("")).await.unwrap();
        assert_eq!(cause(other.write_at(0, &pages(2, 1)).await), Cause::NoSpace, "it is still open");
        drop(file);
        disk.sync_folder(Path::new("")).await.unwrap();
        other.write_at(0, &pages(2, 4)).await.unwrap();
    });
}

#[test]
fn a_read_only_disk_reads_and_no_more() {
    let disk = disk(4);
    block_on(async {
        let file = settled_file(&disk, 1).await;
        disk.set_read_only(true);
        assert_eq!(file.read_at(0, 1).await.unwrap()[..], [1]);
        assert_eq!(cause(file.write_at(0, &pages(2, 1)).await), Cause::ReadOnly);
        assert_eq!(cause(file.allocate(1 << 20).await), Cause::ReadOnly);
        assert_eq!(cause(file.truncate(0).await), Cause::ReadOnly);
        assert_eq!(cause(disk.open(Path::new("g"), Open::CreateNew).await), Cause::ReadOnly);
        assert_eq!(cause(disk.create_folder(Path::new("x")).await), Cause::ReadOnly);
        assert_eq!(cause(disk.rename(Path::new("f"), Path::new("g")).await), Cause::ReadOnly);
        assert_eq!(cause(disk.remove(Path::new("f")).await), Cause::ReadOnly);
        disk.open(Path::new("f"), Open::Read).await.unwrap();
        assert_eq!(disk.contents("f").unwrap(), pages(1, 1));
        disk.set_read_only(false);
        file.write_at(0, &pages(2, 1)).await.unwrap();
    });
}

#[test]
fn chances_strike_now_and_then() {
    let chance = Chance { operation: Operation::Write, cause: Cause::Io(5), per_mille: 200 };
    let disk = SimDisk::new(5, Faults { chances: vec![chance], ..Faults::default() });
    let failed = block_on(async {
        let file = disk.open(Path::new("f"), Open::CreateNew).await.unwrap();
        let mut failed = 0;
        for _ in 0..1000 {
            failed += u32::from(file.write_at(0, &pages(1, 1)).await.is_err());
            file.sync().await.unwrap();
        }
        failed
    });
    assert!((120..280).contains(&failed), "{failed} of 1000 at 200 per mille");
}

#[test]
fn damage_is_seen_at_once_and_survives_a_crash() {
    let disk = harsh(6);
    block_on(async {
        let file = settled_file(&disk, 3).await;
        disk.flip_bit("f", 5000, 7);
        disk.overwrite("f", 4095, &[8, 9]);
        disk.zero("f", 8192, 10);
        let mut expected = pages(1, 3);
        expected[5000] = 1 ^ 0x80;
        expected[4095..4097].copy_from_slice(&[8, 9]);
        expected[8192..8202].fill(0);
        assert!(file.read_at(0, 3 * PAGE_SIZE).await.unwrap()[..] == expected);
        let disk = disk.crash();
        assert!(disk.contents("f").unwrap() == expected);

        disk.copy("f", "x/copy");
        disk.cut("f", 5001);
        let disk = disk.crash();
        assert!(disk.contents("f").unwrap() == expected[..5001]);
        assert!(disk.contents("x/copy").unwrap() == expected);

        disk.spoil_page("x/copy", 4096);
        disk.delete("f");
        let disk = disk.crash();
        assert_eq!(disk.files(), ["x/copy"]);
        let copy = disk.open(Path::new("x/copy"), Open::Write).await.unwrap();
        assert_eq!(cause(copy.read_at(5000, 1).await), Cause::Io(5));
        assert!(copy.read_at(0, 4096).await.unwrap()[..] == expected[..4096]);
        copy.write_at(4096, &pages(4, 1)).await.unwrap();
        assert_eq!(copy.read_at(5000, 1).await.unwrap()[..], [4]);
    });
}
