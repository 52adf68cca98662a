//! Owns which applications there are: what the settings give to each, where it stands, and how the home page tells of it.
//!
//! ```text
//!   settings ──open──> Applications ──routes──> one table for all listeners
//!      └──────shown──> every bound of each
//! ```
//!
//! Never: listens, or ends the process.

mod configs;
mod entries;
mod failure;
mod stores;

use std::net::SocketAddr;

use firstbyte::app::accounts::{self, Accounts};
use firstbyte::app::canvas::store::Keep;
use firstbyte::app::canvas::{self, Canvas};
use firstbyte::app::chain;
use firstbyte::app::health::{self, Health};
use firstbyte::app::home::{self, Contents};
use firstbyte::app::identity::{self, Identity};
use firstbyte::app::inspect::{self, Inspector};
use firstbyte::app::inventory::{self, Inventory};
use firstbyte::app::jobs::{self, JobsConfig};
use firstbyte::app::limits;
use firstbyte::app::metrics::{self, Metrics};
use firstbyte::app::queue::schedule::{Scheduler, SchedulerConfig, Schedules};
use firstbyte::app::queue::{self, Kinds, Queue, Workers};
use firstbyte::app::services::key_cache::{KeyCache, KeySource};
use firstbyte::app::services::{self, ServicesConfig};
use firstbyte::app::session;
use firstbyte::app::webhooks::{self, Webhooks};
use firstbyte::app::{errors, lab};
use firstbyte::db::{Migration, Postgres};
use firstbyte::http::middleware::order_line;
use firstbyte::http::router::Routes;
use firstbyte::http::server::Watched;
use firstbyte::http::{Handler, Router};
use firstbyte::net::Shutdown;

pub use configs::shown;
pub use failure::Failure;

use super::settings::Settings;
use entries::{BILLING, CANVAS, CATALOG, CHAIN, IDENTITY, INVENTORY, JOBS, LAB, SESSION, WEBHOOKS};
use stores::Stores;

/// What gives the database its shape.
pub fn migrations() -> Vec<Migration> {
    [accounts::store::MIGRATIONS, identity::MIGRATIONS, inventory::MIGRATIONS, queue::MIGRATIONS, webhooks::MIGRATIONS]
        .concat()
}

/// The jobs that every worker knows how to do.
pub fn kinds(inventory: &Inventory, database: Option<Postgres>) -> Kinds {
    inventory::confirm_orders(queue::demo::kinds(Kinds::new(), database), inventory)
}

/// Has the process end when its workers do: one that works no more must not look as if it did.
pub fn end_with(workers: &Workers, shutdown: &Shutdown) {
    let (ended, shutdown) = (workers.ended(), shutdown.clone());
    tokio::spawn(async move {
        ended.await;
        shutdown.begin();
    });
}

/// The applications, with whatever each leans on.
pub struct Applications {
    settings: Settings,
    stores: Stores,
    metrics: Metrics,
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

impl Applications {
    /// Makes what the applications lean on, for a server that listens at `address`. Services need not be there yet.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn open(settings: &Settings, address: SocketAddr, watched: &Watched) -> Result<Applications, Failure> {
        let stores = Stores::open(settings)?;
        stores.warn(settings.listen.iter().copied().chain([address]));
        let canvas = stores::canvas(settings)?;
        let accounts = stores.accounts();
        let identity = Identity::new(configs::identity(settings, address)?, accounts.clone(), stores.grants());
        let queue = stores.queue();
        let inventory = stores.inventory(&configs::inventory(settings), &queue);
        let schedules = stores.schedules(&queue);
        let webhooks = stores.webhooks(configs::webhooks(settings), &watched.shutdown);
        let metrics = Metrics::new(watched, settings.metrics_remote);
        let settings = settings.clone();
        let applications = Applications {
            settings,
            stores,
            metrics,
            canvas,
            accounts,
            identity,
            inventory,
            queue,
            schedules,
            webhooks,
        };
        applications.register();
        Ok(applications)
    }

    /// All routes.
    pub fn routes(&self, inspector: Inspector, watched: &Watched) -> Result<Routes, Failure> {
        let Applications {
            settings, stores, canvas, accounts, identity, inventory, queue, schedules, webhooks, ..
        } = self;
        self.introduce_all();
        let chain = introduced("chain", chain::routes(configs::chain(settings)), IN_MEMORY)?;
        let session = session::routes(configs::session(settings), accounts.clone(), stores.sessions());
        let session = introduced("session", session, stores.place_of_sessions())?;
        let config = ServicesConfig { issuer: identity.issuer().to_owned(), ..ServicesConfig::default() };
        let keys = KeyCache::new(local_keys(identity.clone()), config.keys.clone());
        let catalog = introduced("catalog", services::catalog(&config, keys.clone()), IN_MEMORY)?;
        let billing = introduced("billing", services::billing(&config, keys), IN_MEMORY)?;

        let shelf = inventory::page::routes(configs::inventory(settings), inventory.clone());
        let inventory = inventory::routes(configs::inventory(settings), inventory.clone());
        let inventory = introduced("inventory", inventory, stores.place_of_records())?;
        let jobs = JobsConfig { kinds: self.kinds().names().cloned().collect(), ..configs::jobs(settings) };
        let jobs = jobs::routes(jobs, queue.clone(), schedules.clone());
        let jobs = introduced("jobs", jobs, stores.place_of_records())?;
        let hooks = introduced("webhooks", webhooks::routes(webhooks.clone()), stores.place_of_records())?;

        let mut contents = Contents::default();
        let router = errors::routes(inspect::routes(Router::new(()), inspector));
        let router = limits::routes(router, shown(settings), watched, settings.inspect_remote);
        let router = metrics::routes(router, self.metrics.clone());
        let health = Health::new(watched.shutdown.clone(), stores.dependencies());
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

    /// Has everything told in /metrics that counts something.
    fn register(&self) {
        let Applications { stores, metrics, inventory, queue, webhooks, .. } = self;
        metrics.register(|registry| {
            stores.redis.iter().for_each(|redis| redis.register(registry));
            stores.postgres.iter().for_each(|postgres| postgres.register(registry));
            inventory.register(registry);
            queue.register(registry);
            webhooks.register(registry);
        });
    }

    /// Says where the data of those is that have no chain of middleware.
    fn introduce_all(&self) {
        let Applications { settings, stores, .. } = self;
        let pictures = settings.canvas_store.as_ref().map_or(IN_MEMORY.to_owned(), Keep::to_string);
        introduce("lab", "none", "none: nothing is kept");
        introduce("canvas", "none", &pictures);
        introduce("accounts", "none", stores.place_of_records());
        introduce("identity", "none", stores.place_of_records());
    }

    /// Begins to work jobs, as many at a time as the settings say, and to see to schedules, until the shutdown.
    pub fn work(&self, watched: &Watched) -> Work {
        let config = configs::workers(&self.settings);
        let start = || Workers::start(self.queue.clone(), self.kinds(), config, watched.shutdown.clone());
        let workers = (self.settings.job_workers > 0).then(start);
        workers.iter().for_each(|workers| end_with(workers, &watched.shutdown));
        self.metrics.register(|registry| workers.iter().for_each(|workers| workers.register(registry)));
        let scheduler = Scheduler::start(self.schedules.clone(), SchedulerConfig::default(), watched.shutdown.clone());
        Work { workers, scheduler }
    }

    /// The jobs that are worked here.
    fn kinds(&self) -> Kinds {
        kinds(&self.inventory, self.stores.postgres.clone())
    }

    /// Ends what they have begun beside their requests, and keeps what is to be kept.
    pub async fn end(self) {
        tokio::join!(self.canvas.end(), self.webhooks.end());
    }
}

impl Work {
    /// Ends it: jobs at work are finished, or given back. How many had to be cut off.
    pub async fn end(self) -> usize {
        self.scheduler.end().await;
        match self.workers {
            Some(workers) => workers.end().await.cut,
            None => 0,
        }
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

/// The keys of an issuer in this process.
fn local_keys(identity: Identity) -> KeySource {
    KeySource::local(move || {
        let identity = identity.clone();
        async move { identity.jwks().await }
    })
}
