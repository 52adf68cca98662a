//! Owns what an access token says: who, made by whom, for whom, from when to when, and what they may do.
//!
//! The one idea: typed once. What could be read in two ways, a number with a fraction or a scope with a quote in it, is
//! refused here and not met again.
//!
//! Spec: RFC 7519 4.1 (registered claims), RFC 9068 2.2 (which of them an access token has), RFC 6749 3.3 (scopes),
//! RFC 7643 4.1.2 (`roles`).
//! Stricter: NumericDates are whole seconds, and before the year 10000; texts have no control characters and bounded
//! lengths.
//! Looser: `client_id` may be missing, which RFC 9068 2.2 requires: not every issuer has programs that it tells apart.
//! Never: what is unknown is refused: it is ignored (RFC 7519 4).

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::jwt::json::Members;
use crate::jwt::{Malformed, Part};

/// Most seconds between `iat` and `exp`: nothing but its expiry ends a token.
pub const LIFETIME_SECONDS_MAX: u64 = 24 * 60 * 60;

/// The last second of the year 9999.
const DATE_MAX: u64 = 253_402_300_799;

/// Most bytes of `iss`, `sub`, `jti`, `client_id`, of an audience, a role or a scope.
const TEXT_BYTES_MAX: usize = 256;

/// Most audiences, roles or scopes.
const LIST_MAX: usize = 32;

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Claims {
    /// Who has made it: a URL.
    pub iss: String,
    /// Whom it is about.
    pub sub: String,
    /// Whom it is for.
    #[serde(serialize_with = "one_or_many")]
    pub aud: Vec<String>,
    /// When it expires, in seconds since 1970.
    pub exp: u64,
    /// Before when it is not valid. A token without it is valid from `iat` on.
    pub nbf: u64,
    /// When it was made.
    pub iat: u64,
    /// Its own name, which no other has.
    pub jti: String,
    /// What it grants.
    #[serde(skip_serializing_if = "Scopes::is_empty")]
    pub scope: Scopes,
    /// What its subject is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The program that got it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

/// Scopes: what may be done, in words that the services choose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Vec<String>);

/// A text is no list of scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoScope;

impl Claims {
    /// The claims in a payload.
    ///
    /// # Errors
    /// [`Malformed::Json`], [`Malformed::Member`].
    pub fn parse(payload: &[u8]) -> Result<Claims, Malformed> {
        let claims = Members::parse(payload).ok_or(Malformed::Json(Part::Claims))?;
        let iat = date(&claims, "iat")?.ok_or(Malformed::Member("iat"))?;
        Ok(Claims {
            iss: text(&claims, "iss")?,
            sub: text(&claims, "sub")?,
            aud: texts(&claims, "aud")?.filter(|audiences| !audiences.is_empty()).ok_or(Malformed::Member("aud"))?,
            exp: date(&claims, "exp")?.ok_or(Malformed::Member("exp"))?,
            nbf: date(&claims, "nbf")?.unwrap_or(iat),
            iat,
            jti: text(&claims, "jti")?,
            scope: scopes(&claims)?,
            roles: roles(&claims)?,
            client_id: claims.member("client_id").map(|_| text(&claims, "client_id")).transpose()?,
        })
    }

    /// As a payload.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers are JSON")
    }
}

impl Scopes {
    /// Whether `scope` is among them.
    pub fn contains(&self, scope: &str) -> bool {
        self.0.iter().any(|own| own == scope)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether all of them are among `others`.
    pub fn is_within(&self, others: &Scopes) -> bool {
        self.iter().all(|scope| others.contains(scope))
    }
}

/// RFC 6749 3.3: `scope = scope-token *( SP scope-token )`; the empty text is none of them. Their order means nothing,
/// and one that stands twice stands once.
impl FromStr for Scopes {
    type Err = NoScope;

    fn from_str(text: &str) -> Result<Scopes, NoScope> {
        let mut scopes: Vec<String> = Vec::new();
        for scope in text.split(' ').filter(|_| !text.is_empty()) {
            if !is_scope(scope) || scopes.len() == LIST_MAX {
                return Err(NoScope);
            }
            if scopes.iter().all(|other| other != scope) {
                scopes.push(scope.to_owned());
            }
        }
        Ok(Scopes(scopes))
    }
}

/// RFC 6749 3.3: `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`.
fn is_scope(text: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    (1..=TEXT_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl fmt::Display for NoScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("scopes are visible characters but \" and \\, with one space between two of them")
    }
}

impl std::error::Error for NoScope {}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// RFC 7519 4.1.3: one audience may be a text by itself.
fn one_or_many<S: Serializer>(audiences: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    match audiences {
        [one] => one.serialize(serializer),
        many => many.serialize(serializer),
    }
}

fn text(claims: &Members, name: &'static str) -> Result<String, Malformed> {
    let text = claims.member(name).and_then(plain_text);
    text.map(str::to_owned).ok_or(Malformed::Member(name))
}

/// A text, or a list of them.
fn texts(claims: &Members, name: &'static str) -> Result<Option<Vec<String>>, Malformed> {
    let list = match claims.member(name) {
        None => return Ok(None),
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    if list.len() > LIST_MAX {
        return Err(Malformed::Member(name));
    }
    let texts: Option<Vec<String>> = list.iter().map(|value| plain_text(value).map(str::to_owned)).collect();
    texts.map(Some).ok_or(Malformed::Member(name))
}

fn scopes(claims: &Members) -> Result<Scopes, Malformed> {
    let text = claims.text("scope").map_err(Malformed::Member)?.unwrap_or_default();
    text.parse().map_err(|NoScope| Malformed::Member("scope"))
}

fn roles(claims: &Members) -> Result<Vec<String>, Malformed> {
    match claims.member("roles") {
        Some(value) if !value.is_array() => Err(Malformed::Member("roles")),
        _ => Ok(texts(claims, "roles")?.unwrap_or_default()),
    }
}

/// RFC 7519 2, NumericDate: seconds. A fraction is allowed there and refused here: nobody needs one, and programs
/// round.
fn date(claims: &Members, name: &'static str) -> Result<Option<u64>, Malformed> {
    let Some(value) = claims.member(name) else { return Ok(None) };
    value.as_u64().filter(|&seconds| seconds <= DATE_MAX).map(Some).ok_or(Malformed::Member(name))
}

/// A text that may stand in a log and in a field.
fn plain_text(value: &Value) -> Option<&str> {
    let fits = |text: &&str| (1..=TEXT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    value.as_str().filter(fits)
}
