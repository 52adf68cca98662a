//! Owns the handlers of orders.

use crate::app::inventory::PREFIX;
use crate::app::inventory::domain::{Draft, OrderQuery, new_id, now};
use crate::app::inventory::handlers::products::{created, id, paged};
use crate::app::inventory::handlers::refusal::Refused;
use crate::app::inventory::handlers::{conditions, content};
use crate::app::inventory::services::Inventory;
use crate::http::envelope::Success;
use crate::http::field::name;
use crate::http::{IntoResponse, Request, Response};

pub(super) async fn list(inventory: Inventory, request: Request) -> Result<Response, Refused> {
    let query = OrderQuery::parse(content::query(&request))?;
    let page = inventory.orders(request.context(), &query).await?;
    Ok(paged(&request, page))
}

pub(super) async fn place(inventory: Inventory, mut request: Request) -> Result<Response, Refused> {
    content::no_query(&request)?;
    let key = conditions::key(&request)?.ok_or(Refused::KeyMissing)?;
    let value = content::json(&mut request).await?;
    let keyed = content::keyed(key, &value);
    let draft = Draft::parse(value, new_id(), now())?;
    let placed = inventory.place(request.context(), &draft, keyed).await?;
    let location = format!("{PREFIX}/orders/{}", placed.value().id);
    Ok(created(placed).with(name::LOCATION, location))
}

pub(super) async fn one(inventory: Inventory, request: Request) -> Result<Response, Refused> {
    content::no_query(&request)?;
    let order = inventory.order(request.context(), id(&request, "order")?).await?;
    Ok(Success::new(order).into_response())
}

pub(super) async fn cancel(inventory: Inventory, request: Request) -> Result<Response, Refused> {
    content::no_query(&request)?;
    let order = inventory.cancel(request.context(), id(&request, "order")?).await?;
    Ok(Success::new(order).into_response())
}
