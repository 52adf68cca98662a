//! The issuer over each of its stores: one suite, driven over memory and over PostgreSQL, by two nodes that share a store.
//!
//! What only a real database can show stands in the modules: nodes that die in the middle, a server that is killed, curl.

mod locks;
mod nodes;
mod outage;
mod suite;
mod tools;

use std::time::Duration;

use firstbyte::app::identity::{FAMILIES_MAX, IdentityConfig, MIGRATIONS, store::Store};

use crate::database::Database;

/// Where nodes keep what they share.
pub enum Place {
    Memory(Store),
    Postgres(Database),
}

impl Place {
    /// The store of one more node. In a database each node has connections of its own.
    pub fn store(&self) -> Store {
        match self {
            Place::Memory(store) => store.clone(),
            Place::Postgres(database) => Store::postgres(database.open(MIGRATIONS)),
        }
    }
}

/// Runs `test` over each place that there is, empty at first.
async fn with_each(test: impl AsyncFn(Place)) {
    let in_database = async {
        if let Some(database) = Database::new(MIGRATIONS) {
            test(Place::Postgres(database)).await;
        }
    };
    tokio::join!(test(Place::Memory(Store::memory(FAMILIES_MAX))), in_database);
}

fn without_grace() -> IdentityConfig {
    IdentityConfig { grace: Duration::ZERO, ..IdentityConfig::default() }
}
