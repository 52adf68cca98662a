use std::net::SocketAddr;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::counter::Counter;

use super::*;
use crate::http::durations::Durations;
use crate::http::tally::Reached;
use crate::http::test::{Answer, TestServer, call};
use crate::http::{Fault, Method, Server, Status};

fn watched() -> Watched {
    Watched { durations: Some(Durations::new()), ..Watched::default() }
}

async fn read(metrics: &Metrics, request: Request) -> Answer {
    call(&routes(Router::new(()), metrics.clone()).build().expect("one route"), request).await
}

async fn text(metrics: &Metrics) -> String {
    read(metrics, Request::get(PATH)).await.text().to_owned()
}

/// The samples whose names begin so, without their help.
fn samples(text: &str, name: &str) -> Vec<String> {
    text.lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect()
}

#[tokio::test]
async fn each_form_is_sent_as_what_it_is() {
    let metrics = Metrics::new(&watched(), false);
    for (accept, content_type, is_older) in [
        ("*/*", "text/plain; version=0.0.4; charset=utf-8", true),
        (
            "application/openmetrics-text;version=1.0.0,*/*;q=0.1",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            false,
        ),
    ] {
        let answer = read(&metrics, Request::get(PATH).with("Accept", accept)).await;
        assert_eq!((answer.status, answer.field("content-type")), (Status::OK, Some(content_type)));
        assert_eq!((answer.field("vary"), answer.field("cache-control")), (Some("Accept"), Some("no-store")));
        assert_eq!(answer.text().contains("# TYPE firstbyte_handler_panics_total counter"), is_older, "{accept}");
        assert_eq!(answer.text().ends_with("# EOF\n"), !is_older, "{accept}");
    }
}

#[tokio::test]
async fn clients_elsewhere_may_not_read_them_unless_they_are_let() {
    for (allow_remote, peer, host, expected) in [
        (false, "127.0.0.1:9", "localhost", Status::OK),
        (false, "192.0.2.1:9", "localhost", Status::FORBIDDEN),
        (false, "127.0.0.1:9", "evil.example", Status::MISDIRECTED_REQUEST),
        (true, "192.0.2.1:9", "node.example:8080", Status::OK),
    ] {
        let metrics = Metrics::new(&watched(), allow_remote);
        let peer = peer.parse::<SocketAddr>().expect("an address");
        let mut request = Request::get(PATH).with_peer(peer);
        request.fields_mut().set("Host", host).expect("a valid line");
        assert_eq!(read(&metrics, request).await.status, expected, "{peer} {host}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_are_shown_by_route_and_status() {
    let watched = watched();
    let routes = Router::new(()).route("GET /users/{id}", |(), _| async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        "ada"
    });
    let server = TestServer::new(Server::new(routes.build().expect("one route")).watched_by(&watched));
    let mut connection = server.connect();
    for request in ["GET /users/7", "GET /users/8", "GET /nothing", "BREW /users/7"] {
        connection.send(format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        connection.read_response().await;
    }
    tokio::time::resume();
    let text = text(&Metrics::new(&watched, false)).await;
    let mut counts = samples(&text, "http_server_request_duration_seconds_count");
    counts.sort();
    let expected = [
        r#"{http_request_method="GET",http_route="",http_response_status_code="404"} 1"#,
        r#"{http_request_method="GET",http_route="/users/{id}",http_response_status_code="200"} 2"#,
        r#"{http_request_method="_OTHER",http_route="",http_response_status_code="501"} 1"#,
    ];
    assert_eq!(counts, expected.map(|rest| format!("http_server_request_duration_seconds_count{rest}")));
    let found = samples(
        &text,
        r#"http_server_request_duration_seconds_bucket{le="0.025",http_request_method="GET",http_route="/u"#,
    );
    assert!(found.len() == 1 && found[0].ends_with("} 0"), "{found:?}");
    let found = samples(
        &text,
        r#"http_server_request_duration_seconds_bucket{le="0.05",http_request_method="GET",http_route="/u"#,
    );
    assert!(found.len() == 1 && found[0].ends_with("} 2"), "{found:?}");
    assert_eq!(samples(&text, r#"firstbyte_connections{state="idle"}"#), [r#"firstbyte_connections{state="idle"} 1"#]);
    assert_eq!(samples(&text, "firstbyte_connections_opened_total"), ["firstbyte_connections_opened_total 1"]);
    let received = samples(&text, "firstbyte_received_bytes_total");
    assert!(received.len() == 1 && !received[0].ends_with(" 0"), "{received:?}");
}

#[tokio::test]
async fn what_finds_no_room_says_so() {
    let watched = watched();
    let durations = watched.durations.as_ref().expect("they are counted");
    let codes = 100..1000;
    let kinds = Method::REGISTERED.into_iter().flat_map(|method| codes.clone().map(move |code| (method, code)));
    for (method, code) in kinds {
        let Some(status) = Status::new(code) else { continue };
        durations.record(Some(method), crate::http::route_id::RouteId::NONE, status, Duration::from_millis(1));
    }
    let text = text(&Metrics::new(&watched, false)).await;
    let series = samples(&text, "http_server_request_duration_seconds_count");
    let overflow = series.iter().filter(|sample| sample.contains("{otel_metric_overflow=\"true\"}")).count();
    assert!(series.len() <= SERIES_MAX + 1);
    assert_eq!(overflow, usize::from(durations.others().count() > 0));
}

#[tokio::test]
async fn what_was_refused_and_met_is_shown_under_its_name() {
    let watched = watched();
    watched.tally.refused(Fault::HeadTooLarge);
    watched.tally.reached(Reached::Idle);
    watched.tally.reached(Reached::Idle);
    let text = text(&Metrics::new(&watched, false)).await;
    assert!(text.contains("\nfirstbyte_refusals_total{code=\"H1-HEAD-001\"} 1\n"), "{text}");
    assert!(text.contains("\nfirstbyte_limits_reached_total{limit=\"idle_deadline\"} 2\n"), "{text}");
    assert!(text.contains("\nfirstbyte_limits_reached_total{limit=\"content_rate\"} 0\n"), "{text}");
    assert!(text.contains("\nfirstbyte_draining 0\n"));
    watched.shutdown.begin();
    assert!(self::text(&Metrics::new(&watched, false)).await.contains("\nfirstbyte_draining 1\n"));
}

#[tokio::test]
async fn the_process_tells_of_itself() {
    let text = text(&Metrics::new(&watched(), false)).await;
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_start_time_seconds",
        "process_threads",
        "firstbyte_runtime_tasks",
    ] {
        assert_eq!(samples(&text, &format!("{name} ")).len(), 1, "{name}");
    }
    let version = format!("firstbyte_build_info{{version=\"{}\",", env!("CARGO_PKG_VERSION"));
    assert_eq!(samples(&text, &version).len(), 1);
}

#[tokio::test]
async fn others_register_what_they_count() {
    let metrics = Metrics::new(&watched(), false);
    let hits = Counter::<u64>::default();
    metrics.register(|registry| registry.register("cache_hits", "Hits", hits.clone()));
    hits.inc_by(2);
    assert!(
        text(&metrics)
            .await
            .contains("# HELP cache_hits_total Hits.\n# TYPE cache_hits_total counter\ncache_hits_total 2\n")
    );
}

#[tokio::test]
async fn many_who_read_at_once_all_get_them() {
    let metrics = Metrics::new(&watched(), false);
    let reading: Vec<_> = (0..50)
        .map(|_| {
            let metrics = metrics.clone();
            tokio::spawn(async move { text(&metrics).await })
        })
        .collect();
    for read in reading {
        assert!(read.await.expect("no panic").contains("firstbyte_build_info"));
    }
}

#[derive(Debug)]
struct Broken(bool);

impl Collector for Broken {
    fn encode(&self, _: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        assert!(!self.0, "on purpose");
        Err(fmt::Error)
    }
}

#[tokio::test]
async fn one_that_fails_is_a_failure_and_no_end() {
    for panics in [false, true] {
        let metrics = Metrics::new(&watched(), false);
        metrics.register(|registry| registry.register_collector(Box::new(Broken(panics))));
        for _ in 0..2 {
            let answer = read(&metrics, Request::get(PATH)).await;
            assert_eq!(answer.status, Status::INTERNAL_SERVER_ERROR);
            assert!(!answer.text().contains("on purpose"), "{}", answer.text());
        }
    }
}
