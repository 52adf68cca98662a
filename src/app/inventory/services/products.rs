//! Owns what can be done with products.

use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;

use crate::app::inventory::domain::once::Key;
use crate::app::inventory::domain::{
    At, Claim, Details, Invalid, Once, Page, Preconditions, Product, ProductQuery, new_id, now,
};
use crate::app::inventory::error::Error;
use crate::app::inventory::services::Inventory;
use crate::net::context::Context;

const ADD: &str = "POST /products";
const ADD_ALL: &str = "POST /products/bulk";

/// A key, and the SHA-256 of the content that came with it.
pub type Keyed = (Key, [u8; 32]);

impl Inventory {
    /// Adds a product.
    ///
    /// # Errors
    /// [`Error::Conflict`] at `/sku`, and those of a key.
    pub async fn add(&self, context: &Context, details: Details, keyed: Option<Keyed>) -> Result<Once<Product>, Error> {
        let added = self.add_new(context, vec![details], keyed.map(|keyed| self.claim(ADD, keyed))).await;
        let added = added.map_err(|error| taken(error, |_| String::new()))?;
        let (Once::First(list) | Once::Again(list)) = &added;
        let Some(product) = list.first().cloned() else { return Err(Error::NotFound("product")) };
        Ok(added.map(|_| product))
    }

    /// Adds all products, or none.
    ///
    /// # Errors
    /// [`Error::Conflict`] at each `/products/N/sku`, and those of a key.
    pub async fn add_all(
        &self,
        context: &Context,
        all: Vec<Details>,
        keyed: Option<Keyed>,
    ) -> Result<Once<Vec<Product>>, Error> {
        let added = self.add_new(context, all, keyed.map(|keyed| self.claim(ADD_ALL, keyed))).await;
        added.map_err(|error| taken(error, |index| format!("/products/{index}")))
    }

    /// The product with this number, perhaps a copy. Whoever changes it judges by the product itself.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn product(&self, context: &Context, id: Uuid) -> Result<Product, Error> {
        let (repositories, asked, key) = (self.repositories().clone(), context.clone(), id.to_string());
        let load = async move { repositories.find(&asked, id).await?.as_ref().map(copy).transpose() };
        let copy = self.shared.cache.read(&key, load).await?.ok_or(Error::NotFound("product"))?;
        if let Ok(product) = serde_json::from_slice(&copy) {
            return Ok(product);
        }
        // Another release has written it.
        self.shared.cache.invalidate(&[&key]).await;
        self.current(context, id).await
    }

    /// A part of the list of products.
    ///
    /// # Errors
    /// Those of the repository.
    pub async fn products(&self, context: &Context, query: &ProductQuery) -> Result<Page<Product>, Error> {
        Ok(query.page(self.repositories().list(context, query).await?))
    }

    /// Puts `details` in place of those of a product.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Stale`], [`Error::Conflict`] at `/sku`.
    pub async fn replace(
        &self,
        context: &Context,
        id: Uuid,
        preconditions: &Preconditions,
        details: Details,
    ) -> Result<Product, Error> {
        self.change(context, id, preconditions, |_| Ok(details.clone())).await
    }

    /// Lays a merge patch over a product.
    ///
    /// # Errors
    /// As for [`Inventory::replace`]; [`Error::Invalid`] when what comes of it is no product.
    pub async fn patch(
        &self,
        context: &Context,
        id: Uuid,
        preconditions: &Preconditions,
        patch: &Value,
    ) -> Result<Product, Error> {
        self.change(context, id, preconditions, |before| Ok(before.details.patched(patch.clone())?)).await
    }

    /// Ends the life of a product.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Stale`].
    pub async fn delete(&self, context: &Context, id: Uuid, preconditions: &Preconditions) -> Result<(), Error> {
        let deleted = async || {
            let before = self.wanted(context, id, preconditions).await?;
            let is_deleted = self.repositories().delete(context, id, before.version, now()).await?;
            if is_deleted { Ok(()) } else { Err(Error::Contended) }
        };
        self.changing([id].into_iter(), self.attempt(context, deleted), |()| true).await
    }

    async fn add_new(
        &self,
        context: &Context,
        all: Vec<Details>,
        claim: Option<Claim>,
    ) -> Result<Once<Vec<Product>>, Error> {
        let at = now();
        let mut products: Vec<Product> = all.into_iter().map(|details| Product::new(new_id(), details, at)).collect();
        number_in_order(&mut products);
        self.attempt(context, || self.repositories().add(context, &products, claim.as_ref())).await
    }

    /// Who is judged by what he has read is told when it has changed; who takes whatever there is, is not.
    async fn change(
        &self,
        context: &Context,
        id: Uuid,
        preconditions: &Preconditions,
        change: impl Fn(&Product) -> Result<Details, Error>,
    ) -> Result<Product, Error> {
        let changed = async || {
            let before = self.wanted(context, id, preconditions).await?;
            let after = before.changed(change(&before)?, now());
            let replaced = self.repositories().replace(context, &after).await;
            let is_replaced = replaced.map_err(|error| taken(error, |_| String::new()))?;
            if is_replaced { Ok(after) } else { Err(Error::Contended) }
        };
        self.changing([id].into_iter(), self.attempt(context, changed), |_| true).await
    }

    async fn wanted(&self, context: &Context, id: Uuid, preconditions: &Preconditions) -> Result<Product, Error> {
        let product = self.current(context, id).await?;
        if preconditions.are_met_by(product.version) { Ok(product) } else { Err(Error::Stale) }
    }

    async fn current(&self, context: &Context, id: Uuid) -> Result<Product, Error> {
        self.repositories().find(context, id).await?.ok_or(Error::NotFound("product"))
    }

    pub(super) fn claim(&self, route: &'static str, (key, content): Keyed) -> Claim {
        Claim { route, key, content, ttl: self.shared.config.key_ttl }
    }
}

/// A product as it is kept in the cache.
fn copy(product: &Product) -> Result<Bytes, Error> {
    serde_json::to_vec(product).map(Bytes::from).map_err(|error| Error::Failed(Box::new(error)))
}

/// Those of one request are of one moment: their numbers put them into their order.
fn number_in_order(products: &mut [Product]) {
    let mut ids: Vec<Uuid> = products.iter().map(|product| product.id).collect();
    ids.sort_unstable();
    for (product, id) in products.iter_mut().zip(ids) {
        product.id = id;
    }
}

/// What is said of SKUs that others have. `base` is where the product stands that has the index.
fn taken(error: Error, base: impl Fn(usize) -> String) -> Error {
    let Error::SkuTaken(indexes) = error else { return error };
    let mut invalid = Invalid::default();
    for index in indexes {
        invalid.add(At::member(&base(index), "sku"), "taken", "is that of another product");
    }
    Error::Conflict(invalid)
}
