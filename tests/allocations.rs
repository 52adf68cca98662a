//! What a request costs the heap: the driver of a connection that was idle, one boxed future a router crossed, nothing a
//! middleware, nothing else.
//!
//! The server runs as it does in production, over memory; every allocation of its thread is counted while requests go
//! through one at a time. The first ones fill the free lists and are not counted.

#![allow(unsafe_code, reason = "a global allocator cannot be written without")]
#![allow(clippy::unwrap_used, reason = "all of this is tests")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use firstbyte::http::durations::Durations;
use firstbyte::http::router::Routes;
use firstbyte::http::server::Watched;
use firstbyte::http::test::TestServer;
use firstbyte::http::{Handler, Middleware, Request, Response, Router, Server};
use firstbyte::net::memory::duplex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

struct Counting;

thread_local! {
    /// Of this thread alone: the harness of the tests allocates on another one when it likes.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: `place` came from `System`, by `alloc` or `realloc` above.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// A middleware that looks at the request and adds a field.
struct Stamp;

impl Middleware for Stamp {
    async fn handle<N: Handler>(&self, request: Request, next: &N) -> Response {
        let known = request.field("x-known").is_some();
        let response = next.handle(request).await;
        if known { response } else { response.with("X-Stamp", "seen") }
    }
}

async fn plaintext(_: Request) -> &'static str {
    "Hello, World!"
}

fn routes() -> Routes {
    Router::new(()).route("GET /text/plain", |(), request| plaintext(request)).build().unwrap()
}

fn mounted() -> Routes {
    Router::new(()).mount("/text", routes()).build().unwrap()
}

/// Allocations a request, which must be the same for each.
fn count(handler: impl Handler) -> usize {
    count_of(Server::new(handler))
}

/// The same where each request is counted.
fn count_counted(handler: impl Handler) -> usize {
    count_of(Server::new(handler).watched_by(&Watched { durations: Some(Durations::new()), ..Watched::default() }))
}

fn count_of(server: Server<impl Handler>) -> usize {
    const REQUEST: &[u8] = b"GET /text/plain HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nUser-Agent: test\r\n\r\n";
    const ROUNDS: usize = 100;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let server = TestServer::new(server);
        let (mut client, theirs) = duplex(64 * 1024);
        tokio::spawn(server.drive(([127, 0, 0, 1], 1).into(), theirs));
        let mut room = [0; 4096];
        let mut before = 0;
        for round in 0..2 * ROUNDS {
            if round == ROUNDS {
                before = ALLOCATIONS.get();
            }
            client.write_all(REQUEST).await.unwrap();
            let read = client.read(&mut room).await.unwrap();
            assert!(room[..read].starts_with(b"HTTP/1.1 200 ") && room[..read].ends_with(b"Hello, World!"));
        }
        let allocations = ALLOCATIONS.get() - before;
        assert_eq!(allocations % ROUNDS, 0, "{allocations} in {ROUNDS} requests");
        allocations / ROUNDS
    })
}

/// One test, so that nothing else allocates meanwhile.
#[test]
fn each_router_costs_one_allocation_and_all_else_none() {
    let five = |handler| Stamp.around(Stamp.around(Stamp.around(Stamp.around(Stamp.around(handler)))));
    let found = [
        ("a function", count(plaintext), 0),
        ("a function behind one middleware", count(Stamp.around(plaintext)), 0),
        ("a router", count(routes()), 1),
        ("a router behind one middleware", count(Stamp.around(routes())), 1),
        ("a router behind five middleware", count(five(routes())), 1),
        ("a router in a router", count(mounted()), 2),
        ("a function, counted", count_counted(plaintext), 0),
        ("a router in a router, counted", count_counted(mounted()), 2),
    ];
    for (what, allocations, expected) in found {
        println!("{what}: {allocations} allocations a request");
        assert_eq!(allocations, expected, "{what}: {found:?}");
    }
}
