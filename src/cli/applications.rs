//! Owns which applications there are: what the settings give to each, where it stands, and how the home page tells of it.
//!
//! ```text
//!   settings ──open──> Applications ──routes──> one table for all listeners
//!      └──────shown──> every bound of each
//! ```
//!
//! Never: listens, or ends the process.

mod entries;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::{fmt, fs, io};

use firstbyte::app::accounts::throttle::{Throttle, ThrottleConfig};
use firstbyte::app::accounts::{self, Accounts, AccountsConfig};
use firstbyte::app::canvas::fanout::Fanout;
use firstbyte::app::canvas::store::{Keep, Store, StoreError};
use firstbyte::app::canvas::{self, Canvas, CanvasConfig};
use firstbyte::app::chain::{self, ChainConfig};
use firstbyte::app::health::{self, Dependency, Health};
use firstbyte::app::home::{self, Contents};
use firstbyte::app::identity::keyring::KeysConfig;
use firstbyte::app::identity::{self, Identity, IdentityConfig};
use firstbyte::app::inspect::{self, Inspector};
use firstbyte::app::inventory::repositories::Repositories;
use firstbyte::app::inventory::{self, Inventory, InventoryConfig};
use firstbyte::app::jobs::{self, JobsConfig};
use firstbyte::app::limits::{self, Shown};
use firstbyte::app::metrics::{self, Metrics};
use firstbyte::app::queue::schedule::{Scheduler, SchedulerConfig, Schedules};
use firstbyte::app::queue::{self, Kinds, Queue, QueueConfig, Workers, WorkersConfig};
use firstbyte::app::services::key_cache::{KeyCache, KeySource};
use firstbyte::app::services::{self, ServicesConfig};
use firstbyte::app::session::{self, SessionConfig};
use firstbyte::app::webhooks::{self, Webhooks, WebhooksConfig};
use firstbyte::app::{errors, lab};
use firstbyte::db::cache::Cache;
use firstbyte::db::{self, Migration, Postgres, PostgresConfig, Redis, ServiceUrl, UrlError};
use firstbyte::http::bounds::InForce;
use firstbyte::http::middleware::{WrongOrder, order_line};
use firstbyte::http::router::Routes;
use firstbyte::http::server::Watched;
use firstbyte::http::{BuildError, Handler, Router};
use firstbyte::jwt::{Algorithm, KeyError, SigningKey};
use firstbyte::net::Shutdown;

use super::settings::Settings;
use super::value::PublicUrl;
use entries::{BILLING, CANVAS, CATALOG, CHAIN, IDENTITY, INVENTORY, JOBS, LAB, SESSION, WEBHOOKS};

/// What gives the database its shape.
pub fn migrations() -> Vec<Migration> {
    [accounts::store::MIGRATIONS, identity::MIGRATIONS, inventory::MIGRATIONS, queue::MIGRATIONS, webhooks::MIGRATIONS]
        .concat()
}

/// The applications, with whatever each leans on.
pub struct Applications {
    settings: Settings,
    services: Services,
    canvas: Canvas,
    accounts: Accounts,
    identity: Identity,
    inventory: Inventory,
    queue: Queue,
    schedules: Schedules,
    webhooks: Webhooks,
}

/// What is at work beside the requests: jobs, and what makes them.
pub struct Work {
    workers: Option<Workers>,
    scheduler: Scheduler,
}

/// The services that the settings name.
#[derive(Clone)]
struct Services {
    redis: Option<Redis>,
    postgres: Option<Postgres>,
}

/// Why they cannot be served.
pub enum Failure {
    /// Their routes contradict each other.
    Routes(BuildError),
    /// A chain of middleware has a wrong order.
    Order(WrongOrder),
    /// Nothing can be kept where the settings say.
    Store(Keep, StoreError),
    /// A file cannot be read.
    File(PathBuf, io::Error),
    /// A file has no key to sign with.
    Key(PathBuf, KeyError),
    /// A service has an address that nothing can be made of.
    Service(ServiceUrl, UrlError),
}

impl Applications {
    /// Makes what the applications lean on, for a server that listens at `address`. Services need not be there yet.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn open(settings: &Settings, address: SocketAddr, shutdown: &Shutdown) -> Result<Applications, Failure> {
        let services = Services::open(settings)?;
        services.warn(settings.listen.iter().copied().chain([address]));
        let canvas = canvas(settings)?;
        let accounts = services.accounts();
        let identity = Identity::new(identity_config(settings, address)?, accounts.clone(), services.grants());
        let queue = services.queue();
        let inventory = services.inventory(&inventory_config(settings), &queue);
        let schedules = services.schedules(&queue);
        let webhooks = services.webhooks(webhooks_config(settings), shutdown);
        let settings = settings.clone();
        Ok(Applications { settings, services, canvas, accounts, identity, inventory, queue, schedules, webhooks })
    }

    /// All routes.
    pub fn routes(&self, inspector: Inspector, watched: &Watched) -> Result<Routes, Failure> {
        let Applications { settings, services, canvas, accounts, identity, inventory, queue, schedules, webhooks } =
            self;
        self.introduce_all();
        let chain = introduced("chain", chain::routes(chain_config(settings)), IN_MEMORY)?;
        let session = session::routes(session_config(settings), accounts.clone(), services.sessions());
        let session = introduced("session", session, services.place_of_sessions())?;
        let config = ServicesConfig { issuer: identity.issuer().to_owned(), ..ServicesConfig::default() };
        let keys = KeyCache::new(local_keys(identity.clone()), config.keys.clone());
        let catalog = introduced("catalog", services::catalog(&config, keys.clone()), IN_MEMORY)?;
        let billing = introduced("billing", services::billing(&config, keys), IN_MEMORY)?;

        let shelf = inventory::page::routes(inventory_config(settings), inventory.clone());
        let inventory = inventory::routes(inventory_config(settings), inventory.clone());
        let inventory = introduced("inventory", inventory, services.place_of_records())?;
        let jobs = JobsConfig { kinds: self.kinds().names().cloned().collect(), ..jobs_config(settings) };
        let jobs = jobs::routes(jobs, queue.clone(), schedules.clone());
        let jobs = introduced("jobs", jobs, services.place_of_records())?;
        let hooks = introduced("webhooks", webhooks::routes(webhooks.clone()), services.place_of_records())?;

        let mut contents = Contents::default();
        let router = errors::routes(inspect::routes(Router::new(()), inspector));
        let router = limits::routes(router, shown(settings), watched, settings.inspect_remote);
        let router = metrics::routes(router, self.metrics(watched));
        let health = Health::new(watched.shutdown.clone(), services.dependencies());
        let router = jobs::assets(session::assets(health::routes(router, health)));
        let router = webhooks::assets(inventory::page::assets(router));
        contents.add("firstbyte itself", &router);
        contents.add_patterns(CHAIN.name, chain::table().patterns());
        contents.add_patterns(SESSION.name, session::table().iter().flat_map(Routes::patterns));
        contents.add_patterns(INVENTORY.name, inventory::table().iter().flat_map(Routes::patterns));
        contents.add_patterns(JOBS.name, jobs::table().iter().flat_map(Routes::patterns));
        contents.add_patterns(WEBHOOKS.name, webhooks::table().patterns());
        let router = identity::routes(router, identity.clone());
        contents.add(IDENTITY.name, &router);
        contents.add_patterns(CATALOG.name, services::catalog_table(0).patterns());
        contents.add_patterns(BILLING.name, services::billing_table(0).patterns());
        let router = canvas::routes(router, canvas.clone());
        contents.add(CANVAS.name, &router);
        let router = lab::routes(router);
        contents.add(LAB.name, &router);
        let router = router
            .mount(chain::PREFIX, chain)
            .mount(session::PREFIX, session)
            .mount(inventory::PREFIX, inventory)
            .mount(inventory::page::PREFIX, shelf)
            .mount(jobs::PREFIX, jobs)
            .mount(webhooks::PREFIX, hooks)
            .mount(services::CATALOG_PREFIX, catalog)
            .mount(services::BILLING_PREFIX, billing);
        let entries = [CHAIN, SESSION, IDENTITY, CATALOG, BILLING, INVENTORY, JOBS, WEBHOOKS, CANVAS, LAB];
        home::routes(router, &entries, contents).build().map_err(Failure::Routes)
    }

    /// What the process counts, and what each counts that it leans on.
    fn metrics(&self, watched: &Watched) -> Metrics {
        let Applications { settings, services, inventory, queue, webhooks, .. } = self;
        let metrics = Metrics::new(watched, settings.metrics_remote);
        metrics.register(|registry| {
            services.redis.iter().for_each(|redis| redis.register(registry));
            services.postgres.iter().for_each(|postgres| postgres.register(registry));
            inventory.register(registry);
            queue.register(registry);
            webhooks.register(registry);
        });
        metrics
    }

    /// Says where the data of those is that have no chain of middleware.
    fn introduce_all(&self) {
        let Applications { settings, services, .. } = self;
        let pictures = settings.canvas_store.as_ref().map_or(IN_MEMORY.to_owned(), Keep::to_string);
        introduce("lab", "none", "none: nothing is kept");
        introduce("canvas", "none", &pictures);
        introduce("accounts", "none", services.place_of_records());
        introduce("identity", "none", services.place_of_records());
    }

    /// Begins to work jobs, as many at a time as the settings say, and to see to schedules, until the shutdown.
    pub fn work(&self, watched: &Watched) -> Work {
        let (concurrency, shutdown) = (self.settings.job_workers, &watched.shutdown);
        let config = WorkersConfig { concurrency, drain: self.settings.deadlines.drain, ..WorkersConfig::default() };
        let start = || Workers::start(self.queue.clone(), self.kinds(), config, shutdown.clone());
        let scheduler = Scheduler::start(self.schedules.clone(), SchedulerConfig::default(), shutdown.clone());
        Work { workers: (concurrency > 0).then(start), scheduler }
    }

    /// The jobs that are worked here.
    fn kinds(&self) -> Kinds {
        queue::demo::kinds(Kinds::new(), self.services.postgres.clone())
    }

    /// Ends what they have begun beside their requests, and keeps what is to be kept.
    pub async fn end(self) {
        self.canvas.end().await;
        self.webhooks.end().await;
    }
}

impl Work {
    /// Ends it: jobs at work are finished, or given back.
    pub async fn end(self) {
        self.scheduler.end().await;
        if let Some(workers) = self.workers {
            workers.end().await;
        }
    }
}

impl Services {
    /// Begins to look for them.
    fn open(settings: &Settings) -> Result<Services, Failure> {
        let failed = |url: &ServiceUrl| {
            let url = url.clone();
            move |why| Failure::Service(url, why)
        };
        let redis = settings.redis_url.as_ref().map(|url| Redis::open(url).map_err(failed(url)));
        let postgres =
            settings.database_url.as_ref().map(|url| Postgres::open(url, &migrations()).map_err(failed(url)));
        Ok(Services { redis: redis.transpose()?, postgres: postgres.transpose()? })
    }

    /// Says what is served all the same, and should not be where others come by.
    fn warn(&self, addresses: impl Iterator<Item = SocketAddr>) {
        if self.postgres.is_some() {
            return;
        }
        if self.redis.is_some() {
            tracing::warn!(
                "sessions are in Redis and accounts in memory: no other node knows these accounts, nor does this one after \
                 its next start; set the database, too"
            );
        }
        if let Some(address) = addresses.into_iter().find(|address| !address.ip().is_loopback()) {
            let names = accounts::store::DEMO.map(|(_, name, ..)| name).join(", ");
            tracing::warn!(
                accounts = names,
                %address,
                "accounts whose passwords are published are served beyond this machine; a database has none of them"
            );
        }
    }

    fn accounts(&self) -> Accounts {
        let limits = ThrottleConfig::default();
        let throttle = match &self.redis {
            Some(redis) => Throttle::redis(limits, redis.clone()),
            None => Throttle::memory(limits),
        };
        let store = match &self.postgres {
            Some(postgres) => accounts::store::Store::postgres(postgres.clone()),
            None => accounts::store::Store::memory(),
        };
        Accounts::new(AccountsConfig::default(), store, throttle)
    }

    fn sessions(&self) -> session::store::Store {
        let config = SessionConfig::default();
        match &self.redis {
            Some(redis) => session::store::Store::redis(config.lifetime, redis.clone()),
            None => session::store::Store::memory(config.lifetime, config.sessions_max),
        }
    }

    /// Where the issuer keeps what it has granted, and its keys.
    fn grants(&self) -> identity::store::Store {
        match &self.postgres {
            Some(postgres) => identity::store::Store::postgres(postgres.clone()),
            None => identity::store::Store::memory(identity::FAMILIES_MAX),
        }
    }

    fn inventory(&self, config: &InventoryConfig, queue: &Queue) -> Inventory {
        let repositories = match &self.postgres {
            Some(postgres) => Repositories::postgres(postgres.clone()),
            None => Repositories::demo(config.memory),
        };
        // What this process keeps for itself is nobody else's to read.
        let redis = self.redis.clone().filter(|_| self.postgres.is_some());
        let cache = Cache::new(redis, config.cache);
        Inventory::new(config.service, repositories, cache, Some(queue.clone()))
    }

    fn queue(&self) -> Queue {
        let config = QueueConfig::default();
        match &self.postgres {
            Some(postgres) => Queue::postgres(config, postgres.clone()),
            None => Queue::memory(config),
        }
    }

    fn schedules(&self, queue: &Queue) -> Schedules {
        match &self.postgres {
            Some(postgres) => Schedules::postgres(queue.clone(), postgres.clone()),
            None => Schedules::memory(queue.clone()),
        }
    }

    fn place_of_sessions(&self) -> &'static str {
        if self.redis.is_some() { "Redis" } else { IN_MEMORY }
    }

    fn webhooks(&self, config: WebhooksConfig, shutdown: &Shutdown) -> Webhooks {
        let store = match &self.postgres {
            Some(postgres) => webhooks::store::Store::postgres(config.store, postgres.clone()),
            None => webhooks::store::Store::memory(config.store, config.clock.clone()),
        };
        Webhooks::new(config, store, shutdown.clone())
    }

    fn place_of_records(&self) -> &'static str {
        if self.postgres.is_some() { "PostgreSQL" } else { IN_MEMORY }
    }

    /// What the server is not ready without. The canvas is not among it: it goes on without its broker and its store.
    fn dependencies(&self) -> Vec<Dependency> {
        let redis = self.redis.iter().map(Dependency::redis);
        redis.chain(self.postgres.iter().map(Dependency::postgres)).collect()
    }
}

/// What is said of a store that is none.
pub const IN_MEMORY: &str = "in memory: data goes with the process";

/// `handler`, after it was said what stands around it.
pub fn introduced<H: Handler>(application: &str, handler: H, store: &str) -> Result<H, Failure> {
    introduce(application, &order_line(&handler).map_err(Failure::Order)?, store);
    Ok(handler)
}

/// Says at the start what stands around an application, and where its data is.
fn introduce(application: &str, middleware: &str, store: &str) {
    tracing::info!(application, middleware, store, "ready");
}

/// The canvas, joined to other nodes and to its store as the settings say.
fn canvas(settings: &Settings) -> Result<Canvas, Failure> {
    let open = |place: &Keep| Store::open(place).map_err(|error| Failure::Store(place.clone(), error));
    let store = settings.canvas_store.as_ref().map(open).transpose()?;
    let fanout = settings.fanout.as_ref().map(Fanout::join);
    Ok(Canvas::new(CanvasConfig::default(), fanout, store))
}

/// The keys of an issuer in this process.
fn local_keys(identity: Identity) -> KeySource {
    KeySource::local(move || {
        let identity = identity.clone();
        async move { identity.jwks().await }
    })
}

fn session_config(settings: &Settings) -> SessionConfig {
    SessionConfig { trusted_proxies: settings.trusted_proxy.clone(), ..SessionConfig::default() }
}

fn inventory_config(settings: &Settings) -> InventoryConfig {
    InventoryConfig { trusted_proxies: settings.trusted_proxy.clone(), ..InventoryConfig::default() }
}

fn jobs_config(settings: &Settings) -> JobsConfig {
    JobsConfig {
        allow_remote: settings.jobs_remote,
        is_in_memory: settings.database_url.is_none(),
        trusted_proxies: settings.trusted_proxy.clone(),
        ..JobsConfig::default()
    }
}

fn webhooks_config(settings: &Settings) -> WebhooksConfig {
    WebhooksConfig { allow_private: settings.webhooks_allow_private, ..WebhooksConfig::default() }
}

fn identity_config(settings: &Settings, address: SocketAddr) -> Result<IdentityConfig, Failure> {
    let origin = settings.public_url.as_ref().map_or_else(|| origin_of(address), PublicUrl::to_string);
    let keys = KeysConfig {
        algorithm: settings.signing_algorithm,
        rsa_pem: settings.signing_rsa_key.as_ref().map(rsa_pem).transpose()?,
        ..KeysConfig::default()
    };
    Ok(IdentityConfig { issuer: format!("{origin}{}", identity::PREFIX), keys, ..IdentityConfig::default() })
}

/// The PEM in a file, after a look whether it can sign.
fn rsa_pem(path: &PathBuf) -> Result<String, Failure> {
    let pem = fs::read_to_string(path).map_err(|error| Failure::File(path.clone(), error))?;
    SigningKey::from_pem(Algorithm::RS256, &pem).map_err(|error| Failure::Key(path.clone(), error))?;
    Ok(pem)
}

/// Where this machine finds a server that listens at `address`, which may be all addresses.
fn origin_of(mut address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    format!("http://{address}")
}

fn chain_config(settings: &Settings) -> ChainConfig {
    ChainConfig { trusted_proxies: settings.trusted_proxy.clone(), ..ChainConfig::default() }
}

/// The bounds of what is served by these settings: the server's, and those of each application.
pub fn shown(settings: &Settings) -> Shown {
    let in_force = InForce {
        limits: settings.limits.clone(),
        deadlines: settings.deadlines.clone(),
        listener: settings.listener.clone(),
        listeners: settings.listen.len(),
        workers: settings.workers,
    };
    let (chain, canvas) = (chain_config(settings), CanvasConfig::default());
    let (session, identity, services) =
        (session_config(settings), IdentityConfig::default(), ServicesConfig::default());
    let (inventory, jobs, webhooks) = (inventory_config(settings), jobs_config(settings), webhooks_config(settings));
    let (accounts, throttle) = (AccountsConfig::default(), ThrottleConfig::default());
    let is_in_memory = settings.database_url.is_none();
    Shown::new(&in_force)
        .with(health::bounds(), [])
        .with(db::bounds(), [])
        .with(PostgresConfig::default().bounds(), PostgresConfig::default().kept())
        .with(inspect::bounds(), inspect::kept(settings.trace))
        .with(metrics::bounds(), metrics::kept())
        .with(chain.bounds(), chain.kept())
        .with(session.bounds(), session.kept())
        .with(accounts.bounds(&throttle), accounts.kept(&throttle))
        .with(identity.bounds(), identity.kept(is_in_memory))
        .with(services.bounds(), services.kept())
        .with(inventory.bounds(), if is_in_memory { inventory.kept() } else { Vec::new() })
        .with(jobs.bounds(), jobs.kept())
        .with(webhooks.bounds(), webhooks.kept(is_in_memory))
        .with(canvas.bounds(), canvas.kept(settings.fanout.is_some(), settings.canvas_store.is_some()))
        .with(lab::bounds(), lab::kept())
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Store(place, error) => {
                write!(
                    f,
                    "the canvas cannot keep its pictures in {place}: {error}\nAnother place may: `--canvas-store FOLDER`"
                )
            }
            Failure::File(path, error) => write!(f, "{} cannot be read: {error}", path.display()),
            Failure::Key(path, error) => write!(
                f,
                "{} has no key to sign with: {error}\nThis makes one: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out key.pem",
                path.display()
            ),
            Failure::Service(url, error) => write!(f, "nothing can be kept at {url}: {error}"),
            Failure::Order(error) => write!(f, "a chain of middleware has a wrong order: {error}"),
            Failure::Routes(error) => write!(f, "the routes contradict each other:\n{error}"),
        }
    }
}
