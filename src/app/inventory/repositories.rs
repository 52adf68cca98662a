//! Owns where products, orders and idempotency keys are kept: in memory, or in PostgreSQL.
//!
//! ```text
//!   services ──> Repositories ──> Memory    one lock: each call is one step for everybody else
//!                            └──> Postgres  one transaction a call, raw SQL
//! ```
//!
//! The one idea: each method is one unit of work, which happens as a whole or not at all. Key, stock, order and job are written
//! together; a process that dies anywhere in between has done nothing.
//!
//! Never: names a service or a handler; does a transaction twice (that is decided by a service).
//! Cancel safety: dropped anywhere, a method has done its work or nothing.
//! Errors: of all methods [`Error::Unavailable`], [`Error::Unreached`], [`Error::TimedOut`], [`Error::Contended`] and
//! [`Error::Failed`], where a database is.

mod memory;
mod postgres;

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::app::inventory::domain::{Claim, Draft, Once, Order, OrderQuery, Product, ProductQuery};
use crate::app::inventory::error::Error;
use crate::app::queue::domain::NewJob;
use crate::app::queue::{Queue, QueueError};
use crate::db;
use crate::net::context::Context;

pub use memory::{Memory, MemoryConfig};
pub use postgres::Postgres;

/// Keeps products and orders. A clone keeps them in the same place.
#[derive(Clone)]
pub struct Repositories {
    form: Form,
}

#[derive(Clone)]
enum Form {
    Memory(Arc<Memory>),
    Postgres(Postgres),
}

/// A job that is stored with an order, or not at all.
#[derive(Clone, Copy)]
pub struct Notice<'a> {
    /// Where.
    pub queue: &'a Queue,
    /// What is to be done.
    pub job: &'a NewJob,
}

impl From<QueueError> for Error {
    fn from(error: QueueError) -> Error {
        match error {
            QueueError::Full => Error::Full("job"),
            QueueError::Database(failure) => failure.into(),
            error => Error::Failed(Box::new(error)),
        }
    }
}

impl Repositories {
    /// In memory, at most so many: gone with the process.
    pub fn memory(config: MemoryConfig) -> Repositories {
        Repositories { form: Form::Memory(Arc::new(Memory::new(config))) }
    }

    /// In memory, with some products to try it with.
    pub fn demo(config: MemoryConfig) -> Repositories {
        Repositories { form: Form::Memory(Arc::new(Memory::seeded(config))) }
    }

    /// In a database, which all its nodes share. It has the [`MIGRATIONS`](super::MIGRATIONS).
    pub fn postgres(database: db::Postgres) -> Repositories {
        Repositories { form: Form::Postgres(Postgres::new(database)) }
    }

    /// Adds all of `products`, or none.
    ///
    /// # Errors
    /// [`Error::SkuTaken`] with every one whose SKU is taken; [`Error::Full`]; those of a claim.
    pub async fn add(
        &self,
        context: &Context,
        products: &[Product],
        claim: Option<&Claim>,
    ) -> Result<Once<Vec<Product>>, Error> {
        match &self.form {
            Form::Memory(memory) => memory.add(products, claim),
            Form::Postgres(postgres) => postgres.add(context, products, claim).await,
        }
    }

    /// The living product with this number.
    ///
    /// # Errors
    /// Those of all methods.
    pub async fn find(&self, context: &Context, id: Uuid) -> Result<Option<Product>, Error> {
        match &self.form {
            Form::Memory(memory) => Ok(memory.find(id)),
            Form::Postgres(postgres) => postgres.find(context, id).await,
        }
    }

    /// The products that are asked for, and one more if there is one.
    ///
    /// # Errors
    /// Those of all methods.
    pub async fn list(&self, context: &Context, query: &ProductQuery) -> Result<Vec<Product>, Error> {
        match &self.form {
            Form::Memory(memory) => Ok(memory.list(query)),
            Form::Postgres(postgres) => postgres.list(context, query).await,
        }
    }

    /// Puts `product` in place of its version before. Whether that was there.
    ///
    /// # Errors
    /// [`Error::SkuTaken`].
    pub async fn replace(&self, context: &Context, product: &Product) -> Result<bool, Error> {
        match &self.form {
            Form::Memory(memory) => memory.replace(product),
            Form::Postgres(postgres) => postgres.replace(context, product).await,
        }
    }

    /// Ends the life of this version of a product. Whether it was there.
    ///
    /// # Errors
    /// Those of all methods.
    pub async fn delete(&self, context: &Context, id: Uuid, version: i64, at: Timestamp) -> Result<bool, Error> {
        match &self.form {
            Form::Memory(memory) => Ok(memory.delete(id, version)),
            Form::Postgres(postgres) => postgres.delete(context, id, version, at).await,
        }
    }

    /// Places an order: takes its stock, all of it or none.
    ///
    /// # Errors
    /// [`Error::OutOfStock`] with every line that cannot be had; [`Error::Full`]; those of a claim.
    ///
    /// # Panics
    /// When the orders are in a database and the queue of `notice` is not.
    pub async fn place(
        &self,
        context: &Context,
        draft: &Draft,
        claim: &Claim,
        notice: Option<Notice<'_>>,
    ) -> Result<Once<Order>, Error> {
        match &self.form {
            Form::Memory(memory) => memory.place(draft, claim, notice).await,
            Form::Postgres(postgres) => postgres.place(context, draft, claim, notice).await,
        }
    }

    /// The order with this number.
    ///
    /// # Errors
    /// Those of all methods.
    pub async fn find_order(&self, context: &Context, id: Uuid) -> Result<Option<Order>, Error> {
        match &self.form {
            Form::Memory(memory) => Ok(memory.find_order(id)),
            Form::Postgres(postgres) => postgres.find_order(context, id).await,
        }
    }

    /// The orders that are asked for, and one more if there is one.
    ///
    /// # Errors
    /// Those of all methods.
    pub async fn list_orders(&self, context: &Context, query: &OrderQuery) -> Result<Vec<Order>, Error> {
        match &self.form {
            Form::Memory(memory) => Ok(memory.list_orders(query)),
            Form::Postgres(postgres) => postgres.list_orders(context, query).await,
        }
    }

    /// Cancels an order that is placed, and gives its stock back.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotCancellable`].
    pub async fn cancel(&self, context: &Context, id: Uuid, at: Timestamp) -> Result<Order, Error> {
        match &self.form {
            Form::Memory(memory) => memory.cancel(id, at),
            Form::Postgres(postgres) => postgres.cancel(context, id, at).await,
        }
    }

    /// Confirms an order that is placed: [`Once::First`]; leaves any other as it is. Nothing, when there is none.
    ///
    /// # Errors
    /// Those of all methods.
    pub async fn confirm(&self, context: &Context, id: Uuid, at: Timestamp) -> Result<Option<Once<Order>>, Error> {
        match &self.form {
            Form::Memory(memory) => Ok(memory.confirm(id, at)),
            Form::Postgres(postgres) => postgres.confirm(context, id, at).await,
        }
    }
}
