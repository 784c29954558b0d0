//! Records: encoding and decoding.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use natrium_model::Timestamp;
use natrium_storage::record::Record;

fn record(payload: &[u8]) -> Record<'_> {
    let timestamp = Timestamp(1_700_000_000_000_000_000);
    Record {
        seq: 7,
        timestamp,
        expires: None,
        due: None,
        subject: b"orders.new.europe",
        headers: b"",
        payload,
    }
}

fn records(c: &mut Criterion) {
    for size in [16, 128, 16 << 10] {
        let payload = vec![b'x'; size];
        let record = record(&payload);
        let mut group = c.benchmark_group("record");
        group.throughput(Throughput::Bytes(size as u64));
        let mut out = Vec::new();
        group.bench_function(format!("encode/{size}"), |b| {
            b.iter(|| {
                out.clear();
                black_box(&record).encode(5, &mut out);
                out.len()
            });
        });
        out.clear();
        record.encode(5, &mut out);
        group.bench_function(format!("decode/{size}"), |b| {
            b.iter(|| Record::decode(black_box(&out), 5).map(|(record, len)| (record.seq, len)));
        });
        group.finish();
    }
}

criterion_group!(benches, records);
criterion_main!(benches);
