//! Owns which applications there are: what the settings give to each, where it stands, and how the home page tells of it.
//!
//! ```text
//!   settings ──open──> Applications ──routes──> one table for all listeners
//!      └──────shown──> every bound of each
//! ```
//!
//! Never: listens, or ends the process.

use std::fmt;

use firstbyte::app::canvas::fanout::Fanout;
use firstbyte::app::canvas::store::{Keep, Store, StoreError};
use firstbyte::app::canvas::{self, Canvas, CanvasConfig};
use firstbyte::app::chain::{self, ChainConfig};
use firstbyte::app::health::{self, Dependency, Health};
use firstbyte::app::home::{self, Contents, Entry};
use firstbyte::app::inspect::{self, Inspector};
use firstbyte::app::limits::{self, Shown};
use firstbyte::app::{errors, lab};
use firstbyte::db::{Migration, Postgres, Redis, ServiceUrl, UrlError};
use firstbyte::http::bounds::InForce;
use firstbyte::http::middleware::WrongOrder;
use firstbyte::http::router::Routes;
use firstbyte::http::server::Watched;
use firstbyte::http::{BuildError, Router};

use super::settings::Settings;

/// What gives the database its shape.
const MIGRATIONS: &[Migration] = &[];

/// The applications, with whatever each leans on.
pub struct Applications {
    settings: Settings,
    services: Services,
    canvas: Canvas,
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
    /// A service has an address that nothing can be made of.
    Service(ServiceUrl, UrlError),
}

impl Applications {
    /// Makes what the applications lean on. Services need not be there yet.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn open(settings: &Settings) -> Result<Applications, Failure> {
        let services = Services::open(settings)?;
        Ok(Applications { settings: settings.clone(), services, canvas: canvas(settings)? })
    }

    /// All routes.
    pub fn routes(&self, inspector: Inspector, watched: &Watched) -> Result<Routes, Failure> {
        let Applications { settings, services, canvas } = self;
        let chain = chain::routes(chain_config(settings));
        introduce("chain", &chain::order(&chain).map_err(Failure::Order)?, "in memory: data goes with the process");
        introduce("lab", "none", "none: nothing is kept");
        let store = settings.canvas_store.as_ref();
        introduce("canvas", "none", &store.map_or("in memory: data goes with the process".to_owned(), Keep::to_string));

        let mut contents = Contents::default();
        let router = errors::routes(inspect::routes(Router::new(()), inspector));
        let router = limits::routes(router, shown(settings), watched, settings.inspect_remote);
        let health = Health::new(watched.shutdown.clone(), services.dependencies());
        let router = health::routes(router, health);
        contents.add("firstbyte itself", &router);
        contents.add_patterns(CHAIN.name, chain::table().patterns());
        let router = canvas::routes(router, canvas.clone());
        contents.add(CANVAS.name, &router);
        let router = lab::routes(router);
        contents.add(LAB.name, &router);
        let router = router.mount(chain::PREFIX, chain);
        home::routes(router, &[CHAIN, CANVAS, LAB], contents).build().map_err(Failure::Routes)
    }

    /// Ends what they have begun beside their requests, and keeps what is to be kept.
    pub async fn end(self) {
        self.canvas.end().await;
    }
}

impl Services {
    /// Begins to look for them.
    fn open(settings: &Settings) -> Result<Services, Failure> {
        let redis = settings.redis_url.as_ref().map(|url| Redis::open(url).map_err(|why| (url, why)));
        let postgres =
            settings.database_url.as_ref().map(|url| Postgres::open(url, MIGRATIONS).map_err(|why| (url, why)));
        let failed = |(url, why): (&ServiceUrl, _)| Failure::Service(url.clone(), why);
        Ok(Services { redis: redis.transpose().map_err(failed)?, postgres: postgres.transpose().map_err(failed)? })
    }

    /// What the server is not ready without. The canvas is not among it: it goes on without its broker and its store.
    fn dependencies(&self) -> Vec<Dependency> {
        let redis = self.redis.clone().map(|redis| {
            Dependency::new("redis", move || {
                let redis = redis.clone();
                async move { redis.check().await }
            })
        });
        let postgres = self.postgres.clone().map(|postgres| {
            Dependency::new("postgresql", move || {
                let postgres = postgres.clone();
                async move { postgres.check().await }
            })
        });
        redis.into_iter().chain(postgres).collect()
    }
}

/// Says at the start what stands around an application, and where its data is.
fn introduce(application: &str, middleware: &str, store: &str) {
    tracing::info!(application, middleware, store, "ready");
}

const CHAIN: Entry = Entry {
    name: "The chain",
    path: "/chain/quotes",
    about: "A small public API behind logger, limiter and eight more layers: no address gets more than 100 requests in \
            any 60 seconds. It teaches what middleware is, and why its order matters.",
    tries: &[
        "curl -i http://{at}/chain/quotes/random",
        r#"curl -i --json '{"text":"Know thyself.","author":"Delphi"}' http://{at}/chain/quotes"#,
    ],
};

const CANVAS: Entry = Entry {
    name: "The canvas",
    path: "/canvas/lobby",
    about: "A grid of pixels that everybody in a room draws on at once, over WebSocket. It teaches how one stroke reaches \
            thousands without waiting for any, and what is left of those who vanish: nothing.",
    tries: &["curl -s http://{at}/canvas/lobby"],
};

const LAB: Entry = Entry {
    name: "The lab",
    path: "/anything",
    about: "Routes with known answers, to try a client, a proxy or a load generator: streams, delays, statuses, \
            redirects, cookies, events.",
    tries: &[
        "curl -i http://{at}/hello/ada",
        "curl -T /etc/os-release http://{at}/echo",
        "curl -N 'http://{at}/sse?count=3&ms=500'",
        r"printf 'GET /hello/ada HTTP/1.1\r\nHost: x\r\n\r\n' | nc -N {host} {port}",
        "firstbyte ws ws://{at}/ws",
    ],
};

/// The canvas, joined to other nodes and to its store as the settings say.
fn canvas(settings: &Settings) -> Result<Canvas, Failure> {
    let open = |place: &Keep| Store::open(place).map_err(|error| Failure::Store(place.clone(), error));
    let store = settings.canvas_store.as_ref().map(open).transpose()?;
    let fanout = settings.fanout.as_ref().map(Fanout::join);
    Ok(Canvas::new(CanvasConfig::default(), fanout, store))
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
    Shown::new(&in_force)
        .with(health::bounds(), [])
        .with(inspect::bounds(), inspect::kept(settings.trace))
        .with(chain.bounds(), chain.kept())
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
            Failure::Service(url, error) => write!(f, "nothing can be kept at {url}: {error}"),
            Failure::Order(error) => write!(f, "a chain of middleware has a wrong order: {error}"),
            Failure::Routes(error) => write!(f, "the routes contradict each other:\n{error}"),
        }
    }
}
