//! Owns the answers that benchmarks ask for: the least that a route can do.
//!
//! Never: allocates for content that never changes.

use serde::Serialize;

use crate::http::{IntoResponse, Json, Rejection, Request};

#[derive(Serialize)]
struct Greeting {
    message: &'static str,
}

/// `GET /plaintext`
pub(super) async fn plaintext(_: Request) -> &'static str {
    "Hello, World!"
}

/// `GET /json`: serialised each time, as the rules of the usual benchmark ask.
pub(super) async fn json(_: Request) -> impl IntoResponse {
    Json(Greeting { message: "Hello, World!" })
}

/// `GET /hello/{name}`
pub(super) async fn hello(request: Request) -> Result<String, Rejection> {
    Ok(format!("Hello, {}!\n", request.path::<String>("name")?))
}

/// `GET /users/{id}`: the id, percent-decoded.
pub(super) async fn user(request: Request) -> Result<String, Rejection> {
    request.path("id")
}
