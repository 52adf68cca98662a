//! Owns the statements on orders, and on the stock that they take.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Postgres, ended, keys, strange};
use crate::app::inventory::domain::cursor::Key;
use crate::app::inventory::domain::order::{Line, Offer, Pieces, Status};
use crate::app::inventory::domain::{Claim, Draft, Once, Order, OrderQuery};
use crate::app::inventory::error::Error;
use crate::app::inventory::repositories::Notice;
use crate::db::Failure;
use crate::db::postgres::{Client, ToSql, Transaction};
use crate::net::context::Context;

/// They are locked as they come out of the sort.
const OFFERS: &str = "SELECT id, sku, price_cents, currency, stock FROM inventory_products
    WHERE id = ANY($1) AND deleted_at IS NULL ORDER BY id FOR UPDATE";

const HOLD: &str = "SELECT id FROM inventory_products WHERE id = ANY($1) ORDER BY id FOR UPDATE";

/// Whoever waited for the rows began before him who had them, and comes after.
const MOVE: &str = "UPDATE inventory_products AS product
    SET stock = stock + moved.pieces, version = version + 1, updated_at = GREATEST(product.updated_at, $3)
    FROM unnest($1::uuid[], $2::bigint[]) AS moved (id, pieces) WHERE product.id = moved.id";

const ADD: &str = "INSERT INTO inventory_orders (id, status, total_cents, currency, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6)";

const ADD_LINES: &str =
    "INSERT INTO inventory_order_lines (order_id, line, product_id, sku, quantity, unit_price_cents)
    SELECT $1, line, product_id, sku, quantity, unit_price_cents FROM jsonb_to_recordset($2)
    AS new(line bigint, product_id uuid, sku text, quantity bigint, unit_price_cents bigint)";

macro_rules! orders {
    ($rest:literal) => {
        concat!("SELECT id, status, total_cents, currency, created_at, updated_at FROM inventory_orders ", $rest)
    };
}

const FIND: &str = orders!("WHERE id = $1");

const FIND_LOCKED: &str = orders!("WHERE id = $1 FOR UPDATE");

const LIST: [&str; 2] = [
    orders!("WHERE ($1::text IS NULL OR status = $1) ORDER BY created_at DESC, id DESC LIMIT $2"),
    orders!(
        "WHERE ($1::text IS NULL OR status = $1) AND (created_at, id) < ($3, $4)
         ORDER BY created_at DESC, id DESC LIMIT $2"
    ),
];

const LINES: &str = "SELECT order_id, product_id, sku, quantity, unit_price_cents FROM inventory_order_lines
    WHERE order_id = ANY($1) ORDER BY order_id, line";

const BECOME: &str = "UPDATE inventory_orders SET status = $2, updated_at = $3 WHERE id = $1";

impl Postgres {
    pub(in crate::app::inventory::repositories) async fn place(
        &self,
        context: &Context,
        draft: &Draft,
        claim: &Claim,
        notice: Option<Notice<'_>>,
    ) -> Result<Once<Order>, Error> {
        let mut client = self.client(context).await?;
        keys::forget(&mut client).await?;
        let mut transaction = client.transaction().await?;
        let placed = place(&mut transaction, draft, claim, notice).await;
        ended(transaction, placed).await
    }

    pub(in crate::app::inventory::repositories) async fn find_order(
        &self,
        context: &Context,
        id: Uuid,
    ) -> Result<Option<Order>, Error> {
        let mut client = self.client(context).await?;
        let rows = client.query(FIND, &[&id]).await?;
        Ok(with_lines(&mut client, &rows).await?.pop())
    }

    pub(in crate::app::inventory::repositories) async fn list_orders(
        &self,
        context: &Context,
        query: &OrderQuery,
    ) -> Result<Vec<Order>, Error> {
        let status = query.status.map(Status::text);
        let limit = i64::try_from(query.limit + 1).unwrap_or(i64::MAX);
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![&status, &limit];
        if let Some(after) = &query.after {
            let Key::At(at) = &after.key else { return Err(strange("orders are sorted by moments")) };
            params.extend([at as &(dyn ToSql + Sync), &after.id]);
        }
        let mut client = self.client(context).await?;
        let rows = client.query(LIST[usize::from(query.after.is_some())], &params).await?;
        with_lines(&mut client, &rows).await
    }

    pub(in crate::app::inventory::repositories) async fn cancel(
        &self,
        context: &Context,
        id: Uuid,
        at: Timestamp,
    ) -> Result<Order, Error> {
        let mut client = self.client(context).await?;
        let mut transaction = client.transaction().await?;
        let cancelled = cancel(&mut transaction, id, at).await;
        ended(transaction, cancelled).await
    }

    pub(in crate::app::inventory::repositories) async fn confirm(
        &self,
        context: &Context,
        id: Uuid,
        at: Timestamp,
    ) -> Result<Option<Once<Order>>, Error> {
        let mut client = self.client(context).await?;
        let mut transaction = client.transaction().await?;
        let confirmed = confirm(&mut transaction, id, at).await;
        ended(transaction, confirmed).await
    }
}

async fn place(
    transaction: &mut Transaction<'_>,
    draft: &Draft,
    claim: &Claim,
    notice: Option<Notice<'_>>,
) -> Result<Once<Order>, Error> {
    if let Some(answer) = keys::claim(transaction, claim).await? {
        return Ok(Once::Again(answer));
    }
    let pieces = draft.pieces();
    let offers = offers(transaction, &pieces).await?;
    let order = draft.price(&offers).map_err(Error::OutOfStock)?;
    move_stock(transaction, &pieces, -1, draft.at).await?;
    add(transaction, &order).await?;
    keys::keep(transaction, claim, &order).await?;
    if let Some(Notice { queue, job }) = notice {
        queue.enqueue_in(transaction, job).await?;
    }
    Ok(Once::First(order))
}

async fn cancel(transaction: &mut Transaction<'_>, id: Uuid, at: Timestamp) -> Result<Order, Error> {
    let order = locked(transaction, id).await?.ok_or(Error::NotFound("order"))?;
    if order.status != Status::Placed {
        return Err(Error::NotCancellable(order.status));
    }
    let pieces = order.pieces();
    let ids: Vec<Uuid> = pieces.keys().copied().collect();
    transaction.execute(HOLD, &[&ids]).await?;
    move_stock(transaction, &pieces, 1, at).await?;
    change_status(transaction, order, Status::Cancelled, at).await
}

async fn confirm(transaction: &mut Transaction<'_>, id: Uuid, at: Timestamp) -> Result<Option<Once<Order>>, Error> {
    match locked(transaction, id).await? {
        Some(order) if order.status == Status::Placed => {
            let confirmed = change_status(transaction, order, Status::Confirmed, at).await?;
            Ok(Some(Once::First(confirmed)))
        }
        other => Ok(other.map(Once::Again)),
    }
}

async fn change_status(
    transaction: &mut Transaction<'_>,
    order: Order,
    status: Status,
    at: Timestamp,
) -> Result<Order, Error> {
    let order = order.with_status(status, at);
    transaction.execute(BECOME, &[&order.id, &status.text(), &at]).await?;
    Ok(order)
}

/// The products that are wanted, which nobody else changes until the end of the transaction.
async fn offers(transaction: &mut Transaction<'_>, pieces: &Pieces) -> Result<HashMap<Uuid, Offer>, Error> {
    let ids: Vec<Uuid> = pieces.keys().copied().collect();
    transaction.query(OFFERS, &[&ids]).await?.iter().map(offer).collect()
}

fn offer(row: &Row) -> Result<(Uuid, Offer), Error> {
    let (sku, price_cents) = (row.try_get("sku")?, row.try_get("price_cents")?);
    let offer = Offer { sku, price_cents, currency: row.try_get("currency")?, stock: row.try_get("stock")? };
    Ok((row.try_get("id")?, offer))
}

/// Adds `sign` times the pieces to what there is. The rows are locked already.
async fn move_stock(
    transaction: &mut Transaction<'_>,
    pieces: &Pieces,
    sign: i64,
    at: Timestamp,
) -> Result<(), Failure> {
    let (ids, moved): (Vec<Uuid>, Vec<i64>) = pieces.iter().map(|(id, pieces)| (id, sign * pieces)).unzip();
    transaction.execute(MOVE, &[&ids, &moved, &at]).await?;
    Ok(())
}

async fn add(transaction: &mut Transaction<'_>, order: &Order) -> Result<(), Failure> {
    let Order { id, status, lines, total_cents, currency, created_at, updated_at } = order;
    transaction.execute(ADD, &[id, &status.text(), total_cents, currency, created_at, updated_at]).await?;
    let lines: Vec<Value> = lines.iter().enumerate().map(|(number, line)| numbered(number, line)).collect();
    transaction.execute(ADD_LINES, &[id, &Value::Array(lines)]).await?;
    Ok(())
}

fn numbered(number: usize, line: &Line) -> Value {
    let Line { product_id, sku, quantity, unit_price_cents } = line;
    json!({
        "line": number, "product_id": product_id, "sku": sku, "quantity": quantity, "unit_price_cents": unit_price_cents,
    })
}

/// The order, which nobody else changes until the end of the transaction.
async fn locked(transaction: &mut Transaction<'_>, id: Uuid) -> Result<Option<Order>, Error> {
    let Some(row) = transaction.query_opt(FIND_LOCKED, &[&id]).await? else { return Ok(None) };
    let lines = transaction.query(LINES, &[&vec![id]]).await?;
    let lines = lines.iter().map(|row| Ok(line(row)?.1)).collect::<Result<_, Error>>()?;
    order(&row, lines).map(Some)
}

/// The orders of these rows, in their order.
async fn with_lines(client: &mut Client, rows: &[Row]) -> Result<Vec<Order>, Error> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>()?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut lines: HashMap<Uuid, Vec<Line>> = HashMap::new();
    for row in client.query(LINES, &[&ids]).await? {
        let (id, line) = line(&row)?;
        lines.entry(id).or_default().push(line);
    }
    rows.iter().zip(ids).map(|(row, id)| order(row, lines.remove(&id).unwrap_or_default())).collect()
}

fn order(row: &Row, lines: Vec<Line>) -> Result<Order, Error> {
    let status: &str = row.try_get("status")?;
    Ok(Order {
        id: row.try_get("id")?,
        status: Status::parse(status).ok_or_else(|| strange("an order has a status that is none"))?,
        lines,
        total_cents: row.try_get("total_cents")?,
        currency: row.try_get("currency")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

fn line(row: &Row) -> Result<(Uuid, Line), Error> {
    let line = Line {
        product_id: row.try_get("product_id")?,
        sku: row.try_get("sku")?,
        quantity: row.try_get("quantity")?,
        unit_price_cents: row.try_get("unit_price_cents")?,
    };
    Ok((row.try_get("order_id")?, line))
}
