//! Owns products, orders and keys in PostgreSQL: four tables, and every statement on them (in the files below).
//!
//! ```text
//!   place:  BEGIN ─> key: lock, look ─> products FOR UPDATE, by id ─> price ─> take stock ─> order, lines ─> key, answer ─> COMMIT
//!                        │                   └ no two wait for each other          └ any failure: nothing of it
//!                        └ somebody has it: at work, 409
//! ```
//!
//! The one idea: rows are locked before they are judged, always in the order of their numbers. What was read then is still true
//! when it is written, and whoever waits, waits for somebody who will not wait for him. What other statements do in another
//! order ends as a deadlock, of which PostgreSQL tells one: a service begins that one again.
//!
//! Each statement ends with its request: the connection is told the deadline, and a request whose client leaves drops its
//! statement, which is told to stop.
//!
//! Spec: PostgreSQL 13.2.1 (read committed), 13.3.2 (row locks), 13.3.4 (deadlocks), 13.3.5 (advisory locks).
//! Never: puts a value into the text of a statement.

mod keys;
mod orders;
mod products;

use std::fmt;

use crate::app::inventory::domain::{At, Invalid};
use crate::app::inventory::error::Error;
use crate::db::postgres::{Client, Transaction};
use crate::db::{self, Failure};
use crate::net::context::Context;

/// Products, orders and keys.
#[derive(Clone)]
pub struct Postgres {
    database: db::Postgres,
}

impl Postgres {
    pub(super) fn new(database: db::Postgres) -> Postgres {
        Postgres { database }
    }

    /// A connection whose statements end with the request.
    async fn client(&self, context: &Context) -> Result<Client, Error> {
        let client = self.database.client().await.map_err(|failure| match failure {
            // Nobody was asked anything yet.
            Failure::Unavailable(unavailable) => Error::Unreached(Box::new(unavailable)),
            failure => failure.into(),
        });
        let mut client = client?;
        if let Some(deadline) = context.deadline() {
            client.until(deadline);
        }
        Ok(client)
    }
}

/// Ends a transaction, before anybody is told what has come of it: whoever comes again at once must not meet its locks.
async fn ended<T>(transaction: Transaction<'_>, done: Result<T, Error>) -> Result<T, Error> {
    match done {
        Ok(done) => {
            transaction.commit().await?;
            Ok(done)
        }
        Err(error) => {
            // What cannot be rolled back now goes with its connection.
            let _ = transaction.rollback().await;
            Err(error)
        }
    }
}

/// A row that is not what it was taken for.
#[derive(Debug)]
struct Strange(&'static str);

impl fmt::Display for Strange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Strange {}

fn strange(why: &'static str) -> Error {
    Error::Failed(Box::new(Strange(why)))
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        match failure {
            Failure::Unavailable(unavailable) => Error::Unavailable(Box::new(unavailable)),
            Failure::TimedOut => Error::TimedOut(Box::new(failure)),
            Failure::Serialization => Error::Contended,
            Failure::Unique { constraint } if constraint == "inventory_products_sku_key" => Error::SkuTaken(vec![0]),
            // Somebody was faster with the key: next time it is found.
            Failure::Unique { constraint } if constraint == "inventory_keys_pkey" => Error::Contended,
            Failure::Check { constraint } => match refused_column(&constraint) {
                Some(column) => {
                    Error::Conflict(Invalid::one(At::member("", column), "not_possible", "is none that it may have"))
                }
                None => Error::Failed(Box::new(Failure::Check { constraint })),
            },
            failure => Error::Failed(Box::new(failure)),
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Error {
        Failure::from(error).into()
    }
}

/// The column of a product that a constraint of the table is about: what the domain lets through is decided there, so this is
/// met only by a newer node's rules.
fn refused_column(constraint: &str) -> Option<&str> {
    constraint.strip_prefix("inventory_products_")?.strip_suffix("_check")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_have_places() {
        let place = |constraint: &str| match Error::from(Failure::Check { constraint: constraint.to_owned() }) {
            Error::Conflict(invalid) => Some(invalid.to_string()),
            _ => None,
        };
        assert_eq!(place("inventory_products_stock_check").as_deref(), Some("/stock is none that it may have"));
        assert_eq!(place("inventory_orders_status_check"), None);
        let unique = |constraint: &str| Error::from(Failure::Unique { constraint: constraint.to_owned() });
        assert!(matches!(unique("inventory_products_sku_key"), Error::SkuTaken(taken) if taken == [0]));
        assert!(matches!(unique("inventory_keys_pkey"), Error::Contended));
        assert!(matches!(unique("inventory_orders_pkey"), Error::Failed(_)));
    }
}
