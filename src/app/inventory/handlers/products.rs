//! Owns the handlers of products.

use uuid::Uuid;

use crate::app::inventory::PREFIX;
use crate::app::inventory::domain::cursor::parse_id;
use crate::app::inventory::domain::listing::PageMeta;
use crate::app::inventory::domain::product::parse_bulk;
use crate::app::inventory::domain::{Details, Once, Page, Product, ProductQuery};
use crate::app::inventory::error::Error;
use crate::app::inventory::handlers::refusal::Refused;
use crate::app::inventory::handlers::{conditions, content};
use crate::app::inventory::services::Inventory;
use crate::http::envelope::Success;
use crate::http::field::name;
use crate::http::{IntoResponse, Request, Response, Status};

/// Says that an answer is that of an earlier request.
const REPLAYED: &str = "Idempotency-Replayed";

pub(super) async fn list(inventory: Inventory, request: Request) -> Result<Response, Refused> {
    let query = ProductQuery::parse(content::query(&request))?;
    let page = inventory.products(request.context(), &query).await?;
    Ok(paged(&request, page))
}

pub(super) async fn add(inventory: Inventory, mut request: Request) -> Result<Response, Refused> {
    content::no_query(&request)?;
    let key = conditions::key(&request)?;
    let value = content::json(&mut request).await?;
    let keyed = key.map(|key| content::keyed(key, &value));
    let added = inventory.add(request.context(), Details::parse(value)?, keyed).await?;
    let location = format!("{PREFIX}/products/{}", added.value().id);
    let tag = conditions::tag(added.value());
    Ok(created(added).with(name::LOCATION, location).with(name::ETAG, tag))
}

pub(super) async fn add_all(inventory: Inventory, mut request: Request) -> Result<Response, Refused> {
    content::no_query(&request)?;
    let key = conditions::key(&request)?;
    let value = content::json(&mut request).await?;
    let keyed = key.map(|key| content::keyed(key, &value));
    Ok(created(inventory.add_all(request.context(), parse_bulk(value)?, keyed).await?))
}

pub(super) async fn one(inventory: Inventory, request: Request) -> Result<Response, Refused> {
    content::no_query(&request)?;
    let product = inventory.product(request.context(), id(&request, "product")?).await?;
    Ok(shown(&product))
}

pub(super) async fn replace(inventory: Inventory, mut request: Request) -> Result<Response, Refused> {
    content::no_query(&request)?;
    let id = id(&request, "product")?;
    let preconditions = conditions::preconditions(&request)?;
    let details = Details::parse(content::json(&mut request).await?)?;
    let product = inventory.replace(request.context(), id, &preconditions, details).await?;
    Ok(shown(&product))
}

pub(super) async fn patch(inventory: Inventory, mut request: Request) -> Result<Response, Refused> {
    content::no_query(&request)?;
    let id = id(&request, "product")?;
    let preconditions = conditions::preconditions(&request)?;
    let patch = content::merge_patch(&mut request).await?;
    let product = inventory.patch(request.context(), id, &preconditions, &patch).await?;
    Ok(shown(&product))
}

pub(super) async fn delete(inventory: Inventory, request: Request) -> Result<Response, Refused> {
    content::no_query(&request)?;
    let id = id(&request, "product")?;
    let preconditions = conditions::preconditions(&request)?;
    inventory.delete(request.context(), id, &preconditions).await?;
    Ok(Response::new(Status::NO_CONTENT))
}

/// The number in the path of a request for `what`. One that is none is that of nothing.
pub(super) fn id(request: &Request, what: &'static str) -> Result<Uuid, Refused> {
    let text: Option<String> = request.path("id").ok();
    Ok(text.and_then(|text| parse_id(&text)).ok_or(Error::NotFound(what))?)
}

/// 201, and whether this is the answer of before.
pub(super) fn created<T: serde::Serialize>(once: Once<T>) -> Response {
    match once {
        Once::First(value) => (Status::CREATED, Success::new(value)).into_response(),
        Once::Again(value) => (Status::CREATED, Success::new(value)).into_response().with(REPLAYED, "true"),
    }
}

/// A page, and where the next one is.
pub(super) fn paged<T: serde::Serialize>(request: &Request, page: Page<T>) -> Response {
    let next = page.meta.next.as_deref().map(|cursor| next(request, cursor));
    let response = Success::new(page.rows).with_meta::<PageMeta>(page.meta).into_response();
    match next {
        Some(next) => response.with("Link", format!("<{next}>; rel=\"next\"")),
        None => response,
    }
}

/// The target of `request` with another cursor.
fn next(request: &Request, cursor: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in content::query(request).filter(|(name, _)| name != "after") {
        query.append_pair(&name, &value);
    }
    query.append_pair("after", cursor);
    format!("{}?{}", request.target_path(), query.finish())
}

/// A product as it is. RFC 9111 5.2.2.4: whoever keeps it asks whether it is still so.
fn shown(product: &Product) -> Response {
    let tag = conditions::tag(product);
    Success::new(product).into_response().with(name::ETAG, tag).with(name::CACHE_CONTROL, "no-cache")
}
