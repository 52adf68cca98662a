//! A server whose Redis and PostgreSQL go and come back: it lives on, says at once which one it lacks, and is ready again by
//! itself.

use std::time::{Duration, Instant};

use crate::database::Database;
use crate::server::{Server, wait_for};
use crate::services::{Kind, Service};

/// No page waits for a service that is away. What is promised is a tenth of this; other tests run at the same time.
const TOLD_TIME: Duration = Duration::from_millis(2_500);

/// The status of a page and its content.
fn get(server: &Server, path: &str) -> (u16, String) {
    let asked = Instant::now();
    let answer = server.exchange(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes());
    assert!(asked.elapsed() < TOLD_TIME, "{path} took {:?}", asked.elapsed());
    let (head, content) = answer.split_once("\r\n\r\n").unwrap();
    let status: u16 = head[9..12].parse().unwrap();
    assert_eq!(head.contains("\r\nRetry-After: 1\r\n"), status == 503, "{head}");
    (status, content.to_owned())
}

/// Waits until `/readyz` is answered with `status` and has all of `words`.
fn ready(server: &Server, status: u16, words: &[&str]) {
    wait_for(&format!("{status} {words:?}"), || {
        let (seen, content) = get(server, "/readyz");
        (seen == status && words.iter().all(|word| content.contains(word))).then_some(())
    });
}

#[test]
fn a_server_says_which_service_it_lacks_and_is_ready_when_it_is_back() {
    let (Some(mut redis), Some(mut postgres)) = (Service::start(Kind::Redis), Service::start(Kind::Postgres)) else {
        return;
    };
    let server = Server::start(&["--redis-url", &redis.url(), "--database-url", &postgres.url()]);
    ready(&server, 200, &["redis       ready", "postgresql  ready"]);
    for _ in 0..2 {
        redis.kill();
        ready(&server, 503, &["redis       away", "postgresql  ready"]);
        postgres.pause();
        ready(&server, 503, &["redis       away", "postgresql  away"]);
        assert_eq!(get(&server, "/healthz"), (200, "alive\n".to_owned()));
        assert_eq!(get(&server, "/").0, 200, "what needs neither goes on");
        redis.start_again();
        ready(&server, 503, &["redis       ready", "postgresql  away"]);
        postgres.resume();
        ready(&server, 200, &[]);
        postgres.kill();
        redis.pause();
        ready(&server, 503, &["redis       away", "postgresql  away"]);
        redis.resume();
        postgres.start_again();
        let begun = Instant::now();
        ready(&server, 200, &[]);
        println!("ready {:?} after both were back", begun.elapsed());
    }
    let log = server.stderr();
    for service in ["Redis", "PostgreSQL"] {
        for words in ["the service is away:", "the service is there again"] {
            let said = log.lines().filter(|line| line.contains(service) && line.contains(words)).count();
            // On a machine that stands still for a moment there may be one absence more; there were many more requests.
            assert!((4..8).contains(&said), "{said} times: {service}: {words}\n{log}");
        }
    }
}

#[test]
fn a_server_starts_without_its_services_and_is_ready_when_they_come() {
    let (Some(mut redis), Some(mut postgres)) = (Service::start(Kind::Redis), Service::start(Kind::Postgres)) else {
        return;
    };
    redis.kill();
    postgres.kill();
    let server = Server::start(&["--redis-url", &redis.url(), "--database-url", &postgres.url()]);
    ready(&server, 503, &["redis       away", "postgresql  away"]);
    redis.start_again();
    postgres.start_again();
    ready(&server, 200, &[]);
}

#[tokio::test]
async fn ten_servers_that_start_at_once_on_an_empty_database_all_come_up() {
    let Some(database) = Database::new(&[]) else { return };
    let url = database.url();
    let servers: Vec<Server> = std::thread::scope(|scope| {
        let starting: Vec<_> =
            (0..10).map(|_| scope.spawn(|| Server::start(&["--database-url", url.expose()]))).collect();
        starting.into_iter().map(|server| server.join().unwrap()).collect()
    });
    for server in &servers {
        ready(server, 200, &[]);
    }
    let session = database.session().await;
    let row = session.query_one("SELECT count(*) FROM firstbyte_migrations", &[]).await.unwrap();
    assert!(row.get::<_, i64>(0) > 0, "one of them has given the database its shape");
}
