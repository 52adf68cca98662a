//! Owns the OpenAPI document of the API: what it is asked, what it answers, in words that programs read.
//!
//! ```text
//!   openapi.json ──include_str!──> GET /api/v1/openapi.json
//!        ├── the tests below: its paths are the routes, its bounds those of the domain, its examples acceptable
//!        └── make schemathesis: whatever it allows and forbids is sent, and each answer compared with it
//! ```
//!
//! The one idea: it is written by hand, as a document for readers is, and cannot lie for long: what it says twice with the
//! code is compared with the code.
//!
//! Spec: OpenAPI 3.1.1; JSON Schema 2020-12.
//! Never: describes what is refused before a route is chosen: 405 and 501, and whatever is no HTTP.

use crate::app::page::Asset;
use crate::http::Router;

static DOCUMENT: Asset = Asset::new("/api/v1/openapi.json", "application/json", include_str!("openapi.json"));

/// Adds the document.
pub(super) fn route<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    DOCUMENT.route(router)
}

#[cfg(test)]
mod tests;
