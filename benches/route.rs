//! Time to find the route of a request among those of a large API, by our table and by matchit's. The number is for all
//! requests of a mix; the throughput is in lookups.

mod brief;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use firstbyte_benches::routes::{self, Ours, Peer, mixes};

fn route(criterion: &mut Criterion) {
    routes::check();
    let (mut ours, peer) = (Ours::new(), Peer::new());
    let mut group = criterion.benchmark_group("route");
    for mix in mixes() {
        group.throughput(Throughput::Elements(mix.requests.len() as u64));
        group.bench_function(BenchmarkId::new("firstbyte", mix.name), |b| {
            b.iter(|| mix.requests.iter().for_each(|asked| _ = black_box(ours.lookup(black_box(asked)))));
        });
        group.bench_function(BenchmarkId::new("matchit", mix.name), |b| {
            b.iter(|| mix.requests.iter().for_each(|asked| _ = black_box(peer.lookup(black_box(asked)))));
        });
    }
    group.finish();
}

criterion_group! { name = benches; config = brief::criterion(); targets = route }
criterion_main!(benches);
