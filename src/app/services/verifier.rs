//! Owns how a service knows who asks: by the token alone, and the keys that it has already.
//!
//! ```text
//!   token ─> verify ─> Principal                              some arithmetic, and nobody is asked
//!              └─ a key that is unknown ─> newer keys? ─> verify once more
//! ```
//!
//! The one idea: the issuer is asked for keys, and never about a token. That is why a service outlives it, and why a
//! token that was taken back is good here until it expires.
//!
//! Spec: RFC 9068 4 (how a resource server validates), RFC 6750 3.1 (what it says).
//! Never: says more of a refused token than whether another one would help; why, is in the log.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::app::services::key_cache::{KeyCache, NoKeys};
use crate::http::middleware::{Authenticate, BearerError, Principal};
use crate::jwt::{Claims, Expected, Jwks, Refused, verify};

/// Seconds by which the issuer's clock may differ.
pub const LEEWAY_SECONDS: u64 = 30;

/// Verifies tokens of one issuer for one service.
#[derive(Clone, Debug)]
pub struct Verifier {
    issuer: String,
    audience: &'static str,
    keys: KeyCache,
}

impl Verifier {
    /// Takes tokens of `issuer` that are for `audience`.
    pub fn new(issuer: &str, audience: &'static str, keys: KeyCache) -> Verifier {
        Verifier { issuer: issuer.to_owned(), audience, keys }
    }

    async fn claims(&self, token: &str) -> Result<Claims, BearerError> {
        let keys = self.keys.current().await?;
        match self.verify(token, &keys) {
            Err(Refused::UnknownKey { kid }) => match self.keys.beyond(&keys).await? {
                Some(newer) => self.verify(token, &newer).map_err(|refused| told(&refused)),
                None => Err(told(&Refused::UnknownKey { kid })),
            },
            verified => verified.map_err(|refused| told(&refused)),
        }
    }

    fn verify(&self, token: &str, keys: &Arc<Jwks>) -> Result<Claims, Refused> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let expected = Expected { issuer: &self.issuer, audience: self.audience, now, leeway: LEEWAY_SECONDS };
        verify(token, &**keys, &expected)
    }
}

impl Authenticate for Verifier {
    async fn authenticate(&self, token: &str) -> Result<Principal, BearerError> {
        let Claims { sub, client_id, scope, roles, .. } = self.claims(token).await?;
        let scopes = scope.iter().map(str::to_owned).collect();
        Ok(Principal { subject: sub, client: client_id, scopes, roles })
    }
}

/// What a client is told of a refused token: what it can act on. The rest would only help whoever forges.
fn told(refused: &Refused) -> BearerError {
    tracing::debug!(%refused, "a token was refused");
    let description = match refused {
        Refused::Expired => "the token has expired",
        Refused::NotYet => "the token is not valid yet",
        Refused::Audience => "the token is for another service",
        _ => "the token is not valid",
    };
    BearerError::Invalid { description }
}

impl From<NoKeys> for BearerError {
    fn from(NoKeys { retry_after }: NoKeys) -> BearerError {
        BearerError::Unavailable { retry_after }
    }
}
