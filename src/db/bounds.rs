//! Owns the rows of services and of the cache in the catalogue of bounds, and the memory that they may keep.
//!
//! Never: bounds anything itself: each value is read where it is in force.

use super::cache::CacheConfig;
use super::migrations::{FILE_TIME, LOCK_TIME, TABLE_TIME};
use super::postgres::PostgresConfig;
use super::presence::ASK_PERIOD;
use super::{PATIENCE, RETRY_AFTER};
use crate::http::bounds::{Amount, Bound, Part, Seen};

/// What a connection keeps: a buffer each way, the statements that were prepared on it, its task.
const CONNECTION_BYTES: u64 = 64 * 1024;

/// What is in force for every service.
pub fn rows() -> Vec<Bound> {
    vec![
        Bound::fixed("service_patience", Amount::Time(PATIENCE))
            .bounds("How long a request waits for a Redis or a PostgreSQL that may be away")
            .larger("requests that cannot be served are held for longer")
            .seen(Seen::Refused(503)),
        Bound::fixed("service_ask_period", Amount::Time(ASK_PERIOD))
            .bounds("How often a service that nobody needs is asked whether it is there")
            .larger("an absence is met by a request before it is known"),
        Bound::fixed("service_retry_after", Amount::Time(RETRY_AFTER))
            .bounds("What a client is told to wait when a service is away; it is found again within this")
            .larger("clients come back later than they could")
            .seen(Seen::Refused(503)),
    ]
}

impl PostgresConfig {
    /// Rows for the catalogue of bounds.
    pub fn bounds(&self) -> Vec<Bound> {
        vec![
            Bound::fixed("postgres_connections_max", Amount::count(self.connections_max))
                .bounds("Connections for statements, besides the one that looks whether PostgreSQL is there")
                .larger("PostgreSQL has a process for each; smaller: requests wait for one another, and then see 503")
                .seen(Seen::Refused(503)),
            Bound::fixed("postgres_statement_time", Amount::Time(self.statement_time))
                .bounds("How long a statement may take while PostgreSQL is there; then it is told to stop")
                .larger("a lock that is held for long holds more connections")
                .seen(Seen::Refused(503)),
            Bound::fixed("postgres_migration_lock_time", Amount::Time(LOCK_TIME))
                .bounds("How long a node that starts waits for another one that changes the shape of the database")
                .larger("a node that hangs holds up the others for longer"),
            Bound::fixed("postgres_migration_table_time", Amount::Time(TABLE_TIME))
                .bounds("How long a statement of a migration waits for a table that is in use, with all who want it after that")
                .larger("requests for the table wait for longer; smaller: a busy table is never changed"),
            Bound::fixed("postgres_migration_time", Amount::Time(FILE_TIME))
                .bounds("How long one statement of a migration may take")
                .larger("a table is locked for longer"),
        ]
    }

    /// The memory that connections may keep, besides the rows that statements give.
    pub fn kept(&self) -> Vec<Part> {
        let connections = u64::try_from(self.connections_max).unwrap_or(u64::MAX).saturating_add(1);
        let bytes = connections.saturating_mul(CONNECTION_BYTES);
        vec![Part::of_process("postgres: connections", "postgres_connections_max and one more", bytes)]
    }
}

/// A key that is owed: its name, and what is known of it.
const OWED_BYTES: u64 = 512;

impl CacheConfig {
    /// Rows for the catalogue of bounds.
    pub fn bounds(&self) -> Vec<Bound> {
        vec![
            Bound::fixed("cache_ttl", Amount::Time(self.ttl))
                .bounds("How long a value is kept in Redis at most, and is old at most where Redis could not be told of a change")
                .larger("old values live for longer after an outage; smaller: the database is asked more often"),
            Bound::fixed("cache_negative_ttl", Amount::Time(self.negative_ttl))
                .bounds("How long it is kept that there is no such thing")
                .larger("the same of what is added meanwhile"),
            Bound::fixed("cache_patience", Amount::Time(self.patience))
                .bounds("How long a read waits for Redis before it asks the database")
                .larger("the first reads after Redis has hung are later"),
            Bound::fixed("cache_load_time", Amount::Time(self.load_time))
                .bounds("How long the database may take for what is then kept")
                .larger("leases of nodes that are gone stay for longer"),
            Bound::fixed("cache_value_bytes_max", Amount::bytes(self.value_bytes_max))
                .bounds("Bytes of a value that is kept")
                .larger("one key takes the room of many in Redis"),
            Bound::fixed("cache_owed_max", Amount::count(self.owed_max))
                .bounds("Keys of which it is remembered that Redis has not been told; with one more, Redis is not read for cache_ttl")
                .larger("more memory while Redis is away"),
        ]
    }

    /// The memory that keys may take of which Redis has not been told.
    pub fn kept(&self) -> Vec<Part> {
        let keys = u64::try_from(self.owed_max).unwrap_or(u64::MAX);
        vec![Part::of_process("cache: keys owed", "cache_owed_max", keys.saturating_mul(OWED_BYTES))]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_memory_rises_with_connections() {
        let config = PostgresConfig::default();
        let rows = [rows(), config.bounds(), CacheConfig::default().bounds()].concat();
        assert_eq!(rows.iter().map(|row| row.name).collect::<HashSet<_>>().len(), rows.len());
        let kept = |connections_max| PostgresConfig { connections_max, ..config }.kept()[0].bytes.unwrap();
        assert!(kept(17) > kept(16));
        let kept = |owed_max| CacheConfig { owed_max, ..CacheConfig::default() }.kept()[0].bytes.unwrap();
        assert!(kept(17) > kept(16));
    }
}
