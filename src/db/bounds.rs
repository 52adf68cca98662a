//! Owns the rows of services in the catalogue of bounds, and the memory that their connections may keep.
//!
//! Never: bounds anything itself: each value is read where it is in force.

use super::migrations::{FILE_TIME, LOCK_TIME};
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_memory_rises_with_connections() {
        let config = PostgresConfig::default();
        let rows = [rows(), config.bounds()].concat();
        assert_eq!(rows.iter().map(|row| row.name).collect::<HashSet<_>>().len(), rows.len());
        let kept = |connections_max| PostgresConfig { connections_max, ..config }.kept()[0].bytes.unwrap();
        assert!(kept(17) > kept(16));
    }
}
