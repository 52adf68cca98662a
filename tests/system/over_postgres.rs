//! A served application over a real PostgreSQL: what its clients see when they leave, when the pool is used up, and when the
//! database goes and comes back.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_postgres::Client;

use crate::database::Database;
use crate::server::{SOON, Server};
use crate::services::{BACK_TIME, Kind, Service, TOLD_TIME};

const PRODUCTS: &str = "/api/v1/products";
const ORDERS: &str = "/api/v1/orders";

/// Connections of a served application: the default.
const CONNECTIONS: usize = 16;

/// Clients that wait for one lock at the same time, and how often they come.
const CLIENTS: usize = 8;
const ROUNDS: usize = 6;

/// Statements that wait for a lock.
const WAITING: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";

/// An answer, and how long it took.
struct Answer {
    status: u16,
    head: String,
    took: Duration,
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

async fn get(addr: SocketAddr, path: &str) -> Answer {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request(path).as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    timeout(SOON, stream.read_to_end(&mut bytes)).await.expect("an answer").unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let head = text.split("\r\n\r\n").next().unwrap().to_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{text}"));
    Answer { status, head, took: begun.elapsed() }
}

/// A served application, as soon as it has its database.
async fn serve(url: &str) -> Server {
    let server = Server::start(&["--database-url", url]);
    back(server.addr).await;
    server
}

/// Asks until it is served, and says how long that took. It is told each time that it is not.
async fn back(addr: SocketAddr) -> Duration {
    let begun = Instant::now();
    loop {
        let answer = get(addr, PRODUCTS).await;
        if answer.status == 200 {
            return begun.elapsed();
        }
        assert_told(&answer);
        assert!(begun.elapsed() < SOON, "{}", answer.head);
        sleep(Duration::from_millis(10)).await;
    }
}

fn assert_told(answer: &Answer) {
    let head = answer.head.to_ascii_lowercase();
    assert!(answer.status == 503 && head.contains("\r\nretry-after: 1"), "{head}");
    assert!(answer.took < TOLD_TIME, "{:?}", answer.took);
}

async fn wait_until_waiting(session: &Client, expected: usize) -> Duration {
    let begun = Instant::now();
    loop {
        let count: i64 = session.query_one(WAITING, &[]).await.unwrap().get(0);
        if count == expected as i64 {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < SOON, "{count} wait");
        sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_takes_his_statement_with_him_and_nobody_elses() {
    let Some(database) = Database::new(&[]) else { return };
    let server = serve(database.url().expose()).await;
    let (session, mut holder) = (database.session().await, database.session().await);
    let transaction = holder.transaction().await.unwrap();
    transaction.batch_execute("LOCK TABLE inventory_products").await.unwrap();
    let (addr, mut bystanders) = (server.addr, JoinSet::new());
    for _ in 0..2 {
        bystanders.spawn(async move {
            for _ in 0..100 {
                let answer = get(addr, ORDERS).await;
                assert_eq!(answer.status, 200, "told to stop for another one: {}", answer.head);
            }
        });
    }
    let mut longest = Duration::ZERO;
    for round in 0..ROUNDS {
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            stream.write_all(request(PRODUCTS).as_bytes()).await.unwrap();
            clients.push(stream);
        }
        wait_until_waiting(&session, CLIENTS).await;
        for stream in clients {
            if round % 2 == 0 {
                set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
            }
        }
        longest = longest.max(wait_until_waiting(&session, 0).await);
    }
    println!(
        "{} clients left together by {CLIENTS}: none of their statements at work after {longest:?}",
        ROUNDS * CLIENTS
    );
    assert!(longest < TOLD_TIME);
    bystanders.join_all().await;
    transaction.rollback().await.unwrap();
    assert_eq!(get(addr, PRODUCTS).await.status, 200);
    let sessions =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'firstbyte'";
    let count: i64 = session.query_one(sessions, &[]).await.unwrap().get(0);
    assert!(count <= CONNECTIONS as i64 + 2, "{count}: what was given up is used again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_is_used_up_is_told_and_serves_when_it_is_free() {
    let Some(database) = Database::new(&[]) else { return };
    let server = serve(database.url().expose()).await;
    let (session, mut holder, addr) = (database.session().await, database.session().await, server.addr);
    let transaction = holder.transaction().await.unwrap();
    transaction.batch_execute("LOCK TABLE inventory_products").await.unwrap();
    let mut waiting = JoinSet::new();
    for _ in 0..CONNECTIONS {
        waiting.spawn(get(addr, PRODUCTS));
    }
    wait_until_waiting(&session, CONNECTIONS).await;
    let mut more = JoinSet::new();
    for _ in 0..20 {
        more.spawn(get(addr, ORDERS));
    }
    let more = more.join_all().await;
    more.iter().for_each(assert_told);
    let longest = more.iter().map(|answer| answer.took).max().unwrap();
    assert!(server.stderr().contains("16 are in use"), "{}", server.stderr());
    transaction.rollback().await.unwrap();
    for answer in waiting.join_all().await {
        assert_eq!(answer.status, 200, "who has a connection has it: {}", answer.head);
    }
    println!("pool used up: told within {longest:?}, back after {:?}", back(addr).await);
    assert_eq!(get(addr, ORDERS).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_told_by_every_answer_and_over_when_the_database_is_back() {
    let Some(mut service) = Service::start(Kind::Postgres) else { return };
    let server = serve(&service.url()).await;
    let addr = server.addr;
    for is_killed in [true, false] {
        if is_killed {
            service.kill();
        } else {
            service.pause();
        }
        let mut asked = JoinSet::new();
        for number in 0..60 {
            asked.spawn(async move {
                sleep(Duration::from_millis(number * 10)).await;
                let path = if number % 2 == 0 { PRODUCTS } else { ORDERS };
                get(addr, path).await
            });
        }
        let mut answers = timeout(SOON, asked.join_all()).await.expect("none is stuck");
        let count = answers.len();
        // Processes stop one after the other: the first ones may have been served.
        answers.retain(|answer| answer.status != 200);
        assert!(answers.len() >= count - 5, "{} were served", count - answers.len());
        answers.iter().for_each(assert_told);
        let longest = answers.iter().map(|answer| answer.took).max().unwrap();
        assert_eq!(get(addr, "/healthz").await.status, 200, "who is alive");
        assert_eq!(get(addr, "/readyz").await.status, 503, "and not ready");
        if is_killed {
            service.start_again();
        } else {
            service.resume();
        }
        let back_after = back(addr).await;
        let how = if is_killed { "killed" } else { "stopped" };
        println!("postgresql {how}: told within {longest:?}, back after {back_after:?}");
        assert!(back_after < BACK_TIME);
    }
}
