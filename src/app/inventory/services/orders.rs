//! Owns what can be done with orders.

use uuid::Uuid;

use crate::app::inventory::domain::{Draft, Once, Order, OrderQuery, Page, now};
use crate::app::inventory::error::Error;
use crate::app::inventory::services::Inventory;
use crate::app::inventory::services::products::Keyed;
use crate::net::context::Context;

const PLACE: &str = "POST /orders";

impl Inventory {
    /// Places an order, once for its key.
    ///
    /// # Errors
    /// [`Error::OutOfStock`], and those of a key.
    pub async fn place(&self, context: &Context, draft: &Draft, keyed: Keyed) -> Result<Once<Order>, Error> {
        let claim = self.claim(PLACE, keyed);
        self.attempt(context, || self.repositories().place(context, draft, &claim)).await
    }

    /// The order with this number.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn order(&self, context: &Context, id: Uuid) -> Result<Order, Error> {
        self.repositories().find_order(context, id).await?.ok_or(Error::NotFound("order"))
    }

    /// A part of the list of orders.
    ///
    /// # Errors
    /// Those of the repository.
    pub async fn orders(&self, context: &Context, query: &OrderQuery) -> Result<Page<Order>, Error> {
        Ok(query.page(self.repositories().list_orders(context, query).await?))
    }

    /// Cancels an order, which gives back what it took.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotCancellable`].
    pub async fn cancel(&self, context: &Context, id: Uuid) -> Result<Order, Error> {
        self.attempt(context, || self.repositories().cancel(context, id, now())).await
    }

    /// Confirms an order. As often as one likes: it is confirmed once, and one that was cancelled stays so.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn confirm(&self, context: &Context, id: Uuid) -> Result<Order, Error> {
        let confirmed = self.attempt(context, || self.repositories().confirm(context, id, now())).await?;
        confirmed.ok_or(Error::NotFound("order"))
    }
}
