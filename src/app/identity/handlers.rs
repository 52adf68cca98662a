//! Owns the handlers: each reads its input, asks the issuer once, and answers.
//!
//! Spec: RFC 6749 3.2 (POST, a form, nothing in the query), 5.1 (`no-store`); RFC 7009 2.2 (200 for every token that is not
//! valid any more); RFC 7662 2.2; RFC 7517 5, RFC 9111 5.2.2.1 (keys may be kept for a while).
//! Never: decides anything about a grant.

use serde_json::{Value, json};

use crate::app::identity::domain::client::{Client, Presented};
use crate::app::identity::domain::keys::{LIST_KEPT_SECONDS, State};
use crate::app::identity::domain::parameters::Parameters;
use crate::app::identity::domain::refused::{Code, Refused};
use crate::app::identity::error::Error;
use crate::app::identity::keyring::Ring;
use crate::app::identity::{Identity, metadata};
use crate::http::field::name;
use crate::http::middleware::Principal;
use crate::http::{Request, Response};
use crate::jwt::Algorithm;

pub(super) async fn token(identity: Identity, mut request: Request) -> Result<Response, Error> {
    let parameters = parameters(&mut request).await?;
    let client = client(&identity, &request, &parameters).await?;
    let issued = identity.grant(client, &parameters, request.client()).await?;
    Ok(unstored(Response::json(&issued)))
}

pub(super) async fn revoke(identity: Identity, mut request: Request) -> Result<Response, Error> {
    let parameters = parameters(&mut request).await?;
    let client = client(&identity, &request, &parameters).await?;
    identity.revoke(client, parameters.require("token", "token is missing")?).await?;
    Ok(unstored(Response::json(&json!({}))))
}

pub(super) async fn introspect(identity: Identity, mut request: Request) -> Result<Response, Error> {
    const PUBLIC: Refused = Code::InvalidClient.because("who looks into tokens shows a secret");
    let parameters = parameters(&mut request).await?;
    let client = client(&identity, &request, &parameters).await?;
    // RFC 7662 2.1: a scan for valid tokens must not be open to everybody.
    if !client.is_confidential() {
        return Err(PUBLIC.into());
    }
    let looked = identity.introspect(client, parameters.require("token", "token is missing")?).await?;
    Ok(unstored(Response::json(&looked)))
}

pub(super) async fn jwks(identity: Identity, _: Request) -> Result<Response, Error> {
    let ring = identity.inner.keyring.signing().await?;
    let (document, tag) = ring.document();
    let response = Response::text(String::new()).with_content("application/jwk-set+json", document.to_owned());
    Ok(response.with(name::ETAG, tag).with(name::CACHE_CONTROL, kept()))
}

pub(super) async fn metadata(identity: Identity, _: Request) -> Response {
    Response::json(&metadata::of(&identity)).with(name::CACHE_CONTROL, kept())
}

/// How long a verifier may keep the keys without asking. One that meets a key that it does not know asks sooner.
fn kept() -> String {
    format!("public, max-age={LIST_KEPT_SECONDS}")
}

/// Who the bearer of an access token is.
pub(super) async fn userinfo(identity: Identity, request: Request) -> Result<Response, Error> {
    let principal = request.value::<Principal>().ok_or(Error::NoAccount)?;
    let account = identity.account(&principal.subject).await?.ok_or(Error::NoAccount)?;
    let roles: Vec<&str> = account.roles.iter().map(|role| role.text()).collect();
    Ok(unstored(Response::json(&json!({
        "sub": principal.subject,
        "name": account.name.text(),
        "preferred_username": account.name.text(),
        "roles": roles,
    }))))
}

/// Lets the next key sign; the parameter `algorithm` chooses that of the key behind it. With `withdraw=true` all keys are gone
/// at once, and there are new ones of that algorithm.
pub(super) async fn rotate(identity: Identity, mut request: Request) -> Result<Response, Error> {
    const UNKNOWN: Refused = Code::InvalidRequest.because("algorithm is HS256, RS256, ES256 or EdDSA");
    const UNCLEAR: Refused = Code::InvalidRequest.because("withdraw is true or false");
    let by = request.value::<Principal>().map(|principal| principal.subject.clone()).unwrap_or_default();
    let asked = match request.content().length() {
        Some(0) => Parameters::default(),
        _ => parameters(&mut request).await?,
    };
    let algorithm = asked.get("algorithm").map(|name| Algorithm::named(name).ok_or(UNKNOWN)).transpose()?;
    let withdraws = match asked.get("withdraw") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(UNCLEAR.into()),
    };
    let keyring = &identity.inner.keyring;
    let ring = if withdraws { keyring.withdraw(algorithm).await? } else { keyring.rotate(algorithm).await? };
    let active = ring.signing().map(|key| key.kid().to_owned()).unwrap_or_default();
    tracing::warn!(by, active, withdraws, "the signing keys were changed");
    Ok(unstored(Response::json(&listed(&ring))))
}

/// The parameters in the content of `request`.
async fn parameters(request: &mut Request) -> Result<Parameters, Error> {
    // RFC 6749 2.3.1, 3.2: what stands in the target stands in logs, too.
    if request.target_query().is_some_and(|query| !query.is_empty()) {
        return Err(Code::InvalidRequest.because("parameters stand in the content, and not in the query").into());
    }
    Ok(Parameters::parse(request.form().await?)?)
}

/// The client that `request` is from.
fn client<'a>(
    identity: &'a Identity,
    request: &'a Request,
    parameters: &'a Parameters,
) -> impl Future<Output = Result<&'a Client, Error>> + Send {
    // A request cannot be held while somebody waits: its content may be one that only one thread may look at.
    let presented = Presented::of(request.fields().all(name::AUTHORIZATION), parameters);
    let from = request.client();
    async move { identity.client(&presented?, from).await }
}

/// RFC 6749 5.1: `Pragma` is for caches of the last century, and asked for all the same.
fn unstored(response: Response) -> Response {
    response.with(name::CACHE_CONTROL, "no-store").with("Pragma", "no-cache")
}

/// The keys and their states.
pub(super) fn listed(ring: &Ring) -> Value {
    let keys = ring.listed().into_iter().map(|key| {
        let mut shown = json!({
            "kid": key.kid,
            "alg": key.algorithm.name(),
            "state": key.state.name(),
            "since": key.since,
            "public": key.algorithm != Algorithm::HS256,
        });
        if let State::Retired { until } = key.state {
            shown["until"] = until.into();
        }
        shown
    });
    json!({"keys": keys.collect::<Vec<_>>()})
}
