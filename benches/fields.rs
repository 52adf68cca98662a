//! Time to find a field among the fourteen lines of a browser's head: a walk over the lines, no hash.

mod brief;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use firstbyte::http::Fields;
use firstbyte_benches::heads::{self, HEADS};

fn fields(criterion: &mut Criterion) {
    let fields = heads::fields(HEADS[2].1);
    assert_eq!(fields.len(), 14);
    let mut group = criterion.benchmark_group("fields");
    for (case, name, value) in [
        ("get the first", "host", Some("firstbyte.example:8080")),
        ("get the middle", "connection", Some("keep-alive")),
        ("get the last but one", "priority", Some("u=0, i")),
        ("get an absent one", "x-request-id", None),
    ] {
        assert_eq!(fields.text(name), value);
        group.bench_function(case, |b| b.iter(|| fields.get(black_box(name))));
    }
    assert_eq!(fields.list("Accept-Encoding").count(), 4);
    group.bench_function("list of four", |b| b.iter(|| fields.list(black_box("Accept-Encoding")).count()));
    assert_eq!(answer_fields().len(), 4);
    group.bench_function("append four", |b| b.iter(answer_fields));
    group.finish();
}

fn answer_fields() -> Fields {
    let mut fields = Fields::new();
    fields.append_escaped("Content-Type", black_box("application/json"));
    fields.append_escaped("Cache-Control", black_box("no-store"));
    fields.append_escaped("X-Request-Id", black_box("0198f3a2-6d1c-7b44-9c55-1f2e3d4c5b6a"));
    fields.append_escaped("Vary", black_box("Accept, Origin"));
    fields
}

criterion_group! { name = benches; config = brief::criterion(); targets = fields }
criterion_main!(benches);
