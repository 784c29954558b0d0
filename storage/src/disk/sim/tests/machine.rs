//! Scheduling, the end of the machine, and that a seed says it all.

use futures_lite::future::{poll_once, yield_now, zip};

use super::*;

#[test]
fn operations_end_in_an_order_of_the_seed() {
    let seen = seen(disk, async |disk| {
        let file = settled_file(&disk, 2).await;
        let order = RefCell::new(Vec::new());
        let write = async |index: u64| {
            file.write_at(index * PAGE_SIZE as u64, &pages(2, 1)).await.unwrap();
            order.borrow_mut().push(index);
        };
        zip(write(0), write(1)).await;
        order.into_inner()
    });
    assert_eq!(seen, BTreeSet::from([vec![0, 1], vec![1, 0]]));
}

#[test]
fn an_effect_falls_between_the_beginning_and_the_end() {
    let make = |seed| SimDisk::new(seed, Faults { yields_max: 9, ..Faults::default() });
    let seen = seen(make, async |disk| {
        let file = settled_file(&disk, 1).await;
        let new = pages(2, 1);
        let mut write = Box::pin(file.write_at(0, &new));
        let mut seen_in_flight = Vec::new();
        while poll_once(&mut write).await.is_none() {
            seen_in_flight.push(disk.contents("f").unwrap()[0]);
            yield_now().await;
        }
        assert!(seen_in_flight.is_sorted());
        seen_in_flight.dedup();
        seen_in_flight
    });
    assert_eq!(seen, BTreeSet::from([vec![], vec![1], vec![1, 2], vec![2]]));
}

#[test]
fn a_dropped_operation_is_carried_out_beside_the_others() {
    let make = |seed| SimDisk::new(seed, Faults { yields_max: 9, ..Faults::default() });
    let seen = seen(make, async |disk| {
        let file = settled_file(&disk, 1).await;
        drop(poll_once(file.write_at(0, &pages(2, 1))).await);
        let is_late = disk.contents("f").unwrap()[0] == 1;
        while disk.in_flight() > 0 {
            file.size().await.unwrap();
        }
        assert_eq!(disk.contents("f").unwrap(), pages(2, 1));
        is_late
    });
    assert_eq!(seen, BTreeSet::from([false, true]));
}

#[test]
fn a_settled_disk_loses_nothing() {
    let seen = seen(disk, async |disk| {
        let file = settled_file(&disk, 1).await;
        disk.rename(Path::new("f"), Path::new("g")).await.unwrap();
        drop(poll_once(file.write_at(0, &pages(2, 1))).await);
        assert!(!disk.is_settled());
        disk.settle();
        assert!(disk.is_settled());
        disk.crash().contents("g")
    });
    assert_eq!(seen, BTreeSet::from([Some(pages(2, 1))]));
}

#[test]
fn an_operation_that_was_never_polled_never_began() {
    let disk = disk(0);
    let file = block_on(settled_file(&disk, 1));
    let before = disk.operations();
    drop(file.sync());
    assert_eq!((disk.operations(), disk.in_flight()), (before, 0));
}

#[test]
fn the_machine_stops_at_the_operation_it_was_told_and_the_rest_waits_for_ever() {
    let script = async |disk: SimDisk| {
        let file = settled_file(&disk, 1).await;
        file.write_at(0, &pages(2, 1)).await.unwrap();
        file.sync().await.unwrap();
    };
    let whole = disk(1);
    block_on(script(whole.clone()));
    let operations = whole.operations();
    assert_eq!(operations, 6);
    for stop_after in 0..=operations {
        let disk = disk(1);
        disk.crash_after(stop_after);
        let is_done = block_on(or(async { (script(disk.clone()).await, true).1 }, async {
            (disk.stopped().await, false).1
        }));
        assert_eq!(is_done, stop_after == operations);
        assert_eq!(disk.is_stopped(), !is_done);
        assert_eq!(disk.operations(), operations.min(stop_after + 1));
        if !is_done {
            assert!(block_on(poll_once(disk.list(Path::new("")))).is_none(), "the machine is off");
            assert_eq!(disk.operations(), stop_after + 1);
        }
        let left = disk.crash();
        assert!(!left.is_stopped() && left.operations() == 0);
        block_on(left.list(Path::new(""))).unwrap();
    }
}

#[test]
fn the_operation_at_the_stop_has_happened_or_not() {
    let seen = seen(disk, async |disk| {
        let file = settled_file(&disk, 1).await;
        file.write_at(0, &pages(2, 1)).await.unwrap();
        disk.crash_after(0);
        or(async { file.sync().await.unwrap() }, disk.stopped()).await;
        let kept: BTreeSet<_> = (0..40).map(|_| disk.crash().contents("f").unwrap() == pages(2, 1)).collect();
        kept.len()
    });
    assert_eq!(seen, BTreeSet::from([2]), "one moment is crashed in many ways");
}

#[test]
fn operations_of_a_disk_that_crashed_never_complete() {
    let disk = disk(2);
    let file = block_on(settled_file(&disk, 1));
    let left = disk.crash();
    assert!(block_on(poll_once(file.sync())).is_none());
    assert!(disk.is_stopped());
    block_on(disk.stopped());
    assert_eq!(left.contents("f").unwrap(), pages(1, 1));
}

#[test]
fn a_seed_replays_and_another_does_not() {
    let hash = |seed: u64, byte: u8| {
        let disk = SimDisk::new(seed, Faults::draw(7));
        block_on(async {
            let file = settled_file(&disk, 1).await;
            let (one, other) = (pages(byte, 1), pages(3, 1));
            let (one, other) = zip(file.write_at(0, &one), file.write_at(0, &other)).await;
            one.and(other).unwrap();
        });
        let left = disk.crash();
        block_on(async {
            let Ok(file) = left.open(Path::new("f"), Open::Read).await else { return };
            drop(file.read_at(0, PAGE_SIZE).await);
        });
        left.schedule_hash()
    };
    for seed in 0..50 {
        assert_eq!(hash(seed, 2), hash(seed, 2), "seed {seed}");
    }
    let schedules = (0..50).map(|seed| hash(seed, 2)).collect::<BTreeSet<_>>().len();
    assert!(schedules > 20, "six operations in {schedules} orders over 50 seeds");
    assert_ne!(hash(1, 2), hash(1, 4), "what is written is part of it");
}

#[test]
#[should_panic(expected = "not of whole pages")]
fn a_write_of_half_a_page_is_our_fault() {
    let disk = disk(0);
    let file = block_on(settled_file(&disk, 1));
    let _ = block_on(file.write_at(0, &[1; 512]));
}

#[test]
#[should_panic(expected = "not at a page")]
fn a_write_between_pages_is_our_fault() {
    let disk = disk(0);
    let file = block_on(settled_file(&disk, 1));
    let _ = block_on(file.write_at(512, &pages(1, 1)));
}

#[test]
#[should_panic(expected = "while space is allocated")]
fn a_write_into_space_being_allocated_is_our_fault() {
    for seed in 0..SEEDS {
        let disk = disk(seed);
        block_on(async {
            let file = settled_file(&disk, 1).await;
            let page = pages(2, 1);
            let _ = zip(file.allocate(1 << 20), file.write_at(PAGE_SIZE as u64, &page)).await;
        });
    }
}
