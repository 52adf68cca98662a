//! What the workers do, under a clock that stands until everybody waits.

use std::io;
use std::net::SocketAddr;

use super::*;
use crate::http::client::public_only::{Network, Resolving};

const MS: Duration = Duration::from_millis(1);

fn answered(status: u16) -> Response {
    Response::new(Status::new(status).expect("a status"))
}

#[tokio::test(start_paused = true)]
async fn fifty_receivers_of_a_tenth_of_a_second_take_ten_workers_five_times_as_long() {
    let stage = stage(config(), async |_, _| {
        sleep(100 * MS).await;
        answered(204)
    });
    for number in 0..50 {
        stage.endpoint(&format!("http://r{number}.example/"), "*").await;
    }
    let asked = Instant::now();
    let event = stage.event("order.created").await;
    assert!(asked.elapsed() < MS, "nobody is waited for");
    let took = stage.done().await;
    assert!((500 * MS..520 * MS).contains(&took), "{took:?}");
    assert_eq!((stage.log.all().len(), stage.log.most.load(Relaxed)), (50, 10));
    for delivery in stage.deliveries(&event).await {
        assert_eq!(
            (&delivery["state"], &delivery["status"], &delivery["tries"]),
            (&json!("delivered"), &json!(204), &json!(1))
        );
        assert!(delivery["latency_ms"].as_u64().is_some_and(|ms| (100..=102).contains(&ms)), "{delivery}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_takes_its_share_and_the_others_do_not_wait_for_it() {
    let stage = stage(config(), async |host: String, _| {
        sleep(if host == "slow.example" { 10_000 * MS } else { 10 * MS }).await;
        answered(200)
    });
    for path in 0..20 {
        stage.endpoint(&format!("http://slow.example/{path}"), "*").await;
    }
    for number in 0..20 {
        stage.endpoint(&format!("http://quick{number}.example/"), "*").await;
    }
    stage.event("a").await;
    sleep(1_000 * MS).await;
    let quick = stage.log.all().iter().filter(|came| came.host != "slow.example").count();
    assert_eq!((stage.log.at("slow.example").len(), quick), (4, 20));
    let took = stage.done().await;
    assert!(took > 48_000 * MS, "five rounds of four: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_with_a_backlog_takes_no_worker_from_one_that_comes_later() {
    let config = WebhooksConfig { at_host_max: 10, ..config() };
    let stage = stage(config, async |_, _| {
        sleep(1_000 * MS).await;
        answered(200)
    });
    stage.endpoint("http://busy.example/", "busy").await;
    stage.endpoint("http://quiet.example/", "quiet").await;
    for _ in 0..100 {
        stage.event("busy").await;
    }
    sleep(100 * MS).await;
    assert_eq!(stage.log.most.load(Relaxed), 10);
    stage.event("quiet").await;
    sleep(1_000 * MS).await;
    assert_eq!(stage.log.at("quiet.example").len(), 1, "with the next worker that was free");
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again_later_and_later_under_the_same_name() {
    let stage = stage(config(), async |_, count| answered(if count < 6 { 500 } else { 200 }));
    let endpoint = stage.endpoint("http://a.example/x", "*").await;
    let event = stage.event("order.created").await;
    stage.done().await;
    let came = stage.log.at("a.example");
    assert_eq!(came.len(), 6);
    for one in &came {
        assert_eq!((&one.id, &one.content), (&came[0].id, &came[0].content));
        assert!(event.ends_with(&one.id));
        let signed = Signed { id: &one.id, timestamp: &one.timestamp, signature: &one.signature };
        let now = one.timestamp.parse().expect("seconds");
        assert_eq!(verify(&endpoint.secret, signed, &one.content, now), Ok(()));
        assert_eq!(verify(&Secret::random(), signed, &one.content, now), Err(signature::Unsigned::Wrong));
    }
    let content: Value = serde_json::from_slice(&came[0].content).expect("JSON");
    assert_eq!((&content["type"], &content["data"]), (&json!("order.created"), &json!({"n": 1})));
    assert_ne!(came[0].timestamp, came[5].timestamp, "each attempt has its own time");
    let [delivery] = stage.deliveries(&event).await.try_into().expect("one");
    let statuses: Vec<_> =
        delivery["attempts"].as_array().expect("a log").iter().map(|one| one["status"].clone()).collect();
    assert_eq!(statuses, [500, 500, 500, 500, 500, 200]);
    // Jitter: each wait is somewhere below its bound, which doubles. Five failures have opened the circuit, too: 10 s.
    let times = stage.log.times("a.example");
    for (at, pair) in times.windows(2).enumerate().take(4) {
        assert!(pair[1] - pair[0] <= 1_000 * (1 << at) + 20, "{times:?}");
    }
    assert!(times[5] - times[4] >= 10_000, "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn what_never_goes_well_is_given_up_and_can_be_replayed() {
    let mut config = config();
    (config.backoff.tries_max, config.breaker.consecutive_failures) = (3, u32::MAX);
    let stage = stage(config, async |_, count| answered(if count <= 3 { 404 } else { 200 }));
    stage.endpoint("http://a.example/", "*").await;
    let event = stage.event("a").await;
    stage.done().await;
    let [failed] = stage.deliveries(&event).await.try_into().expect("one");
    assert_eq!((&failed["state"], stage.log.all().len()), (&json!("failed"), 3));
    let replay = format!("/webhooks/deliveries/{}/replay", failed["id"].as_str().expect("a name"));
    assert_eq!(stage.post(&replay, json!({})).await.status, Status::ACCEPTED);
    stage.done().await;
    let [replayed] = stage.deliveries(&event).await.try_into().expect("one");
    assert_eq!((&replayed["state"], replayed["attempts"].as_array().map(Vec::len)), (&json!("delivered"), Some(4)));
    let came = stage.log.all();
    assert!(came.iter().all(|one| one.id == came[0].id));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_asks_for_time_is_given_it_within_bounds() {
    for (asked, least, most) in [("30", 30_000, 31_100), ("99999999", 300_000, 3_601_100), ("soon", 0, 1_100)] {
        let mut config = config();
        config.breaker.consecutive_failures = u32::MAX;
        let stage = stage(config, move |_, count| async move {
            if count == 1 { answered(503).with("Retry-After", asked) } else { answered(200) }
        });
        stage.endpoint("http://a.example/", "*").await;
        stage.event("a").await;
        stage.done().await;
        let times = stage.log.times("a.example");
        assert!((least..=most).contains(&(times[1] - times[0])), "{asked}: {times:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn gone_disables_its_endpoint_and_it_can_be_enabled_again() {
    let stage = stage(config(), async |_, count| answered(if count == 1 { 410 } else { 200 }));
    let endpoint = stage.endpoint("http://a.example/", "*").await;
    let event = stage.event("a").await;
    stage.done().await;
    assert_eq!(stage.deliveries(&event).await[0]["state"], "failed");
    let place = format!("/webhooks/endpoints/{}", endpoint.id);
    let shown: Value = stage.get(&place).await.json();
    assert_eq!((&shown["data"]["enabled"], &shown["data"]["disabled"]), (&json!(false), &json!("gone")));
    let none: Value = stage.post("/webhooks/events", json!({"type": "a", "data": 1})).await.json();
    assert_eq!(none["data"]["deliveries"], 0);
    assert_eq!(stage.post(&format!("{place}/enable"), json!({})).await.status, Status::OK);
    let event = stage.event("a").await;
    stage.done().await;
    assert_eq!(stage.deliveries(&event).await[0]["state"], "delivered");
}

#[tokio::test(start_paused = true)]
async fn no_redirection_is_followed() {
    for status in [301, 302, 303, 307, 308] {
        let mut config = config();
        config.backoff.tries_max = 1;
        let stage = stage(config, move |host: String, _| async move {
            match host.as_str() {
                "a.example" => answered(status).with("Location", "http://inside.example/secrets"),
                _ => answered(200),
            }
        });
        stage.endpoint("http://a.example/", "*").await;
        let event = stage.event("a").await;
        stage.done().await;
        let [delivery] = stage.deliveries(&event).await.try_into().expect("one");
        assert_eq!((&delivery["state"], &delivery["status"]), (&json!("failed"), &json!(status)));
        assert!(stage.log.at("inside.example").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_hangs_holds_its_worker_for_fifteen_seconds() {
    let mut config = config();
    config.backoff.tries_max = 1;
    config.try_time = Duration::from_secs(3_600);
    config.lease = Duration::from_secs(20);
    let stage = stage(config, async |_, _| std::future::pending().await);
    stage.endpoint("http://a.example/", "*").await;
    let event = stage.event("a").await;
    let took = stage.done().await;
    assert!((15_000 * MS..15_100 * MS).contains(&took), "{took:?}");
    let [delivery] = stage.deliveries(&event).await.try_into().expect("one");
    assert_eq!((&delivery["state"], &delivery["status"]), (&json!("failed"), &Value::Null));
    assert_eq!(delivery["attempts"][0]["error"], "time ran out before an answer");
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let pieces = Arc::new(AtomicUsize::new(0));
    let sent = Arc::clone(&pieces);
    let stage = stage(config(), move |_, _| {
        let sent = Arc::clone(&sent);
        async move {
            let (sender, body) = crate::http::Body::channel(1);
            tokio::spawn(async move {
                while sender.send(vec![b'x'; 16 * 1024]).await.is_ok() {
                    sent.fetch_add(1, Relaxed);
                }
            });
            Response::text(body)
        }
    });
    stage.endpoint("http://a.example/", "*").await;
    let event = stage.event("a").await;
    let took = stage.done().await;
    assert!(took < 600 * MS, "{took:?}");
    let taken = pieces.load(Relaxed) * 16 * 1024;
    assert!((64 * 1024..512 * 1024).contains(&taken), "{taken}: 64 KiB, and what is on its way");
    assert_eq!(stage.deliveries(&event).await[0]["state"], "delivered", "the status is the answer");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_fails_is_left_alone_and_the_others_are_not() {
    let stage = stage(config(), async |host: String, _| answered(if host == "down.example" { 503 } else { 200 }));
    for path in 0..30 {
        stage.endpoint(&format!("http://down.example/{path}"), "*").await;
    }
    stage.endpoint("http://up.example/", "*").await;
    stage.event("a").await;
    sleep(9_000 * MS).await;
    let tried = stage.log.at("down.example").len();
    assert!((5..=8).contains(&tried), "{tried}: four at a time until five have failed");
    assert_eq!(stage.log.at("up.example").len(), 1);
    sleep(8_000 * MS).await;
    assert_eq!(stage.log.at("down.example").len(), tried + 1, "one probe");
    let states = |circuit: &str| format!("webhooks_circuits{{state=\"{circuit}\"}} 1");
    let mut registry = Registry::default();
    stage.webhooks.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).expect("text");
    assert!(text.contains(&states("open")), "{text}");
    assert!(text.contains("webhooks_attempts_total{outcome=\"delivered\"} 1"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn both_secrets_sign_for_a_day_after_one_was_replaced() {
    let stage = stage(config(), async |_, _| ok().await);
    let endpoint = stage.endpoint("http://a.example/", "*").await;
    let rotated: Value = stage.post(&format!("/webhooks/endpoints/{}/rotate", endpoint.id), json!({})).await.json();
    let new: Secret = rotated["data"]["secret"].as_str().expect("told once").parse().expect("a secret");
    for hours in [0, 23, 2] {
        sleep(Duration::from_secs(hours * 3_600)).await;
        stage.event("a").await;
        stage.done().await;
    }
    let verified: Vec<_> = stage
        .log
        .all()
        .iter()
        .map(|one| {
            let signed = Signed { id: &one.id, timestamp: &one.timestamp, signature: &one.signature };
            let now = one.timestamp.parse().expect("seconds");
            [&new, &endpoint.secret].map(|secret| verify(secret, signed, &one.content, now).is_ok())
        })
        .collect();
    assert_eq!(verified, [[true, true], [true, true], [true, false]]);
}

#[tokio::test(start_paused = true)]
async fn memory_drains_for_a_while_and_what_is_left_is_lost() {
    let stage = stage(config(), async |host: String, _| {
        let ms = if host.starts_with("slow") { 60_000 } else { 500 };
        sleep(ms * MS).await;
        answered(200)
    });
    for number in 0..30 {
        stage.endpoint(&format!("http://quick{number}.example/"), "*").await;
    }
    stage.endpoint("http://slow.example/", "*").await;
    stage.event("a").await;
    sleep(10 * MS).await;
    let begun = Instant::now();
    stage.shutdown.begin();
    stage.webhooks.end().await;
    assert!((4_900 * MS..5_100 * MS).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert_eq!(stage.log.all().len(), 31, "what was pending went on");
    let backlog = stage.webhooks.store().backlog().await.expect("a store");
    assert_eq!((backlog.pending, backlog.at_work), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_second_signal_waits_for_nobody() {
    let stage = stage(config(), async |_, _| std::future::pending().await);
    stage.endpoint("http://a.example/", "*").await;
    stage.event("a").await;
    sleep(10 * MS).await;
    stage.shutdown.force();
    let begun = Instant::now();
    stage.webhooks.end().await;
    assert!(begun.elapsed() < 10 * MS);
}

#[tokio::test(start_paused = true)]
async fn one_that_never_answers_keeps_no_event_from_the_others() {
    let stage = stage(config(), async |host: String, _| {
        if host == "dead.example" {
            std::future::pending::<()>().await;
        }
        answered(200)
    });
    let dead = stage.endpoint("http://dead.example/", "*").await;
    stage.endpoint("http://up.example/", "*").await;
    for _ in 0..1_500 {
        stage.event("a").await;
        sleep(MS).await;
    }
    sleep(1_000 * MS).await;
    assert_eq!(stage.log.at("up.example").len(), 1_500);
    let backlog = stage.webhooks.store().backlog().await.expect("a store");
    assert_eq!(backlog.pending, stage.webhooks.config().store.pending_at_endpoint_max as u64);
    let newest = stage.webhooks.store().deliveries(dead.id, 1).await.expect("a store").expect("an endpoint");
    assert_eq!((newest[0].delivery.state, newest[0].delivery.tries), (domain::State::Failed, 0), "given up, untried");
}

#[tokio::test(start_paused = true)]
async fn who_was_not_asked_for_long_has_not_failed_for_long() {
    let mut config = config();
    let minutes = async |minutes: u64| sleep(Duration::from_secs(minutes * 60)).await;
    (config.backoff.tries_max, config.failing_max) = (2, Duration::from_secs(30 * 60));
    let stage = stage(config, async |_, _| answered(500));
    let endpoint = stage.endpoint("http://a.example/", "*").await;
    let disabled = async || stage.webhooks.store().endpoint(endpoint.id).await.expect("a store").expect("it").disabled;
    stage.event("a").await;
    stage.done().await;
    minutes(40).await;
    let event = stage.event("a").await;
    stage.done().await;
    assert_eq!(disabled().await, None, "so long after the last failure it begins anew");
    assert_eq!(stage.deliveries(&event).await[0]["attempts"].as_array().map(Vec::len), Some(2), "with all its tries");
    for _ in 0..4 {
        minutes(9).await;
        stage.event("a").await;
        stage.done().await;
    }
    assert_eq!(disabled().await, Some(domain::Disabled::Failing), "one that fails all the time has");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_left_alone_is_told_of() {
    let stage = stage(config(), async |_, _| answered(503));
    stage.endpoint("http://down.example/", "*").await;
    assert!(!stage.get("/webhooks").await.text().contains("down.example:80 is"));
    for _ in 0..5 {
        stage.event("a").await;
    }
    sleep(5_000 * MS).await;
    let shown = stage.get("/webhooks").await;
    assert!(shown.text().contains("down.example:80 is open, asked again in"), "{}", shown.text());
    let (_, circuits, _) = stage.webhooks.watch();
    assert_eq!((&*circuits[0].host, circuits[0].state), ("down.example:80", "open"));
}

/// A network in which the name leads to this machine: as one does that was public when it was registered.
#[derive(Clone, Default)]
struct Rebinding {
    asked: Arc<AtomicUsize>,
    dialled: Arc<AtomicUsize>,
}

impl Network for Rebinding {
    fn resolve<'a>(&'a self, _: &'a str, port: u16) -> Resolving<'a> {
        self.asked.fetch_add(1, Relaxed);
        Box::pin(async move { Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]) })
    }

    fn dial(&self, _: SocketAddr) -> Connecting<'_> {
        self.dialled.fetch_add(1, Relaxed);
        Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_leads_inside_by_now_is_not_dialled() {
    let mut config = config();
    config.backoff.tries_max = 3;
    let (network, shutdown) = (Rebinding::default(), Shutdown::new());
    let store = Store::memory(config.store, config.clock.clone());
    let webhooks = Webhooks::over(config, store, shutdown.clone(), PublicOnly::over(network.clone(), false));
    let stage = Stage { routes: table_of(webhooks.clone()), webhooks, log: Log::default(), shutdown };
    stage.endpoint("http://rebinds.example/", "*").await;
    let event = stage.event("a").await;
    stage.done().await;
    let [delivery] = stage.deliveries(&event).await.try_into().expect("one");
    assert_eq!(delivery["attempts"][0]["error"], "the host cannot be found, or is not public");
    assert_eq!((network.asked.load(Relaxed), network.dialled.load(Relaxed)), (3, 0), "looked up at each connection");
}

#[tokio::test(start_paused = true)]
async fn the_demonstration_reaches_its_receivers_and_needs_no_hole() {
    let stage = stage(config(), async |_, _| answered(500));
    let demo = json!({"receivers": 50, "latency_ms": 100, "failing": 5});
    let answer = stage.post("/webhooks/demo", demo.clone()).await;
    assert_eq!(answer.status, Status::ACCEPTED, "{}", answer.text());
    let event = answer.field("location").expect("a place").to_owned();
    stage.done().await;
    let deliveries = stage.deliveries(&event).await;
    assert_eq!(deliveries.len(), 50);
    for (at, delivery) in deliveries.iter().enumerate() {
        let attempts = if at < 5 { 3 } else { 1 };
        assert_eq!(delivery["state"], "delivered", "{delivery}");
        assert_eq!(delivery["attempts"].as_array().map(Vec::len), Some(attempts), "{delivery}");
    }
    assert!(stage.log.all().is_empty(), "nothing went anywhere else");
    assert_eq!(stage.post("/webhooks/demo", demo).await.status, Status::ACCEPTED);
    assert_eq!(stage.webhooks.store().endpoints().await.expect("a store").len(), 50, "and none twice");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_takes_nothing_that_is_not_signed() {
    let stage = stage(config(), async |_, _| ok().await);
    let now = stage.webhooks.now().as_second();
    let send = async |timestamp: i64, signature: String| {
        let request = Request::post("/webhooks/demo/receivers/7", "{}")
            .with(signature::ID, "msg_1")
            .with(signature::TIMESTAMP, timestamp.to_string())
            .with(signature::SIGNATURE, signature);
        call(&stage.routes, request).await.status.code()
    };
    let sign = |receiver: usize, timestamp: i64| demo::secret(receiver).sign("msg_1", timestamp, b"{}");
    assert_eq!(send(now, sign(7, now)).await, 204);
    assert_eq!(send(now, sign(8, now)).await, 401, "another receiver's");
    assert_eq!(send(now - 301, sign(7, now - 301)).await, 401, "a copy of it, later");
    assert_eq!(send(now + 1, sign(7, now)).await, 401);
    let unsigned = call(&stage.routes, Request::post("/webhooks/demo/receivers/7", "{}")).await;
    assert_eq!(unsigned.status.code(), 401);
}

#[test]
fn a_host_is_its_name_and_port() {
    let url = |text: &str| crate::http::Url::parse(text).expect("a URL").origin();
    assert_eq!(host_of(&url("http://A.example/")), "a.example:80");
    assert_eq!(host_of(&url("http://[::1]:8080/")), "[::1]:8080");
}
