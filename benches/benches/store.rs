//! A store without a disk: what is decided for a message, and what is kept of it. The ledger is that of a store on disk.

use std::cell::Cell;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use futures_lite::future::block_on;
use natrium_model::Timestamp;
use natrium_storage::disk::sim::SimDisk;
use natrium_storage::message::{Filter, Limits, NewMessage};
use natrium_storage::store::{Admission, Store};

/// In memory, so that no disk is asked; of a kind all the same.
type MemoryStore = Store<SimDisk>;

fn message<'a>(subject: &'a [u8], payload: &'a [u8], number: u64) -> NewMessage<'a> {
    let timestamp = Timestamp(1_700_000_000_000_000_000 + number.cast_signed() * 1000);
    NewMessage { subject, headers: b"", payload, timestamp, expires: None, due: None }
}

fn append(store: &MemoryStore, subject: &[u8], number: u64) -> u64 {
    let appended = block_on(store.append(&message(subject, &[b'x'; 128], number), Admission::Checked));
    appended.expect("a store in memory without limits takes everything").seq
}

fn stores(c: &mut Criterion) {
    let mut group = c.benchmark_group("store");
    let number = Cell::new(0);
    // So that it does not grow without end.
    let limits = Limits { max_messages: Some(100_000), ..Limits::default() };
    let store = MemoryStore::in_memory(limits, 1, 7);
    group.bench_function("append, 1 subject", |b| {
        b.iter(|| {
            number.set(number.get() + 1);
            append(&store, black_box(b"orders.new"), number.get())
        });
    });
    let subjects: Vec<String> = (0..10_000).map(|at| format!("orders.{}.{at:05}", at % 50)).collect();
    group.bench_function("append, 10,000 subjects", |b| {
        b.iter(|| {
            number.set(number.get() + 1);
            append(&store, subjects[number.get() as usize % subjects.len()].as_bytes(), number.get())
        });
    });
    let full = MemoryStore::in_memory(Limits::default(), 1, 7);
    for at in 0..100_000u64 {
        append(&full, subjects[at as usize % subjects.len()].as_bytes(), at);
    }
    let leap = Cell::new(0);
    let next = || {
        leap.set((leap.get() + 31_337) % 100_000);
        leap.get() + 1
    };
    group.bench_function("get", |b| {
        b.iter(|| block_on(full.get(black_box(next()))).is_ok_and(|message| message.is_some()));
    });
    group.bench_function("last of a subject", |b| {
        b.iter(|| block_on(full.last_of(subjects[next() as usize % subjects.len()].as_bytes())).is_ok());
    });
    group.bench_function("next of a sparse filter", |b| {
        b.iter(|| block_on(full.next(Filter::Subject(b"orders.7.00007"), black_box(next()))).is_ok());
    });
    group.finish();
}

criterion_group!(benches, stores);
criterion_main!(benches);
