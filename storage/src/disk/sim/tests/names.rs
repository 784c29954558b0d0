//! What of the names survives.

use super::*;

async fn touch(disk: &SimDisk, path: &str, byte: u8) -> SimFile {
    let file = disk.open(Path::new(path), Open::CreateNew).await.unwrap();
    file.write_at(0, &pages(byte, 1)).await.unwrap();
    file.sync().await.unwrap();
    file
}

async fn sync(disk: &SimDisk, folder: &str) {
    disk.sync_folder(Path::new(folder)).await.unwrap();
}

async fn rename(disk: &SimDisk, from: &str, to: &str) {
    disk.rename(Path::new(from), Path::new(to)).await.unwrap();
}

#[test]
fn a_synced_file_without_a_synced_name_may_be_gone() {
    let lost = seen(disk, async |disk| {
        touch(&disk, "a", 1).await;
        disk.crash().files().len()
    });
    assert_eq!(lost, BTreeSet::from([0, 1]));
    let kept = seen(harsh, async |disk| {
        touch(&disk, "a", 1).await;
        sync(&disk, "").await;
        disk.crash().contents("a")
    });
    assert_eq!(kept, BTreeSet::from([Some(pages(1, 1))]));
}

#[test]
fn a_folder_is_a_name_in_the_one_above() {
    let seen = seen(disk, async |disk| {
        disk.create_folder(Path::new("x/y")).await.unwrap();
        touch(&disk, "x/y/a", 1).await;
        sync(&disk, "x/y").await;
        let lost = disk.crash().files().len();
        (lost, disk.0.borrow().names.is_settled())
    });
    assert_eq!(seen, BTreeSet::from([(0, false), (1, false)]));
    let kept = super::seen(harsh, async |disk| {
        disk.create_folder(Path::new("x/y")).await.unwrap();
        touch(&disk, "x/y/a", 1).await;
        for folder in ["x/y", "x", ""] {
            sync(&disk, folder).await;
        }
        disk.crash().files()
    });
    assert_eq!(kept, BTreeSet::from([vec!["x/y/a".to_owned()]]));
}

#[test]
fn names_are_lost_from_the_last_or_in_the_harsher_mode_anywhere() {
    let work = async |disk: SimDisk| {
        for name in ["a", "b", "c"] {
            touch(&disk, name, 1).await;
        }
        disk.crash().files().concat()
    };
    let mild: Vec<String> = seen(disk, work).into_iter().collect();
    assert_eq!(mild, ["", "a", "ab", "abc"]);
    let any: Vec<String> = seen(harsh, work).into_iter().collect();
    assert_eq!(any, ["", "a", "ab", "abc", "ac", "b", "bc", "c"]);
}

#[test]
fn a_rename_is_all_or_nothing() {
    for make in [disk, harsh] {
        let seen = seen(make, async |disk| {
            disk.create_folder(Path::new("x")).await.unwrap();
            touch(&disk, "x/new", 2).await;
            touch(&disk, "old", 1).await;
            sync(&disk, "").await;
            sync(&disk, "x").await;
            rename(&disk, "x/new", "old").await;
            let left = disk.crash();
            (left.files(), left.contents("old").unwrap()[0])
        });
        let before = (vec!["old".to_owned(), "x/new".to_owned()], 1);
        let after = (vec!["old".to_owned()], 2);
        assert_eq!(seen, BTreeSet::from([before, after]));
    }
}

#[test]
fn a_rename_to_another_folder_is_durable_with_the_folder_it_goes_to() {
    let to_synced = |folder: &'static str| {
        seen(harsh, async move |disk| {
            disk.create_folder(Path::new("x")).await.unwrap();
            touch(&disk, "a", 1).await;
            sync(&disk, "").await;
            rename(&disk, "a", "x/a").await;
            sync(&disk, folder).await;
            disk.crash().files().concat()
        })
    };
    assert_eq!(to_synced("x"), BTreeSet::from(["x/a".to_owned()]));
    assert_eq!(to_synced(""), BTreeSet::from(["a".to_owned(), "x/a".to_owned()]));
}

#[test]
fn a_file_put_in_place_of_another_is_never_half_there() {
    for make in [disk, harsh] {
        let seen = seen(make, async |disk| {
            touch(&disk, "meta", 1).await;
            sync(&disk, "").await;
            touch(&disk, "meta.tmp", 2).await;
            rename(&disk, "meta.tmp", "meta").await;
            disk.crash().contents("meta").expect("the old one or the new one")
        });
        assert_eq!(seen, BTreeSet::from([pages(1, 1), pages(2, 1)]));
    }
    let without_sync = seen(disk, async |disk| {
        touch(&disk, "meta", 1).await;
        sync(&disk, "").await;
        let new = disk.open(Path::new("meta.tmp"), Open::CreateNew).await.unwrap();
        new.write_at(0, &pages(2, 1)).await.unwrap();
        rename(&disk, "meta.tmp", "meta").await;
        sync(&disk, "").await;
        disk.crash().contents("meta").unwrap().len()
    });
    assert_eq!(without_sync, BTreeSet::from([0, PAGE_SIZE]), "a name in place says nothing about the bytes");
}

#[test]
fn a_removal_comes_back_until_synced() {
    let work = |is_synced: bool| {
        seen(harsh, async move |disk| {
            touch(&disk, "a", 1).await;
            sync(&disk, "").await;
            disk.remove(Path::new("a")).await.unwrap();
            if is_synced {
                sync(&disk, "").await;
            }
            disk.crash().contents("a").map(|bytes| bytes[0])
        })
    };
    assert_eq!(work(false), BTreeSet::from([None, Some(1)]));
    assert_eq!(work(true), BTreeSet::from([None]));
}

#[test]
fn nothing_that_was_durable_falls_between_two_folders() {
    let seen = seen(harsh, async |disk| {
        disk.create_folder(Path::new("x")).await.unwrap();
        touch(&disk, "x/a", 1).await;
        sync(&disk, "").await;
        sync(&disk, "x").await;
        rename(&disk, "x/a", "a").await;
        disk.remove_folder(Path::new("x")).await.unwrap();
        touch(&disk, "x", 2).await;
        let left = disk.crash();
        let holds_it = |path: &String| left.contents(path).is_some_and(|bytes| bytes[0] == 1);
        assert!(left.files().iter().any(holds_it), "{:?}", left.files());
        left.files()
    });
    assert!(seen.len() > 2, "{seen:?}");
}

/// Random work, then a sync of every file and folder: a crash finds all of it.
#[test]
fn what_is_synced_everywhere_is_there_after_any_crash() {
    const FOLDERS: [&str; 3] = ["", "x", "y"];
    for seed in 0..SEEDS {
        let disk = harsh(seed);
        let mut dice = dice::Dice::new(seed);
        let work = async {
            for folder in FOLDERS {
                disk.create_folder(Path::new(folder)).await.unwrap();
            }
            for step in 0..40 {
                let mut path =
                    || format!("{}/{}", FOLDERS[dice.index(3)], dice.below(3)).trim_matches('/').to_owned();
                let (one, other) = (path(), path());
                match dice.below(6) {
                    0 => drop(disk.rename(Path::new(&one), Path::new(&other)).await),
                    1 => drop(disk.remove(Path::new(&one)).await),
                    2 => disk.sync_folder(Path::new(FOLDERS[dice.index(3)])).await.unwrap(),
                    3 => drop(disk.open(Path::new(&one), Open::CreateNew).await),
                    _ => {
                        if let Ok(file) = disk.open(Path::new(&one), Open::Write).await {
                            let offset = dice.below(4) * PAGE_SIZE as u64;
                            match dice.below(4) {
                                0 => file.truncate(dice.below(20_000)).await.unwrap(),
                                1 => file.allocate(dice.below(20_000)).await.unwrap(),
                                2 => file.sync().await.unwrap(),
                                _ => file.write_at(offset, &pages(step, 1)).await.unwrap(),
                            }
                        }
                    }
                }
            }
            for file in disk.files() {
                disk.open(Path::new(&file), Open::Write).await.unwrap().sync().await.unwrap();
            }
            for folder in FOLDERS {
                sync(&disk, folder).await;
            }
        };
        block_on(work);
        let contents =
            |disk: &SimDisk| disk.files().iter().map(|path| disk.contents(path)).collect::<Vec<_>>();
        let left = disk.crash();
        assert_eq!(left.files(), disk.files(), "seed {seed}");
        assert!(contents(&left) == contents(&disk), "seed {seed}");
        assert!(left.is_settled());
    }
}
