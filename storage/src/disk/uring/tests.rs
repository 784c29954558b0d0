use std::future::poll_fn;

use futures_lite::future::{poll_once, zip};
use natrium_shards::on_shard;
use tempfile::TempDir;

use super::*;
use crate::disk::conformance::{self, join_all, pages};

/// A folder beside the test's own program: on the disk, where the system's folder for such may be memory.
fn folder() -> TempDir {
    let program = std::env::current_exe().unwrap();
    tempfile::tempdir_in(program.parent().unwrap()).unwrap()
}

fn run<F: Future<Output = ()> + 'static>(work: impl FnOnce() -> F + Send + 'static) {
    on_shard(work).unwrap();
}

#[test]
fn it_does_what_every_disk_does() {
    let folder = folder();
    run(move || async move {
        let disk = UringDisk::open(&folder.path().join("a/b"), 100).await.unwrap();
        assert_eq!(disk.access(), Access::Direct, "tests need a file system with direct I/O");
        conformance::check(&disk).await;
    });
}

#[test]
fn it_does_so_with_one_operation_at_a_time() {
    let folder = folder();
    run(move || async move { conformance::check(&UringDisk::open(folder.path(), 1).await.unwrap()).await });
}

#[test]
fn it_does_so_through_the_cache() {
    let folder = folder();
    run(move || async move {
        let access = Access::Buffered { file_system: 7 };
        conformance::check(&UringDisk::open_with(folder.path(), 100, access)).await;
    });
}

#[test]
fn memory_is_recognised_and_named() {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    run(move || async move {
        let disk = UringDisk::open(folder.path(), 100).await.unwrap();
        assert!(disk.access().to_string().starts_with("buffered I/O: tmpfs"), "{}", disk.access());
        conformance::check(&disk).await;
    });
}

#[test]
fn nothing_is_left_of_the_probe() {
    let folder = folder();
    run(move || async move {
        let disk = UringDisk::open(folder.path(), 1).await.unwrap();
        assert!(disk.list(Path::new("")).await.unwrap().is_empty());
    });
}

#[test]
fn a_write_that_was_dropped_while_it_waited_for_its_turn_is_carried_out() {
    let folder = folder();
    run(move || async move {
        let disk = UringDisk::open(folder.path(), 1).await.unwrap();
        let file = disk.open(Path::new("f"), Open::CreateNew).await.unwrap();
        file.allocate(2 * PAGE_SIZE as u64).await.unwrap();
        {
            let (one, other) = (pages(1, 1), pages(2, 1));
            let mut first = Box::pin(file.write_at(0, &one));
            assert!(poll_once(&mut first).await.is_none());
            assert_eq!(disk.0.in_flight.available(), 0);
            let mut second = Box::pin(file.write_at(PAGE_SIZE as u64, &other));
            assert!(poll_once(&mut second).await.is_none());
        }
        let written = [pages(1, 1), pages(2, 1)].concat();
        for _ in 0..100_000 {
            if file.read_at(0, written.len()).await.unwrap()[..] == written {
                return;
            }
        }
        panic!("the dropped writes never happened");
    });
}

#[test]
fn no_more_than_the_bound_are_in_flight_and_all_have_their_turn() {
    let folder = folder();
    run(move || async move {
        let disk = UringDisk::open(folder.path(), 3).await.unwrap();
        let file = disk.open(Path::new("f"), Open::CreateNew).await.unwrap();
        let page = pages(9, 1);
        let writes = (0..500u64).map(|index| {
            let (file, page) = (&file, &page);
            async move { file.write_at(index * PAGE_SIZE as u64, page).await.unwrap() }
        });
        let mut all = Box::pin(join_all(writes));
        let mut was_full = false;
        poll_fn(|context| {
            let poll = all.as_mut().poll(context);
            was_full |= poll.is_pending() && disk.0.in_flight.available() == 0;
            poll
        })
        .await;
        assert!(was_full);
        assert_eq!(disk.0.in_flight.available(), 3);
        assert!(file.read_at(0, 501 * PAGE_SIZE).await.unwrap()[..] == pages(9, 500));
    });
}

#[test]
fn a_file_may_lose_its_name_while_it_is_opened() {
    let folder = folder();
    run(move || async move {
        let disk = UringDisk::open(folder.path(), 10).await.unwrap();
        let (path, other) = (Path::new("f"), Path::new("g"));
        for _ in 0..300 {
            disk.open(path, Open::CreateNew).await.unwrap().write_at(0, &pages(1, 1)).await.unwrap();
            let (opened, renamed) = zip(disk.open(path, Open::Write), disk.rename(path, other)).await;
            renamed.unwrap();
            match opened {
                Ok(file) => assert_eq!(file.read_at(0, 1).await.unwrap()[..], [1]),
                Err(error) => assert_eq!(error.cause, Cause::NotFound),
            }
            disk.remove(other).await.unwrap();
        }
    });
}

#[test]
fn a_length_from_a_damaged_file_reserves_no_memory() {
    let folder = folder();
    run(move || async move {
        let disk = UringDisk::open(folder.path(), 3).await.unwrap();
        let file = disk.open(Path::new("f"), Open::CreateNew).await.unwrap();
        file.write_at(0, &pages(1, 300)).await.unwrap();
        file.truncate(300 * PAGE_SIZE as u64 - 5).await.unwrap();
        let read = file.read_at(10, usize::MAX / 2).await.unwrap();
        assert_eq!(read.len(), 300 * PAGE_SIZE - 15);
        assert!(read.iter().all(|&byte| byte == 1));
    });
}

#[test]
fn every_errno_has_its_cause() {
    for (errno, cause) in [
        (Errno::NOENT, Cause::NotFound),
        (Errno::EXIST, Cause::Exists),
        (Errno::NOTEMPTY, Cause::NotEmpty),
        (Errno::NOSPC, Cause::NoSpace),
        (Errno::DQUOT, Cause::NoSpace),
        (Errno::ROFS, Cause::ReadOnly),
        (Errno::ACCESS, Cause::ReadOnly),
        (Errno::PERM, Cause::ReadOnly),
        (Errno::MFILE, Cause::TooManyOpenFiles),
        (Errno::NFILE, Cause::TooManyOpenFiles),
        (Errno::IO, Cause::Io(5)),
        (Errno::STALE, Cause::Io(116)),
    ] {
        assert_eq!(cause_of(errno), cause);
        assert_eq!(cause_of_raw(Some(errno.raw_os_error())), cause);
    }
    assert_eq!(cause_of_raw(None), Cause::Io(5));
}
