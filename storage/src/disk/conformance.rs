//! What every disk must do, whatever is below it: the same checks for the real one and the simulated one.

use std::future::poll_fn;
use std::path::Path;
use std::task::Poll;

use futures_lite::future::poll_once;

use super::{Buffer, Cause, Disk, DiskError, EntryKind, File, Open, Operation, PAGE_SIZE};

const PAGE: u64 = PAGE_SIZE as u64;

/// Runs all of it on an empty disk.
pub(super) async fn check(disk: &impl Disk) {
    opening(disk).await;
    reads(disk).await;
    sizes(disk).await;
    folders(disk).await;
    renames(disk).await;
    removals(disk).await;
    paths(disk).await;
    many_at_once(disk).await;
    a_dropped_write(disk).await;
    synced_writes(disk).await;
    reserved_space(disk).await;
    disk.submit().await;
}

async fn synced_writes(disk: &impl Disk) {
    let path = Path::new("synced");
    let file = disk.open(path, Open::CreateNew).await.unwrap();
    let mut first = file.buffer(3 * PAGE_SIZE - 9);
    assert_eq!(first.bytes().len(), 3 * PAGE_SIZE, "whole pages");
    first.bytes_mut().fill(5);
    first.truncate(2 * PAGE_SIZE);
    let shared = first.clone();
    file.write_synced(PAGE, first).await.unwrap();
    assert_eq!(shared.bytes(), pages(5, 2), "it is the writer's until it is dropped");
    file.write_synced(0, shared).await.unwrap();
    // Of the length of the one before, and of the length it had at first.
    for (len, byte) in [(2 * PAGE_SIZE, 6), (3 * PAGE_SIZE, 7), (300 << 10, 8), (300 << 10, 9)] {
        let mut buffer = file.buffer(len);
        assert_eq!(buffer.bytes().len(), len);
        buffer.bytes_mut().fill(byte);
        file.write_synced(4 * PAGE, buffer).await.unwrap();
        let read = file.read_at(4 * PAGE, len).await.unwrap();
        assert!(read.len() == len && read.iter().all(|&read| read == byte), "{len} bytes");
    }
    assert_eq!(file.read_at(0, 3 * PAGE_SIZE).await.unwrap()[..], pages(5, 3));
    disk.rename(path, Path::new("synced+")).await.unwrap();
    let mut last = file.buffer(PAGE_SIZE);
    last.bytes_mut().fill(1);
    file.write_synced(0, last).await.unwrap();
    let reader = disk.open(Path::new("synced+"), Open::Read).await.unwrap();
    assert_eq!(reader.read_at(0, PAGE_SIZE).await.unwrap()[..], pages(1, 1), "files follow their names");
    let refused = reader.write_synced(0, reader.buffer(PAGE_SIZE)).await;
    assert!(matches!(cause(refused), Cause::Io(_) | Cause::ReadOnly), "opened to read");
}

async fn reserved_space(disk: &impl Disk) {
    let file = disk.open(Path::new("reserved"), Open::CreateNew).await.unwrap();
    file.write_at(0, &pages(1, 2)).await.unwrap();
    file.reserve(PAGE).await.unwrap();
    assert_eq!(file.size().await.unwrap(), 2 * PAGE, "a reservation never shortens");
    file.reserve(1 << 20).await.unwrap();
    let read = file.read_at(0, 2 << 20).await.unwrap();
    assert!(read[..2 * PAGE_SIZE] == pages(1, 2), "what was there stays");
    assert!(read.len() == 1 << 20 && read[2 * PAGE_SIZE..].iter().all(|&byte| byte == 0));
    let mut buffer = file.buffer(PAGE_SIZE);
    buffer.bytes_mut().fill(3);
    file.write_synced(5 * PAGE, buffer).await.unwrap();
    assert_eq!(file.read_at(5 * PAGE, PAGE_SIZE).await.unwrap()[..], pages(3, 1));
    assert_eq!(file.size().await.unwrap(), 1 << 20);
}

async fn opening(disk: &impl Disk) {
    let path = Path::new("opened");
    assert_eq!(cause(disk.open(path, Open::Read).await), Cause::NotFound);
    assert_eq!(cause(disk.open(path, Open::Write).await), Cause::NotFound);
    let file = disk.open(path, Open::CreateNew).await.unwrap();
    assert_eq!(file.size().await.unwrap(), 0);
    file.write_at(0, &pages(7, 1)).await.unwrap();
    let refused = disk.open(path, Open::CreateNew).await.err().unwrap();
    assert_eq!(
        (refused.operation, refused.path.as_path(), refused.cause),
        (Operation::Open, path, Cause::Exists)
    );

    let reader = disk.open(path, Open::Read).await.unwrap();
    assert_eq!(reader.read_at(0, PAGE_SIZE).await.unwrap()[..], pages(7, 1));
    assert!(matches!(cause(reader.write_at(0, &pages(8, 1)).await), Cause::Io(_)), "opened to read");
    let writer = disk.open(path, Open::Write).await.unwrap();
    writer.write_at(0, &pages(9, 1)).await.unwrap();
    writer.write_at(0, &[]).await.unwrap();
    assert_eq!(reader.read_at(0, PAGE_SIZE).await.unwrap()[..], pages(9, 1), "two handles, one file");
}

async fn reads(disk: &impl Disk) {
    let file = disk.open(Path::new("reads"), Open::CreateNew).await.unwrap();
    let all: Vec<u8> = (0..3 * PAGE_SIZE + 100).map(|at| (at % 251) as u8).collect();
    file.write_at(0, &[&all[..], &[0; PAGE_SIZE - 100]].concat()).await.unwrap();
    file.truncate(all.len() as u64).await.unwrap();
    for offset in [0, 1, 511, 512, 4095, 4096, 5000, 12_287, 12_288, 12_300, 12_387, 12_388, 12_389, 1 << 40]
    {
        for len in [0, 1, 99, 100, 101, 512, 4096, 4097, 9000, 20_000] {
            let end = all.len().min(offset + len);
            let expected = all.get(offset..end).unwrap_or_default();
            let read = file.read_at(offset as u64, len).await.unwrap();
            assert!(read[..] == *expected, "{len} bytes at {offset}: {} came", read.len());
        }
    }
}

async fn sizes(disk: &impl Disk) {
    let file = disk.open(Path::new("sizes"), Open::CreateNew).await.unwrap();
    file.write_at(0, &pages(1, 2)).await.unwrap();
    file.allocate(PAGE).await.unwrap();
    assert_eq!(file.size().await.unwrap(), 2 * PAGE, "an allocation never shortens");
    file.allocate(3 << 20).await.unwrap();
    assert_eq!(file.size().await.unwrap(), 3 << 20);
    let read = file.read_at(0, 4 << 20).await.unwrap();
    assert!(read[..2 * PAGE_SIZE] == pages(1, 2), "what was there stays");
    assert!(read.len() == 3 << 20 && read[2 * PAGE_SIZE..].iter().all(|&byte| byte == 0));

    file.truncate(5000).await.unwrap();
    assert_eq!(file.size().await.unwrap(), 5000);
    file.allocate(2 * PAGE + 7).await.unwrap();
    assert_eq!(file.size().await.unwrap(), 2 * PAGE + 7, "an allocation of any size");
    let read = file.read_at(0, 3 * PAGE_SIZE).await.unwrap();
    assert!(read[..5000].iter().all(|&byte| byte == 1));
    assert!(read[5000..].iter().all(|&byte| byte == 0), "what was cut off does not come back");
    file.allocate(3 * PAGE).await.unwrap();
    assert_eq!(
        file.size().await.unwrap(),
        3 * PAGE,
        "an allocation that ends with the page the file ends in"
    );
    file.truncate(4 * PAGE).await.unwrap();
    assert_eq!(file.size().await.unwrap(), 4 * PAGE);
    file.write_at(6 * PAGE, &pages(2, 1)).await.unwrap();
    assert_eq!(file.size().await.unwrap(), 7 * PAGE, "a write behind the end lengthens");
    assert!(file.read_at(4 * PAGE, 2 * PAGE_SIZE).await.unwrap().iter().all(|&byte| byte == 0));
    file.sync().await.unwrap();
}

async fn folders(disk: &impl Disk) {
    assert!(disk.list(Path::new("no/such")).await.unwrap().is_empty());
    disk.create_folder(Path::new("f/g/h")).await.unwrap();
    disk.create_folder(Path::new("f/g")).await.unwrap();
    disk.open(Path::new("f/b"), Open::CreateNew).await.unwrap();
    disk.open(Path::new("f/a"), Open::CreateNew).await.unwrap();
    let found = disk.list(Path::new("f")).await.unwrap();
    let found: Vec<_> = found.iter().map(|entry| (entry.name.as_str(), entry.kind)).collect();
    assert_eq!(found, [("a", EntryKind::File), ("b", EntryKind::File), ("g", EntryKind::Folder)]);
    assert!(disk.list(Path::new("")).await.unwrap().iter().any(|entry| entry.name == "f"), "the root");
    assert_eq!(cause(disk.create_folder(Path::new("f/a")).await), Cause::Exists);
    assert!(matches!(cause(disk.create_folder(Path::new("f/a/x")).await), Cause::Io(_)), "below a file");
    assert_eq!(cause(disk.open(Path::new("no/such"), Open::CreateNew).await), Cause::NotFound);
    for how in [Open::Read, Open::Write] {
        assert!(matches!(cause(disk.open(Path::new("f/g"), how).await), Cause::Io(_)), "a folder is no file");
        assert!(
            matches!(cause(disk.open(Path::new("f/a/x"), how).await), Cause::Io(_)),
            "nothing is below a file"
        );
    }
    for folder in ["", "f", "f/g/h"] {
        disk.sync_folder(Path::new(folder)).await.unwrap();
    }
    assert_eq!(cause(disk.sync_folder(Path::new("no")).await), Cause::NotFound);
}

async fn renames(disk: &impl Disk) {
    for folder in ["r", "s"] {
        disk.create_folder(Path::new(folder)).await.unwrap();
    }
    let (from, to) = (Path::new("r/from"), Path::new("s/to"));
    assert_eq!(cause(disk.rename(from, to).await), Cause::NotFound);
    let old = disk.open(to, Open::CreateNew).await.unwrap();
    old.write_at(0, &pages(1, 1)).await.unwrap();
    let new = disk.open(from, Open::CreateNew).await.unwrap();
    new.write_at(0, &pages(2, 1)).await.unwrap();
    disk.rename(from, to).await.unwrap();
    assert_eq!(cause(disk.open(from, Open::Read).await), Cause::NotFound);
    let named = disk.open(to, Open::Read).await.unwrap();
    assert_eq!(named.read_at(0, 1).await.unwrap()[..], [2]);
    assert_eq!(old.read_at(0, 1).await.unwrap()[..], [1], "a replaced file lives while it is open");
    new.write_at(0, &pages(3, 1)).await.unwrap();
    assert_eq!(named.read_at(0, 1).await.unwrap()[..], [3], "a handle follows its file");
    assert_eq!(cause(disk.rename(to, Path::new("no/such")).await), Cause::NotFound);

    disk.rename(Path::new("s"), Path::new("r/s")).await.unwrap();
    assert_eq!(disk.list(Path::new("r/s")).await.unwrap().len(), 1, "a folder moves with what it holds");
    assert!(
        matches!(cause(disk.rename(Path::new("r"), Path::new("r/s/r")).await), Cause::Io(_)),
        "into itself"
    );
}

async fn removals(disk: &impl Disk) {
    disk.create_folder(Path::new("d")).await.unwrap();
    let file = disk.open(Path::new("d/file"), Open::CreateNew).await.unwrap();
    file.write_at(0, &pages(5, 1)).await.unwrap();
    assert_eq!(cause(disk.remove_folder(Path::new("d")).await), Cause::NotEmpty);
    disk.remove(Path::new("d/file")).await.unwrap();
    assert_eq!(cause(disk.remove(Path::new("d/file")).await), Cause::NotFound);
    assert_eq!(file.read_at(0, 1).await.unwrap()[..], [5], "a removed file lives while it is open");
    assert!(matches!(cause(disk.remove(Path::new("d")).await), Cause::Io(_)), "a folder is no file");
    disk.remove_folder(Path::new("d")).await.unwrap();
    assert_eq!(cause(disk.remove_folder(Path::new("d")).await), Cause::NotFound);
}

async fn paths(disk: &impl Disk) {
    for path in ["/etc/passwd", "..", "a/../../b", "f/.."] {
        let path = Path::new(path);
        assert_eq!(cause(disk.open(path, Open::Read).await), Cause::BadPath, "{path:?}");
        assert_eq!(cause(disk.list(path).await), Cause::BadPath, "{path:?}");
        assert_eq!(cause(disk.create_folder(path).await), Cause::BadPath, "{path:?}");
        assert_eq!(cause(disk.rename(path, Path::new("x")).await), Cause::BadPath, "{path:?}");
        assert_eq!(cause(disk.rename(Path::new("opened"), path).await), Cause::BadPath, "{path:?}");
        assert_eq!(cause(disk.remove(path).await), Cause::BadPath, "{path:?}");
        assert_eq!(cause(disk.remove_folder(path).await), Cause::BadPath, "{path:?}");
        assert_eq!(cause(disk.sync_folder(path).await), Cause::BadPath, "{path:?}");
    }
}

/// More operations at once than a disk takes in flight.
async fn many_at_once(disk: &impl Disk) {
    let mut files = Vec::new();
    for name in ["m0", "m1", "m2"] {
        files.push(disk.open(Path::new(name), Open::CreateNew).await.unwrap());
    }
    let writes = (0..600u64).map(|index| {
        let file = &files[index as usize % 3];
        async move {
            file.write_at(index * PAGE, &pages(index as u8, 1)).await.unwrap();
            if index.is_multiple_of(50) {
                file.sync().await.unwrap();
            }
            assert_eq!(file.read_at(index * PAGE, PAGE_SIZE).await.unwrap()[..], pages(index as u8, 1));
        }
    });
    join_all(writes).await;
}

async fn a_dropped_write(disk: &impl Disk) {
    let file = disk.open(Path::new("dropped"), Open::CreateNew).await.unwrap();
    file.write_at(0, &pages(1, 1)).await.unwrap();
    let new = pages(2, 1);
    drop(poll_once(file.write_at(0, &new)).await);
    for _ in 0..100_000 {
        if file.read_at(0, PAGE_SIZE).await.unwrap()[..] == new {
            return;
        }
    }
    panic!("a write that was begun never happened");
}

/// Waits for all of them; each is polled whenever any is woken.
pub(super) async fn join_all<F: Future<Output = ()>>(futures: impl Iterator<Item = F>) {
    let mut waiting: Vec<_> = futures.map(Box::pin).collect();
    poll_fn(|context| {
        waiting.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if waiting.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

pub(super) fn pages(byte: u8, count: usize) -> Vec<u8> {
    vec![byte; count * PAGE_SIZE]
}

pub(super) fn cause<T>(outcome: Result<T, DiskError>) -> Cause {
    outcome.err().expect("it was to fail").cause
}
