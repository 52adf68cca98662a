//! Owns what can be done with orders.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::inventory::domain::cursor::parse_id;
use crate::app::inventory::domain::{At, Draft, Invalid, Once, Order, OrderQuery, Page, now};
use crate::app::inventory::error::Error;
use crate::app::inventory::repositories::Notice;
use crate::app::inventory::services::Inventory;
use crate::app::inventory::services::metrics::Event;
use crate::app::inventory::services::products::Keyed;
use crate::app::queue::domain::{KindName, NewJob};
use crate::app::queue::{JobError, Kinds, Running};
use crate::net::context::Context;

const PLACE: &str = "POST /orders";

/// The kind of the job that confirms an order.
pub const CONFIRM: &str = "order.confirm";

impl Inventory {
    /// Places an order, once for its key. Where somebody is to be told of it, the job for that comes with the order.
    ///
    /// # Errors
    /// [`Error::OutOfStock`], and those of a key.
    pub async fn place(&self, context: &Context, draft: &Draft, keyed: Keyed) -> Result<Once<Order>, Error> {
        let claim = self.claim(PLACE, keyed);
        let job = NewJob::new(KindName::known(CONFIRM), json!({"order_id": draft.id}));
        let notice = match (&self.shared.queue, draft.notify) {
            (_, false) => None,
            (Some(queue), true) => Some(Notice { queue, job: &job }),
            (None, true) => return Err(Invalid::one(At::member("", "notify"), "no_queue", "has no queue here").into()),
        };
        let placing = self.attempt(context, || self.repositories().place(context, draft, &claim, notice));
        let placed =
            self.changing(draft.pieces().into_keys(), placing, |placed| matches!(placed, Once::First(_))).await;
        match &placed {
            Ok(Once::First(_)) => self.count(Event::Placed),
            Ok(Once::Again(_)) => self.count(Event::Replayed),
            Err(Error::OutOfStock(_)) => self.count(Event::OutOfStock),
            Err(_) => {}
        }
        placed
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
        // What an order has taken never changes.
        let taken = self.order(context, id).await?.pieces();
        let cancelling = self.attempt(context, || self.repositories().cancel(context, id, now()));
        let cancelled = self.changing(taken.into_keys(), cancelling, |_| true).await?;
        self.count(Event::Cancelled);
        Ok(cancelled)
    }

    /// Confirms an order. As often as one likes: it is confirmed once, and one that was cancelled stays so.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn confirm(&self, context: &Context, id: Uuid) -> Result<Order, Error> {
        let confirmed = self.attempt(context, || self.repositories().confirm(context, id, now())).await?;
        let confirmed = confirmed.ok_or(Error::NotFound("order"))?;
        if matches!(confirmed, Once::First(_)) {
            self.count(Event::Confirmed);
        }
        Ok(confirmed.into_value())
    }
}

/// `kinds` and the one that confirms orders of `inventory`.
pub fn confirm_orders(kinds: Kinds, inventory: &Inventory) -> Kinds {
    let inventory = inventory.clone();
    kinds.with(CONFIRM, move |running| {
        let inventory = inventory.clone();
        async move { confirm(&inventory, &running).await }
    })
}

/// A job may be done twice, by a worker that was taken for dead, too: what it does is done once.
async fn confirm(inventory: &Inventory, running: &Running) -> Result<Value, JobError> {
    let id = running.payload.get("order_id").and_then(Value::as_str).and_then(parse_id);
    let id = id.ok_or_else(|| JobError::Dead("the payload names no order".to_owned()))?;
    match inventory.confirm(&running.context, id).await {
        Ok(order) => Ok(json!({"order_id": id, "status": order.status})),
        Err(Error::NotFound(_)) => Err(JobError::Dead(format!("there is no order {id}"))),
        Err(error) => Err(JobError::Retry(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::inventory::ServiceConfig;
    use crate::app::inventory::domain::order::Status;
    use crate::app::inventory::domain::{Details, Key};
    use crate::app::inventory::repositories::{MemoryConfig, Repositories};
    use crate::app::queue::domain::Filter;
    use crate::app::queue::{Queue, QueueConfig};
    use crate::db::cache::{Cache, CacheConfig};

    fn inventory(queue: Option<Queue>) -> Inventory {
        let repositories = Repositories::memory(MemoryConfig::default());
        Inventory::new(ServiceConfig::default(), repositories, Cache::new(None, CacheConfig::default()), queue)
    }

    /// An order of one piece, of which somebody is to be told.
    async fn place(inventory: &Inventory) -> Result<Order, Error> {
        let context = Context::root();
        let details = Details::parse(json!({"sku": "AB-1", "name": "Bolt", "price_cents": 5, "stock": 1})).unwrap();
        let product = inventory.add(&context, details, None).await?;
        let lines = json!({"lines": [{"product_id": product.value().id, "quantity": 1}], "notify": true});
        let draft = Draft::parse(lines, Uuid::from_u128(7), now()).unwrap();
        let keyed = (Key::parse("key").unwrap(), [0; 32]);
        let placed = inventory.place(&context, &draft, keyed.clone()).await?;
        assert_eq!(inventory.place(&context, &draft, keyed).await?, Once::Again(placed.value().clone()));
        Ok(placed.value().clone())
    }

    #[tokio::test]
    async fn whoever_is_to_be_told_is_so_by_one_job() {
        let queue = Queue::memory(QueueConfig::default());
        let inventory = inventory(Some(queue.clone()));
        let order = place(&inventory).await.unwrap();
        let jobs = queue.list(&Filter::default(), None, 10).await.unwrap().jobs;
        let [job] = &jobs[..] else { panic!("{jobs:?}") };
        assert_eq!((job.kind.text(), &job.payload), (CONFIRM, &json!({"order_id": order.id})));
        let payload = job.payload.clone();
        let running = Running { id: job.id, payload, try_number: 1, fence: 1, context: Context::root() };
        for _ in 0..2 {
            let result = confirm(&inventory, &running).await.unwrap();
            assert_eq!(result["status"], "confirmed");
        }
        let cancelled = inventory.cancel(&Context::root(), order.id).await;
        assert!(matches!(cancelled, Err(Error::NotCancellable(Status::Confirmed))), "{cancelled:?}");
        for payload in [json!({}), json!({"order_id": 7}), json!({"order_id": Uuid::nil()})] {
            let strange = Running { payload, ..running.clone() };
            assert!(matches!(confirm(&inventory, &strange).await, Err(JobError::Dead(_))));
        }
    }

    #[tokio::test]
    async fn an_order_whose_job_cannot_be_kept_is_none() {
        let context = Context::root();
        let full = Queue::memory(QueueConfig { in_memory_max: 0, ..QueueConfig::default() });
        for (queue, expected) in [(Some(full), "there is no room for another job"), (None, "/notify has no queue here")]
        {
            let inventory = inventory(queue);
            assert_eq!(place(&inventory).await.expect_err("no job").to_string(), expected);
            let orders = OrderQuery::parse(std::iter::empty()).unwrap();
            assert_eq!(inventory.orders(&context, &orders).await.unwrap().rows, []);
            let products = crate::app::inventory::domain::ProductQuery::parse(std::iter::empty()).unwrap();
            assert_eq!(inventory.products(&context, &products).await.unwrap().rows[0].details.stock, 1);
        }
    }
}
