//! Time to write the head of an answer: the shortest one, and one with the fields that middleware adds.

mod brief;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use firstbyte::http::date::{DateLine, imf_fixdate};
use firstbyte::http::h1::encode::{AnswerHead, Connection, encode_answer_head};
use firstbyte::http::h1::framing::AnswerContent;
use firstbyte::http::{Fields, Status};

const SHORT: &[(&str, &str)] = &[("Content-Type", "text/plain; charset=utf-8")];

const LONG: &[(&str, &str)] = &[
    ("Content-Type", "application/json"),
    ("X-Request-Id", "0198f3a2-6d1c-7b44-9c55-1f2e3d4c5b6a"),
    ("Access-Control-Allow-Origin", "https://firstbyte.example"),
    ("Vary", "Origin"),
    ("RateLimit-Policy", "\"minute\";q=100;w=60"),
    ("RateLimit", "\"minute\";r=99;t=60"),
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
];

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    for (name, status, lines) in [
        ("200, one field", Status::OK, SHORT),
        ("200, eight fields", Status::OK, LONG),
        ("404, eight fields", Status::NOT_FOUND, LONG),
    ] {
        let mut fields = Fields::new();
        lines.iter().for_each(|(name, value)| fields.append(name, value).expect("a field"));
        let date = DateLine::new(imf_fixdate(784_111_777));
        let content = AnswerContent::Length(1_234);
        let head = AnswerHead { status, fields: &fields, content, connection: Connection::Default, date };
        let mut out = Vec::with_capacity(1024);
        encode_answer_head(&head, false, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected(status, lines));
        group.throughput(Throughput::Bytes(out.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                encode_answer_head(black_box(&head), false, &mut out);
            });
        });
    }
    group.finish();
}

fn expected(status: Status, lines: &[(&str, &str)]) -> String {
    let lines: String = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!(
        "HTTP/1.1 {} {}\r\n{lines}Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: firstbyte\r\nContent-Length: 1234\r\n\r\n",
        status.code(),
        status.phrase()
    )
}

criterion_group! { name = benches; config = brief::criterion(); targets = encode }
criterion_main!(benches);
