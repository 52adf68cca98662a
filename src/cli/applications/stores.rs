//! Owns where the applications keep what they keep: in the services that the settings name, else in memory.
//!
//! ```text
//!   REDIS_URL ────> sessions, the throttle of logins, copies of products     else in memory; no copies
//!   DATABASE_URL ─> accounts, grants, products, orders, jobs, webhooks       else in memory
//! ```
//!
//! Never: waits for a service; says where one is to a client.

use std::net::SocketAddr;

use firstbyte::app::accounts::throttle::{Throttle, ThrottleConfig};
use firstbyte::app::accounts::{self, Accounts, AccountsConfig};
use firstbyte::app::canvas::fanout::Fanout;
use firstbyte::app::canvas::store::{Keep, Store};
use firstbyte::app::canvas::{Canvas, CanvasConfig};
use firstbyte::app::health::Dependency;
use firstbyte::app::identity;
use firstbyte::app::inventory::repositories::Repositories;
use firstbyte::app::inventory::{Inventory, InventoryConfig};
use firstbyte::app::queue::schedule::Schedules;
use firstbyte::app::queue::{Queue, QueueConfig};
use firstbyte::app::session::{self, SessionConfig};
use firstbyte::app::webhooks::{self, Webhooks, WebhooksConfig};
use firstbyte::db::cache::Cache;
use firstbyte::db::{Postgres, Redis, ServiceUrl};
use firstbyte::net::Shutdown;

use super::{Failure, IN_MEMORY, migrations};
use crate::cli::settings::Settings;

/// The services that the settings name.
pub(super) struct Stores {
    pub(super) redis: Option<Redis>,
    pub(super) postgres: Option<Postgres>,
}

impl Stores {
    /// Begins to look for them.
    pub(super) fn open(settings: &Settings) -> Result<Stores, Failure> {
        let failed = |url: &ServiceUrl| {
            let url = url.clone();
            move |why| Failure::Service(url, why)
        };
        let redis = settings.redis_url.as_ref().map(|url| Redis::open(url).map_err(failed(url)));
        let postgres =
            settings.database_url.as_ref().map(|url| Postgres::open(url, &migrations()).map_err(failed(url)));
        Ok(Stores { redis: redis.transpose()?, postgres: postgres.transpose()? })
    }

    /// Says what is served all the same, and should not be where others come by.
    pub(super) fn warn(&self, addresses: impl Iterator<Item = SocketAddr>) {
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

    pub(super) fn accounts(&self) -> Accounts {
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

    pub(super) fn sessions(&self) -> session::store::Store {
        let config = SessionConfig::default();
        match &self.redis {
            Some(redis) => session::store::Store::redis(config.lifetime, redis.clone()),
            None => session::store::Store::memory(config.lifetime, config.sessions_max),
        }
    }

    /// Where the issuer keeps what it has granted, and its keys.
    pub(super) fn grants(&self) -> identity::store::Store {
        match &self.postgres {
            Some(postgres) => identity::store::Store::postgres(postgres.clone()),
            None => identity::store::Store::memory(identity::FAMILIES_MAX),
        }
    }

    pub(super) fn inventory(&self, config: &InventoryConfig, queue: &Queue) -> Inventory {
        let repositories = match &self.postgres {
            Some(postgres) => Repositories::postgres(postgres.clone()),
            None => Repositories::demo(config.memory),
        };
        // What this process keeps for itself is nobody else's to read.
        let redis = self.redis.clone().filter(|_| self.postgres.is_some());
        let cache = Cache::new(redis, config.cache);
        Inventory::new(config.service, repositories, cache, Some(queue.clone()))
    }

    pub(super) fn queue(&self) -> Queue {
        let config = QueueConfig::default();
        match &self.postgres {
            Some(postgres) => Queue::postgres(config, postgres.clone()),
            None => Queue::memory(config),
        }
    }

    pub(super) fn schedules(&self, queue: &Queue) -> Schedules {
        match &self.postgres {
            Some(postgres) => Schedules::postgres(queue.clone(), postgres.clone()),
            None => Schedules::memory(queue.clone()),
        }
    }

    pub(super) fn place_of_sessions(&self) -> &'static str {
        if self.redis.is_some() { "Redis" } else { IN_MEMORY }
    }

    pub(super) fn webhooks(&self, config: WebhooksConfig, shutdown: &Shutdown) -> Webhooks {
        let store = match &self.postgres {
            Some(postgres) => webhooks::store::Store::postgres(config.store, postgres.clone()),
            None => webhooks::store::Store::memory(config.store, config.clock.clone()),
        };
        Webhooks::new(config, store, shutdown.clone())
    }

    pub(super) fn place_of_records(&self) -> &'static str {
        if self.postgres.is_some() { "PostgreSQL" } else { IN_MEMORY }
    }

    /// What the server is not ready without. The canvas is not among it: it goes on without its broker and its store.
    pub(super) fn dependencies(&self) -> Vec<Dependency> {
        let redis = self.redis.iter().map(Dependency::redis);
        redis.chain(self.postgres.iter().map(Dependency::postgres)).collect()
    }
}

/// The canvas, joined to other nodes and to its store as the settings say.
pub(super) fn canvas(settings: &Settings) -> Result<Canvas, Failure> {
    let open = |place: &Keep| Store::open(place).map_err(|error| Failure::Store(place.clone(), error));
    let store = settings.canvas_store.as_ref().map(open).transpose()?;
    let fanout = settings.fanout.as_ref().map(Fanout::join);
    Ok(Canvas::new(CanvasConfig::default(), fanout, store))
}
