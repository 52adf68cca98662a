//! Owns how content and queries are read.
//!
//! The one idea: a name stands once. Of two members with one name some programs take the first and some the last: here neither
//! is chosen.
//!
//! Spec: RFC 8259 4 (names SHOULD be unique: here they are); RFC 7396 4, RFC 5789 3.1 (`Accept-Patch`).
//! Limits: those of the route; 127 levels of JSON.

use serde_json::Value;

use crate::app::inventory::domain::Key;
use crate::app::inventory::domain::listing::parse_nothing;
use crate::app::inventory::handlers::refusal::Refused;
use crate::crypto;
use crate::http::Request;
use crate::http::field::name;
use crate::json::Unique;

/// The type of a merge patch.
pub(super) const MERGE_PATCH: &str = "application/merge-patch+json";

/// The content as JSON.
///
/// # Errors
/// 400 where it is none, 413, 415; 422 where a name stands twice.
pub(super) async fn json(request: &mut Request) -> Result<Value, Refused> {
    let content: Unique = request.json().await?;
    Ok(content.0)
}

/// The content as a merge patch.
///
/// # Errors
/// As for [`json`].
pub(super) async fn merge_patch(request: &mut Request) -> Result<Value, Refused> {
    let content_type = request.field(name::CONTENT_TYPE).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(MERGE_PATCH) {
        return Err(Refused::NoMergePatch);
    }
    json(request).await
}

/// A key with what tells two requests apart that have it: the SHA-256 of the content, members sorted.
pub(in crate::app::inventory) fn keyed(key: Key, content: &Value) -> (Key, [u8; 32]) {
    (key, crypto::sha256(content.to_string().as_bytes()))
}

/// The names and values of the query.
pub(super) fn query(request: &Request) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(request.target_query().unwrap_or_default().as_bytes())
}

/// That the query asks for nothing.
///
/// # Errors
/// 422 with every parameter.
pub(super) fn no_query(request: &Request) -> Result<(), Refused> {
    Ok(parse_nothing(query(request))?)
}
