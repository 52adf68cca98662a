use serde_json::{Value, json};

use super::*;
use crate::app::queue::domain::{JobId, KEY_BYTES_MAX};
use crate::app::queue::{Kinds, Workers, WorkersConfig, demo};
use crate::http::test::{Answer, call};
use crate::http::{Method, Request, Status};
use crate::net::shutdown::Shutdown;

/// The application over memory.
struct Stage<H> {
    handler: H,
}

fn stage(config: JobsConfig) -> Stage<impl Handler> {
    let queue = Queue::memory(QueueConfig::default());
    Stage { handler: routes(config, queue.clone(), Schedules::memory(queue)) }
}

impl<H: Handler> Stage<H> {
    async fn call(&self, request: Request) -> Answer {
        self.call_from("127.0.0.1:9", request).await
    }

    async fn call_from(&self, peer: &str, request: Request) -> Answer {
        call(&self.handler, request.with_peer(peer.parse::<std::net::SocketAddr>().expect("an address"))).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Request::get(path)).await
    }

    async fn post(&self, path: &str, content: &Value) -> Answer {
        self.call(Request::post(path, content.to_string()).with("Content-Type", "application/json")).await
    }

    async fn form(&self, path: &str, content: &str) -> Answer {
        let request = Request::post(path, content.to_owned());
        self.call(request.with("Content-Type", "application/x-www-form-urlencoded")).await
    }

    /// A job of `kind`, as it was answered.
    async fn job(&self, kind: &str) -> Value {
        let answer = self.post("/jobs/api/jobs", &json!({"kind": kind, "payload": {"n": 1}})).await;
        assert_eq!(answer.status, Status::ACCEPTED, "{}", answer.text());
        answer.json::<Value>()["data"].clone()
    }
}

fn id(job: &Value) -> &str {
    job["id"].as_str().expect("an id")
}

#[tokio::test]
async fn a_job_is_accepted_and_found_where_it_was_said() {
    let stage = stage(JobsConfig::default());
    let asked = json!({"kind": "echo", "payload": [1, "é"], "priority": -3, "delay_ms": 60_000, "tries_max": 2, "timeout_ms": 1_500});
    let answer = stage.post("/jobs/api/jobs", &asked).await;
    assert_eq!(answer.status, Status::ACCEPTED);
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    assert_eq!(answer.field("idempotency-replayed"), None);
    let place = answer.field("location").expect("a place").to_owned();
    let found: Value = stage.get(&place).await.json();
    assert_eq!(found, answer.json::<Value>());
    let job = &found["data"];
    assert_eq!((&job["kind"], &job["payload"], &job["state"]), (&json!("echo"), &json!([1, "é"]), &json!("scheduled")));
    assert_eq!((&job["priority"], &job["tries_max"], &job["timeout_ms"]), (&json!(-3), &json!(2), &json!(1_500)));
}

#[tokio::test]
async fn a_key_makes_a_request_safe_to_be_sent_again() {
    let stage = stage(JobsConfig::default());
    let keyed = |content: Value, key: &str| {
        let request = Request::post("/jobs/api/jobs", content.to_string()).with("Content-Type", "application/json");
        stage.call(request.with("Idempotency-Key", key))
    };
    let content = json!({"kind": "echo", "payload": 1});
    let first = keyed(content.clone(), "a").await;
    let again = keyed(content.clone(), "a").await;
    assert_eq!((first.status, again.status), (Status::ACCEPTED, Status::ACCEPTED));
    assert_eq!(first.json::<Value>()["data"]["id"], again.json::<Value>()["data"]["id"]);
    assert_eq!((first.field("idempotency-replayed"), again.field("idempotency-replayed")), (None, Some("true")));
    let other = keyed(json!({"kind": "echo", "payload": 2}), "a").await;
    assert_eq!((other.status.code(), code(&other).as_str()), (422, "key_reused"));
    for key in ["", "schedule:nightly:1767312000", &"k".repeat(KEY_BYTES_MAX + 1)] {
        let refused = keyed(content.clone(), key).await;
        assert_eq!((refused.status.code(), code(&refused).as_str()), (400, "invalid_key"), "{key}");
    }
    let request = Request::post("/jobs/api/jobs", content.to_string()).with("Content-Type", "application/json");
    let twice = stage.call(request.with("Idempotency-Key", "b").with("Idempotency-Key", "c")).await;
    assert_eq!(code(&twice), "invalid_key");
}

fn code(answer: &Answer) -> String {
    assert_eq!(answer.field("content-type"), Some("application/problem+json"), "{}", answer.text());
    let problem: Value = answer.json();
    assert_eq!(problem["status"], answer.status.code());
    problem["code"].as_str().expect("a code").to_owned()
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once_with_its_place() {
    let stage = stage(JobsConfig::default());
    let check = async |path: &str, content: Value, expected: &[(&str, &str)]| {
        let answer = stage.post(path, &content).await;
        assert_eq!((answer.status.code(), code(&answer).as_str()), (422, "invalid"), "{content}");
        let problem: Value = answer.json();
        let wrongs = problem["errors"].as_array().expect("errors");
        let wrongs: Vec<_> =
            wrongs.iter().map(|wrong| (wrong["pointer"].as_str().unwrap(), wrong["code"].as_str().unwrap())).collect();
        assert_eq!(wrongs, expected, "{content}");
    };
    let jobs = "/jobs/api/jobs";
    check(jobs, json!([]), &[("", "invalid")]).await;
    check(jobs, json!({}), &[("/kind", "missing")]).await;
    check(jobs, json!({"kind": null, "a/b": 1}), &[("/kind", "missing"), ("/a~1b", "unknown")]).await;
    for kind in [json!("Echo"), json!(""), json!(7), json!("a b"), json!("a".repeat(65))] {
        check(jobs, json!({"kind": kind}), &[("/kind", "invalid")]).await;
    }
    let many = json!({"kind": "", "priority": 40_000, "delay_ms": -1, "run_at": "tomorrow", "tries_max": 0, "timeout_ms": 0.5});
    let places =
        ["/kind", "/priority", "/delay_ms", "/run_at", "/tries_max", "/timeout_ms"].map(|place| (place, "invalid"));
    check(jobs, many, &places).await;
    let both = json!({"kind": "echo", "delay_ms": 1, "run_at": "2026-01-01T00:00:00Z"});
    check(jobs, both, &[("/delay_ms", "contradictory")]).await;
    check(jobs, json!({"kind": "echo", "run_at": "2999-01-01T00:00:00Z"}), &[("/run_at", "invalid")]).await;
    let large = json!({"kind": "echo", "payload": "x".repeat(PAYLOAD_BYTES_MAX)});
    check(jobs, large, &[("/payload", "too_large")]).await;
    let schedules = "/jobs/api/schedules";
    check(schedules, json!({}), &[("/name", "missing"), ("/cron", "missing"), ("/kind", "missing")]).await;
    let wrong = json!({"name": "A", "cron": "0 0 30 2 *", "zone": "Mars", "kind": "echo", "enabled": "yes"});
    let places = ["/name", "/cron", "/zone", "/enabled"].map(|place| (place, "invalid"));
    check(schedules, wrong, &places).await;
}

#[tokio::test]
async fn whatever_is_refused_is_a_problem() {
    let stage = stage(JobsConfig::default());
    let check = async |request: Request, status: u16| {
        let name = format!("{} {}", request.method(), request.target_path());
        let answer = stage.call(request).await;
        assert_eq!(answer.status.code(), status, "{name}");
        assert!(!code(&answer).is_empty(), "{name}");
    };
    let json =
        |path: &str, content: &str| Request::post(path, content.to_owned()).with("Content-Type", "application/json");
    check(json("/jobs/api/jobs", "{"), 400).await;
    check(Request::post("/jobs/api/jobs", "kind=echo"), 415).await;
    check(json("/jobs/api/jobs", &" ".repeat(97 * 1024)), 413).await;
    check(Request::get("/jobs/api/jobs?limit=0"), 400).await;
    check(Request::get("/jobs/api/jobs?limit=101"), 400).await;
    check(Request::get("/jobs/api/jobs?limit=x"), 400).await;
    check(Request::get("/jobs/api/jobs?state=gone"), 400).await;
    check(Request::get("/jobs/api/jobs?kind=A"), 400).await;
    check(Request::get("/jobs/api/jobs?after=1"), 400).await;
    check(Request::get("/jobs/api/jobs?page=1"), 400).await;
    check(Request::get("/jobs/api/jobs/1"), 400).await;
    check(Request::get(&format!("/jobs/api/jobs/{}", JobId::new())), 404).await;
    check(Request::get("/jobs/api/nowhere"), 404).await;
    check(Request::of(Method::DELETE, "/jobs/api/jobs"), 405).await;
    check(Request::post(&format!("/jobs/api/jobs/{}/cancel", JobId::new()), ""), 404).await;
    check(Request::get("/jobs/api/schedules/none"), 404).await;
    check(Request::of(Method::DELETE, "/jobs/api/schedules/none"), 404).await;
    check(Request::get("/jobs/api/next"), 400).await;
    check(Request::get("/jobs/api/next?cron=1+2+3"), 400).await;
    check(Request::get("/jobs/api/next?cron=@daily&zone=CEST"), 400).await;
    check(json("/jobs/api/jobs", "{}").with("Origin", "http://evil.example"), 403).await;
}

#[tokio::test]
async fn a_list_leads_on_to_its_end() {
    let stage = stage(JobsConfig::default());
    for _ in 0..5 {
        stage.job("listed").await;
        stage.job("other").await;
    }
    let (mut place, mut seen, mut pages) = ("/jobs/api/jobs?kind=listed&state=ready&limit=2".to_owned(), Vec::new(), 0);
    loop {
        let answer = stage.get(&place).await;
        let page: Value = answer.json();
        seen.extend(page["data"].as_array().unwrap().iter().map(|job| id(job).to_owned()));
        pages += 1;
        let link = answer.field("link").map(str::to_owned);
        assert_eq!(link.is_some(), !page["meta"]["next"].is_null());
        let Some(link) = link else { break };
        place = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap().to_owned();
    }
    assert_eq!((seen.len(), pages), (5, 3));
    assert!(seen.is_sorted_by(|newer, older| newer > older));
}

#[tokio::test]
async fn a_job_is_cancelled_and_tried_again_where_its_state_allows() {
    let stage = stage(JobsConfig::default());
    let job = stage.job("echo").await;
    let to = async |what: &str| stage.post(&format!("/jobs/api/jobs/{}/{what}", id(&job)), &json!({})).await;
    assert_eq!(code(&to("discard").await), "wrong_state");
    assert_eq!(code(&to("retry").await), "wrong_state");
    let cancelled = to("cancel").await;
    assert_eq!(cancelled.json::<Value>()["data"]["state"], "cancelled");
    let again = to("cancel").await;
    assert_eq!((again.status.code(), code(&again).as_str()), (409, "wrong_state"));
    assert_eq!(to("retry").await.json::<Value>()["data"]["state"], "ready");
    let counts: Value = stage.get("/jobs/api/counts").await.json();
    assert_eq!(counts["data"]["by"], json!([{"state": "ready", "kind": "echo", "jobs": 1}]));
}

#[tokio::test]
async fn a_schedule_is_made_rests_and_goes() {
    let stage = stage(JobsConfig::default());
    let asked = json!({"name": "nightly", "cron": "30 2 * * *", "zone": "europe/berlin", "kind": "echo"});
    let created = stage.post("/jobs/api/schedules", &asked).await;
    assert_eq!(created.status, Status::CREATED);
    let place = created.field("location").unwrap().to_owned();
    let schedule = created.json::<Value>()["data"].clone();
    assert_eq!((&schedule["zone"], &schedule["enabled"]), (&json!("Europe/Berlin"), &json!(true)));
    assert!(schedule["next_run_at"].is_string() && schedule["last_run_at"].is_null(), "{schedule}");
    assert_eq!(code(&stage.post("/jobs/api/schedules", &asked).await), "schedule_taken");
    let rested = stage.post(&format!("{place}/disable"), &json!({})).await.json::<Value>();
    assert_eq!((&rested["data"]["enabled"], &rested["data"]["next_run_at"]), (&json!(false), &Value::Null));
    assert_eq!(stage.post(&format!("{place}/enable"), &json!({})).await.json::<Value>()["data"]["enabled"], true);
    assert_eq!(stage.get("/jobs/api/schedules").await.json::<Value>()["data"][0]["name"], "nightly");
    assert_eq!(stage.call(Request::of(Method::DELETE, &place)).await.status, Status::NO_CONTENT);
    assert_eq!(stage.get(&place).await.status, Status::NOT_FOUND);
}

#[tokio::test]
async fn an_expression_tells_when_it_would_run() {
    let stage = stage(JobsConfig::default());
    let query = "cron=30+2+*+*+*&zone=Europe/Berlin&after=2026-03-28T12:00:00Z&count=2";
    let next: Value = stage.get(&format!("/jobs/api/next?{query}")).await.json();
    assert_eq!(next["data"], json!(["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]));
}

#[tokio::test]
async fn nobody_elsewhere_gets_in_unless_it_was_said() {
    for (allow_remote, expected) in [(false, 403), (true, 200)] {
        let stage = stage(JobsConfig { allow_remote, ..JobsConfig::default() });
        for path in ["/jobs", "/jobs/api/jobs"] {
            let answer = stage.call_from("192.0.2.7:9", Request::get(path)).await;
            assert_eq!(answer.status.code(), expected, "{path}");
        }
    }
    let stage = stage(JobsConfig::default());
    for (name, value, expected) in
        [("Host", "evil.example", 421), ("X-Forwarded-For", "127.0.0.1", 403), ("Host", "localhost:8080", 200)]
    {
        let mut request = Request::get("/jobs");
        request.fields_mut().set(name, value).expect("a line");
        let answer = stage.call(request).await;
        assert_eq!(answer.status.code(), expected, "{name}: {value}");
    }
}

#[tokio::test]
async fn the_page_shows_jobs_and_its_forms_lead_back() {
    let stage = stage(JobsConfig { kinds: vec![KindName::known("echo")], ..JobsConfig::default() });
    assert!(stage.get("/jobs").await.text().contains("There are none."));
    let form = "kind=echo&payload=%7B%22a%22%3A+%22%3Cb%3E%22%7D&delay_ms=60000&tries_max=&key=form%3A1";
    let sent = stage.form("/jobs/enqueue", form).await;
    assert_eq!(sent.status, Status::SEE_OTHER, "{}", sent.text());
    let place = sent.field("location").unwrap().to_owned();
    assert_eq!(stage.form("/jobs/enqueue", form).await.field("location"), Some(place.as_str()), "a double click");
    let job = stage.get(&place).await;
    assert!(job.text().contains("&lt;b&gt;") && !job.text().contains("<b>\""), "{}", job.text());
    let list = stage.get("/jobs?state=scheduled&kind=&after=").await;
    assert!(list.text().contains(&format!("action=\"{place}/cancel\"")), "{}", list.text());
    assert!(list.field("content-security-policy").unwrap().contains("form-action 'self'"));
    assert_eq!(stage.form(&format!("{place}/cancel"), "").await.field("location"), Some(place.as_str()));
    let refused = stage.form(&format!("{place}/discard"), "").await;
    assert_eq!(refused.status, Status::CONFLICT);
    assert!(
        refused.text().contains("The job is cancelled: that cannot be done with it any more."),
        "{}",
        refused.text()
    );
    assert_eq!(stage.get("/jobs/none").await.status, Status::BAD_REQUEST);
    assert_eq!(stage.get(&format!("/jobs/{}", JobId::new())).await.status, Status::NOT_FOUND);
    assert_eq!(stage.get("/jobs?state=odd").await.status, Status::BAD_REQUEST);
    let wrong = stage.form("/jobs/enqueue", "kind=echo&payload=%7B").await;
    assert_eq!(wrong.status, Status::UNPROCESSABLE_CONTENT);
    assert!(wrong.text().contains("Payload is no JSON"), "{}", wrong.text());
    let foreign = Request::post("/jobs/enqueue", form).with("Sec-Fetch-Site", "cross-site");
    assert_eq!(stage.call(foreign).await.status, Status::FORBIDDEN);
}

#[tokio::test]
async fn the_page_makes_schedules_and_ends_them() {
    let stage = stage(JobsConfig::default());
    let form = "name=nightly&cron=*%2F5+*+*+*+*&zone=&kind=echo&payload=";
    assert_eq!(stage.form("/jobs/schedules", form).await.field("location"), Some("/jobs#schedules"));
    assert!(stage.get("/jobs").await.text().contains("<code>*/5 * * * *</code>"));
    let wrong = stage.form("/jobs/schedules", "name=x&kind=echo&cron=61+*+*+*+*").await;
    assert!(wrong.text().contains("Cron minute: 61 is not in 0-59, at byte 0."), "{}", wrong.text());
    for verb in ["disable", "enable", "delete"] {
        assert_eq!(stage.form(&format!("/jobs/schedules/nightly/{verb}"), "").await.status, Status::SEE_OTHER);
    }
    assert_eq!(stage.form("/jobs/schedules/nightly/delete", "").await.status, Status::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_tried_again_in_bounded_numbers() {
    let queue = Queue::memory(QueueConfig::default());
    let stage = Stage { handler: routes(JobsConfig::default(), queue.clone(), Schedules::memory(queue.clone())) };
    let retried = async |query: &str| {
        let answer = stage.post(&format!("/jobs/api/dead/retry{query}"), &json!({})).await;
        answer.json::<Value>()["data"].clone()
    };
    assert_eq!(retried("").await, json!({"retried": 0, "more": false}));
    let workers = Workers::start(queue, demo::kinds(Kinds::new(), None), WorkersConfig::default(), Shutdown::new());
    for _ in 0..3 {
        stage.post("/jobs/api/jobs", &json!({"kind": "fail", "tries_max": 1})).await;
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    workers.end().await;
    assert!(stage.get("/jobs?state=dead").await.text().contains("it fails each time"));
    assert_eq!(retried("?kind=echo").await, json!({"retried": 0, "more": false}));
    assert_eq!(retried("?limit=2").await, json!({"retried": 2, "more": true}));
    assert_eq!(stage.form("/jobs/dead/retry", "").await.field("location"), Some("/jobs"));
    assert_eq!(retried("?kind=fail").await, json!({"retried": 0, "more": false}));
}

#[test]
fn its_bounds_have_names_of_their_own() {
    let config = JobsConfig::default();
    let names: std::collections::HashSet<_> = config.bounds().iter().map(|bound| bound.name).collect();
    assert_eq!(names.len(), config.bounds().len());
    assert!(names.iter().all(|name| name.starts_with("jobs_")));
}
