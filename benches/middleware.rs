//! Time of a request through a chain of middleware. What one layer costs is the difference between two lengths; making
//! the request is in all of them.

mod brief;

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use firstbyte::http::middleware::{
    BodyLimit, Cors, Logger, RateLimit, Recover, RequestId, SecurityHeaders, Timeout, TrustedProxies,
};
use firstbyte::http::{Handler, Middleware, Request, Response, Status};
use firstbyte_benches::wire::{chained, runtime};

/// A layer that looks at the request and the response, and changes neither.
struct Pass;

impl Middleware for Pass {
    async fn handle<N: Handler>(&self, request: Request, next: &N) -> Response {
        black_box(request.method());
        let response = next.handle(request).await;
        black_box(response.status());
        response
    }
}

async fn hello(_: Request) -> &'static str {
    "Hello, World!"
}

fn middleware(criterion: &mut Criterion) {
    // Timeout asks the runtime for its clock.
    let runtime = runtime();
    let _entered = runtime.enter();
    measure(criterion, "0 layers", hello);
    measure(criterion, "1 layer", Pass.around(hello));
    measure(criterion, "2 layers", Pass.around(Pass.around(hello)));
    measure(criterion, "3 layers", Pass.around(Pass.around(Pass.around(hello))));
    measure(criterion, "4 layers", Pass.around(Pass.around(Pass.around(Pass.around(hello)))));
    measure(criterion, "5 layers", Pass.around(Pass.around(Pass.around(Pass.around(Pass.around(hello))))));
    measure(criterion, "RequestId", RequestId.around(hello));
    measure(criterion, "TrustedProxies", nobody_trusted().around(hello));
    measure(criterion, "Logger, nobody listens", Logger.around(hello));
    measure(criterion, "Recover", Recover.around(hello));
    measure(criterion, "SecurityHeaders", SecurityHeaders::default().around(hello));
    measure(criterion, "Cors", Cors::any().around(hello));
    measure(criterion, "RateLimit", unreached().around(hello));
    measure(criterion, "BodyLimit", BodyLimit::new(1024).around(hello));
    measure(criterion, "Timeout", Timeout::new(Duration::from_secs(5)).around(hello));
    measure(criterion, "all nine", chained(hello));
}

fn nobody_trusted() -> TrustedProxies {
    TrustedProxies::new([])
}

/// A limit that no bench reaches, and that remembers little.
fn unreached() -> RateLimit {
    RateLimit::new(u16::MAX, Duration::from_millis(1))
}

fn measure(criterion: &mut Criterion, name: &str, handler: impl Handler) {
    let response = answer(&handler);
    assert_eq!((response.status(), response.body().length()), (Status::OK, Some(13)));
    criterion.bench_function(&format!("middleware/{name}"), |b| b.iter(|| answer(black_box(&handler))));
}

/// The answer of a handler that need not wait.
fn answer(handler: &impl Handler) -> Response {
    let handling = pin!(handler.handle(Request::get("/plaintext")));
    match handling.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(response) => response,
        Poll::Pending => panic!("the handler waits"),
    }
}

criterion_group! { name = benches; config = brief::criterion(); targets = middleware }
criterion_main!(benches);
