//! Owns the handlers: each reads its request, asks the service once, and words the answer.
//!
//! ```text
//!   request ──content, conditions──> service ──> 200, 201, 204 in the envelope
//!       └──────── Refused ──────────────┴──────> problem+json: status, code, every mistake with its place
//! ```
//!
//! Spec: RFC 9110 9.3 (methods), 10.2.2 (Location), 8.8.3 (ETag); RFC 8288 3 (Link, `next`); RFC 9457.
//! Never: names a repository or a database; decides what is right.

mod conditions;
mod content;
mod orders;
mod products;
mod refusal;

use crate::app::inventory::services::Inventory;
use crate::app::inventory::{PREFIX, openapi};
use crate::http::Router;
use crate::http::router::{RouteOptions, Routes};

pub(super) use content::keyed;
pub(super) use refusal::{Problems, log, status_of, told_by};

/// The routes, where content of `bytes_max` bytes is read, and of `bulk_bytes_max` where many products come at once.
pub(super) fn routes(inventory: Inventory, bytes_max: u64, bulk_bytes_max: u64) -> Routes {
    let bulk = RouteOptions { content_bytes_max: Some(bulk_bytes_max), ..RouteOptions::default() };
    let one = RouteOptions { content_bytes_max: Some(bytes_max), ..RouteOptions::default() };
    let routes = Router::new(inventory).group(PREFIX, |router| {
        router
            .route("GET /products", products::list)
            .route_with("POST /products", one, products::add)
            .route_with("POST /products/bulk", bulk, products::add_all)
            .route("GET /products/{id}", products::one)
            .route_with("PUT /products/{id}", one, products::replace)
            .route_with("PATCH /products/{id}", one, products::patch)
            .route("DELETE /products/{id}", products::delete)
            .route("GET /orders", orders::list)
            .route_with("POST /orders", one, orders::place)
            .route("GET /orders/{id}", orders::one)
            .route("POST /orders/{id}/cancel", orders::cancel)
    });
    openapi::route(routes).build().expect("twelve patterns that do not meet")
}
