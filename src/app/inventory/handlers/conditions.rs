//! Owns the field lines that say under which conditions something is done: If-Match, If-None-Match, Idempotency-Key.
//!
//! The one idea: an entity-tag of ours is `"v3"`, a version in quotes, and no other names anything. A tag that is weak, or of
//! somebody else, matches nothing.
//!
//! Spec: RFC 9110 8.8.3 (ETag), 13.1.1, 13.1.2; RFC 6585 3 (428). Reading is judged by the router, behind the answer.
//! Limits: [`TAGS_MAX`].

use crate::app::inventory::domain::preconditions::Versions;
use crate::app::inventory::domain::{Key, Preconditions, Product};
use crate::app::inventory::handlers::refusal::Refused;
use crate::http::{Fields, Request};

/// Tags of a list. A condition that lists more is not met.
const TAGS_MAX: usize = 64;

const IF_MATCH: &str = "If-Match";
const IF_NONE_MATCH: &str = "If-None-Match";
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// The tag of a product as it is.
pub(super) fn tag(product: &Product) -> String {
    format!("\"v{}\"", product.version)
}

/// What must be true of a product before it is changed.
///
/// # Errors
/// 428 when nothing must: somebody else's change would be lost.
pub(super) fn preconditions(request: &Request) -> Result<Preconditions, Refused> {
    let fields = request.fields();
    let none = Versions::These(Vec::new());
    let matches = versions(fields, IF_MATCH, is_strong, none).ok_or(Refused::IfMatchMissing)?;
    Ok(Preconditions { matches, none_matches: versions(fields, IF_NONE_MATCH, |_| true, Versions::Any) })
}

/// The key of a request, if it has one.
///
/// # Errors
/// 400 when it is none.
pub(super) fn key(request: &Request) -> Result<Option<Key>, Refused> {
    let mut lines = request.fields().all(IDEMPOTENCY_KEY);
    match (lines.next(), lines.next()) {
        (None, _) => Ok(None),
        (Some(line), None) => {
            std::str::from_utf8(line).ok().and_then(Key::parse).map(Some).ok_or(Refused::KeyMalformed)
        }
        (Some(_), Some(_)) => Err(Refused::KeyMalformed),
    }
}

/// The versions that all lines called `name` list; `beyond`, when there are too many.
fn versions(fields: &Fields, name: &str, counts: fn(&[u8]) -> bool, beyond: Versions) -> Option<Versions> {
    let lines: Vec<&[u8]> = fields.all(name).collect();
    if lines.is_empty() {
        return None;
    }
    if let [line] = lines[..]
        && line.trim_ascii() == b"*"
    {
        return Some(Versions::Any);
    }
    // A tag of ours has no comma, so the pieces between commas are our tags, or none of them.
    let tags = lines.iter().flat_map(|line| line.split(|&byte| byte == b',')).map(<[u8]>::trim_ascii);
    if tags.clone().nth(TAGS_MAX).is_some() {
        return Some(beyond);
    }
    Some(Versions::These(tags.filter(|tag| counts(tag)).filter_map(version).collect()))
}

/// RFC 9110 8.8.3.2: If-Match is compared strongly, so that a weak tag matches nothing.
fn is_strong(tag: &[u8]) -> bool {
    !tag.starts_with(b"W/")
}

fn version(tag: &[u8]) -> Option<i64> {
    let opaque = tag.strip_prefix(b"W/").unwrap_or(tag).strip_prefix(b"\"v")?.strip_suffix(b"\"")?;
    let version: i64 = std::str::from_utf8(opaque).ok()?.parse().ok()?;
    // One spelling for each: no sign, no zero in front.
    (version.to_string().as_bytes() == opaque).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_names_what_it_is_for() {
        let check = |lines: &[(&str, &str)], version: i64, expected: Option<bool>| {
            let request = lines.iter().fold(Request::get("/"), |request, (name, value)| request.with(name, value));
            let met = preconditions(&request).ok().map(|preconditions| preconditions.are_met_by(version));
            assert_eq!(met, expected, "{lines:?}");
        };
        check(&[], 3, None);
        check(&[("If-None-Match", "\"v1\"")], 3, None);
        for (value, expected) in [
            ("\"v3\"", true),
            ("*", true),
            (" * ", true),
            ("\"v1\", \"v3\"", true),
            ("\"v2\"", false),
            ("W/\"v3\"", false),
            ("v3", false),
            ("\"v03\"", false),
            ("\"v+3\"", false),
            ("\"v3", false),
            ("", false),
            ("\"*\"", false),
            ("*, \"v2\"", false),
            ("\"v99999999999999999999\"", false),
        ] {
            check(&[("If-Match", value)], 3, Some(expected));
        }
        let many = |last: &str| format!("{}{last}", "\"v1\", ".repeat(TAGS_MAX));
        check(&[("If-Match", &many("\"v3\""))], 3, Some(false));
        check(&[("If-Match", "*"), ("If-None-Match", &many("\"v3\""))], 3, Some(false));
        check(&[("If-Match", "*"), ("If-None-Match", many("").trim_end_matches([',', ' ']))], 3, Some(true));
        check(&[("If-Match", "\"v1\""), ("If-Match", "\"v3\"")], 3, Some(true));
        check(&[("If-Match", "*"), ("If-None-Match", "*")], 3, Some(false));
        check(&[("If-Match", "*"), ("If-None-Match", "W/\"v3\"")], 3, Some(false));
        check(&[("If-Match", "*"), ("If-None-Match", "\"v2\"")], 3, Some(true));
    }

    #[test]
    fn a_key_stands_once() {
        let read = |lines: &[&str]| {
            let request = lines.iter().fold(Request::get("/"), |request, value| request.with(IDEMPOTENCY_KEY, value));
            key(&request).map(|key| key.map(|key| key.text().to_owned())).map_err(drop)
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["a-1"]), Ok(Some("a-1".to_owned())));
        for lines in [&[""][..], &["a b"], &["é"], &["a", "a"], &[&"x".repeat(256)]] {
            assert_eq!(read(lines), Err(()), "{lines:?}");
        }
    }
}
