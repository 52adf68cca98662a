//! Time of one WebSocket message, as a server reads it off its client: header, unmasking, UTF-8, the message.

mod brief;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use firstbyte_benches::frames::{self, TRAFFIC};

fn ws_frame(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ws_frame");
    for (name, text, size, count) in TRAFFIC {
        let (tape, bytes) = frames::encode(text, size, count);
        frames::check(&tape, bytes);
        let mut ours = frames::Ours::default();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("read", name), |b| b.iter(|| ours.read(black_box(&tape))));
    }
    group.finish();
}

criterion_group! { name = benches; config = brief::criterion(); targets = ws_frame }
criterion_main!(benches);
