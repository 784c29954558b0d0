//! Frames by coding: compressed or not, encrypted or not.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use natrium_storage::block::frame::{FRAME_HEAD_LEN, FrameHead, FrameKind};
use natrium_storage::block::header::{Compression, Encryption};
use natrium_storage::coding::{BlockCipher, FrameEncoder, FrameFields, Sealer, decode_frame};
use rand_core::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// 64 KiB that shrink to about a third, as messages of one stream do.
fn body() -> Vec<u8> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut body = Vec::new();
    while body.len() < 64 << 10 {
        let noise = rand_core::RngCore::next_u64(&mut rng);
        body.extend_from_slice(
            format!("{{\"order\":{noise},\"state\":\"accepted\",\"region\":\"europe\"}}").as_bytes(),
        );
    }
    body
}

fn frames(c: &mut Criterion) {
    let body = body();
    let mut group = c.benchmark_group("frame");
    group.throughput(Throughput::Bytes(body.len() as u64));
    for compression in [Compression::None, Compression::Snappy] {
        for encryption in [Encryption::None, Encryption::ChaCha20Poly1305, Encryption::Aes256Gcm] {
            let made = Sealer::create(encryption, &mut Xoshiro256PlusPlus::seed_from_u64(2));
            let (sealer, cipher) =
                made.map(|(sealer, key)| (sealer, BlockCipher::new(encryption, &key))).unzip();
            let cipher = cipher.flatten();
            let mut encoder = FrameEncoder::new(compression, sealer);
            let mut fields =
                FrameFields { kind: FrameKind::Entries, is_last: true, commit: 0, index: 0, at: 0 };
            let mut out = Vec::new();
            group.bench_function(format!("encode/{compression:?}/{encryption:?}"), |b| {
                b.iter(|| {
                    // A place is sealed once.
                    fields.commit += 1;
                    out.clear();
                    encoder.encode(fields, black_box(&body), 5, 4096, &mut out).stored_len
                });
            });
            fields.commit += 1;
            out.clear();
            let head: FrameHead = encoder.encode(fields, &body, 5, 4096, &mut out);
            let stored = Bytes::copy_from_slice(&out[FRAME_HEAD_LEN..]);
            group.bench_function(format!("decode/{compression:?}/{encryption:?}"), |b| {
                b.iter(|| {
                    decode_frame(&head, black_box(stored.clone()), cipher.as_ref(), 5, 4096).map(|b| b.len())
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, frames);
criterion_main!(benches);
