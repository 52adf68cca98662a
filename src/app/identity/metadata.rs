//! Owns what the issuer says of itself, for clients that configure themselves.
//!
//! Spec: RFC 8414 2 (members), 3 (where: behind the root, for this issuer at `/.well-known/oauth-authorization-server/identity`),
//! 3.3 (`issuer` is the very URL that it was asked by).
//! OpenID Connect Discovery 4 has the same document below the issuer. This is no OpenID provider: it issues no ID tokens.

use serde::Serialize;

use crate::app::identity::Identity;
use crate::app::identity::domain::grant::GrantType;

/// How clients may show who they are.
const SECRETS: [&str; 2] = ["client_secret_basic", "client_secret_post"];
const ANY: [&str; 3] = [SECRETS[0], SECRETS[1], "none"];

#[derive(Serialize)]
pub(super) struct Metadata {
    issuer: String,
    token_endpoint: String,
    jwks_uri: String,
    revocation_endpoint: String,
    introspection_endpoint: String,
    userinfo_endpoint: String,
    scopes_supported: Vec<String>,
    /// Required, though 3.2 would leave out a list of nothing: there is no authorization endpoint that a type could be for.
    response_types_supported: [&'static str; 0],
    grant_types_supported: [&'static str; 3],
    token_endpoint_auth_methods_supported: [&'static str; 3],
    revocation_endpoint_auth_methods_supported: [&'static str; 3],
    introspection_endpoint_auth_methods_supported: [&'static str; 2],
}

pub(super) fn of(identity: &Identity) -> Metadata {
    let issuer = identity.inner.config.issuer.clone();
    let at = |path: &str| format!("{issuer}{path}");
    let mut scopes: Vec<String> = Vec::new();
    for client in identity.inner.clients.iter() {
        for scope in client.all_scopes().iter() {
            if scopes.iter().all(|other| other != scope) {
                scopes.push(scope.to_owned());
            }
        }
    }
    Metadata {
        token_endpoint: at("/token"),
        jwks_uri: at("/.well-known/jwks.json"),
        revocation_endpoint: at("/revoke"),
        introspection_endpoint: at("/introspect"),
        userinfo_endpoint: at("/userinfo"),
        scopes_supported: scopes,
        response_types_supported: [],
        grant_types_supported: GrantType::ALL.map(GrantType::text),
        token_endpoint_auth_methods_supported: ANY,
        revocation_endpoint_auth_methods_supported: ANY,
        introspection_endpoint_auth_methods_supported: SECRETS,
        issuer,
    }
}
