//! Time of chunked content: decoded whole, in pieces as reads bring them, and encoded.

mod brief;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use firstbyte::http::Limits;
use firstbyte::http::h1::chunked::decode_whole;
use firstbyte_benches::chunks::{self, MESSAGES};

/// Bytes that a read brings.
const PIECE_BYTES: usize = 1_460;

fn chunked(criterion: &mut Criterion) {
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("chunked");
    for (name, size, count) in MESSAGES {
        chunks::check(size, count);
        let message = chunks::encode(size, count);
        let data = vec![b'x'; size];
        let mut out = Vec::with_capacity(message.len());
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("decode", name), |b| {
            b.iter(|| chunks::ours(black_box(&message), message.len(), &limits));
        });
        group.bench_function(BenchmarkId::new("decode in pieces", name), |b| {
            b.iter(|| chunks::ours(black_box(&message), PIECE_BYTES, &limits));
        });
        group.bench_function(BenchmarkId::new("decode and copy", name), |b| {
            b.iter(|| decode_whole(black_box(&message), &limits));
        });
        group.bench_function(BenchmarkId::new("encode", name), |b| {
            b.iter(|| {
                out.clear();
                chunks::encode_into(black_box(&data), count, &mut out);
            });
        });
    }
    group.finish();
}

criterion_group! { name = benches; config = brief::criterion(); targets = chunked }
criterion_main!(benches);
