//! Owns products, orders and keys in memory: three tables behind one lock.
//!
//! The one idea: whoever holds the lock is alone, so every method is a transaction that looks first and then writes. It is never
//! held over an await.
//!
//! What it cannot promise: it is gone with its process, and other nodes know nothing of it. A product that is deleted is gone at
//! once, where a database keeps the row for its orders; an order of one has nowhere to give its stock back to.
//!
//! Never: drops what was accepted to make room: what does not fit is refused.
//! Limits: [`MemoryConfig`].

mod keys;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use uuid::Uuid;

use crate::app::inventory::domain::cursor::Position;
use crate::app::inventory::domain::order::{Offer, Pieces, Status};
use crate::app::inventory::domain::{Claim, Details, Draft, Once, Order, OrderQuery, Product, ProductQuery, now};
use crate::app::inventory::error::Error;
use crate::app::inventory::repositories::Notice;
use keys::Keys;

/// A product that is there at the start.
struct Seed {
    sku: &'static str,
    name: &'static str,
    description: &'static str,
    price_cents: i64,
    stock: i64,
    tag: &'static str,
}

/// What there is to try it with.
const SEEDS: [Seed; 6] = [
    Seed {
        sku: "BOLT-M8",
        name: "Bolt M8",
        description: "Hexagon head, galvanised",
        price_cents: 25,
        stock: 10_000,
        tag: "steel",
    },
    Seed { sku: "NUT-M8", name: "Nut M8", description: "Fits the bolt", price_cents: 10, stock: 12_000, tag: "steel" },
    Seed {
        sku: "LAMP-01",
        name: "Desk lamp",
        description: "Light for long nights",
        price_cents: 3_999,
        stock: 12,
        tag: "light",
    },
    Seed {
        sku: "CABLE-5M",
        name: "Cable, 5 m",
        description: "With earth",
        price_cents: 1_250,
        stock: 40,
        tag: "light",
    },
    Seed {
        sku: "KETTLE-1",
        name: "Kettle",
        description: "1.7 l; switches itself off",
        price_cents: 4_500,
        stock: 3,
        tag: "kitchen",
    },
    Seed {
        sku: "CHAIR-X",
        name: "Chair",
        description: "Out of stock, so that there is something to refuse",
        price_cents: 12_900,
        stock: 0,
        tag: "wood",
    },
];

/// How much is kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryConfig {
    /// Living products. Default: 2,000.
    pub products_max: usize,
    /// Orders. Default: 2,000.
    pub orders_max: usize,
    /// Bytes of answers that are kept for their keys. Default: 8 MiB.
    pub answers_bytes_max: usize,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        MemoryConfig { products_max: 2_000, orders_max: 2_000, answers_bytes_max: 8 << 20 }
    }
}

/// Products, orders and keys.
pub struct Memory {
    config: MemoryConfig,
    tables: Mutex<Tables>,
}

struct Tables {
    products: BTreeMap<Uuid, Product>,
    skus: HashMap<String, Uuid>,
    orders: BTreeMap<Uuid, Order>,
    keys: Keys,
}

impl Memory {
    pub(super) fn new(config: MemoryConfig) -> Memory {
        let tables = Tables {
            products: BTreeMap::new(),
            skus: HashMap::new(),
            orders: BTreeMap::new(),
            keys: Keys::new(config.answers_bytes_max),
        };
        Memory { config, tables: Mutex::new(tables) }
    }

    pub(super) fn seeded(config: MemoryConfig) -> Memory {
        let memory = Memory::new(config);
        let products: Vec<Product> = SEEDS.iter().zip(1..).take(config.products_max).map(seed).collect();
        let mut tables = memory.lock();
        for product in products {
            tables.put(product);
        }
        drop(tables);
        memory
    }

    pub(super) fn add(&self, products: &[Product], claim: Option<&Claim>) -> Result<Once<Vec<Product>>, Error> {
        let mut tables = self.lock();
        if let Some(answer) = claim.map(|claim| tables.keys.look(claim)).transpose()?.flatten() {
            return Ok(Once::Again(answer));
        }
        let is_taken =
            |(index, product): (usize, &Product)| tables.skus.contains_key(&product.details.sku).then_some(index);
        let taken: Vec<usize> = products.iter().enumerate().filter_map(is_taken).collect();
        if !taken.is_empty() {
            return Err(Error::SkuTaken(taken));
        }
        if tables.products.len() + products.len() > self.config.products_max {
            return Err(Error::Full("product"));
        }
        if let Some(claim) = claim {
            tables.keys.keep(claim, &products)?;
        }
        for product in products {
            tables.put(product.clone());
        }
        Ok(Once::First(products.to_vec()))
    }

    pub(super) fn find(&self, id: Uuid) -> Option<Product> {
        self.lock().products.get(&id).cloned()
    }

    pub(super) fn list(&self, query: &ProductQuery) -> Vec<Product> {
        let tables = self.lock();
        let wanted = tables.products.values().filter(|product| query.wants(product));
        let mut placed: Vec<(Position, &Product)> =
            wanted.map(|product| (query.sort.position(product), product)).collect();
        let is_descending = query.sort.is_descending;
        placed.retain(|(position, _)| is_behind(position, query.after.as_ref(), is_descending));
        placed.sort_unstable_by(|(one, _), (other, _)| if is_descending { other.cmp(one) } else { one.cmp(other) });
        placed.into_iter().take(query.limit + 1).map(|(_, product)| product.clone()).collect()
    }

    pub(super) fn replace(&self, product: &Product) -> Result<bool, Error> {
        let mut tables = self.lock();
        let Some(before) = tables.products.get(&product.id) else { return Ok(false) };
        if before.version + 1 != product.version {
            return Ok(false);
        }
        if tables.skus.get(&product.details.sku).is_some_and(|of| *of != product.id) {
            return Err(Error::SkuTaken(vec![0]));
        }
        let sku = before.details.sku.clone();
        tables.skus.remove(&sku);
        tables.put(product.clone());
        Ok(true)
    }

    pub(super) fn delete(&self, id: Uuid, version: i64) -> bool {
        let mut tables = self.lock();
        if tables.products.get(&id).is_none_or(|product| product.version != version) {
            return false;
        }
        if let Some(product) = tables.products.remove(&id) {
            tables.skus.remove(&product.details.sku);
        }
        true
    }

    /// The job comes behind the order: where it cannot be kept, the order is taken back. Nobody can leave in
    /// between, for a queue in memory never waits; but somebody else may be told of the order meanwhile, under the same key.
    pub(super) async fn place(
        &self,
        draft: &Draft,
        claim: &Claim,
        notice: Option<Notice<'_>>,
    ) -> Result<Once<Order>, Error> {
        let placed = self.place_alone(draft, claim)?;
        if let (Once::First(order), Some(Notice { queue, job })) = (&placed, notice)
            && let Err(error) = queue.enqueue(job).await
        {
            self.take_back(order, claim);
            return Err(error.into());
        }
        Ok(placed)
    }

    fn place_alone(&self, draft: &Draft, claim: &Claim) -> Result<Once<Order>, Error> {
        let mut tables = self.lock();
        if let Some(answer) = tables.keys.look(claim)? {
            return Ok(Once::Again(answer));
        }
        let pieces = draft.pieces();
        let offers = pieces.keys().filter_map(|id| Some((*id, offer(tables.products.get(id)?)))).collect();
        let order = draft.price(&offers).map_err(Error::OutOfStock)?;
        if tables.orders.len() == self.config.orders_max {
            return Err(Error::Full("order"));
        }
        tables.keys.keep(claim, &order)?;
        tables.move_stock(&pieces, -1, draft.at);
        tables.orders.insert(order.id, order.clone());
        Ok(Once::First(order))
    }

    fn take_back(&self, order: &Order, claim: &Claim) {
        let mut tables = self.lock();
        // Somebody may have cancelled it meanwhile: then it has given back what it took.
        if tables.orders.remove(&order.id).is_some_and(|order| order.status != Status::Cancelled) {
            tables.move_stock(&order.pieces(), 1, now());
        }
        tables.keys.drop(claim);
    }

    pub(super) fn find_order(&self, id: Uuid) -> Option<Order> {
        self.lock().orders.get(&id).cloned()
    }

    pub(super) fn list_orders(&self, query: &OrderQuery) -> Vec<Order> {
        let tables = self.lock();
        let has_status = |order: &&Order| query.status.is_none_or(|status| status == order.status);
        let mut wanted: Vec<&Order> = tables.orders.values().filter(has_status).collect();
        wanted.retain(|order| is_behind(&order.position(), query.after.as_ref(), true));
        wanted.sort_unstable_by_key(|order| std::cmp::Reverse(order.position()));
        wanted.into_iter().take(query.limit + 1).cloned().collect()
    }

    pub(super) fn cancel(&self, id: Uuid, at: Timestamp) -> Result<Order, Error> {
        let mut tables = self.lock();
        let order = tables.orders.get(&id).ok_or(Error::NotFound("order"))?.clone();
        if order.status != Status::Placed {
            return Err(Error::NotCancellable(order.status));
        }
        tables.move_stock(&order.pieces(), 1, at);
        let order = order.with_status(Status::Cancelled, at);
        tables.orders.insert(id, order.clone());
        Ok(order)
    }

    pub(super) fn confirm(&self, id: Uuid, at: Timestamp) -> Option<Once<Order>> {
        let mut tables = self.lock();
        let order = tables.orders.get_mut(&id)?;
        if order.status != Status::Placed {
            return Some(Once::Again(order.clone()));
        }
        *order = order.clone().with_status(Status::Confirmed, at);
        Some(Once::First(order.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn put(&mut self, product: Product) {
        self.skus.insert(product.details.sku.clone(), product.id);
        self.products.insert(product.id, product);
    }

    /// Adds `sign` times the pieces to what there is.
    fn move_stock(&mut self, pieces: &Pieces, sign: i64, at: Timestamp) {
        for (id, quantity) in pieces {
            if let Some(product) = self.products.get_mut(id) {
                product.details.stock += sign * quantity;
                product.version += 1;
                product.updated_at = product.updated_at.max(at);
            }
        }
    }
}

/// Whether `position` comes later in its list than `after`.
fn is_behind(position: &Position, after: Option<&Position>, is_descending: bool) -> bool {
    after.is_none_or(|after| if is_descending { position < after } else { position > after })
}

fn offer(product: &Product) -> Offer {
    let Details { sku, price_cents, currency, stock, .. } = &product.details;
    Offer { sku: sku.clone(), price_cents: *price_cents, currency: currency.clone(), stock: *stock }
}

/// The numbers of seeds are always the same, so that a document can name them.
fn seed((seed, number): (&Seed, u64)) -> Product {
    const FIRST: u128 = 0x0199_0000_0000_7000_8000_0000_0000_0000;
    let Seed { sku, name, description, price_cents, stock, tag } = *seed;
    let details = Details {
        sku: sku.to_owned(),
        name: name.to_owned(),
        description: description.to_owned(),
        price_cents,
        currency: "EUR".to_owned(),
        stock,
        tags: vec![tag.to_owned()],
    };
    Product::new(Uuid::from_u128(FIRST + u128::from(number)), details, now())
}
