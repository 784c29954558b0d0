//! What a block's footer holds: written once for each block, read at every start. And what a block without one costs.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use natrium_model::Timestamp;
use natrium_storage::block::entry::Entries;
use natrium_storage::block::footer::{decode_summary, decode_table, encode_summary, encode_table};
use natrium_storage::block::spans::Spans;
use natrium_storage::block::summary::{Opening, Row, Summarizer, Summary};
use natrium_storage::record::Record;

const SALT: u64 = 5;

/// The entries of a block with `count` messages on `subjects` subjects.
fn entries(count: usize, subjects: usize) -> Vec<u8> {
    let mut entries = Vec::new();
    for at in 0..count {
        let subject = format!("orders.{}.{:07}", at % 50, at % subjects);
        let record = Record {
            seq: at as u64 + 1,
            timestamp: Timestamp(1_700_000_000_000_000_000 + at as i64 * 1000),
            expires: None,
            due: None,
            subject: subject.as_bytes(),
            headers: b"",
            payload: &[b'x'; 128],
        };
        record.encode(SALT, &mut entries);
    }
    entries
}

/// What recovery of a block without a footer does with its entries.
fn summarize(entries: &[u8]) -> (Summary, Vec<Row>) {
    let mut summarizer = Summarizer::new(Opening { first: 1, absorbed_below: 1, salt: SALT });
    for (at, len, entry) in Entries::new(entries, SALT).flatten() {
        summarizer.entry(at as u32, len as u32, &entry).expect("sequences ascend");
    }
    summarizer.finish()
}

fn summaries(c: &mut Criterion) {
    let count = 20_000;
    let mut group = c.benchmark_group("summary");
    group.throughput(Throughput::Elements(count as u64));
    for subjects in [1, count] {
        let entries = entries(count, subjects);
        let (summary, rows) = summarize(&entries);
        let spans = Spans::default();
        group.bench_function(format!("of entries/{subjects} subjects"), |b| {
            b.iter(|| summarize(black_box(&entries)).0.messages);
        });
        let mut out = Vec::new();
        group.bench_function(format!("encode/{subjects} subjects"), |b| {
            b.iter(|| {
                out.clear();
                encode_summary(black_box(&summary), &spans, &mut out);
                out.len()
            });
        });
        out.clear();
        encode_summary(&summary, &spans, &mut out);
        group.bench_function(format!("decode/{subjects} subjects"), |b| {
            b.iter(|| decode_summary(black_box(&out)).map(|(summary, _)| summary.messages));
        });
        let mut table = Vec::new();
        group.bench_function(format!("encode table/{subjects} subjects"), |b| {
            b.iter(|| {
                table.clear();
                encode_table(black_box(&rows), &mut table);
                table.len()
            });
        });
        group.bench_function(format!("decode table/{subjects} subjects"), |b| {
            b.iter(|| decode_table(black_box(&table), subjects).map(|rows| rows.len()));
        });
    }
    group.finish();
}

criterion_group!(benches, summaries);
criterion_main!(benches);
