//! Time of one head that arrives whole, by our parser, by httparse and by picohttpparser; and of ours when it arrives byte by byte.

mod brief;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use firstbyte::http::Limits;
use firstbyte::http::h1::head::{HeadParser, Progress, RequestHead};
use firstbyte_benches::heads::{self, HEADS};
use firstbyte_benches::pico::Pico;

fn head_parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("head_parse");
    for (name, head) in HEADS {
        heads::check(head);
        heads::check_pico(head);
        group.throughput(Throughput::Bytes(head.len() as u64));
        let (mut ours, mut peer) = (heads::Ours::default(), heads::Peer::new());
        group.bench_function(BenchmarkId::new("firstbyte", name), |b| b.iter(|| ours.parse(black_box(head))));
        group.bench_function(BenchmarkId::new("httparse", name), |b| b.iter(|| peer.parse(black_box(head))));
        let mut pico = Pico::new();
        group.bench_function(BenchmarkId::new("picohttpparser", name), |b| b.iter(|| pico.parse(black_box(head)).len));
    }
    let (name, head) = HEADS[2];
    assert_eq!(byte_by_byte(head), head.len());
    group.bench_function(BenchmarkId::new("firstbyte, byte by byte", name), |b| {
        b.iter(|| byte_by_byte(black_box(head)));
    });
    group.finish();
}

/// What a slow sender costs: one call for each byte. Linear, as no byte is looked at again.
fn byte_by_byte(head: &[u8]) -> usize {
    let (mut parser, mut parsed, limits) = (HeadParser::default(), RequestHead::default(), Limits::default());
    for end in 1..=head.len() {
        if let Ok(Progress::Done { len }) = parser.parse(&head[..end], &limits, &mut parsed) {
            return len;
        }
    }
    panic!("not a whole head");
}

criterion_group! { name = benches; config = brief::criterion(); targets = head_parse }
criterion_main!(benches);
