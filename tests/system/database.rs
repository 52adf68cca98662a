//! Owns databases for tests: one PostgreSQL for all tests of this process, a template for each set of migrations, and a database
//! for each test, made of its template in a tenth of a second and dropped at its end.

use std::collections::HashSet;
use std::sync::{Mutex, OnceLock, PoisonError};

use firstbyte::db::migrations::{self, Migration};
use firstbyte::db::{Postgres, PostgresConfig, ServiceUrl};
use tokio::runtime;
use tokio_postgres::{Client, NoTls};

use crate::server::SOON;
use crate::services::{Kind, Shared};

/// A database of one test.
pub struct Database {
    name: String,
}

static SERVER: OnceLock<Option<Shared>> = OnceLock::new();

impl Database {
    /// A database that has the shape of `migrations`. `None`, after a loud line, when there is no PostgreSQL and need not be.
    pub fn new(migrations: &[Migration]) -> Option<Database> {
        server()?;
        let name = format!("test_{:016x}", fastrand::u64(..));
        let template = template(migrations);
        admin(async |client| run(client, &format!("CREATE DATABASE {name} TEMPLATE {template}")).await);
        Some(Database { name })
    }

    pub fn url(&self) -> ServiceUrl {
        url_of(&self.name).parse().unwrap()
    }

    /// Opened as an application does, but more patient than one: a busy machine is no fault.
    pub fn open(&self, migrations: &[Migration]) -> Postgres {
        let config = PostgresConfig { statement_time: SOON, patience: SOON, ..PostgresConfig::default() };
        Postgres::open_with(&self.url(), migrations, config).unwrap()
    }

    /// A session that nothing of ours stands before.
    pub async fn session(&self) -> Client {
        connect(&url_of(&self.name)).await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        admin(async |client| run(client, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)).await);
    }
}

/// A session with the database at `url`.
pub async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn server() -> Option<&'static Shared> {
    SERVER.get_or_init(|| Shared::of(Kind::Postgres)).as_ref()
}

/// The server's URL with another database.
fn url_of(name: &str) -> String {
    let url = &server().unwrap().url;
    let (place, query) =
        url.split_once('?').map_or((url.as_str(), String::new()), |(place, query)| (place, format!("?{query}")));
    let begin = place.find("://").unwrap() + 3;
    let end = place[begin..].find('/').map_or(place.len(), |at| begin + at);
    format!("{}/{name}{query}", &place[..end])
}

/// The name of the template that has the shape of `migrations`: made when it is asked for first.
fn template(migrations: &[Migration]) -> String {
    static MADE: Mutex<Option<HashSet<String>>> = Mutex::new(None);
    let shape: String = migrations.iter().map(|migration| format!("{} {}\n", migration.name, migration.sql)).collect();
    let name = format!("template_{}", &Migration { name: "", sql: shape.leak(), down: None }.checksum()[..16]);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if made.get_or_insert_default().insert(name.clone()) {
        admin(async |client| make_template(client, &name, migrations).await);
    }
    name
}

/// Others may test at the same server, or have done so.
async fn make_template(client: &Client, name: &str, migrations: &[Migration]) {
    if client.query("SELECT FROM pg_database WHERE datname = $1", &[&name]).await.unwrap().is_empty() {
        run(client, &format!("CREATE DATABASE {name}")).await;
    }
    let (mut session, connection) = tokio_postgres::connect(&url_of(name), NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    migrations::apply(&mut session, migrations).await.unwrap();
    // A template has no sessions.
    drop(session);
    driver.await.unwrap().unwrap();
}

/// Runs `work` beside whatever runtime there is, to its end. One at a time: who copies a template is alone with it.
fn admin(work: impl AsyncFnOnce(&Client) + Send) {
    let run = move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = connect(&server().unwrap().url).await;
            run(&client, "SELECT pg_advisory_lock(0)").await;
            work(&client).await;
        });
    };
    std::thread::scope(|scope| scope.spawn(run).join().unwrap());
}

async fn run(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}
