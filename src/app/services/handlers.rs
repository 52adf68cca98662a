//! Owns the handlers of both services: each reads its input, asks the shelf once, and answers.
//!
//! Never: decides who may: that stands in the table of routes. The one thing that no table can say is whose invoices
//! are one's own.

use std::sync::Arc;

use crate::app::services::domain::{Invoice, Item, NewInvoice, NewItem};
use crate::app::services::error::Error;
use crate::app::services::store::Shelf;
use crate::app::services::{BILLING_PREFIX, CATALOG_PREFIX};
use crate::http::envelope::Success;
use crate::http::field::name;
use crate::http::middleware::Principal;
use crate::http::{IntoResponse, Request, Response, Status};

type Items = Arc<Shelf<Item>>;
type Invoices = Arc<Shelf<Invoice>>;

pub(super) async fn items(items: Items, _: Request) -> Success<Vec<Item>> {
    Success::new(items.list(|_| true))
}

pub(super) async fn item(items: Items, request: Request) -> Result<Success<Item>, Error> {
    let id: u64 = request.path("id")?;
    items.find(id).map(Success::new).ok_or(Error::NotFound(id))
}

pub(super) async fn add_item(items: Items, mut request: Request) -> Result<Response, Error> {
    let item: NewItem = request.json().await?;
    let item = items.add(|id| item.numbered(id))?;
    let location = format!("{CATALOG_PREFIX}/items/{}", item.id);
    Ok((Status::CREATED, Success::new(item)).into_response().with(name::LOCATION, location))
}

pub(super) async fn remove_item(items: Items, request: Request) -> Result<Status, Error> {
    let id: u64 = request.path("id")?;
    items.remove(id).map(|_| Status::NO_CONTENT).ok_or(Error::NotFound(id))
}

pub(super) async fn own_invoices(invoices: Invoices, request: Request) -> Result<Success<Vec<Invoice>>, Error> {
    let principal = request.value::<Principal>().ok_or(Error::NoPrincipal)?;
    Ok(Success::new(invoices.list(|invoice| invoice.customer == principal.subject)))
}

pub(super) async fn all_invoices(invoices: Invoices, _: Request) -> Success<Vec<Invoice>> {
    Success::new(invoices.list(|_| true))
}

pub(super) async fn add_invoice(invoices: Invoices, mut request: Request) -> Result<Response, Error> {
    let invoice: NewInvoice = request.json().await?;
    let invoice = invoices.add(|id| invoice.numbered(id))?;
    let location = format!("{BILLING_PREFIX}/invoices");
    Ok((Status::CREATED, Success::new(invoice)).into_response().with(name::LOCATION, location))
}
