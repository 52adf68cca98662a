//! Owns the statements on products.
//!
//! The one idea: the text of a statement is a constant, so that it is prepared once for each connection. What varies is a
//! parameter, or one of sixteen constants: four keys, two directions, the first page and the others.

use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Postgres, ended, keys};
use crate::app::inventory::domain::cursor::Key;
use crate::app::inventory::domain::listing::By;
use crate::app::inventory::domain::{Claim, Details, Once, Product, ProductQuery};
use crate::app::inventory::error::Error;
use crate::db::postgres::{ToSql, Transaction};
use crate::net::context::Context;

macro_rules! columns {
    () => {
        "id, sku, name, description, price_cents, currency, stock, tags, version, created_at, updated_at"
    };
}

/// All of them in one statement. In the order of their SKUs, so that two who add the same do not wait for each other; who
/// finds an SKU taken adds nothing for it, and so it is known which ones are.
const ADD: &str = concat!(
    "INSERT INTO inventory_products (searched, ",
    columns!(),
    ") SELECT searched, ",
    columns!(),
    " FROM jsonb_to_recordset($1) AS new(searched text, id uuid, sku text, name text, description text, price_cents bigint,
      currency text, stock bigint, tags text[], version bigint, created_at timestamptz, updated_at timestamptz)
      ORDER BY sku ON CONFLICT (sku) WHERE deleted_at IS NULL DO NOTHING RETURNING id"
);

const FIND: &str = concat!("SELECT ", columns!(), " FROM inventory_products WHERE id = $1 AND deleted_at IS NULL");

const REPLACE: &str = "UPDATE inventory_products SET sku = $3, name = $4, description = $5, price_cents = $6,
    currency = $7, stock = $8, tags = $9, searched = $10, version = version + 1, updated_at = $11
    WHERE id = $1 AND version = $2 AND deleted_at IS NULL";

const DELETE: &str = "UPDATE inventory_products SET deleted_at = $3, updated_at = $3, version = version + 1
    WHERE id = $1 AND version = $2 AND deleted_at IS NULL";

macro_rules! list {
    ($key:literal, $direction:literal $(, $behind:literal)*) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM inventory_products WHERE deleted_at IS NULL
              AND ($1::text IS NULL OR searched LIKE $1 ESCAPE '\\')
              AND ($2::bigint IS NULL OR price_cents >= $2)
              AND ($3::bigint IS NULL OR price_cents <= $3)
              AND ($4::text IS NULL OR tags @> ARRAY[$4])
              AND ($5::boolean IS NULL OR (stock > 0) = $5) ",
            $($behind,)*
            " ORDER BY ",
            $key,
            " ",
            $direction,
            ", id ",
            $direction,
            " LIMIT $6"
        )
    };
}

/// The first page and the others, rising and falling.
macro_rules! lists {
    ($key:literal) => {
        [
            [list!($key, "ASC"), list!($key, "ASC", " AND (", $key, ", id) > ($7, $8)")],
            [list!($key, "DESC"), list!($key, "DESC", " AND (", $key, ", id) < ($7, $8)")],
        ]
    };
}

type Lists = [[&'static str; 2]; 2];
const BY_CREATED_AT: Lists = lists!("created_at");
const BY_NAME: Lists = lists!("name");
const BY_PRICE: Lists = lists!("price_cents");
const BY_STOCK: Lists = lists!("stock");

impl Postgres {
    pub(in crate::app::inventory::repositories) async fn add(
        &self,
        context: &Context,
        products: &[Product],
        claim: Option<&Claim>,
    ) -> Result<Once<Vec<Product>>, Error> {
        let mut client = self.client(context).await?;
        if claim.is_some() {
            keys::forget(&mut client).await?;
        }
        let mut transaction = client.transaction().await?;
        let added = add(&mut transaction, products, claim).await;
        ended(transaction, added).await
    }

    pub(in crate::app::inventory::repositories) async fn find(
        &self,
        context: &Context,
        id: Uuid,
    ) -> Result<Option<Product>, Error> {
        let row = self.client(context).await?.query_opt(FIND, &[&id]).await?;
        row.map(|row| product(&row)).transpose()
    }

    pub(in crate::app::inventory::repositories) async fn list(
        &self,
        context: &Context,
        query: &ProductQuery,
    ) -> Result<Vec<Product>, Error> {
        let ProductQuery { search, min_price, max_price, tag, in_stock, .. } = query;
        let pattern = search.as_deref().map(containing);
        let limit = i64::try_from(query.limit + 1).unwrap_or(i64::MAX);
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![&pattern, min_price, max_price, tag, in_stock, &limit];
        let lists = match query.sort.by {
            By::CreatedAt => BY_CREATED_AT,
            By::Name => BY_NAME,
            By::Price => BY_PRICE,
            By::Stock => BY_STOCK,
        };
        if let Some(after) = &query.after {
            params.push(match &after.key {
                Key::Text(text) => text,
                Key::Number(number) => number,
                Key::At(at) => at,
            });
            params.push(&after.id);
        }
        let sql = lists[usize::from(query.sort.is_descending)][usize::from(query.after.is_some())];
        self.client(context).await?.query(sql, &params).await?.iter().map(product).collect()
    }

    pub(in crate::app::inventory::repositories) async fn replace(
        &self,
        context: &Context,
        product: &Product,
    ) -> Result<bool, Error> {
        let Product { id, details, version, updated_at, .. } = product;
        let Details { sku, name, description, price_cents, currency, stock, tags } = details;
        let (before, searched) = (version - 1, details.searched());
        let mut client = self.client(context).await?;
        let params: &[&(dyn ToSql + Sync)] =
            &[id, &before, sku, name, description, price_cents, currency, stock, tags, &searched, updated_at];
        Ok(client.execute(REPLACE, params).await? == 1)
    }

    pub(in crate::app::inventory::repositories) async fn delete(
        &self,
        context: &Context,
        id: Uuid,
        version: i64,
        at: Timestamp,
    ) -> Result<bool, Error> {
        Ok(self.client(context).await?.execute(DELETE, &[&id, &version, &at]).await? == 1)
    }
}

async fn add(
    transaction: &mut Transaction<'_>,
    products: &[Product],
    claim: Option<&Claim>,
) -> Result<Once<Vec<Product>>, Error> {
    if let Some(claim) = claim
        && let Some(answer) = keys::claim(transaction, claim).await?
    {
        return Ok(Once::Again(answer));
    }
    insert(transaction, products).await?;
    if let Some(claim) = claim {
        keys::keep(transaction, claim, &products).await?;
    }
    Ok(Once::First(products.to_vec()))
}

async fn insert(transaction: &mut Transaction<'_>, products: &[Product]) -> Result<(), Error> {
    let rows: Result<Vec<Value>, _> = products.iter().map(row).collect();
    let rows = Value::Array(rows.map_err(|error| Error::Failed(Box::new(error)))?);
    let added = transaction.query(ADD, &[&rows]).await?;
    let added: Vec<Uuid> = added.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    if added.len() == products.len() {
        return Ok(());
    }
    let added: std::collections::HashSet<Uuid> = added.into_iter().collect();
    let is_taken = |(index, product): (usize, &Product)| (!added.contains(&product.id)).then_some(index);
    Err(Error::SkuTaken(products.iter().enumerate().filter_map(is_taken).collect()))
}

/// A product as [`ADD`] reads it.
fn row(product: &Product) -> serde_json::Result<Value> {
    let mut row = serde_json::to_value(product)?;
    row["searched"] = Value::String(product.details.searched());
    Ok(row)
}

fn product(row: &Row) -> Result<Product, Error> {
    let details = Details {
        sku: row.try_get("sku")?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        price_cents: row.try_get("price_cents")?,
        currency: row.try_get("currency")?,
        stock: row.try_get("stock")?,
        tags: row.try_get("tags")?,
    };
    Ok(Product {
        id: row.try_get("id")?,
        details,
        version: row.try_get("version")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

/// The pattern that finds `text` anywhere, whatever it is made of.
fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if "%_\\".contains(character) {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_a_pattern_is_escaped() {
        for (text, expected) in
            [("bolt", "%bolt%"), ("50%", r"%50\%%"), ("a_b", r"%a\_b%"), (r"\%", r"%\\\%%"), ("'", "%'%")]
        {
            assert_eq!(containing(text), expected);
        }
    }
}
