use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Value, json};
use tokio::time::{advance, sleep};

use super::*;
use crate::http::router::Routes;
use crate::http::test::{Answer, call};

/// A server that leans on one thing, which is well as long as it is told to be.
struct Stage {
    routes: Routes,
    shutdown: Shutdown,
    is_well: Arc<AtomicBool>,
    checks: Arc<AtomicUsize>,
}

impl Stage {
    fn new() -> Stage {
        let (is_well, checks) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
        let (seen_well, counted) = (Arc::clone(&is_well), Arc::clone(&checks));
        let dependency = Dependency::new("redis", move || {
            counted.fetch_add(1, Relaxed);
            let is_well = seen_well.load(Relaxed);
            async move {
                sleep(Duration::from_millis(1)).await;
                if is_well { Ok(()) } else { Err("redis://user:secret@h: refused") }
            }
        });
        let shutdown = Shutdown::new();
        Stage { routes: of(&shutdown, vec![dependency]), shutdown, is_well, checks }
    }

    async fn ready(&self) -> Answer {
        call(&self.routes, Request::get("/readyz")).await
    }
}

fn of(shutdown: &Shutdown, dependencies: Vec<Dependency>) -> Routes {
    let health = Health::new(shutdown.clone(), dependencies);
    routes(Router::new(()), health).build().expect("two patterns that do not meet")
}

#[tokio::test(start_paused = true)]
async fn what_is_away_is_named_and_no_more() {
    let stage = Stage::new();
    let answer = stage.ready().await;
    assert_eq!((answer.status.code(), answer.text()), (200, "ready\nredis  ready\n"));
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    stage.is_well.store(false, Relaxed);
    sleep(FRESH_TIME).await;
    stage.ready().await;
    sleep(Duration::from_secs(12)).await;
    let answer = stage.ready().await;
    assert_eq!((answer.status.code(), answer.text()), (503, "not ready\nredis  away for 12 s\n"));
    assert_eq!(answer.field("retry-after"), Some("1"));
    stage.is_well.store(true, Relaxed);
    sleep(FRESH_TIME).await;
    assert_eq!(stage.ready().await.status.code(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_program_is_told_in_json() {
    let stage = Stage::new();
    stage.is_well.store(false, Relaxed);
    let answer = call(&stage.routes, Request::get("/readyz").with("Accept", "application/json")).await;
    assert_eq!(answer.status.code(), 503);
    let expected = json!({
        "ready": false,
        "draining": false,
        "dependencies": [{ "name": "redis", "ready": false, "away_seconds": 0 }],
    });
    assert_eq!(answer.json::<Value>(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_drains_lives_and_is_not_ready() {
    let stage = Stage::new();
    assert_eq!(stage.ready().await.status.code(), 200);
    stage.shutdown.begin();
    let answer = stage.ready().await;
    assert_eq!((answer.status.code(), answer.text()), (503, "not ready: draining\nredis  ready\n"), "at once");
    assert_eq!(call(&stage.routes, Request::get("/healthz")).await.text(), "alive\n");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_probes_is_one_look() {
    let stage = Stage::new();
    let routes = Arc::new(stage.routes);
    let mut probes = JoinSet::new();
    for _ in 0..1_000 {
        let routes = Arc::clone(&routes);
        probes.spawn(async move { call(&*routes, Request::get("/readyz")).await.status.code() });
    }
    assert!(probes.join_all().await.iter().all(|code| *code == 200));
    assert_eq!(stage.checks.load(Relaxed), 1);
    advance(FRESH_TIME).await;
    call(&*routes, Request::get("/readyz")).await;
    assert_eq!(stage.checks.load(Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn what_hangs_and_what_panics_is_away_like_what_fails() {
    async fn panics() -> Result<(), String> {
        panic!("a fault")
    }
    let dependencies = vec![
        Dependency::new("hangs", std::future::pending::<Result<(), String>>),
        Dependency::new("hangs too", std::future::pending::<Result<(), String>>),
        Dependency::new("panics", panics),
        Dependency::new("well", || async { Ok::<(), String>(()) }),
    ];
    let begun = Instant::now();
    let answer = call(&of(&Shutdown::new(), dependencies), Request::get("/readyz")).await;
    assert!(begun.elapsed() < CHECK_TIME * 2, "at once, and not one after the other");
    let expected =
        "not ready\nhangs      away for 0 s\nhangs too  away for 0 s\npanics     away for 0 s\nwell       ready\n";
    assert_eq!((answer.status.code(), answer.text()), (503, expected));
}
