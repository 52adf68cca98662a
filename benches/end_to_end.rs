//! Time from a client's request to the whole answer, through a whole server, over memory: parsing, routing, the handler,
//! encoding and the wake-ups of two tasks; all but the kernel. The throughput is in requests.

mod brief;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use firstbyte_benches::wire::{Client, runtime, traffic};

fn end_to_end(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("end_to_end");
    for traffic in traffic() {
        group.throughput(Throughput::Elements(traffic.requests as u64));
        let name = traffic.name;
        let mut client = Client::connect(&runtime, traffic);
        group.bench_function(name.trim_start_matches('/'), |b| b.iter(|| client.exchange()));
    }
    group.finish();
}

criterion_group! { name = benches; config = brief::criterion(); targets = end_to_end }
criterion_main!(benches);
