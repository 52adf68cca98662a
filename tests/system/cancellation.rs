//! Clients that leave, and their statements in a real PostgreSQL: each is told to stop, no other one is, and the connection is used
//! again.
//!
//! ```text
//!   client ──GET──> Server ──statement──> PostgreSQL
//!      └ FIN, RST ──────┘ dropped ──cancel──> ends      watched from outside: pg_stat_activity, every few milliseconds
//! ```

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use firstbyte::db::postgres::PostgresConfig;
use firstbyte::db::{Failure, Migration, Postgres};
use firstbyte::http::{IntoResponse, Request, Response, Server, Status};
use firstbyte::net::{Listener, ListenerConfig};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::database::Database;
use crate::server::SOON;
use crate::services::TOLD_TIME;

const MIGRATIONS: &[Migration] =
    &[Migration { name: "test/0001_things", sql: "CREATE TABLE things (id bigint)", down: None }];

/// The lock that some victims wait for.
const LOCK: i64 = 25;

/// Within this a statement ends after its client has left.
const PROMISE: Duration = Duration::from_millis(250);

/// Victims at the same time, and bystanders beside them. All find a connection, while those of others are cleaned.
const VICTIMS: usize = 8;
const BYSTANDERS: usize = 4;
const CONNECTIONS: usize = 16;

/// How a client leaves.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    /// A FIN, and a RST when something comes.
    Close,
    Reset,
    /// It has said all, and waits: it is there still. Then it is not.
    HalfClosed,
}

/// Answers by statements.
#[derive(Clone)]
struct Service {
    postgres: Postgres,
    /// Bystanders' sessions.
    pids: Arc<std::sync::Mutex<HashSet<i32>>>,
}

impl Service {
    fn new(postgres: Postgres) -> Service {
        Service { postgres, pids: Arc::default() }
    }

    async fn answer(self, target: String) -> Response {
        match self.ask(&target).await {
            Ok(()) => "done".into_response(),
            Err(failure) => (Status::SERVICE_UNAVAILABLE, failure.to_string()).into_response(),
        }
    }

    /// `/sleep/7`, `/lock/7`: the statement of victim 7. `/short`: one that nobody leaves.
    async fn ask(&self, target: &str) -> Result<(), Failure> {
        let number = target.rsplit('/').next().unwrap();
        let mut client = self.postgres.client().await?;
        if target.starts_with("/sleep") {
            client.query(&format!("SELECT pg_sleep(60) /* victim {number} */"), &[]).await?;
        } else if target.starts_with("/lock") {
            let mut transaction = client.transaction().await?;
            transaction.execute("INSERT INTO things VALUES (1)", &[]).await?;
            let wait = format!("SELECT pg_advisory_xact_lock({LOCK}) /* victim {number} */");
            transaction.query(&wait, &[]).await?;
            transaction.commit().await?;
        } else {
            let row = client.query_opt("SELECT pg_backend_pid() FROM pg_sleep(0.01)", &[]).await?;
            self.pids.lock().unwrap().insert(row.unwrap().get(0));
        }
        Ok(())
    }

    /// Serves until the runtime ends.
    fn serve(&self) -> SocketAddr {
        let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)), ListenerConfig::default()).unwrap();
        let (addr, service) = (listener.local_addr().unwrap(), self.clone());
        let handler = move |request: Request| service.clone().answer(request.target().to_owned());
        tokio::spawn(Server::new(handler).serve(listener));
        addr
    }
}

/// The victims whose statements are at work, as PostgreSQL sees it.
async fn watch(database: &Database) -> watch::Receiver<HashSet<usize>> {
    let session = database.session().await;
    let (says, seen) = watch::channel(HashSet::new());
    tokio::spawn(async move {
        let active = "SELECT substring(query FROM 'victim (\\d+)') FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active' AND query LIKE '%victim%'";
        while !says.is_closed() {
            let Ok(rows) = session.query(active, &[]).await else { return };
            says.send_replace(rows.iter().map(|row| row.get::<_, &str>(0).parse().unwrap()).collect());
            sleep(Duration::from_millis(3)).await;
        }
    });
    seen
}

/// Asks, leaves as soon as its statement is at work, and says how long that went on.
async fn victim(
    addr: SocketAddr,
    number: usize,
    leaving: Leaving,
    seen: &mut watch::Receiver<HashSet<usize>>,
) -> Duration {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let path = if number.is_multiple_of(2) { "sleep" } else { "lock" };
    let request = format!("GET /{path}/{number} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    timeout(SOON, seen.wait_for(|seen| seen.contains(&number))).await.expect("it is at work").unwrap();
    match leaving {
        Leaving::Close => {}
        Leaving::Reset => set_socket_linger(&stream, Some(Duration::ZERO)).unwrap(),
        Leaving::HalfClosed => {
            stream.shutdown().await.unwrap();
            sleep(Duration::from_millis(30)).await;
            assert!(seen.borrow_and_update().contains(&number), "who waits for his answer is there");
        }
    }
    drop(stream);
    let left = Instant::now();
    timeout(SOON, seen.wait_for(|seen| !seen.contains(&number))).await.expect("it ends").unwrap();
    left.elapsed()
}

/// Asks again and again for what takes a moment, until told to stop. How often.
async fn bystander(addr: SocketAddr, stop: Arc<AtomicBool>) -> usize {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        stream.write_all(b"GET /short HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = [0; 4096];
        let length = timeout(SOON, stream.read(&mut answer)).await.expect("an answer").unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]);
        assert!(answer.starts_with("HTTP/1.1 200 "), "told to stop for another one: {answer}");
        count += 1;
    }
    count
}

/// So many victims beside bystanders. The longest that a statement went on, and the promise is kept if it is within `limit`.
async fn leave(count: usize, limit: Duration) {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    // As patient as a test: that nobody is there is not what this is about.
    let config = PostgresConfig { connections_max: CONNECTIONS, statement_time: SOON * 3, patience: SOON };
    let postgres = Postgres::open_with(&database.url(), MIGRATIONS, config).unwrap();
    let service = Service::new(postgres.clone());
    let holder = database.session().await;
    holder.query(&format!("SELECT pg_advisory_lock({LOCK})"), &[]).await.unwrap();
    let (addr, seen, stop) = (service.serve(), watch(&database).await, Arc::new(AtomicBool::new(false)));

    let mut bystanders = JoinSet::new();
    for _ in 0..BYSTANDERS {
        bystanders.spawn(bystander(addr, Arc::clone(&stop)));
    }
    let (next, mut victims) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
    for _ in 0..VICTIMS {
        let (next, mut seen) = (Arc::clone(&next), seen.clone());
        victims.spawn(async move {
            let mut took = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return took;
                }
                let leaving = [Leaving::Close, Leaving::Reset, Leaving::HalfClosed][number % 3];
                took.push(victim(addr, number, leaving, &mut seen).await);
            }
        });
    }
    let mut took: Vec<Duration> = victims.join_all().await.into_iter().flatten().collect();
    stop.store(true, Ordering::Relaxed);
    let answers: usize = bystanders.join_all().await.iter().sum();

    took.sort_unstable();
    let within = took.iter().filter(|took| **took <= limit).count();
    let (median, p99, longest) = (took[took.len() / 2], took[took.len() * 99 / 100], took[took.len() - 1]);
    eprintln!(
        "{count} clients left: {within} statements ended within {limit:?} (median {median:?}, p99 {p99:?}, longest {longest:?}); \
         {answers} statements of others on the same connections, none told to stop"
    );
    assert_eq!((took.len(), within), (count, count));
    assert!(answers >= count / 10, "{answers}: they were at work beside them");
    wait_until_clean(&postgres, count).await;
    assert!(service.pids.lock().unwrap().len() <= CONNECTIONS, "the same connections all the time");
    let left: i64 = holder.query_one("SELECT count(*) FROM things", &[]).await.unwrap().get(0);
    assert_eq!(left, 0, "what they had begun was rolled back");
}

/// Every connection on which a statement was told to stop goes back, and none was closed.
async fn wait_until_clean(postgres: &Postgres, count: usize) {
    let begun = Instant::now();
    loop {
        let (done, closed) = (number(postgres, "cleanings_total{outcome=\"done\"}"), number(postgres, "closed\"}"));
        assert_eq!(closed, 0);
        if done == count && postgres.status().in_use == 0 {
            return;
        }
        assert!(begun.elapsed() < SOON, "{done} of {count} are used again; {:?}", postgres.status());
        sleep(Duration::from_millis(5)).await;
    }
}

/// A number of `/metrics`.
fn number(postgres: &Postgres, name: &str) -> usize {
    let (mut registry, mut text) = (Registry::default(), String::new());
    postgres.register(&mut registry);
    encode(&mut text, &registry).unwrap();
    let line = text.lines().find(|line| !line.starts_with('#') && line.contains(name)).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_ends_when_its_client_leaves_and_no_other_one_does() {
    leave(100, TOLD_TIME).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "in full by make soak"]
async fn a_thousand_of_a_thousand_statements_end_within_250_ms_when_their_clients_leave() {
    leave(1_000, PROMISE).await;
}

/// What a proxy does with new connections.
const PASSES: u8 = 0;
const CLOSES: u8 = 1;
const HANGS: u8 = 2;

/// Stands between us and PostgreSQL, and lets nothing new through when told so.
struct Proxy {
    addr: SocketAddr,
    mode: Arc<AtomicU8>,
    /// Those that it carries end with it.
    cut: watch::Sender<u32>,
}

impl Proxy {
    async fn start(to: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy { addr: listener.local_addr().unwrap(), mode: Arc::default(), cut: watch::Sender::new(0) };
        let (mode, cut) = (Arc::clone(&proxy.mode), proxy.cut.subscribe());
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut near, _)) = listener.accept().await {
                match mode.load(Ordering::SeqCst) {
                    PASSES => {
                        let mut cut = cut.clone();
                        cut.borrow_and_update();
                        tokio::spawn(async move {
                            let mut far = TcpStream::connect(to).await.unwrap();
                            tokio::select! {
                                _ = copy_bidirectional(&mut near, &mut far) => {}
                                _ = cut.changed() => {}
                            }
                        });
                    }
                    CLOSES => drop(near),
                    _ => held.push(near),
                }
            }
        });
        proxy
    }

    fn set(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
    }
}

/// A way to PostgreSQL over which nobody can be told to stop, and one that is cut, as when the node is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_cannot_be_told_to_stop_ends_with_its_connection() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let url = database.url();
    let at = url.expose().split(['@', '/']).find(|part| part.contains(':') && !part.ends_with(':')).unwrap().to_owned();
    let at = tokio::net::lookup_host(at).await.unwrap().next().unwrap();
    let proxy = Proxy::start(at).await;
    let place = url.expose().find('@').unwrap() + 1;
    let rest = url.expose()[place..].find('/').unwrap() + place;
    let through = format!("{}{}{}", &url.expose()[..place], proxy.addr, &url.expose()[rest..]).parse().unwrap();
    let config = PostgresConfig { statement_time: SOON, ..PostgresConfig::default() };
    let postgres = Postgres::open_with(&through, MIGRATIONS, config).unwrap();
    let service = Service::new(postgres.clone());
    let (addr, mut seen) = (service.serve(), watch(&database).await);

    for (number, mode, name) in [(0, CLOSES, "closed"), (2, HANGS, "not answered"), (4, PASSES, "cut")] {
        wait_for_client(&postgres).await;
        let took = if mode == PASSES {
            // Nobody leaves: the node itself is gone, as far as PostgreSQL can see.
            let mut stream = TcpStream::connect(addr).await.unwrap();
            let request = format!("GET /sleep/{number} HTTP/1.1\r\nHost: x\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            timeout(SOON, seen.wait_for(|seen| seen.contains(&number))).await.unwrap().unwrap();
            proxy.cut.send_modify(|count| *count += 1);
            let begun = Instant::now();
            timeout(SOON, seen.wait_for(|seen| !seen.contains(&number))).await.unwrap().unwrap();
            begun.elapsed()
        } else {
            let switch = tokio::spawn({
                let (mut seen, mode_of) = (seen.clone(), Arc::clone(&proxy.mode));
                async move {
                    seen.wait_for(|seen| seen.contains(&number)).await.unwrap();
                    mode_of.store(mode, Ordering::SeqCst);
                }
            });
            let took = victim(addr, number, Leaving::HalfClosed, &mut seen).await;
            switch.await.unwrap();
            took
        };
        eprintln!("cancel requests are {name}: the statement ended after {took:?}");
        assert!(took < SOON / 2, "{took:?}: long before its own time is over");
        proxy.set(PASSES);
    }
    wait_for_client(&postgres).await;
}

/// Waits until statements are done again.
async fn wait_for_client(postgres: &Postgres) {
    let begun = Instant::now();
    loop {
        let done = async { postgres.client().await?.query("SELECT 1", &[]).await };
        match done.await {
            Ok(_) => return,
            Err(failure) => assert!(begun.elapsed() < SOON, "{failure}"),
        }
        sleep(Duration::from_millis(5)).await;
    }
}
